"""Keras' layers that take strings, or make numbers of categories: their configs and vocabularies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import layers
from ..errors import WeightsError
from ..formats.fields import item, typed
from ..layers import Input, Layer
from ..layers.vectorization import SPLIT, STANDARDIZE
from .config import Node
from .place import ANY, Place, kind

MOST, MOST_BINS = 1 << 24, 1 << 62  # numbers of a vocabulary, and of a hash: more is damage
OLD_NAMES = {"binary": "multi_hot", "tf-idf": "tf_idf"}  # of what is made of the numbers
#: classes that take strings first of all, and those that take whole numbers as they are
OF_STRINGS = ("TextVectorization",)
OF_INTEGERS = ("CategoryEncoding", "Hashing", "IntegerLookup", "StringLookup")


def dtype_of(node: Node, takers: Iterable[Node]) -> str | None:
    """What an input takes besides token ids and numbers of any kind: ``"string"`` or ``"int64"``."""
    found, classes = node.config.get("dtype"), [taker.class_name for taker in takers]
    if found == "string" or any(name in OF_STRINGS for name in classes):
        return "string"
    whole = isinstance(found, str) and found.startswith(("int", "uint"))
    return "int64" if whole and any(name in OF_INTEGERS for name in classes) else None


# Settings ----------------------------------------------------------------------------------------------------------


def _where(at: Place) -> str:
    return f"layer {at.name!r}"


def _one(at: Place) -> Layer:
    if len(at.previous) != 1:
        raise WeightsError(f"{_where(at)}: {at.config['class_name']} of {len(at.previous)} inputs, expected one")
    return at.previous[0]


def _whole(at: Place, key: str, default: int | None, least: int = 0, most: int = MOST) -> Any:
    """A setting that is a whole number; the default for null."""
    found = item(at.config, key, _where(at), int, default=default)
    if found is not None and not least <= found <= most:
        raise WeightsError(f"{_where(at)}: {key} {found}, expected a whole number from {least} to {most}")
    return found


def _mode(at: Place, default: str = "int") -> str:
    found = item(at.config, "output_mode", _where(at), str, default=default)
    return OLD_NAMES.get(found, found)


def _width(at: Place) -> int | None:
    """The width of what is made of numbers, if it is not that of the vocabulary."""
    return _whole(at, "max_tokens", None, 2) if at.flag("pad_to_max_tokens") and _mode(at) != "int" else None


def _salt(at: Place) -> tuple[int, int] | None:
    found = item(at.config, "salt", _where(at), int, list, default=None)
    pair = [found, found] if isinstance(found, int) else found
    if pair is not None and not (len(pair) == 2 and all(type(n) is int and abs(n) < 1 << 64 for n in pair)):
        raise WeightsError(f"{_where(at)}: salt {found!r:.60}, expected two whole numbers")
    return None if pair is None else (pair[0], pair[1])


def _vocabulary(at: Place, kind: type) -> list[Any]:
    """The vocabulary, which a `.keras` file may hold beside the config."""
    where, found = _where(at), at.config.get("vocabulary")
    if found is None:
        raise WeightsError(
            f"{where}: the file does not hold its vocabulary, which Keras writes to .keras files, "
            "and to others only if the layer was made with it; save the model as .keras, "
            f"or supply the layer with load(path, layers={{{at.name!r}: ...}})"
        )
    words = typed(found, f"{where}: 'vocabulary'", list)
    if kind is int:
        words = [_integer(word) for word in words]
    if not all(type(word) is kind for word in words):
        raise WeightsError(
            f"{where}: vocabulary {found!r:.60}, expected a list of {'numbers' if kind is int else 'words'}"
        )
    return [word.rstrip("\0") for word in words] if kind is str else words  # as NumPy's arrays of strings hold them


def _integer(word: Any) -> Any:
    """A number of a vocabulary, from a file its digits."""
    try:
        found = int(word) if isinstance(word, str) and len(word) < 30 else word
    except ValueError:
        return None
    return found if type(found) is int and abs(found) < 1 << 63 else None


def _idf(at: Place) -> np.ndarray | None:
    """The weights of the words: an array of the file, or those of the config."""
    if _mode(at) != "tf_idf":
        return None
    if at.arrays:
        return at.arrays["0"]
    found = item(at.config, "idf_weights", _where(at), list, default=None)
    if found is None or not all(type(n) in (int, float) and abs(n) < 1e38 for n in found):
        raise WeightsError(f"{_where(at)}: idf_weights {found!r:.60}, expected a list of numbers")
    return np.float64(found)


def _weights(config: dict[str, Any]) -> list[str]:
    return [ANY] if config.get("output_mode") in ("tf_idf", "tf-idf") else []


def _function(at: Place, key: str, known: Iterable[str | None]) -> str | None:
    """A setting that names a function of Keras' own."""
    found = at.config.get(key)
    if found is None or (isinstance(found, str) and found in known):
        return found
    name = found.get("config") if isinstance(found, dict) else found
    name = name if isinstance(name, str) else found.get("class_name") if isinstance(found, dict) else found
    make = f"npmoji.TextVectorization(previous, config['vocabulary'], {key}=YOUR_FUNCTION, name=name)"
    raise WeightsError(
        f"{_where(at)}: {key} is {name!r:.60}, a function that the file does not hold; supply the layer, "
        f"load(path, layers={{{at.name!r}: lambda previous, config, name: {make}}})"
    )


# Layers ------------------------------------------------------------------------------------------------------------


@kind("TextVectorization", arrays=_weights, frozen=(ANY,))
def _text_vectorization(at: Place) -> Layer:
    where = _where(at)
    standardize, split = _function(at, "standardize", STANDARDIZE), _function(at, "split", SPLIT)
    if at.flag("ragged"):
        raise WeightsError(f"{where}: ragged=True gives rows of different lengths, expected an array: False")
    if at.setting("encoding", "utf-8") not in ("utf-8", "UTF-8", "utf8"):
        raise WeightsError(f"{where}: encoding {at.config['encoding']!r:.60}, expected 'utf-8'")
    if "output_mode" in at.config and at.config["output_mode"] is None:
        raise WeightsError(f"{where}: output_mode null gives words, expected int, multi_hot, count or tf_idf")
    ngrams = item(at.config, "ngrams", where, int, list, default=None)
    if not all(type(n) is int and 1 <= n <= 99 for n in (ngrams if isinstance(ngrams, list) else [ngrams or 1])):
        raise WeightsError(f"{where}: ngrams {ngrams!r:.60}, expected numbers of words")
    return layers.TextVectorization(
        _one(at),
        _vocabulary(at, str),
        standardize,
        split,
        tuple(ngrams) if isinstance(ngrams, list) else ngrams,
        _mode(at),
        _whole(at, "output_sequence_length", None, 1),
        _width(at),
        _idf(at),
        name=at.name,
    )


@kind("StringLookup", arrays=_weights, frozen=(ANY,))
def _string_lookup(at: Place) -> Layer:
    words = [item(at.config, key, _where(at), str, default=None) for key in ("mask_token", "oov_token")]
    return _fitting(at, layers.StringLookup(_one(at), _vocabulary(at, str), **_lookup(at, *words)))


@kind("IntegerLookup", arrays=_weights, frozen=(ANY,))
def _integer_lookup(at: Place) -> Layer:
    numbers = [_whole(at, key, None, -MOST_BINS, MOST_BINS) for key in ("mask_token", "oov_token")]
    method = item(at.config, "oov_method", _where(at), str, default="floormod")
    if method not in ("floormod", "farmhash"):
        raise WeightsError(f"{_where(at)}: oov_method {method!r:.60}, expected floormod or farmhash")
    options = _lookup(at, *numbers)
    return _fitting(at, layers.IntegerLookup(_one(at), _vocabulary(at, int), oov_method=method, **options))


def _lookup(at: Place, mask: Any, other: Any) -> dict[str, Any]:
    """The settings of both lookups."""
    return {
        "num_oov_indices": _whole(at, "num_oov_indices", 1),
        "mask_token": mask,
        "oov_token": other,
        "output_mode": _mode(at),
        "width": _width(at),
        "idf_weights": _idf(at),
        "salt": _salt(at),
        "invert": at.flag("invert"),
        "name": at.name,
    }


def _fitting(at: Place, made: Any) -> Layer:
    """The lookup; its input is told what it takes if it does not take everything."""
    if made.table.others == 0 and made.table.words and not made.invert and isinstance(at.previous[0], Input):
        at.previous[0].example = made.table.words[0]
    return made


@kind("CategoryEncoding", parameters=("inputs", "count_weights"))
def _category_encoding(at: Place) -> Layer:
    if len(at.previous) not in (1, 2):
        _one(at)
    key = "num_tokens" if "num_tokens" in at.config else "max_tokens"
    size, mode = _whole(at, key, 0, 1), _mode(at, "multi_hot")
    return layers.CategoryEncoding(*at.previous, num_tokens=size, output_mode=mode, strict=not at.keras3, name=at.name)


@kind("Hashing")
def _hashing(at: Place) -> Layer:
    mode = _mode(at)
    bins = _whole(at, "num_bins", 0, 1, MOST_BINS if mode == "int" else MOST)
    mask = item(at.config, "mask_value", _where(at), str, int, default=None)
    return layers.Hashing(_one(at), bins, mask, _salt(at), mode, name=at.name)
