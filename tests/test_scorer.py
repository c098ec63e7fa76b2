"""`Scorer`: tables of every kind in, the same kind out, with the results of `Model`."""

import copy
import multiprocessing
import pickle
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_package import modules_after

import npmoji
from npmoji import InputError, WeightsError
from npmoji.corpora import models, scorer

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install '.[tables]'")

WORDS = "so happy today . this was the worst day ever ! i love mom's cooking tired lol".split()  # noqa: SIM905
GIVEN = [" ".join(WORDS[i % 7 : i % 7 + i % 5 + 2]) + f" {i % 50}" for i in range(60)]
TEXTS = [None if i % 7 == 3 else "" if i % 11 == 5 else text for i, text in enumerate(GIVEN)]
IDS = [10 * i for i in range(len(TEXTS))]
ALL = ["top", "probabilities", "features", "attention", "tokens"]
NEW = ["emoji_1", "emoji_2", "p_1", "p_2", "probabilities", "features", "tokens", "attention", "n_tokens", "cut"]


@pytest.fixture(scope="module")
def model():
    return npmoji.load(engine="numba")


@pytest.fixture(scope="module")
def everything():
    return npmoji.Scorer(what=ALL, top=2)


@pytest.fixture(scope="module")
def expected(model):
    """The columns by name, as lists with an item for each of TEXTS."""
    given = [text for text in TEXTS if text is not None]
    best, words = model.top(given, 2), [model.tokenizer.words(text) for text in given]
    columns = {f"emoji_{i + 1}": [some[i].emoji for some in best] for i in range(2)}
    columns |= {f"p_{i + 1}": [some[i].probability for some in best] for i in range(2)}
    columns |= {"probabilities": model.predict(given).tolist(), "features": model.encode(given).tolist()}
    weights = zip(model.attention(given).tolist(), words)
    columns |= {"tokens": [some[:30] for some in words], "attention": [row[: len(some)] for row, some in weights]}
    columns |= {"n_tokens": [len(some) for some in words], "cut": [len(some) > 30 for some in words]}
    spread = {name: iter(values) for name, values in columns.items()}
    return {name: [None if text is None else next(values) for text in TEXTS] for name, values in spread.items()}


def small_blocks(monkeypatch):
    monkeypatch.setattr(scorer, "BLOCK", 16)


def columns_of(table):
    """The columns of any kind of table as Python lists; missing values are None, lists are lists."""
    names = list(table.columns if hasattr(table, "columns") and not isinstance(table, pa.Table) else table.schema.names)
    names = names if isinstance(names[0], str) else list(table.schema.names)
    return {name: [plain(value) for value in values_of(table, name)] for name in names}


def values_of(table, name):
    column = table[name] if not isinstance(table, pa.RecordBatch) else table.column(name)
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def plain(value):
    if isinstance(value, np.ndarray) or hasattr(value, "to_list"):
        return value.tolist() if isinstance(value, np.ndarray) else value.to_list()
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return None
    return value.item() if isinstance(value, np.generic) else value


# Arrow ----------------------------------------------------------------------------------------------------------------


def arrow_columns():
    strings = pa.array(TEXTS, pa.string())
    yield "string", strings
    yield "large_string", strings.cast(pa.large_string())
    yield "dictionary", strings.dictionary_encode()
    yield "dictionary of large", strings.cast(pa.large_string()).dictionary_encode()
    yield "chunked", pa.chunked_array([strings[:5], strings[5:5], strings[5:]])
    yield "chunked dictionaries", pa.chunked_array([strings[:9].dictionary_encode(), strings[9:].dictionary_encode()])
    yield "sliced", pa.concat_arrays([pa.array(["x", None, "y"]), strings, pa.array(["z"])])[3 : 3 + len(TEXTS)]
    if hasattr(pa, "string_view"):
        yield "string_view", strings.cast(pa.string_view())
    if hasattr(pa, "json_"):
        yield "extension", pa.ExtensionArray.from_storage(pa.json_(pa.string()), strings)
    yield "run_end_encoded", pa.compute.run_end_encode(strings)


@pytest.fixture(scope="module", autouse=True)
def _compute():
    import pyarrow.compute  # noqa: F401


@pytest.mark.parametrize("blocks", [True, False])
def test_tables_of_arrow(everything, expected, monkeypatch, blocks):
    if blocks:
        small_blocks(monkeypatch)
    for kind, column in arrow_columns():
        table = pa.table({"id": IDS, "text": column}).replace_schema_metadata({"made": "here"})
        found = everything(table)
        assert type(found) is pa.Table and found.column_names == ["id", "text", *NEW], kind
        assert found.schema.equals(everything.schema(table.schema), check_metadata=True)
        assert found.select(["id", "text"]).equals(table)
        assert {name: values_of(found, name) for name in NEW} == expected, kind
        found.validate(full=True)


@pytest.mark.parametrize("blocks", [True, False])
def test_batches_of_arrow(everything, expected, monkeypatch, blocks):
    if blocks:
        small_blocks(monkeypatch)
    for kind, column in arrow_columns():
        if isinstance(column, pa.ChunkedArray):
            continue
        batch = pa.RecordBatch.from_arrays([pa.array(IDS), column], ["id", "text"])
        found = everything(batch)
        assert type(found) is pa.RecordBatch and found.schema == everything.schema(batch.schema)
        assert {name: values_of(found, name) for name in NEW} == expected, kind
        found.validate(full=True)
        part = everything(batch.slice(20, 25))
        assert {name: values_of(part, name) for name in NEW} == {name: v[20:45] for name, v in expected.items()}, kind


def test_the_types_of_the_columns(everything):
    schema = everything.schema(pa.schema({"text": pa.string()}))
    strings, floats = pa.list_(pa.string()), pa.list_(pa.float32())
    texts, numbers = [pa.string()] * 3, [pa.float32()] * 2
    assert schema.types == [*texts, *numbers, floats, floats, strings, floats, pa.int32(), pa.bool_()]


@pytest.mark.parametrize("texts", [[], [None], [None, None], [""]], ids=repr)
def test_tables_with_nothing_in_them(everything, texts):
    for kind in (pa.string(), pa.large_string(), pa.null(), pa.dictionary(pa.int8(), pa.string())):
        if kind == pa.null() and texts == [""]:
            continue
        table = pa.table(
            {"text": pa.array(texts, pa.string()).cast(kind) if kind != pa.null() else pa.nulls(len(texts))}
        )
        found = everything(table)
        assert found.num_rows == len(texts) and found.schema == everything.schema(table.schema)
        assert all(found[name].null_count == texts.count(None) for name in NEW)
        batch = pa.RecordBatch.from_arrays(
            [table["text"].combine_chunks()] if texts else [pa.array([], kind)], ["text"]
        )
        assert everything(batch).num_rows == len(texts)
    no_chunks = pa.table({"text": pa.chunked_array([], pa.string())})
    assert everything(no_chunks).schema == everything.schema(no_chunks.schema)


def test_iterators_and_readers(everything, expected):
    table = pa.table({"id": IDS, "text": TEXTS})
    batches = table.to_batches(max_chunksize=13)
    found = everything(iter(batches))
    assert not isinstance(found, list)
    assert pa.Table.from_batches(found).equals(everything(table))
    reader = everything(pa.RecordBatchReader.from_batches(table.schema, batches))
    assert isinstance(reader, pa.RecordBatchReader) and reader.schema == everything.schema(table.schema)
    assert values_of(reader.read_all(), "features") == expected["features"]
    assert list(everything(iter([]))) == []


def test_an_iterator_is_read_as_it_is_asked_for():
    read = []

    def batches():
        for batch in pa.table({"text": TEXTS}).to_batches(max_chunksize=20):
            read.append(batch)
            yield batch

    found = npmoji.Scorer(top=1)(batches())
    assert read == []
    next(found)
    assert len(read) == 1


# pandas, polars -------------------------------------------------------------------------------------------------------


def frames():
    pd = pytest.importorskip("pandas", reason="needs pandas: pip install '.[tables]'")
    index = {"numbers": [7] * len(TEXTS), "times": pd.date_range("2020", periods=len(TEXTS))}
    index["levels"] = pd.MultiIndex.from_arrays([IDS, IDS[::-1]], names=["a", "b"])
    for dtype in ("object", "string", "category", None, pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.large_string())):
        column = pd.Series(TEXTS, dtype=dtype)
        for name, some in index.items():
            yield f"{dtype} {name}", pd.DataFrame({"id": IDS, "text": column}).set_axis(some)


@pytest.mark.parametrize("blocks", [True, False])
def test_frames_of_pandas(everything, expected, monkeypatch, blocks):
    if blocks:
        small_blocks(monkeypatch)
    for kind, frame in frames():
        before = frame.copy(deep=True)
        found = everything(frame)
        assert type(found) is type(frame) and list(found) == ["id", "text", *NEW], kind
        assert found[["id", "text"]].equals(before) and frame.equals(before)
        assert found.index.identical(frame.index)
        assert {name: columns_of(found)[name] for name in NEW} == expected, kind
        part = everything(frame.iloc[20:45])
        assert part.dtypes.equals(found.dtypes) and everything.schema(frame).dtypes.equals(found.dtypes)
        assert columns_of(part)["features"] == expected["features"][20:45]
        assert found["p_1"].dtype == np.float32 and found["features"][found.index[0]] is not None
        assert all(row is None or row.dtype == np.float32 for row in found["attention"])


def test_strings_of_pandas_are_as_the_texts(everything):
    pd = pytest.importorskip("pandas")
    for dtype in ("string", pd.ArrowDtype(pa.string())):
        frame = pd.DataFrame({"text": pd.Series(TEXTS, dtype=dtype)})
        assert everything(frame)["emoji_1"].dtype == frame["text"].dtype
    plain = pd.DataFrame({"text": pd.Series(TEXTS, dtype="object")})
    assert everything(plain)["emoji_1"].dtype == pd.Series(["text"]).dtype == everything(plain[:0])["emoji_1"].dtype


def test_odd_frames_of_pandas():
    pd = pytest.importorskip("pandas")

    class Own(pd.DataFrame):
        @property
        def _constructor(self):
            return Own

    own = Own({"text": ["so happy", "x"]})
    for keep in ("all", "none"):
        assert type(npmoji.Scorer(top=1, keep=keep)(own)) is Own
    assert [list(frame) for frame in npmoji.Scorer(top=1, keep="none")(iter([own, own]))] == [["emoji_1", "p_1"]] * 2
    some = npmoji.Scorer(column=0, top=1)
    frame = pd.DataFrame([["so happy", 1.5], [float("nan"), 2.5], [pd.NA, 3.5]])
    frame.attrs, frame.columns.name = {"made": "here"}, "fields"
    found = some(frame)
    assert (
        list(found) == [0, 1, "emoji_1", "p_1"] and found.attrs == {"made": "here"} and found.columns.name == "fields"
    )
    assert found["p_1"].isna().tolist() == [False, True, True]
    missing = some(pd.DataFrame({0: [np.nan, np.nan]}))
    assert missing["emoji_1"].isna().all() and missing["emoji_1"].dtype == pd.Series(["text"]).dtype
    with pytest.raises(InputError, match="names of 2 levels"):
        some(pd.DataFrame([["a"]], columns=pd.MultiIndex.from_tuples([(0, 1)])))
    many = npmoji.Scorer(top=64)(pd.DataFrame({"text": TEXTS}))  # pandas warns of so many, if inserted one by one
    assert many.shape == (len(TEXTS), 129)


@pytest.mark.parametrize("blocks", [True, False])
def test_frames_of_polars(everything, expected, monkeypatch, blocks):
    pl = pytest.importorskip("polars", reason="needs polars: pip install '.[tables]'")
    if blocks:
        small_blocks(monkeypatch)
    for dtype in (pl.String, pl.Categorical, pl.Enum(sorted({text for text in TEXTS if text is not None}))):
        frame = pl.DataFrame({"id": IDS, "text": pl.Series(TEXTS, dtype=dtype)})
        found = everything(frame)
        assert type(found) is pl.DataFrame and found.columns == ["id", "text", *NEW]
        assert found.select("id", "text").equals(frame) and found.schema == everything.schema(frame.schema)
        assert {name: found[name].to_list() for name in NEW} == expected
        part = everything(frame[20:45])
        assert {name: part[name].to_list() for name in NEW} == {name: v[20:45] for name, v in expected.items()}
    for texts in ([], [None], [None, ""], [""]):
        frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
        assert everything(frame).schema == everything.schema(frame) and everything(frame).height == len(texts)
        assert everything(frame)["features"].null_count() == texts.count(None)
    assert everything(pl.DataFrame({"text": [None, None]}))["tokens"].to_list() == [None, None]


def test_lazy_frames_of_polars(everything, expected):
    pl = pytest.importorskip("polars")
    lazy = everything(pl.DataFrame({"id": IDS, "text": TEXTS}).lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect()["features"].to_list() == expected["features"]
    some = lazy.filter(pl.col("p_1") > 0.2, pl.col("id") > 100).select("id", "emoji_1").sort("id").collect()
    rows = zip(IDS, expected["p_1"], expected["emoji_1"])
    assert some.rows() == [(number, emoji) for number, p, emoji in rows if p is not None and p > 0.2 and number > 100]
    assert lazy.head(3).select("cut").collect()["cut"].to_list() == expected["cut"][:3]


# Columns --------------------------------------------------------------------------------------------------------------


def tables(columns):
    """The same table of every kind."""
    yield pa.table(columns)
    yield pa.table(columns).combine_chunks().to_batches()[0]
    if "pandas" in sys.modules or pytest.importorskip("pandas"):
        yield sys.modules["pandas"].DataFrame(columns)
    yield pytest.importorskip("polars").DataFrame(columns)


def test_what_is_kept():
    columns = {"a": [1, 2], "text": ["so happy", None], "b": [3, 4]}
    new = ["emoji_1", "p_1"]
    kept = {"all": ["a", "text", "b"], "none": [], ("b", "a"): ["b", "a"], (): [], ("text",): ["text"]}
    for table in tables(columns):
        for keep, names in kept.items():
            found = npmoji.Scorer(top=1, keep=keep)(table)
            assert list(columns_of(found)) == [*names, *new]
            assert len(columns_of(found)["p_1"]) == 2 and columns_of(found)["p_1"][1] is None


@pytest.mark.parametrize(
    "settings, columns, words",
    [
        ({}, {"id": [1], "body": ["x"]}, "no column 'text', the texts' column; there are: 'id', 'body'"),
        ({"keep": ["z"]}, {"text": ["x"]}, "no column 'z', a column to keep; there are: 'text'"),
        ({}, {"text": ["x"], "p_1": [1]}, "column 'p_1': the results have one of that name"),
        ({"what": "tokens", "keep": ["cut"]}, {"text": ["x"], "cut": [1]}, "column 'cut': the results have"),
        ({}, {"text": [3]}, "column 'text'.* (holds [iI]nt|row 0 is int).*expected (texts|a string)"),
        ({}, {"text": [1.5, None]}, "column 'text'.* (holds |row 0 is float).*expected (texts|a string)"),
        ({}, {"text": [b"x"]}, "column 'text'.* (holds [bB]inary|row 0 is bytes).*decode the bytes first"),
        ({}, {"text": [["x"]]}, "column 'text'.* (holds |row 0 is list).*expected (texts|a string)"),
    ],
)
def test_columns_that_do_not_fit(settings, columns, words):
    for table in tables(columns):
        with pytest.raises(InputError, match=words) as error:
            npmoji.Scorer(**settings)(table)
        assert "\n" not in str(error.value)


def test_clashes_do_not_matter_for_columns_left_out():
    for table in tables({"text": ["x"], "p_1": [1]}):
        assert list(columns_of(npmoji.Scorer(top=1, keep=["text"])(table))) == ["text", "emoji_1", "p_1"]


def test_names_that_are_there_twice():
    pd = pytest.importorskip("pandas")
    for names, settings, words in (
        (["text", "text"], {}, "the texts' column, 'text', is there 2 times"),
        (["text", "a", "a"], {"keep": ["a"]}, "a column to keep, 'a', is there 2 times"),
    ):
        for table in (
            pa.Table.from_arrays([pa.array(["x"])] * len(names), names),
            pd.DataFrame([["x"] * len(names)], columns=names),
        ):
            with pytest.raises(InputError, match=words):
                npmoji.Scorer(**settings)(table)
    others = pd.DataFrame([["so happy", 1, 2]], columns=["text", "a", "a"])
    assert list(npmoji.Scorer(top=1)(others)) == ["text", "a", "a", "emoji_1", "p_1"]


def test_rows_that_are_no_text(monkeypatch):
    pd = pytest.importorskip("pandas")
    small_blocks(monkeypatch)
    with pytest.raises(InputError, match="column 'text': row 37 is int, expected a string"):
        npmoji.Scorer()(pd.DataFrame({"text": [*GIVEN[:37], 3, "x"]}, dtype=object))
    damaged = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.array([0, 1, 3], pa.int32()).buffers()[1], pa.py_buffer(b"a\xff\xfe")]
    )
    with pytest.raises(InputError, match="column 'text', rows 0 to 1: no valid UTF-8"):
        npmoji.Scorer()(pa.table({"text": damaged}))


@pytest.mark.parametrize(
    "table, words",
    [
        (["x"], "got list: texts alone are for model.top"),
        ("x", "got str: texts alone"),
        (None, "got builtins NoneType"),
        ({"text": np.array(["x"])}, "a dict of columns: make a table of it.*batch_format"),
        (pa.array(["x"]), "one column: texts alone"),
        (3, "expected a table: a pyarrow Table or RecordBatch, or a DataFrame of pandas or polars; got builtins int"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_is_no_table(table, words):
    with pytest.raises(InputError, match=words):
        npmoji.Scorer()(table)
    with pytest.raises(InputError, match="expected a table"):
        list(npmoji.Scorer()(iter(["x"])))
    with pytest.raises(InputError, match="expected a schema of pyarrow or polars, or a DataFrame"):
        npmoji.Scorer().schema(3)


def test_schemas_that_do_not_fit():
    with pytest.raises(InputError, match="no column 'text'"):
        npmoji.Scorer().schema(pa.schema({"body": pa.string()}))
    with pytest.raises(InputError, match="column 'text' holds int64, expected texts"):
        npmoji.Scorer().schema(pa.schema({"text": pa.int64()}))
    pl = pytest.importorskip("polars")
    with pytest.raises(InputError, match="column 'text' holds Int64, expected texts"):
        npmoji.Scorer().schema({"text": pl.Int64()})


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"what": "emojis"}, "what 'emojis'"),
        ({"top": 0}, "top 0"),
        ({"keep": "id"}, "keep 'id': expected 'all', 'none' or a list"),
        ({"keep": ["a", "a"]}, "keep: 'a' is there twice"),
        ({"keep": [None]}, "keep None: expected the name of a column"),
        ({"column": None}, "column None: expected the name of a column"),
        ({"weights": 3}, "weights: expected a path or a name, as load takes it, got int"),
        ({"weights": ""}, "weights: .*empty"),
    ],
)
def test_settings_that_cannot_be_used(settings, words):
    with pytest.raises(InputError, match=words):
        npmoji.Scorer(**settings)


def test_an_unknown_option_is_a_mistake_of_code():
    with pytest.raises(TypeError, match="unexpected keyword argument 'column_name'"):
        npmoji.Scorer(column_name="text")
    with pytest.raises(InputError, match="engine 'cuda'"):
        npmoji.Scorer(engine="cuda")(pa.table({"text": ["x"]}))
    with pytest.raises(WeightsError):
        npmoji.Scorer("no/such/file.hdf5")(pa.table({"text": ["x"]}))


def test_the_options_are_those_of_load():
    import inspect

    assert set(scorer.OPTIONS) == set(inspect.signature(npmoji.load).parameters) - {"path"}


def test_auto_is_numba():
    assert npmoji.Scorer(engine="auto").results().model.engine == "numba"
    assert npmoji.Scorer(engine="numpy").results().model.engine == "numpy"


def test_its_repr_shows_the_settings():
    assert repr(npmoji.Scorer("original", top=3, maxlen=60)) == (
        "Scorer('original', column='text', what=['top'], top=3, keep='all', maxlen=60, engine='numba')"
    )


def test_making_one_loads_nothing():
    names = modules_after("import npmoji; npmoji.Scorer('no/such/file')")
    assert not names & {"pyarrow", "pandas", "polars", "numba", "pyspark", "ray", "dask"}


# Elsewhere ------------------------------------------------------------------------------------------------------------


def test_it_is_sent_as_settings(folder, monkeypatch, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    some = npmoji.Scorer("model/weights.hdf5", vocabulary="model/vocabulary.json", top=1)
    sent = pickle.dumps(some)
    assert len(sent) < 1000
    monkeypatch.chdir("/")
    table = pa.table({"text": TEXTS})
    for there in (pickle.loads(sent), copy.copy(some), copy.deepcopy(some)):
        assert there(table).equals(some(table)) and repr(there) == repr(some)
    assert len(pickle.dumps(some)) < 1000  # now that it has a model


def test_other_weights_than_where_it_was_made(folder, tmp_path):
    path = tmp_path / "model"
    shutil.copytree(folder, path)
    some = npmoji.Scorer(path / "weights.hdf5", top=1)
    unused = pickle.dumps(some)
    some.schema(pa.schema({"text": pa.string()}))
    used = pickle.dumps(some)
    other = npmoji.load(path / "weights.hdf5", engine="numpy")
    from npmoji.learn.heads import save, with_head

    save(
        with_head(other, np.ones((other.features, 2), np.float32), np.zeros(2, np.float32), classes=["a", "b"]),
        tmp_path / "x.h5",
    )
    (tmp_path / "x.h5").replace(path / "weights.hdf5")
    table = pa.table({"text": ["x"]})
    assert pickle.loads(unused)(table)["emoji_1"].to_pylist() == ["a"]  # what is there now
    with pytest.raises(WeightsError, match="not the weights or the vocabulary that the scorer had"):
        pickle.loads(used)(table)


def test_a_model_is_loaded_once(monkeypatch, folder):
    loads = []
    monkeypatch.setattr(models, "load", lambda *a, load=models.load, **k: loads.append(a) or load(*a, **k))
    monkeypatch.setattr(models, "_kept", {})
    table = pa.table({"text": TEXTS})
    weights = folder / "weights.hdf5"
    scorers = [npmoji.Scorer(weights, what=what) for what in ("top", "features", "top")]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: scorers[i % 3](table), range(12)))
    assert len(loads) == 1
    assert all(one.equals(found[i % 3]) for i, one in enumerate(found))
    npmoji.Scorer(weights, maxlen=5)(table)
    assert len(loads) == 2
    for maxlen in range(6, 6 + models.MOST):
        npmoji.Scorer(weights, maxlen=maxlen)(table)
    assert len(models._kept) == models.MOST
    npmoji.Scorer(weights)(table)
    assert len(loads) == 3 + models.MOST


def scored(some, table, queue):
    queue.put((some(table), len(models._kept)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_other_processes(method, model):
    """A child computes the same, whether or not its parent has used models and threads."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    context = multiprocessing.get_context(method)
    some = npmoji.Scorer(what=["top", "features"])
    table = pa.table({"text": GIVEN * 40})  # enough for several threads
    expected = some(table)
    lock = threading.Lock()
    with models._lock, lock:  # as another thread may hold it just now
        queue = context.SimpleQueue()
        child = context.Process(target=scored, args=(some, table, queue))
        child.start()
    found, kept = queue.get()
    child.join(60)
    assert child.exitcode == 0 and found.equals(expected)
    assert kept >= 1 if method == "fork" else kept == 1
