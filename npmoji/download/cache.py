"""Where `npmoji download` puts what it fetches, and `npmoji.load("original")` finds it: the user's cache directory."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from ..errors import InputError, WeightsError


class Source(NamedTuple):
    """A file as its makers publish it, and its name here."""

    url: str
    file: str


SOURCES = {
    "original": Source("https://www.dropbox.com/s/xqarafsl6a8f9ny/deepmoji_weights.hdf5?dl=1", "deepmoji_weights.hdf5"),
    "torchmoji": Source("https://www.dropbox.com/s/q8lax9ary32c7t9/pytorch_model.bin?dl=1", "pytorch_model.bin"),
}
VOCABULARY = Source("https://raw.githubusercontent.com/bfelbo/DeepMoji/master/model/vocabulary.json", "vocabulary.json")
VOCABULARY_SHA256 = "951e74fe4661b23e490e79d3a9496bd61d027b14b55dd99dd1ae2c1fc3e25f3e"  # the same file for both


def home() -> str:
    """npmoji's folder in the user's cache directory; the environment variable NPMOJI_HOME names another one.

    Else it is `npmoji` in XDG_CACHE_HOME or ~/.cache, on macOS in ~/Library/Caches, on Windows in %LOCALAPPDATA%.

    Raises:
        InputError: there is no home directory.
    """
    if own := os.environ.get("NPMOJI_HOME"):
        return os.path.abspath(os.path.expanduser(own))
    folder = os.path.join(os.path.expanduser(_caches()), "npmoji")
    if folder.startswith("~"):
        raise InputError("there is no home directory to keep files in: set NPMOJI_HOME to a folder")
    return folder


def _caches() -> str:
    """Where programs of this system keep what they can fetch again."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join("~", "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join("~", "Library", "Caches")
    place = os.environ.get("XDG_CACHE_HOME", "")
    return place if os.path.isabs(place) else os.path.join("~", ".cache")  # the standard: ignore relative ones


def weights_path(name: str) -> str:
    """Where the weights ``"original"`` or ``"torchmoji"`` have their place."""
    return os.path.join(home(), name, source(name).file)


def vocabulary_path(name: str) -> str:
    """Where the vocabulary for these weights has its place: beside them."""
    return os.path.join(home(), name, VOCABULARY.file)


def source(name: str) -> Source:
    """Where the weights are published.

    Raises:
        InputError: no weights have that name.
    """
    if name not in SOURCES:
        raise InputError(f"{name!r}: no weights of that name; there are: {', '.join(SOURCES)}")
    return SOURCES[name]


def downloaded(name: str) -> str:
    """The weights file that `npmoji download` fetched, or that was put into its place by hand.

    Raises:
        WeightsError: it is not there; says how to get it.
    """
    path = weights_path(name)
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: not there yet: run `npmoji download {name}`; or {by_hand(name)}")
    return path


def by_hand(name: str) -> str:
    """What a person does without `npmoji download`."""
    weights, vocabulary = weights_path(name), vocabulary_path(name)
    return f"by hand: save {source(name).url} as {weights} and {VOCABULARY.url} as {vocabulary}"
