"""Makes docs/api.md from the docstrings: `python tools/make_api_page.py`. A test checks that the page is up to date.

Signatures are printed as the source has them, so the page is the same under every Python that npmoji runs on.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ForwardRef

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
WIDTH = 100  # characters of a signature before it gets one line per argument
HEAD = """\
# The public names

Everything in `npmoji.__all__`, by topic. Made from the docstrings by `python tools/make_api_page.py`: change them, not
this page. The examples are run by `tests/test_doctests.py`, with `npmoji` and NumPy as `np` imported.

Legend: N texts, T steps (padded), F features, H units, V vocabulary, C classes. `Inputs` is what `Model.predict` takes,
`Outputs` what it returns, `Floats` a float32 array, `Progress` a bool or a function, `Target` an int, a str, a
`Prediction` or None, `Random` a NumPy `Generator` or a seed, `Shape` an int or a sequence of them, `Array` a NumPy
array or an engine's own kind, `Ops` an engine, `Recurrent` what LSTM, GRU and SimpleRNN have in common.
"""
#: topic -> public names; "layers", "init" and "learn" stand for all layers not named elsewhere, all initialisers, and
#: all public names of that package
TOPICS = {
    "Loading and models": ["load", "Model", "Ensemble", "Prediction", "EMOJIS"],
    "Your own classes": ["Classifier", "Features", "learn"],
    "Texts": ["Tokenizer"],
    "Tables": ["Scorer"],
    "Networks by hand": ["Input", "save_layers", "load_layers"],
    "Fresh weights": ["init"],
    "Layers": ["layers"],
    "Layers of your own": ["Layer", "register_layer"],
    "Errors": ["NpmojiError", "InputError", "WeightsError", "VocabularyError"],
}
#: what is shown of a class besides its own public methods
SPECIAL = {"Model": ["__getitem__"], "Tokenizer": ["__call__"], "Scorer": ["__call__"], "Layer": ["__call__"]}
WITH_METHODS = ("Model", "Ensemble", "Tokenizer", "Scorer", "Layer")
WITH_METHODS += ("Classifier", "Features", "learn.Trainer", "learn.Dataset", "learn.BatchSampler", "learn.Report")
CONSTANTS = {"EMOJIS": "The 64 emojis by id, in the order of the classes: a tuple of str."}
SECTION = re.compile(r"(Args|Attributes|Raises|Options)\b.*:$")


def page() -> str:
    """The text of the page."""
    import npmoji

    chosen = {name for names in TOPICS.values() for name in names}
    others = sorted(set(npmoji.__all__) - chosen, key=str.lower)
    parts = [HEAD, "\n".join(f"- [{topic}](#{topic.lower().replace(' ', '-')})" for topic in TOPICS)]
    for topic, names in TOPICS.items():
        parts.append(f"## {topic}")
        for name in others if names == ["layers"] else names:
            special = {"init": _of_module, "learn": _of_package}.get(name)
            parts += special(getattr(npmoji, name)) if special else _of(name, getattr(npmoji, name))
        if names == ["layers"]:
            parts += _of("Recurrent", npmoji.layers.Recurrent, "npmoji.layers")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _of(name: str, value: Any, module: str = "npmoji") -> Iterator[str]:
    """What the page says about a public name, which may be one of a package in it: ``learn.Trainer``."""
    yield f"### {name}"
    if name in CONSTANTS:
        yield CONSTANTS[name]
        return
    if value.__name__ != name.rpartition(".")[2]:
        yield f"Another name of `{value.__name__}`."
        return
    if not (inspect.isclass(value) and issubclass(value, Exception)):
        yield _signature(f"{module}.{name}", value)
    yield from _markdown(inspect.getdoc(value))
    if name in WITH_METHODS:
        own = [key for key, member in vars(value).items() if key[0] != "_" and _is_method(_plain(member))]
        for key in SPECIAL.get(name, []) + own:
            yield f"#### `{name}.{key}`"
            member = _plain(inspect.getattr_static(value, key))
            yield "A property." if isinstance(member, property) else _signature(key, member)
            yield from _markdown(inspect.getdoc(member))


def _plain(member: Any) -> Any:
    """A method that is there for some instances only, by scikit-learn's `available_if`, as the function it is."""
    return member.fn if type(member).__name__ == "_AvailableIfDescriptor" else member


def _is_method(member: Any) -> bool:
    return inspect.isfunction(member) or isinstance(member, property)


def _of_module(module: Any) -> Iterator[str]:
    """The same for all functions of `npmoji.init`."""
    yield from _markdown(inspect.getdoc(module))
    for name, value in vars(module).items():
        if name[0] != "_" and inspect.isfunction(value) and value.__module__ == module.__name__:
            yield f"### init.{name}"
            yield _signature(f"npmoji.init.{name}", value)
            yield from _markdown(inspect.getdoc(value))


def _of_package(package: Any) -> Iterator[str]:
    """The same for the public names of `npmoji.learn`."""
    for name in package.__all__:
        yield from _of(f"{package.__name__.rpartition('.')[2]}.{name}", getattr(package, name))


def _signature(label: str, value: Callable[..., Any]) -> str:
    """How it is called, as a block of code."""
    function = value.__init__ if inspect.isclass(value) and not hasattr(value, "_fields") else value
    signature = inspect.signature(function)
    arguments = []
    star = False  # whether keyword-only arguments have been told apart
    for argument in signature.parameters.values():
        if argument.name in ("self", "cls"):
            continue
        star = star or argument.kind is argument.VAR_POSITIONAL
        if argument.kind is argument.KEYWORD_ONLY and not star:
            arguments.append("*")
            star = True
        arguments.append(_argument(argument))
    result = signature.return_annotation
    end = ")" if function is not value or result is signature.empty else f") -> {_type(result)}"
    line = f"{label}({', '.join(arguments)}{end}"
    if len(line) > WIDTH:
        line = f"{label}(\n" + "".join(f"    {argument},\n" for argument in arguments) + end
    return f"```python\n{line}\n```"


def _argument(argument: inspect.Parameter) -> str:
    stars = {argument.VAR_POSITIONAL: "*", argument.VAR_KEYWORD: "**"}.get(argument.kind, "")
    text = stars + argument.name
    if argument.annotation is not argument.empty:
        text += f": {_type(argument.annotation)}"
    if argument.default is argument.empty:
        return text
    default = argument.default
    default = (
        default.__name__ if inspect.isclass(default) else f'"{default}"' if type(default) is str else repr(default)
    )
    return text + (" = " if argument.annotation is not argument.empty else "=") + default


def _type(annotation: Any) -> str:
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _markdown(docstring: str | None) -> Iterator[str]:
    """A docstring's paragraphs, lists of arguments and examples."""
    for block in re.split(r"\n{2,}", docstring or ""):
        first, _, rest = block.partition("\n")
        if block.startswith(">>> "):
            yield f"```pycon\n{block}\n```"
        elif block.startswith("    "):
            yield f"```\n{textwrap.dedent(block)}\n```"
        elif SECTION.match(first) and rest.startswith("    "):
            yield _prose(f"{first}\n\n") + "\n".join(_items(textwrap.dedent(rest)))
        else:
            yield _prose(block)


def _items(text: str) -> Iterator[str]:
    """The items of a section: each starts at the left, and goes on indented."""
    for item in re.split(r"\n(?! )", text):
        names, colon, rest = textwrap.dedent(item).partition(":")
        listed = colon and re.fullmatch(r"\w+(, \w+)*", names)
        item = ", ".join(f"`{name}`" for name in names.split(", ")) + colon + rest if listed else item
        yield "- " + _prose(re.sub(r"\n +", "\n  ", item))


def _prose(text: str) -> str:
    """Text with code in single backticks, and nothing else that Markdown would take for its own."""
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = (re.sub(r"([*<])", r"\\\1", piece) for piece in pieces[::2])
    return "".join(pieces)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
