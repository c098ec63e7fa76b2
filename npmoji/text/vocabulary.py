"""Vocabularies: JSON files {word: id}, read, checked, and searched without being parsed as long as that is faster.

Parsing 50,000 words takes 20 ms and 6 MB, more than everything else one text needs. So a large file in the usual form
is only scanned, with NumPy, to check that it is valid; the first words are then searched for in its bytes. Weights
files that include their vocabulary store it as one text (`WordText`), which is searched in the same way.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from ..errors import InputError, VocabularyError

SPECIAL_WORDS = (
    "CUSTOM_MASK", "CUSTOM_UNKNOWN", "CUSTOM_AT", "CUSTOM_URL", "CUSTOM_NUMBER", "CUSTOM_BREAK",
    "CUSTOM_BLANK_6", "CUSTOM_BLANK_7", "CUSTOM_BLANK_8", "CUSTOM_BLANK_9",
)  # fmt: skip
UNKNOWN = SPECIAL_WORDS.index("CUSTOM_UNKNOWN")
LARGEST_ID = 0xFFFF  # uint16
MOST_WORDS = 65_535  # the original refuses more
SCAN_FROM = 1 << 18  # bytes; smaller files are parsed at once
BLOCK = 1 << 15  # bytes scanned at once: little enough for malloc to use the same memory again
SEARCHES = 64  # words searched for one by one before the file is parsed after all


class WordText(NamedTuple):
    """A vocabulary as one text, for `Vocabulary`: the words in the order of their ids from 0, with a space before and
    after each; or, if they cannot be written like that, JSON as in a vocabulary.json.

    Attributes:
        name: what to call it in messages.
    """

    text: str
    name: str = "the vocabulary"

    @classmethod
    def of(cls, words: dict[str, int]) -> WordText:
        """The text for these words and ids."""
        text = f" {' '.join(words)} "
        ordered = (
            list(words.values()) == list(range(len(words))) and tuple(words)[: len(SPECIAL_WORDS)] == SPECIAL_WORDS
        )
        sound = (
            "" not in words
            and text.count(" ") == len(words) + 1
            and not any("\ud800" <= c <= "\udfff" or c == "\0" for c in text)  # nor could HDF5 hold a NUL
        )
        if ordered and sound:
            return cls(text)
        import json

        return cls(json.dumps(words))


class Vocabulary:
    """Word -> id.

    Args:
        source: the path of a JSON file, a dict, or a `WordText`.

    Raises:
        VocabularyError: the file is missing or not a JSON object; an id is not an integer from 0 to 65535, or is
            shared; there are more than 65,535 words; CUSTOM_MASK (padding, 0) is missing; a special word has the wrong
            id, or another word has id 1.

    Unknown words get id 1, as in the original, whether or not the vocabulary has CUSTOM_UNKNOWN.
    """

    def __init__(self, source: str | os.PathLike | dict[str, int] | WordText):
        self._words: dict[str, int] | None = None
        self._by_id: dict[int, str] | None = None
        self._content, self._searches = b"", 0
        self._spaces: np.ndarray | None = None  # positions in the content of a `WordText`
        if isinstance(source, dict):
            self._words = checked(dict(source), "the vocabulary given")
        elif isinstance(source, WordText):
            self._name, self._content = source.name, source.text.encode("utf-8", "surrogatepass")
            self._size = self._words_between() if source.text.startswith(" ") else 0
            if not self._size:
                self.words  # noqa: B018
        elif isinstance(source, (str, bytes, os.PathLike)):
            self._name = path_of(source)
            self._content = read(self._name)
            self._size = plain_size(self._content) if len(self._content) >= SCAN_FROM else 0
            if not self._size:
                self.words  # noqa: B018  (parses and checks)
        else:
            raise VocabularyError(f"expected a path or a dict as vocabulary, got {type(source).__name__}")

    @property
    def words(self) -> dict[str, int]:
        """The whole vocabulary, parsed when first needed."""
        # Taken before `_words` is looked at: another thread that is parsing too sets `_words`, then drops them.
        content, spaces = self._content, self._spaces
        if self._words is None:
            vocabulary = parsed(content, self._name) if spaces is None else self._split(content)
            self._words = checked(vocabulary, str(self._name))
            self._content, self._spaces = b"", None
        return self._words

    def _split(self, content: bytes) -> dict[str, int]:
        words = content.decode("utf-8", "surrogatepass")[1:-1].split(" ")
        vocabulary = dict(zip(words, range(len(words))))
        if len(vocabulary) != len(words):
            raise VocabularyError(f"{self._name}: {len(words)} words, but only {len(vocabulary)} different ones")
        return vocabulary

    def _words_between(self) -> int:
        """Check the text and return the number of words between spaces; keeps the positions of the spaces."""
        self._spaces = np.flatnonzero(np.frombuffer(self._content, np.uint8) == ord(" "))
        size = len(self._spaces) - 1
        fits = self._content.endswith(b" ") and len(SPECIAL_WORDS) <= size <= MOST_WORDS
        if not fits or (np.diff(self._spaces) == 1).any():
            expected = f"{len(SPECIAL_WORDS)} to {MOST_WORDS} words with a space before and after each"
            raise VocabularyError(f"{self._name}: damaged, expected {expected}")
        if not self._content.startswith(f" {' '.join(SPECIAL_WORDS)} ".encode("ascii")):
            raise VocabularyError(f"{self._name}: damaged, expected the special words {', '.join(SPECIAL_WORDS)} first")
        return size

    def id(self, word: str) -> int:
        """The word's id, 1 if it is unknown."""
        content, spaces = self._content, self._spaces  # as above
        if self._words is None and self._searches < SEARCHES:
            self._searches += 1
            return search(content, word) if spaces is None else search_text(content, spaces, word)
        return self.words.get(word, UNKNOWN)

    def __len__(self) -> int:
        return self._size if self._words is None else len(self._words)

    def word(self, number: int) -> str | None:
        """The word with that id, CUSTOM_UNKNOWN for 1; None if there is none."""
        if self._by_id is None:
            self._by_id = {UNKNOWN: SPECIAL_WORDS[UNKNOWN]} | {own: word for word, own in self.words.items()}
        return self._by_id.get(number)

    def largest(self) -> tuple[str, int]:
        """The word with the largest id that can occur in a text's ids, and the id."""
        if self._words is None:
            return "the last word", self._size - 1
        word, last = max(self._words.items(), key=lambda item: item[1])
        return (word, last) if last >= UNKNOWN else ("an unknown word", UNKNOWN)


def search(content: bytes, word: str) -> int:
    """The word's id in JSON: the quoted word, a colon and digits. An opening quote never follows a backslash."""
    key = quoted(word).encode("ascii") + b": "
    at = content.find(key)
    while at > 0 and content[at - 1] == ord("\\"):
        at = content.find(key, at + 1)
    if at < 0:
        return UNKNOWN
    digits = content[at + len(key) : at + len(key) + len(str(LARGEST_ID))]
    return int(digits[: len(digits) - len(digits.lstrip(b"0123456789"))])


def quoted(word: str) -> str:
    """The word in JSON."""
    if word.isascii() and word.isprintable() and '"' not in word and "\\" not in word:
        return f'"{word}"'
    import json  # seldom needed, and takes a while

    return json.dumps(word)


def search_text(content: bytes, spaces: np.ndarray, word: str) -> int:
    """The word's id in a `WordText`: how many spaces come before the one in front of the word."""
    at = content.find(f" {word} ".encode("utf-8", "surrogatepass")) if word and " " not in word else -1
    return int(np.searchsorted(spaces, at)) if at >= 0 else UNKNOWN


def path_of(source: str | bytes | os.PathLike) -> str:
    """The path of a vocabulary file, as `paths.local` understands it."""
    if isinstance(source, str) and os.path.isabs(source):  # as for the bundled one: nothing more is imported
        return source
    from ..files.paths import local

    try:
        return local(source, "vocabulary")
    except InputError as error:
        raise VocabularyError(str(error)) from error


def read(path: str | os.PathLike) -> bytes:
    """The file's bytes; VocabularyError if it cannot be read or is empty."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise VocabularyError(f"{path}: no such vocabulary file") from None
    except (OSError, ValueError) as error:
        raise VocabularyError(f"{path}: cannot read the vocabulary: {getattr(error, 'strerror', error)}") from None
    if not content.strip():
        raise VocabularyError(f"{path}: the vocabulary file is empty, expected a JSON object of words and ids")
    return content


def parsed(content: bytes, name: str | os.PathLike) -> dict:
    """The JSON object; VocabularyError if it is not one."""
    import json

    try:
        vocabulary = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{name}: the vocabulary is not JSON: {error}") from None
    if not isinstance(vocabulary, dict):
        kind = type(vocabulary).__name__
        raise VocabularyError(f"{name}: expected a JSON object of words and ids, found {kind}")
    return vocabulary


def checked(vocabulary: dict, name: str) -> dict[str, int]:
    """The vocabulary as it is; VocabularyError if it breaks a rule (see `Vocabulary`)."""
    if len(vocabulary) > MOST_WORDS:
        raise VocabularyError(f"{name}: {len(vocabulary)} words, expected at most {MOST_WORDS}")
    words: dict[int, str] = {}
    for word, number in vocabulary.items():
        if type(word) is not str:
            raise VocabularyError(f"{name}: word {word!r:.60}: expected str, got {type(word).__name__}")
        if type(number) is not int or not 0 <= number <= LARGEST_ID:
            found = f"word {word!r:.60} has id {number!r:.60}"
            raise VocabularyError(f"{name}: {found}, expected an integer from 0 to {LARGEST_ID}")
        if words.setdefault(number, word) is not word:
            raise VocabularyError(f"{name}: words {words[number]!r:.60} and {word!r:.60} share id {number}")
    for number, word in enumerate(SPECIAL_WORDS):
        if word not in vocabulary and number == 0:
            raise VocabularyError(f"{name}: not a DeepMoji vocabulary: special word {word} is missing")
        if vocabulary.get(word, number) != number:
            raise VocabularyError(f"{name}: special word {word} has id {vocabulary[word]}, expected id {number}")
    if words.get(UNKNOWN, SPECIAL_WORDS[UNKNOWN]) != SPECIAL_WORDS[UNKNOWN]:
        found = f"word {words[UNKNOWN]!r:.60} has id {UNKNOWN}, which every unknown word gets"
        raise VocabularyError(f"{name}: {found}, expected {SPECIAL_WORDS[UNKNOWN]} or no word to have it")
    return vocabulary


def plain_size(content: bytes) -> int:
    """The number of words, if these are the bytes `json.dump` writes for words with ids 0, 1, 2, ...; else 0.

    Plain means: ASCII without \\u, the special words first, the same separator throughout.
    """
    start, second = content.find(b'"'), content.find(b'"CUSTOM_UNKNOWN"')
    separator = content[start + len('"CUSTOM_MASK": 0') : second]
    specials = separator.join(b'"%b": %d' % (word.encode(), number) for number, word in enumerate(SPECIAL_WORDS))
    if content[: max(start, 0)].strip() != b"{" or separator.strip() != b"," or not content.startswith(specials, start):
        return 0
    size, last = 0, content.rfind(b'"')
    while found := plain_words(content[start : start + BLOCK], size, separator):
        size, start = size + found[0], start + found[1]
    end = b'": %d' % size
    if size >= MOST_WORDS or not content.startswith(end, last) or content[last + len(end) :].strip() != b"}":
        return 0
    word = content[start:last] + end + separator  # the last one, as if another one followed
    return size + 1 if plain_words(word + b'"', size, separator) == (1, len(word)) else 0


def plain_words(block: bytes, number: int, separator: bytes) -> tuple[int, int] | None:
    """How many words a part of a plain vocabulary holds that others follow, and where those start; None if there are
    none, or they are not plain.

    Args:
        block: from the opening quote of a word on.
        number: the word's id. Words whose ids have one digit more are left for another time.
    """
    data = np.frombuffer(block, np.uint8)
    quotes = unescaped_quotes(data)
    if quotes is None:
        return None
    digits = len(str(number))
    size = min((len(quotes) - 1) // 2, 10**digits - number)
    if size < 1:
        return None
    between = b'": %b%b"' % (b"0" * digits, separator)  # a word and the next one
    closing, opening = quotes[1 : 2 * size : 2], quotes[2 : 2 * size + 1 : 2]
    if (opening - closing != len(between) - 1).any():
        return None
    places = np.ndarray(len(block) - len(between) + 1, f"V{len(between)}", block, strides=(1,))
    expected = np.tile(np.frombuffer(between, np.uint8), (size, 1))
    rest = np.arange(number, number + size, dtype=np.uint32)
    for place in range(2 + digits, 2, -1):  # from the last digit on
        tens = rest // 10  # which is quick, unlike the remainder
        expected[:, place] += (rest - 10 * tens).astype(np.uint8)
        rest = tens
    end = int(opening[-1])
    controls = np.count_nonzero(data[:end] < ord(" "))
    sound = places[closing].tobytes() == expected.tobytes() and controls == size * sum(byte < 32 for byte in separator)
    return (size, end) if sound else None


def unescaped_quotes(data: np.ndarray) -> np.ndarray | None:
    """Positions of the quotes that delimit words in ASCII bytes of JSON; None if they are not ASCII or have unusual
    escapes."""
    backslashes = np.flatnonzero(data == ord("\\"))
    if data.max() > 126 or len(backslashes) > 1000:
        return None
    literal = [at for at in escaped(backslashes) if at < len(data)]
    if set(data[literal]) - set(b'"\\bfnrt'):
        return None
    marks = data == ord('"')
    marks[literal] = False
    return np.flatnonzero(marks)


def escaped(backslashes: np.ndarray) -> list[int]:
    """Positions of the characters that are escaped by a backslash."""
    positions: list[int] = []
    for at in backslashes.tolist():
        if not positions or positions[-1] != at:
            positions.append(at + 1)
    return positions
