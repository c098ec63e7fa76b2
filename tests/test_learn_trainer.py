"""`npmoji.learn.Trainer` against genuine Keras 2.0.5: losses, gradients, weights after each step; what it
refuses."""

import json
import pickle
import re

import numpy as np
import pytest
from conftest import DATA, SHARED

import npmoji
from npmoji import InputError, deepmoji, loading
from npmoji.formats import Contents
from npmoji.graph import Graph
from npmoji.model import Model

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
from npmoji.learn.trainer import Trainer

PLACES = [DATA / "finetuning", *([SHARED / "goldens" / "finetuning"] if SHARED else [])]
CASES = {path.parent.name: path.parent for place in reversed(PLACES) for path in sorted(place.glob("*/case.json"))}
STEPS = [name for name in CASES if re.match("(last|full|new)_", name)]
THAWS = [name for name in CASES if name.startswith("chainthaw_")]
#: the goldens' names of arrays -> ours
NAMES = {
    "W": "kernel",
    "forward_recurrent": "forward_recurrent_kernel",
    "backward_recurrent": "backward_recurrent_kernel",
}


def golden(name):
    with np.load(CASES[name] / "golden.npz") as arrays:
        return json.loads((CASES[name] / "case.json").read_text()), dict(arrays)


def weights(arrays, prefix):
    """The golden's arrays of that prefix by our names."""
    found = {}
    for key, array in arrays.items():
        if key.startswith(prefix):
            layer, _, name = key.removeprefix(prefix).partition(".")
            found[f"{layer}/{NAMES.get(name, name)}"] = array
    return found


def model_of(initial, file="initial.hdf5"):
    layers = {layer: {name: initial[f"{layer}/{name}"] for name in names} for layer, names in deepmoji.WEIGHTED.items()}
    contents = Contents(file, layers, "2.0.5")
    return Model(loading.build(contents), file=contents, engine="numpy")


def assert_close(ours, wanted, tolerance, row_0=None):
    assert ours.keys() == wanted.keys()
    for name, array in wanted.items():
        assert ours[name].shape == array.shape and ours[name].dtype == np.float32, name
        off = np.abs(ours[name] - array)
        if name == "embedding/embeddings" and row_0 is not None:  # Adam makes much of what is rounding there
            assert off[0].max() <= row_0, f"{name}, row 0: {off[0].max()}"
            off = off[1:]
        assert off.max() <= tolerance, f"{name}: {off.max()}"


ROW_0 = "embedding.embeddings row 0, weights"


def test_there_are_cases():
    assert len(STEPS) >= 2 and THAWS


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_that_of_keras(name):
    case, arrays = golden(name)
    options, tolerance = case["options"], case["tolerance"]
    initial = weights(arrays, "initial.")
    trainer = Trainer(model_of(initial), method=options["method"], l2=options["l2"], dropout=False)
    assert trainer.rate == pytest.approx(case["learning_rate"]) and case["clipnorm"] == trainer.clipnorm
    tokens, labels = arrays["tokens"], arrays["labels"]
    assert np.abs(trainer.predict(tokens[0]) - arrays["probs_before"]).max() <= tolerance["probs_*"]

    loss, gradients = trainer.gradients(tokens[0], labels[0])
    assert abs(loss - arrays["loss"][0]) <= tolerance["loss"]
    wanted = weights(arrays, "grad.")
    assert set(trainer.trainable) == wanted.keys()
    assert_close(gradients, wanted, tolerance["gradients"])
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients.values()))
    assert norm == pytest.approx(case["gradient_norm"], rel=1e-4)
    unseen = gradients.get("embedding/embeddings", np.ones((1, 1))) == 0

    for k, (ids, y) in enumerate(zip(tokens, labels)):
        loss, accuracy = trainer.evaluate(ids, y)
        assert abs(loss - arrays["loss"][k]) <= tolerance["loss"]
        assert abs(accuracy - arrays["accuracy"][k]) <= tolerance["accuracy"]
        assert abs(trainer.step(ids, y) - arrays["loss"][k]) <= tolerance["loss"]
        after = weights(arrays, f"after{k + 1}.")
        if after:
            now = trainer.weights()
            assert_close({key: now[key] for key in after}, after, tolerance["weights"], tolerance[ROW_0])
            for key in now.keys() - after.keys():
                np.testing.assert_array_equal(now[key], initial[key])
        if k == 0 and unseen.all(axis=1).any():  # nothing moves a row whose gradient is 0
            rows = unseen.all(axis=1)
            table = trainer.weights()["embedding/embeddings"]
            np.testing.assert_array_equal(table[rows], initial["embedding/embeddings"][rows])
    assert np.abs(trainer.predict(tokens[0]) - arrays["probs_after"]).max() <= tolerance["probs_*"]
    assert np.abs(trainer.model().predict(tokens[0]) - arrays["probs_after"]).max() <= tolerance["probs_*"]


@pytest.mark.parametrize("apart", [False, True], ids=["one trainer", "a trainer for each stage"])
@pytest.mark.parametrize("name", THAWS)
def test_every_stage_of_chain_thaw_is_that_of_keras(name, apart):
    case, arrays = golden(name)
    tolerance, options = case["tolerance"], {"l2": case["options"]["l2"], "dropout": False}
    model = model_of(weights(arrays, "initial."))
    trainer, k = Trainer(model, method="chain-thaw", **options), 0
    assert trainer.stages == ["softmax", "embedding", "bi_lstm_0", "bi_lstm_1", "attlayer", "all"]
    for stage in case["stages"]:
        number = stage["stage"]
        if apart:
            trainer = Trainer(trainer.model(), method="chain-thaw", stage=trainer.stages[number], **options)
        else:
            trainer.start(number)
        assert trainer.rate == pytest.approx(stage["learning_rate"])
        before = trainer.weights()
        loss, gradients = trainer.gradients(arrays["tokens"][k], arrays["labels"][k])
        assert_close(gradients, weights(arrays, f"stage{number}.grad."), tolerance["gradients"])
        for _ in range(case["batches_per_stage"]):
            loss = trainer.step(arrays["tokens"][k], arrays["labels"][k])
            assert abs(loss - arrays["loss"][k]) <= tolerance["loss"]
            k += 1
        after, now = weights(arrays, f"stage{number}.after."), trainer.weights()
        assert_close({key: now[key] for key in after}, after, tolerance["weights"], tolerance[ROW_0])
        for key in now.keys() - after.keys():
            np.testing.assert_array_equal(now[key], before[key])


@pytest.mark.skipif("seed003_training" not in CASES, reason="needs the golden seed003_training")
def test_the_loop_of_seed_003_is_that_of_torch():
    case, arrays = golden("seed003_training")
    x = npmoji.Input(shape=(arrays["head.features"].shape[2],))
    head = npmoji.Dense(x, arrays["head.kernel0"], arrays["head.bias0"], "sigmoid", name="head")
    trainer = Trainer(Model(Graph([x, head], [head])), loss="bce_logits_sum", optimiser="torch", dropout=False)
    limit = float(case["tolerance"]["head"])
    for k, (features, labels) in enumerate(zip(arrays["head.features"], arrays["head.labels"])):
        _, gradients = trainer.gradients(features, labels)
        norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients.values()))
        assert abs(norm - arrays["head.norm"][k]) <= limit * max(1, norm)
        loss = trainer.step(features, labels, rate=arrays["rate_small"][k])
        assert abs(loss - arrays["head.loss"][k]) <= limit * max(1, loss)
        now = trainer.weights()
        assert np.abs(now["head/kernel"] - arrays["head.kernel"][k]).max() <= limit
        assert np.abs(now["head/bias"] - arrays["head.bias"][k]).max() <= limit


# Losses --------------------------------------------------------------------------------------------------------------


def headed(C, activation, width=4, seed=0):
    rng = np.random.default_rng(seed)
    x = npmoji.Input(shape=(width,))
    kernel, bias = rng.standard_normal((width, C)).astype(np.float32), rng.standard_normal(C).astype(np.float32)
    head = npmoji.Dense(x, kernel, bias, activation, name="head")
    return Model(Graph([x, head], [head])), rng.standard_normal((7, width)).astype(np.float32)


def test_several_sigmoids_are_several_questions():
    model, x = headed(3, "sigmoid")
    labels = np.random.default_rng(1).integers(0, 2, (7, 3))
    p = model.predict(x).astype(np.float64)
    trainer = Trainer(model)
    loss, accuracy = trainer.evaluate(x, labels, batch_size=3)
    assert loss == pytest.approx(-np.where(labels, np.log(p), np.log(1 - p)).mean(), abs=1e-6)
    assert accuracy == pytest.approx((np.round(p) == labels).mean())
    _, gradients = trainer.gradients(x, labels)
    np.testing.assert_allclose(gradients["head/kernel"], x.T @ (p - labels) / 21, atol=1e-6)


def test_two_columns_of_a_softmax_are_two_classes():
    model, x = headed(2, "softmax")
    labels = [0, 1, 1, 0, 1, 1, 0]
    p = model.predict(x).astype(np.float64)
    loss, accuracy = Trainer(model).evaluate(x, labels)
    assert loss == pytest.approx(-np.log(p[np.arange(7), labels]).mean(), abs=1e-6)
    assert accuracy == pytest.approx((p.argmax(axis=1) == labels).mean())


def test_no_gradient_where_the_loss_is_clipped():
    model, x = headed(1, "sigmoid")
    model["head"].logits  # noqa: B018
    trainer = Trainer(model)
    trainer.set_weights({"head/kernel": np.zeros((4, 1)), "head/bias": np.float32([40])})
    loss, gradients = trainer.gradients(x, np.zeros(7))
    assert loss == pytest.approx(15.942385, abs=1e-5) and not gradients["head/bias"].any()
    trainer.set_weights({"head/bias": np.float32([-40])})
    loss, gradients = trainer.gradients(x, np.ones(7))
    assert loss == pytest.approx(16.118095, abs=1e-5) and not gradients["head/bias"].any()


# Dropout, seeds, states ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_case():
    _, arrays = golden("full_padmax")
    return model_of(weights(arrays, "initial.")), arrays["tokens"], arrays["labels"]


def run(trainer, tokens, labels, steps=3):
    return [trainer.step(tokens[k], labels[k]) for k in range(steps)]


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_a_seed_says_what_is_dropped(small_case):
    model, tokens, labels = small_case
    one, two, other = (Trainer(model, seed=seed) for seed in (5, 5, 6))
    state = torch.get_rng_state()
    assert run(one, tokens, labels) == run(two, tokens, labels) != run(other, tokens, labels)
    assert torch.equal(torch.get_rng_state(), state)  # PyTorch's own generator is nobody's but the caller's
    assert same(one.weights(), two.weights())
    assert one.gradients(tokens[0], labels[0])[0] == one.gradients(tokens[0], labels[0])[0]


def test_dropout_is_over_channels_of_a_text_and_over_features(small_case):
    model, tokens, _ = small_case
    network, drops = Trainer(model)._network, Trainer(model)._drops
    layers = [model["activation"], model["attlayer"], model["concatenate"]]
    arrays = model.arrays(tokens[1])
    plain = [value.numpy() for value in network_values(network, arrays, layers, None, drops)]
    dropped = [value.numpy() for value in network_values(network, arrays, layers, torch.Generator(), drops)]
    kept = dropped[0] / plain[0]
    assert np.isclose(kept, 0).any() and np.isclose(kept, 1 / 0.75).any()
    np.testing.assert_allclose(kept, np.broadcast_to(kept[:, :1], kept.shape), atol=1e-5)
    np.testing.assert_array_equal(dropped[2][..., -kept.shape[2] :], dropped[0])  # the concatenation gets the same
    assert 0.2 < (dropped[1] == 0).mean() < 0.8


def network_values(network, *arguments):
    with torch.no_grad():
        return network.values(*arguments)


def test_rates_of_0_drop_nothing(small_case):
    model, tokens, labels = small_case
    none = Trainer(model, dropout=False)
    zero = Trainer(model, embed_dropout=0, final_dropout=0)
    assert run(none, tokens, labels) == run(zero, tokens, labels)
    assert same(none.weights(), zero.weights())


def test_a_state_goes_on_bit_for_bit(small_case):
    model, tokens, labels = small_case
    one = Trainer(model, method="chain-thaw", stage="bi_lstm_1", seed=3)
    run(one, tokens, labels)
    state = {name: array.copy() for name, array in one.state().items()}
    assert all(isinstance(array, np.ndarray) for array in state.values())
    two = Trainer(model, method="chain-thaw", seed=9)
    two.load_state(state)
    assert two.stage == 3 and run(one, tokens, labels, 4) == run(two, tokens, labels, 4)
    assert same(one.state(), two.state())
    with pytest.raises(InputError, match="not the state of a Trainer"):
        two.load_state({"t": np.array(1)})
    with pytest.raises(InputError, match="other arrays are trained"):
        two.load_state({**state, "stage": np.array(1)})


def test_fresh_weights_are_those_of_an_untrained_deepmoji(small_case):
    model, _, _ = small_case
    trainer = Trainer(model, method="new")
    before = trainer.weights()
    trainer.reinitialise(4)
    sizes = {"vocabulary": 300, "embedding": 8, "units": 12, "classes": 3}
    wanted = npmoji.init.deepmoji(4, **sizes)
    now = trainer.weights()
    assert not same(now, before)
    assert same(now, {f"{layer}/{name}": a for layer, arrays in wanted.items() for name, a in arrays.items()})


def test_the_model_stays_and_the_new_one_is_whole(small_case, tmp_path):
    model, tokens, labels = small_case
    before = model.predict(tokens[0])
    trainer = Trainer(model, learning_rate=0.01)
    run(trainer, tokens, labels)
    new = trainer.model()
    np.testing.assert_array_equal(model.predict(tokens[0]), before)
    assert np.abs(new.predict(tokens[0]) - trainer.predict(tokens[0])).max() < 1e-6
    assert np.abs(new.predict(tokens[0]) - before).max() > 1e-3
    held = {f"{layer}/{name}": a for layer, arrays in new.contents.layers.items() for name, a in arrays.items()}
    assert same(held, trainer.weights())  # what a file will hold
    step = new.predict(tokens[0])
    trainer.step(tokens[0], labels[0])
    np.testing.assert_array_equal(new.predict(tokens[0]), step)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(new)).predict(tokens[0]), step)


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "all"}, "method 'all': expected one of last, full, new, chain-thaw"),
        ({"stage": 1}, "method 'full' has no stages"),
        ({"method": "chain-thaw", "stage": 6}, "stage 6: expected 0 to 5"),
        ({"method": "chain-thaw", "stage": "dense"}, "stage 'dense': expected one of softmax, embedding"),
        ({"method": "chain-thaw", "stage": True}, "stage True"),
        ({"learning_rate": -1}, "learning_rate -1"),
        ({"learning_rate": float("nan")}, "learning_rate nan"),
        ({"l2": "much"}, "l2 'much'"),
        ({"clipnorm": float("inf")}, "clipnorm inf"),
        ({"dropout": 0.5}, "dropout 0.5: expected True or False"),
        ({"embed_dropout": 1}, "embed_dropout 1: expected a number of 0 or more, below 1"),
        ({"seed": -1}, "seed -1"),
        ({"loss": "mse"}, "loss 'mse'"),
        ({"loss": "bce_logits_sum"}, "'softmax' has softmax"),
        ({"optimiser": "sgd"}, "optimiser 'sgd'"),
        ({"frozen": "softmax"}, "frozen 'softmax'"),
        ({"frozen": ["dense"]}, "no layer 'dense'"),
        ({"device": "tpu"}, "device 'tpu'"),
    ],
)
def test_settings_that_are_none(small_case, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Trainer(small_case[0], **options)


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0] * 9, "labels have shape (9,), expected (10,)"),
        ([0] * 9 + [3], "labels, row 9: 3, expected a whole number from 0 to 2"),
        ([0] * 9 + [0.5], "row 9: 0.5"),
        ([0] * 9 + [float("nan")], "row 9: nan"),
        (["a"] * 10, "expected class numbers"),
        ([[1, 0, 0]] * 10, "labels have shape (10, 3)"),
        ([[1], [1, 2], *[[1]] * 8], "labels"),
        (None, "labels"),
    ],
)
def test_labels_that_are_none(small_case, labels, message):
    model, tokens, _ = small_case
    trainer = Trainer(model)
    for method in (trainer.gradients, trainer.step, trainer.evaluate):
        with pytest.raises(InputError, match=re.escape(message)):
            method(tokens[0], labels)


def test_batches_and_arrays_that_are_none(small_case):
    model, tokens, labels = small_case
    trainer = Trainer(model)
    with pytest.raises(InputError, match="no rows"):
        trainer.step(tokens[0][:0], [])
    with pytest.raises(InputError, match="row 0, step 0"):
        trainer.step([[300]], [0])
    with pytest.raises(InputError, match="no array 'softmax/weight'"):
        trainer.set_weights({"softmax/weight": np.zeros(1)})
    with pytest.raises(InputError, match=r"shape \(2,\), expected \(3,\)"):
        trainer.set_weights({"softmax/bias": np.zeros(2)})
    with pytest.raises(InputError, match="expected numbers"):
        trainer.set_weights({"softmax/bias": ["a", "b", "c"]})
    assert trainer.predict(tokens[0][:0]).shape == (0, 3)
    assert trainer.rate == 1e-4 and trainer.step(tokens[0], labels[0]) > 0


def test_models_that_cannot_be_trained(small_case):
    model, _, _ = small_case
    layers = {name: arrays for name, arrays in model.contents.layers.items() if name != "softmax"}
    file = Contents("features.hdf5", layers, "2.0.5")
    with pytest.raises(InputError, match="'attlayer', the output, gives no probabilities"):
        Trainer(Model(loading.build(file), file=file))
    with pytest.raises(InputError, match="precision 'fp16' cannot be trained; load it with precision='fp32'"):
        Trainer(npmoji.load(engine="numpy", precision="fp16"))
    with pytest.raises(InputError, match="expected a model"):
        Trainer("model.hdf5")
    x = npmoji.Input(shape=(2,))
    ends = [npmoji.Dense(x, np.ones((2, 2), np.float32), activation="softmax", name=name) for name in "ab"]
    with pytest.raises(InputError, match="2 outputs"):
        Trainer(Model(Graph([x, *ends], ends)))
    closed = model_of({f"{k}/{n}": a for k, arrays in model.contents.layers.items() for n, a in arrays.items()})
    closed.close()
    with pytest.raises(InputError, match="closed"):
        Trainer(closed)
