"""The original's benchmark files: read like Python 2 wrote them, and nothing in them is ever run."""

import pickle
import random
import struct

import numpy as np
import pytest
from conftest import DATA

from npmoji import InputError
from npmoji.learn import Dataset
from npmoji.learn.benchmark_files import read

FILES = sorted((DATA / "finetuning" / "benchmark_files").glob("*.pickle"))
TEXTS = ["plain", 'it\'s "quoted" \\ \\u0041 \t\n\x00', "café", "café \U0001f602 \\u0041", "", "x" * 300]
LABELS = {
    "numbers": [1, 0, True, -3, 2**33, False],
    "flags": [[True, False], [False, False], [True, False], [False, True], [True, False], [1, 0]],
    "names": ["good", "schlecht", "naïve", "naïve", "bad", "é"],
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_of_python_2(path):
    texts, labels, parts = read(str(path))
    assert texts == TEXTS and labels == LABELS[path.name.split("_")[0]]
    assert parts == [[4, 0, 2], [1], [5, 3]]
    data = Dataset.read(path)
    assert data.name == path.stem and data.part("train")[0] == ["", "plain", "café"]


def test_every_protocol_is_there():
    assert len(FILES) == 18 and {path.stem[-1] for path in FILES} == {"0", "1", "2"}


def some(**changes):
    found = {
        "texts": ["a", "é"],
        "info": [{"label": 0}, {"label": 1}],
        "train_ind": [1],
        "val_ind": [],
        "test_ind": [0],
    }
    return {**found, **changes}


@pytest.mark.parametrize("protocol", range(5))
def test_files_that_python_3_wrote_again(protocol, tmp_path):
    flags = [{"label": np.array([True, False])}, {"label": np.array([0, 1])}]
    for info, expected in [
        ([{"label": np.int64(5)}, {"label": np.float32(2)}], [5, 2]),
        (flags, [[True, False], [0, 1]]),
        ([{"label": np.array(5), "more": np.zeros((2, 2))}, {"label": 3}], [5, 3]),
        ([{"label": b"x"}, {"label": b""}], ["x", ""]),
    ]:
        path = tmp_path / "raw.pickle"
        path.write_bytes(pickle.dumps(some(info=info, train_ind=np.array([1])), protocol))
        texts, labels, parts = read(str(path))
        assert (texts, labels, parts) == (["a", "é"], expected, [[1], [], [0]])
    assert Dataset.read(path).name == tmp_path.name  # the original's files are all called raw


@pytest.mark.parametrize(
    "content, words",
    [
        ([1], "it holds list, expected a dict of texts, info"),
        ({"texts": []}, "it holds 'texts', expected a dict"),
        (some(texts="ab"), "'texts' is a str, expected a list"),
        (some(texts=["a"]), "it has 1 texts, but 2 entries in info"),
        (some(texts=["a", 1]), "text 1 is a int"),
        (some(texts=["a", b"\xff"]), "text 1 is not UTF-8"),
        (some(info=[{"label": 0}, {"kind": 1}]), "entry 1 of info has no 'label'"),
        (some(info=[{"label": 0}, [1]]), "entry 1 of info has no 'label'"),
        (some(info=[{"label": 0}, {"label": None}]), "the label of text 1 is a NoneType"),
        (some(info=[{"label": 0}, {"label": [[1]]}]), "the label of text 1 is a list"),
        (some(info=[{"label": 0}, {"label": 2**64}]), "the label of text 1 has more than 64 bits"),
        (some(info=[{"label": 0}, {"label": 0.5}]), "the label of text 1 is a float"),
        (some(info=[{"label": 0}, {"label": np.ones((1, 2))}]), r"'label' is an array of shape \(1, 2\)"),
        (some(info=[{"label": 0}, {"label": [1, 0]}]), "row 1: label"),
        (some(train_ind=[0, 1]), "row 0 is in train and in test"),
        (some(train_ind=[-1]), "row number -1"),
        (some(train_ind=np.zeros((2, 2), int)), r"'train_ind' is an array of shape \(2, 2\)"),
        (some(more=np.array([None])), "its pickle is damaged or holds other objects"),
        (some(more={1: 2}), "a name is a int"),
        (some(more=2**400), "a number of 51 bytes|where a number was expected|too long"),
        (some(more=OSError("x")), "its pickle asks for '(builtins|exceptions).OSError'"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2])
def test_files_that_hold_something_else(content, words, protocol, tmp_path):
    path = tmp_path / "file.pickle"
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(InputError, match=words) as found:
        Dataset.read(path)
    assert "\n" not in str(found.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no.pickle: cannot be read: No such file"):
        Dataset.read(tmp_path / "no.pickle")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="truncated"):
        Dataset.read(tmp_path / "empty")


# Files that mean harm ------------------------------------------------------------------------------------------------


def text(value):
    value = value.encode()
    return b"T" + struct.pack("<I", len(value)) + value


def file(texts, info):
    parts = b"".join(text(f"{name}_ind") + b"]" for name in ("train", "val", "test"))
    return b"}(" + text("texts") + texts + text("info") + info + parts + b"u."


ARRAY, DTYPE = b"cnumpy.core.multiarray\n_reconstruct\n(NNNtR", b"cnumpy\ndtype\n(U\2i8NNtR"
LABEL = b"}" + text("label") + b"K\1s"
HARMFUL = {
    "a call": b"cos\nmkdir\n(CANARYtR.",
    "a call of a class": b"(CANARYios\nmkdir\n.",
    "an object": b"(cos\nmkdir\nCANARYo.",
    "a new object": b"cos\nmkdir\n(CANARYt\x81.",
    "a name on the stack": text("os") + text("mkdir") + b"\x93(CANARYtR.",
    "NumPy's other functions": b"cnumpy\nload\n(CANARYtR.",
    "an extension": b"\x82\1(CANARYtR.",
    "a reference outside": b"Pcanary\n.",
    "an attribute": ARRAY + b"}" + text("x") + b"Nsb.",
    "arguments that do not fit": b"cnumpy\ndtype\n)R.",
    "a dtype of objects": b"cnumpy\ndtype\n(U\1ONNtR.",
    "a scalar of no dtype": b"cnumpy.core.multiarray\nscalar\n(NU\0tR.",
    "an array without a content": b"}(" + text("texts") + ARRAY + b"u.",
    "an array too large": ARRAY + b"(K\1(J\xff\xff\xff\0J\xff\xff\xff\0t" + DTYPE + b"NU\0tb.",
    "a tuple doubled as a key": b"}N" + b"2\x86" * 64 + b"K\1s.",
    "a tuple doubled as a text": file(b"](N" + b"2\x86" * 64 + b"e", b"](" + LABEL + b"e"),
    "a deep tuple as a key": b"}N" + b"\x85" * 300_000 + b"K\1s.",
    "deep lists": b"]" * 300_000 + b"a" * 299_999 + b".",
    "a list in itself": file(b"]2a", b"](" + LABEL + b"e"),
    "one label often": file(
        b"](" + b"U\0" * 9_000 + b"e",
        b"](}" + text("label") + b"](" + b"K\1" * 9_000 + b"esq\1" + b"h\1" * 8_999 + b"e",
    ),
    "one text often": file(
        b"](" + text("x" * 2**19) + b"q\1" + b"h\1" * 500 + b"e",
        b"](" + LABEL + b"q\2" + b"h\2" * 500 + b"e",
    ),
    "a long line": b"V" * (1 << 21),
    "a long number": b"I" + b"9" * 5000 + b"\n.",
    "a text without quotes": b"Sabc\n.",
    "an escape": b"S'\\q'\n.",
    "half an escape": b"V\\u12\n.",
    "marks": b"(" * 10_000 + b".",
    "nothing": b".",
    "no code points": b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\2U1NNtRU\4\xff\xff\xff\xfftR.",
}


@pytest.mark.parametrize("name", HARMFUL)
def test_nothing_is_run_and_one_error_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.pickle").write_bytes(HARMFUL[name].replace(b"CANARY", text("canary")))
    with pytest.raises(InputError, match=r"^file\.pickle: cannot be read as a benchmark: ") as found:
        Dataset.read("file.pickle")
    assert "\n" not in str(found.value) and not (tmp_path / "canary").exists()


def test_pythons_own_machine_would_have_run_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(HARMFUL["a call"].replace(b"CANARY", b"X\6\0\0\0canary"))
    assert (tmp_path / "canary").exists()


def test_a_file_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("npmoji.learn.benchmark_files.DataUnpickler.most_steps", 1000)
    (tmp_path / "file.pickle").write_bytes(b"]" * 1001 + b".")
    with pytest.raises(InputError, match="more than 1000 steps"):
        Dataset.read(tmp_path / "file.pickle")
    monkeypatch.setattr("npmoji.learn.benchmark_files.LARGEST_FILE", 1000)
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        Dataset.read(tmp_path / "file.pickle")


@pytest.mark.parametrize("name", ["flags_pickle_0", "names_cpickle_2"])
def test_truncated_at_every_byte(name, tmp_path):
    content = next(path for path in FILES if path.stem == name).read_bytes()
    path = str(tmp_path / "file.pickle")
    for size in range(len(content)):
        with open(path, "wb") as out:
            out.write(content[:size])
        with pytest.raises(InputError, match="cut off"):
            read(path)


def test_damaged_at_random(tmp_path):
    rng, path, refused = random.Random(0), tmp_path / "file.pickle", 0
    contents = [source.read_bytes() for source in FILES]
    for _ in range(3000):
        content = bytearray(rng.choice(contents))
        for _ in range(rng.choice((1, 2, 5))):
            at = rng.randrange(len(content))
            if rng.random() < 0.7:
                content[at] = rng.choice((rng.randrange(256), *b"(lpdtg0.21IRbcSVgeu"))
            else:
                content[at : at + rng.randrange(9)] = content[rng.randrange(len(content)) :][: rng.randrange(30)]
        path.write_bytes(content)
        try:
            read(str(path))
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{path}: cannot be read")
    assert 1000 < refused < 3000
