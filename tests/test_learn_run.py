"""Runs through stages, on a trainer in NumPy: which weights are kept, when it stops, going on from a checkpoint."""

import itertools
import math
import sys

import numpy as np
import pytest

from npmoji import InputError, WeightsError, display
from npmoji.learn import checkpoint
from npmoji.learn.loop import Best, Patience, epochs
from npmoji.learn.run import Run, State
from npmoji.learn.watch import watching

NAN, INF = math.nan, math.inf


class Scripted:
    """Its weights are the number of its steps, its validation losses are those of a list."""

    def __init__(self, losses, count):
        self.losses, self.count = losses, count

    def step(self, *batch, rate=None):
        self.count[0] += 1
        return float(self.count[0])

    def weights(self):
        return {"w": np.array(self.count[0])}

    def set_weights(self, weights):
        self.count[0] = int(weights["w"])

    def state(self):
        return self.weights()

    def validate(self):
        return next(self.losses), 0.5


def run(losses, stages=("only",), count=100, steps=1, **options):
    """A run in which epoch after epoch has the next of these losses."""
    counter, losses = [0], iter(losses)
    made = Run(
        list(stages),
        lambda stage: Scripted(losses, counter),
        zip(itertools.repeat(0)),
        lambda trainer: trainer.validate(),
        steps,
        count,
        **options,
    )
    return made, State()


@pytest.mark.parametrize(
    "losses, ran, best",
    [
        ([3, 2, 1, 1, 1, 1, 1, 1, 1], 9, 2),  # the sixth without a new low is the last
        ([3, 2, 1, 1, 1, 1, 1, 1, 0.5, 9, 9, 9, 9, 9, 9], 15, 8),
        ([3, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2], 13, 6),
        ([NAN, 3, NAN, NAN, NAN, NAN, NAN, 2.5, NAN, NAN, NAN, NAN, NAN, NAN], 14, 7),
        ([INF, 5, 6, 6, 6, 6, 6, 6], 8, 1),
        ([-1, 1, 1, 1, 1, 1, 1], 7, 0),
    ],
)
def test_when_it_stops_and_what_is_kept(losses, ran, best):
    made, state = run(losses)
    trainer = made.fit(state)
    assert len(state.history[0]["val_loss"]) == ran
    assert state.best.epoch == best
    assert trainer.weights()["w"] == best + 1  # a step an epoch


def test_epochs_end_where_they_are_to_end():
    made, state = run([5, 4, 3, 2, 1], count=3, steps=4)
    assert made.fit(state).weights()["w"] == 12
    assert state.drawn == 12 and state.history[0]["loss"] == [2.5, 6.5, 10.5]


def test_stages_keep_the_best_of_all_of_them():
    first, second, third = [4, 3, 9, 9, 9, 9, 9, 9], [3, 3.5, 3.2, 3.1, 3.4, 3.3, 3.6], [2, 5, 5, 5, 5, 5, 5]
    made, state = run(first + second + third, stages=("a", "b", "c"), count=8)
    assert made.fit(state).weights()["w"] == 3  # two steps to the best of stage a, where stage c began, and one more
    assert [entry["val_loss"] for entry in state.history] == [first, second, third]
    assert [entry["saved_epochs"] for entry in state.history] == [[0, 1], [], [0]]
    assert state.drawn == len(first + second + third)


def test_a_stage_that_is_never_better_ends_with_earlier_weights():
    made, state = run([1, 2, 2] + [2, 2], stages=("a", "b"), count=2)
    assert made.fit(state).weights()["w"] == 1
    assert state.best.stage == 0


@pytest.mark.parametrize("loss", [NAN, INF])
def test_losses_that_are_no_numbers_from_the_start(loss):
    made, state = run([loss] * 20)
    with pytest.raises(InputError, match=rf"validation loss is {loss} after epoch 1 of stage 'only'.* all 6 epochs"):
        made.fit(state)


def test_no_epochs():
    made, state = run([1], count=0)
    with pytest.raises(InputError, match="epochs must be at least 1"):
        made.fit(state)
    with pytest.raises(InputError, match="epoch 1 has no batches"):
        list(epochs(Scripted([], [0]), lambda number: [], count=1))


def test_those_who_watch():
    seen = []
    made, state = run([2, 1, 2], stages=("a", "b"), count=1, steps=2, watch=seen.append)
    made.fit(state)
    assert [(at.stage, at.place, at.stages, at.epoch, at.batch, at.batches, at.ended) for at in seen] == [
        ("a", 0, 2, 1, 1, 2, False),
        ("a", 0, 2, 1, 2, 2, False),
        ("a", 0, 2, 1, 2, 2, True),
        ("b", 1, 2, 1, 1, 2, False),
        ("b", 1, 2, 1, 2, 2, False),
        ("b", 1, 2, 1, 2, 2, True),
    ]
    seen.clear()
    made, state = run([2, 1], count=2, watch=seen.append)
    made.fit(state)
    assert math.isnan(seen[0].val_loss) and [at.val_loss for at in seen[1:]] == [2, 2, 1]
    assert [at.val_score for at in seen[1:]] == [0.5] * 3


def test_rates_and_what_follows_a_step():
    class Rates:
        def __init__(self):
            self.rates = []

        def step(self, x, rate=None):
            self.rates.append(rate)
            return x

    trainer, after = Rates(), []
    list(
        epochs(
            trainer,
            lambda number: [(1,)] * (number + 1),
            2,
            rate=lambda epoch, at, size: (epoch, at, size),
            after_step=lambda: after.append(1),
        )
    )
    assert trainer.rates == [(0, 0, 1), (1, 0, 2), (1, 1, 2)] and len(after) == 3


# Going on ------------------------------------------------------------------------------------------------------------


class Noisy:
    """Two layers of a linear model trained by momentum, with noise in every step; each stage trains one of them."""

    X = np.random.RandomState(0).randn(40, 3)
    Y = X @ [1, -2, 0.5] + 0.3

    def __init__(self, stage):
        self.layers = ["kernel", "bias"][stage % 2 : stage % 2 + 1]
        self.w = {"kernel": np.zeros(3), "bias": np.zeros(1)}
        self.m = {name: np.zeros_like(array) for name, array in self.w.items()}
        self.random = np.random.RandomState(stage)

    def step(self, rows, rate=None):
        error = self.X[rows] @ self.w["kernel"] + self.w["bias"] - self.Y[rows] + self.random.randn(len(rows))
        slopes = {"kernel": self.X[rows].T @ error / len(rows), "bias": error.mean(keepdims=True)}
        for name in self.layers:
            self.m[name] = 0.8 * self.m[name] + slopes[name]
            self.w[name] = self.w[name] - 0.1 * self.m[name]
        return float((error**2).mean())

    def validate(self):
        return float(((self.X @ self.w["kernel"] + self.w["bias"] - self.Y) ** 2).mean()), 0.0

    def weights(self):
        return {name: array.copy() for name, array in self.w.items()}

    def set_weights(self, weights):
        self.w = {name: array.copy() for name, array in weights.items()}

    def state(self):
        _, keys, at, *_ = self.random.get_state()
        return {f"w.{k}": v for k, v in self.w.items()} | {f"m.{k}": v for k, v in self.m.items()} | {
            "keys": keys,
            "at": np.array([at, *self.random.get_state()[3:]]),
        }  # fmt: skip

    def load_state(self, state):
        self.w = {k: state[f"w.{k}"].copy() for k in self.w}
        self.m = {k: state[f"m.{k}"].copy() for k in self.m}
        at, has, cached = state["at"]
        self.random.set_state(("MT19937", state["keys"], int(at), int(has), cached))


def noisy(save=None):
    def drawn():
        random = np.random.RandomState(5)
        while True:
            yield (random.randint(0, 40, 8),)

    return Run(["kernel", "bias", "kernel"], Noisy, drawn(), lambda trainer: trainer.validate(), 3, 9, save)


class Stop(Exception):
    """The end of a process."""


def test_going_on_gives_what_an_unbroken_run_gives(tmp_path):
    path, state = tmp_path / "run.safetensors", State()
    expected = noisy().fit(state)
    total = sum(len(entry["loss"]) for entry in state.history)
    assert len(state.history) == 3 and len({len(entry["loss"]) for entry in state.history}) > 1

    for stop in range(1, total + 1):

        def save(state, left=[stop]):  # noqa: B006

            checkpoint.write(path, checkpoint.Checkpoint({"seed": 1}, state, [], {}))
            left[0] -= 1
            if not left[0]:
                raise Stop

        with pytest.raises(Stop):
            noisy(save).fit(State())
        found = checkpoint.read(path, {"seed": 1}).state
        assert sum(len(entry["loss"]) for entry in found.history) == stop
        trainer = noisy().fit(found)
        assert found.history == state.history and found.best.epoch == state.best.epoch
        for name, array in expected.weights().items():
            assert trainer.weights()[name].tobytes() == array.tobytes()


def kept(**settings):
    return checkpoint.Checkpoint(
        settings, State(best=Best(), patience=Patience()), [{"score": 0.5}], {"a/b": np.ones(2)}
    )


def test_what_a_checkpoint_holds(tmp_path):
    path = tmp_path / "x"
    checkpoint.write(path, kept(seed=1, rates=(1, 2)))
    found = checkpoint.read(path, {"seed": 1, "rates": (1, 2)})
    assert found.state == State() and found.results == [{"score": 0.5}]
    assert found.done["a/b"].tolist() == [1, 1]


@pytest.mark.parametrize("settings", [{"seed": 2}, {"seed": 1, "new": 3}, {}])
def test_a_checkpoint_of_another_run(settings, tmp_path):
    checkpoint.write(tmp_path / "x", kept(seed=1))
    with pytest.raises(InputError, match=r"x: this checkpoint is of another run: (seed|new) is .* there, .* here"):
        checkpoint.read(tmp_path / "x", settings)


def test_a_damaged_checkpoint(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(WeightsError, match="cannot be read"):
        checkpoint.read(path, {})
    state = State()
    noisy(lambda state: checkpoint.write(path, checkpoint.Checkpoint({}, state, [], {}))).fit(state)
    content = path.read_bytes()
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(WeightsError, match="x: "):
            checkpoint.read(path, {})
    for old, new in [
        (b'\\"stage\\"', b'\\"stagf\\"'),
        (b'\\"drawn\\": ', b'\\"drawn\\":-'),
        (b"npmoji checkpoint 1", b"npmoji checkpoint 2"),
        (b'"best/', b'"bist/'),
        (b'"results":"[]"', b'"results":"{}"'),
        (b'"settings":"{}"', b'"settings":"{,"'),
    ]:
        assert old in content
        path.write_bytes(content.replace(old, new))
        with pytest.raises(WeightsError, match="x: "):
            checkpoint.read(path, {})


# What is shown -------------------------------------------------------------------------------------------------------


def shown_on_a_terminal(monkeypatch, capsys, width, *arguments, **options):
    """What a run shows on a terminal on standard error, line after line; every look at the clock takes a second."""
    clock = itertools.count()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(display.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(display, "_width", lambda: width)
    with watching(True) as watch:
        made, state = run(*arguments, watch=watch, **options)
        made.fit(state)
    return [text.rstrip() for text in capsys.readouterr().err.split("\r")][1:]


def test_a_line_on_a_terminal(monkeypatch, capsys):
    losses, options = [2, 1.5, 1, 1, 1, 1], {"stages": ("a", "b"), "count": 3, "steps": 2}
    lines = shown_on_a_terminal(monkeypatch, capsys, 140, losses, **options)
    assert lines[0].endswith("stage 1/2 a  epoch 1  batch 1/2  loss 1.0000  at most 0:11 left")
    assert lines[2].endswith("stage 1/2 a  epoch 2  batch 1/2  loss 3.0000  val 2.0000 (50.0%)  at most 0:09 left")
    assert "stage 2/2 b  epoch 1  batch 1/2" in lines[6] and lines[6].endswith("at most 0:05 left")
    assert lines[11].startswith("[##############################]") and lines[11].endswith("at most 0:00 left")
    assert lines[12:] == ["", ""]  # nothing stays


def test_a_narrow_terminal(monkeypatch, capsys):
    lines = shown_on_a_terminal(monkeypatch, capsys, 44, [2, 1], count=2, steps=2)
    assert all(len(line) < 44 for line in lines)
    assert lines[3] == "epoch 2  batch 2/2  at most 0:00 left"


def test_progress_is_a_bool_or_a_function(monkeypatch, capsys):
    with watching(print) as watch, watching(False) as none:
        assert watch is print and none is None
    with pytest.raises(InputError, match="progress 'yes': expected True, False or a function"), watching("yes"):
        pass
    monkeypatch.setattr(sys, "stderr", None)
    with watching(True) as watch:
        made, state = run([2, 1], count=2, watch=watch)
        made.fit(state)
