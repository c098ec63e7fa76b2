"""A plain command line, read without argparse: to import that and make its parser takes 3 ms, as long as many a text.

Plain is one that names its options in full, with each value as a word of its own, and has its texts in one place or
after ``--``. The options are those that the command declares for argparse, which reads everything else: help,
abbreviations, ``--top=3``, mistakes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

#: what an option's declaration may hold
KNOWN = {"action", "choices", "default", "dest", "help", "metavar", "type"}


class Options:
    """Takes what a command declares, in place of a parser and its groups.

    Attributes:
        defaults: by the arguments' names.
        named: the options that can be read here, by what they are called in a command line: name and declaration.
    """

    def __init__(self) -> None:
        self.defaults: dict[str, Any] = {}
        self.named: dict[str, tuple[str, dict[str, Any]]] = {}

    def add_argument_group(self, *_: Any) -> Options:
        """Groups matter to the help alone."""
        return self

    def add_argument(self, *names: str, **declared: Any) -> None:
        """An option, or any number of texts."""
        name = declared.get("dest") or names[-1].lstrip("-").replace("-", "_")
        action = declared.get("action", "store")
        default: Any = False if action == "store_true" else [] if declared.get("nargs") == "*" else None
        self.defaults.setdefault(name, declared.get("default", default))
        if action in ("store", "store_true") and declared.keys() <= KNOWN:
            self.named |= dict.fromkeys(names, (name, declared))


def read(module: Any, words: list[str]) -> SimpleNamespace | None:
    """The arguments of a command, as argparse gives them; None if it has to.

    Args:
        module: the command's. It takes any number of ``texts``, and no other arguments but options.
        words: what follows its name.
    """
    options, texts, ended = Options(), [], False
    module.add_arguments(options)
    values, rest = options.defaults, iter(words)
    for word in rest:
        if not word.startswith("-"):
            if ended:
                return None
            texts.append(word)
            continue
        ended = bool(texts)
        if word == "--" and not texts:
            texts = list(rest)  # all that follows, whatever it looks like
            break
        if word not in options.named:
            return None
        name, declared = options.named[word]
        if declared.get("action") == "store_true":
            values[name] = True
            continue
        value = next(rest, "-")
        if value.startswith("-"):
            return None
        try:
            values[name] = declared.get("type", str)(value)
        except Exception:  # noqa: BLE001  (argparse says what is wrong)
            return None
        if values[name] not in declared.get("choices", [values[name]]):
            return None
    if "--" in texts:
        return None
    return SimpleNamespace(**{**values, "texts": texts, "run": module.run})
