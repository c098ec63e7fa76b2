"""Vocabularies extended by one's own words, as the original extends them."""

import numpy as np
import pytest
from test_learn_data import golden

import npmoji
from npmoji import InputError, VocabularyError
from npmoji.learn import words
from npmoji.text._emoji045 import PATTERN
from npmoji.text.vocabulary import SPECIAL_WORDS

SPECIAL = {word: number for number, word in enumerate(SPECIAL_WORDS)}
ARRAYS, CASE = golden("vocabulary")
CASES = {case["name"]: case for case in CASE["cases"]}


@pytest.mark.parametrize("name", CASES)
def test_counts_and_new_words_are_the_originals(name):
    case = CASES[name]
    counted = words.counts(case["train"])
    assert counted == case["counted"]
    assert list(counted)[: len(SPECIAL_WORDS)] == list(SPECIAL_WORDS)
    assert words.new_words(counted, case["vocabulary"], case["extend_with"]) == case["new_words"]


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"empty_vocabulary"}))
def test_ids_after_extension_are_the_originals(name):
    case = CASES[name]
    before = dict(case["vocabulary"])
    larger = words.extended(case["vocabulary"], case["train"], case["extend_with"])
    assert case["vocabulary"] == before and len(larger) - len(before) == case["added"]
    tokenizer = npmoji.Tokenizer(larger, case["maxlen"])
    for part in ("train", "val", "test"):
        assert np.array_equal(tokenizer(case[part]), ARRAYS[f"{name}.{part}"])


def test_an_empty_vocabulary_gets_the_special_words_at_their_own_ids():
    case = CASES["empty_vocabulary"]
    larger = words.extended({}, case["train"], case["extend_with"])
    ordinary = [word for word in case["new_words"] if word not in SPECIAL]
    assert larger == SPECIAL | {word: number for number, word in enumerate(ordinary, 10)}
    assert len(words.extended({}, case["train"], 3)) == 13 and words.extended({}, case["train"], 0) == {}


def test_the_embedding_grows_as_the_originals():
    loaded, result = ARRAYS["append.loaded"], ARRAYS["append.result"]
    added = len(result) - len(loaded)
    grown = words.appended(loaded, added, seed=4)
    assert grown.shape == result.shape and grown.dtype == np.float32
    assert np.array_equal(grown[: len(loaded)], result[: len(loaded)])
    assert np.array_equal(grown[len(loaded) :], npmoji.init.uniform(4, result.shape)[len(loaded) :])
    assert 0 < np.abs(grown[len(loaded) :]).max() <= np.float32(0.05)


def test_a_text_with_other_characters_counts_for_nothing():
    found = words.counts(["so café so", "so“ 😂", "a\U0001f602b", "\ud83d so", "x" * 31, "y" * 31 + " z"])
    assert {word: count for word, count in found.items() if count} == {
        "so": 1,
        '"': 1,
        "ab": 1,
        "xx": 1,
        "yy": 1,
        "z": 1,
    }


def test_words_longer_than_30_characters_are_not_counted():
    long = "ab" * 15
    assert words.counts([f"{long} {long}c"])[long] == 1 and f"{long}c" not in words.counts([f"{long}c"])


def test_capitals_of_normalisation_stay():
    assert words.counts(["brand™ TM"])["brandTM"] == 1


def test_torchmojis_tokens_are_counted_for_its_tokenizer():
    assert "sooo" in words.counts(["sooo"], compat="torchmoji") and "soo" in words.counts(["sooo"])


def test_emojis_are_those_of_the_original():
    import re

    found = [code for code in range(0x110000) if re.fullmatch(PATTERN, chr(code))]
    assert len(found) == 1087 and {0xA9, 0x2665, 0x1F602, 0x1F9C0} <= set(found)
    assert not {0x200D, 0x1F1E6, 0x1F992, 0xFE0F} & set(found)


def test_a_negative_limit_is_ten_thousand():
    texts = [" ".join(f"w{chr(97 + i // 676)}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}q" for i in range(10_400))]
    assert len(words.extended(SPECIAL, texts, -1)) == 10_010


def test_new_ids_come_after_the_largest():
    sparse = {"CUSTOM_MASK": 0, "love": 40}
    larger = words.extended(sparse, ["love zorb 7"])
    assert larger["zorb"] == 41 and larger["CUSTOM_NUMBER"] == 4
    assert words.extended(SPECIAL, ["zorb"], first=50)["zorb"] == 50
    taken = {"CUSTOM_MASK": 0, "love": 3}
    assert "CUSTOM_URL" not in words.extended(taken, ["zorb"])
    npmoji.Tokenizer(words.extended(taken, ["zorb"]))


@pytest.mark.parametrize("size, first, limit", [(65_534, 0, 2), (65_536, 0, 1), (20, 65_535, 2)])
def test_ids_do_not_wrap(size, first, limit):
    vocabulary = SPECIAL | {f"word{number}": number for number in range(10, size)}
    with pytest.raises(VocabularyError, match="at most 65,?535"):
        words.extended(vocabulary, ["zorb quib flim"], limit, first=first)


def test_the_last_ids_can_be_used():
    vocabulary = SPECIAL | {f"word{number}": number for number in range(10, 65_534)}
    larger = words.extended(vocabulary, ["zorb quib"], 1)
    assert larger["zorb"] == 65_534 and npmoji.Tokenizer(larger)(["zorb"])[0, 0] == 65_534


@pytest.mark.parametrize("limit", [1.5, "3", None])
def test_a_limit_is_a_number(limit):
    with pytest.raises(InputError, match="words to add: expected an integer"):
        words.extended(SPECIAL, ["a"], limit)


def test_only_texts_are_counted():
    with pytest.raises(InputError, match="row 1"):
        words.counts(["a", None])
    with pytest.raises(InputError, match="list of texts"):
        words.counts("one text")
