"""`npmoji score` from files of any kind to files of any kind: columns, types, blocks, and what is refused."""

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import os
import sys

import numpy as np
import pytest
from test_cli import run

import npmoji
from npmoji import InputError
from npmoji.batch.places import expanded
from npmoji.batch.records import Inputs
from npmoji.corpora import job, pipeline, plans

TEXTS = ["I love mom's cooking", "lol", "the worst day ever !", "", "naïve 😋", "lol"]


@pytest.fixture
def pa():
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install '.[tables]'")
    pytest.importorskip("pyarrow.parquet")
    return pyarrow


@pytest.fixture
def score(weights, capfd):
    """Run the command, which succeeds; gives standard error."""

    def done(*arguments):
        code = run("score", *weights, *arguments)
        out, err = capfd.readouterr()
        assert code == 0 and out == "", err
        return err

    return done


@pytest.fixture
def refused(weights, capfd):
    """Run the command, which ends with one line; gives it."""

    def done(*arguments):
        assert run("score", *weights, *arguments) == 2
        out, err = capfd.readouterr()
        assert out == "" and err.startswith("npmoji: error: ") and err.count("\n") == 1, err
        return err

    return done


@pytest.fixture
def table(pa, tmp_path):
    """A Parquet file with columns of several types."""
    N = len(TEXTS)
    columns = {
        "id": pa.array(range(N), pa.int32()),
        "text": TEXTS,
        "day": [datetime.date(2024, 1, 31)] * N,
        "when": pa.array([0, None, 10**15, 1, 2, 3], pa.timestamp("us")),
        "x": pa.array([0.1, None, float("nan"), 1, 2, 3], pa.float32()),
        "kind": pa.array(["a", "b"] * 3).dictionary_encode(),
        "list": [[1, 2], None, [], [3], [4], [5]],
    }
    path = tmp_path / "in.parquet"
    pa.parquet.write_table(pa.table(columns), path)
    return path


def read(pa, path):
    """A table, wherever it is."""
    if str(path).endswith(".parquet"):
        return pa.parquet.read_table(path)
    with pa.ipc.open_file(path) as file:
        return file.read_all()


# From tables to tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather"])
def test_columns_are_kept_with_their_types(pa, score, table, tmp_path, model, suffix):
    out = tmp_path / f"out.{suffix}"
    score("-i", table, "-o", out, "--top", 2)
    before, after = read(pa, table), read(pa, out)
    assert after.column_names == [*before.column_names, "emoji_1", "emoji_2", "p_1", "p_2"]
    for name in before.column_names:
        if name == "kind" and suffix != "parquet":  # one dictionary for all batches would have to be known before
            assert after[name].type == pa.string() and after[name].to_pylist() == before[name].to_pylist()
        else:
            assert after.schema.field(name) == before.schema.field(name)
            assert after[name].equals(before[name]) or name == "x"  # NaN
    probabilities = model.predict(TEXTS)
    np.testing.assert_allclose(after["p_1"], probabilities.max(axis=1), rtol=0, atol=1e-6)
    assert after["emoji_1"].to_pylist() == [top[0].emoji for top in model.top(TEXTS)]


def test_all_kinds_of_results(pa, score, table, tmp_path, model):
    what = "probabilities,features,attention,tokens"
    score("-i", table, "-o", tmp_path / "out.parquet", "--what", what, "--keep", "none")
    found = read(pa, tmp_path / "out.parquet")
    assert found.column_names == ["probabilities", "features", "tokens", "attention", "n_tokens", "cut"]
    np.testing.assert_allclose(found["features"].to_pylist(), model.encode(TEXTS), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["probabilities"].to_pylist(), model.predict(TEXTS), rtol=0, atol=1e-6)
    assert found["n_tokens"].to_pylist() == [len(model.tokenizer.words(text)) for text in TEXTS]
    assert found["tokens"][0].as_py() == model.tokenizer.words(TEXTS[0])
    score("-i", table, "-o", tmp_path / "some.parquet", "--keep", "x,id", "--what", "tokens")
    assert read(pa, tmp_path / "some.parquet").column_names == ["x", "id", "n_tokens", "cut"]


def test_bits_are_those_of_the_numba_engine(pa, folder, tmp_path, monkeypatch, capfd):
    """With "auto", whatever the blocks; equal texts are computed once."""
    monkeypatch.setattr(plans, "BLOCK", 16)
    texts = [f"I love {'the ' * (i % 7)}worst {'day' if i % 3 else 'bed'}" for i in range(100)]
    pa.parquet.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
    (tmp_path / "in.csv").write_text("text\n" + "\n".join(texts) + "\n")
    wanted = npmoji.load(folder / "weights.hdf5", engine="numba").predict(texts)
    for name in ("in.parquet", "in.csv"):
        arguments = ["--weights", folder / "weights.hdf5", "-i", tmp_path / name, "-o", tmp_path / f"{name}.parquet"]
        assert run("score", *arguments, "--what", "probabilities") == 0, capfd.readouterr().err
        found = read(pa, tmp_path / f"{name}.parquet")["probabilities"].to_pylist()
        assert np.array_equal(np.float32(found), wanted)


@pytest.mark.parametrize("rows", [0, 1, 64, 65, 200])
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "jsonl"])
def test_blocks_and_parts_of_any_size_give_all_rows(pa, score, tmp_path, model, monkeypatch, rows, suffix):
    monkeypatch.setattr(plans, "BLOCK", 16)
    monkeypatch.setattr(job, "LEAST", 16)
    monkeypatch.setattr(job, "PART_ROWS", 32)
    texts = [f"I love {'the ' * (i % 5)}{i}" for i in range(rows)]
    pa.parquet.write_table(pa.table({"text": pa.array(texts, pa.string()), "id": range(rows)}), tmp_path / "in.parquet")
    out = tmp_path / f"out.{suffix}"
    score("-i", tmp_path / "in.parquet", "-o", out, "--what", "top", "--top", 1)
    if suffix == "jsonl":
        found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    elif suffix == "csv":
        header, *lines = csv.reader(io.StringIO(out.read_text("utf-8"), newline=""))
        assert header == ["text", "id", "emoji_1", "p_1"]
        found = [dict(zip(header, line)) for line in lines]
    else:
        found = read(pa, out).to_pylist()
    assert [row["text"] for row in found] == texts and [int(row["id"]) for row in found] == list(range(rows))
    wanted = [top[0].probability for top in model.top(texts, 1)]
    assert [float(row["p_1"]) for row in found] == pytest.approx(wanted, abs=1e-6)
    if suffix == "parquet":
        groups = pa.parquet.ParquetFile(out).metadata
        assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [
            min(32, rows - start) for start in range(0, rows, 32)
        ]


def test_several_kinds_of_files_make_one_table(pa, score, tmp_path):
    (tmp_path / "a.csv").write_text("id,text\n1,lol\n")
    (tmp_path / "b.jsonl").write_text('{"id": "2", "text": "day"}\n')
    (tmp_path / "c.tsv.gz").write_bytes(gzip.compress(b"text\tid\nbed\t3\n"))
    score("--inputs", tmp_path / "a.csv", tmp_path / "b.jsonl", tmp_path / "c.tsv.gz", "-o", tmp_path / "out.parquet")
    found = read(pa, tmp_path / "out.parquet")
    assert found.select(["id", "text"]).to_pylist() == [
        {"id": "1", "text": "lol"}, {"id": "2", "text": "day"}, {"id": "3", "text": "bed"},
    ]  # fmt: skip


JSON_COLUMNS = {  # values, and the type they are together
    "whole": ([1, None, -3], "int64"),
    "real": ([1, 2.5, None], "double"),
    "truth": ([True, None, False], "bool"),
    "name": (["a", "b", None], "string"),
    "mixed": ([1, "b", None], "string"),
    "deep": ([{"a": 1}, [2], None], "string"),
    "large": ([2**60, 1, None], "int64"),
    "huge": ([2**70, 1, None], "string"),
    "none": ([None, None, None], "string"),
}


def test_json_values_have_the_type_of_all_of_them(pa, score, tmp_path):
    rows = [{"text": "lol", **{name: values[i] for name, (values, _) in JSON_COLUMNS.items()}} for i in range(3)]
    del rows[0]["name"]  # and come where they are first seen
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    score("-i", tmp_path / "in.jsonl", "-o", tmp_path / "out.arrow")
    found = read(pa, tmp_path / "out.arrow")
    assert {name: str(found.schema.field(name).type) for name in JSON_COLUMNS} == {
        name: kind for name, (_, kind) in JSON_COLUMNS.items()
    }
    assert found["mixed"].to_pylist() == ["1", "b", None] and found["deep"].to_pylist() == ['{"a": 1}', "[2]", None]
    assert found["real"].to_pylist() == [1.0, 2.5, None] and found["name"].to_pylist() == [None, "b", None]


def test_tables_come_from_standard_input_too(pa, weights, tmp_path, monkeypatch, capfd):
    lines = '{"id": 1, "text": "lol"}\n{"id": 2, "text": "day"}\n'
    for form, content, ids in (("jsonl", lines, [1, 2]), ("csv", "id,text\n1,lol\n2,day\n", ["1", "2"])):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        out = tmp_path / f"{form}.parquet"
        assert run("score", *weights, "--input-format", form, "-o", out) == 0, capfd.readouterr().err
        assert read(pa, out)["id"].to_pylist() == ids
    assert run("score", *weights, "lol", "day", "-o", tmp_path / "given.parquet") == 0
    assert read(pa, tmp_path / "given.parquet")["text"].to_pylist() == ["lol", "day"]


def test_odd_strings(pa, score, tmp_path):
    """Half a surrogate pair, which UTF-8 does not have, is written as in text formats."""
    (tmp_path / "in.jsonl").write_text('{"text": "a\\ud83d", "b\\ud83d": "\\ud83d"}\n')
    score("-i", tmp_path / "in.jsonl", "-o", tmp_path / "out.csv", "--what", "top", "--top", "1")
    assert (tmp_path / "out.csv").read_text("utf-8").startswith("text,b\\ud83d,")
    score("-i", tmp_path / "in.jsonl", "-o", tmp_path / "out.parquet", "--keep", "text", "--what", "attention")
    (row,) = read(pa, tmp_path / "out.parquet").to_pylist()
    assert row["text"] == "a\\ud83d" and "".join(row["tokens"]).startswith("a")


# Text formats ---------------------------------------------------------------------------------------------------------


def test_results_as_text(score, tmp_path, model):
    (tmp_path / "in.csv").write_text('id,text,note\n1,lol,"a, b"\n2,,x\n')
    score("-i", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--what", "top,attention,tokens", "--top", "1")
    header, first, second = csv.reader(io.StringIO((tmp_path / "out.csv").read_text("utf-8"), newline=""))
    assert header == ["id", "text", "note", "emoji_1", "p_1", "tokens", "attention", "n_tokens", "cut"]
    (top,) = model.top(["lol"], 1)[0]
    assert first[:4] == ["1", "lol", "a, b", top.emoji]
    assert float(first[4]) == pytest.approx(top.probability, abs=1e-6) and len(first[4]) <= 14  # float32's digits
    assert (first[5], *first[7:]) == ('["lol"]', "1", "false") and json.loads(first[6]) == [pytest.approx(1)]
    assert second[5:] == ["[]", "[]", "0", "false"]
    score("-i", tmp_path / "in.csv", "-o", tmp_path / "out.jsonl", "--what", "probabilities", "--keep", "id")
    row = json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[0])
    assert list(row) == ["id", "probabilities"]
    np.testing.assert_allclose(row["probabilities"], model.predict(["lol"])[0], rtol=0, atol=1e-6)


def test_values_of_tables_as_text(score, table, tmp_path):
    score("-i", table, "-o", tmp_path / "out.jsonl")
    first, second, third, *_ = map(json.loads, (tmp_path / "out.jsonl").read_text("utf-8").splitlines())
    assert list(first) == ["id", "day", "when", "x", "kind", "list", "text", "emojis"]
    assert [first[name] for name in ("id", "day", "when", "x", "kind", "list")] == [
        0, "2024-01-31", "1970-01-01T00:00:00", 0.1, "a", [1, 2],
    ]  # fmt: skip
    assert (second["when"], second["x"], second["list"], third["x"]) == (None, None, None, None)
    score("-i", table, "-o", tmp_path / "out.csv", "--keep", "id,list")
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines()[0].startswith("id,list,Text,Top5%,Emoji_1,")


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_a_job_writes_what_a_stream_gets(weights, capfd, tmp_path, monkeypatch, suffix):
    """For the columns of the original's script it does not matter which way the texts take, nor how long it is."""
    if suffix == ".zst":
        pytest.importorskip("zstandard", reason="needs zstandard before Python 3.14")
    (tmp_path / "in.jsonl").write_text("".join(f'{{"text": "lol {i}", "id": {i}}}\n' for i in range(1500)))
    for form in ("csv", "jsonl", "text"):
        keep = [] if form == "text" else ["--keep", "id"]
        command = ["score", *weights, "--format", form, *keep, "-i", tmp_path / "in.jsonl", "--top", "2"]
        assert run(*command) == 0
        wanted = capfd.readouterr().out
        assert run(*command, "-o", tmp_path / f"out.{form}{suffix}") == 0
        assert run(*command, "-o", tmp_path / f"again.{form}{suffix}", "--resume") == 0, capfd.readouterr().err
        content = [(tmp_path / f"{name}.{form}{suffix}").read_bytes() for name in ("out", "again")]
        assert content[0] == content[1] and unpacked(content[0], suffix).decode() == wanted


def unpacked(content, suffix):
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return {"": bytes, ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}[suffix](content)


# Zstandard, folders and patterns --------------------------------------------------------------------------------------


def test_zstd_is_read_and_its_end_is_missed(tmp_path):
    zstandard = pytest.importorskip("zstandard", reason="needs zstandard before Python 3.14")
    lines = [f"text number {i}" for i in range(30_000)]
    content = zstandard.ZstdCompressor().compress("\n".join(lines).encode())
    path = tmp_path / "a.txt.zst"

    def texts(data):
        path.write_bytes(data)
        return [record.text for record in Inputs([str(path)])]

    assert texts(content) == lines
    assert texts(content + content)[-1] == lines[-1] and len(texts(content + content)) == 2 * len(lines) - 1
    for damaged in (content[:-9], b"plain text\n", b"", content[:100], content + b"x"):
        with pytest.raises(InputError, match=r"a\.txt\.zst: (damaged|empty)"):
            texts(damaged)


def test_without_a_library_zstd_is_one_line(tmp_path, monkeypatch, refused):
    for name in ("zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.txt.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    assert "pip install zstandard" in refused("-i", tmp_path / "a.txt.zst")
    assert "pip install zstandard" in refused("lol", "-o", tmp_path / "b.csv.zst")
    assert os.listdir(tmp_path) == ["a.txt.zst"]


def test_without_pyarrow_tables_are_one_line(tmp_path, monkeypatch, refused, score):
    for name in ("pyarrow", "pyarrow.parquet", "pyarrow.ipc"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.csv").write_text("text\nlol\n")
    assert "pip install 'npmoji[tables]'" in refused("-i", tmp_path / "a.parquet")
    assert "pip install 'npmoji[tables]'" in refused("-i", tmp_path / "a.csv", "-o", tmp_path / "b.parquet")
    score("-i", tmp_path / "a.csv", "-o", tmp_path / "b.csv", "--what", "top,features")
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.parquet", "b.csv"]


def test_folders_and_patterns(tmp_path, score, refused, monkeypatch):
    for name in ("b.csv", "a.csv", "c.jsonl", "notes.md", "_SUCCESS", ".a.csv.crc", "d.csv.gz"):
        content = b'{"text": "c"}\n' if name.endswith("l") else f"text\n{name[0]}\n".encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.csv").write_text("text\ne\n")
    err = score("-i", tmp_path, "-o", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text("utf-8").split("\n\n")[3].startswith("d\n")
    assert "ignored .a.csv.crc, _SUCCESS, notes.md, sub/" in err and err.count("\n") == 1
    paths, _ = expanded([str(tmp_path / "**" / "*.csv")])
    assert [os.path.basename(path) for path in paths] == ["a.csv", "b.csv", "e.csv"]
    (tmp_path / "[x].csv").write_text("text\nx\n")
    assert expanded([str(tmp_path / "[x].csv")])[0] == [str(tmp_path / "[x].csv")]
    assert "no file fits this pattern" in refused("-i", tmp_path / "*.tsv")
    assert "no files of texts in this folder" in refused("-i", tmp_path / "sub" / "..", "-i", make(tmp_path / "empty"))


def make(folder):
    folder.mkdir()
    return folder


# What is refused ------------------------------------------------------------------------------------------------------


def test_an_output_that_exists(score, refused, table, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("before")
    for more in (["--what", "top"], ["--resume"]):
        assert "out.csv: exists; --overwrite replaces it" in refused("-i", table, "-o", out, *more)
        assert out.read_text() == "before" and sorted(os.listdir(tmp_path)) == ["in.parquet", "out.csv"]
    for more in (["--what", "top"], ["--resume"]):
        score("-i", table, "-o", out, *more, "--overwrite")
        assert out.read_text("utf-8") != "before" and sorted(os.listdir(tmp_path)) == ["in.parquet", "out.csv"]
    assert "is the input and the output" in refused("-i", table, "-o", table, "--overwrite")
    assert "is the input and the output" in refused("-i", out, "-o", out, "--resume", "--overwrite")


def test_rows_without_a_text(pa, score, refused, tmp_path):
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pa.parquet.write_table(pa.table({"id": [0, 1, 2, 3], "text": ["lol", "day", None, "bed"]}), path)
    err = refused("-i", path, "-o", out)
    assert f"{path}, row 2 (from 0): 'text' is a missing value" in err and "--on-error" in err
    assert os.listdir(tmp_path) == ["in.parquet"]
    err = score("-i", path, "-o", out, "--on-error", "null", "--what", "top,features,tokens,attention", "--top", 1)
    assert "left empty: 1; the first: " in err and err.count("\n") == 1
    rows = read(pa, out).to_pylist()
    assert set(rows[2].values()) == {2, None} and None not in rows[3].values()
    score("-i", path, "-o", out, "--on-error", "skip", "--overwrite", "--top", 1)
    assert read(pa, out)["id"].to_pylist() == [0, 1, 3]


def test_columns_that_are_not_there_or_no_texts(pa, refused, tmp_path):
    path = tmp_path / "in.parquet"
    pa.parquet.write_table(pa.table({"id": [0], "text": ["lol"], "p_1": [1]}), path)
    out = tmp_path / "out.arrow"
    there = "there are: ['id', 'text', 'p_1']"
    assert f"no column 'body' (--column), {there}" in refused("-i", path, "-o", out, "--column", "body")
    assert "no column 'x' (--keep)" in refused("-i", path, "-o", out, "--keep", "id,x")
    assert "column 'id' holds int64, expected strings" in refused("-i", path, "-o", out, "--column", "id")
    assert "column 'p_1' cannot be kept" in refused("-i", path, "-o", out)
    (tmp_path / "b.csv").write_text("id,text\n1,lol\n")
    (tmp_path / "c.csv").write_text("id,text,more\n1,lol,2\n")
    two = ["--inputs", path, tmp_path / "b.csv"]
    assert "b.csv: column 'id' holds string, but int64" in refused(*two, "-o", out, "--keep", "id")
    for pair in ("bc", "cb"):
        files = [tmp_path / f"{name}.csv" for name in pair]
        assert "b.csv: no column 'more', which" in refused("--inputs", *files, "-o", out)
    assert sorted(os.listdir(tmp_path)) == ["b.csv", "c.csv", "in.parquet"]


@pytest.mark.parametrize("keep", ["none", "all"])
@pytest.mark.parametrize("name", ["in.parquet", "in.arrow", "in.feather"])
def test_damaged_tables(pa, refused, tmp_path, name, keep):
    columns = {"text": [os.urandom(8).hex() for _ in range(20_000)]}
    if name == "in.parquet":
        pa.parquet.write_table(pa.table(columns), tmp_path / name, row_group_size=1000)
    else:
        with pa.ipc.new_file(tmp_path / name, pa.table(columns).schema) as file:
            file.write_table(pa.table(columns), 1000)
    whole = (tmp_path / name).read_bytes()
    half = bytearray(whole)
    half[len(whole) // 3 : len(whole) // 2] = bytes(len(whole) // 2 - len(whole) // 3)
    other = bytes(half) if name == "in.parquet" else b"x"
    for damaged in (whole[:-20], whole[: len(whole) // 2], b"", b"text\n", other):
        (tmp_path / name).write_bytes(damaged)
        for out in ("out.parquet", "out.csv"):
            assert f"{name}: damaged, incomplete, or not " in refused(
                "-i", tmp_path / name, "-o", tmp_path / out, "--what", "tokens", "--keep", keep
            )
            assert os.listdir(tmp_path) == [name] or os.listdir(tmp_path).remove("out.csv.partial") is None


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")
@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.csv"])
@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=str)
def test_a_full_disk_is_one_line(pa, weights, tmp_path, name, resume):
    from test_cli_streams import one_error, start

    (tmp_path / "in.csv").write_text("text\n" + "lol\n" * 100)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50)); "
    out = tmp_path / name
    arguments = ["--what", "top", "-i", tmp_path / "in.csv", "-o", out, *resume]
    with start("score", *weights, *arguments, before=limit) as process:
        one_error(process, name.encode(), b"cannot be written: File too large")
    assert os.listdir(tmp_path) == ["in.csv"]


def test_texts_that_are_cut_are_counted(score, tmp_path):
    (tmp_path / "in.txt").write_text("lol " * 31 + "\nlol\n" + "lol " * 31 + "\n" + "so " * 30 + "\n")
    for name in ("out.csv", "out.jsonl"):
        err = score("-i", tmp_path / "in.txt", "-o", tmp_path / name, "--what", "tokens")
        assert err == "npmoji: 2 of 4 texts cut at 30 tokens\n"
    assert [json.loads(line)["cut"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [True, False] * 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--what", "nonsense", "-o", "out.csv"], "'nonsense'"),
        (["--what", "top"], "--what does not apply to --format text"),
        (["--format", "parquet"], "expected -o FILE"),
        (["-o", "out.csv.gz", "--format", "arrow"], "expected no .gz"),
        (["--resume", "-o", "out.csv"], "standard input cannot be read again"),
        (["--what", "top", "--emojis", "-o", "out.csv"], "--emojis does not apply to --what"),
    ],
)
def test_settings_that_do_not_fit(refused, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused("lol", *arguments)
    assert os.listdir(tmp_path) == []


# The pipeline ---------------------------------------------------------------------------------------------------------


def test_steps_keep_the_order_and_wait_for_each_other():
    started = []

    def numbers():
        for i in range(100):
            started.append(i)
            yield i

    steps = [pipeline.Step(lambda x: x), pipeline.Step(lambda x: x * x, threads=3)]
    for wanted, found in enumerate(pipeline.overlapped(numbers(), *steps)):
        assert found == wanted**2
        # what waits between two steps, what each thread has in hand, and the next
        assert len(started) - wanted <= 3 * pipeline.DEPTH + 4 + 2
    assert len(started) == 100


@pytest.mark.parametrize("where", ["items", "step", "threads"])
def test_an_error_comes_after_what_was_before_it(where):
    closed = []

    def numbers():
        try:
            for i in range(100):
                if where == "items" and i == 7:
                    raise InputError("seven")
                yield i
        finally:
            closed.append(True)

    def work(x):
        if where != "items" and x == 7:
            raise InputError("seven")
        return x

    seen = []
    with pytest.raises(InputError, match="seven"):
        seen.extend(pipeline.overlapped(numbers(), pipeline.Step(work, threads=3 if where == "threads" else 1)))
    assert seen == list(range(7)) and closed == [True]


def test_a_caller_who_leaves_stops_everything():
    closed = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    found = pipeline.overlapped(endless(), pipeline.Step(lambda x: x))
    assert next(found) == 1
    found.close()
    assert closed == [True]


def test_every_table_is_looked_at_before_any_work(score, refused, tmp_path, weights):
    (tmp_path / "a.csv").write_text("id,text\n1,lol\n")
    (tmp_path / "b.csv").write_text("id,body\n1,lol\n")
    files = ["--inputs", tmp_path / "a.csv", tmp_path / "b.csv"]
    for out in ("out.csv", "out.jsonl"):
        assert "b.csv: no column 'text'" in refused(*files, "-o", tmp_path / out, "--what", "tokens")
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.csv"]  # and no .partial
