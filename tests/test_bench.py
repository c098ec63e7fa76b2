"""The benchmark tool in miniature: that every row is there and that the sides were compared. No time is looked at."""

import importlib.util
import json
import subprocess
import sys
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from conftest import ROOT

import npmoji

V, E, H, C = 60, 6, 5, 64
LAYERS = {"embedding": 1, "bi_lstm_0": 6, "bi_lstm_1": 6, "attlayer": 1, "softmax": 2}
NPMOJI = {"npmoji numpy fp32", "npmoji numba fp32"}
ORT = {"onnxruntime fp32", "onnxruntime int8"}

needs_onnx = pytest.mark.skipif(
    not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime")),
    reason="needs onnx and onnxruntime: pip install '.[bench]'",
)


def shapes(layer):
    """The shapes of a layer's arrays in the file's order."""
    F = {"bi_lstm_0": E, "bi_lstm_1": 2 * H}.get(layer)
    return {
        "embedding": [(V, E)],
        "attlayer": [(4 * H + E, 1)],
        "softmax": [(4 * H + E, C), (C,)],
    }.get(layer) or [(F, 4 * H), (H, 4 * H), (4 * H,)] * 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A tiny network in a file as Keras writes it."""
    path, rng = tmp_path_factory.mktemp("bench") / "tiny.hdf5", np.random.default_rng(5)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in LAYERS]
        file.attrs["keras_version"] = b"2.0.5"
        for layer, count in LAYERS.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{i}".encode() for i in range(count)]
            for i, shape in enumerate(shapes(layer)):
                group.create_dataset(f"{layer}/{i}", data=rng.uniform(-1, 1, shape).astype(np.float32))
    return path


def bench(*arguments):
    """What the tool prints."""
    command = [sys.executable, str(ROOT / "tools" / "bench.py"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    return result.stdout


def report(*arguments):
    """The tool's report, in miniature."""
    return json.loads(bench(*arguments, "--rounds", 1, "--count", 9, "--typical", 2, "--format", "json"))


def sides(found, table, threads):
    """The sides that a table has rows of."""
    return {row["side"] for row in found["rows"] if (row["table"], row["threads"]) == (table, threads)}


def check_figures(found):
    """Every row has positive figures in order, and a baseline is its own equal."""
    for row in found["rows"]:
        assert 0 < row["least"] <= row["median"] <= row["most"], row
        assert row["ratios"].get(row["side"], 1) == 1
        assert all(ratio > 0 for ratio in row["ratios"].values())


@pytest.fixture(scope="module")
def warm(weights):
    return report(weights, "--only", "throughput", "latency", "--threads", 1)


def test_warm_tables(warm):
    for table in ("throughput", "latency"):
        assert sides(warm, table, 1) >= NPMOJI
    check_figures(warm)
    assert warm["parity"]["npmoji numba fp32"]["largest_difference"] < 1e-5
    assert {"CPU", "features", "software", "packages"} <= set(warm["machine"])


@needs_onnx
def test_onnx_runtime_agrees_and_is_the_measure(warm):
    for table in ("throughput", "latency"):
        assert sides(warm, table, 1) >= ORT
    assert all(set(row["ratios"]) == ORT for row in warm["rows"])
    assert 0 < warm["parity"]["onnxruntime fp32"]["largest_difference"] < 1e-5
    assert 1e-5 < warm["parity"]["onnxruntime int8"]["largest_difference"] < 0.1


def test_whole_processes_and_the_tokenizer(weights, tmp_path):
    ids = np.random.default_rng(1).integers(10, V, (5, 7))
    np.savez(tmp_path / "ids.npz", other=ids[:1], mine=ids)
    found = report(weights, "--only", "cold", "tokenizer", "--ids", tmp_path / "ids.npz", "--array", "mine")
    assert found["work"]["texts"].startswith("5 of 7.0 tokens")
    for table in ("cold wall", "cold CPU", "cold memory"):
        assert sides(found, table, None) >= {"import numpy", "npmoji numpy", "npmoji numba"}
    assert sides(found, "tokenizer", None) == {"empty table", "filled table"}
    check_figures(found)


def test_a_classifier(weights):
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install '.[learn]'")
    found = report(weights, "--only", "classifier")
    assert sides(found, "classifier", None) == {"encode", "encode + fit"}
    check_figures(found)


def test_a_table_for_people(weights, tmp_path):
    (tmp_path / "texts.txt").write_text("word11 word12 word13\nword14 word15\n", encoding="utf-8")
    words = ["MASK", "UNKNOWN", "AT", "URL", "NUMBER", "BREAK", *(f"BLANK_{i}" for i in range(6, 10))]
    vocabulary = {f"CUSTOM_{word}": i for i, word in enumerate(words)} | {f"word{i}": i for i in range(10, V)}
    (tmp_path / "words.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    options = ["--texts", tmp_path / "texts.txt", "--vocabulary", tmp_path / "words.json", "--rounds", 2]
    lines = bench(weights, *options, "--only", "tokenizer").splitlines()
    assert lines[0].startswith("CPU")
    assert "tokenizer: texts a second on one core" in lines
    assert [line.split()[:2] for line in lines[-2:]] == [["empty", "table"], ["filled", "table"]]


def test_sides_that_disagree_are_told(weights, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import bench_sides

    monkeypatch.setattr(bench_sides, "TOLERANCE", 0.0)
    job = bench_sides.Job(str(weights), {}, np.array([[11, 12, 13], [14, 15, 0]]), [], False)
    with pytest.raises(bench_sides.Disagreement, match="npmoji numba fp32: probabilities off by"):
        bench_sides.prepare(job, 1)


def test_fresh_weights_are_a_network_of_the_size_asked_for(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import fresh_weights

    sizes = {"vocabulary": 50, "embedding": 4, "units": 6, "classes": 5}
    assert fresh_weights.main([str(tmp_path / "a.hdf5"), *(f"--{name}={size}" for name, size in sizes.items())]) == 0
    fresh_weights.write(tmp_path / "b.hdf5", seed=0, **sizes)
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()
    model = npmoji.load(tmp_path / "a.hdf5")
    assert (model.vocabulary_size, model.features, model.classes) == (50, 28, 5)
    assert model["bi_lstm_0"].weights()["forward_bias"].reshape(4, 6)[1].tolist() == [1] * 6  # the forget gate's
    assert np.allclose(model.predict(np.array([[1, 2, 3, 0]])).sum(), 1)


# Plots ---------------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = ("performance_one_text.svg", "performance_batches.svg")


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")


def made_up_report(sides):
    """What `bench.py --plots` measures, in miniature: one side is twice as fast as the next."""
    rows = [
        {
            "plot": plot,
            "threads": n,
            "side": side,
            "at": [1, 4],
            "median": [ms, ms],
            "least": [ms, ms],
            "most": [ms, ms],
        }
        for plot in ("one text", "batches")
        for n in (1, 2)
        for side, ms in zip(sides, 2.0 ** np.arange(len(sides)))
    ]
    return {
        "machine": {"CPU": "some"},
        "work": {},
        "parity": {},
        "axes": {"one text": "T", "batches": "N"},
        "rows": rows,
    }


def test_pictures_of_figures(tools, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install '.[bench]'")
    import draw_plots

    found = made_up_report(draw_plots.STYLES)
    draw_plots.write(found, tmp_path / "performance.json")
    assert json.loads((tmp_path / "performance.json").read_text(encoding="utf-8")) == found
    paths = draw_plots.draw(found, tmp_path)
    drawn = [path.read_bytes() for path in paths]
    assert [path.name for path in paths] == list(PICTURES)
    for picture, label in zip(drawn, "TN"):
        texts = ["".join(text.itertext()) for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]
        assert {*draw_plots.STYLES, "1 thread", "2 threads", "milliseconds a call"} <= set(texts)
        assert texts.count(label) == 2 and ("texts per second" in texts) == (label == "N")
        assert len(picture) < 100_000
    command = [sys.executable, str(ROOT / "tools" / "draw_plots.py"), str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    assert [path.read_bytes() for path in paths] == drawn  # to the byte, by another process
    assert "batches, threads 2: times as fast as onnxruntime fp32" in printed.splitlines()


@needs_onnx
def test_plots_in_miniature(weights, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install '.[bench]'")
    points = ["--lengths", 2, 5, 9, "--batches", 1, 3]
    printed = bench(weights, "--plots", tmp_path / "new", *points, "--threads", 1, "--rounds", 1)
    assert "one text, threads 1: milliseconds a call" in printed.splitlines()
    found = json.loads((tmp_path / "new" / "performance.json").read_text(encoding="utf-8"))
    assert all((tmp_path / "new" / name).is_file() for name in PICTURES)
    expected = NPMOJI | ORT | {"npmoji numba fp16", "npmoji numba int8"}
    for plot, at in (("one text", [2, 5, 9]), ("batches", [1, 3])):
        rows = [row for row in found["rows"] if row["plot"] == plot]
        assert {row["side"] for row in rows} == expected == set(found["parity"])
        for row in rows:
            assert row["at"] == at and all(0 < value for value in row["least"])
            assert row["least"] == row["median"] == row["most"] and len(row["most"]) == len(at)


def test_plots_say_what_they_need(tools, monkeypatch, capsys):
    import bench as tool

    monkeypatch.setattr(tool, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        tool.main(["--plots", "anywhere"])
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.endswith("--plots: not installed: matplotlib, onnx, onnxruntime; pip install '.[bench]'")


@needs_onnx
@pytest.mark.parametrize("wrong", ["--lengths 0", "--batches 4 -1", "--plots FILE"])
def test_wrong_usage_of_plots_is_told_before_anything_is_measured(tools, monkeypatch, tmp_path, capsys, wrong):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install '.[bench]'")
    import bench as tool

    (tmp_path / "file").touch()
    monkeypatch.setattr(tool, "plots", None)
    with pytest.raises(SystemExit):
        tool.main(["--plots", str(tmp_path), *wrong.replace("FILE", str(tmp_path / "file")).split()])
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.endswith(("is not an integer from 1 to 2147483647", repr(str(tmp_path / "file"))))


def test_a_folder_without_figures_is_told(tools, monkeypatch, tmp_path, capsys):
    import draw_plots

    monkeypatch.setattr(sys, "argv", ["draw_plots.py", str(tmp_path)])
    with pytest.raises(SystemExit):
        draw_plots.main()
    assert f"{tmp_path / 'performance.json'}: " in capsys.readouterr().err.splitlines()[-1]


# Networks of any kind ------------------------------------------------------------------------------------------------

CASE = ROOT / "tests" / "data" / "keras" / "keras3_listed_ends_model_keras" / "model.keras"
needs_keras = pytest.mark.skipif(
    not (importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow")),
    reason="needs keras and tensorflow: pip install '.[bench]'",
)


@pytest.fixture(scope="module")
def of_a_network():
    options = ["--threads", 1, "--rounds", 1, "--count", 7, "--typical", 2, "--format", "json"]
    return json.loads(bench("--network", CASE, *options))


def test_a_network(of_a_network):
    for table in ("many rows", "one row"):
        assert sides(of_a_network, table, 1) >= {"npmoji numpy", "npmoji numba"}
    check_figures(of_a_network)
    assert 0 < of_a_network["parity"]["npmoji numba"]["largest_difference"] < 1e-5
    assert of_a_network["work"]["rows"].startswith("7 of b (64,), d (6,)")


@needs_onnx
def test_a_network_beside_onnx_runtime(of_a_network):
    assert "onnxruntime" in sides(of_a_network, "many rows", 1) & sides(of_a_network, "one row", 1)
    assert of_a_network["parity"]["onnxruntime"]["largest_difference"] < 1e-5


@needs_keras
def test_a_network_beside_keras(of_a_network):
    assert "keras predict" in sides(of_a_network, "many rows", 1)
    assert sides(of_a_network, "one row", 1) >= {"keras predict", "keras predict_on_batch", "keras call"}
    assert all("keras predict" in row["ratios"] for row in of_a_network["rows"])


def test_what_is_not_installed_is_left_out_and_told(of_a_network):
    for name, module in (("keras", "tensorflow"), ("onnxruntime", "onnxruntime")):
        told = f"{name}: " in of_a_network["work"].get("left out", "")
        assert told == (importlib.util.find_spec(module) is None)


@pytest.fixture
def network_tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import bench_network

    return bench_network


def test_a_network_whose_sides_disagree(network_tool, monkeypatch):
    model = npmoji.load(CASE, engine="numpy")
    job = network_tool.Job(str(CASE), {}, "", network_tool.made_up(model, 3), 1)
    wrong = network_tool.Side(lambda: np.ones((3, 14)), lambda i: np.ones((1, 14)))
    plain = next(network_tool.npmoji_sides(job, 1))
    monkeypatch.setattr(network_tool, "npmoji_sides", lambda job, threads: [plain])
    monkeypatch.setattr(network_tool, "keras_sides", lambda job, threads: [("keras predict", wrong)])
    with pytest.raises(network_tool.Disagreement, match="keras predict: outputs off by"):
        network_tool.prepare(job, 1)


def test_made_up_inputs(network_tool):
    case = CASE.parent.parent / "keras3_one_by_one"
    model = npmoji.load(case / "model.keras", engine="numpy")
    arrays = network_tool.made_up(model, 500)
    assert arrays.keys() == {"ids", "given"} and arrays["given"].shape == (500, 6, 4)
    ids, lengths = arrays["ids"], np.count_nonzero(arrays["ids"], axis=1)
    assert ids.max() < model.vocabulary_size and lengths.min() == 1 and 3 < lengths.mean() < 4.5
    assert all(not row[length:].any() for row, length in zip(ids, lengths))  # padded behind
    assert network_tool.flat(model.predict(network_tool.some(arrays, slice(3)))).shape[0] == 3
