"""A large vocabulary file is searched instead of parsed: only if it is sound, and with the same answers."""

import json
import random

import pytest
from conftest import SHARED, needs_shared

from npmoji import VocabularyError
from npmoji.text import vocabulary as module
from npmoji.text.vocabulary import SPECIAL_WORDS, Vocabulary, plain_size

ODD = [
    '"',
    '":',
    ':")',
    ":)",
    "\\",
    '\\"',
    '\\\\"',
    "{",
    "}",
    ",",
    ": 5",
    "a b",
    "\n",
    "\t",
    "",
    "love",
    "lov",
    "love:",
]


def large(extra=()):
    """Some 20,000 words with the odd ones among them, ids in order."""
    words = [*SPECIAL_WORDS, *ODD, *extra, *(f"word{i}" for i in range(20_000))]
    return {word: i for i, word in enumerate(words)}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("style", [{"indent": 4}, {"indent": 1}, {}, {"separators": (",", ": ")}], ids=str)
def test_the_search_gives_what_parsing_gives(tmp_path, style):
    words = large()
    vocabulary = Vocabulary(write(tmp_path / "v.json", json.dumps(words, **style)))
    asked = [*ODD, "word19999", "word1", "word20000", "ord1", 'word1"', "\u00e9", "\ud800", *SPECIAL_WORDS]
    assert [vocabulary.id(word) for word in asked] == [words.get(word, 1) for word in asked]
    assert vocabulary._words is None and len(vocabulary) == len(words)
    assert vocabulary.largest()[1] == len(words) - 1
    assert [vocabulary.id(word) for word in asked * 3] == [words.get(word, 1) for word in asked * 3]
    assert vocabulary._words == words  # by now it was worth parsing


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace('"word7": ', '"word7":'),
        lambda t: t.replace('"word7": ', '"word7":  '),
        lambda t: t.replace('"word777": ', '"word777" : '),
        lambda t: t.replace('"word7777"', '"w\\u006frd7777"'),
        lambda t: t.replace('"word7777"', '"wörd7777"'),
        lambda t: t.replace('"CUSTOM_AT": 2', '"CUSTOM_AT": 3').replace('"CUSTOM_URL": 3', '"CUSTOM_URL": 2'),
        lambda t: t[:-1],
        lambda t: t + "]",
        lambda t: t[:-1] + ", }",
        lambda t: "[" + t[1:],
        lambda t: t.replace('"word55"', "'word55'"),
        lambda t: t.replace('"word55"', '"word\n55"'),
        lambda t: t.replace('"word55": 83', '"word55": 84').replace('"word56": 84', '"word56": 83'),
        lambda t: t.replace("}", ', "last": 70000}').replace('"}"', '"}"'),
        lambda t: t.replace('"word55"', '"word55\\q"'),
        lambda t: t.replace('"word19999"', '"word19999\x1f"'),
        lambda t: t.replace('"word55"', f'"{"long" * (module.BLOCK // 4)}"'),
    ],
)
def test_anything_unusual_is_parsed(change):
    text = change(json.dumps(large()))
    assert text != json.dumps(large())
    assert plain_size(text.encode()) == 0
    assert plain_size(json.dumps(large()).encode()) == len(large())


@pytest.mark.parametrize("block", [50, 64, 1000])
@pytest.mark.parametrize("size", [10, 11, 99, 100, 101, 999, 1000, 1001, 10_001])
def test_plain_words_are_counted_block_by_block(monkeypatch, block, size):
    monkeypatch.setattr(module, "BLOCK", block)
    words = [*SPECIAL_WORDS, *ODD, *map(str, range(size))][:size]
    for style in ({}, {"indent": 4}):
        content = json.dumps({word: i for i, word in enumerate(words)}, **style).encode()
        assert plain_size(content) == size
        assert plain_size(content[:-1]) == plain_size(content + b"}") == 0


def test_the_most_words_are_plain():
    words = [*SPECIAL_WORDS, *map(str, range(module.MOST_WORDS))]
    for size, wanted in ((module.MOST_WORDS, module.MOST_WORDS), (module.MOST_WORDS + 1, 0)):
        assert plain_size(json.dumps({word: i for i, word in enumerate(words[:size])}).encode()) == wanted


def test_flipped_bytes_never_change_an_answer(tmp_path):
    """Whatever byte changes, a file still taken for plain gives the answers that parsing gives."""
    content, rng = json.dumps(large()).encode(), random.Random(5)
    taken = 0
    for _ in range(300):
        at, byte = rng.randrange(len(content)), rng.choice(b'"\\:, 0123456789abc{}\n\x00\xe9')
        changed = content[:at] + bytes([byte]) + content[at + 1 :]
        if plain_size(changed):
            words, taken = json.loads(changed), taken + 1
            if len(words) == len(large()):  # else a word became another's twin
                vocabulary = Vocabulary(write(tmp_path / "v.json", changed.decode()))
                asked = rng.sample(list(words), 20)
                assert [vocabulary.id(word) for word in asked] == [words[word] for word in asked]
    assert taken > 30


def test_only_padding_must_be_there():
    assert Vocabulary({"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1, "a": 2}).id("a") == 2
    with pytest.raises(VocabularyError, match="CUSTOM_MASK is missing"):
        Vocabulary({"CUSTOM_UNKNOWN": 1, "a": 2})


@needs_shared
def test_the_originals_vocabulary_is_plain(monkeypatch):
    path = SHARED / "data" / "vocabulary.json"
    words = json.loads(path.read_bytes())
    monkeypatch.setattr(module, "SEARCHES", 10**9)
    vocabulary = Vocabulary(path)
    asked = [*random.Random(1).sample(list(words), 2000), '"', ':"(', "no such word"]
    assert [vocabulary.id(word) for word in asked] == [words.get(word, 1) for word in asked]
    assert vocabulary._words is None
