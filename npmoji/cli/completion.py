"""`npmoji completion`: completion scripts for bash, zsh and fish, generated from the parser itself."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from typing import NamedTuple

FILES = ("CANDIDATE", "FILE", "GOLDEN", "IN", "OUT", "OUTDIR", "PATH", "TEXTS", "URL")  # metavars, up to a dot


class Argument(NamedTuple):
    """An option or a positional argument.

    Attributes:
        names: none if it is positional.
        takes: whether a value follows.
        words: values that can be completed.
        files: whether file names can be completed.
    """

    names: list[str]
    help: str
    takes: bool
    words: tuple[str, ...]
    files: bool


class Command(NamedTuple):
    """A command, or the program itself if the name is empty."""

    name: str
    help: str
    arguments: list[Argument]

    @property
    def options(self) -> list[Argument]:
        """The arguments with names."""
        return [argument for argument in self.arguments if argument.names]

    @property
    def positional(self) -> list[Argument]:
        """The arguments without names."""
        return [argument for argument in self.arguments if not argument.names]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = 'Bash and zsh: eval "$(npmoji completion bash)"; fish: npmoji completion fish | source.'
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to print the script for")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..display import text_output
    from . import parser

    with text_output("-") as out:
        out.write(script(parser(), arguments.shell))


@functools.cache
def words() -> dict[str, tuple[str, ...]]:
    """The values of options that are named in their help but not checked by the parser."""
    from ..backends import DEVICES, ENGINES
    from ..corpora.results import WHAT
    from ..precision import PRECISIONS
    from ..sources import SOURCES

    return {
        "--engine": ("auto", *ENGINES),
        "--precision": PRECISIONS,
        "--device": DEVICES,
        "--weights": tuple(SOURCES),
        "--what": WHAT,
        "--keep": ("all", "none"),
    }


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script for a parser with commands; ``shell`` is ``"bash"``, ``"zsh"`` or ``"fish"``."""
    lines = {"bash": bash, "zsh": zsh, "fish": fish}[shell]
    return "\n".join(lines(list(commands(parser)))) + "\n"


def commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """The program itself, then its commands."""
    (below,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    yield Command("", "", [argument(action) for action in parser._actions if action is not below])
    helps = {choice.dest: choice.help or "" for choice in below._choices_actions}
    for name, command in below.choices.items():
        yield Command(name, helps.get(name, ""), [argument(action) for action in command._actions])


def argument(action: argparse.Action) -> Argument:
    """What completion needs to know about an argument."""
    names = list(action.option_strings)
    values = tuple(action.choices or next((words()[name] for name in names if name in words()), ()))
    files = str(action.metavar or "").partition(".")[0] in FILES
    return Argument(names, action.help or "", action.nargs != 0, values, files)


def bash(found: list[Command]) -> Iterator[str]:
    """The script for bash, including the old one of macOS; file names are left to bash itself."""
    yield "_npmoji() {"
    yield "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words= files="  # noqa: E501  one line of bash
    yield "    [[ $COMP_CWORD == 1 ]] && command="
    yield "    [[ $word == = ]] && word="
    yield "    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]}"
    yield '    case "$command $before" in'
    for command in found:
        for option in command.options:
            if option.takes:
                patterns = "|".join(f'"{command.name} {name}"' for name in option.names)
                yield f'        {patterns}) words="{" ".join(option.words)}" files={"yes" if option.files else ""} ;;'
    yield "        *) case $command in"
    for command in found:
        names = [other.name for other in found if other.name] if not command.name else []
        words = " ".join([*names, *(word for other in command.positional for word in other.words)])
        options = " ".join(name for option in command.options for name in option.names)
        files = "yes" if any(other.files for other in command.positional) else ""
        yield f'            "{command.name}") words="{words}" files={files}; [[ $word == -* ]] && words="{options}" files= ;;'  # noqa: E501
    yield "        esac ;;"
    yield "    esac"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "    [[ $files ]] && compopt -o default 2>/dev/null || compopt +o default 2>/dev/null"
    yield "}"
    yield "complete -o default -F _npmoji npmoji"


def zsh(found: list[Command]) -> Iterator[str]:
    """The script for zsh, to be evaluated or saved as `_npmoji` on its fpath."""

    def value(argument: Argument) -> str:
        words = f"({' '.join(argument.words)})" if argument.words else " "
        both = f'{{_alternative "words\\:word\\:{words}" "files\\:file\\:_files"}}'
        return words if not argument.files else both if argument.words else "_files"

    yield "#compdef npmoji"
    yield "_npmoji() {"
    yield "    local -a commands=("
    for command in found[1:]:
        yield f"        {quoted(f'{command.name}:{command.help}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then _describe command commands; return; fi"
    yield "    local command=$words[2]"
    yield "    (( CURRENT > 2 )) && { shift words; (( CURRENT-- )) } || command="
    yield "    case $command in"
    for command in found:
        yield f'        "{command.name}") _arguments \\'
        for option in command.options:
            label = "".join(f"\\{c}" if c in "[]:\\" else c for c in option.help)
            after = f":value:{value(option)}" if option.takes else ""
            for name in option.names:
                yield f"            {quoted(f'*{name}[{label}]{after}')} \\"
        for number, place in enumerate(command.positional, 1):
            if place.files or place.words:
                yield f"            {quoted(f'{number}:value:{value(place)}')} \\"
        yield "            '*:text:{false}' ;;"  # other words may come anywhere, and nothing is known about them
    yield "    esac"
    yield "}"
    yield 'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _npmoji "$@"; else compdef _npmoji npmoji; fi'


def fish(found: list[Command]) -> Iterator[str]:
    """The script for fish, to be sourced or saved as `npmoji.fish`."""
    yield "complete -c npmoji -f"
    for command in found:
        where = f"-n '__fish_seen_subcommand_from {command.name}'" if command.name else "-n __fish_use_subcommand"
        if command.name:
            yield f"complete -c npmoji -n __fish_use_subcommand -a {command.name} -d {escaped(command.help)}"
        for option in command.arguments:
            parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
            if option.takes and option.names:
                parts.append("-r -F" if option.files else "-x")
            elif option.files:
                parts.append("-F")
            if option.words:
                parts.append(f"-a {escaped(' '.join(option.words))}")
            if parts:
                yield " ".join(["complete -c npmoji", where, *parts, f"-d {escaped(option.help)}"])


def quoted(text: str) -> str:
    """The text quoted for bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def escaped(text: str) -> str:
    """The text quoted for fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
