"""Paths in every form, wherever one is taken; and errors that quote what is long."""

import json
import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji import InputError, NpmojiError, VocabularyError, WeightsError, cli, describe
from npmoji.checks import golden
from npmoji.download.originals import download
from npmoji.errors import LONGEST
from npmoji.export.convert import convert
from npmoji.files.paths import local, scheme

SCREEN = 24 * 80


@pytest.fixture
def home(folder, tmp_path, monkeypatch):
    """A home directory with the small model in a folder whose name needs quoting in an address."""
    home = tmp_path / "home"
    shutil.copytree(folder, home / "a b%")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return home


#: a file in the home directory's folder, in every form that a path may have
FORMS = {
    "str": lambda home, name: str(home / "a b%" / name),
    "Path": lambda home, name: home / "a b%" / name,
    "bytes": lambda home, name: os.fsencode(home / "a b%" / name),
    "~": lambda home, name: f"~/a b%/{name}",
    "~ in a Path": lambda home, name: Path("~") / "a b%" / name,
    "~ in bytes": lambda home, name: f"~/a b%/{name}".encode(),
    "address": lambda home, name: (home / "a b%" / name).as_uri(),
    "address of localhost": lambda home, name: (home / "a b%" / name).as_uri().replace("file:///", "file://localhost/"),
    "short address": lambda home, name: (home / "a b%" / name).as_uri().replace("file:///", "FILE:/"),
    "relative": lambda home, name: os.path.join("home", "a b%", name),
}


@pytest.fixture(params=FORMS)
def form(request, home):
    return lambda name: FORMS[request.param](home, name)


def test_everything_that_takes_a_path(form, home):
    place = home / "a b%"
    wanted = npmoji.load(place / "weights.hdf5", engine="numpy").predict(["i love this"])

    def same(model):
        np.testing.assert_array_equal(model.predict(["i love this"]), wanted)

    assert npmoji.Tokenizer(form("vocabulary.json")).ids("i love") == npmoji.Tokenizer(
        str(place / "vocabulary.json")
    ).ids("i love")
    shutil.move(place / "vocabulary.json", place / "words.json")
    same(npmoji.load(form("weights.hdf5"), vocabulary=form("words.json"), engine="numpy"))
    same(npmoji.Ensemble([form("weights.hdf5")], vocabulary=form("words.json"), engine="numpy"))
    convert(form("weights.hdf5"), form("w.safetensors"), vocabulary=form("words.json"))
    same(npmoji.load(form("w.safetensors"), engine="numpy"))
    assert [row.name for row in describe.rows(form("weights.hdf5"))][1] == "embedding"

    npmoji.save_layers(form("net.npz"), npmoji.Embedding(npmoji.Input(3), np.ones((3, 2), np.float32)))
    assert len(npmoji.load_layers(form("net.npz"))) == 2

    model = npmoji.load(form("w.safetensors"), engine="numpy")
    golden.write(model, ["i love this"], form("golden"))
    golden.write(model, ["i love this"], form("golden.npz"), npz=True)
    assert golden.read(form("golden")).tensors.keys() == golden.read(form("golden.npz")).tensors.keys()
    np.save(place / "ids.npy", np.ones((1, 3), np.int64))
    assert golden.read_inputs(form("ids.npy")).shape == (1, 3)
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["golden", "golden.npz", "ids.npy", "net.npz", "w.safetensors", "weights.hdf5", "words.json"]
    )


def test_a_config(form, home):
    place = home / "a b%"
    for name in ("model.weights.h5", "config.json"):
        shutil.copy(DATA / "keras" / "tf_keras_perceptron" / name, place / f"the {name}")
    model = npmoji.load(form("the model.weights.h5"), config=form("the config.json"))
    assert len(model.layers) > 2
    with pytest.raises(WeightsError, match="no such.json"):
        npmoji.load(form("the model.weights.h5"), config=form("no such.json"))


@pytest.mark.parametrize("form", ["str", "~", "address", "relative"])
def test_the_command_line(form, home, capsys):
    """What shells leave as it is: they expand ``~`` at the start of a word only."""
    place = home / "a b%"
    (place / "texts.txt").write_text("i love this\n")

    def at(name):
        return FORMS[form](home, name)

    def run(*arguments):
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    model = f"--weights={at('weights.hdf5')}", f"--vocabulary={at('vocabulary.json')}"
    run("score", *model, f"--input={at('texts.txt')}", f"--output={at('out.txt')}")
    assert (place / "out.txt").read_text().startswith("i love this")
    run("encode", *model, f"--input={at('texts.txt')}", f"--output={at('out.npy')}")
    assert str(place / "vocabulary.json") in run("info", *model) or form == "relative"
    assert "embedding" in run("inspect", at("weights.hdf5"))
    run("golden", *model, at("texts.txt"), at("golden"))
    run("compare", *model, at("golden"), at("golden"))
    run(
        "parity",
        *model[:1],
        "--engine",
        "numpy",
        "--engine",
        "numpy",
        f"--vocabulary={at('vocabulary.json')}",
        "-i",
        at("texts.txt"),
    )
    run("convert", at("weights.hdf5"), at("w.safetensors"), f"--vocabulary={at('vocabulary.json')}")
    run("verify", f"--weights={at('w.safetensors')}")
    assert not (home.parent / "~").exists() and not (home.parent / "file:").exists()


@pytest.mark.parametrize("form", ["str", "Path", "bytes", "~", "address", "relative"])
def test_download_from_a_path(form, home, monkeypatch):
    from npmoji import sources
    from npmoji.files.digest import sha256

    monkeypatch.setattr(sources, "VOCABULARY_SHA256", sha256(home / "a b%" / "vocabulary.json"))
    path = download("original", FORMS[form](home, "weights.hdf5"), FORMS[form](home, "vocabulary.json"))
    assert npmoji.load("original").path == path


def test_a_name_with_a_tilde_inside(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder / "weights.hdf5", "weights~1.hdf5")
    assert npmoji.load("weights~1.hdf5").path == "weights~1.hdf5"


# What a path is not ---------------------------------------------------------------------------------------------------


def test_the_contents_of_a_file(small):
    content = small[0].read_bytes()
    assert len(content) > 100_000
    for given in (content, bytearray(content)):
        with pytest.raises(InputError, match="expected the path of a file") as error:
            npmoji.load(given)
        assert len(str(error.value)) < 200
    with pytest.raises(InputError, match="142,184 bytes, which look like a file's content"):
        npmoji.load(content)
    with pytest.raises(InputError, match="40 bytes, which look like a file's content"):
        npmoji.load(b"\x89HDF\r\n\x1a\n" + bytes(32))
    words = json.dumps({f"word{i}": i for i in range(10_000)})
    for given in (words, words.encode()):
        with pytest.raises(VocabularyError, match="look like a file's content") as error:
            npmoji.Tokenizer(given)
        assert len(str(error.value)) < 200
    with pytest.raises(InputError, match="config: .* look like a file's content"):
        npmoji.load(DATA / "keras" / "tf_keras_perceptron" / "model.weights.h5", config=words)


@pytest.mark.parametrize("path", [3, 1.5, ["weights.hdf5"], {}, np.zeros(3), True])
def test_no_path_at_all(path):
    with pytest.raises(InputError, match=f"path: expected the path of a file, got {type(path).__name__}"):
        npmoji.load(path)


@pytest.mark.parametrize(
    "address", ["http://x.org/w.hdf5", "https://x.org/w", "s3://bucket/w", "hf://a/b", "HTTP://x", "git+ssh://x/y"]
)
def test_addresses_elsewhere(address):
    kind = re.escape(address.lower().partition("://")[0])
    with pytest.raises(InputError, match=f"a {kind}:// address.* download the file first"):
        npmoji.load(address)
    with pytest.raises(VocabularyError, match=f"a {kind}:// address"):
        npmoji.Tokenizer(address)
    with pytest.raises(InputError, match=f"a {kind}:// address"):
        npmoji.save_layers(address, npmoji.Input())
    with pytest.raises(InputError, match="a file on the computer server, expected file:///"):
        npmoji.load("file://server/share/w.hdf5")


def test_drives_and_addresses_of_windows(monkeypatch):
    from npmoji.files import paths

    assert scheme("C:/w.hdf5") == scheme(r"C:\w.hdf5") == scheme("C://w.hdf5") == ""
    assert local("C:/w.hdf5") == "C:/w.hdf5"
    monkeypatch.setattr(paths.os, "name", "nt")
    assert local("file:///C:/a%20b/w.hdf5") == r"C:\a b\w.hdf5"
    assert local("file:///c|/w.hdf5") == r"c:\w.hdf5"


# Errors no longer than a screen ---------------------------------------------------------------------------------------


def messages(home):
    """Errors that quote what may be of any length."""
    place, many = home / "a b%", [f"column number {i}" for i in range(5000)]
    (place / "t.csv").write_text(",".join(many) + "\nx\n")
    (place / "words.json").write_text(json.dumps({"CUSTOM_MASK": "x" * 10**6}))
    shutil.copy(place / "weights.hdf5", place / "w.hdf5")
    with h5py.File(place / "w.hdf5", "r+") as file:
        file.attrs["layer_names"] = [f"a layer of another network, {i}".encode() for i in range(500)]
        for i in range(500):
            group = file.create_group(f"a layer of another network, {i}")
            group.attrs["weight_names"] = [b"w"]
            group["w"] = np.ones(1, np.float32)
    yield lambda: npmoji.load("x" * 4000)
    yield lambda: npmoji.load(place / "w.hdf5")
    yield lambda: npmoji.load(engine="x" * 10**6)
    yield lambda: npmoji.load(config={str(i): i for i in range(10**5)})
    yield lambda: npmoji.Tokenizer(place / "words.json")
    yield lambda: npmoji.load(vocabulary={"y" * 10**6: 0})
    yield lambda: npmoji.load()["z" * 10**5]
    yield lambda: npmoji.load().predict({"q" * 10**6: 1})


def test_messages_of_the_library(home):
    for number, call in enumerate(messages(home)):
        with pytest.raises((NpmojiError, KeyError)) as error:
            call()
        assert 20 < len(str(error.value)) < SCREEN, number


def test_messages_of_the_command_line(home, capsys):
    list(messages(home))
    place = home / "a b%"
    for arguments in (
        ["score", "--weights", "x" * 4000, "text"],
        ["score", "-i", str(place / "t.csv"), "--column", "none"],
        ["score", "-i", "y" * 100_000],
        ["score", "--format", "z" * 100_000, "text"],
        ["score", "--top", "9" * 4000, "text"],
        ["inspect", str(place / "w.hdf5")],
        ["score", "--no-such-option-" + "q" * 100_000],
    ):
        try:
            code = cli.main(arguments)
        except SystemExit as stop:
            code = stop.code
        error = capsys.readouterr().err
        assert code == 2 and error.startswith("npmoji: error: ") and error.count("\n") == 1
        assert len(error) < SCREEN


def test_a_long_message_keeps_its_beginning_and_its_end():
    error = WeightsError("file.hdf5: layer 'a': " + "x" * 10**6 + ", expected (3,)")
    assert str(error).startswith("file.hdf5: layer 'a': x") and str(error).endswith("x, expected (3,)")
    assert len(str(error)) == LONGEST and "998,537 more characters" in str(error)
    assert str(WeightsError("y" * LONGEST)) == "y" * LONGEST
    assert str(NpmojiError()) == "" and WeightsError("a", 3).args == ("a", 3)


def test_an_empty_path():
    with pytest.raises(InputError, match="path: expected the path of a file, got an empty string"):
        npmoji.load("")


def test_flags_are_true_or_false():
    for name in ("mmap", "embed"):
        with pytest.raises(InputError, match=f"{name} 'no': expected True or False"):
            npmoji.load(**{name: "no"})
