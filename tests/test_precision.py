"""Precisions less than fp32: near it, the same on both engines, and on numba the same bits whatever runs beside a
text."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import DATA, SHARED, needs_shared

import npmoji
from npmoji.backends import backend
from npmoji.backends.ops import REFERENCE
from npmoji.backends.quantised import Int8Matrix

ENGINES = ("numpy", "numba")
LOW = ("fp16", "int8")
LAYERS = ("activation", "bi_lstm_0", "bi_lstm_1", "attention_logits", "attention", "attlayer", "softmax")
MODELS = sorted((DATA / "models").glob("*/weights*.hdf5"))
#: largest difference from fp32, of probabilities and of features (which lie between -1 and 1)
NEAR = {"fp16": (1e-3, 2e-3), "int8": (0.03, 0.06)}
#: largest difference between the engines: int8 may round a number to the other side where they differ in its last bit
AGREE = {"fp16": 5e-6, "int8": 0.01}


@pytest.fixture(scope="module")
def tokens():
    """Ragged rows, with inner zeros and some of nothing but padding."""
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 400, (120, 12)).astype(np.uint16)
    return np.where(np.arange(12) < rng.integers(0, 13, (120, 1)), ids, 0).astype(np.uint16)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("weights", MODELS, ids=lambda path: path.parent.name)
def test_near_fp32_and_not_the_same(weights, precision, engine):
    golden = np.load(weights.parent / "golden.npz")
    model = npmoji.load(weights, engine=engine, precision=precision)
    full = npmoji.load(weights, engine=engine)
    probabilities, features = NEAR[precision]
    np.testing.assert_allclose(model.predict(golden["tokens"]), golden["probs"], rtol=0, atol=probabilities)
    np.testing.assert_allclose(model.encode(golden["tokens"]), golden["features"], rtol=0, atol=features)
    for layer in ("bi_lstm_0", "bi_lstm_1", "softmax"):
        assert (model[layer](golden["tokens"]) != full[layer](golden["tokens"])).any()
    rows = full["embedding"](golden["tokens"]).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(model["embedding"](golden["tokens"]), rows)


@pytest.mark.parametrize("precision", LOW)
def test_engines_agree(small, tokens, precision):
    ours, reference = (npmoji.load(small[0], engine=engine, precision=precision) for engine in ("numba", "numpy"))
    for layer in LAYERS:
        out = ours[layer](tokens)
        assert np.isfinite(out).all()
        np.testing.assert_allclose(out, reference[layer](tokens), rtol=0, atol=AGREE[precision])
    np.testing.assert_array_equal(ours.predict(tokens).argmax(1), reference.predict(tokens).argmax(1))


@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("exact_projection", [False, True])
@pytest.mark.parametrize("F, H", [(6, 5), (37, 17), (1100, 3)])
def test_engines_agree_closely_on_one_step(precision, exact_projection, F, H):
    """Nothing has been rounded twice yet. 1100 inputs: sums beyond what float32 holds exactly."""
    rng = np.random.default_rng(F)
    matrices = rng.standard_normal((F, 4 * H)) / np.sqrt(F), rng.standard_normal((H, 4 * H)), rng.standard_normal(4 * H)
    matrices = [np.float32(a) for a in matrices]
    x, mask = np.float32(rng.standard_normal((9, 1, F))), np.ones((9, 1), bool)
    outputs = []
    for engine in ENGINES:
        ops = backend(engine, None, precision)
        outputs.append(ops.lstm(x, mask, ops.pack_lstm(*matrices, exact_projection)))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=0, atol=2e-6)
    kernel, recurrent_kernel, bias = matrices  # of which the second meets only zeros in the first step
    rounded = kernel.astype(np.float16).astype(np.float32)
    exact, halves = (
        REFERENCE.lstm(x, mask, REFERENCE.pack_lstm(matrix, recurrent_kernel, bias)) for matrix in (kernel, rounded)
    )
    assert np.abs(outputs[1] - exact).max() > 2e-6
    assert (np.abs(outputs[1] - halves).max() < 2e-6) == (precision == "fp16" or exact_projection)


def test_int8_by_hand():
    """Columns with scales 1/127 and 2/127, a column and a row of zeros, and a row of scale 4/127."""
    matrix = Int8Matrix(np.array([[1, 2, 0], [-0.5, 0.1, 0]], np.float32))
    np.testing.assert_array_equal(matrix.whole, [[127, 127, 0], [-64, 6, 0]])  # -63.5 and 6.35
    x = np.array([[0, 0], [4, 1]], np.float32)  # the second is 127, 32
    wanted = np.array([127 * 127 - 32 * 64, 2 * (127 * 127 + 32 * 6), 0]) * 4 / 127**2
    np.testing.assert_allclose(x @ matrix, [[0, 0, 0], wanted], rtol=1e-6)


def test_a_model_without_texts(small):
    for precision in LOW:
        for engine in ENGINES:
            model = npmoji.load(small[0], engine=engine, precision=precision)
            assert model.predict(np.zeros((0, 5), int)).shape == (0, 64)


@pytest.mark.parametrize("precision", ["FP16", "fp64", "", 16])
def test_other_names_are_refused(small, precision):
    with pytest.raises(npmoji.InputError, match="precision .*expected one of fp32, fp16, int8"):
        npmoji.load(small[0], precision=precision)


@pytest.mark.parametrize("value", [65536.0, -7e4])
def test_fp16_refuses_weights_beyond_its_range(small, tmp_path, value):
    path = tmp_path / "large.hdf5"
    shutil.copy(small[0], path)
    with h5py.File(path, "r+") as file:
        layer = file["bi_lstm_1"]
        name = [name for name in layer.attrs["weight_names"] if b"recurrent" in name][1].decode()
        layer[name][3, 4] = value
    with pytest.raises(npmoji.WeightsError, match="large.hdf5.*'bi_lstm_1'.*65504.*fp16"):
        npmoji.load(path, precision="fp16")
    assert np.isfinite(npmoji.load(path, engine="numpy", precision="int8").predict(np.ones((1, 3), int))).all()


@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("layer, part", [("embedding", "embeddings"), ("bi_lstm_0", "forward_lstm_1/kernel")])
def test_what_becomes_halves_must_fit(small, tmp_path, precision, layer, part):
    path = tmp_path / "large.hdf5"
    shutil.copy(small[0], path)
    with h5py.File(path, "r+") as file:
        names = [name.decode() for name in file[layer].attrs["weight_names"]]
        file[layer][next(name for name in names if part in name)][2, 1] = -65600
    with pytest.raises(npmoji.WeightsError, match=f"large.hdf5.*'{layer}'.*65504.*'{precision}'"):
        npmoji.load(path, precision=precision)
    assert np.isfinite(npmoji.load(path, engine="numpy").predict(np.ones((1, 3), int))).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", LOW)
def test_a_large_embedding_is_looked_at_in_use(small, tmp_path, monkeypatch, precision, engine):
    monkeypatch.setattr(npmoji.deepmoji, "LARGE", 100)
    path = tmp_path / "large.hdf5"
    shutil.copy(small[0], path)
    with h5py.File(path, "r+") as file:
        file["embedding"][file["embedding"].attrs["weight_names"][0].decode()][7, 1] = 65600
    model = npmoji.load(path, engine=engine, precision=precision)
    assert np.isfinite(model.predict(np.array([[1, 2]]))).all()
    with pytest.raises(npmoji.WeightsError, match="'embedding'.*row 7"):
        model.predict(np.array([[1, 7]]))


def matrix_bytes(path: Path, precision: str) -> int:
    """Memory that the LSTMs' packed matrices take on numba."""
    model, ops = npmoji.load(path, engine="numba", precision=precision), backend("numba", None, precision)
    packed = [lstm.packed(ops) for layer in model.layers[3:5] for lstm in (layer.ahead, layer.behind)]
    matrices = [matrix for weights in packed for matrix in (weights.kernel, weights.recurrent_kernel)]
    return sum(matrix.nbytes if isinstance(matrix, np.ndarray) else matrix.quads.nbytes for matrix in matrices)


def test_less_memory(small):
    full = matrix_bytes(small[0], "fp32")
    assert matrix_bytes(small[0], "fp16") * 2 == full
    assert full / 4 < matrix_bytes(small[0], "int8") < full / 2  # the first projection is of halves


# -- reproducible bits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", LOW)
def test_bits_in_any_batch_order_and_thread_count(small, tokens, precision):
    model = npmoji.load(small[0], engine="numba", precision=precision)
    whole = {layer: model[layer](tokens) for layer in LAYERS}
    for rows in (np.random.default_rng(4).permutation(len(tokens)), [3], [119, 0, 17], np.arange(40, 80), [5] * 100):
        for layer in LAYERS:
            np.testing.assert_array_equal(model[layer](tokens[rows]), whole[layer][rows])
    for threads in (1, 2, 5):
        other = npmoji.load(small[0], engine="numba", precision=precision, threads=threads)
        np.testing.assert_array_equal(other.predict(tokens), whole["softmax"])
        np.testing.assert_array_equal(other["bi_lstm_1"](tokens), whole["bi_lstm_1"])


def digest(path: str, tokens: np.ndarray) -> str:
    models = [npmoji.load(path, engine="numba", precision=precision) for precision in LOW]
    layers = [model[name](tokens).tobytes() for model in models for name in LAYERS]
    alone = [model.predict(tokens[i : i + 1]).tobytes() for model in models for i in range(5)]
    return hashlib.sha256(b"".join(layers + alone)).hexdigest()


def test_bits_on_any_cpu(small, tokens, tmp_path):
    """Without the instructions that either precision is made for."""
    np.save(tmp_path / "tokens.npy", tokens)
    code = "import sys, numpy as np, test_precision as t; print(t.digest(sys.argv[1], np.load(sys.argv[2])))"
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "NUMBA_CPU_FEATURES": "-avx512f,-avxvnni,-avx2,-fma,-f16c",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3",
        "PYTHONWARNINGS": "ignore",  # NumPy warns of features that this CPU lacks anyway
    }
    command = [sys.executable, "-c", code, str(small[0]), str(tmp_path / "tokens.npy")]
    there = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    assert there == digest(str(small[0]), tokens)


# -- full size --------------------------------------------------------------------------------------------------------


@needs_shared
def test_full_size_top_1(full_size_weights):
    """Over the whole of SS-Twitter, 2,113 texts: fp16 equal on all but one, no probability off by more than 0.0003;
    int8 equal on 99.15 %, no probability off by more than 0.009."""
    tokens = np.load(SHARED / "goldens" / "tokenizer" / "benchmark_ids.npz")["SS-Twitter"][:300]
    full = npmoji.load(full_size_weights, engine="numba").predict(tokens)
    for precision, least, off in (("fp16", 0.999, 1e-3), ("int8", 0.98, 0.02)):
        ours = npmoji.load(full_size_weights, engine="numba", precision=precision).predict(tokens)
        assert (ours.argmax(1) == full.argmax(1)).mean() >= least
        assert 0 < np.abs(ours - full).max() < off
