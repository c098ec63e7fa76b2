"""What `npmoji info` reports: the weights, the network, the engine and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata

import numpy as np

from . import __version__, formats
from .backends import default_threads
from .model import Model, bundled, vocabulary_beside
from .paths import local
from .tokenizer import ORIGINAL


def lines(model: Model, vocabulary: str | None = None) -> Iterator[tuple[str, str]]:
    """Pairs of a name and what there is to say about it."""
    yield "npmoji", f"{__version__}, Python {platform.python_version()}, {platform.system()}"
    yield "weights", f"{model.path}{' (the small bundled model)' if model.path == bundled() else ''}"
    yield "", f"{os.path.getsize(model.path):,} bytes, sha256 {sha256(model.path)}"
    classes = "no classes (feature-only weights)" if model.feature_only else f"classes {model.classes}"
    yield "network", f"vocabulary {model.vocabulary_size:,}, features {model.features:,}, {classes}"
    for layer in model.layers:
        for name, array in layer.weights().items():
            yield "", f"{layer.name}/{name} {array.shape}"
    if model.tokenizer is None:
        yield "vocabulary", "none: the model takes token ids only"
    elif vocabulary is None and formats.read(model.path).vocabulary is not None:
        yield "vocabulary", f"in the weights file, {len(model.tokenizer.vocabulary):,} words, maxlen {model.tokenizer.maxlen}"
    else:
        path = local(vocabulary) if vocabulary else vocabulary_beside(model.path)
        yield "vocabulary", f"{path}, {len(model.tokenizer.vocabulary):,} words, maxlen {model.tokenizer.maxlen}"
        yield "", f"{os.path.getsize(path):,} bytes, sha256 {sha256(path)}"
    if model.tokenizer is not None:
        yield "tokenizer", _tokenizer(model)
    yield "engine", f"{model.engine}, precision {model.precision}: {', '.join(f'{name} {version(name)}' for name in ('numpy', 'numba', 'h5py'))}"
    yield "CPU", f"{platform.machine()}: {' '.join(cpu_features()) or 'features unknown'}"
    yield "threads", str(model.threads or default_threads())


def _tokenizer(model: Model) -> str:
    """Whose token ids texts get, and for torchMoji's weights why."""
    if model.tokenizer.compat != ORIGINAL:
        return f"{model.tokenizer.compat}: that of torchMoji under Python 3, which shortens no stretched words"
    known = f"{ORIGINAL}: the original's, under Python 2.7"
    if formats.read(model.path).origin != "torchmoji":
        return known
    return f"{known}, which torchMoji's weights were trained with; for that port's own ids: --compat torchmoji"


def sha256(path: str | os.PathLike) -> str:
    """The file's digest, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def version(package: str) -> str:
    """The installed version, without importing the package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def cpu_features() -> list[str]:
    """The vector extensions NumPy found and may use."""
    core = getattr(np, "_core", None) or np.core
    found = getattr(core._multiarray_umath, "__cpu_features__", {})
    return [name for name, present in found.items() if present]
