"""Which weights file a name refers to: the bundled model, a downloaded one, or a path; and the vocabulary beside it."""

from __future__ import annotations

import functools
import os
import sys
from typing import NamedTuple

from .errors import InputError, WeightsError

BUNDLED = "deepmoji_small.hdf5"


def find(path: str | os.PathLike | None) -> str:
    """The weights file that a path or name refers to; None is the bundled model."""
    if path is None:
        return bundled()
    if isinstance(path, str) and path in SOURCES:
        return downloaded(path)
    if isinstance(path, (str, bytes)) and not path:
        raise InputError("path: expected the path of a file, got an empty string")
    from .files.paths import local

    return local(path)


def vocabulary_beside(path: str) -> str:
    """Where the vocabulary of a weights file is expected."""
    return os.path.join(os.path.dirname(path), "vocabulary.json")


# The bundled model


@functools.cache
def bundled() -> str:
    """The path of the small model that ships with npmoji: in the package if installed, in `weights/` in a checkout. If
    npmoji is imported from an archive (a zipapp), the model is copied to a temporary folder for the lifetime of this
    process."""
    package = os.path.dirname(os.path.realpath(__file__))
    folders = [os.path.join(place, "weights") for place in (package, os.path.dirname(package))]
    for folder in folders:
        path = os.path.join(folder, BUNDLED)
        if os.path.isfile(path):
            return path
    for folder in folders:
        if copy := _out_of_archive(folder):
            return copy
    missing = f"the bundled weights {BUNDLED!r} are missing from this installation"
    raise WeightsError(f"{package}: {missing}; load other weights with load(path)")


def _out_of_archive(folder: str) -> str | None:
    """The bundled model and its vocabulary, extracted from a folder of the archive; None if they are not there."""
    read = getattr(getattr(__spec__, "loader", None), "get_data", None)
    try:
        contents = {name: read(os.path.join(folder, name)) for name in (BUNDLED, "vocabulary.json")} if read else {}
    except OSError:
        return None
    if not contents:
        return None
    import atexit
    import shutil
    import tempfile

    place, owner = tempfile.mkdtemp(prefix="npmoji-"), os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(place, ignore_errors=True))  # a fork may end earlier
    for name, content in contents.items():
        with open(os.path.join(place, name), "wb") as file:
            file.write(content)
    return os.path.join(place, BUNDLED)


# Downloaded models: what `npmoji download` fetches, and where in the user's cache directory it is kept


class Source(NamedTuple):
    """The address of a published file, and its name here."""

    url: str
    file: str


SOURCES = {
    "original": Source("https://www.dropbox.com/s/xqarafsl6a8f9ny/deepmoji_weights.hdf5?dl=1", "deepmoji_weights.hdf5"),
    "torchmoji": Source("https://www.dropbox.com/s/q8lax9ary32c7t9/pytorch_model.bin?dl=1", "pytorch_model.bin"),
}
VOCABULARY = Source("https://raw.githubusercontent.com/bfelbo/DeepMoji/master/model/vocabulary.json", "vocabulary.json")
VOCABULARY_SHA256 = "951e74fe4661b23e490e79d3a9496bd61d027b14b55dd99dd1ae2c1fc3e25f3e"  # the same file for both


def home() -> str:
    """npmoji's folder for downloads: the environment variable NPMOJI_HOME, or a folder in the user's cache directory.

    The latter is `npmoji` in XDG_CACHE_HOME or ~/.cache, on macOS in ~/Library/Caches, on Windows in %LOCALAPPDATA%.

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
    """The user's cache directory on this system."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join("~", "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join("~", "Library", "Caches")
    place = os.environ.get("XDG_CACHE_HOME", "")
    return place if os.path.isabs(place) else os.path.join("~", ".cache")  # the standard says to ignore relative ones


def weights_path(name: str) -> str:
    """Where the weights ``"original"`` or ``"torchmoji"`` are kept."""
    return os.path.join(home(), name, source(name).file)


def vocabulary_path(name: str) -> str:
    """Where the vocabulary for these weights is kept: beside them."""
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
    """The weights file fetched by `npmoji download`, or put in its place by hand.

    Raises:
        WeightsError: it is not there; the message says how to get it.
    """
    path = weights_path(name)
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: not downloaded yet: run `npmoji download {name}`; or {by_hand(name)}")
    return path


def by_hand(name: str) -> str:
    """What to do instead of `npmoji download`."""
    weights, vocabulary = weights_path(name), vocabulary_path(name)
    return f"by hand: save {source(name).url} as {weights} and {VOCABULARY.url} as {vocabulary}"
