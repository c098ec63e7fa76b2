"""The command line: arguments, exit codes, and nothing a user of the library would need.

Exit codes: 0 done; 2 wrong usage, input or file, told in one line; 130 interrupted. A closed pipe ends quietly.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import NoReturn, TypeVar

from . import __version__
from .errors import InputError, NpmojiError
from .texts import Texts, chunks

Item = TypeVar("Item")

BLOCK = 512  # texts read, computed and written together
LARGEST = 2**31 - 1  # of a numeric option
BUNDLED_NOTE = (
    "npmoji: using the small bundled model, trained on sentences written for this project; "
    "for the original's weights: --weights deepmoji_weights.hdf5 (with vocabulary.json beside it)"
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that half-written files are removed
    except ValueError:
        pass  # not in the main thread: the caller has its own handling
    try:
        arguments = parser().parse_args(argv)
        # For the few texts that NumPy's engine is used for, BLAS' threads mostly wait for each other. Read at its import.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(arguments.threads or 1))
        return arguments.command(arguments) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has gone
        drop_unwritable()
        return 0
    except (NpmojiError, OSError, MemoryError) as error:
        print(f"npmoji: error: {one_line(error)}", file=sys.stderr)
        drop_unwritable()
        return 2


def drop_unwritable() -> None:
    """Let go of results that standard output does not take: Python would try and complain once more at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: BaseException | str) -> str:
    """The error's message without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


class Parser(argparse.ArgumentParser):
    """Wrong usage is told in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"npmoji: error: {one_line(message)} (see {self.prog} --help)\n")


def parser() -> Parser:
    """All commands with their options."""
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("model")
    group.add_argument("--weights", metavar="PATH", help="Keras HDF5 weights (default: the small bundled model)")
    group.add_argument("--vocabulary", metavar="PATH", help="vocabulary.json (default: the one beside the weights)")
    group.add_argument("--maxlen", type=positive, default=30, metavar="N", help="tokens a text is cut to (default 30)")
    group.add_argument("--engine", default="auto", metavar="E", help="auto (default), numpy or numba")
    group.add_argument("--precision", default="fp32", metavar="P", help="fp32 (default), fp16 or int8")
    group.add_argument("--threads", type=positive, metavar="N", help="threads (default: the cores at hand)")

    texts = argparse.ArgumentParser(add_help=False)
    texts.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without any, and without -i, standard input")
    texts.add_argument("-i", "--input", metavar="FILE", help="a file with one text a line, .csv or .jsonl; - is standard input")
    texts.add_argument("--column", default="text", metavar="NAME", help="the column of a .csv or .jsonl (default: text)")

    top = Parser(prog="npmoji", description="Texts to emojis and emotion features: DeepMoji without a framework.")
    top.add_argument("--version", action="version", version=f"npmoji {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)

    score = commands.add_parser("score", parents=[texts, common], help="the most likely emojis of each text")
    score.add_argument("-o", "--output", default="-", metavar="FILE", help="where to write (default: standard output)")
    score.add_argument("--format", choices=("text", "csv", "jsonl"), default="text", help="default: text, made for people")
    score.add_argument("--top", type=positive, default=5, metavar="K", help="how many emojis a text (default 5)")
    score.set_defaults(command=run_score)

    encode = commands.add_parser("encode", parents=[texts, common], help="the features of each text, as a .npy file")
    encode.add_argument("-o", "--output", required=True, metavar="FILE.npy", help="float32, one row a text")
    encode.set_defaults(command=run_encode)

    info = commands.add_parser("info", parents=[common], help="which weights, engine and CPU are in use")
    info.set_defaults(command=run_info)
    return top


def positive(text: str) -> int:
    """argparse type: an integer of at least 1, and no larger than any array can be."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 to {LARGEST}")
    return number


# Commands ----------------------------------------------------------------------------------------------------------


def run_score(arguments: argparse.Namespace) -> None:
    """`npmoji score`."""
    from .outputs import FORMATS, text_output

    with source(arguments) as texts:
        model = load(arguments)
        k = min(arguments.top, model.classes)
        with text_output(arguments.output) as out:
            results = begun((block, model.top(block, k)) for block in blocks(texts, quiet=out.isatty()))
            writer = FORMATS[arguments.format](out, k)  # may write a header: not before there is a first result
            for block, tops in results:
                for text, top in zip(block, tops):
                    writer.write(text, top)
                out.flush()


def run_encode(arguments: argparse.Namespace) -> None:
    """`npmoji encode`."""
    from .outputs import ArrayFile, whole_file

    if not arguments.output.endswith(".npy"):
        raise InputError(f"-o {arguments.output}: encode writes a NumPy array, expected a name that ends in .npy")
    with source(arguments) as texts:
        model = load(arguments)
        with whole_file(arguments.output) as file:
            array = ArrayFile(file, model.features)
            for block in blocks(texts):
                array.append(model.encode(block))
            array.finish()


def run_info(arguments: argparse.Namespace) -> None:
    """`npmoji info`."""
    from .info import lines
    from .outputs import text_output

    with text_output("-") as out:
        for name, value in lines(load(arguments, note=False), arguments.vocabulary):
            out.write(f"{name:12}{value}\n")


# Pieces the commands share -----------------------------------------------------------------------------------------


def load(arguments: argparse.Namespace, note: bool = True):
    """The model that the common options ask for; on a terminal the bundled one says what it is."""
    from .model import load

    if note and arguments.weights is None and sys.stderr.isatty():
        print(BUNDLED_NOTE, file=sys.stderr)
    return load(
        arguments.weights,
        vocabulary=arguments.vocabulary,
        maxlen=arguments.maxlen,
        engine=arguments.engine,
        precision=arguments.precision,
        threads=arguments.threads,
    )


@contextlib.contextmanager
def source(arguments: argparse.Namespace) -> Iterator[Texts | list[str]]:
    """The texts of the command line, or the opened file or standard input."""
    if not arguments.texts:
        with contextlib.closing(Texts("-" if arguments.input is None else arguments.input, arguments.column)) as texts:
            yield texts
    elif arguments.input is not None:
        raise InputError("give texts or -i FILE, not both")
    else:
        yield arguments.texts


def blocks(texts: Texts | list[str], quiet: bool = False) -> Iterator[list[str]]:
    """The texts, some hundred at a time, with a progress line unless ``quiet``; typed texts one by one."""
    from .outputs import Progress

    if isinstance(texts, list):
        yield from chunks(texts, BLOCK)
        return
    if texts.typed:
        print("npmoji: reading texts from the keyboard, one a line, until end of file", file=sys.stderr)
    progress = Progress(texts.size, enabled=not quiet and not texts.typed)
    try:
        for block in chunks(texts, 1 if texts.typed else BLOCK):
            yield block
            progress.step(len(block), texts.done)
    finally:
        progress.close()


def begun(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, the first of them computed now."""
    return chain(list(islice(items, 1)), items)
