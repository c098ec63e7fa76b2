"""`Scorer` in the engines it is made for, each the real one: the examples of docs/corpora.md, and what they grant.

An engine that is missing is skipped. Workers are processes of their own, which find npmoji by PYTHONPATH.
"""

import os
import re
import runpy
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from pathlib import Path

import pytest
from conftest import ROOT

import npmoji
from npmoji.corpora import grants, models

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install '.[tables]'")
pq = pytest.importorskip("pyarrow.parquet")

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning"),  # of pandas, to Dask
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),  # Ray's own settings, to itself
    # an engine's sockets and pipes, which end with the engine
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

PAGE = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
WORDS = ["so happy today", "", "this is the worst day ever " * 8, "I love mom's cooking", "lol that was funny !!! :)"]
TEXTS = [None if i % 9 == 4 else f"{WORDS[i % 5]} {i % 83}".strip() for i in range(600)]
ROWS = 100  # of a row group, which engines make partitions of
NEW = ["emoji_1", "emoji_2", "emoji_3", "p_1", "p_2", "p_3"]
LISTS = ["probabilities", "tokens", "attention"]


def section(title):
    """The example of a section of the page."""
    text = re.search(rf"^### {title}\n(.*?)(?=^##)", PAGE, flags=re.MULTILINE | re.DOTALL)[1]
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


@pytest.fixture(scope="module", autouse=True)
def workers(tmp_path_factory):
    """The environment that an engine's workers start in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.delenv("NPMOJI_THREADS", raising=False)
        yield patch


@pytest.fixture(scope="module")
def expected():
    """The rows of the result, by `Model`."""
    given = [text for text in TEXTS if text is not None]
    best = iter(npmoji.load(engine="numba").top(given, 3))
    rows = []
    for i, text in enumerate(TEXTS):
        some = [] if text is None else next(best)
        results = [p.emoji for p in some] + [p.probability for p in some]
        rows.append({"id": i, "text": text} | dict(zip(NEW, results or [None] * 6)))
    return rows


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what the examples read."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), "texts.parquet", row_group_size=ROWS)
    return tmp_path


def run(title, folder):
    """Run an example, and return what it has written. Engines have a current folder of their own."""
    code = re.sub(r"(?<=[\"'])(?=(?:texts|scored)\.parquet)", f"{folder}/", section(title))
    path = folder / "example.py"
    path.write_text(code, encoding="utf-8")
    runpy.run_path(str(path), run_name="__main__")
    return pq.read_table(folder / "scored.parquet").select(["id", "text", *NEW]).sort_by("id").to_pylist()


def test_the_page_has_an_example_for_each_engine():
    assert re.findall(r"^### (.*)", PAGE, flags=re.MULTILINE) == [
        *("pyarrow", "pandas", "polars", "DuckDB", "Dask", "Spark", "Ray")
    ]


def test_the_first_example(here):
    (here / "example.py").write_text(re.search(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1], "utf-8")
    runpy.run_path("example.py")


@pytest.mark.parametrize("title", ["pyarrow", "pandas", "polars", "DuckDB"])
def test_in_one_process(title, here, expected):
    pytest.importorskip(title.lower(), reason=f"needs {title}")
    assert run(title, here) == expected


def test_the_command_gives_the_same(here, expected):
    from test_cli import run as command

    options = ["--what", "top", "--top", "3", "--keep", "all", "--on-error", "null"]
    assert command("score", "-i", "texts.parquet", "-o", "scored.parquet", *options) == 0
    assert pq.read_table("scored.parquet").select(["id", "text", *NEW]).to_pylist() == expected


# Dask -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dask():
    pytest.importorskip("dask.dataframe", reason="needs Dask: pip install '.[dask]'")
    import dask

    return dask


def test_dask(dask, here, expected):
    assert run("Dask", here) == expected


def test_what_dask_is_told(dask):
    import dask.dataframe as dd
    import pandas as pd

    frame = dd.from_pandas(pd.DataFrame({"text": TEXTS[:9]}), npartitions=2)
    with pytest.raises(
        npmoji.InputError, match=r"got a dask DataFrame: call df.map_partitions\(scorer, meta=scorer.schema"
    ):
        npmoji.Scorer()(frame)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers_of_dask(dask, here, scheduler, monkeypatch):
    import dask.dataframe as dd
    import pandas as pd

    scorer = npmoji.Scorer(what=["top", *LISTS[:1], "tokens"], top=2)
    frame = dd.from_pandas(pd.DataFrame({"text": TEXTS}), npartitions=3)
    found = frame.map_partitions(scorer, meta=scorer.schema(frame)).compute(scheduler=scheduler)
    alone = scorer(frame.compute(scheduler="sync"))
    assert found["p_1"].equals(alone["p_1"]) and found["n_tokens"].equals(alone["n_tokens"])
    assert found.dtypes.equals(alone.dtypes) and found["emoji_2"].equals(alone["emoji_2"])
    assert [row is None or row.tolist() for row in found["probabilities"]] == [
        row is None or row.tolist() for row in alone["probabilities"]
    ]
    granted = dask.compute(*[dask.delayed(grants.threads)() for _ in range(3)], scheduler=scheduler)
    assert granted == (1, 1, 1)
    assert grants.threads() is None and dask.delayed(grants.threads)().compute(scheduler="sync") is None
    monkeypatch.setenv("NPMOJI_THREADS", "3")
    assert dask.delayed(grants.threads)().compute(scheduler="threads") is None


# Spark ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A session with two executors, which are processes of their own, each with workers in Python."""
    pyspark = pytest.importorskip("pyspark", reason="needs Spark: pip install '.[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java 17 or later")
    home, folder = tmp_path_factory.mktemp("spark"), tmp_path_factory.mktemp("local")
    for entry in Path(pyspark.__file__).parent.iterdir():  # executors write below it
        if entry.name != "work":
            (home / entry.name).symlink_to(entry)
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"],
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "70",
        "spark.log.level": "ERROR",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_HOME", str(home))
        builder = SparkSession.builder.master("local-cluster[2,1,1024]")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        try:
            ThreadPoolExecutor(1).submit(session.range(2).count).result(300)
        except Late:
            session.stop()
            pytest.skip("Spark's executors cannot be started here")
        yield session
        session.stop()


def test_spark(spark, here, expected):
    assert run("Spark", here) == expected


def test_all_results_in_spark(spark):
    scorer = npmoji.Scorer(what=["top", *LISTS[:1], "features", "attention", "tokens"], top=2)
    table = pa.table({"id": range(200), "text": TEXTS[:200]})
    frame = spark.createDataFrame(table.to_pylist(), "id long, text string").repartition(3)
    found = frame.mapInArrow(scorer, scorer.spark_schema(frame.schema))
    assert scorer.spark_schema(frame) == scorer.spark_schema(frame.schema) == found.schema
    rows = sorted((row.asDict() for row in found.collect()), key=lambda row: row["id"])
    assert rows == scorer(table).to_pylist()


def test_what_spark_grants(spark):
    scorer = npmoji.Scorer(top=1)

    def look(batches):
        for batch in scorer(batches):
            columns = {"pid": os.getpid(), "threads": grants.threads(), "models": len(models._kept), "rows": len(batch)}
            yield pa.RecordBatch.from_pylist([columns])

    frame = spark.createDataFrame([(text,) for text in TEXTS], "text string").repartition(4)
    found = [
        row
        for _ in range(2)
        for row in frame.mapInArrow(look, "pid long, threads long, models long, rows long").collect()
    ]
    assert {(row.threads, row.models) for row in found} == {(1, 1)}
    assert os.getpid() not in {row.pid for row in found} and len({row.pid for row in found}) >= 2
    assert sum(row.rows for row in found) == 2 * len(TEXTS)
    assert grants.threads() is None  # the driver is no task


def test_what_spark_is_told(spark):
    frame = spark.createDataFrame([(1, "x")], "number long, text string")
    with pytest.raises(
        npmoji.InputError, match=r"got a pyspark DataFrame: call df.mapInArrow\(scorer, scorer.spark_schema"
    ):
        npmoji.Scorer()(frame)
    with pytest.raises(npmoji.InputError, match="column 'number' holds bigint, expected texts"):
        npmoji.Scorer(column="number").spark_schema(frame.schema)
    with pytest.raises(npmoji.InputError, match=r"expected the schema of a DataFrame of Spark, df.schema, got int"):
        npmoji.Scorer().spark_schema(3)


# Ray ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    ray = pytest.importorskip("ray", reason="needs Ray: pip install '.[ray]'")
    pytest.importorskip("ray.data", reason="needs Ray Data: pip install '.[ray]'")
    # sockets' paths may have 107 characters
    settings = {"include_dashboard": False, "log_to_driver": False, "object_store_memory": 100 << 20}
    try:
        ray.init(num_cpus=2, logging_level="error", **settings)
    except (RuntimeError, ValueError, OSError) as error:
        pytest.skip(f"Ray cannot be started here: {error}")
    yield ray
    ray.shutdown()


def test_ray(ray, here, expected):
    assert run("Ray", here) == expected


def test_what_ray_grants(ray):
    tasks = [ray.remote(num_cpus=n)(grants.threads).remote() for n in (1, 2, 0.5)]
    assert ray.get(tasks) == [1, 2, 1]
    assert grants.threads() is None
