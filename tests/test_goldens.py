"""Against what the genuine software computed: every golden, every layer, both engines."""

import numpy as np
import pytest
from conftest import LAYERS, SHARED, model_cases, needs_shared

import npmoji

ENGINES = ("numpy", "numba")


def assert_close(name, ours, golden, tolerance):
    assert ours.shape == golden.shape and ours.dtype == np.float32, (name, ours.shape, ours.dtype)
    worst = np.unravel_index(np.argmax(np.abs(ours - golden)), golden.shape)
    assert np.isfinite(ours).all(), name
    assert abs(ours[worst] - golden[worst]) <= tolerance, f"{name}{list(worst)}: {ours[worst]} for {golden[worst]}"


def check_everything(model, golden):
    tokens = golden["tokens"]
    assert_close("predict", model.predict(tokens), golden["probs"], 2e-6)
    assert_close("encode", model.encode(tokens), golden["features"], 5e-6)
    assert_close("attention", model.attention(tokens), golden["attention"], 5e-6)
    for name, layer in LAYERS.items():
        if name in golden:
            rows = len(golden[name])  # some goldens keep the first rows only
            assert_close(name, model[layer](tokens[:rows]), golden[name], 5e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weights, golden", model_cases(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_small_models(weights, golden, engine):
    check_everything(npmoji.load(weights, engine=engine), dict(np.load(golden)))


@needs_shared
@pytest.mark.parametrize("engine", ENGINES)
def test_full_size(full_size_weights, engine):
    golden = dict(np.load(SHARED / "goldens" / "models" / "full_size" / "golden.npz"))
    check_everything(npmoji.load(full_size_weights, engine=engine), golden)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_size_and_order_do_not_matter(small, engine):
    path, golden = small
    model = npmoji.load(path, engine=engine)
    tokens = np.tile(golden["tokens"], (40, 1))
    order = np.random.default_rng(0).permutation(len(tokens))
    wanted = golden["probs"][order % len(golden["tokens"])]
    np.testing.assert_allclose(model.predict(tokens[order]), wanted, rtol=0, atol=2e-6)
    one_by_one = np.concatenate([model.predict(row[None]) for row in golden["tokens"]])
    np.testing.assert_allclose(one_by_one, model.predict(golden["tokens"]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_width_of_the_array_is_part_of_the_function(engine):
    """Padded steps take part in the attention's maximum: a row cut to its length is another input."""
    weights, golden = next(pair for pair in model_cases() if pair[0].parent.name == "keras205_padmax")
    model, golden = npmoji.load(weights, engine=engine), np.load(golden)
    tokens = golden["tokens"]
    short = [row for row in range(len(tokens)) if tokens[row].any() and not tokens[row, -1]]
    lengths = {row: int(np.flatnonzero(tokens[row])[-1]) + 1 for row in short}
    cut = [np.abs(model.predict(tokens[row : row + 1, : lengths[row]]) - golden["probs"][row]).max() for row in short]
    assert max(cut) > 0.1  # that is why npmoji never simply drops the padding
    wider = np.pad(tokens, ((0, 0), (0, 50)))
    rows = tokens[:, -1] == 0  # further padding changes nothing for a row that has some
    np.testing.assert_allclose(model.predict(wider)[rows], golden["probs"][rows], rtol=0, atol=2e-6)
