"""`npmoji compare`: the figures, what can and what cannot be compared, the sentence, exit codes."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest
from test_cli import run

import npmoji
from npmoji.checks import differences, golden
from npmoji.checks.compare import compare
from npmoji.checks.golden_files import Golden, digest
from npmoji.errors import InputError

LIMIT = {"absolute": 1e-4, "relative": 1e-3}
EXACT = {"absolute": 0.0, "relative": 0.0}


def made(tensors, limits=LIMIT, **manifest):
    """A golden of these tensors; ``tokens`` must be exact."""
    entries = [
        {"name": name, "sha256": digest(array), "tolerance": EXACT if name == "tokens" else limits}
        for name, array in tensors.items()
    ]
    defaults = {"tensors": entries, "texts": [], "weights": {"name": "w.hdf5", "sha256": "1"}}
    return Golden({**defaults, **manifest}, tensors, "golden")


def candidate(**tensors):
    return Golden(None, tensors, "candidate")


def against(one, other, limits=LIMIT):
    """How a tensor ``dense`` compares with its golden."""
    return compare(made({"dense": np.asarray(one)}, limits), candidate(dense=np.asarray(other))).tensors[0]


# Figures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "a, b, distance",
    [
        (1.0, 1.0, 0),
        (0.0, -0.0, 0),
        (1.0, np.nextafter(np.float32(1), np.float32(2)), 1),
        (1.0, np.nextafter(np.float32(1), np.float32(0)), 1),
        (1.0, 1.0 + 2.0**-20, 8),
        (1.0, 2.0, 2**23),
        (-1.0, -2.0, 2**23),
        (0.0, 1e-45, 1),  # the smallest denormal number
        (-1e-45, 1e-45, 2),  # across zero
        (1.1754944e-38, 1.1754942e-38, 1),  # the smallest normal number and the largest denormal one
        (1.0, -1.0, 2 * 0x3F800000),
        (3.4028235e38, np.inf, 1),
        (-np.inf, np.inf, 2 * 0x7F800000),
        (np.inf, np.inf, 0),
    ],
)
def test_ulps(a, b, distance):
    a, b = np.float32([a]), np.float32([b])
    assert differences.ulps(a, b) == distance == differences.ulps(b, a)


def test_the_figures_of_a_tensor():
    ours = np.array([[1.0, 2.0, 0.0], [4.0, -8.0, 0.5]], np.float32)
    theirs = np.array([[1.0, 2.5, 0.25], [4.0, -8.0, 0.5]], np.float32)
    figures = against(ours, theirs)
    assert figures.max_absolute_error == 0.5 and figures.mean_absolute_error == 0.125
    assert figures.max_relative_error == 0.25  # nothing is relative to 0
    assert figures.max_ulp == 0x3E800000  # from 0 to 0.25
    assert figures.where == {"text": 0, "unit": 1} and (figures.golden, figures.candidate) == (2.0, 2.5)
    assert (figures.outside, figures.texts, figures.nonfinite, figures.passed) == (2, 1, 0, False)
    assert (figures.shape, figures.candidate_shape, figures.dtype) == ((2, 3), (2, 3), "float32")


@pytest.mark.parametrize("factor, passed", [(0.99, True), (1.01, False)])
def test_the_tolerance_is_absolute_plus_relative(factor, passed):
    ours = np.array([[-3.0]], np.float32)
    assert against(ours, ours - np.float32(factor * (1e-4 + 1e-3 * 3))).passed is passed


def test_equal_tensors_have_no_place():
    figures = against(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
    assert figures.passed and figures.where is None
    assert (figures.max_absolute_error, figures.mean_absolute_error, figures.max_relative_error, figures.max_ulp) == (
        0,
        0,
        0,
        0,
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_fail_with_their_place(bad):
    ours = np.ones((3, 4, 5), np.float32)
    theirs = ours.copy()
    theirs[1, 2, 3] = theirs[2, 0, 0] = bad
    theirs[0, 0, 0] = 100
    result = compare(made({"lstm": ours}), candidate(lstm=theirs))
    figures = result.tensors[0]
    assert figures.where == {"text": 1, "step": 2, "unit": 3}
    assert (figures.nonfinite, figures.outside, figures.max_absolute_error, figures.passed) == (2, 3, 99, False)
    assert result.first_difference == f"lstm, text 1, step 2, unit 3: {bad} where the golden has 1"
    assert "2 NAN OR INF" in result.text()
    assert json.loads(result.json())["tensors"][0]["candidate"] == str(bad)


def test_numbers_that_are_not_finite_on_both_sides_are_the_same():
    values = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    figures = against(values, values.astype(np.float64))
    assert figures.passed and figures.max_absolute_error == 0
    assert against(values, -values).nonfinite == 2


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    ours = random.normal(size=(50, 7, 3)).astype(np.float32)
    theirs = ours + random.normal(size=ours.shape).astype(np.float32) * np.float32(1e-4)
    theirs[17, 0, 0] = np.nan
    whole = against(ours, theirs)
    monkeypatch.setattr(differences, "BLOCK", 40)
    parts = against(ours, theirs)
    assert parts.mean_absolute_error == pytest.approx(whole.mean_absolute_error)
    parts.mean_absolute_error = whole.mean_absolute_error
    assert str(parts) == str(whole)


def test_memory_does_not_grow_with_the_tensors(tmp_path, monkeypatch):
    monkeypatch.setattr(differences, "BLOCK", 1 << 12)
    np.save(tmp_path / "a.npy", np.zeros((4000, 500), np.float32))
    np.save(tmp_path / "b.npy", np.ones((4000, 500), np.float64))
    ours, theirs = (np.load(tmp_path / name, mmap_mode="r") for name in ("a.npy", "b.npy"))
    pair = made({"dense": ours}), candidate(dense=theirs)
    tracemalloc.start()
    try:
        assert compare(*pair).tensors[0].outside == 2_000_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000  # of 24 MB
    finally:
        tracemalloc.stop()


def test_best_classes():
    random = np.random.default_rng(1)
    ours = random.permuted(np.tile(np.arange(10, dtype=np.float32), (6, 1)), axis=1)
    theirs = ours.copy()
    theirs[0] = np.where(ours[0] == 9, 0, ours[0])  # another best, and another set of five
    theirs[1] = np.where(ours[1] == 9, 7.5, ours[1])  # another best of the same five
    theirs[2] = np.where(ours[2] == 5, -1, ours[2])  # the same best
    theirs[3, 0] = np.nan
    result = compare(made({"logits": ours}), candidate(logits=theirs))
    assert (result.top1, result.top5, result.ranked) == (3, 3, (6, "logits"))
    assert "the best class agrees for 3, the five best for 3 of 6 texts" in result.text()


def test_best_classes_of_any_last_layer():
    """Of a network with other names; one column ranks nothing."""
    ours = np.eye(3, dtype=np.float32)
    assert compare(made({"x": ours, "last": ours}), candidate(last=ours)).ranked == (3, "last")
    assert compare(made({"last": ours[:, :1]}), candidate(last=ours[:, :1])).ranked is None


# What can be compared ------------------------------------------------------------------------------------------------


def test_shapes_that_differ_by_axes_of_length_1():
    ours = np.arange(12, dtype=np.float32).reshape(3, 4)
    for theirs in (ours[..., None], ours[None], np.asfortranarray(ours)[:, None]):
        figures = against(ours, theirs)
        assert figures.passed and figures.notes == [f"shape {theirs.shape}, compared as (3, 4)"]
    assert against(ours[:1], ours[0]).passed  # one text


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
def test_other_types(dtype):
    ours = np.arange(12, dtype=np.float32).reshape(3, 4)
    figures = against(ours, ours.astype(dtype))
    assert figures.passed and figures.notes == [f"{np.dtype(dtype)}, compared as float32"]


def test_a_float64_beyond_float32_is_infinite():
    assert against(np.ones((1, 1), np.float32), np.array([[1e300]])).candidate == np.inf


@pytest.mark.parametrize(
    "shape, what",
    [
        ((2, 4, 5), "has shape (2, 4, 5), the golden (3, 4, 5): 2 texts instead of 3"),
        ((4, 3, 5), "has shape (4, 3, 5), the golden (3, 4, 5): the axes are in another order"),
        ((3, 4, 6), "has shape (3, 4, 6), the golden (3, 4, 5)"),
        ((), "has shape (), the golden (3, 4, 5)"),
    ],
)
def test_other_shapes(shape, what):
    result = compare(made({"lstm": np.zeros((3, 4, 5), np.float32)}), candidate(lstm=np.zeros(shape, np.float32)))
    assert not result.passed
    assert result.first_difference == f"lstm: the candidate {what}"
    assert json.loads(result.json())["tensors"][0]["max_absolute_error"] is None
    assert "DIFFERS" in result.text()


def test_missing_and_extra_tensors_are_listed():
    a, b = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    result = compare(made({"a": a, "b": b}), candidate(a=a, c=b))
    assert result.passed and result.missing == ["b"] and result.extra == ["c"]
    assert "b       missing\nc       extra\n" in result.text()


def test_nothing_in_common():
    with pytest.raises(InputError, match="golden has the tensors a, b; candidate has c"):
        compare(made({"a": np.ones(1), "b": np.ones(1)}), candidate(c=np.ones(1)))


def test_the_golden_must_have_its_manifest_and_be_what_was_written():
    a = np.ones((2, 2), np.float32)
    with pytest.raises(InputError, match="no manifest"):
        compare(candidate(a=a), candidate(a=a))
    damaged = made({"a": a})
    damaged.tensors["a"] = a + 1
    with pytest.raises(InputError, match="golden: tensor 'a' has changed since it was written"):
        compare(damaged, candidate(a=a))


def test_no_texts():
    assert compare(made({"a": np.zeros((0, 3), np.float32)}), candidate(a=np.zeros((0, 3), np.float32))).passed


# Sentences -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(small, toy_vocabulary):
    return npmoji.load(small[0], vocabulary=toy_vocabulary, maxlen=8, engine="numpy")


@pytest.fixture(scope="module")
def genuine(model):
    return golden.collect(model, ["I love mom's cooking!", "", "the best day ever"])


def changed(source, **tensors):
    return Golden(None, {**source.tensors, **tensors}, "candidate")


def test_the_first_difference_names_text_step_unit_and_word(genuine, model):
    lstm, last = (genuine.tensors[name].copy() for name in ("bi_lstm_1", "softmax"))
    lstm[2, 1, 5] += 0.25
    last[0] += 1
    result = compare(genuine, changed(genuine, bi_lstm_1=lstm, softmax=last), lambda: model)
    ours, theirs = genuine.tensors["bi_lstm_1"][2, 1, 5], lstm[2, 1, 5]
    assert result.first_difference == (
        f"bi_lstm_1, text 2, step 1, unit 5: {theirs:.6g} where the golden has {ours:.6g} "
        "(word 'best', text 'the best day ever')"
    )
    assert not result.passed and [t.name for t in result.tensors if not t.passed] == ["bi_lstm_1", "softmax"]
    lstm = genuine.tensors["bi_lstm_1"].copy()
    lstm[2, 6, 5] += 0.25
    assert "(a padded step, text 'the" in compare(genuine, changed(genuine, bi_lstm_1=lstm)).first_difference


def test_other_tokens_come_first(genuine, model):
    tokens, lstm = genuine.tensors["tokens"].copy(), genuine.tensors["bi_lstm_0"] + 1
    tokens[2, 3] = 1
    result = compare(genuine, changed(genuine, tokens=tokens, bi_lstm_0=lstm), lambda: model)
    known = genuine.tensors["tokens"][2, 3]
    assert result.first_difference == (
        f"tokens, text 2, step 3: id 1 where the golden has {known} (word 'ever', text 'the best day ever'); "
        "1 of 3 texts have other tokens, so what follows differs too"
    )
    assert result.tensors[0].max_ulp is None


def test_a_control_character_in_a_text_is_not_printed(model):
    genuine = golden.collect(model, ["a\x1b[31m b"])
    lines = compare(genuine, changed(genuine, softmax=genuine.tensors["softmax"] + 1), lambda: model).text()
    assert "\x1b" not in lines and "first difference: softmax" in lines


def test_the_model_is_loaded_only_if_something_differs(genuine):
    def load():
        raise AssertionError("not needed")

    assert compare(genuine, changed(genuine), load).passed
    other = made({"dense_1": np.ones((2, 2), np.float32)})  # no DeepMoji network
    assert not compare(other, candidate(dense_1=np.zeros((2, 2), np.float32)), load).passed


def test_other_weights_are_told(genuine):
    manifest = {**genuine.manifest, "weights": {"name": "mine.bin", "sha256": "0"}}
    result = compare(genuine, Golden(manifest, genuine.tensors, "candidate"))
    assert "made from another weights file: mine.bin, the golden from weights.hdf5" in result.text()
    assert result.passed


def test_float32_noise_passes(genuine):
    random = np.random.default_rng(0)
    tensors = {
        name: tensor if name == "tokens" else tensor + random.uniform(-1e-6, 1e-6, tensor.shape).astype(np.float32)
        for name, tensor in genuine.tensors.items()
    }
    result = compare(genuine, Golden(None, tensors, "candidate"))
    assert result.passed and result.first_difference is None and result.diagnosis == []
    assert "all within tolerance" in result.text()


def test_json_holds_every_figure(genuine, model):
    reversed_ = genuine.tensors["bi_lstm_0"].copy()
    reversed_[..., 20:] = reversed_[:, ::-1, 20:]
    result = compare(genuine, Golden(None, {"bi_lstm_0": reversed_}, "candidate"), lambda: model)
    found = json.loads(result.json())
    assert {
        key: found[key] for key in ("golden_path", "candidate_path", "first_difference", "extra", "top1", "remarks")
    } == {
        "golden_path": genuine.path,
        "candidate_path": "candidate",
        "first_difference": result.first_difference,
        "extra": [],
        "top1": None,
        "remarks": [],
    }
    assert found["passed"] is False and len(found["missing"]) == 8
    (tensor,) = found["tensors"]
    assert tensor == {**vars(result.tensors[0]), "shape": [3, 8, 40], "candidate_shape": [3, 8, 40]}
    assert None not in tensor.values()
    (finding,) = found["diagnosis"]
    assert finding["fault"] == "backward outputs not re-reversed" and finding["layer"] == "bi_lstm_0"
    assert finding["error_after"] == 0 and finding["agreeing"] == 1


# The command line ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(genuine, model, tmp_path_factory):
    """A golden folder on disk, with the weights and vocabulary it was made from."""
    place = tmp_path_factory.mktemp("golden")
    shutil.copy(model.path, place / "weights.hdf5")
    golden.write(model, ["I love mom's cooking!", "", "the best day ever"], str(place / "golden"))
    return place


def outcome(capsys, *arguments):
    """Exit code, standard output and standard error."""
    return run(*arguments), *capsys.readouterr()


def test_exit_codes_and_output(folder, genuine, capsys):
    wanted, weights = str(folder / "golden"), ["--weights", str(folder / "weights.hdf5")]
    code, out, err = outcome(capsys, "compare", wanted, wanted, *weights)
    assert (code, err) == (0, "") and "9 tensors compared, all within tolerance" in out

    wrong = folder / "softmax.npy"
    np.save(wrong, genuine.tensors["logits"])
    code, out, err = outcome(capsys, "compare", wanted, str(wrong), *weights)
    assert (code, err) == (1, "")
    assert "softmax" in out and "diagnosis: the softmax is missing: these are the logits" in out
    code, out, err = outcome(capsys, "compare", wanted, str(wrong), *weights, "--format", "json")
    assert (code, err) == (1, "") and json.loads(out)["diagnosis"][0]["fault"] == "softmax missing"

    for arguments in ((wanted, str(folder / "none.npy")), (str(wrong), wanted), (wanted, str(folder / "weights.hdf5"))):
        code, out, err = outcome(capsys, "compare", *arguments)
        assert code == 2 and out == "" and err.startswith("npmoji: error: ") and err.count("\n") == 1


def test_some_tensors_in_a_json_or_npz_file(folder, genuine, capsys):
    some = {name: genuine.tensors[name] for name in ("tokens", "attlayer")}
    (folder / "some.json").write_text(json.dumps({name: tensor.tolist() for name, tensor in some.items()}))
    np.savez(folder / "some.npz", **{name: tensor.astype(np.float64) for name, tensor in some.items()})
    for name in ("some.json", "some.npz"):
        code, out, _ = outcome(capsys, "compare", str(folder / "golden"), str(folder / name))
        assert code == 0 and "result: 2 tensors compared, all within tolerance" in out


def test_a_candidate_of_fewer_texts(folder, genuine, capsys):
    np.save(folder / "attlayer.npy", genuine.tensors["attlayer"][:2])
    code, out, _ = outcome(capsys, "compare", str(folder / "golden"), str(folder / "attlayer.npy"))
    assert code == 1 and "first difference: attlayer: the candidate has shape (2, 96)" in out
    assert "2 texts instead of 3" in out


def test_parity_of_the_engines(folder, capsys):
    """The golden side is the engine named first; both must agree on the builtin list."""
    weights = ["--weights", str(folder / "weights.hdf5")]
    code, out, err = outcome(capsys, "parity", *weights, "--engine", "numpy", "--engine", "numba")
    assert (code, err) == (0, "") and "9 tensors compared, all within tolerance" in out
    code, out, _ = outcome(capsys, "parity", *weights, "--engine", "numba", "--engine", "numpy", "--format", "json")
    assert code == 0 and json.loads(out)["passed"] is True


def test_parity_says_what_it_takes_where_no_text_is_given(capsys):
    """Not standard input, as the other commands."""
    assert run("parity", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "without -i: npmoji's own list" in out and "without -i: standard input" not in out
