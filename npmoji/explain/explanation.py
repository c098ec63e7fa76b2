"""What `Model.explain` gives: a text, its words, and what each of them says for or against a class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..classes import Classes, fields, numbers, shortest
from ..inputs import Floats
from ..text.alignment import Aligned
from ..text.emojis import Prediction
from .targets import Target, find

BEST = 5  # predictions shown with a text, as many as `Model.top` gives

SHOWN = 10  # texts in a notebook's list


class Word(NamedTuple):
    """A word of a text, as the tokenizer splits it.

    Attributes:
        text: the word as it is looked up in the vocabulary.
        start, end: where it stands in the original text, counted in characters: ``explanation.text[start:end]``.
        attention: the weight that the network's attention layer gives it; 0 if it is not used, None if the network has
            no such layer.
        contribution: the probability of the target with all words, less that without this one; 0 if it is not used.
        known: whether it is in the vocabulary; special words such as CUSTOM_NUMBER are.
        used: whether it is among the first ``maxlen`` words, which are all that the model takes.
    """

    text: str
    start: int
    end: int
    attention: float | None
    contribution: float
    known: bool
    used: bool


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why a text gets a class: each word's attention, and its contribution to the class.

    Attributes:
        text: the text as it was given.
        words: for the ``target``.
        predictions: the five best, as `Model.top` gives them.
        target: the class that is explained.
        probabilities: of all classes, float32 (C,); both of a network that gives one number for two classes.
        contributions: of each word to each class, float32 (W, C).
        has_attention: whether the words have an ``attention``.
    """

    text: str
    words: list[Word]
    predictions: list[Prediction]
    target: Prediction
    probabilities: Floats
    contributions: Floats
    has_attention: bool
    _classes: Classes

    @classmethod
    def of(
        cls,
        text: str,
        spans: list[Aligned],
        known: list[bool],
        probabilities: Floats,
        contributions: Floats,
        attention: Floats | None,
        target: Target,
        classes: Classes,
    ) -> Explanation:
        """Of what was computed for the K words that the model takes, of the W of a text.

        Args:
            spans, known: of all W words; whether the vocabulary has them.
            probabilities: float32 (C,).
            contributions: float32 (K, C).
            attention: float32 (K,), or None.
        """
        W, K = len(spans), len(contributions)
        everything = np.zeros((W, len(probabilities)), np.float32)
        everything[:K] = contributions
        for array in (probabilities, everything):
            array.flags.writeable = False
        weights = [None] * W if attention is None else attention.tolist() + [0.0] * (W - K)
        words = [Word(*span, weights[i], 0.0, known[i], i < K) for i, span in enumerate(spans)]
        best = classes.best(probabilities[None], BEST)[0]
        made = cls(str(text), words, best, best[0], probabilities, everything, attention is not None, classes)
        return made.toward(target)

    def toward(self, target: Target) -> Explanation:
        """The same for another class; nothing is computed again.

        Args:
            target: as `Model.explain` takes it.

        Raises:
            InputError: no class, or several, are called so.
        """
        i = self.predictions[0].id if target is None else find(target, self._classes, len(self.probabilities))
        column = self.contributions[:, i].tolist()
        words = [word._replace(contribution=contribution) for word, contribution in zip(self.words, column)]
        return replace(self, words=words, target=self._classes.prediction(i, float(self.probabilities[i])))

    def top(self, k: int) -> list[Prediction]:
        """The ``k`` most likely classes, best first; all, if there are fewer."""
        return self._classes.best(self.probabilities[None], k)[0]

    def as_dict(self, top: int = BEST) -> dict[str, Any]:
        """All of it as JSON has it, with the contributions to the ``top`` most likely classes; `docs/explaining.md`
        says what the keys mean."""
        own = self._classes.own
        emojis = []
        for p in self.top(top):
            emojis.append({**fields(p, own), "contributions": numbers(self.contributions[:, p.id])})
        words = []
        for word in self.words:
            attention = None if word.attention is None else shortest(word.attention)
            words.append({**word._asdict(), "attention": attention, "contribution": shortest(word.contribution)})
        return {"text": self.text, "target": fields(self.target, own), "emojis": emojis, "words": words}

    def html(self) -> str:
        """A whole page that needs nothing else: to be written to a file and opened in a browser."""
        from .page import page

        return page([self])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .page import fragment

        return fragment(self)

    def __str__(self) -> str:
        """As a terminal without colours shows it."""
        from .terminal import plain

        return plain(self)

    def __repr__(self) -> str:
        target = self.target.label or self.target.id
        return f"<Explanation of {self.text!r:.60}: {target} {self.target.probability:.4f}, {len(self.words)} words>"


class Explanations(list[Explanation]):
    """Those of several texts: a list of which a notebook shows the first ones."""

    def _repr_html_(self) -> str:
        shown = [explanation._repr_html_() for explanation in self[:SHOWN]]
        more = len(self) - len(shown)
        return "\n".join(shown) + (f"<p>and {more:,} more</p>" if more else "" if shown else "<p>no texts</p>")
