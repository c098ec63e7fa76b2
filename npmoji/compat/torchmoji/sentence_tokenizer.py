"""torchMoji's `sentence_tokenizer`: texts to token ids, as it gives them under Python 3."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from ... import inputs
from ...errors import InputError, VocabularyError
from ...text.tokenizer import check_maxlen, known_share
from ...text.vocabulary import LARGEST_ID, MOST_WORDS, SPECIAL_WORDS, UNKNOWN
from .elsewhere import DATASET, Elsewhere, names
from .word_generator import WordGenerator

globals().update(names("sentence_tokenizer"))


class NoWordsError(InputError, AssertionError):
    """A text has no words; torchMoji raises an AssertionError without a message."""


class SentenceTokenizer:
    """Texts to token ids.

    Args:
        vocabulary: a dict, word -> id; changes to `vocabulary` count from the next call on.
        fixed_length: how many tokens of each text are kept; it may be changed too.
        custom_wordgen: a `WordGenerator` with hooks.
        ignore_sentences_with_only_custom: leave out texts of nothing but special words, unknown ones included, and
            texts without words.
        masking_value, unknown_value: the ids of padding and of unknown words.

    Raises:
        VocabularyError: more than 65,535 words, or not a dict.

    >>> tokenizer = SentenceTokenizer({"CUSTOM_MASK": 0, "love": 10}, 3)
    >>> tokens, infos, stats = tokenizer.tokenize_sentences(["LOVE it"])
    >>> tokens
    array([[10,  1,  0]], dtype=uint16)
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        fixed_length: int,
        custom_wordgen: WordGenerator | None = None,
        ignore_sentences_with_only_custom: bool = False,
        masking_value: int = 0,
        unknown_value: int = UNKNOWN,
    ):
        if not isinstance(vocabulary, dict):
            found = type(vocabulary).__name__
            raise VocabularyError(f"vocabulary: expected a dict word -> id, as json.load gives it, got {found}")
        if len(vocabulary) > MOST_WORDS:
            raise VocabularyError(f"the vocabulary: {len(vocabulary)} words, expected at most {MOST_WORDS}")
        self.vocabulary = dict(vocabulary)
        self.fixed_length = fixed_length
        self.ignore_sentences_with_only_custom = ignore_sentences_with_only_custom
        self.masking_value, self.unknown_value = masking_value, unknown_value
        self.uses_custom_wordgen = custom_wordgen is not None
        self.wordgen = custom_wordgen or WordGenerator(None, allow_unicode_text=True, ignore_emojis=False)

    def tokenize_sentences(
        self, sentences: Iterable[str], reset_stats: bool = True, max_sentences: int | None = None
    ) -> tuple[np.ndarray[Any, np.dtype[np.uint16]], list[dict[str, Any]], dict[str, int]]:
        """The texts' ids.

        Args:
            sentences: N texts; with ``custom_wordgen`` whatever its hooks take.
            reset_stats: count from 0 again.
            max_sentences: the rows of the array, if there may be fewer texts than that, or nothing tells how many.

        Returns:
            Token ids, uint16 (N, fixed_length), padded at the end; a dict for each row, empty without hooks; and how
            many texts came, were valid, or were left out.

        Raises:
            NoWordsError: a text has no words, and texts are not left out; names the row.
            InputError: not texts, more of them than ``max_sentences``, or their number is not known.

        >>> tokenizer = SentenceTokenizer({"CUSTOM_MASK": 0, "love": 10}, 3)
        >>> tokens, infos, stats = tokenizer.tokenize_sentences(["love", "love it"])
        >>> infos, stats["valid"]
        ([{}, {}], 2)
        """
        rows = list(sentences) if self.uses_custom_wordgen else inputs.texts(sentences)
        if reset_stats:
            self.wordgen.reset_stats()
        self.wordgen.stream = rows
        found, infos = [], []
        for words, info in self.wordgen:
            ids = self.find_tokens(words)
            if not (self.ignore_sentences_with_only_custom and max(ids) < len(SPECIAL_WORDS)):
                found.append(ids)
                infos.append(info)
        size = len(found)
        if not self.uses_custom_wordgen and not self.ignore_sentences_with_only_custom:
            if len(found) < len(rows):
                row = next(row for row, text in enumerate(rows) if not self.wordgen.get_words(text))
                raise NoWordsError(f"row {row}: the text {rows[row]!r:.60} has no words: leave such texts out")
            size = size if max_sentences is None else max_sentences
        if max_sentences is not None and len(found) > max_sentences:
            raise InputError(f"{len(found)} texts, but max_sentences is {max_sentences}")
        return self._matrix(found, size), infos, self.wordgen.stats

    def find_tokens(self, words: list[str]) -> list[int]:
        """The id of each word.

        >>> SentenceTokenizer({"CUSTOM_MASK": 0, "love": 10}, 3).find_tokens(["love", "it"])
        [10, 1]
        """
        return [self.vocabulary.get(word, self.unknown_value) for word in words]

    def _matrix(self, found: list[list[int]], size: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
        width = operator.index(self.fixed_length)
        check_maxlen(width)
        tokens = np.full((size, width), self.masking_value, np.uint16)
        for row, ids in enumerate(found):
            if not 0 <= min(ids) <= max(ids) <= LARGEST_ID:
                raise VocabularyError(f"the vocabulary: ids from {min(ids)} to {max(ids)}, expected 0 to {LARGEST_ID}")
            tokens[row, : len(ids)] = ids[:width]
        return tokens

    def to_sentence(self, sentence_idx: Iterable[int]) -> str:
        """The words for one text's ids, separated by spaces, without padding.

        Raises:
            InputError: the vocabulary has no word with one of the ids.

        >>> SentenceTokenizer({"CUSTOM_MASK": 0, "love": 10}, 3).to_sentence([10, 10, 0])
        'love love'
        """
        words = {number: word for word, number in self.vocabulary.items()}
        ids = list(sentence_idx)
        if missing := [number for number in ids if number not in words]:
            raise InputError(f"the vocabulary has no word with id {missing[0]}")
        return " ".join(word for word in map(words.__getitem__, ids) if word != SPECIAL_WORDS[0])

    def split_train_val_test(self, *arguments: Any, **options: Any) -> NoReturn:
        """Not here: it is for training."""
        Elsewhere("SentenceTokenizer.split_train_val_test", DATASET)()


def coverage(dataset: np.ndarray, verbose: bool = False) -> float:
    """The share of tokens that the vocabulary knows, from 0 to 1.

    Args:
        dataset: token ids, as `SentenceTokenizer.tokenize_sentences` gives them.
        verbose: print it.

    Raises:
        InputError: there are no tokens.

    >>> coverage(np.array([[10, 1, 0]]))
    0.5
    """
    ids = np.asarray(dataset)
    share = float(known_share(ids))
    if verbose:
        unknown, total = np.count_nonzero(ids == UNKNOWN), np.count_nonzero(ids)
        print(f"coverage {share}: {unknown} of {total} tokens unknown")
    return share
