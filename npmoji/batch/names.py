"""Format and compression of a file from its name."""

from __future__ import annotations

import os

from ..errors import InputError

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")  # the last one needs Python 3.14 or a package
#: other compressions, and what unpacks them
_FOREIGN = {".lz4": "lz4 -dc", ".br": "brotli -dc", ".zip": "unzip -p", ".7z": "7z x -so"}
INPUTS: dict[str, str] = dict.fromkeys(("", ".txt", ".text", ".log", ".md"), "txt")
INPUTS |= {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
OUTPUTS = {suffix: "text" if form == "txt" else form for suffix, form in INPUTS.items()}
#: tables that pyarrow reads and writes, in either direction
TABLES = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}
#: binary files, which no option turns into lines of text
_BINARY = {".orc", ".avro", ".npy", ".npz", ".pkl"}
_BINARY |= {".xlsx", ".xls", ".ods", ".docx", ".pdf"}


def split(path: str) -> tuple[str, str]:
    """The suffixes of the format and of the compression, each in lower case and "" if there is none.

    Raises:
        InputError: npmoji does not support the compression.
    """
    stem, suffix = os.path.splitext(path.lower())
    if suffix in _FOREIGN:
        raise InputError(
            f"{path}: {suffix} files are not supported, expected .gz, .bz2, .xz or .zst; "
            f"to read it: {_FOREIGN[suffix]} {path} | npmoji … -i - --input-format FORMAT"
        )
    if suffix not in COMPRESSIONS:
        return suffix, ""
    inner = os.path.splitext(stem)[1]
    if inner in TABLES:
        raise InputError(f"{path}: {inner} files are compressed inside, expected a name that ends in {inner}")
    return inner, suffix


def input_format(path: str) -> str:
    """txt, csv, tsv, jsonl, parquet or arrow: the format of a file of texts, from its name.

    Raises:
        InputError: the name does not say, or the format is not supported.
    """
    suffix, _ = split(path)
    if form := INPUTS.get(suffix) or TABLES.get(suffix):
        return form
    if suffix == ".json":
        raise InputError(
            f"{path}: JSON documents are not supported, expected one object per line (.jsonl); jq -c '.[]' makes that "
            "from an array; if the file has one per line: --input-format jsonl"
        )
    if suffix in _BINARY:
        raise InputError(f"{path}: {suffix} files of texts are not supported; export the texts as .csv, .tsv or .jsonl")
    raise InputError(
        f"{path}: the format of {suffix} files is not known; expected .txt, .csv, .tsv, .jsonl, .parquet, .arrow "
        "or no suffix, or --input-format txt, csv, tsv or jsonl"
    )


def output_format(path: str) -> str:
    """text, csv, tsv, jsonl, parquet or arrow: the format to write to a file of this name; text for standard output,
    ``"-"``.

    Raises:
        InputError: the name does not say, or the format is not supported.
    """
    suffix, _ = split(path)
    if form := OUTPUTS.get(suffix) or TABLES.get(suffix):
        return form
    raise InputError(
        f"-o {path}: the suffix {suffix} is not that of a known format; expected .csv, .tsv, .jsonl, .parquet, .arrow, "
        ".txt or none, or --format text, csv, tsv or jsonl"
    )
