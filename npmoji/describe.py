"""What there is to know about a model and the machine it runs on, and about the layers of any weights file.

`npmoji info` prints `lines`; `npmoji inspect` prints `table`, which is like Keras' `summary()`, without Keras.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from . import __version__, formats, loading
from .backends import default_threads
from .classes import some
from .errors import WeightsError, shortened
from .files.facts import FileFacts
from .files.paths import local
from .formats import Contents
from .graph import FREE_STEPS, free_shape
from .layers import Layer, Part, Remask
from .model import Model
from .sources import bundled
from .text.emojis import EMOJIS
from .text.tokenizer import ORIGINAL, Tokenizer
from .text.widths import printable, shorten

SHOWN = 60  # columns of each value of the provenance


def lines(model: Model) -> Iterator[tuple[str, str]]:
    """Pairs of a name and what there is to say about it. The model's file need not be there any more."""
    yield "npmoji", f"{__version__}, Python {platform.python_version()}, {platform.system()}"
    yield "weights", f"{model.path}{' (the small bundled model)' if model.path == bundled() else ''}"
    yield "", _facts(model.weights_file)
    classes = "no classes (feature-only weights)" if model.feature_only else f"classes {model.classes}"
    yield "network", f"vocabulary {model.vocabulary_size:,}, features {model.features:,}, {classes}"
    yield from told(model.contents)
    for layer in model.layers:
        for name, array in layer.weights().items():
            yield "", f"{layer.name}/{name} {array.shape}"
    if model.tokenizer is None:
        own = "the network's own: it splits texts itself"
        yield "vocabulary", own if model.takes_texts else "none: the model takes token ids only"
    else:
        yield from _vocabulary(model, model.tokenizer)
        yield "tokenizer", _tokenizer(model, model.tokenizer)
    yield (
        "engine",
        f"{model.engine}, precision {model.precision}: "
        + ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "h5py")),
    )
    yield "CPU", f"{platform.machine()}: {' '.join(cpu_features()) or 'features unknown'}"
    yield "threads", str(model.threads or default_threads())


def told(file: Contents) -> Iterator[tuple[str, str]]:
    """What a file says of people's own classes, and of how its weights were made."""
    if file.classes is not None and tuple(file.classes) != EMOJIS:
        several = "; each has a probability of its own" if file.multi_label else ""
        yield "classes", f"{len(file.classes)}: {some(file.classes)}{several}"
    if file.provenance is not None:
        yield "made by", shortened(printable(", ".join(_said(key, value) for key, value in file.provenance.items())))


def _said(key: str, value: Any) -> str:
    """A key of the provenance and its value, in a few words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{key} {shorten(text, SHOWN)}"


def _facts(file: FileFacts) -> str:
    size = "size not known" if file.size is None else f"{file.size:,} bytes"
    return f"{size}, sha256 {file.sha256 or 'not known: the file is gone, or was changed since it was loaded'}"


def _vocabulary(model: Model, tokenizer: Tokenizer) -> Iterator[tuple[str, str]]:
    file = model.vocabulary_file
    inside = file is not None and file.path == model.path
    where = "given as words" if file is None else "in the weights file" if inside else file.path
    yield "vocabulary", f"{where}, {len(tokenizer.vocabulary):,} words, maxlen {tokenizer.maxlen}"
    if file is not None and not inside:
        yield "", _facts(file)


def _tokenizer(model: Model, tokenizer: Tokenizer) -> str:
    """Whose token ids texts get, and for torchMoji's weights why."""
    if tokenizer.compat != ORIGINAL:
        return f"{tokenizer.compat}: that of torchMoji under Python 3, which shortens no stretched words"
    known = f"{ORIGINAL}: the original's, under Python 2.7"
    if model.contents.origin != "torchmoji":
        return known
    return f"{known}, which torchMoji's weights were trained with; for that port's own ids: --compat torchmoji"


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


class Row(NamedTuple):
    """A layer.

    Attributes:
        class_name: as the file has it.
        shape: of its output, None for what is free; a list of them if it has several.
        weights: shapes by name; ``parameters`` the number of their elements.
        previous: the names of the layers it is called with.
    """

    name: str
    class_name: str
    shape: Any
    weights: dict[str, tuple[int, ...]]
    parameters: int
    previous: list[str]


def rows(
    path: str | os.PathLike,
    config: str | os.PathLike | dict[str, Any] | None = None,
    layers: dict[str, Any] | None = None,
) -> list[Row]:
    """The layers of a file in graph order; ``config`` and ``layers`` as `npmoji.load` takes them.

    Raises:
        WeightsError, InputError: as `npmoji.load`.
    """
    path = local(path)
    file = formats.read(path)
    try:
        graph = loading.build(loading.with_config(file, config), layers=layers)
        shown = set(graph.layers)
        values, longer = graph.try_out(), graph.reached(FREE_STEPS + 16).done  # what differs between them is free
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    counted: set[int] = set()
    shapes = [(values[layer][0], longer.get(layer, values[layer])[0]) for layer in graph.layers]
    return [_row(layer, shown, pair, counted) for layer, pair in zip(graph.layers, shapes)]


def lacking(
    path: str | os.PathLike,
    config: str | os.PathLike | dict[str, Any] | None = None,
    layers: dict[str, Any] | None = None,
) -> list[str]:
    """All the reasons why `rows` refuses a file with a config, where there are several; it says the first."""
    from .keras import lacking as found

    try:
        file = loading.with_config(formats.read(local(path)), config)
    except WeightsError:
        return []
    return found.lacking(file, layers) if file.config else []


def _row(layer: Layer, shown: set[Layer], values: tuple[Any, Any], counted: set[int]) -> Row:
    weights = layer.weights()
    new = {name: array for name, array in weights.items() if id(array) not in counted}  # a shared layer's count once
    counted.update(map(id, weights.values()))
    shapes = {name: tuple(array.shape) for name, array in weights.items()}
    return Row(
        layer.name,
        layer.class_name,
        [free_shape(*parts) for parts in zip(*values)] if isinstance(values[0], tuple) else free_shape(*values),
        shapes,
        sum(math.prod(array.shape) for array in new.values()),
        list(dict.fromkeys(name for before in layer.previous for name in _names(before, shown))),
    )


def _names(layer: Layer, shown: set[Layer]) -> list[str]:
    """The shown layers that a predecessor stands for."""
    if layer in shown:
        return [layer.name]
    before = layer.previous[:1] if isinstance(layer, (Part, Remask)) else layer.previous
    return [name for previous in before for name in _names(previous, shown)]


def table(found: list[Row]) -> str:
    """The rows for a person to read, with the total number of parameters."""
    lines = [("layer", "class", "output", "parameters", "from", "weights")]
    for row in found:
        several = isinstance(row.shape, list)
        output = " ".join(map(_text, row.shape)) if several else _text(row.shape)
        weights = " ".join(f"{name} {_text(shape)}" for name, shape in row.weights.items())
        lines.append((row.name, row.class_name, output, f"{row.parameters:,}", ", ".join(row.previous), weights))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = "".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() + "\n" for line in lines)
    return f"{text}{sum(row.parameters for row in found):,} parameters\n"


def _text(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join(("T" if i else "N") if n is None else str(n) for i, n in enumerate(shape)) + ")"
