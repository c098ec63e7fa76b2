"""`npmoji download`: weights and vocabulary into the user's cache directory, whole and checked or not at all.

Each file is fetched beside its place as `X.part` (see `fetch`), checked there, and renamed only when it is good. What
is cut off by the network or by Ctrl-C stays for the next call to resume; what came whole and is not good is removed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from .. import sources
from ..errors import NpmojiError, VocabularyError, WeightsError
from ..sources import downloaded, home
from .fetch import discard, fetch, local_path, looks_like_a_page, tell
from .web import FetchError

__all__ = ["download", "downloaded", "home"]

MOST_WEIGHTS = 1 << 30  # bytes; the original has 90 MB
MOST_VOCABULARY = 1 << 24  # bytes; the original has 1 MB


def download(
    name: str = "original", url: str | os.PathLike | None = None, vocabulary_url: str | os.PathLike | None = None
) -> str:
    """Fetch weights and vocabulary into ``home()/name``, where ``load(name)`` finds them.

    What is there already and good is kept, unless an address is given for it. Only one process at a time works in that
    folder; others wait for it.

    Args:
        name: ``"original"`` or ``"torchmoji"``.
        url: of the weights, in place of the published address: http://, https://, file:// or a path, which is copied.
        vocabulary_url: the same for the vocabulary. Without it, weights from a folder of this computer bring along the
            `vocabulary.json` beside them, if there is one. It must be the published file, byte for byte.

    Returns:
        The path of the weights.

    Raises:
        WeightsError, VocabularyError: the file cannot be had (the message says how to do it by hand), is damaged, is
            something else, or cannot be written. Nothing that was there is lost.
        InputError: no such name, or an address that is none.
    """
    weights, vocabulary = sources.weights_path(name), sources.vocabulary_path(name)
    url, vocabulary_url = (None if given is None else os.fsdecode(given) for given in (url, vocabulary_url))
    given = None if url is None else local_path(url)
    folder = os.path.dirname(weights)
    try:
        with locked(os.path.join(folder, "download.lock")):
            bring_vocabulary(name, vocabulary, vocabulary_url, given)
            bring_weights(name, weights, vocabulary, url)
    except OSError as error:
        raise WeightsError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error
    return weights


def bring_vocabulary(name: str, target: str, url: str | None, weights: str | None) -> None:
    """The vocabulary, if it is not there; ``weights``: the weights file of this computer that it may lie beside."""
    if url is None and os.path.isfile(target):
        try:
            check_vocabulary(target)
            return
        except VocabularyError as error:
            tell(f"{error}; it is fetched again")
    beside = None if weights is None else os.path.join(os.path.dirname(weights), sources.VOCABULARY.file)
    if url is None and beside and os.path.isfile(beside) and os.path.realpath(beside) != os.path.realpath(target):
        url = beside
    try:
        bring(url or sources.VOCABULARY.url, target, MOST_VOCABULARY, check_vocabulary)
    except FetchError as error:
        raise VocabularyError(f"{error}; {steps(name)}") from error


def bring_weights(name: str, target: str, vocabulary: str, url: str | None) -> None:
    """The weights, if they are not there."""
    if url is None and os.path.isfile(target):
        try:
            check_weights(target, vocabulary)
            tell(f"{target} is there already")
            return
        except NpmojiError as error:
            tell(f"{error}; it is fetched again")
    try:
        bring(url or sources.source(name).url, target, MOST_WEIGHTS, lambda part: check_weights(part, vocabulary))
    except FetchError as error:
        raise WeightsError(f"{error}; {steps(name)}") from error


def bring(url: str, target: str, most: int, check: Callable[[str], None]) -> None:
    """Fetch a file, check it and put it into its place."""
    part = f"{target}.part"
    tell(f"fetching {url}")
    try:
        fetch(url, part, most)
    except FetchError as error:
        raise FetchError(f"{url}: {error}") from error
    try:
        check(part)
    except NpmojiError as error:
        page = is_a_page(part)
        discard(part)  # it is whole: nothing to resume
        if page:
            raise FetchError(f"{url}: a web page, not the file itself") from error
        what = str(error).removeprefix(f"{part}: ")
        raise type(error)(f"{url}: not what it should be: {what}; nothing was kept of it") from error
    os.replace(part, target)
    discard(part)
    tell(f"it is now {target}")


def check_vocabulary(path: str) -> None:
    """Raise a VocabularyError unless this is the published vocabulary."""
    from ..files.digest import sha256

    found = sha256(path)
    if found != sources.VOCABULARY_SHA256:
        raise VocabularyError(f"{path}: sha256 {found}, expected {sources.VOCABULARY_SHA256}")


def check_weights(path: str, vocabulary: str) -> None:
    """Raise a WeightsError or VocabularyError unless the file makes a network that goes with the vocabulary."""
    from ..deepmoji import check_finite
    from ..loading import load

    model = load(path, vocabulary=vocabulary, engine="numpy", mmap=False)  # Windows would not rename a mapped file
    check_finite("embedding", model["embedding"].embeddings)  # not looked through by `load` if it is large


def is_a_page(path: str) -> bool:
    """Whether a file is HTML."""
    with open(path, "rb") as file:
        return looks_like_a_page(file.read(1024))


def steps(name: str) -> str:
    """What to do when the network does not help."""
    return f"name a mirror or a file with --url and --vocabulary-url, or {sources.by_hand(name)}"


# One at a time ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Wait until no other process is in such a block. The system releases the lock of a process that ends, however.

    The folder of the lock is made. Afterwards the lock goes, and so do the folder, and the one it is in if that is new
    too, unless something came into them.
    """
    folder = os.path.dirname(path)
    folders = [folder] if os.path.isdir(os.path.dirname(folder)) else [folder, os.path.dirname(folder)]
    file = acquired(path)
    try:
        yield
    finally:
        if os.name == "nt":
            file.close()  # nobody else can have it open when it is removed
        with contextlib.suppress(OSError):
            os.unlink(path)
        file.close()  # only now, so that whoever waits for it sees that it has gone
        with contextlib.suppress(OSError):
            for place in folders:
                os.rmdir(place)


def acquired(path: str) -> BinaryIO:
    """The lock's file, locked; and its folder. Whoever had it before may remove both at any moment."""
    told, failures = False, 0
    while True:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            file = open(path, "ab")  # noqa: SIM115
        except (FileNotFoundError, FileExistsError):  # the latter from makedirs, if a folder goes while it looks
            failures += 1
            if failures > 100:  # there cannot be such a folder
                raise
            continue
        with contextlib.ExitStack() as closing:
            closing.callback(file.close)
            while not take(file):
                if not told:
                    tell("another npmoji is downloading; waiting for it")
                told = True
                time.sleep(0.1)
            if os.fstat(file.fileno()).st_nlink and os.path.exists(path):  # else it was removed, and locks nobody out
                closing.pop_all()
                return file


def take(file: BinaryIO) -> bool:
    """Lock an open file until it is closed, unless another has it."""
    try:
        try:
            import fcntl
        except ImportError:
            import msvcrt  # Windows

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
