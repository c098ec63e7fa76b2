"""Options shared by several commands, and the types of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

LARGEST = 2**31 - 1  # the largest value of a numeric option
FOLDS = 5  # of `train`, unless another number is given
COMPAT: dict[str, Any] = {
    "choices": ("deepmoji", "torchmoji"),
    "help": "whose token ids: the original's or torchMoji's (default: as a converted file says, else the original's)",
}
ON_ERROR = "for a row without a text: fail (default; the results before it are kept), skip it, or null: keep it with"


def not_taken(message: str) -> Exception:
    """The error of an argparse type for a text that it does not take."""
    from argparse import ArgumentTypeError  # seldom needed, and takes a while

    return ArgumentTypeError(message)


def named(text: str) -> tuple[str, str]:
    """argparse type: ``NAME=CHOICE``."""
    name, equals, choice = text.rpartition("=")
    if not equals or not name:
        raise not_taken(f"{text!r} is not of the form NAME=CHOICE, such as Attention=tanh-unmasked")
    return name, choice


#: the option that says which layer a class name stands for, where several exist
LAYER: dict[str, Any] = {
    "action": "append",
    "type": named,
    "metavar": "NAME=CHOICE",
    "help": "the formula of a class of layers, or of the layer of that name (see docs/networks.md)",
}


def add_model_options(parser: argparse.ArgumentParser, engine: bool = True) -> None:
    """The options that select the model and how it is run."""
    group = parser.add_argument_group("model")
    kinds = (
        ".hdf5, .h5, .keras, .weights.h5, torchMoji's .bin, .safetensors; or `original`, `torchmoji` once downloaded"
    )
    group.add_argument("--weights", metavar="PATH", help=f"{kinds} (default: the small bundled model)")
    group.add_argument("--vocabulary", metavar="PATH", help="vocabulary.json (default: the one beside the weights)")
    group.add_argument("--compat", **COMPAT)
    tokens = "number of tokens a text is cut to (default: as the weights were trained with by npmoji, else 30)"
    group.add_argument("--maxlen", type=positive, metavar="N", help=tokens)
    if engine:
        group.add_argument("--engine", default="auto", metavar="E", help="auto (default), numpy, numba or torch")
    group.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda, for the torch engine")
    group.add_argument("--precision", metavar="P", help="fp32, fp16 or int8 (default: as the weights are stored)")
    group.add_argument("--layer", **LAYER)
    group.add_argument("--threads", type=positive, metavar="N", help="number of threads (default: the available cores)")


def add_text_options(parser: argparse.ArgumentParser, default: str = "standard input") -> None:
    """The arguments that say which texts are read; ``default`` is where they come from if none are given."""
    add_file_options(parser)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help=f"texts (default, without -i: {default})")
    kinds = "one text per line, or .csv, .tsv or .jsonl, also as .gz, .bz2, .xz or .zst; .parquet, .arrow, .feather"
    text = f"a file with {kinds}; a folder of such files; a pattern, *.csv; - is standard input; repeatable"
    parser.add_argument("-i", "--input", action="append", metavar="FILE", help=text)
    several = {"action": "extend", "nargs": "+", "dest": "input", "metavar": "FILE"}
    parser.add_argument("--inputs", **several, help="the same for several at once; texts must come before it")


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """The options that describe a file of texts."""
    group = parser.add_argument_group("files of texts")
    group.add_argument("--column", metavar="NAME", help="the column of a table or .jsonl (default: text)")
    _add_format_options(group, ("txt", "csv", "tsv", "jsonl"), "txt for standard input")


def add_labelled_options(parser: argparse.ArgumentParser) -> None:
    """The options that describe a file of texts with labels."""
    group = parser.add_argument_group("file of texts with labels")
    group.add_argument("--text", metavar="COL", help="the texts' column (default: text)")
    group.add_argument("--label", metavar="COL", help="the labels' column (default: label)")
    several = "several labels in one cell, with this between them; an empty cell is then none (JSON lines: an array)"
    group.add_argument("--label-separator", metavar="SEP", help=several)
    _add_format_options(group, ("csv", "tsv", "jsonl"), "to be given for standard input")
    text = "for a row without a usable text or label: fail (default), or skip it"
    group.add_argument("--on-error", choices=("fail", "skip"), default="fail", help=text)


def _add_format_options(group: argparse._ArgumentGroup, forms: tuple[str, ...], otherwise: str) -> None:
    group.add_argument("--input-format", choices=forms, help=f"default: by each file's name; {otherwise}")
    group.add_argument("--encoding", metavar="ENC", help="utf-8 (default), utf-16, latin-1, cp1252, …")
    text = "the character between columns (default: comma, in a .tsv tab; ; | and tab are recognised from the header)"
    group.add_argument("--delimiter", type=delimiter, metavar="D", help=text)


#: `--keep` was not given
UNSAID: tuple[str, ...] = ()


def kept(text: str) -> list[str] | None:
    """argparse type: the names of columns; None for all of them."""
    return None if text == "all" else [] if text == "none" else text.split(",")


def delimiter(text: str) -> str:
    r"""argparse type: one character, a tab also as \t."""
    character = "\t" if text in ("\\t", "tab") else text
    if len(character) != 1 or character in '"\r\n\0':
        raise not_taken(f"{text!r} is not a single character that can separate columns")
    return character


def positive(text: str) -> int:
    """argparse type: an integer of at least 1, and no larger than an array can be."""
    return _integer(text, 1)


def whole(text: str) -> int:
    """argparse type: an integer from 0 on."""
    return _integer(text, 0)


def _integer(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= LARGEST:
        raise not_taken(f"{text!r} is not an integer from {least} to {LARGEST}")
    return number
