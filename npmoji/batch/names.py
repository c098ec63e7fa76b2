"""What a file's name says about it: the format of its rows, and whether it is compressed."""

from __future__ import annotations

import os

from ..errors import InputError

COMPRESSIONS = (".gz", ".bz2", ".xz")  # those of the standard library
#: compressions of others, and what unpacks them
_FOREIGN = {".zst": "zstd -dc", ".lz4": "lz4 -dc", ".br": "brotli -dc", ".zip": "unzip -p", ".7z": "7z x -so"}
INPUTS: dict[str, str] = dict.fromkeys(("", ".txt", ".text", ".log", ".md"), "txt")
INPUTS |= {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
OUTPUTS = {suffix: "text" if form == "txt" else form for suffix, form in INPUTS.items()}
#: files of bytes that no option turns into lines of text
_BINARY = {".parquet", ".arrow", ".feather", ".orc", ".avro", ".npy", ".npz", ".pkl"}
_BINARY |= {".xlsx", ".xls", ".ods", ".docx", ".pdf"}


def split(path: str) -> tuple[str, str]:
    """The suffix that says the format, and the one of the compression, each in lower case and "" if there is none.

    Raises:
        InputError: compressed in a way that is neither read nor written here.
    """
    stem, suffix = os.path.splitext(path.lower())
    if suffix in _FOREIGN:
        raise InputError(
            f"{path}: {suffix} files are neither read nor written, .gz, .bz2 and .xz are; "
            f"to read it: {_FOREIGN[suffix]} {path} | npmoji … -i - --input-format FORMAT"
        )
    if suffix in COMPRESSIONS:
        return os.path.splitext(stem)[1], suffix
    return suffix, ""


def input_format(path: str) -> str:
    """txt, csv, tsv or jsonl: what a file of texts holds by its name.

    Raises:
        InputError: the name does not say, or says something that is not read.
    """
    suffix, _ = split(path)
    if suffix in INPUTS:
        return INPUTS[suffix]
    if suffix == ".json":
        raise InputError(
            f"{path}: a JSON document is not read, expected one object a line (.jsonl), which jq -c '.[]' makes of an array; "
            "if it has one a line: --input-format jsonl"
        )
    if suffix in _BINARY:
        raise InputError(f"{path}: {suffix} files are not read as texts; export it as .csv, .tsv or .jsonl")
    raise InputError(
        f"{path}: the suffix {suffix} does not say what it holds; expected .txt, .csv, .tsv, .jsonl or none, "
        "or --input-format txt, csv, tsv or jsonl"
    )


def output_format(path: str) -> str:
    """text, csv, tsv or jsonl: what is to be written to a file by its name; text to standard output, ``"-"``.

    Raises:
        InputError: the name does not say, or says something that is not written.
    """
    suffix, _ = split(path)
    if suffix not in OUTPUTS:
        raise InputError(
            f"-o {path}: the suffix {suffix} does not say which format; expected .csv, .tsv, .jsonl, .txt or none, "
            "or --format text, csv, tsv or jsonl"
        )
    return OUTPUTS[suffix]
