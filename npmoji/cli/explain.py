"""`npmoji explain`: which words speak for an emoji or a class of one's own, and which against it."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from ..errors import InputError
from .inputs import Given, computed, source
from .models import load
from .options import add_model_options, add_text_options, positive

if TYPE_CHECKING:
    from ..batch.records import Inputs
    from ..explain.explanation import Explanation
    from ..model import Model

BLOCK = 32  # texts explained at once: each is computed as many times as it has words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_text_options(parser)
    add_model_options(parser)
    emoji = "what to explain: an emoji, its name or shortcode (joy), its number, or a class of your own"
    parser.add_argument("--emoji", metavar="E", help=f"{emoji} (default: each text's most likely one)")
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="number of emojis per text (default 5)")
    by = (
        "what the words' colours or numbers are: the contribution to the emoji, how much less likely it is without the "
        "word (default); or the attention on the word, the same for each emoji"
    )
    parser.add_argument("--by", choices=("contribution", "attention"), help=by)
    forms = "text (default), for people; json: one object per line; html: one page"
    parser.add_argument("--format", choices=("text", "json", "html"), help=forms)
    html = "write one page with all texts to FILE; nothing else is printed unless there is a --format"
    parser.add_argument("--html", metavar="FILE", help=html)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..display import text_output
    from ..files.whole import check_other, check_writable

    form = arguments.format or ("text" if arguments.html is None else "")
    if arguments.by and form != "text":
        raise InputError("--by applies to --format text only: the other formats have contributions and attention")
    if arguments.html == "-" and form in WRITERS:
        raise InputError(f"--html - and --format {form} both go to standard output, expected --html FILE")
    pages = [] if arguments.html is None else [arguments.html]
    if pages and arguments.html != "-":
        check_writable(arguments.html)
    pages += ["-"] if form == "html" and arguments.html != "-" else []
    kept: list[Explanation] = []  # for the page
    with source(arguments) as inputs:
        for path, _ in inputs.files if pages else ():
            check_other(path, pages[0])
        model = load(arguments)
        with text_output("-") if form in WRITERS else contextlib.nullcontext() as out:
            write = WRITERS[form](out, arguments) if out else None
            for explanations in _explained(model, inputs, arguments, quiet=bool(out and out.isatty())):
                if write and out and explanations:
                    out.write(write(explanations))
                    out.flush()
                if pages:
                    kept += explanations
    for path in pages:
        from ..explain.page import page

        with text_output(path) as out:
            out.write(page(kept, arguments.top))


def _explained(
    model: Model, inputs: Inputs | Given, arguments: argparse.Namespace, quiet: bool
) -> Iterator[list[Explanation]]:
    """The explanations of one block of texts after the other."""

    def explain(texts: list[str]) -> list[Explanation]:
        return model.explain(texts, arguments.emoji)

    with contextlib.closing(computed(model, inputs, explain, quiet, BLOCK, of_texts=True)) as results:
        for _, found in results:
            yield [explanation for explanation in found if explanation is not None]


Writer = Callable[[list["Explanation"]], str]


def _as_text(out: TextIO, arguments: argparse.Namespace) -> Writer:
    from ..explain.terminal import Style, render

    style, before = Style.of(out), ""

    def write(explanations: list[Explanation]) -> str:
        nonlocal before
        shown = f"{before}{render(explanations, arguments.top, style, arguments.by or 'contribution')}\n"
        before = "\n"
        return shown

    return write


def _as_json(out: TextIO, arguments: argparse.Namespace) -> Writer:
    import json

    encode = json.JSONEncoder(ensure_ascii=False).encode
    return lambda explanations: "".join(f"{encode(e.as_dict(arguments.top))}\n" for e in explanations)


WRITERS = {"text": _as_text, "json": _as_json}
