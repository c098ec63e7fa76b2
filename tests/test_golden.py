"""`npmoji golden`: right, the same bytes whatever computes them, whole or not at all; and what is read back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, SHARED, model_cases, needs_shared
from test_cli import run

import npmoji
from npmoji.checks import golden, golden_files
from npmoji.checks.golden import BUILTIN
from npmoji.errors import InputError, VocabularyError

NAMES = ["activation", "bi_lstm_0", "bi_lstm_1", "attention_logits", "attention", "attlayer", "logits", "softmax"]
#: our tensor -> array of the genuine software's goldens
GENUINE = {
    "activation": "embedding",
    "attlayer": "features",
    "softmax": "probs",
    **{name: name for name in ("bi_lstm_0", "bi_lstm_1", "attention_logits", "attention", "logits")},
}


@pytest.fixture(scope="module")
def model(folder):
    return npmoji.load(folder / "weights.hdf5", maxlen=12)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """The builtin list's golden folder."""
    target = tmp_path_factory.mktemp("golden") / "builtin"
    golden.write(model, BUILTIN, str(target))
    return target


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def within(entry, ours, wanted):
    limits = entry["tolerance"]
    return (np.abs(ours - wanted) <= limits["absolute"] + limits["relative"] * np.abs(wanted)).all()


# What is written -----------------------------------------------------------------------------------------------------


def test_the_folder_holds_every_tensor_as_any_reader_of_npy_sees_it(written, model):
    manifest = json.loads((written / "manifest.json").read_bytes())
    assert (
        [entry["name"] for entry in manifest["tensors"]]
        == ["tokens", *NAMES]
        == ["tokens", *golden.golden_names(model)]
    )
    assert {path.name for path in written.iterdir()} == {
        "manifest.json",
        *(f"{name}.npy" for name in ["tokens", *NAMES]),
    }
    rows = len(BUILTIN.texts) + len(BUILTIN.rows(12, 400))
    tokens = np.load(written / "tokens.npy")
    assert tokens.shape == (rows, 12) and tokens.dtype.str == "<i8"
    numba = npmoji.load(model.path, engine="numba")
    for entry in manifest["tensors"]:
        content = (written / entry["file"]).read_bytes()
        array = np.load(written / entry["file"])
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert list(array.shape) == entry["shape"] and array.dtype == entry["dtype"] and array.flags.c_contiguous
        assert (len(content) - array.nbytes) % 64 == 0  # aligned, for those who map the file
        if entry["name"] != "tokens":
            assert array.dtype.str == "<f4" and np.isfinite(array).all()
            np.testing.assert_array_equal(array, numba[entry["name"]](tokens))


def test_the_manifest(written, model, folder):
    manifest = json.loads((written / "manifest.json").read_bytes())
    weights = (folder / "weights.hdf5").read_bytes()
    assert manifest["weights"] == {
        "name": "weights.hdf5",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
        "vocabulary_size": 400,
        "features": 96,
        "classes": 64,
    }
    facts = {key: value for key, value in manifest.items() if key not in ("weights", "tensors", "texts")}
    assert facts == {
        "format_version": 1,
        "npmoji_version": npmoji.__version__,
        "engine": "numba",
        "precision": "fp32",
        "keras_version": "2.0.5",
        "recurrent_activation": "hard_sigmoid",
        "holds_masked_outputs": True,
        "vocabulary_sha256": hashlib.sha256((folder / "vocabulary.json").read_bytes()).hexdigest(),
        "compat": "deepmoji",
        "maxlen": 12,
        "T": 12,
    }
    assert all(f"{key}``" in golden.__doc__ or f"\n    {key} " in golden.__doc__ for key in manifest), (
        "undocumented key"
    )
    tokens, softmax = np.load(written / "tokens.npy"), np.load(written / "softmax.npy")
    top = model.top(tokens)
    assert len(manifest["texts"]) == len(tokens)
    for row, entry in enumerate(manifest["texts"]):
        np.testing.assert_array_equal(np.pad(entry["ids"], (0, 12 - len(entry["ids"]))), tokens[row])
        if row < len(BUILTIN.texts):
            assert entry["text"] == BUILTIN.texts[row]
            assert entry["words"] == model.tokenizer.words(entry["text"]) and entry["ids"] == model.tokenizer.ids(
                entry["text"]
            )
        else:
            assert entry["text"] is None and entry["words"] is None
        assert [i for i, _ in entry["top5"]] == [prediction.id for prediction in top[row]]
        assert all(np.float32(p) == softmax[row, i] for i, p in entry["top5"])


def test_full_width_and_trimmed_padding_agree(written, model):
    """`predict` runs one padded step for all; golden outputs have every step."""
    manifest = json.loads((written / "manifest.json").read_bytes())
    tokens = np.load(written / "tokens.npy")
    limits = {entry["name"]: entry for entry in manifest["tensors"]}
    for engine in ("numpy", "numba"):
        other = npmoji.load(model.path, engine=engine)
        for name, compute in (("softmax", other.predict), ("attlayer", other.encode), ("attention", other.attention)):
            assert within(limits[name], compute(tokens), np.load(written / f"{name}.npy"))


@pytest.mark.parametrize("weights, genuine", model_cases(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_genuine_software_is_within_the_recommended_tolerance(weights, genuine, tmp_path):
    genuine = np.load(genuine)
    np.save(tmp_path / "ids.npy", genuine["tokens"])
    assert run("golden", tmp_path / "ids.npy", tmp_path / "out", "--weights", weights) == 0
    ours = golden.read(str(tmp_path / "out"))
    np.testing.assert_array_equal(ours.tensors["tokens"], genuine["tokens"])
    entries = {entry["name"]: entry for entry in ours.manifest["tensors"]}
    assert ours.manifest["T"] == genuine["tokens"].shape[1] and ours.damage() == []
    assert ours.manifest["holds_masked_outputs"] == ("keras205" in str(weights) or "torchmoji" in str(weights))
    for name, key in GENUINE.items():
        if key in genuine:
            rows = len(genuine[key])
            assert within(entries[name], ours.tensors[name][:rows], genuine[key]), name


@needs_shared
def test_full_size(full_size_weights):
    genuine = np.load(SHARED / "goldens" / "models" / "full_size" / "golden.npz")
    ours = golden.collect(npmoji.load(full_size_weights), genuine["tokens"])
    entries = {entry["name"]: entry for entry in ours.manifest["tensors"]}
    checked = [name for name, key in GENUINE.items() if key in genuine]
    assert len(checked) >= 4
    for name in checked:
        rows = len(genuine[GENUINE[name]])
        assert within(entries[name], ours.tensors[name][:rows], genuine[GENUINE[name]]), name


def test_without_a_vocabulary_the_builtin_list_is_its_rows(small, tmp_path):
    golden.write(npmoji.load(small[0]), BUILTIN, str(tmp_path / "out"))
    found = golden.read(str(tmp_path / "out"))
    assert found.manifest["vocabulary_sha256"] is None and found.manifest["maxlen"] is None
    np.testing.assert_array_equal(found.tensors["tokens"], BUILTIN.rows(30, 400))


def test_a_vocabulary_that_came_from_no_file_has_a_digest_too(small, toy_vocabulary):
    digests = {
        golden.vocabulary_sha256(npmoji.load(small[0], vocabulary=dict(words)))
        for words in (toy_vocabulary, reversed(toy_vocabulary.items()), {**toy_vocabulary, "extra": 399})
    }
    assert len(digests) == 2  # the order of the words does not matter


@pytest.mark.parametrize("precision, limit", [("fp16", 1e-5), ("int8", 1e-2)])
def test_other_precisions(model, tmp_path, precision, limit):
    found = golden.collect(npmoji.load(model.path, precision=precision), BUILTIN)
    reference = golden.collect(npmoji.load(model.path, precision=precision, engine="numpy"), BUILTIN)
    assert found.manifest["precision"] == precision and found.manifest["tensors"][2]["tolerance"]["absolute"] == limit
    for entry in found.manifest["tensors"]:
        assert within(entry, reference.tensors[entry["name"]], found.tensors[entry["name"]])


def test_collect_is_the_same_in_memory(model, written):
    found, read = golden.collect(model, BUILTIN), golden.read(str(written))
    assert found.manifest == read.manifest and found.path == "the numba engine"
    for name, array in read.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], array)
    assert golden.collect(npmoji.load(model.path, engine="numpy"), [[1, 2]]).manifest["engine"] == "numpy"


def test_awkward_texts_survive(model, tmp_path):
    texts = ["lone \ud83d surrogate", 'quote " and \\ back\nslash', "\u2028\x00\x7f", "\U0001f602"]
    golden.write(model, texts, str(tmp_path / "out"))
    content = (tmp_path / "out" / "manifest.json").read_bytes()
    assert content.isascii() and content.endswith(b"}\n")
    assert [entry["text"] for entry in golden.read(str(tmp_path / "out")).manifest["texts"]] == texts
    assert golden.collect(model, np.array(texts)).manifest == golden.read(str(tmp_path / "out")).manifest


OTHERS = [DATA / "models" / name for name in ("seed003_k205_masked_last", "seed003_tfk_state_masked")]
if SHARED is not None:
    OTHERS = sorted(path.parent for path in (SHARED / "goldens" / "models").glob("seed00*/model.h5"))


@pytest.mark.parametrize("case", OTHERS, ids=lambda path: path.name)
def test_other_networks_every_named_layer_of_the_genuine_software(case, tmp_path):
    genuine, about = dict(np.load(case / "golden.npz")), json.loads((case / "case.json").read_text())
    model = npmoji.load(case / "model.h5")
    names = [layer.name for layer in model.graph.inputs]
    arrays = [genuine[key] for key in ("tokens", "meta") if key in genuine] or [genuine["inputs"]]
    golden.write(model, dict(zip(names, arrays)) if len(names) > 1 else arrays[0], str(tmp_path / "out"))
    found = golden.read(str(tmp_path / "out"))
    assert found.damage() == []
    defined = np.setdiff1d(np.arange(len(arrays[0])), np.ravel(about.get("undefined_rows", [])).astype(int))
    entries, checked = {entry["name"]: entry for entry in found.manifest["tensors"]}, 0
    for name in set(found.tensors) & set(genuine) - {"tokens", "meta", "inputs"}:
        assert within(entries[name], found.tensors[name][defined], genuine[name][defined]), name
        checked += 1
    assert checked >= 3 and {name.partition("/")[0] for name in entries} >= {
        layer.name for layer in model.layers
    } - set(names)
    assert found.manifest["T"] == arrays[0].shape[1] and not found.manifest["texts"][0]["words"]
    if len(names) > 1:
        with pytest.raises(InputError, match="this network takes something else"):
            golden.collect(model, BUILTIN)


def test_names_that_are_not_safe_in_a_file_name():
    assert [golden_files.file_name(name) for name in ("../x", "a/0", "bi_lstm_0")] == [
        "..%2Fx.npy",
        "a%2F0.npy",
        "bi_lstm_0.npy",
    ]


# The builtin list ----------------------------------------------------------------------------------------------------


def test_the_builtin_texts_try_every_special_word_and_every_edge(model):
    assert 60 <= len(BUILTIN.texts) <= 100 and len(set(BUILTIN.texts)) == len(BUILTIN.texts)
    tokenizer = npmoji.load().tokenizer
    ids = tokenizer(BUILTIN.texts)
    assert {0, 1, 2, 3, 4, 5} <= set(ids.ravel().tolist())
    words = [tokenizer.words(text) for text in BUILTIN.texts]
    assert [] in words and any(len(found) > 2 * tokenizer.maxlen for found in words)
    assert any(len(found) > 3 and all(row == 1) for found, row in zip(words, (i[i > 0] for i in ids)) if len(row))
    inner_zero = [row for row in ids if 0 in np.trim_zeros(row, "b")]
    assert inner_zero
    assert all(text.isprintable() or text.encode() for text in BUILTIN.texts)  # strict parsers of JSON take them all


@pytest.mark.parametrize("T, V", [(1, 1), (1, 400), (2, 2), (12, 3), (12, 400), (30, 50_000)])
def test_the_builtin_rows_fit_and_have_every_edge(T, V):
    rows = BUILTIN.rows(T, V)
    assert rows.shape[1] == T and rows.min() >= 0 and rows.max() == V - 1
    if T == 12 and V > 3:
        filled = {tuple(row) for row in (rows > 0).astype(int).tolist()}
        single = [tuple(int(i == place) for i in range(T)) for place in (0, T - 1)]
        assert {(0,) * T, (1,) * T, (1, 0) * (T // 2), *single} <= filled
        assert {1, V - 1} <= set(rows.ravel().tolist())


# The same bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_any_thread_count_and_block_size(folder, tmp_path, precision):
    models = [
        npmoji.load(folder / "weights.hdf5", maxlen=12, threads=threads, precision=precision) for threads in (1, 2)
    ]
    for number, (model, block) in enumerate(
        [(models[0], 1), (models[0], 256), (models[1], 1), (models[1], 256), (models[1], None)]
    ):
        golden.write(model, BUILTIN, str(tmp_path / str(number)), block=block)
        golden.write(model, BUILTIN, str(tmp_path / f"{number}.npz"), npz=True, block=block)
    wanted = files(tmp_path / "0")
    for number in range(1, 5):
        assert files(tmp_path / str(number)) == wanted
        assert (tmp_path / f"{number}.npz").read_bytes() == (tmp_path / "0.npz").read_bytes()


def test_a_model_that_has_run_before_gives_the_same(model, written, tmp_path):
    """engine="auto" stays with numpy for little work; golden outputs do not."""
    fresh = npmoji.load(model.path, maxlen=12)
    fresh.predict(["some text before"])
    golden.write(fresh, BUILTIN, str(tmp_path / "out"))
    assert files(tmp_path / "out") == files(written)


@pytest.mark.parametrize(
    "target",
    [
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        {"NUMBA_CPU_FEATURES": "-avx512f", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"},
        {"NUMBA_CPU_FEATURES": "-avx512f,-avx2,-fma", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3"},
    ],
    ids=["generic", "without AVX-512", "without AVX2"],
)
def test_any_cpu(written, folder, tmp_path, target):
    """The command line, with the wide paths of Numba and of NumPy switched off by their own settings."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(npmoji.__file__).parent.parent),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONWARNINGS": "ignore",  # NumPy warns of features that this CPU lacks anyway
        **target,
    }
    command = [sys.executable, "-m", "npmoji", "golden", "--builtin", str(tmp_path / "out")]
    command += ["--weights", str(folder / "weights.hdf5"), "--maxlen", "12", "--threads", "2"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert files(tmp_path / "out") == files(written)


def test_npz_holds_the_same_files_with_a_fixed_date(written, model, tmp_path):
    golden.write(model, BUILTIN, str(tmp_path / "out.npz"), npz=True)
    with zipfile.ZipFile(tmp_path / "out.npz") as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == files(written)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    with np.load(tmp_path / "out.npz") as arrays:
        np.testing.assert_array_equal(arrays["softmax"], np.load(written / "softmax.npy"))
    assert os.listdir(tmp_path) == ["out.npz"]
    assert golden.read(str(tmp_path / "out.npz")).manifest == golden.read(str(written)).manifest


# Whole or not at all -------------------------------------------------------------------------------------------------


def test_a_golden_folder_is_replaced_and_nothing_else_is(model, tmp_path):
    target = tmp_path / "out"
    golden.write(model, [[1, 2, 3]], str(target))
    golden.write(model, [[4, 5]], f"{target}/")
    assert golden.read(str(target)).tensors["tokens"].tolist() == [[4, 5]]
    before = files(target)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"other files \('notes.txt'\)"):
        golden.write(model, [[6]], str(target))
    (target / "notes.txt").unlink()
    assert files(target) == before
    other = tmp_path / "other"
    other.mkdir()
    golden.write(model, [[7]], str(other))  # an empty one gives way
    assert golden.read(str(other)).tensors["tokens"].tolist() == [[7]]
    for name, content in (("mine.txt", "mine"), ("manifest.json", '{"name": "an app"}')):
        foreign = tmp_path / name.partition(".")[0]
        foreign.mkdir()
        (foreign / name).write_text(content)
        with pytest.raises(InputError, match=f"{foreign.name}: not empty, and not a golden folder"):
            golden.write(model, [[6]], str(foreign))
        assert files(foreign) == {name: content.encode()}
    assert sorted(os.listdir(tmp_path)) == ["manifest", "mine", "other", "out"]


def test_a_link_to_a_folder_stays_one(model, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    golden.write(model, [[1]], str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "manifest.json").is_file()


@pytest.mark.parametrize("npz", [False, True])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError, OSError(28, "No space left on device")])
def test_an_interruption_leaves_what_was_there(model, tmp_path, monkeypatch, npz, stop):
    target = tmp_path / ("out.npz" if npz else "out")
    golden.write(model, [[1, 2]], str(target), npz=npz)
    before = golden.read(str(target)).manifest
    append, calls = golden_files.TensorFile.append, []

    def interrupted(self, values):
        calls.append(values)
        if len(calls) == 12:  # in the second block
            raise stop
        append(self, values)

    monkeypatch.setattr(golden_files.TensorFile, "append", interrupted)
    with pytest.raises(InputError if isinstance(stop, OSError) else stop):
        golden.write(model, [[5], [6], [7]], str(target), npz=npz, block=1)
    assert os.listdir(tmp_path) == [target.name] and golden.read(str(target)).manifest == before
    monkeypatch.undo()
    calls.clear()
    monkeypatch.setattr(golden_files.TensorFile, "append", interrupted)
    with pytest.raises(InputError if isinstance(stop, OSError) else stop):
        golden.write(model, [[5], [6], [7]], str(tmp_path / ("new.npz" if npz else "new")), npz=npz, block=1)
    assert os.listdir(tmp_path) == [target.name]


def test_a_failed_exchange_puts_the_old_folder_back(model, tmp_path, monkeypatch):
    target = tmp_path / "out"
    golden.write(model, [[1, 2]], str(target))
    before, rename = files(target), os.rename

    def fails(source, to):
        if str(to) == str(target) and str(source).endswith(".part"):
            raise PermissionError(13, "Permission denied")
        rename(source, to)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(InputError, match="out: cannot be written: Permission denied"):
        golden.write(model, [[3]], str(target))
    assert files(target) == before and os.listdir(tmp_path) == ["out"]


def test_memory_does_not_grow_with_the_rows(model, tmp_path):
    import tracemalloc

    tokens = np.random.default_rng(0).integers(0, 400, (4000, 12))
    golden.write(model, tokens[:10], str(tmp_path / "warm"))
    tracemalloc.start()
    golden.write(model, tokens, str(tmp_path / "out"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    written = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert written > 20e6 and peak < 0.7 * written  # all layers of a block, and the manifest


# The command line ----------------------------------------------------------------------------------------------------


def test_command_line(folder, tmp_path, capsys, written):
    weights = "--weights", folder / "weights.hdf5", "--maxlen", "12"
    (tmp_path / "texts.txt").write_text("i love this\n\nthe worst day ever !\n", encoding="utf-8")
    (tmp_path / "texts.csv").write_text("n,say\n1,i love this\n2,\n3,the worst day ever !\n", encoding="utf-8")
    assert run("golden", tmp_path / "texts.txt", tmp_path / "a", *weights) == 0
    assert run("golden", tmp_path / "texts.csv", tmp_path / "b", "--column", "say", *weights, "--threads", "1") == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")
    np.save(tmp_path / "ids.npy", [[1, 2, 3]])
    (tmp_path / "ids.npy").rename(tmp_path / "IDS.NPY")
    assert run("golden", tmp_path / "IDS.NPY", tmp_path / "e", *weights) == 0
    assert golden.read(str(tmp_path / "e")).manifest["texts"][0]["ids"] == [1, 2, 3]
    assert run("golden", "--builtin", tmp_path / "c", *weights) == 0
    assert files(tmp_path / "c") == files(written)
    assert run("golden", "--builtin", tmp_path / "d.npz", "--npz", *weights, "--engine", "numpy") == 0
    assert golden.read(str(tmp_path / "d.npz")).manifest["engine"] == "numpy"
    assert capsys.readouterr().out == ""


SEVERAL_INPUTS = DATA / "models" / "seed003_tfk_state_masked" / "model.h5"


def test_command_line_errors(folder, small, tmp_path, capsys, monkeypatch):
    weights = "--weights", folder / "weights.hdf5"
    np.save(tmp_path / "floats.npy", np.zeros((2, 3)))
    np.save(tmp_path / "flat.npy", np.zeros(3, int))
    np.save(tmp_path / "large.npy", np.full((2, 3), 400))
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    (tmp_path / "junk.npy").write_bytes(b"\x93NUMPY\1\0nonsense")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "texts.txt").write_text("i love this\n")
    (tmp_path / "two.txt").write_text("i love this\nthat too\n")
    (tmp_path / "file").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shutil.copy(small[0], tmp_path / "bare.hdf5")
    out, bare = tmp_path / "out", ("--weights", tmp_path / "bare.hdf5")
    for arguments, message in [
        ((out, *weights), "give either TEXTS or --builtin"),
        (("--builtin", tmp_path / "texts.txt", out, *weights), "give either TEXTS or --builtin"),
        ((tmp_path / "none.npy", out, *weights), "none.npy: no such file"),
        ((tmp_path / "floats.npy", out, *weights), "token ids must be integers, got an array of float64"),
        ((tmp_path / "flat.npy", out, *weights), "token ids must have shape (N, T), texts by steps"),
        ((tmp_path / "large.npy", out, *weights), "row 0, step 0: token id 400 is outside the vocabulary"),
        ((tmp_path / "objects.npy", out, *weights), "objects.npy: not a .npy file, or a damaged one"),
        ((tmp_path / "junk.npy", out, *weights), "junk.npy: not a .npy file, or a damaged one"),
        ((tmp_path / "empty.txt", out, *weights), "golden outputs need at least one text"),
        ((tmp_path / "texts.txt", out, *bare), "has no vocabulary and takes token ids only"),
        ((tmp_path / "texts.txt", tmp_path / "file", *weights), "exists and is not a folder"),
        ((tmp_path / "texts.txt", tmp_path / "no" / "out", *weights), "cannot be written: No such file or directory"),
        ((tmp_path / "texts.txt", out, "--npz", *weights), "expected a name that ends in .npz"),
        ((tmp_path / "texts.txt", "", *weights), "expected the name of a folder to write, got ''"),
        ((tmp_path / "texts.txt", ".", *weights), "this is the current folder, which cannot be replaced"),
        ((tmp_path / "texts.txt", tmp_path / "here", *weights), "this is the current folder, which cannot be replaced"),
        (
            (tmp_path / "texts.txt", out, "--weights", SEVERAL_INPUTS),
            "inputs are 'input_1', 'input_2': expected a dict",
        ),
        ((tmp_path / "two.txt", out, "--weights", SEVERAL_INPUTS), "or a list in this order; got a list of texts"),
    ]:
        assert run("golden", *arguments) == 2, message
        error = capsys.readouterr().err
        assert message in error and error.startswith("npmoji: error: ") and error.count("\n") == 1
        assert not out.exists()


def test_texts_need_a_vocabulary(small, tmp_path):
    with pytest.raises(VocabularyError, match="no vocabulary"):
        golden.write(npmoji.load(small[0]), ["text"], str(tmp_path / "out"))
    with pytest.raises(InputError, match="got one str"):
        golden.write(npmoji.load(small[0]), "text", str(tmp_path / "out"))
    assert os.listdir(tmp_path) == []


# Reading -------------------------------------------------------------------------------------------------------------


def test_candidates_in_any_form(written, tmp_path):
    softmax, tokens = np.load(written / "softmax.npy"), np.load(written / "tokens.npy")
    bare = tmp_path / "bare"
    bare.mkdir()
    np.save(bare / "softmax.npy", softmax.astype(np.float64))
    np.save(bare / "halves%2F0.npy", np.asfortranarray(softmax))
    np.savez(tmp_path / "some.npz", **{"softmax": softmax, "halves/0": softmax.astype(">f4")})
    np.savez_compressed(tmp_path / "packed.npz", softmax=softmax)
    np.save(tmp_path / "softmax.npy", softmax)
    lists = {"softmax": softmax.tolist(), "tokens": tokens.tolist(), "halves/0": [[0, 1]]}
    (tmp_path / "some.json").write_text(json.dumps(lists))
    names = {
        "bare": {"softmax", "halves/0"},
        "some.npz": {"softmax", "halves/0"},
        "packed.npz": {"softmax"},
        "softmax.npy": {"softmax"},
        "some.json": {"softmax", "tokens", "halves/0"},
    }
    for name, wanted in names.items():
        found = golden.read(str(tmp_path / name))
        assert found.manifest is None and set(found.tensors) == wanted and found.path == str(tmp_path / name)
        np.testing.assert_array_equal(found.tensors["softmax"], softmax)
    found = golden.read(tmp_path / "some.json").tensors
    assert [found[name].dtype for name in ("softmax", "tokens", "halves/0")] == [np.float32, np.int64, np.float32]


def test_damage_is_found(written, tmp_path):
    shutil.copytree(written, tmp_path / "out")
    assert golden.read(str(tmp_path / "out")).damage() == []
    values = np.load(tmp_path / "out" / "attlayer.npy")
    values[3, 5] = np.nextafter(values[3, 5], 2)
    np.save(tmp_path / "out" / "attlayer.npy", values)
    (complaint,) = golden.read(str(tmp_path / "out")).damage()
    assert "'attlayer' has changed since it was written" in complaint
    found = golden.read(str(written))
    (complaint,) = found._replace(tensors={n: a for n, a in found.tensors.items() if n != "logits"}).damage()
    assert "'logits' is missing" in complaint
    assert golden.Golden(None, found.tensors, "").damage() == []


def change(manifest, key, value):
    part = manifest
    *path, last = key
    for step in path:
        part = part[step]
    part[last] = value


@pytest.mark.parametrize(
    "key, value, message",
    [
        (["format_version"], 2, "golden format 2, expected 1"),
        (["format_version"], None, "not a manifest of golden outputs"),
        (["tensors"], {}, "'tensors' is missing or not of type list"),
        (["texts"], None, "'texts' is missing or not of type list"),
        (["T"], "12", "'T' is missing or not of type int"),
        (["tensors", 2, "file"], "../bi_lstm_0.npy", "entry 2 of 'tensors'"),
        (["tensors", 2, "file"], "..\\bi_lstm_0.npy", "entry 2 of 'tensors'"),
        (["tensors", 2, "shape"], [1, "x"], "entry 2 of 'tensors'"),
        (["tensors", 1, "sha256"], 7, "entry 1 of 'tensors'"),
        (["tensors", 1, "tolerance"], {"absolute": float("nan"), "relative": 0}, "entry 1 of 'tensors'"),
        (["tensors", 1, "tolerance"], {"absolute": 1e-6}, "entry 1 of 'tensors'"),
        (["tensors", 0], [], "entry 0 of 'tensors'"),
        (["texts", 5, "top5"], None, "entry 5 of 'texts'"),
        (["texts", 5], "text", "entry 5 of 'texts'"),
        (["texts", 5, "words"], 3, "entry 5 of 'texts'"),
        (["texts", 5, "words"], ["i", 3], "entry 5 of 'texts'"),
        (["tensors", 3, "file"], "gone.npy", "lists 'bi_lstm_1', but there is no gone.npy"),
    ],
)
def test_a_damaged_manifest_is_refused(written, tmp_path, key, value, message):
    manifest = json.loads((written / "manifest.json").read_bytes())
    change(manifest, key, value)
    shutil.copytree(written, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError) as error:
        golden.read(str(tmp_path / "out"))
    assert message in str(error.value) and str(tmp_path / "out") in str(error.value)


def test_other_unreadable_candidates(written, tmp_path):
    contents = {
        "list.json": b"[1, 2]",
        "empty.json": b"{}",
        "text.json": b'{"softmax": "x"}',
        "ragged.json": b'{"softmax": [[1, 2], [3]]}',
        "huge.json": b'{"tokens": [[1e400]]}',
        "half.json": b'{"softmax": [[1, 2',
        "junk.npz": b"PK nothing",
        "cut.npz": None,
        "pickled.npz": None,
        "texts.npy": None,
        "notes.txt": b"?",
    }
    np.savez(tmp_path / "pickled.npz", softmax=np.array([{}], object))
    np.save(tmp_path / "texts.npy", np.array(["a"]))
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("softmax.npy", (written / "softmax.npy").read_bytes()[:1000])
    for name, content in contents.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            golden.read(str(tmp_path / name))
    (tmp_path / "empty").mkdir()
    for name, message in (("empty", "a folder without tensors"), ("gone", "no such file or folder")):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            golden.read(str(tmp_path / name))
