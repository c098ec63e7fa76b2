"""The command line: arguments, exit codes, and nothing a user of the library would need.

Exit codes: 0 done, also for the help that `npmoji` alone prints; 1 a comparison or verification failed; 2 wrong usage, input or file, told in one line; 130 interrupted. A closed pipe ends quietly.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import warnings
from typing import Any, NoReturn

from . import __version__
from .errors import NpmojiError, shortened

LARGEST = 2**31 - 1  # of a numeric option
COMPAT: dict[str, Any] = {
    "choices": ("deepmoji", "torchmoji"),
    "help": "whose token ids: the original's or torchMoji's (default: what a converted file says, else the original's)",
}
ON_ERROR = "a row without a text: fail (default; what comes before it is kept), skip it, or null: keep it with"
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
        arguments = parser().parse_args(argv)
        # For the few texts that NumPy's engine is used for, BLAS' threads mostly wait for each other. Read at its import.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(getattr(arguments, "threads", None) or 1))
        module, function = arguments.run.split(".")
        with warnings.catch_warnings():
            warnings.showwarning = warned
            return getattr(importlib.import_module(f"npmoji.commands.{module}"), function)(arguments) or 0
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


def parser() -> Parser:
    """All commands with their options; ``run`` names the module and function in `commands` that does the work."""
    top = Parser(
        prog="npmoji",
        description="Texts to emojis and emotion features: DeepMoji without a framework.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"npmoji {__version__}")
    top.set_defaults(run="about.usage", parser=top)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    common, texts = model_options(), text_options()

    score = commands.add_parser("score", parents=[texts, common], help="the most likely emojis of each text")
    score.add_argument("-o", "--output", default="-", metavar="FILE", help="where to write (default: standard output)")
    formats = ("text", "csv", "tsv", "jsonl")
    score.add_argument("--format", choices=formats, help="default: by FILE's suffix, else text, made for people")
    score.add_argument("--top", type=positive, default=5, metavar="K", help="how many emojis a text (default 5)")
    keep = "other columns to keep, before the results: all, none (default), or their names"
    score.add_argument("--keep", type=kept, default=[], metavar="COL,…", help=keep)
    score.add_argument("--emojis", action="store_true", help="for csv and tsv: a column of the emojis behind their ids")
    score.add_argument("--on-error", choices=("fail", "skip", "null"), default="fail", help=f"{ON_ERROR} empty results")
    score.set_defaults(run="texts.score")

    encode = commands.add_parser("encode", parents=[texts, common], help="the features of each text, as a .npy file")
    encode.add_argument("-o", "--output", required=True, metavar="FILE.npy", help="float32, one row a text")
    encode.add_argument("--on-error", choices=("fail", "skip", "null"), default="fail", help=f"{ON_ERROR} NaN")
    encode.set_defaults(run="texts.encode")

    info = commands.add_parser("info", parents=[common], help="which weights, engine and CPU are in use")
    info.set_defaults(run="about.info")

    inspect = commands.add_parser("inspect", help="the layers of any weights file: shapes, parameters, connections")
    inspect.add_argument("file", metavar="FILE", help="any weights file that npmoji reads")
    inspect.add_argument("--config", metavar="PATH", help="for weights without a config: Keras' model.to_json() (default: config.json beside)")
    inspect.add_argument("--layer", **LAYER)
    inspect.set_defaults(run="about.inspect")

    verify = commands.add_parser("verify", parents=[common], help="check the weights against their reference results")
    verify.set_defaults(run="trust.verify")

    golden = commands.add_parser("golden", parents=[file_options(), common], help="every layer's output, for authors of other ports")
    golden.add_argument("texts", nargs="?", metavar="TEXTS", help="texts, one a line (.csv, .tsv, .jsonl too), token ids (.npy), or inputs by name (.npz)")
    golden.add_argument("target", metavar="OUTDIR", help="the folder to write; with --npz one file")
    golden.add_argument("--builtin", action="store_true", help="a list of tricky texts and token ids in place of TEXTS")
    golden.add_argument("--npz", action="store_true", help="write one .npz file instead of a folder")
    golden.set_defaults(run="trust.golden")

    compare = commands.add_parser("compare", parents=[common], help="another implementation's outputs against golden ones")
    compare.add_argument("golden", metavar="GOLDEN", help="what `npmoji golden` wrote")
    compare.add_argument("candidate", metavar="CANDIDATE", help="a folder, .npz, .npy or .json with some of the tensors")
    compare.add_argument("--format", choices=("text", "json"), default="text", help="default: text, made for people")
    compare.set_defaults(run="trust.compare")

    parents = [text_options("npmoji's own list"), model_options(engine=False)]
    parity = commands.add_parser("parity", parents=parents, help="one engine against another")
    parity.add_argument("--engine", action="append", metavar="E", help="given twice: numpy, numba, torch (default: the first two)")
    parity.add_argument("--format", choices=("text", "json"), default="text", help="default: text, made for people")
    parity.set_defaults(run="trust.parity")

    convert = commands.add_parser("convert", help="weights, vocabulary and references in one .safetensors or Keras .hdf5 file")
    convert.add_argument("source", metavar="IN", help="any weights file that npmoji reads")
    convert.add_argument("target", metavar="OUT", help="ends in .safetensors, .hdf5 or .h5")
    convert.add_argument("--precision", choices=("fp32", "fp16", "int8"), help="of the large matrices (default: as in IN)")
    convert.add_argument("--vocabulary", metavar="PATH", help="vocabulary.json (default: the one beside IN)")
    convert.add_argument("--compat", **COMPAT)
    convert.add_argument("--layer", **LAYER)
    convert.set_defaults(run="files.convert")

    download = commands.add_parser("download", help="fetch the original weights and vocabulary")
    download.add_argument("name", nargs="?", choices=("original", "torchmoji"), default="original", help="default: original")
    download.add_argument("--url", metavar="URL", help="a mirror of the weights file, or a local path")
    download.add_argument("--vocabulary-url", metavar="URL", help="a mirror of vocabulary.json, or a local path")
    download.set_defaults(run="files.download")

    completion = commands.add_parser("completion", help="completion of commands and options for a shell")
    completion.description = 'Bash and zsh: eval "$(npmoji completion bash)"; fish: npmoji completion fish | source.'
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell whose script is printed")
    completion.set_defaults(run="about.completion")
    return top


def model_options(engine: bool = True) -> argparse.ArgumentParser:
    """The options that say which model and how it is run."""
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("model")
    kinds = ".hdf5, .h5, .keras, .weights.h5, torchMoji's .bin, .safetensors; or `original`, `torchmoji`: as downloaded"
    group.add_argument("--weights", metavar="PATH", help=f"{kinds} (default: the small bundled model)")
    group.add_argument("--vocabulary", metavar="PATH", help="vocabulary.json (default: the one beside the weights)")
    group.add_argument("--compat", **COMPAT)
    group.add_argument("--maxlen", type=positive, default=30, metavar="N", help="tokens a text is cut to (default 30)")
    if engine:
        group.add_argument("--engine", default="auto", metavar="E", help="auto (default), numpy, numba or torch")
    group.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda, for the engine torch")
    group.add_argument("--precision", metavar="P", help="fp32, fp16 or int8 (default: as the weights are stored)")
    group.add_argument("--layer", **LAYER)
    group.add_argument("--threads", type=positive, metavar="N", help="threads (default: the cores at hand)")
    return common


def text_options(default: str = "standard input") -> argparse.ArgumentParser:
    """The arguments that say which texts, and where they come from if none is given."""
    texts = argparse.ArgumentParser(add_help=False, parents=[file_options()])
    texts.add_argument("texts", nargs="*", metavar="TEXT", help=f"texts; without any, and without -i, {default}")
    text = "a file with one text a line, .csv, .tsv or .jsonl, also as .gz, .bz2 or .xz; - is standard input; may be given again"
    texts.add_argument("-i", "--input", action="append", metavar="FILE", help=text)
    return texts


def named(text: str) -> tuple[str, str]:
    """argparse type: ``NAME=CHOICE``."""
    name, equals, choice = text.rpartition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=CHOICE, such as Attention=tanh-unmasked")
    return name, choice


#: the option that says which of several layers of one name is meant
LAYER: dict[str, Any] = {
    "action": "append",
    "type": named,
    "metavar": "NAME=CHOICE",
    "help": "which formula the layers of a class, or one by its name, are (see docs/networks.md)",
}


def file_options() -> argparse.ArgumentParser:
    """The options that say what a file of texts holds."""
    files = argparse.ArgumentParser(add_help=False)
    group = files.add_argument_group("files of texts")
    group.add_argument("--column", metavar="NAME", help="the column of a .csv, .tsv or .jsonl (default: text)")
    forms = ("txt", "csv", "tsv", "jsonl")
    group.add_argument("--input-format", choices=forms, help="default: by each name, for standard input txt")
    group.add_argument("--encoding", metavar="ENC", help="default: utf-8; utf-16, latin-1, cp1252, …")
    text = "between columns (default: a comma or, in a .tsv, a tab; ; | and tabs are recognised by the header)"
    group.add_argument("--delimiter", type=delimiter, metavar="D", help=text)
    return files


def kept(text: str) -> list[str] | None:
    """argparse type: the names of columns; None for all of them."""
    return None if text == "all" else [] if text == "none" else text.split(",")


def delimiter(text: str) -> str:
    r"""argparse type: one character, a tab also as \t."""
    character = "\t" if text in ("\\t", "tab") else text
    if len(character) != 1 or character in '"\r\n\0':
        raise argparse.ArgumentTypeError(f"{text!r} is not one character that can stand between columns")
    return character


def positive(text: str) -> int:
    """argparse type: an integer of at least 1, and no larger than any array can be."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 to {LARGEST}")
    return number
