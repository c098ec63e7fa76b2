"""`npmoji verify`: what it recognises, what it catches, and the reference results that files carry."""

import json
import shutil

import h5py
import numpy as np
import pytest
from conftest import DATA, SHARED, needs_shared
from test_cli import run

import npmoji
from npmoji.checks import verify as module
from npmoji.checks.verify import references, verify
from npmoji.errors import WeightsError
from npmoji.graph import Graph
from npmoji.layers import Dense, Embedding, GlobalMaxPooling1D, Input
from npmoji.model import Model
from npmoji.sources import bundled


@pytest.fixture(scope="module")
def wanted():
    """The bundled model's own reference results."""
    return npmoji.load(engine="numpy").references


@pytest.fixture
def copy(tmp_path):
    """A copy of the bundled model."""
    shutil.copy(bundled(), tmp_path / "copy.hdf5")
    shutil.copy(bundled().replace("deepmoji_small.hdf5", "vocabulary.json"), tmp_path / "vocabulary.json")
    return tmp_path / "copy.hdf5"


def store(path, results):
    with h5py.File(path, "r+") as file:
        text = results if isinstance(results, str) else json.dumps(results)
        file.attrs["npmoji_references"] = np.bytes_(text.encode())


# Results that the file carries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_bundled_model_passes(engine, precision):
    verdict = verify(npmoji.load(engine=engine, precision=precision))
    assert verdict.passed and verdict.checked == "stored"
    assert verdict.lines[-1] == "passed: the weights give the results that their file states"
    assert engine in verdict.lines[0] and precision in verdict.lines[0] and bundled() in verdict.lines[0]
    assert sum(line.startswith("  ok") for line in verdict.lines) == 5


@pytest.mark.parametrize("maxlen", [3, 30, 80])
def test_maxlen_does_not_matter(maxlen):
    assert verify(npmoji.load(engine="numpy", maxlen=maxlen)).passed


def test_without_a_vocabulary_ids_are_not_checked(copy):
    (copy.parent / "vocabulary.json").unlink()
    verdict = verify(npmoji.load(copy, engine="numpy"))
    assert verdict.passed and not any("token ids" in line for line in verdict.lines)


@pytest.mark.parametrize("layer", ["embedding", "bi_lstm_0", "bi_lstm_1", "attlayer", "softmax"])
def test_one_altered_weight_fails(copy, layer, capsys):
    """Also that of a word in none of the texts."""
    with h5py.File(copy, "r+") as file:
        array = file[layer][file[layer].attrs["weight_names"][-1].decode()]
        values = array[()]
        values.reshape(-1)[-1] = np.nextafter(values.reshape(-1)[-1], 9)
        array[()] = values
    assert run("verify", "--weights", copy, "--engine", "numpy") == 1
    out = capsys.readouterr().out
    assert "FAIL  all weights" in out and out.endswith("failed: results differ\n")


def test_results_that_differ_fail(copy, capsys):
    with h5py.File(copy, "r+") as file:
        for name in ("softmax/softmax/bias", "softmax/softmax/kernel"):
            file[name][()] = file[name][()][..., ::-1]
    assert run("verify", "--weights", copy, "--engine", "numpy") == 1
    out = capsys.readouterr().out
    assert "ok    token ids      12 of 12" in out and "ok    feature means" in out
    assert "FAIL  best classes   0 of 12" in out and "FAIL  probabilities" in out


def test_another_vocabulary_fails(copy):
    vocabulary = json.loads((copy.parent / "vocabulary.json").read_text())
    vocabulary["love"], vocabulary["my"] = vocabulary["my"], vocabulary["love"]
    verdict = verify(npmoji.load(copy, vocabulary=vocabulary, engine="numpy"))
    assert not verdict.passed
    failed = [line for line in verdict.lines if "FAIL" in line]
    assert len(failed) == 1 and "token ids" in failed[0]


def test_references_are_what_the_bundled_file_carries(wanted):
    """Computed anew, at other settings: digits may differ by the CPU."""
    found = references(npmoji.load(engine="numba", maxlen=7, precision="int8"))
    exact = {"version", "maxlen", "texts", "ids", "top5", "weights_sha256"}
    assert {key: found[key] for key in exact} == {key: wanted[key] for key in exact}
    assert found.keys() == wanted.keys() == exact | {"probabilities", "encoding_mean"}
    for key in ("probabilities", "encoding_mean"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=0, atol=2e-6)
    assert len(json.dumps(found)) < 60_000 and len(found["texts"]) == 12
    assert any(0 in row[:-1] for row in found["ids"]) and max(map(len, found["ids"])) == 30 and [] in found["ids"]
    assert all(f'"{key}"' in module.__doc__ for key in found)


@pytest.mark.parametrize("full", [False, True])
def test_any_model_can_carry_references(small, toy_vocabulary, tmp_path, full, capsys):
    path = tmp_path / "weights.hdf5"
    shutil.copy(small[0], path)
    if full:
        (tmp_path / "vocabulary.json").write_text(json.dumps(toy_vocabulary))
    results = references(npmoji.load(path))
    assert (results["texts"] is not None) == full and results["encoding_mean"] != [0] * 5
    store(path, results)
    assert run("verify", "--weights", path) == 0
    assert "passed: the weights give the results that their file states" in capsys.readouterr().out


def test_networks_that_take_more_than_token_ids_have_no_references():
    model = npmoji.load(DATA / "models" / "seed003_tfk_state_masked" / "model.h5", engine="numpy")
    assert references(model) is None and verify(model).checked == "nothing"


def test_a_network_without_features(small):
    """Of a fixed width, with three classes."""
    rng = np.random.default_rng(0)
    ids = Input(20, "ids", shape=(7,))
    x = GlobalMaxPooling1D(Embedding(ids, np.float32(rng.standard_normal((20, 4))), name="embedding"), name="pooling")
    out = Dense(x, np.float32(rng.standard_normal((4, 3))), None, activation="softmax", name="out")
    model = Model(Graph([ids, *x.previous, x, out], [out]), path=str(small[0]), engine="numba")
    results = references(model)
    assert results["maxlen"] == 7 and results["encoding_mean"] == [] and len(results["top5"][0]) == 3
    model.references = json.loads(json.dumps(results))
    assert verify(model).passed
    model.references["probabilities"][3][1] += 0.001
    verdict = verify(model)
    assert not verdict.passed and sum("FAIL" in line for line in verdict.lines) == 1


def test_nothing_to_check_against(small, capsys):
    verdict = verify(npmoji.load(small[0], engine="numpy"))
    assert not verdict.passed and verdict.checked == "nothing" and "nothing to check against" in verdict.lines[-1]
    assert run("verify", "--weights", small[0], "--engine", "numpy") == 1
    assert capsys.readouterr().out.splitlines() == [line.replace("auto", "numpy") for line in verdict.lines]


@pytest.mark.parametrize(
    "key, value",
    [
        ("version", 2), ("version", None), ("maxlen", 0), ("maxlen", "30"), ("maxlen", 10**9),
        ("ids", []), ("ids", None),
        ("ids", [[99_999]] * 12), ("ids", [[1] * 31] * 12), ("ids", [[-1]] * 12), ("ids", [["1"]] * 12),
        ("ids", [[True]] * 12),
        ("texts", ["one"]), ("texts", [1] * 12), ("texts", "a" * 12), ("top5", [[0]]), ("top5", [[64]] * 12),
        ("top5", None),
        ("probabilities", [[0.5]]), ("probabilities", "x"), ("probabilities", [[1], []]), ("probabilities", None),
        ("encoding_mean", [1.0]), ("encoding_mean", [None] * 5), ("encoding_mean", [float("nan")] * 5),
        ("encoding_mean", [{}] * 5),
        ("weights_sha256", None), ("weights_sha256", 5),
    ],
)  # fmt: skip
def test_damaged_references_are_an_error(wanted, key, value):
    model = npmoji.load(engine="numpy")
    model.references = {**wanted, key: value}
    with pytest.raises(
        WeightsError, match="deepmoji_small.hdf5: the reference results in the file are damaged: .*" + key
    ):
        verify(model)


def test_damaged_references_on_the_command_line(copy, capsys):
    store(copy, "[1, 2]")
    assert run("verify", "--weights", copy) == 2
    assert "npmoji: error: " in capsys.readouterr().err
    store(copy, '{"version": 1')
    assert run("verify", "--weights", copy) == 2
    assert "the attribute 'npmoji_references' is damaged" in capsys.readouterr().err
    assert run("verify", "--weights", copy.parent / "none.hdf5") == 2


# Published results ---------------------------------------------------------------------------------------------------


@pytest.fixture
def published(monkeypatch):
    """Let the bundled model be the original: its sizes and results take the published ones' place."""
    model = npmoji.load(engine="numpy")
    texts = list(module.PUBLISHED)
    monkeypatch.setattr(module, "ORIGINAL_SIZES", (model.vocabulary_size, model.features, model.classes))
    top = model.top(texts)
    monkeypatch.setattr(module, "PUBLISHED", {text: tuple(p.id for p in best) for text, best in zip(texts, top)})
    means = tuple(float(m) for m in model.encode(texts).mean(axis=0)[:5].round(3))
    monkeypatch.setattr(module, "PUBLISHED_MEANS", means)
    model.references = None
    return model


def test_the_published_results_are_those_of_the_specification():
    assert len(module.PUBLISHED) == 7 and all(len(set(ids)) == 5 for ids in module.PUBLISHED.values())
    if SHARED is not None:
        page = (SHARED / "spec" / "model.md").read_text(encoding="utf-8")
        for text, ids in module.PUBLISHED.items():
            assert f"| {text} | {' '.join(map(str, ids))} |" in page
        assert ", ".join(f"{mean:.3f}" for mean in module.PUBLISHED_MEANS).replace("-", "\u2212") in page


def test_the_original_weights_are_recognised(published):
    verdict = verify(published)
    assert verdict.passed and verdict.checked == "published"
    assert verdict.lines[-1] == "passed: these are the original weights"
    assert "  ok    best classes   7 of 7 texts as expected" in verdict.lines
    published.precision = "int8"  # near, not the same
    assert verify(published).passed


def test_one_text_that_differs_is_counted(published, monkeypatch):
    first, *others = module.PUBLISHED.items()
    swapped = (first[1][1], first[1][0], *first[1][2:])
    monkeypatch.setattr(module, "PUBLISHED", dict([(first[0], swapped), *others]))
    verdict = verify(published)
    assert not verdict.passed and "  FAIL  best classes   6 of 7 texts as expected" in verdict.lines
    assert verdict.lines[-1] == "failed: these are not the original weights, and the file states no other results"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_weights_nobody_trained_are_not_the_original_at_a_wide_tolerance(published, monkeypatch, precision):
    """All classes are about equally likely, all features about 0: within the limits of any ranking and any means."""
    rng = np.random.default_rng(7)
    flat = (1 / 64 + rng.uniform(-1e-4, 1e-4, (7, 64))).astype(np.float32)
    monkeypatch.setattr(published, "predict", lambda x: flat)
    monkeypatch.setattr(published, "encode", lambda x: np.tile(np.float32(module.PUBLISHED_MEANS), (7, 1)))
    published.precision = precision
    verdict = verify(published)
    assert not verdict.passed and any("FAIL  top class" in line for line in verdict.lines)
    assert "  ok    best classes   7 of 7 texts as expected" in verdict.lines
    flat[:] = 1 / 64
    assert not verify(published).passed


def test_int8_may_change_the_best_class_of_one_published_text(published, monkeypatch):
    published.precision = "int8"
    p = published.predict(published.tokenizer(list(module.PUBLISHED)))
    near = p.copy()
    best, second = np.argsort(-p[1])[:2]
    near[1, [best, second]] = p[1, best] - 0.005, p[1, best] + 0.001
    monkeypatch.setattr(published, "predict", lambda x: near)
    line = next(line for line in verify(published).lines if "top class" in line)
    assert line.startswith("  ok") and "6 of 7" in line
    near[2] = near[1]
    assert not verify(published).passed


def test_other_means_are_noticed(published, monkeypatch):
    monkeypatch.setattr(module, "PUBLISHED_MEANS", (*module.PUBLISHED_MEANS[:4], module.PUBLISHED_MEANS[4] + 0.002))
    verdict = verify(published)
    assert not verdict.passed and any("FAIL  feature means" in line for line in verdict.lines)


def test_the_files_own_results_decide(published, monkeypatch, wanted):
    published.references = wanted
    verdict = verify(published)
    assert verdict.passed and verdict.checked == "published and stored"
    assert verdict.lines[-1] == "passed: these are the original weights"
    published.references = {**wanted, "weights_sha256": "0" * 64}
    verdict = verify(published)
    assert not verdict.passed and verdict.lines[-1] == "failed: the file's own reference results differ"
    published.references = wanted
    monkeypatch.setattr(module, "PUBLISHED_MEANS", (1, 1, 1, 1, 1))
    verdict = verify(published)
    assert verdict.passed and verdict.lines[-1].endswith("which are not the original weights")
    assert any(line.startswith("  no    feature means") for line in verdict.lines)
    assert not any("FAIL" in line for line in verdict.lines)  # the published results decide nothing here


def test_other_sizes_or_no_vocabulary_are_not_compared_with_the_original(published, monkeypatch):
    published.tokenizer = None
    assert verify(published).checked == "nothing"
    monkeypatch.setattr(module, "ORIGINAL_SIZES", (50_000, 2304, 64))
    assert verify(npmoji.load(engine="numpy")).checked == "stored"


@needs_shared
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_weights_of_the_original_size_that_are_not_the_original(full_size_weights, engine):
    model = npmoji.load(full_size_weights, vocabulary=SHARED / "data" / "vocabulary.json", engine=engine)
    verdict = verify(model)
    assert not verdict.passed and verdict.checked == "published"
    assert (
        "  FAIL  best classes   0 of 7 texts as expected" in verdict.lines and "not the original" in verdict.lines[-1]
    )


def test_close_classes_may_change_places():
    p = np.array([[0.3, 0.300005, 0.2, 0.1, 0.05, 0.04]])
    for wanted, limit, good in [
        ([[1, 0, 2, 3, 4]], 1e-9, True),
        ([[0, 1, 2, 3, 4]], 1e-9, False),
        ([[0, 1, 2, 3, 4]], 1e-5, True),
        ([[1, 0, 2, 3, 5]], 1e-5, False),  # a better one is not listed
        ([[1, 0, 2, 3, 5]], 0.02, True),
        ([[2, 0, 1, 3, 4]], 1e-5, False),
        ([[]], 1e-5, True),
    ]:
        assert module._ranking(p, wanted, limit).passed == good
    assert module._ranking(p[:, :1], [[0]], 1e-5).passed  # a 2-class model has one output
