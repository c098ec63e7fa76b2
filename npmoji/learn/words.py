"""A vocabulary extended by the words of one's own texts, and the rows of an embedding for them.

Which words count is the original's rule, which is not that of the tokenizer: characters that stand for emojis are left
out, and then a text that is still not ASCII is skipped as a whole. Words of equal count keep the order in which they
first come up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import initialisers, inputs
from ..errors import InputError, VocabularyError
from ..text.tokenizer import ORIGINAL, ascii_words
from ..text.vocabulary import LARGEST_ID, MOST_WORDS, SPECIAL_WORDS, checked

LONGEST = 30  # characters of a word that is counted
LIMIT = 10_000  # words added by default, and for a negative limit


def counts(texts: Any, compat: str = ORIGINAL) -> dict[str, int]:
    """How often each word comes up, in the order of first appearance, after the ten special words.

    Args:
        texts: the training texts alone; a list or column of str.
        compat: the rules of the tokenizer that the words are for.

    Raises:
        InputError: not texts.

    >>> found = counts(["so so good", "café", "good 🙂 2"])
    >>> {word: count for word, count in found.items() if count}
    {'CUSTOM_NUMBER': 1, 'so': 2, 'good': 2}
    """
    found = dict.fromkeys(SPECIAL_WORDS, 0)
    rows = inputs.texts(texts)
    inputs.check_texts(rows)
    for text in rows:
        for word in ascii_words(text, compat):
            if len(word) <= LONGEST:
                found[word] = found.get(word, 0) + 1
    return found


def new_words(counted: dict[str, int], vocabulary: dict[str, int], limit: int = LIMIT) -> list[str]:
    """The most frequent words that the vocabulary does not have, at most ``limit``; of equal ones, the first counted.

    >>> new_words({"a": 1, "b": 3, "c": 3, "d": 1}, {"c": 10}, limit=2)
    ['b', 'a']
    """
    limit = _limit(limit)
    by_count = sorted(counted, key=counted.__getitem__, reverse=True)  # stable, in reverse too
    return [word for word in by_count if word not in vocabulary][:limit]


def extended(
    vocabulary: dict[str, int], texts: Any, limit: int = LIMIT, compat: str = ORIGINAL, first: int = 0
) -> dict[str, int]:
    """The vocabulary and up to ``limit`` new words of the texts, as a new dict.

    New words get the ids after the largest one: n, n + 1, ... for a vocabulary with the ids 0 to n - 1. Special words
    that are missing get their own ids where these are free, and do not count towards the limit.

    Args:
        vocabulary: {word: id}; may be empty.
        texts: the training texts alone.
        limit: 0 adds nothing; a negative one is 10,000.
        first: the lowest id for a new word, such as the number of rows of an embedding that has more rows than words.

    Raises:
        VocabularyError: the vocabulary is not valid, or would be too large.
        InputError: not texts, or not a limit.

    >>> vocabulary = npmoji.load(engine="numpy").tokenizer.vocabulary
    >>> larger = extended(vocabulary, ["zorbly zorbly quibble", "quibbly"], limit=2)
    >>> list(larger.items())[len(vocabulary):]
    [('zorbly', 8884), ('quibble', 8885)]
    """
    limit = _limit(limit)
    found = checked(dict(vocabulary), "the vocabulary to extend") if vocabulary else {}
    if not limit:
        return found
    used = set(found.values())
    found |= {word: own for own, word in enumerate(SPECIAL_WORDS) if word not in found and own not in used}
    counted = counts(texts, compat)
    words = new_words({word: counted[word] for word in counted if word not in SPECIAL_WORDS}, found, limit)
    first = max(first, len(SPECIAL_WORDS), max(found.values()) + 1)
    room = max(0, min(MOST_WORDS - len(found), LARGEST_ID + 1 - first))
    if len(words) > room:
        raise VocabularyError(
            f"the vocabulary has {len(found):,} words with ids below {first:,} and would get {len(words):,} more, "
            f"expected at most {MOST_WORDS:,} words in all: extend it by at most {room:,}"
        )
    return found | dict(zip(words, range(first, first + len(words))))


def appended(embeddings: np.ndarray, added: int, seed: initialisers.Random = 0) -> np.ndarray:
    """An embedding with ``added`` more rows, uniform(-0.05, 0.05): (V, E) -> (V + added, E), float32.

    As in the original, a larger embedding is drawn and its first rows overwritten, so that with an unchanged seed it
    starts like that of a new network of this size.

    >>> appended(np.ones((2, 3), np.float32), 1, seed=1).round(2)
    array([[ 1.  ,  1.  ,  1.  ],
           [ 1.  ,  1.  ,  1.  ],
           [ 0.03, -0.01,  0.  ]], dtype=float32)
    """
    rows, width = embeddings.shape
    larger = initialisers.uniform(seed, (rows + _limit(added), width))
    larger[:rows] = embeddings
    return larger


def _limit(limit: int) -> int:
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)):
        raise InputError(f"{limit!r:.60} words to add: expected an integer")
    return LIMIT if limit < 0 else int(limit)
