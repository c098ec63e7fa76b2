"""Texts with labels from files: columns, kinds of labels, and what is wrong with a row."""

import gzip
import io
import json
import sys

import pytest

from npmoji import InputError
from npmoji.batch.labelled import read


@pytest.fixture
def table(tmp_path):
    """A file of this content and name; its path."""

    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    "name, content",
    [
        ("data.csv", "id,text,label\n1,so good,glad\n2,oh no, sad \n"),
        ("data.csv", "\ufefftext;label\r\nso good;glad\r\n\r\noh no;sad\r\n"),
        ("data.tsv", "label\ttext\nglad\tso good\nsad\toh no\n"),
        ("data.jsonl", '{"text": "so good", "label": "glad"}\n\n{"label": "sad", "text": "oh no", "id": 2}\n'),
        ("data.csv.gz", gzip.compress(b"text,label\nso good,glad\noh no,sad\n", mtime=0)),
    ],
)
def test_formats(table, name, content):
    found = read(table(content, name))
    assert (found.texts, found.labels, found.notes) == (["so good", "oh no"], ["glad", "sad"], [])
    assert found.places[0].rpartition(" ")[2] in ("1", "2")


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text,label\na b,1\nc d,2\n")))
    found = read("-", form="csv")
    assert (found.texts, found.labels, found.places[0]) == (["a b", "c d"], [1, 2], "standard input, line 2")


def test_named_columns(table):
    found = read(table("what,mood,text,label\nso good,glad,x,y\n"), text="what", label="mood")
    assert (found.texts, found.labels) == (["so good"], ["glad"])


@pytest.mark.parametrize(
    "header, options, said",
    [
        ("comment,label", {}, "the texts are taken from 'comment'"),
        ("text,mood", {}, "the labels are taken from 'mood'"),
        ("comment,mood", {"label": "mood"}, "the texts are taken from 'comment'"),
        ("mood,comment", {"text": "comment"}, "the labels are taken from 'mood'"),
    ],
)
def test_the_other_of_two_columns(table, header, options, said):
    content = f"{header}\n" + ("glad,so good\n" if header.startswith("mood") else "so good,glad\n")
    found = read(table(content), **options)
    assert (found.texts, found.labels) == (["so good"], ["glad"])
    assert len(found.notes) == 1 and said in found.notes[0]
    row = dict(zip(header.split(","), content.splitlines()[1].split(",")))
    lines = table(json.dumps(row) + "\n", "data.jsonl")
    assert read(lines, **options)[:2] == found[:2]


@pytest.mark.parametrize(
    "header, options, said",
    [
        ("comment,mood", {}, "no columns 'text' (--text) and 'label' (--label), there are: ['comment', 'mood']"),
        ("id,comment,label", {}, "no column 'text' (--text), there are: ['id', 'comment', 'label']"),
        ("id,text,mood", {}, "no column 'label' (--label), there are: ['id', 'text', 'mood']"),
        ("comment,label", {"text": "coment"}, "no column 'coment' (--text), there are: ['comment', 'label']"),
        ("text,mood", {"label": "moods"}, "no column 'moods' (--label), there are: ['text', 'mood']"),
        ("text", {}, "no column 'label' (--label), there are: ['text']"),
        ("text,label,label", {}, "two columns named 'label'"),
        ("text,label", {"label": "text"}, "--text and --label name the same column, 'text'"),
    ],
)
def test_columns_that_are_not_there(table, header, options, said):
    with pytest.raises(InputError) as error:
        read(table(f"{header}\n{','.join('abc'[: header.count(',') + 1])}\n"), **options)
    assert said in str(error.value) and "data.csv: " in str(error.value)


def test_an_empty_file(table):
    with pytest.raises(InputError, match="no columns 'text'.*there are: none; a table starts with a row of its"):
        read(table(""))
    with pytest.raises(InputError, match=r"data.csv: no rows with a text and a label$"):
        read(table("text,label\n"))
    with pytest.raises(InputError, match=r"data.jsonl: no rows with a text and a label$"):
        read(table("\n", "data.jsonl"))


@pytest.mark.parametrize(
    "rows, labels",
    [
        ("a,10\nb,2\n", [10, 2]),
        ("a,-1\nb,0\n", [-1, 0]),
        ("a,10\nb,02\n", ["10", "02"]),
        ("a,1\nb,x\n", ["1", "x"]),
        ("a,-0\nb,1\n", ["-0", "1"]),
        ("a,1.0\nb,2\n", ["1.0", "2"]),
        ("a,²\nb,2\n", ["²", "2"]),
    ],
)
def test_numbers_are_integers_if_all_are(table, rows, labels):
    assert read(table(f"text,label\n{rows}")).labels == labels


def test_several_labels(table):
    found = read(table("text,label\na,x; y \nb,\nc,y\n"), separator=";", delimiter=",")
    assert found.labels == [["x", "y"], [], ["y"]]
    lines = '{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n'
    assert read(table(lines, "data.jsonl")).labels == [["x", "y"], []]
    with pytest.raises(InputError, match="--label-separator does not apply"):
        read(table(lines, "data.jsonl"), separator=";")


@pytest.mark.parametrize(
    "content, line, said",
    [
        ("text,label\na,x\n,y\n", 3, "the text is empty (column 'text')"),
        ("text,label\na,x\n \t,y\n", 3, "the text is empty"),
        ("text,label\na,x\nb,\n", 3, "no label (column 'label')"),
        ("text,label\na,x\nb,  \n", 3, "no label"),
        ("text,label\na,x\nb,NaN\n", 3, "the label is NaN"),
        ("text,label\na,x\nb\n", 3, "too few columns"),
        ("text,label\na,x\nb,c,y\n", 3, "too many columns"),
        (b"text,label\na,x\ncaf\xe9,y\n", 3, "not UTF-8; it looks like latin-1"),
        ('{"text": "a", "label": "x"}\n{"text": "b"}\n', 2, "no label"),
        ('{"text": "a", "label": "x"}\n{"text": "b", "label": null}\n', 2, "no label"),
        ('{"text": "a", "label": "x"}\n{"label": "x"}\n', 2, "expected an object with 'text'"),
        ('{"text": "a", "label": "x"}\n{"text": 3, "label": "x"}\n', 2, "'text' is a number"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": NaN}\n', 2, "the label is NaN"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": 1.5}\n', 2, "the label is a number with a fraction"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": {}}\n', 2, "the label is an object"),
        ('{"text": "a", "label": ["x"]}\n{"text": "b", "label": ["x", null]}\n', 2, "no label"),
        ('{"text": "a", "label": ["x"]}\n{"text": "b", "label": [["x"]]}\n', 2, "an array in an array"),
    ],
)
def test_rows_that_cannot_be_used(table, content, line, said):
    name = "data.jsonl" if str(content).startswith("{") else "data.csv"
    path = table(content, name)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}, line {line}: ") and said in str(error.value)
    assert "--on-error skip" in str(error.value) and "\n" not in str(error.value)
    found = read(path, on_error="skip")
    assert found.texts == ["a"] and len(found.labels) == 1
    assert found.notes == [f"rows left out: 1; the first: {path}, line {line}: " + found.notes[0].split(": ", 3)[3]]


@pytest.mark.parametrize(
    "first, second, said",
    [
        ('"x"', "1", "the label is an integer, but in the rows before it is a string"),
        ("1", "true", "the label is true or false, but in the rows before it is an integer"),
        ('["x"]', '"x"', "the label is a single one, but in the rows before it is an array"),
        ('"x"', '["x"]', "the label is an array, but in the rows before it is a single one"),
        ('["x"]', "[1]", "the label is an integer, but in the rows before it is a string"),
    ],
)
def test_labels_of_different_kinds(table, first, second, said):
    path = table(f'{{"text": "a", "label": {first}}}\n{{"text": "b", "label": {second}}}\n', "data.jsonl")
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value) == f"{path}, line 2: {said}"


def test_plain_lines_have_no_labels(table, monkeypatch):
    with pytest.raises(InputError, match="one text per line has no labels"):
        read(table("so good\n", "data.txt"))
    with pytest.raises(InputError, match="standard input: one text per line has no labels.*--input-format"):
        read("-")
    with pytest.raises(InputError, match="cannot be read"):
        read("missing.csv")
    with pytest.raises(InputError, match="is a directory, expected a file"):
        read(".")
    with pytest.raises(InputError, match="expected one object per line"):
        read(table("[]", "data.json"))
