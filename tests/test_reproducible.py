"""The numba engine's promise: a text's outputs have the same bits whatever runs beside it, on any thread count and
CPU."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import npmoji

LAYERS = ("activation", "bi_lstm_0", "bi_lstm_1", "concatenate", "attention_logits", "attention", "attlayer", "softmax")


@pytest.fixture(scope="module")
def model(small):
    return npmoji.load(small[0], engine="numba")


@pytest.fixture(scope="module")
def tokens(small):
    """300 ragged rows, with inner zeros and some of nothing but padding."""
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 400, (300, 12)).astype(np.uint16)
    return np.where(np.arange(12) < rng.integers(0, 13, (300, 1)), ids, 0).astype(np.uint16)


def test_any_batch_and_order(model, tokens):
    whole = model.predict(tokens), model.encode(tokens), model.attention(tokens)
    order = np.random.default_rng(4).permutation(len(tokens))
    for rows in (order, order[:7], order[:1], np.arange(2), np.repeat(5, 100)):
        for together, apart in zip(whole, (model.predict, model.encode, model.attention)):
            np.testing.assert_array_equal(apart(tokens[rows]), together[rows])


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_in_any_batch(model, tokens, name):
    whole = model[name](tokens)
    for rows in ([3], [299, 0, 17], np.arange(40, 80)):
        np.testing.assert_array_equal(model[name](tokens[rows]), whole[rows])


def test_a_layer_called_alone_and_on_the_way_to_the_end_agree(model, tokens):
    np.testing.assert_array_equal(model.layers[-1](tokens), model.predict(tokens))
    np.testing.assert_array_equal(model["attlayer"](tokens), model.encode(tokens))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_any_thread_count(small, tokens, model, threads):
    other = npmoji.load(small[0], engine="numba", threads=threads)
    np.testing.assert_array_equal(other.predict(tokens), model.predict(tokens))
    np.testing.assert_array_equal(other["bi_lstm_1"](tokens), model["bi_lstm_1"](tokens))


def digest(path: str, tokens: np.ndarray) -> str:
    model = npmoji.load(path, engine="numba")
    alone = [model.predict(tokens[i : i + 1]).tobytes() for i in range(5)]
    return hashlib.sha256(b"".join([model[name](tokens).tobytes() for name in LAYERS] + alone)).hexdigest()


@pytest.mark.parametrize(
    "target",
    [
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        {"NUMBA_CPU_FEATURES": "-avx512f,-avx2,-fma", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3"},
    ],
    ids=["generic", "narrow"],
)
def test_any_cpu(small, tokens, target, tmp_path):
    """The wide paths of Numba and of NumPy switched off by their own settings."""
    np.save(tmp_path / "tokens.npy", tokens)
    code = (
        "import sys, numpy as np, test_reproducible as t; "
        "from npmoji.kernels.target import LANES; print(LANES, t.digest(sys.argv[1], np.load(sys.argv[2])))"
    )
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONWARNINGS": "ignore",  # NumPy warns of features that this CPU lacks anyway
        **target,
    }
    command = [sys.executable, "-c", code, str(small[0]), str(tmp_path / "tokens.npy")]
    lanes, there = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    from npmoji.kernels.target import LANES

    assert int(lanes) <= LANES
    assert there == digest(str(small[0]), tokens)
