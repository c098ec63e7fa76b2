"""The commands' texts: from the command line, or the records of files and standard input."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from ..batch import BLOCK, Record
from ..errors import InputError
from .options import UNSAID

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from ..batch.records import Inputs
    from ..layers import Checked
    from ..model import Model

Item = TypeVar("Item")


class Given:
    """Texts given on the command line, with the interface of `Inputs`.

    Args:
        kept: names of columns to keep: ``["text"]``, or none.
    """

    size = done = 0
    typed, files = False, (("-", "txt"),)

    def __init__(self, texts: list[str], kept: Sequence[str] = ()):
        self.texts, self.kept = texts, list(kept)

    def warnings(self) -> list[str]:
        """None: there is nothing to misread."""
        return []

    def blocks(self, size: int, patient: bool = False, skip: int = 0) -> Iterator[list[Record]]:
        """Lists of up to ``size`` records."""
        for start in range(skip, len(self.texts), size):
            yield [Record(text, dict.fromkeys(self.kept, text)) for text in self.texts[start : start + size]]


@contextlib.contextmanager
def source(arguments: argparse.Namespace, whole: bool = False) -> Iterator[Inputs | Given]:
    """The texts of the command line, or those of files or standard input.

    Args:
        whole: the texts' column is kept like the others, and all are unless the options say which.
    """
    if not arguments.texts:
        with contextlib.closing(read_files(arguments, arguments.input or ["-"], whole)) as inputs:
            yield inputs
        return
    keep = getattr(arguments, "keep", ())
    if whole and arguments.input is None and keep in (None, UNSAID, [], ["text"]):
        check_given(type(arguments)(**{**vars(arguments), "keep": ()}))
        yield Given(arguments.texts, () if keep == [] else ["text"])
        return
    check_given(arguments)
    yield Given(arguments.texts)


def read_files(arguments: argparse.Namespace, places: list[str], whole: bool = False) -> Inputs:
    """The records of files, folders and patterns, read as the options say."""
    from ..batch.names import TABLES, input_format
    from ..batch.places import expanded
    from ..batch.records import Inputs

    paths, ignored = expanded(places)
    for what in ignored:
        print(f"npmoji: warning: {what}", file=sys.stderr)
    keep = getattr(arguments, "keep", [])
    if keep is UNSAID and not arguments.input_format:
        tables = any(path != "-" and input_format(path) in TABLES.values() for path in paths)
        keep = None if whole or (tables and getattr(arguments, "form", "") != "text") else ()
    elif keep is UNSAID:
        keep = None if whole else ()
    return Inputs(
        paths,
        form=arguments.input_format,
        column=arguments.column,
        encoding=arguments.encoding or "utf-8",
        delimiter=arguments.delimiter,
        keep=keep,
        on_error=getattr(arguments, "on_error", None),
        whole=whole,
    )


def check_given(arguments: argparse.Namespace) -> None:
    """Refuse options that only apply to files; warn if a text is the name of a file."""
    if arguments.input is not None:
        raise InputError("give texts or -i FILE, not both")
    for name in ("column", "input_format", "encoding", "delimiter", "keep"):
        if getattr(arguments, name, None):
            raise InputError(f"--{name.replace('_', '-')} does not apply to texts on the command line, only to -i FILE")
    for text in arguments.texts:
        if os.path.isfile(text):
            warning = f"{text} is a file, but its name is taken as the text; to read the file: -i {text}"
            print(f"npmoji: warning: {warning}", file=sys.stderr)
            break


def computed(
    model: Model,
    inputs: Inputs | Given,
    compute: Callable[[Checked], Iterable[Item]] | Callable[[list[str]], Iterable[Item]],
    quiet: bool = False,
    size: int | None = None,
    of_texts: bool = False,
) -> Generator[tuple[list[Record], list[Item | None]], None, None]:
    """Blocks of records and the result for each record, None for those without a text.

    Shows progress, and a summary at the end, unless ``quiet``.

    Args:
        size: of a block, at most; `BLOCK` by default.
        of_texts: `compute` is called with the texts themselves, not with their arrays.
    """
    from ..display import ProgressLine

    if inputs.typed:
        print("npmoji: reading texts from the keyboard, one per line, until end of file", file=sys.stderr)
    progress = ProgressLine(inputs.size, enabled=not (quiet or inputs.typed or isinstance(inputs, Given)))
    cut = 0
    try:
        for block in inputs.blocks(size or BLOCK):
            texts = [record.text for record in block if record.text is not None]
            arrays = model.arrays(texts)
            results = iter(compute(texts if of_texts else arrays))
            yield block, [None if record.text is None else next(results) for record in block]
            if progress.enabled and model.tokenizer:
                from ..batch.cuts import cut_texts

                cut += len(cut_texts(texts, next(iter(arrays.values())), model.tokenizer))
            progress.step(len(block), inputs.done)
        cut = f"{cut:,}" if cut else "none"
        progress.finish(f"{cut} cut at {model.tokenizer.maxlen} tokens" if model.tokenizer else "")
    finally:
        progress.close()
    for warning in inputs.warnings():
        print(f"npmoji: warning: {warning}", file=sys.stderr)


@contextlib.contextmanager
def keeping(writer: Any) -> Iterator[None]:
    """If the input ends early with an error, keep the ``rows`` written so far."""
    from ..files.whole import Unfinished

    try:
        yield
    except InputError as error:
        if writer.rows:
            raise Unfinished(str(error), writer.rows) from error
        raise


def begun(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, with the first one computed right away."""
    return chain(list(islice(items, 1)), items)


def listed(arguments: argparse.Namespace, paths: list[str]) -> list[str] | np.ndarray | dict[str, np.ndarray]:
    """The texts of files, the token ids of a `.npy`, or the inputs of a `.npz` by name."""
    from ..checks.golden import read_inputs

    if len(paths) == 1 and paths[0].lower().endswith((".npy", ".npz")):
        return read_inputs(paths[0])
    with contextlib.closing(read_files(arguments, paths)) as inputs:
        return [record.text for record in inputs if record.text is not None]
