"""What the columns of a network's probabilities stand for: the 64 emojis, people's own classes, or nothing known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError, WeightsError
from .formats.contents import Contents
from .graph import Graph
from .inputs import Floats
from .text.emojis import EMOJIS, NAMES, Prediction

LISTED, LONGEST = 8, 40  # names of classes in a message or a report, and characters of each


class Classes(NamedTuple):
    """The classes of a network.

    Attributes:
        names: of the classes, as many as there are; empty if they have none.
        labels: what a `Prediction` calls them: the 64 emojis themselves, else the names.
        multi_label: whether each class has a probability of its own.
        own: whether the names are people's own.
    """

    names: list[str]
    labels: list[str]
    multi_label: bool = False
    own: bool = False

    @classmethod
    def of(cls, graph: Graph, file: Contents) -> Classes:
        """Those of a file and the network that was built from it.

        Raises:
            WeightsError: the file's names, or what it says of the probabilities, do not fit the network.
        """
        names, C = file.classes, graph.classes
        one = C == 1 and not file.multi_label
        if names is not None and len(names) != (2 if one else C):
            wanted = "2, as one column with a sigmoid stands for" if one else str(C)
            raise WeightsError(f"{file.path}: {len(names)} names of classes for {C} columns, expected {wanted}")
        if names is not None and one:
            _check_sigmoid(graph, file, "its one column is for two classes")
        if file.multi_label:
            _check_sigmoid(graph, file, "the file says that each class has a probability of its own")
        if names is not None and tuple(names) != EMOJIS:
            return cls(names, names, file.multi_label, own=True)
        emojis = C == len(EMOJIS)
        return cls(list(NAMES) if emojis else [], list(EMOJIS) if emojis else [], file.multi_label)

    def all(self, probabilities: np.ndarray) -> np.ndarray:
        """The probabilities of all classes: float32 (N, C), or of a sigmoid's one column for two classes
        ``[1 - p, p]``."""
        return both(probabilities) if len(self.names) == 2 and probabilities.shape[1] == 1 else probabilities

    def ranked(self, probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the k most likely classes of each row, best first, equal ones by id, int64 (N, k); and their
        probabilities, float32 (N, k). All classes, if there are fewer than k.

        Args:
            probabilities: float32 (N, C).
        """
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise InputError(f"k {k!r}: expected an integer of at least 1")
        probabilities = self.all(probabilities)
        ids = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return ids, np.take_along_axis(probabilities, ids, axis=1)

    def best(self, probabilities: np.ndarray, k: int) -> list[list[Prediction]]:
        """The same as lists."""
        ids, p = self.ranked(probabilities, k)
        return [list(map(self.prediction, *row)) for row in zip(ids.tolist(), p.tolist())]

    def prediction(self, i: int, probability: float) -> Prediction:
        """Of class ``i``."""
        label = self.labels[i] if i < len(self.labels) else ""
        return Prediction(i, "" if self.own else label, probability, label)


def both(p: np.ndarray) -> np.ndarray:
    """Of a sigmoid's one column (N, 1), the probabilities of its two classes, float32 (N, 2)."""
    return np.concatenate([np.float32(1) - p, p], axis=1)


def fields(p: Prediction, labels: bool) -> dict[str, Any]:
    """A prediction as JSON has it, wherever npmoji writes it; with ``labels`` the classes are people's own."""
    return {"id": p.id, "emoji": p.emoji, **({"label": p.label} if labels else {}), "p": shortest(p.probability)}


def shortest(p: float) -> float:
    """A float32 as the shortest decimal that represents it."""
    return float(str(np.float32(p)))


def numbers(values: np.ndarray) -> list[Any]:
    """An array's numbers as JSON has them, each float32 as `shortest` gives it."""
    return list(map(float, values.astype("U"))) if values.dtype == np.float32 else values.tolist()


def mean(arrays: Sequence[Floats]) -> Floats:
    """The mean of what several models give, summed in their order."""
    first, *rest = arrays
    if not rest:
        return first
    total = first.copy()
    for array in rest:
        total += array
    return total / np.float32(len(arrays))


def some(names: list[str]) -> str:
    """The first names, for a message or a report."""
    from .text.widths import printable  # of no use to a start

    shown = ", ".join(printable(name[:LONGEST]) for name in names[:LISTED])
    return f"{shown} and {len(names) - LISTED:,} more" if len(names) > LISTED else shown


def _check_sigmoid(graph: Graph, file: Contents, why: str) -> None:
    """Raise a WeightsError unless the network ends in a sigmoid."""
    last = graph.outputs[0]
    found: Any = getattr(last, "activation", type(last).__name__)
    if found != "sigmoid":
        raise WeightsError(f"{file.path}: layer {last.name!r}: activation {found!r}, but {why}: expected 'sigmoid'")
