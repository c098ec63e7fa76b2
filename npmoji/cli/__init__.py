"""The command line: its commands and exit codes, and nothing a user of the library would need.

`COMMANDS` lists the commands. Each is the module of that name here: ``add_arguments(parser)`` declares its arguments
and ``run(arguments)`` does its work, importing what it needs when it runs. Options shared by several commands are in
`options`; `parsers` reads command lines, plain ones of some commands `plain`.

Exit codes: 0 success, also when `npmoji` without arguments prints its help; 1 a comparison or verification failed; 2
wrong usage, input or file, reported in one line, or by `inspect` in one for each thing that is wrong; 130 interrupted.
A closed pipe ends the command quietly.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import NpmojiError, one_line

if TYPE_CHECKING:
    from .parsers import Parser

COMMANDS = {  # name: help
    "score": "print the most likely emojis of each text",
    "encode": "write the features of each text to a .npy file",
    "info": "show which weights, engine and CPU are in use",
    "inspect": "list the layers of any weights file: shapes, parameters, connections",
    "train": "train a classifier of your own classes, from texts with labels",
    "evaluate": "score such a classifier on other texts with labels",
    "explain": "show which words speak for an emoji and which against it",
    "map": "draw many texts as points on a page: similar ones near each other",
    "serve": "a page where one types and sees emojis, and a JSON API",
    "verify": "check the weights against their reference results",
    "golden": "write every layer's output, for authors of other ports",
    "compare": "compare another implementation's outputs with golden ones",
    "parity": "compare two engines",
    "convert": "write weights, vocabulary and references to one .safetensors file, a Keras .hdf5 file, or ONNX",
    "download": "fetch the original weights and vocabulary",
    "completion": "print a shell's completion script for commands and options",
}
PLAIN = ("score",)  # those that `plain` reads if it can


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code. Without ``argv`` it is the process' own, which ends then."""
    if argv is not None:
        return answered(argv)
    with few_collections():
        return answered(sys.argv[1:])


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Spare a process that ends hereafter most of the time that Python looks for garbage in.

    A start makes some 35,000 objects and hardly any garbage, so the first collection waits for more of them; from then
    on they come as usual. At the end everything is garbage, and need not be searched for cycles once more.
    """
    usual = gc.get_threshold()

    def as_usual(*_: Any) -> None:
        gc.callbacks.remove(as_usual)
        gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(100_000)
    try:
        yield
    finally:
        gc.freeze()


def answered(argv: list[str]) -> int:
    """Run the command that these arguments stand for and return its exit code."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that half-written files are removed
    except ValueError:
        pass  # not in the main thread: signals are the caller's business
    try:
        arguments = parsed(argv)
        # With as few texts as the numpy engine is used for, BLAS threads mostly wait for each other. BLAS reads this at
        # import.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(getattr(arguments, "threads", None) or 1))
        with warnings.catch_warnings():
            warnings.showwarning = warned
            return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output is gone
        drop_unwritable()
        return 0
    except (NpmojiError, OSError, MemoryError) as error:
        print(f"npmoji: error: {one_line(error)}", file=sys.stderr)
        drop_unwritable()
        return 2


def drop_unwritable() -> None:
    """Discard results that standard output does not accept: Python would try again at exit, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warned(message: Warning | str, *_: Any) -> None:
    """Show a warning in one line, like an error."""
    if sys.stderr is not None:
        print(f"npmoji: warning: {one_line(message)}", file=sys.stderr)


def parsed(argv: list[str]) -> Any:
    """The arguments, from `plain` or argparse."""
    if argv and argv[0] in PLAIN:
        from .plain import read

        if found := read(importlib.import_module(f".{argv[0]}", __name__), argv[1:]):
            return found
    from . import parsers

    return parsers.parsed(argv, COMMANDS)


def parser(command: str | None = None) -> Parser:
    """The parser of the command line.

    Args:
        command: the only command whose arguments are needed, which saves importing the others; None: all.
    """
    from .parsers import program

    return program(COMMANDS, command)
