"""Which weights file a name means: the bundled model, a downloaded one, or a path; and the vocabulary beside it."""

from __future__ import annotations

import functools
import os

from .errors import WeightsError

BUNDLED = "deepmoji_small.hdf5"
DOWNLOADS = ("original", "torchmoji")  # what `npmoji download` fetches, and `load` finds by these names


@functools.cache
def bundled() -> str:
    """The path of the small model that ships with npmoji: in the package once installed, in `weights/` in a checkout. From an
    archive that npmoji is imported from (a zipapp) it is copied to a temporary folder, for the time of this process."""
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
    raise WeightsError(f"{package}: {missing}; load(path) takes others")


def _out_of_archive(folder: str) -> str | None:
    """The bundled model and its vocabulary as files, from a folder within the archive; None if they are not there."""
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


def find(path: str | os.PathLike | None) -> str:
    """The weights file that a path or name stands for; None is the bundled model."""
    if path is None:
        return bundled()
    if isinstance(path, str) and path in DOWNLOADS:
        from .download.cache import downloaded

        return downloaded(path)
    from .files.paths import local

    return local(path)


def vocabulary_beside(path: str) -> str:
    """Where the vocabulary of a weights file is looked for."""
    return os.path.join(os.path.dirname(path), "vocabulary.json")
