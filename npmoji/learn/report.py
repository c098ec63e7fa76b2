"""`Report`: how well a classifier does on texts that it has not seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import inputs
from ..errors import InputError
from ..formats.metadata import checked_names
from . import labels as given
from . import metrics

if TYPE_CHECKING:
    from ..model import Model

WORST = 5  # texts shown of those that were got most wrong
FILE = "fold_{}.safetensors"


class Mistake(NamedTuple):
    """A text that was got wrong.

    Attributes:
        row: its number.
        text: empty if features were given.
        label, guess: its class, and the one it was taken for; if multi-label lists of classes.
        probability: of its label; if multi-label the product of the probabilities of each class' right answer.
    """

    row: int
    text: str
    label: Any
    guess: Any
    probability: float


class Fold(NamedTuple):
    """The scores of one fold's texts."""

    texts: int
    accuracy: float
    macro_f1: float
    C: float | None


class Report:
    """How well probabilities fit labels: of cross-validation, or of texts put aside.

    One label a text: the guess is the most likely class, and accuracy the share of right guesses. Several labels a
    text: each class is guessed where its probability is above one half, and accuracy is the share of texts with all
    classes right.

    Attributes:
        classes: (C,) as the labels were given.
        labels: int64 (N,), class numbers; or 0 and 1, (N, C), if multi-label.
        out_of_fold: float32 (N, C), each text's probabilities, by a classifier that has not seen it.
        part: int64 (N,), the number of each text's fold; None without folds.
        multi_label: whether a text may have several labels.
        classifiers: the folds' `Classifier`s.
        test: float32 (M, C), the probabilities of the texts given as ``test``: the mean over the folds' models.

    >>> report = npmoji.learn.Report.of(["bad", "good"], ["bad", "good"], np.float32([[0.9, 0.1], [0.6, 0.4]]))
    >>> report.accuracy, report.confusion.tolist()
    (0.5, [[1, 0], [1, 0]])
    """

    def __init__(
        self,
        known: given.Labels,
        probabilities: np.ndarray,
        *,
        texts: Sequence[str] | None = None,
        part: np.ndarray | None = None,
        classifiers: Sequence[Any] = (),
        test: np.ndarray | None = None,
    ):
        self.classes, self.labels, self.multi_label = known.classes, known.codes, known.multi_label
        self.names = known.names
        self.out_of_fold, self.texts, self.part, self.test = probabilities, texts, part, test
        self.classifiers = list(classifiers)

    @classmethod
    def of(
        cls,
        classes: Sequence[Any],
        labels: Any,
        probabilities: Any,
        texts: Sequence[str] | None = None,
        multi_label: bool = False,
        part: np.ndarray | None = None,
    ) -> Report:
        """The report on probabilities (N, C) of labelled texts.

        Args:
            classes: C of them, in the order of the columns.
            labels: as `Classifier.fit` takes them, each one of the classes, by its name; or, an array of integers where
                classes are strings, the classes' numbers.
            multi_label: the classes' probabilities are independent of each other.
            part: int (N,), the number of each text's fold, if these are of a cross-validation.

        Raises:
            InputError: an unknown or missing label, or shapes that do not fit.
        """
        p = inputs.numbers(probabilities)
        if p.ndim != 2 or p.shape[1] != len(classes) or p.dtype.kind != "f" or not np.isfinite(p).all():
            raise InputError(
                f"probabilities of shape {p.shape} and type {p.dtype}: expected finite floats (N, {len(classes)})"
            )
        checked_names([given.name_of(value) for value in classes], "classes", InputError)
        if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
            known = given.numbered(classes, labels, len(p))
        else:
            known = given.encode(labels, classes=classes, count=len(p))
        if known.multi_label and not multi_label:
            raise InputError("labels: several a text, expected one of the classes")
        if multi_label and not known.multi_label:
            codes = (known.codes[:, None] == np.arange(len(classes))).astype(np.int8)
            known = known._replace(codes=codes, multi_label=True)
        if texts is not None and len(texts) != len(p):
            raise InputError(f"{len(texts)} texts, but {len(p)} rows of probabilities")
        if part is not None:
            part = np.asarray(part)
            if part.shape != (len(p),) or part.dtype.kind not in "iu" or not set(range(part.max() + 1)) == set(part):
                raise InputError("part: expected the number of each row's fold, from 0, none of them without a row")
        return cls(known, p, texts=texts, part=part)

    # Scores -----------------------------------------------------------------------------------------------------------

    @cached_property
    def guesses(self) -> np.ndarray:
        """Class numbers (N,); or 0 and 1, (N, C), if multi-label."""
        if self.multi_label:
            return (self.out_of_fold > np.float32(0.5)).astype(np.int64)
        return self.out_of_fold.argmax(axis=1)

    @cached_property
    def right(self) -> np.ndarray:
        """Which texts were got right, bool (N,)."""
        return (self.guesses == self.labels).reshape(len(self.labels), -1).all(axis=1)

    @property
    def accuracy(self) -> float:
        """The share of texts that were got right."""
        return float(self.right.mean())

    @cached_property
    def confusion(self) -> np.ndarray:
        """How many texts of class i were taken for class j, int64 (C, C); if multi-label for each class how many
        without and with it (rows) were taken to be without and with it (columns), (C, 2, 2)."""
        C = len(self.classes)
        if self.multi_label:
            cells = 2 * self.labels.astype(np.int64) + self.guesses
            return np.stack([np.bincount(cells[:, c], minlength=4).reshape(2, 2) for c in range(C)])
        return np.bincount(self.labels * C + self.guesses, minlength=C * C).reshape(C, C)

    @cached_property
    def per_class(self) -> dict[str, dict[str, float]]:
        """By class precision, recall, F1 (each 0 where there is nothing to divide by) and the number of its texts."""
        if self.multi_label:
            hits, counts, guessed = self.confusion[:, 1, 1], self.confusion[:, 1].sum(1), self.confusion[:, :, 1].sum(1)
        else:
            hits, counts, guessed = np.diag(self.confusion), self.confusion.sum(1), self.confusion.sum(0)
        return {
            name: {
                "precision": _share(hit, of),
                "recall": _share(hit, count),
                "f1": _share(2 * hit, count + of),
                "count": int(count),
            }
            for name, hit, count, of in zip(self.names, hits, counts, guessed)
        }

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1."""
        return float(np.mean([scores["f1"] for scores in self.per_class.values()]))

    @property
    def baseline(self) -> Any:
        """The most frequent class; if multi-label the most frequent list of classes."""
        return self._label(self._most_frequent()[0])

    @property
    def baseline_accuracy(self) -> float:
        """The accuracy of always guessing the most frequent class, or list of classes."""
        return self._most_frequent()[1] / len(self.labels)

    def _most_frequent(self) -> tuple[Any, int]:
        values, counts = np.unique(self.labels, axis=0, return_counts=True)
        return values[counts.argmax()], int(counts.max())

    @cached_property
    def folds(self) -> list[Fold]:
        """The scores of each fold."""
        if self.part is None:
            return []
        found = []
        for number in range(int(self.part.max()) + 1):
            rows = self.part == number
            known = given.Labels(self.classes, self.labels[rows], self.multi_label)
            one = Report(known, self.out_of_fold[rows])
            C = getattr(self.classifiers[number], "C_", None) if self.classifiers else None
            found.append(Fold(int(rows.sum()), one.accuracy, one.macro_f1, C))
        return found

    def spread(self, score: str) -> float:
        """The standard deviation of ``"accuracy"`` or ``"macro_f1"`` over the folds; 0 without folds."""
        values = [getattr(fold, score) for fold in self.folds]
        return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0

    # Thresholds, as the original searches them ------------------------------------------------------------------------

    @cached_property
    def thresholds(self) -> np.ndarray:
        """The thresholds with the best F1, searched as the original does: one of class 1 if there are two classes, else
        of each class against the others."""
        return np.array([metrics.threshold(y, p).threshold for y, p in self._rounds(slice(None))])

    @property
    def threshold(self) -> float | None:
        """Of two classes, the threshold on the second's probability that gives the best F1."""
        return float(self.thresholds[0]) if len(self.thresholds) == 1 else None

    @cached_property
    def class_average_f1(self) -> float | None:
        """The mean of each class' F1 with a threshold of its own (of class 1 alone if there are two classes). A fold's
        thresholds are searched on the other folds; None without folds."""
        if self.part is None:
            return None
        rounds = self._rounds(slice(None))
        guesses = [np.zeros(len(self.labels), bool) for _ in rounds]
        for fold in range(int(self.part.max()) + 1):
            held = self.part == fold
            for guess, (y, p), (_, mine) in zip(guesses, self._rounds(~held), self._rounds(held)):
                guess[held] = metrics.above(mine, metrics.threshold(y, p).threshold)
        return float(np.mean([metrics.f1(y, guess) for guess, (y, _) in zip(guesses, rounds)]))

    def _rounds(self, rows: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """The binary problems of the class-average F1: labels and probabilities."""
        C = len(self.classes)
        columns = [1] if C == 2 and not self.multi_label else range(C)
        ys = metrics.rounds(self.labels[rows], C)
        return [(y, self.out_of_fold[rows, column]) for y, column in zip(ys, columns)]

    # For people, and for programs -------------------------------------------------------------------------------------

    @cached_property
    def worst(self) -> list[Mistake]:
        """The texts that were got most wrong: those whose label had the least probability, five at most."""
        p = self.out_of_fold.astype(np.float64)
        if self.multi_label:
            own = np.where(self.labels == 1, p, 1 - p).prod(axis=1)
        else:
            own = p[np.arange(len(p)), self.labels]
        rows = [row for row in np.argsort(own, kind="stable").tolist() if not self.right[row]][:WORST]
        return [
            Mistake(
                row,
                "" if self.texts is None else self.texts[row],
                self._label(self.labels[row]),
                self._label(self.guesses[row]),
                float(own[row]),
            )
            for row in rows
        ]

    def _label(self, code: Any) -> Any:
        return [name for name, flag in zip(self.names, code) if flag] if self.multi_label else self.names[int(code)]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: classes, texts, accuracy, macro_f1, per_class, baseline_accuracy, confusion; of a cross-validation
        class_average_f1 and folds too; all as the attributes of these names say, also if multi-label.

        >>> report = npmoji.learn.Report.of(["bad", "good"], ["bad", "good"], np.float32([[0.9, 0.1], [0.6, 0.4]]))
        >>> report.as_dict()["per_class"]["bad"]
        {'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666, 'count': 1}
        """
        found = {
            "classes": self.names,
            "texts": len(self.labels),
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "per_class": self.per_class,
            "baseline_accuracy": self.baseline_accuracy,
            "confusion": self.confusion.tolist(),
            "multi_label": self.multi_label,
            "worst": [mistake._asdict() for mistake in self.worst],
        }
        if self.part is not None:
            found["class_average_f1"] = self.class_average_f1
            found["thresholds"] = self.thresholds.tolist()
            found["folds"] = [fold._asdict() for fold in self.folds]
            found["accuracy_spread"], found["macro_f1_spread"] = self.spread("accuracy"), self.spread("macro_f1")
        return found

    def __str__(self) -> str:
        from .report_text import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<Report: {len(self.labels)} texts, {len(self.classes)} classes, accuracy {self.accuracy:.3f}>"

    # The folds' models ------------------------------------------------------------------------------------------------

    @cached_property
    def models(self) -> list[Model]:
        """The folds' models.

        Raises:
            InputError: there are none, or they were fitted on features that are not the model's.
        """
        return [classifier.to_model() for classifier in self.classifiers]

    def save(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write the folds' models to files of a folder, which appears whole or not at all; its former files of this
        kind are replaced. ``npmoji.Ensemble`` takes the paths returned, and predicts what ``test`` holds.

        Raises:
            InputError: there are no folds, the folder holds other things, or it cannot be written.
        """
        from ..files.paths import local
        from ..files.whole import whole_folder
        from . import heads

        if not self.models:
            raise InputError("this report has no models: only that of a cross-validation has")
        place = local(folder, "folder")
        names = [FILE.format(number) for number in range(len(self.models))]
        with whole_folder(place, _may_replace) as new:
            for name, model in zip(names, self.models):
                heads.save(model, os.path.join(new, name))
        return [os.path.join(place, name) for name in names]


def _may_replace(folder: str) -> None:
    """Raise unless all that a folder holds are files of folds."""
    start, end = FILE.split("{}")
    other = [name for name in sorted(os.listdir(folder)) if not (name.startswith(start) and name.endswith(end))]
    if other:
        raise InputError(f"{folder}: holds {other[0]!r:.80}, which no report has written; give another name")


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0
