"""The command line: its commands, exit codes, and nothing a user of the library would need.

`COMMANDS` lists the commands. Each is the module of its name here: ``add_arguments(parser)`` declares its arguments and
``run(arguments)`` does its work, importing what it needs when it runs. Options that commands share are in `options`.

Exit codes: 0 done, also for the help that `npmoji` alone prints; 1 a comparison or verification failed; 2 wrong usage, input
or file, in one line; 130 interrupted. A closed pipe ends quietly.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import warnings
from typing import Any, NoReturn

from .. import __version__
from ..errors import NpmojiError, shortened

COMMANDS = {  # name: help
    "score": "the most likely emojis of each text",
    "encode": "the features of each text, as a .npy file",
    "info": "which weights, engine and CPU are in use",
    "inspect": "the layers of any weights file: shapes, parameters, connections",
    "verify": "check the weights against their reference results",
    "golden": "every layer's output, for authors of other ports",
    "compare": "another implementation's outputs against golden ones",
    "parity": "one engine against another",
    "convert": "weights, vocabulary and references in one .safetensors or Keras .hdf5 file",
    "download": "fetch the original weights and vocabulary",
    "completion": "completion of commands and options for a shell",
}
EXAMPLES = """\
examples:
  npmoji score "I love mom's cooking"
  npmoji score -i texts.txt -o emojis.csv
  npmoji encode -i texts.txt -o features.npy

`npmoji COMMAND --help` lists the options of a command.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that half-written files are removed
    except ValueError:
        pass  # not in the main thread: the caller has its own handling
    try:
        argv = sys.argv[1:] if argv is None else argv
        arguments = parser(next((word for word in argv if not word.startswith("-")), "")).parse_args(argv)
        # For the few texts that NumPy's engine is used for, BLAS' threads mostly wait for each other. Read at its import.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(getattr(arguments, "threads", None) or 1))
        with warnings.catch_warnings():
            warnings.showwarning = warned
            return arguments.run(arguments) or 0
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
    """The error's message without line breaks, and no longer than a screen."""
    return shortened(" ".join(str(error).split()) or type(error).__name__)


def warned(message: Warning | str, *_: Any) -> None:
    """Show a warning in one line, as errors are."""
    if sys.stderr is not None:
        print(f"npmoji: warning: {one_line(message)}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Wrong usage is told in one line, which names the help of the command that was meant."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What argparse does, but a command's parser leaves no unknown options to be refused by the one above."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"npmoji: error: {one_line(message)} (see {self.prog} --help)\n")


def parser(command: str | None = None) -> Parser:
    """The parser of the command line.

    Args:
        command: the only command whose arguments are wanted, which saves importing the others; None: all.
    """
    top = Parser(
        prog="npmoji",
        description="Texts to emojis and emotion features: DeepMoji without a framework.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"npmoji {__version__}")
    top.set_defaults(run=lambda arguments: top.print_help())
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, text in COMMANDS.items():
        below = commands.add_parser(name, help=text)
        if command in (None, name):
            module = importlib.import_module(f".{name}", __name__)
            module.add_arguments(below)
            below.set_defaults(run=module.run)
    return top
