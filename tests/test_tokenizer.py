"""The tokenizer gives the words and ids of the original, refuses what is no text or vocabulary, and scales."""

import gzip
import json
import pickle
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import DATA, ROOT, SHARED, needs_shared

from npmoji import InputError, NpmojiError, Tokenizer, VocabularyError
from npmoji.text import steps
from npmoji.text.tokenizer import _WordTable
from npmoji.text.vocabulary import SPECIAL_WORDS

SPECIAL = {word: number for number, word in enumerate(SPECIAL_WORDS)}


def read(path):
    """The records of a golden file."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


GOLDENS = {name: read(DATA / "tokenizer" / f"{name}.jsonl.gz") for name in ("curated", "fuzz", "torchmoji_curated")}
#: what the goldens tell of the original's vocabulary
KNOWN = SPECIAL | {
    word: number
    for records in GOLDENS.values()
    for record in records
    for word, number in zip(record.get("words", []), record.get("ids", []), strict=False)
    if number != SPECIAL["CUSTOM_UNKNOWN"]
}


def compat_of(name):
    return "torchmoji" if name.startswith("torchmoji") else "deepmoji"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(KNOWN)


# Goldens: the original's outputs, and torchMoji's ---------------------------------------------------------------------


def check(records, tokenizer):
    """Words, ids and rows of all records; where the original raises for want of words, there are none."""
    wrong = [ascii(record) for record in records if tokenizer.words(record["text"]) != record.get("words", [])]
    assert not wrong, f"{len(wrong)} of {len(records)} texts have other words, the first: {wrong[0]}"
    if not any("ids" in record for record in records):
        return
    expected = [record.get("ids", []) for record in records]
    assert [tokenizer.ids(record["text"]) for record in records] == expected
    rows = [ids + [0] * (30 - len(ids)) for ids in expected]
    np.testing.assert_array_equal(tokenizer([record["text"] for record in records]), rows)


@pytest.mark.parametrize("name", GOLDENS)
def test_goldens(name):
    check(GOLDENS[name], Tokenizer(KNOWN, compat=compat_of(name)))


def test_goldens_hold_texts_without_words():
    assert {record["text"] for record in GOLDENS["curated"] if "error" in record} >= {"", " ", "\ufe0f"}


@needs_shared
@pytest.mark.parametrize("name", ["curated", "fuzz", "torchmoji_curated", "torchmoji_fuzz"])
def test_goldens_with_the_vocabulary_file(name):
    tokenizer = Tokenizer(SHARED / "data" / "vocabulary.json", compat=compat_of(name))
    check(read(SHARED / "goldens" / "tokenizer" / f"{name}.jsonl"), tokenizer)


@needs_shared
def test_every_kind_of_code_point(tokenizer):
    check(read(SHARED / "goldens" / "tokenizer" / "codepoints.jsonl.gz"), tokenizer)


@needs_shared
def test_benchmark_ids():
    tokenizer = Tokenizer(SHARED / "data" / "vocabulary.json")
    for name, ids in np.load(SHARED / "goldens" / "tokenizer" / "benchmark_ids.npz").items():
        texts = [record["text"] for record in read(SHARED / "data" / "benchmarks" / f"{name}.jsonl.gz")]
        np.testing.assert_array_equal(tokenizer(texts), ids, err_msg=name)


@needs_shared
def test_unicode_tables_are_generated():
    command = [sys.executable, ROOT / "tools" / "make_unicode_tables.py", SHARED / "spec" / "tokenizer_tables.json"]
    made = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert made == (ROOT / "npmoji" / "text" / "_unicode52.py").read_bytes()


# Shortcuts against the plain rules ------------------------------------------------------------------------------------

SYMBOLS = "!\"$%&'()*+,-./:;<=>?[\\]^_`{|}~"
#: for ASCII, the token pattern with nothing taken out or drawn together
PLAIN_PATTERN = re.compile(
    "|".join(
        [
            r"(?:https?://|www\.)(?:[$-_]|[a-z]|!)+",
            r"\b[a-z0-9_.+-]+@[a-z0-9-]+\.[a-z0-9.-]+\b",
            r"[a-z]+[-_][a-z]+",
            r"#[a-z0-9_]+",
            r"@[a-z0-9_]+",
            r"(?:<+/?3+)+",
            *map(re.escape, ["-_-", "x_x", "^_^", "o.o", "o_o", "(:", "):", ");", "(;"]),
            *(
                re.escape(start + middle + end) + "+"
                for start in (">:", ":", "=", ";")
                for middle in ("", "-", ",", "^", "'", '"')
                for end in "dpvo)(3/|\\"
            ),
            r"[a-z]+'[a-z]+",
            r"mr\.|ms\.|mrs\.|dr\.|prof\.",
            r"\b(?<!\.)(?:[a-z]\.){2,}",
            r"[0-9]+",
            r"[a-z]+",
            *(re.escape(symbol) + "+" for symbol in SYMBOLS),
            r"#+(?=#[a-z0-9_]+)|@+(?=@[a-z0-9_]+)|#+|@+",
            r"\S",
        ]
    ),
    re.IGNORECASE,
)


def plain_shorten(token):
    for run in re.finditer(r"(.)\1{2,}", token):
        token = token.replace(run[0], run[1] * 2)
    return token


def plain_words(text):
    """The words of an ASCII text without line breaks, by the rules as they are written down."""
    tokens = [plain_shorten(token) for token in PLAIN_PATTERN.findall(text.strip().lower())]
    return [
        "CUSTOM_NUMBER"
        if re.fullmatch("[0-9]+", token)
        else "CUSTOM_AT"
        if re.search("@[a-z0-9_]", token)
        else "CUSTOM_URL"
        if re.search(r"(?:https?://|www\.)[$-_a-z!]", token)
        else token
        for token in tokens
    ]


PARTS = [
    "@.-+_a1b",
    "x_o.O-:;=()<>3/|dpvDP'\"^,",
    "<3/ ",
    "ab#@_1! ",
    "a.b@c-",
    ["http://", "https://", "www.", "a", "@", ".", "/", "b", "!", '"', "}", " "],
    ["a", "b", "aaa", "aaaa", "bbb", "bbbbb", "!", "!!!!", "aaaaaaa", "...", ":)))", "'"],
    ["mr.", "Mrs.", "dr.", "prof.", "a.", "b", ".", "U.S.", " "],
]


def random_texts(count, longest, seed=0):
    draw = random.Random(seed)
    return ["".join(draw.choices(draw.choice(PARTS), k=draw.randint(1, longest))) for _ in range(count)]


def test_plain_rules(tokenizer):
    for text in random_texts(5_000, 60):
        assert tokenizer.words(text) == plain_words(text), text


def test_plain_rules_on_long_words(tokenizer):
    for text in random_texts(100, 3000, seed=1):
        assert tokenizer.words(text) == plain_words(text), text


@pytest.mark.parametrize(
    ("token", "shortened"),
    [("aaabbbaaaa", "aabbaaa"), ("aaabaaaaaa", "aabaaaa"), ("aaaabaaa", "aabaa"), ("aabaab", "aabaab")],
)
def test_shortening(tokenizer, token, shortened):
    assert tokenizer.words(token) == [shortened]


def test_surrogates(tokenizer):
    """The original's emoji pattern takes pairs of these code points as one token; no JSON can hold such a pair."""
    words = ["\ud83c\udf00", "\ud83d\udc00", "\ud83d\ude80", "\ud83d", "\ude50", "\ud83c"]
    assert tokenizer.words("".join(words)) == words


def test_shortening_of_many_runs(tokenizer):
    draw = random.Random(1)
    for _ in range(300):
        token = "".join(draw.choice("abc") * draw.randint(1, draw.choice((4, 40))) for _ in range(draw.randint(1, 60)))
        assert tokenizer.words(token) == [plain_shorten(token)]


# Long texts: with anything quadratic these take minutes ---------------------------------------------------------------

MANY = 50_000


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * MANY, 1),
        ("<" * MANY, 1),
        ("#" * MANY + "a", 2),
        ("1" * MANY, 1),
        ("1." * MANY, 2 * MANY),
        ("_-" * MANY, MANY),
        ("<3" * MANY, 1),
        ("a." * MANY, 1),
        (":d" * MANY, MANY),
        ("a@" * MANY, MANY + 1),
        ("a@b.c," * MANY, 2 * MANY),
        ("1." * MANY + "@x.y", 1),
        ("x@" + "1." * MANY, 2),
        ("_." * MANY + "@", 2 * MANY + 1),
        ("aaab" * MANY, 1),
        ("a'" * MANY, MANY),
        ("www." * MANY, 1),
        ("é" * MANY, MANY),
        ("\U0001f600" * MANY, MANY),
        ("ab " * MANY, MANY),
        ("a" + "\n" * MANY + "b", MANY + 2),
    ],
    ids=lambda value: ascii(value[:6]) if isinstance(value, str) else None,
)
def test_long_texts(tokenizer, text, count):
    words = tokenizer.words(text)
    assert len(words) == count
    assert tokenizer.ids(text) == [tokenizer.vocabulary.get(word, 1) for word in words[:30]]


@pytest.mark.parametrize("repeats", [999, 1000, 1001, 2000, 2001, 5000])
def test_repeated_groups_stay_one_token(tokenizer, repeats):
    assert len(tokenizer.words("<3" * repeats + "<")) == 2
    assert tokenizer.words("a." * repeats + "a") == ["a." * repeats, "a"]


# Ids, rows, and the table of words ------------------------------------------------------------------------------------


def test_rows():
    tokenizer = Tokenizer(SPECIAL | {"i": 10, "love": 11, "!!": 12}, maxlen=4)
    rows = tokenizer(["I love you", "", "i i i i i i", "love!!!! 7"])
    assert rows.dtype == np.uint16
    assert rows.tolist() == [[10, 11, 1, 0], [0, 0, 0, 0], [10, 10, 10, 10], [11, 12, 4, 0]]


def test_no_texts():
    rows = Tokenizer(SPECIAL, maxlen=7)([])
    assert (rows.shape, rows.dtype) == ((0, 7), np.uint16)


def test_any_iterable_of_texts(tokenizer):
    texts = ["I love you", "so good!!"]
    expected = tokenizer(texts).tolist()
    for several in (tuple(texts), iter(texts), np.array(texts), np.array(texts, object), dict.fromkeys(texts).keys()):
        assert tokenizer(several).tolist() == expected


@pytest.mark.parametrize("maxlen", [1, 2, 5, 300])
def test_maxlen_cuts(maxlen, tokenizer):
    short = Tokenizer(KNOWN, maxlen=maxlen)
    assert short([]).shape == (0, maxlen)
    for record in GOLDENS["curated"]:
        words = tokenizer.words(record["text"])[:maxlen]
        assert short.ids(record["text"]) == [KNOWN.get(word, 1) for word in words]


def test_mask_inside_a_row(tokenizer):
    assert tokenizer.ids("i \U0001d402\U0001d414\U0001d412\U0001d413\U0001d40e\U0001d40c_MASK love")[1] == 1
    bold = "".join(chr(0x1D400 + ord(letter) - ord("A")) if letter.isalpha() else letter for letter in "CUSTOM_MASK")
    assert tokenizer.ids(f"i {bold} love") == [KNOWN["i"], 0, KNOWN["love"]]


def test_table_is_bounded_and_exact(monkeypatch):
    monkeypatch.setattr(_WordTable, "CAPACITY", 10)
    tokenizer = Tokenizer(KNOWN)
    for record in GOLDENS["fuzz"][:500]:
        assert tokenizer.ids(record["text"]) == record.get("ids", [])
        assert len(tokenizer._table) <= 10


def test_table_holds_no_long_words(tokenizer):
    long_words = ["a" * 65, "\ufdfa" * 10]  # the second becomes far longer than it is
    tokenizer(long_words)
    assert not set(long_words) & set(tokenizer._table)
    tokenizer(["shortish"])
    assert "shortish" in tokenizer._table


def test_threads_share_a_tokenizer(monkeypatch):
    monkeypatch.setattr(_WordTable, "CAPACITY", 100)
    texts = [record["text"] for record in GOLDENS["fuzz"][:400]]
    expected = Tokenizer(KNOWN)(texts)
    shared = Tokenizer(KNOWN)
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(shared, [texts] * 8):
            np.testing.assert_array_equal(rows, expected)


def test_pickle(tokenizer):
    texts = [record["text"] for record in GOLDENS["curated"]]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tokenizer))(texts), tokenizer(texts))


def test_the_pattern_for_ascii_gives_the_same_tokens():
    general, quick = re.compile(steps._TOKEN), re.compile(steps._ASCII_TOKEN)
    assert len(quick.pattern) < len(general.pattern)
    rng = random.Random(3)
    printable = [chr(code) for code in range(33, 127)]
    for _ in range(20_000):
        word = "".join(rng.choices([*printable, *"aZ-_#@.'<3"], k=rng.randint(1, 6)))
        assert [found.span() for found in quick.finditer(word)] == [found.span() for found in general.finditer(word)]


def test_ascii_text_loads_no_unicode_tables():
    code = (
        f"import sys; from npmoji import Tokenizer; tokenizer = Tokenizer({SPECIAL})\n"
        "before = tokenizer.words('hello, @you!'), 'npmoji.text._unicode52' in sys.modules\n"
        "print(before, tokenizer.words('\\u00e9'), 'npmoji.text._unicode52' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert ascii(out.strip()) == ascii("(['hello', ',', 'CUSTOM_AT', '!'], False) ['é'] True")


def test_attributes(tokenizer):
    assert (tokenizer.vocabulary, tokenizer.maxlen, tokenizer.compat) == (KNOWN, 30, "deepmoji")
    assert repr(tokenizer) == f"Tokenizer({len(KNOWN)} words, maxlen=30, compat='deepmoji')"


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", "b", "c", b"d"], "row 3 is bytes, expected a string: decode the bytes first"),
        (["a", None], "missing value at row 1 (None), expected a string"),
        ([1.5], "row 0 is float, expected a string"),
        (iter([["a"]]), "row 0 is list, expected a string"),
        ("one text", "pass a list"),
        (b"one text", "pass a list"),
        (None, "expected a list of texts, got NoneType"),
        (7, "expected a list of texts, got int"),
    ],
)
def test_not_texts(tokenizer, texts, message):
    with pytest.raises(InputError, match=re.escape(message)):
        tokenizer(texts)


@pytest.mark.parametrize("text", [b"a", None, 3, ["a"]])
def test_not_a_text(tokenizer, text):
    for method in (tokenizer.words, tokenizer.ids):
        with pytest.raises(InputError, match=f"expected str, got {type(text).__name__}"):
            method(text)


def test_errors_of_the_callers_iterator_pass(tokenizer):
    def broken():
        yield "a"
        raise TypeError("from the generator")

    with pytest.raises(TypeError, match="from the generator"):
        tokenizer(broken())


@pytest.mark.parametrize("maxlen", [0, -1, 2.0, "30", None, True, 10**20])
def test_bad_maxlen(maxlen):
    with pytest.raises(InputError, match="maxlen is .*, expected an int of at least 1"):
        Tokenizer(SPECIAL, maxlen=maxlen)


@pytest.mark.parametrize("compat", ["deepMoji", "", None, ["deepmoji"]])
def test_bad_compat(compat):
    with pytest.raises(ValueError, match="compat is .*, expected one of 'deepmoji', 'torchmoji'"):
        Tokenizer(SPECIAL, compat=compat)


BAD_VOCABULARIES = [
    (SPECIAL | {"a": -1}, "word 'a' has id -1"),
    (SPECIAL | {"a": True}, "word 'a' has id True"),
    (SPECIAL | {"a": 10.0}, "word 'a' has id 10.0"),
    (SPECIAL | {"a": "10"}, "word 'a' has id '10'"),
    (SPECIAL | {"a": None}, "word 'a' has id None"),
    (SPECIAL | {"a": 65_536}, "word 'a' has id 65536"),
    (SPECIAL | {"a": 10, "b": 10}, "words 'a' and 'b' share id 10"),
    (SPECIAL | {"a": 9}, "words 'CUSTOM_BLANK_9' and 'a' share id 9"),
    ({}, "special word CUSTOM_MASK is missing"),
    (SPECIAL | {"CUSTOM_AT": 3, "CUSTOM_URL": 2}, "special word CUSTOM_AT has id 3, expected id 2"),
    (SPECIAL | {f"word{number}": number for number in range(10, 65_536)}, "65536 words, expected at most 65535"),
]


@pytest.mark.parametrize(("vocabulary", "message"), BAD_VOCABULARIES, ids=[message for _, message in BAD_VOCABULARIES])
def test_bad_vocabulary(tmp_path, vocabulary, message):
    with pytest.raises(VocabularyError, match=re.escape(message)):
        Tokenizer(vocabulary)
    path = tmp_path / "words.json"
    path.write_text(json.dumps(vocabulary))
    with pytest.raises(VocabularyError, match=re.escape(f"{path}: ")) as caught:
        Tokenizer(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"{", "is not JSON"),
        (b"nonsense", "is not JSON"),
        (b'{"a": 1}{', "is not JSON"),
        (b'{"caf\xe9": 10}', "is not JSON"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "words.json: "),
        (b"[" * 200_000, "is not JSON"),
        (b'{"a":' * 200_000, "is not JSON"),
        (b"[]", "found list"),
        (b"7", "found int"),
        (b"null", "found NoneType"),
        (b'"words"', "found str"),
        (b'{"a": {"b": 1}}', "word 'a' has id {'b': 1}"),
        (b'{"a": NaN}', "word 'a' has id nan"),
    ],
)
def test_bad_vocabulary_file(tmp_path, content, message):
    path = tmp_path / "words.json"
    path.write_bytes(content)
    with pytest.raises(VocabularyError, match=re.escape(message)) as caught:
        Tokenizer(path)
    assert str(path) in str(caught.value)


def test_no_vocabulary_file(tmp_path):
    with pytest.raises(VocabularyError, match="nowhere.json: no such vocabulary file"):
        Tokenizer(tmp_path / "nowhere.json")
    with pytest.raises(VocabularyError, match=re.escape(str(tmp_path))):
        Tokenizer(str(tmp_path))
    with pytest.raises(VocabularyError, match="null"):
        Tokenizer("words\0.json")


@pytest.mark.parametrize("vocabulary", [None, 3, [("a", 1)]])
def test_neither_path_nor_dict(vocabulary):
    with pytest.raises(VocabularyError, match=f"expected a path or a dict .* got {type(vocabulary).__name__}"):
        Tokenizer(vocabulary)


def test_keys_of_a_dict():
    with pytest.raises(VocabularyError, match="word 10: expected str, got int"):
        Tokenizer(SPECIAL | {10: 10})


def test_vocabulary_errors_are_value_errors_as_in_the_original():
    with pytest.raises(ValueError, match="missing") as caught:
        Tokenizer({})
    assert isinstance(caught.value, NpmojiError)


def test_largest_vocabulary():
    vocabulary = SPECIAL | {f"word{number}": number for number in range(10, 65_535)}
    assert Tokenizer(vocabulary).ids("word") == [1]
    assert Tokenizer(SPECIAL | {"word": 65_535})(["word"])[0, 0] == 65_535


def test_the_vocabulary_given_may_change_later():
    vocabulary = SPECIAL | {"a": 10}
    tokenizer = Tokenizer(vocabulary)
    vocabulary["b"] = 11
    assert tokenizer.ids("a b") == [10, 1]
