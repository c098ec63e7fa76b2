"""What a model and a tokenizer take for texts and ids, and what they say of what only looks like them."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji import Dense, Embedding, Input, InputError, initialisers
from npmoji.layers import Csr

TEXTS = ["i love mom's cooking", "so tired", "", "lol that was funny"]
STATE = DATA / "models" / "seed003_tfk_state_masked"


@pytest.fixture(scope="module")
def model(small, toy_vocabulary):
    return npmoji.load(small[0], vocabulary=toy_vocabulary, engine="numpy")


@pytest.fixture(scope="module")
def expected(model):
    return model.predict(TEXTS)


@pytest.fixture(scope="module")
def several():
    return npmoji.load(STATE / "model.h5", engine="numpy")


@pytest.fixture
def golden():
    return dict(np.load(STATE / "golden.npz"))


def ways(model):
    """All that takes texts."""
    ensemble = npmoji.Ensemble.__new__(npmoji.Ensemble)
    ensemble.models = [model, model]
    return {
        **{name: getattr(model, name) for name in ("predict", "encode", "attention", "top", "tokens")},
        "stream": lambda x: list(model.stream(x, block=2)),
        "tokenizer": model.tokenizer,
        "layer": model["bi_lstm_0"],
        "Ensemble.predict": ensemble.predict,
        "Ensemble.top": ensemble.top,
    }


def refused(model, x, *words):
    """Every way refuses it with one line that has these words."""
    for name, way in ways(model).items():
        with pytest.raises(InputError) as error:
            way(x)
        message = str(error.value)
        assert all(word in message for word in words), (name, message)
        assert "\n" not in message and len(message) < 250


# What is taken --------------------------------------------------------------------------------------------------------


def numpy_strings():
    yield np.array(TEXTS)
    yield np.array(TEXTS, object)
    if hasattr(np.dtypes, "StringDType"):
        yield np.array(TEXTS, np.dtypes.StringDType())


def pandas_strings():
    pd = pytest.importorskip("pandas")
    yield from (pd.Series(TEXTS, dtype=dtype, index=[7, 5, 6, 9]) for dtype in ("object", "string", "category"))
    yield pd.Series(TEXTS)
    yield pd.DataFrame({"text": TEXTS})["text"]
    yield pd.Index(TEXTS)
    yield pd.Series(TEXTS, dtype="string").array


def pandas_arrow_strings():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    yield pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.string()))
    yield pd.Series(TEXTS, dtype="string[pyarrow]")


def polars_strings():
    pl = pytest.importorskip("polars")
    yield pl.Series(TEXTS)
    yield pl.Series(TEXTS, dtype=pl.Categorical)
    yield pl.DataFrame({"text": TEXTS})["text"]


def pyarrow_strings():
    pa = pytest.importorskip("pyarrow")
    yield pa.array(TEXTS)
    yield pa.array(TEXTS, pa.large_string())
    yield pa.array(TEXTS).dictionary_encode()
    yield pa.chunked_array([TEXTS[:1], TEXTS[1:]])
    yield pa.table({"text": TEXTS})["text"]


@pytest.mark.parametrize(
    "strings", [numpy_strings, pandas_strings, pandas_arrow_strings, polars_strings, pyarrow_strings]
)
def test_columns_of_strings(model, expected, strings):
    for x in strings():
        assert np.array_equal(model.predict(x), expected), type(x)
        assert np.array_equal(model.tokenizer(x), model.tokenizer(TEXTS))
        np.testing.assert_allclose(list(model.stream(x, block=3)), expected, rtol=0, atol=1e-6)
        assert [top[0].id for top in model.top(x)] == expected.argmax(axis=1).tolist()


def test_any_iterable_of_texts(model, expected):
    for make in (tuple, iter, lambda x: (text for text in x), lambda x: map(str, x), lambda x: dict.fromkeys(x).keys()):
        assert np.array_equal(model.predict(make(TEXTS)), expected)
    ensemble = ways(model)["Ensemble.predict"]
    assert np.array_equal(ensemble(iter(TEXTS)), ensemble(TEXTS))  # every model gets all of them


def test_lists_are_not_copied_or_changed(model):
    texts = list(TEXTS)
    model.predict(texts)
    assert texts == TEXTS


def test_token_ids_in_other_arrays(model):
    ids = [[11, 12, 0], [13, 14, 15]]
    wanted = model.predict(np.array(ids))
    for x in (ids, tuple(map(tuple, ids)), list(np.array(ids)), iter(ids), np.ma.array(ids)):
        assert np.array_equal(model.predict(x), wanted)
    torch = pytest.importorskip("torch")
    assert np.array_equal(model.predict(torch.tensor(ids)), wanted)


# What is not what it looks like ---------------------------------------------------------------------------------------


def test_pandas_tables(model):
    pd = pytest.importorskip("pandas")
    refused(model, pd.DataFrame({"id": [1, 2], "text": ["a", "b"]}), "pandas DataFrame", "'id', 'text'", "x['text']")
    refused(model, pd.DataFrame({"tweet": ["a", "b"]}), "'tweet'", "x['tweet']")
    refused(model, pd.DataFrame({"text": ["a", "b"]}).to_numpy(), "(2, 1)", "x[:, 0]")
    refused(model, pd.DataFrame({f"column {i}": ["a"] for i in range(100)}), "and 92 more")


def test_polars_tables(model):
    pl = pytest.importorskip("polars")
    refused(model, pl.DataFrame({"text": ["a", "b"]}), "polars DataFrame", "x['text']")
    refused(model, pl.LazyFrame({"text": ["a", "b"]}), "polars LazyFrame", "x.collect()['text']")


def test_pyarrow_tables(model):
    pa = pytest.importorskip("pyarrow")
    refused(model, pa.table({"text": ["a", "b"]}), "pyarrow Table", "x['text']")
    refused(model, pa.record_batch({"text": ["a", "b"]}), "pyarrow RecordBatch", "x['text']")


STRANGE = {
    "dict": ({"text": ["a", "b"]}, ["dict of 'text'", "x['text']"]),
    "set": ({"a", "b"}, ["set", "no order", "list"]),
    "frozenset": (frozenset("ab"), ["frozenset", "no order"]),
    "bytes": (b"text", ["one bytes", "decode the bytes"]),
    "bytearray": (bytearray(b"text"), ["one bytearray", "decode the bytes"]),
    "list of bytes": ([b"text"], ["row 0 is bytes", "decode the bytes"]),
    "array of bytes": (np.array([b"text"]), ["bytes", "decode the bytes", "np.char.decode"]),
    "lists of str": ([["a", "b"], ["c", "d"]], ["row 0 is list, expected a string"]),
    "list and number": (["a", 5], ["row 1 is int, expected a string"]),
    "dicts": ([{"text": "a"}], ["row 0 is dict, expected a string", "row['text']"]),
    "column of strings": (np.array([["a"], ["b"]]), ["(2, 1)", "such as x[:, 0]"]),
    "table of strings": (np.array([["a", "b"]], object), ["(1, 2)", "one column, such as x[:, 0]"]),
    "array of one string": (np.array("a"), ["()", "[text]"]),
    "fields": (np.array([("a", 1)], [("text", "U1"), ("n", int)]), ["structured array", "x['text']"]),
    "one row of ids": ([1, 2, 3], ["row 0 is int, expected a string", "(N, T)"]),
    "path": (Path("texts.txt"), ["path", "read_text"]),
    "text file": (io.StringIO("a\nb\n"), ["file (StringIO)", "lines"]),
    "binary file": (io.BytesIO(b"a\nb\n"), ["file (BytesIO)", "lines"]),
}


@pytest.mark.parametrize("x, words", STRANGE.values(), ids=STRANGE)
def test_what_is_not_what_it_looks_like(model, x, words):
    if isinstance(x, dict):  # whoever takes inputs by name says which there are
        with pytest.raises(InputError, match="only input is 'input'"):
            model.predict(x)
        with pytest.raises(InputError, match=r"pass one of its values, x\['text'\]"):
            model.tokenizer(x)
    refused(model, x, *words)


def test_ids_that_are_no_table(model):
    for x, words in [
        (np.array([1, 2, 3]), ("(N, T)", "(3,)", "x[None]")),
        ([[1, 2], [3]], ("row 1", "2 token ids", "1 ids")),
        ([["a"], ["b", "c"]], ("row 1 is list, expected a string",)),
        ([[1, 2], ["a", "b"]], ("row 1 is list, expected a string",)),
        ([[1, 2], None], ("missing value at row 1",)),
        ([[1, 2], [3, None]], ("missing value at row 1",)),
        ([[10**30, 2]], ("row 0", "integers")),
        (np.ma.array([[1, 2]], mask=[[False, True]]), ("masked", "x.filled(0)")),
    ]:
        for way in (model.predict, model.attention, model["bi_lstm_0"], Input(vocabulary_size=9)):
            with pytest.raises(InputError) as error:
                way(x)
            assert all(word in str(error.value) for word in words), error.value


def missing_values():
    yield from ([*TEXTS[:2], value] for value in (None, float("nan"), np.float32("nan"), np.datetime64("NaT", "s")))
    yield np.array([*TEXTS[:2], None], object)
    if hasattr(np.dtypes, "StringDType"):
        yield np.array([*TEXTS[:2], None], np.dtypes.StringDType(na_object=None))
    yield np.ma.array(TEXTS[:3], mask=[False, False, True])


def pandas_missing_values():
    pd = pytest.importorskip("pandas")
    yield from ([*TEXTS[:2], value] for value in (pd.NA, pd.NaT))
    yield from (pd.Series([*TEXTS[:2], None], dtype=dtype) for dtype in (None, "object", "string", "category"))


def pyarrow_missing_values():
    pa = pytest.importorskip("pyarrow")
    yield pa.array([*TEXTS[:2], None])
    yield pa.array([*TEXTS[:2], None]).dictionary_encode()
    yield pa.chunked_array([TEXTS[:2], [None]])


def polars_missing_values():
    yield pytest.importorskip("polars").Series([*TEXTS[:2], None])


@pytest.mark.parametrize(
    "values", [missing_values, pandas_missing_values, pyarrow_missing_values, polars_missing_values]
)
def test_missing_values(model, values):
    for x in values():
        refused(model, x, "missing value at row 2", "expected a string")


def test_numbers_too_long_for_a_text_are_refused(model):
    with pytest.raises(InputError, match="token ids must be integers"):
        model.predict([[10**5000]])


def test_stream_counts_rows_from_its_start_and_refuses_at_once(model):
    rows = model.stream(itertools.chain(["a"] * 5, [None]), block=2)
    assert len(list(itertools.islice(rows, 5))) == 5  # those of the block before the bad row, too
    with pytest.raises(InputError, match="missing value at row 5"):
        next(rows)
    for x in ("text", {"a"}, 5):
        with pytest.raises(InputError):
            model.stream(x)  # nothing is asked for yet
    with pytest.raises(InputError, match="block 0"):
        model.stream(TEXTS, block=0)


# Several inputs -------------------------------------------------------------------------------------------------------


def test_several_inputs_by_name_or_order(several, golden):
    X, F = golden["tokens"], golden["meta"]
    wanted = several.predict({"input_1": X, "input_2": F})
    for x in ([X, F], (X, F), [X.tolist(), F.tolist()], {"input_2": F, "input_1": X}):
        assert np.array_equal(several.predict(x), wanted)
    pd = pytest.importorskip("pandas")  # a table of numbers is what it looks like
    assert np.array_equal(several.predict([pd.DataFrame(X).to_numpy(), pd.DataFrame(F)]), wanted)


def test_several_inputs_refused(several, golden):
    X, F = golden["tokens"], golden["meta"]
    names = "inputs are 'input_1', 'input_2'"
    for x, words in [
        ({"input_1": X}, (names, "a dict of 'input_1'")),
        ({"input_1": X, "input_2": F, "other": F}, (names, "'other'")),
        ({"tokens": X, "meta": F}, (names, "'tokens', 'meta'")),
        ([X], (names, "a list of 1")),
        (X, (names,)),
        (TEXTS, (names, "a list of texts")),
        ([X, {"a": F}], ("input 'input_2'", "expected an array of numbers", "dict")),
        ([X, set()], ("input 'input_2'", "set")),
        ([X, None], ("input 'input_2'", "NoneType")),
        ([X, [["a"]]], ("input 'input_2'", "expected numbers")),
        ([X, [[1.0, None]]], ("input 'input_2'", "row 0: missing value")),
        ([X, [[1.0], [1.0, 2.0]]], ("input 'input_2'", "rows of one length")),
        ([X, np.full(F.shape, np.nan)], ("input 'input_2', row 0", "NaN")),
        ([X[0], F], ("input 'input_1'", "(N, T)")),
        ([[[1, 2], [3]], F], ("input 'input_1'", "row 1")),
        ([Path("x"), F], ("input 'input_1'", "path")),
        ([X[:1], F[:2]], ("different numbers of rows", "'input_1' has 1", "'input_2' has 2")),
    ]:
        for way in (several.predict, several["bidirectional_1"]):
            with pytest.raises(InputError) as error:
                way(x)
            assert all(word in str(error.value) for word in words), error.value
            assert str(error.value).count("input 'input_") <= 1


def test_a_file_of_arrays_is_a_dict(several, golden, tmp_path):
    np.savez(tmp_path / "x.npz", input_1=golden["tokens"], input_2=golden["meta"])
    with np.load(tmp_path / "x.npz") as x:
        assert np.array_equal(several.predict(x), several.predict([golden["tokens"], golden["meta"]]))


# By hand --------------------------------------------------------------------------------------------------------------


def test_hand_made_networks_take_lists(small):
    dense = Dense(Input(), *initialisers.dense(1, 3, 2))
    X = [[1.0, 2.0, 3.0], [0.5, 0.5, 0.5]]
    assert np.array_equal(dense(X), dense(np.array(X)))
    words = Embedding(Input(vocabulary_size=9), *initialisers.embedding(1, 9, 4))
    assert np.array_equal(words([[1, 2]]), words(np.array([[1, 2]])))
    sparse = Csr.of(([0, 1], [2], [1.0]), "x")
    assert np.array_equal(dense(sparse), dense((np.array([0, 1]), np.array([2]), np.array([1.0]))))
    with pytest.raises(InputError, match="row 0: expected token ids, .* got str"):
        words(TEXTS)
    for x in ({1.0, 2.0}, [["a"]], "text", Path("x"), None):
        with pytest.raises(InputError, match="input 'input': expected"):
            dense(x)


def test_attention_checks_ids_once(model, several, monkeypatch):
    checked = []
    monkeypatch.setattr(Input, "_check_ids", lambda self, ids: checked.append(ids.shape) or ids)
    assert model.attention(model.tokenizer(TEXTS)).shape == (4, 30)
    assert checked == [(4, 30)]
    with pytest.raises(InputError, match="no layer AttentionWeightedAverage"):
        several.attention([1])


def test_streaming_a_network_with_several_outputs():
    """One item per text: a list of its outputs, not the outputs one after the other."""
    inp = Input(vocabulary_size=9)
    words = npmoji.MaskedMean(Embedding(inp, *initialisers.embedding(1, 9, 4), name="words"))
    ends = [Dense(words, *initialisers.dense(seed, 4, width), name=f"end{width}") for seed, width in ((1, 2), (2, 3))]
    from npmoji.graph import Graph

    model = npmoji.Model(Graph([inp, words.previous[0], words, *ends], ends), engine="numpy")
    ids = np.array([[1, 2], [3, 4], [5, 0]])
    first, second = model.predict(ids)
    items = list(model.stream(ids, block=2))
    assert [[part.shape for part in item] for item in items] == [[(2,), (3,)]] * 3
    for item, a, b in zip(items, first, second):
        np.testing.assert_allclose(item[0], a, atol=1e-6)
        np.testing.assert_allclose(item[1], b, atol=1e-6)
