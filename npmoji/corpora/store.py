"""What is finished of a job, in a folder beside its output: `OUT.parts`.

    lock             held by the process that is at work
    manifest.json    what the job is, and its finished parts; always complete
    000000.txt …     the parts: text as it is, or batches of Arrow

Parts and manifest are written under other names, put on the disk, and renamed. A process may be killed at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from typing import Any, BinaryIO, NamedTuple

from ..errors import InputError, NpmojiError
from ..files.digest import sha256
from ..files.whole import reporting
from ..sources import home

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
LOCK = "lock"


class Part(NamedTuple):
    """A finished part.

    Attributes:
        name: of its file.
        rows: how many it has.
        cut: how many of its texts were cut at maxlen.
        sha256: of the file.
    """

    name: str
    rows: int
    cut: int
    sha256: str


class Store:
    """The folder of an output, for one process at a time.

    Args:
        target: the output's path.

    Attributes:
        parts: the finished ones, in order.
        lost: how many of an earlier run's were not as they should be.
        finished: the digest of the output, once it is complete.

    Raises:
        InputError: another process is at work on this output, or the folder cannot be written.
    """

    def __init__(self, target: str):
        self.target, self.folder = target, f"{target}.parts"
        self.parts: list[Part] = []
        self.lost, self.finished = 0, ""
        self._job: dict[str, Any] = {}
        with reporting(target):
            self._lock = self._locked()

    def _locked(self) -> BinaryIO:
        while True:
            if not os.path.isdir(self.folder):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.folder)
            with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                file = open(self._path(LOCK), "ab")  # noqa: SIM115
                try:
                    _lock(file)
                except (BlockingIOError, PermissionError) as error:
                    file.close()
                    raise InputError(f"{self.target}: another process is writing it (it holds {file.name})") from error
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(self._path(LOCK))):
                        return file
                file.close()

    @property
    def begun(self) -> bool:
        """Whether parts of an earlier run are there."""
        return os.path.exists(self._path(MANIFEST))

    @property
    def rows(self) -> int:
        """How many rows are finished."""
        return sum(part.rows for part in self.parts)

    def begin(self, job: dict[str, Any]) -> None:
        """Start anew: a job without parts."""
        self.discard()
        self._job = job
        with reporting(self.folder):
            self._save()

    def discard(self) -> None:
        """Remove what an earlier run has left."""
        self._job, self.parts, self.finished = {}, [], ""
        with reporting(self.folder):
            for name in sorted(os.listdir(self.folder), key=lambda name: name != MANIFEST):  # which goes first
                if name != LOCK:
                    os.unlink(self._path(name))

    def earlier(self) -> dict[str, Any]:
        """The job that was begun. `parts` are then those of its parts that are there and unharmed, up to the first one
        that is not.

        Raises:
            InputError: the manifest cannot be read.
        """
        path = self._path(MANIFEST)
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            self._job, self.finished = found["job"], found["finished"]
            listed = [Part(*map(part.__getitem__, Part._fields)) for part in found["parts"]]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: damaged: {error}; remove {self.folder} to start anew") from error
        self.parts = []
        for part in listed:
            path = self._path(part.name)
            if not os.path.isfile(path) or sha256(path) != part.sha256:
                break
            self.parts.append(part)
        self.lost = len(listed) - len(self.parts)
        return self._job

    def add(self, content: Any, suffix: str, rows: int, cut: int) -> None:
        """Another part, which is finished when this returns."""
        name = f"{len(self.parts):06}{suffix}"
        with reporting(self.folder):
            self._write(name, content)
            self.parts.append(Part(name, rows, cut, hashlib.sha256(content).hexdigest()))
            self._save()

    def finish(self, digest: str) -> None:
        """The output is complete, and is about to get its name."""
        self.finished = digest
        with reporting(self.folder):
            self._save()

    def paths(self) -> list[str]:
        """The parts' files, in order."""
        return [self._path(part.name) for part in self.parts]

    def remove(self) -> None:
        """Remove everything: the output is there."""
        for part in self.parts:  # the manifest last: as long as it is there, all is known
            with contextlib.suppress(OSError):
                os.unlink(self._path(part.name))
        if fcntl is None:
            self._lock.close()  # Windows removes no open file
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the folder; what is finished stays. A folder without a job is removed."""
        if not self.begun:
            self.remove()
        self._lock.close()

    def _save(self) -> None:
        found = {"job": self._job, "finished": self.finished, "parts": [part._asdict() for part in self.parts]}
        self._write(MANIFEST, json.dumps(found, indent=1).encode())

    def _write(self, name: str, content: Any) -> None:
        path = self._path(name)
        try:
            with open(f"{path}.new", "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(f"{path}.new", path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(f"{path}.new")
        sync_folder(self.folder)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)


# Finished jobs --------------------------------------------------------------------------------------------------------

REMEMBERED = 100  # jobs


def remember(target: str, job: dict[str, Any], digest: str) -> None:
    """Note, in npmoji's own folder, that a job is finished: a process may be killed after it has removed all else, and
    the same job then has nothing left to do. If the folder cannot be written, nothing is noted."""
    with contextlib.suppress(OSError, NpmojiError):
        path = _note(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"job": job, "finished": digest}, file)
        os.replace(f"{path}.new", path)
        notes = sorted(os.scandir(os.path.dirname(path)), key=lambda entry: entry.stat().st_mtime)
        for entry in notes[:-REMEMBERED]:
            os.unlink(entry.path)


def remembered(target: str) -> tuple[dict[str, Any], str] | None:
    """The job that has made the file of this name, if that is still as it was then."""
    with contextlib.suppress(OSError, NpmojiError, ValueError, KeyError):
        with open(_note(target), encoding="utf-8") as file:
            found = json.load(file)
        if sha256(target) == found["finished"]:
            return found["job"], found["finished"]
    return None


def _note(target: str) -> str:
    name = hashlib.sha256(os.fsencode(target)).hexdigest()[:32]
    return os.path.join(home(), "finished", f"{name}.json")


# ----------------------------------------------------------------------------------------------------------------------


def sync_folder(folder: str) -> None:
    """Have the names in a folder put on the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder or os.curdir, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lock(file: BinaryIO) -> None:
    """Lock a file until it is closed or the process ends. On file systems without locks nothing happens.

    Raises:
        BlockingIOError, PermissionError: another process has locked it.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass
        return
    import msvcrt

    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
