"""What a map's page holds of many texts: groups that have a colour each, points on a grid, texts that are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..text.emojis import Prediction, named

GROUPS = 12  # that have a colour and shape of their own; the others share one
LONGEST = 200  # characters of a text that the page holds
LONGEST_NAME = 60  # characters of a label or of a class's name
GRID = 1_000_000  # points are whole numbers from 0 to this: finer than any screen shows; `map.js` has it too
LIKELY = 3  # classes of each text, at most


class Group(NamedTuple):
    """What one colour stands for.

    Attributes:
        name: of the class or label; of the others, how many they are.
        emoji: of the class; empty if it has none.
        texts: how many.
        rank: which colour and shape, from 0; -1 for the grey of the others.
    """

    name: str
    emoji: str
    texts: int
    rank: int


class Texts(NamedTuple):
    """N texts and what is known of them.

    Attributes:
        texts: no longer than a page holds them.
        predictions: of each its most likely classes, best first; None if there are none.
        labels: of each; None if there are none.
        label: what the labels are called.
        groups: those with colours, most texts first, the others last.
        members: the number of each text's group, int64 (N,).
    """

    texts: list[str]
    predictions: list[list[Prediction]] | None
    labels: list[str] | None
    label: str
    groups: list[Group]
    members: np.ndarray

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        predictions: Sequence[Sequence[Prediction]] | None = None,
        labels: Sequence[str] | None = None,
        label: str = "label",
    ) -> Texts:
        """Those that `map_page.page` is given.

        Raises:
            InputError: not one of each for every text.
        """
        for name, some in (("predictions", predictions), ("labels", labels)):
            if some is not None and len(some) != len(texts):
                raise InputError(f"{len(some):,} {name} for {len(texts):,} texts, expected one for each")
        groups, members = grouped(len(texts), predictions, labels)
        likely = None if predictions is None else [list(some[:LIKELY]) for some in predictions]
        labels = None if labels is None else list(labels)
        return cls([cut(text) for text in texts], likely, labels, cut(label, LONGEST_NAME), groups, members)

    def columns(self, points: np.ndarray) -> dict[str, Any]:
        """What `map.js` draws: columns of N values each, with classes and labels by their numbers; for JSON.

        Args:
            points: floats (N, 2).
        """
        x, y = on_grid(points).T.tolist()
        found: dict[str, Any] = {"x": x, "y": y, "group": self.members.tolist(), "text": self.texts}
        found["groups"] = [{"name": group.name, "emoji": group.emoji, "rank": group.rank} for group in self.groups]
        if self.labels is not None:
            number = {name: i for i, name in enumerate(dict.fromkeys(self.labels))}
            found["label"] = self.label
            found["labels"] = [cut(name, LONGEST_NAME) for name in number]
            found["labelled"] = [number[name] for name in self.labels]
        if self.predictions is not None:
            found["classes"] = {p.id: [p.emoji, class_name(p)] for some in self.predictions for p in some}
            # class, thousandths, class, thousandths, …
            found["top"] = [[n for p in some for n in (p.id, round(1000 * p.probability))] for some in self.predictions]
        return found


def grouped(
    texts: int, predictions: Sequence[Sequence[Prediction]] | None, labels: Sequence[str] | None
) -> tuple[list[Group], np.ndarray]:
    """The groups that have colours, by labels if there are any, else by the most likely class; and the number of each
    text's group. Equally frequent ones are in the order of the texts."""
    keys = [("all texts", "")] * texts  # name and emoji
    if labels is not None:
        keys = [(some, "") for some in labels]
    elif predictions is not None:
        keys = [(class_name(some[0]), some[0].emoji) if some else ("", "") for some in predictions]
    counts = Counter(keys)
    none = ("", "")  # no label, or no class
    without = counts.pop(none, 0)
    ranked = counts.most_common()
    number = {key: min(i, GROUPS) for i, (key, _) in enumerate(ranked)}
    groups = [
        Group(cut(name, LONGEST_NAME), emoji, count, rank)
        for rank, ((name, emoji), count) in enumerate(ranked[:GROUPS])
    ]
    if others := ranked[GROUPS:]:
        groups.append(Group(f"{len(others):,} others", "", sum(count for _, count in others), -1))
    if without:
        number[none] = len(groups)
        groups.append(Group("none", "", without, -1))
    return groups, np.array([number[key] for key in keys], np.int64)


def class_name(p: Prediction) -> str:
    """What a class is called in words.

    >>> class_name(Prediction(36, "😋", 0.6, "😋")), class_name(Prediction(1, "", 0.6))
    ('savouring food', 'class 1')
    """
    return cut(named(p), LONGEST_NAME)


def cut(text: str, length: int = LONGEST) -> str:
    """The text, with an ellipsis if it is longer than that.

    >>> cut("a long text", 7)
    'a long…'
    """
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def on_grid(points: np.ndarray) -> np.ndarray:
    """The points as whole numbers from 0 to `GRID`, both axes on one scale, up being less as on a screen.

    >>> on_grid(np.float64([[-1, 0], [1, 0.5]])).tolist()
    [[0, 625000], [1000000, 375000]]
    """
    if not len(points):
        return np.zeros((0, 2), np.int64)
    low, high = points.min(axis=0), points.max(axis=0)
    placed = (points - (low + high) / 2) / ((high - low).max() or 1) + 0.5
    placed[:, 1] = 1 - placed[:, 1]
    return np.rint(GRID * placed).astype(np.int64)
