"""Labels of any kind as class numbers."""

import doctest

import numpy as np
import pytest

from npmoji import InputError
from npmoji.files import extras
from npmoji.learn import labels
from npmoji.learn.labels import encode


def columns_of(values):
    """The same labels in every kind of column there is."""
    yield from (list(values), tuple(values), (value for value in values), np.array(values), np.array(values, object))
    try:
        import pandas as pd

        yield from (pd.Series(values, index=range(7, 7 + len(values))), pd.Series(values, dtype="category"))
        yield pd.DataFrame({"label": values})["label"]
    except ImportError:
        pass
    try:
        import polars as pl

        yield pl.Series(values)
    except ImportError:
        pass
    try:
        import pyarrow as pa

        yield from (pa.array(values), pa.chunked_array([values[:1], values[1:]]))
        if not isinstance(values[0], bool):
            yield pa.array(values).dictionary_encode()
    except ImportError:
        pass


@pytest.mark.parametrize(
    "values, classes, names",
    [
        (["joy", "fear", "joy"], ["fear", "joy"], ["fear", "joy"]),
        ([7, -1, 7], [-1, 7], ["-1", "7"]),
        ([True, False, True], [False, True], ["False", "True"]),
        ([2.0, 1.0, 2.0], [1.0, 2.0], ["1", "2"]),
    ],
)
def test_one_label_a_text(values, classes, names):
    for given in columns_of(values):
        found = encode(given, count=3)
        assert found.classes.tolist() == classes and found.names == names
        assert found.classes.dtype.kind == np.array(values).dtype.kind
        assert found.codes.dtype == np.int64 and found.codes.tolist() == [1, 0, 1]
        assert not found.multi_label and found.counts().tolist() == [1, 2]


def test_a_column_vector_is_one_label_a_text():
    assert encode(np.array([[1], [0]])).codes.tolist() == [1, 0]


@pytest.mark.parametrize(
    "given",
    [
        [["joy"], ["fear", "joy"], []],
        [("joy",), ("joy", "fear"), ()],
        [{"joy"}, {"joy", "fear"}, set()],
        [["joy", "joy"], ["fear", "joy"], np.array([], "U1")],
    ],
)
def test_lists_of_labels(given):
    found = encode(given)
    assert found.multi_label and not found.matrix and found.names == ["fear", "joy"]
    assert found.codes.dtype == np.int8 and found.codes.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert found.counts().tolist() == [1, 2]


@pytest.mark.parametrize("make", [np.array, list, lambda x: np.array(x, bool), lambda x: np.array(x, float)])
def test_a_matrix_of_flags(make):
    found = encode(make([[0, 1, 1], [1, 0, 0]]))
    assert found.multi_label and found.matrix and found.classes.tolist() == [0, 1, 2]
    assert found.codes.tolist() == [[0, 1, 1], [1, 0, 0]]


def test_lists_of_numbers_that_are_no_flags_are_lists_of_labels():
    found = encode([[0], [1], [0, 1]])
    assert found.multi_label and not found.matrix and found.codes.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert encode([[3, 1], [1, 2]]).classes.tolist() == [1, 2, 3]


REFUSED = {
    "one str": ("ab", "one str"),
    "none": (None, "y is None"),
    "empty": ([], "no labels"),
    "set": ({"a", "b"}, "no order"),
    "dict": ({"label": [1, 2]}, "a dict of 'label'"),
    "number": (5, "got int"),
    "one class": (["a", "a"], "one class only, 'a'"),
    "one class in lists": ([["a"], []], "one class only, 'a'"),
    "no class in lists": ([[], []], "no text has a label"),
    "None": (["a", None], "missing label at row 1"),
    "NaN": (["a", float("nan")], "missing label at row 1"),
    "blank": (["a", "b", " "], "missing label at row 2"),
    "None in a list": ([["a"], ["b", None]], "missing label at row 1"),
    "masked": (np.ma.array([1, 2], mask=[False, True]), "missing label at row 1"),
    "masked matrix": (np.ma.array([[0, 1], [1, 0]], mask=[[0, 0], [0, 1]]), "missing label at row 1"),
    "str and int": (["a", 1], "row 1: the label 1 is an integer, but row 0's 'a' is a string"),
    "bool and int": ([True, 1], "row 1"),
    "continuous": ([0.5, 1.0], "Unknown label type: continuous: row 0"),
    "infinite": ([1.0, float("inf")], "continuous: row 1"),
    "bytes": ([b"a", b"b"], "decode"),
    "complex": ([1j, 2], "row 0 is complex"),
    "list after label": (["a", ["b"]], "row 1: a list instead of one label"),
    "label after list": ([["a"], "b"], "row 1: one label, 'b'"),
    "nested lists": ([[["a"]], ["b"]], "row 0: a list"),
    "three axes": (np.zeros((2, 2, 2)), "(2, 2, 2)"),
    "no flags": (np.array([[0, 2], [1, 0]]), "row 0, column 1: 2, expected 0 or 1"),
    "NaN among flags": (np.array([[0, 1], [1, np.nan]]), "row 1, column 1: nan"),
    "table of strings": (np.array([["a", "b"]]), "(1, 2)"),
    "NUL": (["a", "a\0"], "row 1: the label 'a\\x00' has a NUL in it"),
    "huge": ([10**30, 1], "64 bits"),
}


@pytest.mark.parametrize("given, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(given, words):
    with pytest.raises(InputError) as error:
        encode(given)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_missing_values_and_tables_of_pandas():
    pd = pytest.importorskip("pandas")
    for given in (pd.Series([1, None]), pd.array([1, None], dtype="Int64"), ["a", pd.NA], pd.Series(["a", None])):
        with pytest.raises(InputError, match="missing label at row 1"):
            encode(given)
    with pytest.raises(InputError, match=r"pandas DataFrame of columns 'label'.*x\['label'\]"):
        encode(pd.DataFrame({"label": [1, 2]}))


@pytest.mark.parametrize("given", [["a", "b"], [["a"], ["b"]], np.array([[0, 1], [1, 0]])])
def test_their_number_must_be_that_of_the_texts(given):
    with pytest.raises(InputError, match="2 labels for 3 texts"):
        encode(given, count=3)


def test_labels_are_looked_up_by_name():
    assert encode(["b", "b"], classes=["a", "b"]).codes.tolist() == [1, 1]  # here one class will do
    assert encode([1, 0], classes=["0", "1"]).codes.tolist() == [1, 0]
    assert encode(["True"], classes=np.array([False, True])).codes.tolist() == [1]
    assert encode(["c", "a"], classes=["c", "b", "a"]).codes.tolist() == [0, 2]  # in the order of the classes
    assert encode([["c", "a"], []], classes=["c", "b", "a"]).codes.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert encode([[], []], classes=["a", "b"]).codes.tolist() == [[0, 0], [0, 0]]
    assert encode(np.array([[1, 0]]), classes=["a", "b"]).codes.tolist() == [[1, 0]]


def test_unknown_labels():
    with pytest.raises(InputError, match="row 1: unknown label 'x'; the classes are 'a', 'b'"):
        encode(["a", "x"], classes=["a", "b"])
    with pytest.raises(InputError, match="row 2: unknown label 'x'"):
        encode([["a"], [], ["b", "x"]], classes=["a", "b"])
    with pytest.raises(InputError, match="3 columns, but there are 2 classes"):
        encode(np.eye(3), classes=["a", "b"])
    with pytest.raises(InputError, match="and 12 more"):
        encode(["x"], classes=[f"class {i}" for i in range(20)])
    assert encode(["a", "x", "b"], classes=["a", "b"], others=True).codes.tolist() == [0, -1, 1]
    assert encode([["a"], ["a", "x"]], classes=["a", "b"], others=True).codes.tolist() == [[1, 0], [-1, -1]]


def test_what_is_missing_is_named():
    assert extras.need("json", "learn").__name__ == "json"
    with pytest.raises(InputError, match=r"npmoji.Classifier needs scikit-learn: pip install 'npmoji\[learn\]'"):
        raise extras.sklearn_missing()
    with pytest.raises(InputError, match=r"this needs no_such_module: pip install 'npmoji\[learn\]'"):
        extras.need("no_such_module", "learn")


def test_the_examples():
    assert doctest.testmod(labels).failed == 0
