"""Records in, results out: what files and settings are taken, refused and kept."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import sys

import numpy as np
import pytest
from test_cli import run

from npmoji import InputError, Tokenizer, display
from npmoji.batch import names, records, writers
from npmoji.batch.records import Inputs
from npmoji.cli import inputs as cli_inputs

PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
UNPACKERS = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}


@pytest.fixture
def stdin(monkeypatch):
    """Let standard input hold these bytes."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def write(tmp_path):
    """Make a file of bytes or text, and give its path."""

    def file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return file


def test_a_quoted_header_without_the_column_hints_at_the_delimiter(write):
    with pytest.raises(InputError, match="line 1: not CSV.*--delimiter"):
        texts_of(write("a.csv", '"id"#"text"\n"1"#"one"\n'))


def texts_of(paths, **options):
    return [record.text for record in Inputs([paths] if isinstance(paths, str) else paths, **options)]


# Which format -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.tsv", 'id\ttext\n1\tone, two\n2\t"three\tfour"\n'),
        ("a.TAB", 'id\ttext\n1\tone, two\n2\t"three\tfour"\n'),
        ("a.ndjson", '{"text": "one, two"}\n{"text": "three\\tfour"}\n'),
        ("a.csv", 'text\n"one, two"\nthree\tfour\n'),
        ("semicolons.csv", "id;text\n1;one, two\n2;three\tfour\n"),
        ("tabs.csv", 'id\ttext\n1\tone, two\n2\t"three\tfour"\n'),
        ("bars.csv", "id|text\n1|one, two\n2|three\tfour\n"),
        ("quoted.csv", '"id";"text"\n"1";"one, two"\n"2";"three\tfour"\n'),
        ("quoted tabs.csv", '"id"\t"text"\n"1"\t"one, two"\n"2"\t"three\tfour"\n'),
        ("excel.csv", 'sep=;\nid;text\n1;one, two\n2;"three\tfour"\n'),
        ("a.log", "one, two\nthree\tfour\n"),
    ],
)
def test_formats_by_name_and_header(write, name, content):
    assert texts_of(write(name, content)) == ["one, two", "three\tfour"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("a.json", "--input-format jsonl"),
        ("a.orc", "export the texts as .csv"),
        ("a.npy", "files of texts are not supported"),
        ("a.foo", "--input-format txt, csv, tsv or jsonl"),
        ("a.foo.gz", "the format of .foo files is not known"),
        ("a.csv.lz4", "lz4 -dc"),
        ("a.parquet.gz", "compressed inside"),
        ("a.zip", "unzip -p"),
    ],
)
def test_other_names_are_refused(write, name, words):
    with pytest.raises(InputError, match=words):
        Inputs([write(name, '{"text": "one"}\n')])


def test_the_format_may_be_given(write, stdin, capfd, weights):
    rows = '{"text": "one"}\n'
    for name in ("a.json", "a.txt", "a.parquet", "none"):
        assert texts_of(write(name, rows), form="jsonl") == ["one"]
    stdin(rows.encode())
    assert run("score", *weights, "--input-format", "jsonl", "--format", "jsonl") == 0
    assert json.loads(capfd.readouterr().out)["text"] == "one"


@pytest.mark.parametrize("arguments", [[], ["-i", "-"], ["-i", "{}"]], ids=" ".join)
@pytest.mark.parametrize("option", [["--column", "text"], ["--delimiter", ";"], ["--keep", "id"]], ids=" ".join)
def test_options_without_a_use_are_refused(write, stdin, capfd, weights, arguments, option):
    path = write("a.txt", "one\n")
    stdin(b'{"text": "one"}\n')
    form = ["--format", "jsonl"]
    assert run("score", *weights, *form, *option, *(path if a == "{}" else a for a in arguments)) == 2
    out, err = capfd.readouterr()
    assert out == "" and option[0] in err and "--input-format" in err and err.count("\n") == 1
    assert run("score", *weights, *form, *option, "one") == 2
    assert f"{option[0]} does not apply" in capfd.readouterr().err


def test_the_name_of_a_file_as_a_text_is_warned_of(write, capfd, weights):
    path = write("notes.txt", "one\n")
    assert run("score", *weights, path, "--format", "jsonl") == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["text"] == path
    assert err.startswith("npmoji: warning: ") and f"-i {path}" in err and err.count("\n") == 1


def test_golden_and_parity_read_in_the_same_way(write, capfd, weights, tmp_path):
    path = write("a.foo", "id;text\n1;one\n")
    options = ["--input-format", "csv", "--delimiter", ";", "--encoding", "latin-1"]
    assert run("golden", *weights, path, tmp_path / "out", *options) == 0
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["texts"][0]["text"] == "one"
    assert run("parity", *weights[:2], "--engine", "numpy", "--engine", "numpy", "-i", path, *options) == 0
    assert run("parity", *weights[:2], "--engine", "numpy", "--engine", "numpy", "-i", path) == 2
    assert "--input-format" in capfd.readouterr().err


# Several files --------------------------------------------------------------------------------------------------------


def test_several_inputs_are_read_in_order(write, stdin):
    stdin(b"four\n")
    paths = [write("a.txt", "one\n"), write("b.csv", "id,text\n1,two\n"), write("c.jsonl", '{"text": "three"}'), "-"]
    source = Inputs(paths)
    assert [record.text for record in source] == ["one", "two", "three", "four"]
    assert source.done == sum(map(os.path.getsize, paths[:-1])) + 5 and source.size == 0


def test_all_inputs_are_looked_at_before_any_work(write, tmp_path):
    with pytest.raises(InputError, match="missing.txt: cannot be read"):
        Inputs([write("a.txt", "one\n"), str(tmp_path / "missing.txt")])
    with pytest.raises(InputError, match="twice"):
        Inputs(["-", "-"])


# Rows that do not fit -------------------------------------------------------------------------------------------------

BAD_ROWS = {  # a row between two good ones, and what is said of it
    "many.csv": (
        "id,text\n1,one\n2,I love, commas\n3,two\n",
        "line 3: too many columns, 3, expected 2 .*must be quoted",
    ),
    "few.csv": ("text,id\none,1\nbroken\ntwo,3\n", "line 3: too few columns, 1, expected 2"),
    "nul.csv": ('text\none\n"a\nb\0c"\ntwo\n', "line 4: contains NUL"),
    "bytes.csv": (b"text\none\n\xe9\ntwo\n", "line 3: not UTF-8.*--encoding latin-1"),
    "null.jsonl": ('{"text": "one"}\n{"text": null}\n{"text": "two"}\n', "line 2: 'text' is a missing value"),
    "number.jsonl": (
        '{"text": "one"}\n{"text": 5}\n{"text": "two"}\n',
        "line 2: 'text' is a number, expected a string",
    ),
    "lacking.jsonl": ('{"text": "one"}\n{"txt": "x"}\n{"text": "two"}\n', "line 2: .*'text', got one with 'txt'"),
    "broken.jsonl": (
        '{"text": "one"}\n{"text": \n{"text": "two"}\n',
        "line 2: not JSON: Expecting value at character 1",
    ),
    "bytes.txt": (b"one\n\x93quoted\x94\ntwo\n", "line 2: not UTF-8.*--encoding cp1252"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_rows_before_a_bad_one_are_not_lost(write, name):
    content, words = BAD_ROWS[name]
    source, seen = Inputs([write(name, content)], on_error="fail"), []
    with pytest.raises(InputError, match=words + ".*--on-error"):
        for block in source.blocks(100):
            seen += block
    assert [record.text for record in seen] == ["one"]


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows_are_skipped_or_left_empty(write, name):
    content, words = BAD_ROWS[name]
    path = write(name, content)
    for on_error, texts in (("skip", ["one", "two"]), ("null", ["one", None, "two"])):
        source = Inputs([path], on_error=on_error)
        assert [record.text for record in source] == texts
        (warning,) = source.warnings()
        assert warning.startswith("rows without a text, ") and ": 1; the first: " in warning
        assert re.search(words, warning)


def test_what_is_no_csv_at_all_is_told_where_it_begins(write):
    with pytest.raises(InputError, match="line 3: not CSV"):
        texts_of(write("a.csv", 'text\none\n"two\nthree\nfour\n'), on_error="skip")
    with pytest.raises(InputError, match="two columns named 'text'"):
        texts_of(write("b.csv", "text,text\none,two\n"))


@pytest.mark.parametrize("form", ["csv", "text"])
def test_results_before_a_bad_row_are_written(write, capfd, weights, tmp_path, form):
    number = cli_inputs.BLOCK + 3
    path = write("in.jsonl", '{"text": "lol"}\n' * number + '{"text": null}\n{"text": "lol"}\n')
    assert run("score", *weights, "-i", path, "--format", form) == 2
    out, err = capfd.readouterr()
    assert out.count("lol") == number and f"line {number + 1}: 'text' is a missing value" in err
    assert run("score", *weights, "-i", path, "--format", form, "-o", tmp_path / "out.x") == 2
    kept = tmp_path / "out.x.partial"
    assert kept.read_text(encoding="utf-8") == out
    _, err = capfd.readouterr()
    assert f"{number} rows, are in {kept}" in err and err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.x.partial"]


def test_features_before_a_bad_row_are_kept(write, capfd, weights, tmp_path):
    path = write("in.jsonl", '{"text": "lol"}\n{"text": null}\n{"text": "day"}\n')
    assert run("encode", *weights, "-i", path, "-o", tmp_path / "out.npy") == 2
    kept = tmp_path / "out.npy.partial"
    assert str(kept) in capfd.readouterr().err
    with open(kept, "rb") as file:
        first = np.load(file)
    assert run("encode", *weights, "-i", path, "-o", tmp_path / "out.npy", "--on-error", "null") == 0
    features = np.load(tmp_path / "out.npy")
    assert features.shape == (3, 96) and first.shape == (1, 96)
    assert np.isnan(features[1]).all() and np.isfinite(features[[0, 2]]).all()
    assert "left empty: 1; the first: " in capfd.readouterr().err
    assert run("encode", *weights, "-i", path, "-o", tmp_path / "out.npy", "--on-error", "skip") == 0
    assert np.load(tmp_path / "out.npy").shape == (2, 96)


@pytest.mark.parametrize("form", ["text", "csv", "tsv", "jsonl"])
def test_empty_results_of_rows_without_a_text(write, capfd, weights, form):
    path = write("in.jsonl", '{"text": null, "id": 1}\n{"text": "lol", "id": 2}\n')
    keep = [] if form == "text" else ["--keep", "all"]
    assert run("score", *weights, "-i", path, "--format", form, "--top", 1, "--on-error", "null", *keep) == 0
    lines = capfd.readouterr().out.split("\n")
    if form == "jsonl":
        assert json.loads(lines[0]) == {"id": 1, "text": None, "emojis": None}
    elif form == "text":
        assert lines[0].endswith("in.jsonl, line 1: no text)") and lines[1:3] == ["", "lol"]
    else:
        assert lines[1] == "1,,,,".replace(",", "\t" if form == "tsv" else ",")


# Columns --------------------------------------------------------------------------------------------------------------

CSV = 'id,text,note\n7,lol,"a, b"\n8,day,\n'
JSONL = '{"id": 7, "text": "lol", "note": {"a": [1.50, "é"]}}\n{"text": "day", "id": true}\n'


def scored(capfd, weights, *arguments):
    assert run("score", *weights, "--top", 1, *arguments) == 0, capfd.readouterr().err
    return capfd.readouterr().out


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_tables_keep_columns(write, capfd, weights, form):
    results = ["Text", "Top1%", "Emoji_1", "Pct_1"]

    def table(*arguments):
        out = scored(capfd, weights, "--format", form, *arguments)
        return list(csv.reader(io.StringIO(out, newline=""), delimiter="\t" if form == "tsv" else ","))

    path = write("in.csv", CSV)
    assert table("-i", path)[0] == results
    header, *rows = table("-i", path, "--keep", "all")
    assert header == ["id", "note", *results] and [row[:3] for row in rows] == [["7", "a, b", "lol"], ["8", "", "day"]]
    header, *rows = table("-i", path, "--keep", "note,text,id")
    assert header == ["note", "id", *results] and rows[0][:3] == ["a, b", "7", "lol"]
    header, *rows = table("-i", write("in.jsonl", JSONL), "--keep", "all")
    assert header == ["id", "note", *results]
    assert [row[:3] for row in rows] == [["7", '{"a": [1.5, "é"]}', "lol"], ["true", "", "day"]]
    assert table("-i", write("empty.csv", "id,text\n"), "--keep", "all") == [["id", *results]]


def test_json_lines_keep_columns(write, capfd, weights):
    path = write("in.jsonl", JSONL)
    rows = [
        json.loads(line)
        for line in scored(capfd, weights, "--format", "jsonl", "-i", path, "--keep", "all").splitlines()
    ]
    assert [list(row) for row in rows] == [["id", "note", "text", "emojis"], ["id", "text", "emojis"]]
    assert [(row["id"], row.get("note")) for row in rows] == [(7, {"a": [1.5, "é"]}), (True, None)]
    out = scored(capfd, weights, "--format", "jsonl", "-i", write("in.csv", CSV), "--keep", "id")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["7", "8"]


def test_columns_that_cannot_be_kept(write, capfd, weights):
    later = write("later.jsonl", '{"text": "lol", "id": 1}\n{"text": "lol", "idd": 2}\n')
    cases = [
        ("csv", write("a.csv", CSV), "idd", "no column 'idd' (--keep), there are: ['id', 'text', 'note']"),
        ("csv", write("b.csv", "Text,text\n1,lol\n"), "all", "column 'Text' cannot be kept"),
        ("jsonl", write("c.csv", "emojis,text\n1,lol\n"), "emojis", "column 'emojis' cannot be kept"),
        ("csv", later, "all", "later.jsonl, line 2: a column 'idd', which the first row lacks"),
        ("text", write("a.csv", CSV), "id", "--keep does not apply to --format text"),
    ]
    for form, path, keep, words in cases:
        assert run("score", *weights, "--format", form, "-i", path, "--keep", keep) == 2
        assert words in capfd.readouterr().err
    assert run("score", *weights, "--format", "csv", "-i", later, "--keep", "nothing,id") == 0
    out, err = capfd.readouterr()
    assert err == "npmoji: warning: no row has a column 'nothing' (--keep)\n" and out.startswith("nothing,id,Text,")


def test_emojis_beside_their_ids(capfd, weights):
    assert run("score", *weights, "lol", "--format", "csv", "--top", 3, "--emojis") == 0
    header, row = csv.reader(capfd.readouterr().out.splitlines())
    assert header == ["Text", "Top3%", *(f"{name}_{i}" for name in ("Emoji", "Pct") for i in (1, 2, 3)), "Emojis"]
    from npmoji.text.emojis import EMOJIS

    assert row[-1].split(" ") == [EMOJIS[int(i)] for i in row[2:5]]
    assert run("score", *weights, "lol", "--format", "jsonl", "--emojis") == 2


# Outputs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["", *PACKERS])
@pytest.mark.parametrize(
    "suffix, form", [("csv", "csv"), ("tsv", "tsv"), ("ndjson", "jsonl"), ("jsonl", "jsonl"), ("txt", "text")]
)
def test_the_format_follows_the_suffix(capfd, weights, tmp_path, suffix, form, packing):
    path = tmp_path / f"out.{suffix}{packing}"
    assert run("score", *weights, "lol", "day é", "--format", form) == 0
    wanted = capfd.readouterr().out.encode()
    contents = []
    for _ in range(2):
        assert run("score", *weights, "lol", "day é", "-o", path) == 0
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]  # no time and no name in it
    assert UNPACKERS.get(packing, bytes)(contents[0]) == wanted
    assert run("score", *weights, "lol", "-o", path, "--format", "jsonl") == 0  # which wins
    assert UNPACKERS.get(packing, bytes)(path.read_bytes()).startswith(b'{"text"')


@pytest.mark.parametrize("name", ["out.parquet.gz", "out.json", "out.npy", "out.csv.lz4"])
def test_outputs_that_are_not_written(capfd, weights, tmp_path, name):
    assert run("score", *weights, "lol", "-o", tmp_path / name) == 2
    assert name in capfd.readouterr().err and os.listdir(tmp_path) == []


def test_a_gzip_header_holds_no_time(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(gzip.time, "time", lambda: 1e9)
    assert run("score", *weights, "lol", "-o", tmp_path / "out.csv.gz") == 0
    assert (tmp_path / "out.csv.gz").read_bytes()[3:8] == bytes(5)


# Compression and encodings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", PACKERS)
def test_compressed_files_are_read(write, stdin, packing):
    lines = [f"text number {i}" for i in range(30_000)]
    content = PACKERS[packing]("\n".join(lines).encode())
    source = Inputs([write(f"a.txt{packing}", content)])
    assert [record.text for record in source] == lines
    assert source.done == source.size == len(content)
    assert texts_of(write("no_suffix", content)) == lines
    assert texts_of(write(f"twice{packing}", content + content))[-1] == lines[-1]
    stdin(content)
    assert texts_of("-") == lines


@pytest.mark.parametrize("packing", PACKERS)
def test_damaged_compressed_files(write, packing):
    lines = [os.urandom(20).hex() for i in range(9000)]
    content = PACKERS[packing]("\n".join(lines).encode())
    for damaged in (content[:-9], b"plain text\n", b""):
        with pytest.raises(InputError, match=f"a{packing}: (damaged|empty)"):
            texts_of(write(f"a{packing}", damaged))
    seen = []
    with pytest.raises(InputError, match="damaged"):
        for block in Inputs([write("b.txt" + packing, content[: len(content) * 4 // 5])]).blocks(64):
            seen += [record.text for record in block]
    assert packing == ".bz2" or seen  # it unpacks nothing less than 900 kB
    assert seen == lines[: len(seen)]


TEXT = "naïve café\nzwölf\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8-sig"])
def test_other_encodings_are_named_and_read(write, encoding):
    text = TEXT.replace("\n", " “so”\n") if encoding == "cp1252" else TEXT
    path = write("a.txt", text.encode(encoding))
    assert texts_of(path, encoding=encoding) == text.splitlines()
    if encoding == "utf-8-sig":
        assert texts_of(path) == text.splitlines()
        return
    with pytest.raises(InputError, match=f"line 1: not UTF-8; it looks like {encoding}: --encoding {encoding}$"):
        texts_of(path)


def test_utf16_without_a_mark_is_not_taken_for_utf8(write):
    with pytest.raises(InputError, match="--encoding utf-16-le"):
        texts_of(write("a.txt", "plain ASCII\n".encode("utf-16-le")))
    path = write("a.csv", "id,text\n1,naïve\n".encode("utf-16"))
    assert texts_of(path, encoding="utf-16") == ["naïve"]


def test_damaged_utf8_is_not_taken_for_another_encoding(write):
    with pytest.raises(InputError, match="line 3: not UTF-8$"):
        texts_of(write("a.txt", "café\nnaïve\n".encode() + b"\xff\n"))
    with pytest.raises(InputError, match="line 3: not UTF-8$"):
        texts_of(write("b.txt", "café\nnaïve\n".encode() + "é".encode()[:1]))


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "hex", "a\0b"])
def test_what_is_no_encoding(write, encoding):
    with pytest.raises(InputError, match="encoding"):
        Inputs([write("a.txt", "one\n")], encoding=encoding)


@pytest.mark.parametrize("given, wanted", [(";", ";"), ("\\t", "\t"), ("\t", "\t"), ("tab", "\t")])
def test_delimiters(write, capfd, weights, given, wanted):
    path = write("a.csv", f"id{wanted}text,too\n1{wanted}lol\n")
    arguments = ["-i", path, "--column", "text,too", "--format", "jsonl", "--keep", "id"]
    assert json.loads(scored(capfd, weights, *arguments, "--delimiter", given))["id"] == "1"


@pytest.mark.parametrize("given", ["", ";;", '"', "\n"])
def test_what_is_no_delimiter(capfd, weights, given):
    assert run("score", *weights, "--input-format", "csv", "--delimiter", given) == 2
    assert "--delimiter" in capfd.readouterr().err


def test_lines_are_the_same_however_the_bytes_come(write, monkeypatch):
    """A character, a line end and a byte order mark may be cut in two."""
    from npmoji.batch import sources

    content = "\ufeffnaïve 😋\r\n\r\n" + "x" * 50 + "\nlast"
    wanted = ["naïve 😋", "", "x" * 50, "last"]
    for size in range(1, 9):
        monkeypatch.setattr(sources, "CHUNK", size)
        for encoding in ("utf-8", "utf-16-le"):
            assert texts_of(write("a.txt", content.encode(encoding)), encoding=encoding) == wanted


# The pieces -----------------------------------------------------------------------------------------------------------


def test_cut_texts_are_counted(toy_vocabulary):
    tokenizer = Tokenizer(toy_vocabulary, maxlen=3)
    texts = ["", "a b", "a b c", "a b c d", "a-b!c", "a!!!b c", "x " * 9]
    assert [tokenizer.is_cut(text) for text in texts] == [len(tokenizer.words(text)) > 3 for text in texts]


def test_names():
    assert names.split("/a.b/x.CSV.GZ") == (".csv", ".gz") and names.split(".gz") == ("", "")
    assert names.output_format("-") == "text" and names.output_format("/dev/stdout") == "text"
    assert set(names.OUTPUTS.values()) == set(writers.FORMATS)
    assert set(names.INPUTS.values()) == set(records.READERS)


@pytest.mark.parametrize("width", [1, 5, 12, 20, 40, 60, 100])
@pytest.mark.parametrize("size", [0, 10_000_000])
def test_progress_fits_the_terminal(monkeypatch, width, size):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    clock = iter(range(0, 10**9, 100))
    monkeypatch.setattr(display.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(display, "_width", lambda: width)
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = display.ProgressLine(size)
    for done in range(0, 10_000_000, 500_000):
        progress.step(12_345, done)
    progress.finish("7 cut")
    *lines, last = sys.stderr.getvalue().split("\r")
    assert len(lines) >= 20 and max(display.columns(line) for line in lines) <= max(width - 1, 1)
    assert last == "npmoji: 246,900 texts in 35:00, 118 texts/s, 7 cut\n"
    assert ("left" in lines[-2]) is (size > 0 and width >= 20) and ("[#" in lines[-2]) is (size > 0 and width >= 60)


@pytest.mark.parametrize("packing", ["", *PACKERS])
def test_progress_counts_what_was_done_not_what_was_read(write, packing):
    content = "".join(f"{os.urandom(20).hex()}\n" for _ in range(4096)).encode()
    source = Inputs([write("a.txt", PACKERS[packing](content) if packing else content)])
    parts = [source.done / source.size for _ in source.blocks(512)]
    assert parts[-1] == 1 and parts == sorted(parts)
    if packing in ("", ".gz"):  # the others unpack much at once
        assert parts[:-1] == pytest.approx([i / 8 for i in range(1, 8)], abs=0.07)
