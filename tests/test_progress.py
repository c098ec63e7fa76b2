"""`progress=`: how far a call has come, on standard error or told to a function; the results are the same."""

import sys

import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji import InputError, display

STATE = DATA / "models" / "seed003_tfk_state_masked"


@pytest.fixture(scope="module")
def ids(small):
    return np.tile(small[1]["tokens"], (25, 1))  # enough for many batches


@pytest.fixture(scope="module", params=["numpy", "numba"])
def model(small, request):
    return npmoji.load(small[0], engine=request.param, threads=2)


class Told:
    """A function that keeps what it was called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, *numbers):
        self.calls.append(numbers)


def test_a_function_is_told_and_the_bits_stay(model, ids):
    for way in (model.predict, model.encode, model.attention):
        told = Told()
        assert np.array_equal(way(ids, progress=told), way(ids))
        done = [number for number, _ in told.calls]
        assert done == sorted(set(done)) and done[0] > 0 and len(done) > 3
        assert told.calls[-1] == (len(ids), len(ids))
    assert model.top(ids, progress=Told()) == model.top(ids)


def test_an_ensemble_counts_each_text_once(small, ids):
    ensemble, told = npmoji.Ensemble([small[0]] * 3, engine="numpy"), Told()
    assert np.array_equal(ensemble.predict(ids, progress=told), ensemble.predict(ids))
    assert told.calls[-1] == (len(ids), len(ids)) and told.calls == sorted(told.calls)
    assert any(len(ids) / 3 < done < 2 * len(ids) / 3 for done, _ in told.calls)
    assert ensemble.top(ids[:2], progress=told) == ensemble.top(ids[:2])


def test_parts():
    told = Told()
    second = display.part(told, 1, 2)
    second(5, 10)
    second(10, 10)
    assert told.calls == [(7, 10), (10, 10)]
    assert display.part(None, 1, 2) is None


def test_lines_where_standard_error_is_no_terminal(small, ids, capsys):
    model = npmoji.load(small[0], engine="numpy")
    model.predict(ids, progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and 2 <= len(lines) <= 10
    assert lines[-1] == f"npmoji: {len(ids):,} of {len(ids):,} texts"
    model.predict(ids)
    model.predict(ids[:0], progress=True)  # nothing to do
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(small, ids, capsys, monkeypatch):
    seen = []

    class Recorded:
        def __init__(self, size):
            seen.append(("new", size))

        def step(self, texts, done):
            seen.append((texts, done))

        def close(self):
            seen.append("closed")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(display, "ProgressLine", Recorded)
    model = npmoji.load(small[0], engine="numpy")
    model.encode(ids, progress=True)
    assert seen[0] == ("new", len(ids)) and seen[-1] == "closed" and seen[-2][1] == len(ids)
    assert sum(texts for texts, _ in seen[1:-1]) == len(ids)
    monkeypatch.setattr(Recorded, "step", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.encode(ids, progress=True)
    assert seen[-1] == "closed"  # on an error too


def test_without_a_standard_error(small, ids, monkeypatch):
    model = npmoji.load(small[0], engine="numpy")
    monkeypatch.setattr(sys, "stderr", None)
    model.predict(ids, progress=True)


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_neither_a_bool_nor_a_function(small, ids, wrong):
    with pytest.raises(InputError, match="progress"):
        npmoji.load(small[0], engine="numpy").predict(ids, progress=wrong)


def test_what_the_function_raises_comes_out(model, ids):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.predict(ids, progress=stop)
