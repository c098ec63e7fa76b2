"""Texts to measure with: those of a file, or made-up ones as long as tweets."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from npmoji.text.vocabulary import SPECIAL_WORDS


def read_texts(path: str) -> list[str]:
    """The texts of a file, one a line; .jsonl: the field "text" of each line; either may be gzipped."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    return [json.loads(line)["text"] for line in lines] if ".jsonl" in path else lines


def made_up_tokens(vocabulary_size: int, texts: int = 2000, maxlen: int = 30, seed: int = 0) -> np.ndarray:
    """Ids (texts, maxlen) as of tweets: 18.6 tokens on average, 1 to 30; 21 % of 512 texts' are distinct."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(np.rint(rng.normal(19, 7.5, texts)), 1, maxlen)
    return made_up_words(vocabulary_size, (texts, maxlen), rng) * (np.arange(maxlen) < lengths[:, None])


def made_up_words(vocabulary_size: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Ids (texts, length) as of tweets that are all equally long, a few of them frequent."""
    first = min(len(SPECIAL_WORDS), vocabulary_size - 1)
    weights = (np.arange(vocabulary_size - first) + 2.7) ** -1.25
    return first + rng.choice(len(weights), shape, p=weights / weights.sum())


def made_up_vocabulary(size: int, path: Path) -> str:
    """A vocabulary file for up to 50,000 ids, if there is none."""
    words = [*SPECIAL_WORDS, *(f"word{i}" for i in range(len(SPECIAL_WORDS), min(size, 50_000)))]
    path.write_text(json.dumps({word: i for i, word in enumerate(words)}), encoding="utf-8")
    return str(path)
