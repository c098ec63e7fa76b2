"""Whose token ids texts get: the default for torchMoji's files, `compat` in every place it is taken, kept and
reported."""

import json
import shutil

import numpy as np
import pytest
from conftest import DATA, SHARED, needs_shared
from test_tokenizer import read
from test_torch_state import legacy, plain, torch_arrays

import npmoji
from npmoji import InputError, WeightsError, cli, formats
from npmoji.checks import golden
from npmoji.checks.compare import compare
from npmoji.checks.verify import verify
from npmoji.export.convert import convert
from npmoji.formats import npmoji_file, safetensors
from npmoji.text.tokenizer import tokenize
from npmoji.text.vocabulary import SPECIAL_WORDS

STRETCHED = "so tired!!!! Soooo"
STRETCHES = {"!!": 390, "!!!!": 391, "!!!": 392}


@pytest.fixture
def place(folder, toy_vocabulary, tmp_path):
    """A folder with the small model as Keras' weights and as torchMoji's `.bin`, and a vocabulary that has stretched
    words."""
    here = tmp_path / "here"
    shutil.copytree(folder, here)
    (here / "vocabulary.json").write_text(json.dumps(toy_vocabulary | STRETCHES))
    layers = formats.read(here / "weights.hdf5").layers
    (here / "pytorch_model.bin").write_bytes(legacy(*plain(torch_arrays(layers))))
    return here


@pytest.fixture
def torch_file(place):
    return str(place / "pytorch_model.bin")


def ids(model, text=STRETCHED):
    return model.tokenizer.ids(text)


# -- load --------------------------------------------------------------------------------------------------------------


def test_what_torchmojis_file_gets(torch_file, toy_vocabulary):
    """By default the original's ids, which its weights were trained with; torchMoji's own if asked for."""
    v = toy_vocabulary
    assert ids(npmoji.load(torch_file)) == [v["so"], v["tired"], 390, 1]
    assert npmoji.load(torch_file).tokenizer.compat == "deepmoji"
    theirs = npmoji.load(torch_file, compat="torchmoji")
    assert ids(theirs) == [v["so"], v["tired"], 391, 1]
    assert theirs.tokenizer.words(STRETCHED) == ["so", "tired", "!!!!", "soooo"]
    assert npmoji.load(torch_file).tokenizer.words(STRETCHED) == ["so", "tired", "!!", "soo"]


def test_the_model_computes_with_the_ids(place):
    for compat, number in {"deepmoji": 390, "torchmoji": 391, None: 390}.items():
        model = npmoji.load(place / "weights.hdf5", compat=compat)
        np.testing.assert_array_equal(model.predict(["!!!!"]), model.predict([[number] + [0] * 29]))


@pytest.mark.parametrize("compat", ["deepMoji", "", 3, ["torchmoji"]])
def test_no_such_compat(place, compat):
    with pytest.raises(InputError, match="compat is .*, expected one of 'deepmoji', 'torchmoji'"):
        npmoji.load(place / "weights.hdf5", compat=compat)


def test_an_ensembles_options(place, torch_file):
    both = npmoji.Ensemble([torch_file, place / "weights.hdf5"], compat="torchmoji")
    assert [model.tokenizer.compat for model in both.models] == ["torchmoji"] * 2


def test_a_model_of_ids_only(small):
    assert npmoji.load(small[0], compat="torchmoji").tokenizer is None


@needs_shared
@pytest.mark.parametrize("name", ["torchmoji_curated", "curated"])
def test_genuine_ids(name):
    """Loaded with the original's vocabulary, a genuine `.bin` gives the ids of the peer that was asked for."""
    path = SHARED / "goldens" / "models" / "torchmoji_state" / "plain_zip.bin"
    words = json.loads((SHARED / "data" / "vocabulary.json").read_bytes())
    rows = 400  # its embedding's
    known = {word: number for word, number in words.items() if number < rows}
    compat = "torchmoji" if name.startswith("torch") else None
    model = npmoji.load(path, vocabulary=known, compat=compat)
    for line in (SHARED / "goldens" / "tokenizer" / f"{name}.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        expected = [number if number < rows else 1 for number in record.get("ids", [])]
        assert ids(model, record["text"]) == expected, ascii(record["text"])


# -- converted files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".safetensors", ".hdf5"])
@pytest.mark.parametrize("precision", [None, "int8"])
def test_a_converted_file_keeps_it(place, torch_file, ending, precision):
    if (ending, precision) == (".hdf5", "int8"):
        pytest.skip("Keras files are of precision fp32")
    for compat in (None, "deepmoji", "torchmoji"):
        target = str(place / f"{compat}{ending}")
        convert(torch_file, target, precision=precision, compat=compat)
        model, kept = npmoji.load(target), compat or "deepmoji"
        assert model.tokenizer.compat == kept
        assert ids(model) == ids(npmoji.load(torch_file, compat=compat))
        assert model.references.get("compat", "deepmoji") == kept
        for asked in (None, "deepmoji", "torchmoji"):  # the references hold whatever is in use
            verdict = verify(npmoji.load(target, compat=asked))
            assert verdict.passed and any("token ids" in line for line in verdict.lines), verdict.lines
            other = f"of the {kept} tokenizer, not the {asked} one in use"
            assert any(other in line for line in verdict.lines) == (asked not in (None, kept))


def test_converted_twice(place, torch_file):
    first, second, third = (str(place / f"{n}.safetensors") for n in "abc")
    convert(torch_file, first, compat="torchmoji")
    convert(first, second)
    assert npmoji.load(second).tokenizer.compat == "torchmoji"
    convert(first, third, compat="deepmoji")
    model = npmoji.load(third)
    assert model.tokenizer.compat == "deepmoji" and model.references["compat"] == "torchmoji"
    assert verify(model).passed


def test_the_default_adds_nothing_to_a_file(place, torch_file):
    convert(torch_file, str(place / "a.safetensors"))
    convert(torch_file, str(place / "b.safetensors"), compat="deepmoji")
    assert (place / "a.safetensors").read_bytes() == (place / "b.safetensors").read_bytes()
    assert "compat" not in safetensors.read(str(place / "a.safetensors"))[1]


def test_ids_of_the_wrong_tokenizer_are_noticed(place, torch_file):
    """The check of the ids is one: with the references' own compat taken away it fails."""
    convert(torch_file, str(place / "a.safetensors"), compat="torchmoji")
    model = npmoji.load(str(place / "a.safetensors"))
    del model.references["compat"]
    assert not verify(model).passed


@pytest.mark.parametrize("compat", ["torchMoji", "\n"])
def test_damaged(place, torch_file, compat):
    target = str(place / "a.safetensors")
    convert(torch_file, target)
    file = formats.read(target)._replace(compat=compat)
    with open(place / "b.safetensors", "wb") as out:
        npmoji_file.write(out, file, None)
    with pytest.raises(WeightsError, match="b.safetensors: the tokenizer .*, expected one of deepmoji, torchmoji"):
        npmoji.load(place / "b.safetensors")
    model = npmoji.load(target)
    model.references["compat"] = compat
    with pytest.raises(WeightsError, match="reference results in the file are damaged: compat is"):
        verify(model)


# -- told --------------------------------------------------------------------------------------------------------------


def told(capsys, *arguments):
    assert cli.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_info(place, torch_file, capsys):
    def line(*arguments):
        found = told(capsys, "info", *arguments)
        return next(line for line in found.splitlines() if line.startswith("tokenizer"))

    plain_line = line("--weights", place / "weights.hdf5")
    assert "deepmoji: the original's" in plain_line and "--compat" not in plain_line
    why = line("--weights", torch_file)
    assert "deepmoji: the original's" in why and "trained with" in why and "--compat torchmoji" in why
    assert "torchmoji: that of torchMoji under Python 3" in line("--weights", torch_file, "--compat", "torchmoji")


def test_the_command_line(place, torch_file, capsys):
    """`--compat` reaches the texts, and what is converted."""
    arguments = ("score", "!!!!", "--format", "jsonl", "--weights")
    original = told(capsys, *arguments, torch_file)
    theirs = told(capsys, *arguments, torch_file, "--compat", "torchmoji")
    assert original != theirs
    target = place / "out.safetensors"
    told(capsys, "convert", torch_file, target, "--compat", "torchmoji")
    assert told(capsys, *arguments, target) == theirs
    assert told(capsys, *arguments, target, "--compat", "deepmoji") == original
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", "a", "--compat", "keras"])
    assert caught.value.code == 2


def test_golden(place, torch_file):
    """The manifest says it, and a comparison of two says where they differ in it."""
    texts = ["so good!!!!"]
    ours, theirs = (golden.collect(npmoji.load(torch_file, compat=c), texts) for c in (None, "torchmoji"))
    assert (ours.manifest["compat"], theirs.manifest["compat"]) == ("deepmoji", "torchmoji")
    assert theirs.manifest["texts"][0]["words"] == ["so", "good", "!!!!"]
    remark = "the candidate's texts were tokenized with compat 'torchmoji', the golden's with 'deepmoji'"
    assert remark in compare(ours, theirs).remarks
    assert not compare(ours, ours).remarks
    del ours.manifest["compat"]  # of an earlier npmoji
    assert remark in compare(ours, theirs).remarks


def test_golden_of_ids_only(small):
    assert golden.collect(npmoji.load(small[0]), np.array([[1, 2]])).manifest["compat"] is None


# -- what the peers' tests use of a tokenizer --------------------------------------------------------------------------

RAW = read(DATA / "tokenizer" / "raw.jsonl.gz")
SPECIAL = {"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1}


@pytest.mark.parametrize("compat", ["deepmoji", "torchmoji"])
def test_the_bare_pattern(compat):
    """What both peers' own `tokenize` gave."""
    records = [record for record in RAW if compat in record]
    assert len(records) > 1900
    wrong = [ascii(record) for record in records if tokenize(record["text"], compat) != record[compat]]
    assert not wrong, f"{len(wrong)} of {len(records)} texts, the first: {wrong[0]}"


def test_tokenize_prepares_nothing():
    tokenizer = npmoji.Tokenizer(SPECIAL)
    text = "SOOOO\\n @me 12 www.x.com"
    assert tokenizer.tokenize(text) == tokenize(text) == ["SOOOO", "\\", "n", "@me", "12", "www.x.com"]
    assert tokenizer.words(text) == ["soo", "CUSTOM_BREAK", "CUSTOM_AT", "CUSTOM_NUMBER", "ww.x.com"]
    assert tokenizer.tokenize(" \u180e\n") == []
    assert npmoji.Tokenizer(SPECIAL, compat="torchmoji").tokenize(" \u180e\n") == ["\u180e"]
    for text in (b"a", None, ["a"]):
        with pytest.raises(InputError, match="expected str"):
            tokenizer.tokenize(text)
    with pytest.raises(InputError, match="compat is 'x'"):
        tokenize("a", "x")


def test_to_sentence():
    tokenizer = npmoji.Tokenizer(SPECIAL | {"so": 1000, "!!": 65_535}, maxlen=5)
    assert tokenizer.to_sentence(tokenizer(["so so!!!!"])[0]) == "so so !!"
    assert tokenizer.to_sentence([0, 1000, 0, 1]) == "so CUSTOM_UNKNOWN"
    assert tokenizer.to_sentence([]) == tokenizer.to_sentence(np.zeros(5, np.uint16)) == ""
    with pytest.raises(InputError, match="position 2: the vocabulary has no word with id 7"):
        tokenizer.to_sentence([1, 1000, 7])
    with pytest.raises(InputError, match="no word with id -1"):
        tokenizer.to_sentence([-1])
    for row in ([[1, 1]], "so", None, [1.0], tokenizer(["so"])):
        with pytest.raises(InputError, match=r"expected the ids of one text, .* tokenizer\(texts\)\[row\]"):
            tokenizer.to_sentence(row)


def test_to_sentence_with_a_vocabulary_that_is_searched(tmp_path):
    """A large file is not parsed for `ids`, but is for this."""
    letters = str.maketrans("0123456789", "abcdefghij")
    words = {word: i for i, word in enumerate(SPECIAL_WORDS)}
    words |= {f"word{i}".translate(letters): i for i in range(10, 20_000)}
    path = tmp_path / "words.json"
    path.write_text(json.dumps(words))
    tokenizer = npmoji.Tokenizer(path)
    row = tokenizer(["wordbcd and wordbcdea"])[0]
    assert tokenizer._vocabulary._words is None, "the file was parsed"
    assert row[:3].tolist() == [123, 1, 12340]
    assert tokenizer.to_sentence(row) == "wordbcd CUSTOM_UNKNOWN wordbcdea"


def test_coverage():
    tokenizer = npmoji.Tokenizer(SPECIAL | {"so": 12}, maxlen=4)
    texts = ["so so x", "", "so so so so x x x"]
    assert tokenizer.coverage(texts) == tokenizer.coverage(tokenizer(texts)) == 1 - 1 / 7
    assert tokenizer.coverage(["x"]) == 0 and tokenizer.coverage(iter(["so"])) == 1
    for nothing in ([], [""], np.zeros((2, 3), int)):
        with pytest.raises(InputError, match="no tokens"):
            tokenizer.coverage(nothing)
    with pytest.raises(InputError, match="pass a list"):
        tokenizer.coverage("so")


def test_a_vocabulary_without_custom_unknown(place):
    """As in the original, unknown words get id 1 whatever the vocabulary says of it."""
    words = {"CUSTOM_MASK": 0, "aasdf": 300, "basdf": 399}
    (place / "vocabulary.json").write_text(json.dumps(words))
    for vocabulary in (words, place / "vocabulary.json"):
        tokenizer = npmoji.Tokenizer(vocabulary)
        assert tokenizer.ids("aasdf ccc basdf 7") == [300, 1, 399, 1]
        assert tokenizer.to_sentence(tokenizer(["aasdf basdf basdf"])[0]) == "aasdf basdf basdf"
        assert tokenizer.to_sentence([300, 1]) == "aasdf CUSTOM_UNKNOWN"
        assert tokenizer.coverage(["aasdf ccc"]) == 0.5
    model = npmoji.load(place / "weights.hdf5")
    np.testing.assert_array_equal(model.predict(["aasdf ccc"]), model.predict([[300, 1] + [0] * 28]))
    convert(str(place / "weights.hdf5"), str(place / "a.safetensors"))
    assert npmoji.load(place / "a.safetensors").tokenizer.vocabulary == words


def test_what_id_1_must_not_be():
    found = "word 'the' has id 1, which every unknown word gets, expected CUSTOM_UNKNOWN or no word to have it"
    with pytest.raises(npmoji.VocabularyError, match=found):
        npmoji.Tokenizer({"CUSTOM_MASK": 0, "the": 1})


def test_an_embedding_without_a_row_for_unknown_words(tmp_path, small):
    from test_bad_input import read_layers, write_layers

    layers = read_layers(small[0])
    layers["embedding"][0] = layers["embedding"][0][:1]
    path = write_layers(tmp_path / "one.hdf5", layers)
    with pytest.raises(npmoji.VocabularyError, match="'an unknown word' has id 1, but the embedding ends at 0"):
        npmoji.load(path, vocabulary={"CUSTOM_MASK": 0})
