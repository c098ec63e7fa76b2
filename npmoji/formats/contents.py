"""What every reader of a weights file returns, whatever the container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import WeightsError
from ..text.steps import COMPATS
from ..text.vocabulary import WordText

BFLOAT16 = np.dtype("V2")  # as h5py stores Keras' arrays of it: two bytes without a meaning
Layers: TypeAlias = dict[str, dict[str, Any]]  # arrays and `Int8Array`s by layer and name


class Contents(NamedTuple):
    """What a weights file holds.

    Attributes:
        layers: arrays by layer and name, in the file's order; layers without weights have none. They are float32, from
            a converted file also float16 and `Int8Array`, int8 where Keras has quantised a layer. Where a container
            tells only their order, as Keras' HDF5 does, the names are numbers, see `numbered`.
        keras_version: of the Keras that wrote it, e.g. ``"2.0.5"``; empty if the file does not tell.
        config: the parsed `model_config` of a full model, else None.
        vocabulary: if the file carries one, as `Tokenizer` takes it.
        classes: the names of the classes, if the file carries them: of each column of the last layer, or two for one
            column with a sigmoid, which gives the probability of the second.
        references: reference results that the file carries, see `verify`.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``: how the file stores its large matrices.
        compat: whose tokenizer the file asks for, as `Tokenizer` takes it; None if it does not tell.
        origin: ``"torchmoji"`` for that port's state dict, else empty.
        multi_label: whether each class has a probability of its own, by a sigmoid, and they do not sum to 1.
        provenance: how the weights were made, if the file tells: method, seed, scores; JSON with any keys.
    """

    path: str
    layers: Layers
    keras_version: str = ""
    config: dict[str, Any] | None = None
    vocabulary: WordText | None = None
    classes: list[str] | None = None
    references: dict[str, Any] | None = None
    precision: str = "fp32"
    compat: str | None = None
    origin: str = ""
    multi_label: bool = False
    provenance: dict[str, Any] | None = None

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor number of the Keras that wrote the file; a file that does not tell is the original, 2.0."""
        numbers = self.keras_version.split("-")[0].split(".")
        try:
            return int(numbers[0]), int(numbers[1])
        except (ValueError, IndexError):
            return 2, 0

    @property
    def holds_masked_outputs(self) -> bool:
        """Whether a recurrent layer repeats its output at masked steps (Keras 2.0 to 2.3) or gives 0 there (later
        ones)."""
        return self.version < (2, 4) and not self.keras_version.endswith("-tf")


def numbered(arrays: Iterable[Any]) -> dict[str, Any]:
    """Arrays whose order is all that is known of them, under the names ``"0"``, ``"1"``, ..."""
    return {str(number): array for number, array in enumerate(arrays)}


def named(arrays: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """As many arrays under these names: as they are if they have them already, else in the order they come in."""
    return arrays if arrays.keys() == set(names) else dict(zip(names, arrays.values(), strict=True))


def checked_compat(path: str, found: str | None) -> str | None:
    """The tokenizer a file asks for, or a WeightsError if there is none of that name."""
    if found is not None and found not in COMPATS:
        raise WeightsError(f"{path}: the tokenizer {found!r:.60}, expected one of {', '.join(COMPATS)}")
    return found


def widened(halves: np.ndarray) -> np.ndarray:
    """bfloat16 numbers as float32: they are the upper halves of those.

    >>> widened(np.array([b"\\x80\\x3f", b"\\x20\\xc0"], "V2"))
    array([ 1. , -2.5], dtype=float32)
    """
    upper = np.ascontiguousarray(halves).view("<u2").astype(np.uint32)
    return (upper << 16).view(np.float32).reshape(halves.shape)


def float_array(path: str, dataset: Any, label: str) -> np.ndarray:
    """The dataset as a float32 array: a view of the mapped file if it is stored so, else a copy. A single integer is
    one too: what a layer that was adapted to data counts. Of a quantised layer int8 numbers stay what they are."""
    if isinstance(dataset, Mapping):
        raise WeightsError(f"{path}: {label} is a group, expected an array")
    if dataset.dtype == np.int8 and dataset.shape:
        return np.require(dataset.array(), np.int8, ["C_CONTIGUOUS"])
    if dataset.dtype == BFLOAT16:
        return widened(dataset.array())
    counts = dataset.dtype.kind in "iu" and dataset.shape == ()
    if dataset.dtype.kind != "f" and not counts:
        raise WeightsError(f"{path}: {label} is of type {dataset.dtype}, expected float32")
    with np.errstate(all="ignore"):  # a float64 too large for float32 becomes infinite, which is looked for later
        return np.require(dataset.array(), np.float32, ["C_CONTIGUOUS", "ALIGNED"])
