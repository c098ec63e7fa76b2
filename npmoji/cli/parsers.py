"""The parsers of the command line: argparse's, of all commands or of one."""

from __future__ import annotations

import argparse
import functools
import importlib
from typing import Any, NoReturn

from .. import __version__
from ..errors import one_line

EXAMPLES = """\
examples:
  npmoji score "I love mom's cooking"
  npmoji score -i texts.txt -o emojis.csv
  npmoji encode -i texts.txt -o features.npy

`npmoji COMMAND --help` lists the options of a command.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong usage in one line, which refers to the help of the command in question."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, except that a command's parser reports unknown options itself, not the parser above it."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"npmoji: error: {one_line(message)} (see {self.prog} --help)\n")


def parsed(argv: list[str], commands: dict[str, str]) -> argparse.Namespace:
    """The arguments; of a command that comes first only its own parser is made, which saves the time of the others.

    What formats help asks for the terminal's width from the start, which imports much: it gets one unless help is asked
    for.
    """
    if argv and argv[0] in commands:
        plain = functools.partial(argparse.HelpFormatter, width=80)
        formatter = argparse.HelpFormatter if {"-h", "--help"} & set(argv) else plain
        return declared(Parser(prog=f"npmoji {argv[0]}", formatter_class=formatter), argv[0]).parse_args(argv[1:])
    return program(commands, next((word for word in argv if not word.startswith("-")), "")).parse_args(argv)


def declared(parser: Parser, command: str) -> Parser:
    """The parser, with the arguments of a command."""
    module = importlib.import_module(f"..{command}", __name__)
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser


def program(commands: dict[str, str], command: str | None = None) -> Parser:
    """The parser of the command line, with these commands and their helps.

    Args:
        command: the only one whose arguments are needed, which saves importing the others; None: all.
    """
    top = Parser(
        prog="npmoji",
        description="DeepMoji without a framework: text to emojis and emotion features.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"npmoji {__version__}")
    top.set_defaults(run=lambda arguments: top.print_help())
    below = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, text in commands.items():
        one = below.add_parser(name, help=text)
        if command in (None, name):
            declared(one, name)
    return top
