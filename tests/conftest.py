"""Shared by all tests: where the optional reference material lies, and the small goldens that travel with the
project."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
#: golden array -> our layer, in graph order
LAYERS = {
    "embedding": "activation",
    "bi_lstm_0": "bi_lstm_0",
    "bi_lstm_1": "bi_lstm_1",
    "attention_logits": "attention_logits",
    "attention": "attention",
    "features": "attlayer",
    "logits": "logits",
    "probs": "softmax",
}


def _find_shared() -> Path | None:
    """The folder of goldens and data sets that are too large to ship, or None: NPMOJI_SHARED, else `shared` beside the
    checkout."""
    place = Path(os.environ.get("NPMOJI_SHARED") or ROOT.parent / "shared")
    return place if (place / "goldens").is_dir() else None


SHARED = _find_shared()

needs_shared = pytest.mark.skipif(
    SHARED is None, reason="needs the reference folder `shared` beside the checkout, or NPMOJI_SHARED pointing at it"
)


def model_cases() -> list[tuple[Path, Path]]:
    """Pairs of (weights file, golden.npz) of DeepMoji networks: those that travel with the tests, and those of
    `shared`."""
    places = [DATA / "models", *([SHARED / "goldens" / "models"] if SHARED else [])]
    pairs = {
        (golden.parent.name, weights.name): (weights, golden)
        for place in reversed(places)
        for golden in sorted(place.glob("*/golden.npz"))
        if "bi_lstm_0" in np.load(golden)
        for weights in sorted(golden.parent.glob("*.h*5"))
        if weights.name != "model.weights.h5"  # the Keras 3 layout
    }
    return list(pairs.values())


@pytest.fixture(scope="session")
def full_size_weights(tmp_path_factory) -> Path:
    """A weights file of the original's size, 90 MB, from a seed."""
    path = tmp_path_factory.mktemp("full") / "full.hdf5"
    command = [sys.executable, str(SHARED / "tools" / "make_weights.py"), "--out", str(path), "--seed", "0"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="session")
def small() -> tuple[Path, dict[str, np.ndarray]]:
    """A small genuine Keras 2.0.5 weights file, and its goldens."""
    folder = DATA / "models" / "keras205_small"
    return folder / "weights.hdf5", dict(np.load(folder / "golden.npz"))


@pytest.fixture(scope="session")
def toy_vocabulary() -> dict[str, int]:
    """The ten special words and some common ones, within the 400 ids of the small model."""
    special = ["MASK", "UNKNOWN", "AT", "URL", "NUMBER", "BREAK", *(f"BLANK_{i}" for i in range(6, 10))]
    text = "i love mom's cooking the this is so a you worst best day ever lol that was funny tired bed ! . ?"
    words = text.split(" ")
    return {word: i for i, word in enumerate([f"CUSTOM_{name}" for name in special] + words)}


@pytest.fixture(scope="session")
def folder(small, toy_vocabulary, tmp_path_factory) -> Path:
    """A folder with the small model and its vocabulary."""
    folder = tmp_path_factory.mktemp("model")
    shutil.copy(small[0], folder / "weights.hdf5")
    (folder / "vocabulary.json").write_text(json.dumps(toy_vocabulary))
    return folder


@pytest.fixture(scope="session")
def weights(folder) -> tuple:
    """The options of a command for the small model, on the reference engine."""
    return "--weights", folder / "weights.hdf5", "--engine", "numpy"


@pytest.fixture(scope="module")
def model(folder):
    """The same in Python."""
    import npmoji

    return npmoji.load(folder / "weights.hdf5", engine="numpy")


@pytest.fixture()
def registered():
    """`register_layer`, undone afterwards."""
    from npmoji.keras.known import REGISTERED, register_layer

    before = dict(REGISTERED)
    yield register_layer
    REGISTERED.clear()
    REGISTERED.update(before)


#: files that take more than some 5 s alone on one core, but for those of the model and the package itself
SLOW_FILES = {
    "alignment", "bad_input", "bench", "benchmark_files", "benchmarks", "browser", "browser_map", "cli_explain",
    "cli_train", "compat_torchmoji", "compiling", "convert", "corpora_engines", "corpora_files", "deep_graphs",
    "developing", "doctests", "download", "fault_pairs", "faults", "golden", "goldens", "hdf5", "init", "keras_choices",
    "keras_graphs", "keras_inputs", "kernels", "kernels_cache", "kernels_gru", "kernels_int8", "learn_finetune",
    "learn_gradients", "learn_trainer", "mapped_files", "notices", "own_classes", "own_errors", "own_heads",
    "pickling", "port_javascript", "porting_page", "precision", "random_graphs", "reproducible", "resume",
    "scorer", "serve", "tokenizer", "torch", "torch_state", "typing", "verify",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `quick` all tests but those marked `slow` and those in the slow files."""
    for item in items:
        if "slow" not in item.keywords and item.path.stem.removeprefix("test_") not in SLOW_FILES:
            item.add_marker("quick")


def head_maps(F, H, D, K=None, gate=False):
    """The maps of several heads, K of them for keys and values, as `layers.MultiHeadAttention` takes them."""
    rng = np.random.default_rng(5)
    sizes = {"query": (F, H, D), "key": (F, K or H, D), "value": (F, K or H, D), "output": (H, D, F)}
    sizes |= {"gate": (F, H, D)} if gate else {}
    shapes = {part: (shape, shape[2:] if part == "output" else shape[1:]) for part, shape in sizes.items()}
    return {
        f"{part}_dense": tuple(rng.standard_normal(s).astype(np.float32) for s in both) for part, both in shapes.items()
    }
