"""torchMoji's `word_generator`: texts to words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ... import inputs
from ...errors import InputError
from ...text.tokenizer import Tokenizer
from .elsewhere import EXTEND, ElsewhereError, names

globals().update(names("word_generator"))

STATS = ("pretokenization_filtered", "unicode_filtered", "posttokenization_filtered", "total", "valid")

_TOKENIZER = Tokenizer({"CUSTOM_MASK": 0}, compat="torchmoji")  # only asked for words, so any vocabulary will do


class WordGenerator:
    """The words of each text of a stream, with what hooks of a subclass found out: ``(words, info)``.

    Texts without words are left out. To keep others out, or to collect labels, derive a class with
    `data_preprocess_filtering` or `data_postprocess_filtering`, and give it to `SentenceTokenizer`.

    Args:
        stream: the texts, or None if they come later.
        allow_unicode_text, ignore_emojis, remove_variation_selectors, break_replacement: True, False, True, True, as
            `SentenceTokenizer` has them. Other settings are for building vocabularies.

    Attributes:
        stats: how many texts came, were valid, or were left out, and by what.

    >>> words = WordGenerator(["Soooo good!!!"], allow_unicode_text=True, ignore_emojis=False)
    >>> list(words)
    [(['soooo', 'good', '!!!'], {})]
    """

    def __init__(
        self,
        stream: Iterable[str] | None,
        allow_unicode_text: bool = False,
        ignore_emojis: bool = True,
        remove_variation_selectors: bool = True,
        break_replacement: bool = True,
    ):
        if not allow_unicode_text or ignore_emojis or not remove_variation_selectors or not break_replacement:
            raise ElsewhereError(
                "WordGenerator: only with allow_unicode_text=True, ignore_emojis=False, "
                "remove_variation_selectors=True and break_replacement=True, the settings for token ids; to extend a "
                f"vocabulary use {EXTEND}"
            )
        self.stream = stream
        self.stats: dict[str, int] = {}
        self.reset_stats()

    def reset_stats(self) -> None:
        """Count from 0 again."""
        self.stats = dict.fromkeys(STATS, 0)

    def get_words(self, sentence: str) -> list[str]:
        """The words of a text, as they are looked up in the vocabulary.

        Raises:
            InputError: it is not a str.

        >>> WordGenerator(None, allow_unicode_text=True, ignore_emojis=False).get_words("WOW www.x.com")
        ['wow', 'CUSTOM_URL']
        """
        return _TOKENIZER.words(sentence)

    def data_preprocess_filtering(self, line: Any, iter_i: int) -> tuple[bool, Any, dict[str, Any]]:
        """A hook: what comes from the stream, and its number -> whether to take it, its text, and info on it."""
        return True, line, {}

    def data_postprocess_filtering(self, words: list[str], iter_i: int) -> tuple[bool, list[str], dict[str, Any]]:
        """A hook: a text's words, and its number -> whether to take it, its words, and info on it."""
        return True, words, {}

    def extract_valid_sentence_words(self, line: Any) -> tuple[bool, list[str], dict[str, Any]]:
        """What comes from the stream -> whether it is taken, its words, and what the hooks found out."""
        number = self.stats["total"]
        taken, text, info = self.data_preprocess_filtering(line, number)
        info = dict(info)
        if not taken:
            return self._left_out("pretokenization_filtered", info)
        words = self.get_words(self._text(text, number))
        if not words:
            return self._left_out("unicode_filtered", info)
        taken, words, more = self.data_postprocess_filtering(words, number)
        info.update(more)
        return (True, words, info) if taken else self._left_out("posttokenization_filtered", info)

    def _left_out(self, why: str, info: dict[str, Any]) -> tuple[bool, list[str], dict[str, Any]]:
        self.stats[why] += 1
        return False, [], info

    @staticmethod
    def _text(text: Any, number: int) -> str:
        if not isinstance(text, str):
            raise inputs.not_a_text(number, text)
        return text

    def __iter__(self) -> Iterator[tuple[list[str], dict[str, Any]]]:
        if self.stream is None:
            raise InputError("WordGenerator: has no stream; set stream to a list of texts")
        for line in self.stream:
            taken, words, info = self.extract_valid_sentence_words(line)
            if taken and words:
                self.stats["valid"] += 1
                yield words, info
            self.stats["total"] += 1
