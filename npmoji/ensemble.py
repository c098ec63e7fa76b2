"""Several models of one kind, such as the K of a cross-validation, as one: their predictions averaged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import inputs
from .errors import InputError
from .inputs import Floats, Inputs, Outputs
from .model import Model, Prediction, load

if TYPE_CHECKING:
    from typing import Self  # not before Python 3.11

    from .progress import Progress


class Ensemble:
    """The mean of several models' predictions. It is closed and pickled as its models are, see `Model`.

    Args:
        paths: the models' files.
        options: as `npmoji.load` takes them, for all of them.

    Attributes:
        models: in the order given.

    Raises:
        InputError: no paths, or models whose outputs have different widths.
        WeightsError, VocabularyError: as `npmoji.load`.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], **options: Any):
        if isinstance(paths, (str, bytes, os.PathLike)) or not len(paths := list(paths)):
            raise InputError("Ensemble: expected a list of one path or more")
        self.models: list[Model] = [load(path, **options) for path in paths]
        first = self.models[0]
        for model in self.models[1:]:
            if (model.classes, len(model.graph.outputs)) != (first.classes, len(first.graph.outputs)):
                raise InputError(f"{model.path} gives {model.classes} classes, but {first.path} {first.classes}")

    def predict(self, x: Inputs, *, progress: Progress = False) -> Outputs:
        """The mean over the models of what `Model.predict` gives, summed in their order; takes and raises the same."""
        if isinstance(x, Iterator):
            x = inputs.rows(x)  # each model goes through them
        predictions = self._predictions(x, progress)
        if isinstance(predictions[0], list):
            return [self._mean(parts) for parts in zip(*predictions)]
        return self._mean(predictions)

    def _predictions(self, x: Inputs, progress: Progress) -> list[Outputs]:
        if progress is False:
            return [model.predict(x) for model in self.models]
        from .progress import part, telling

        with telling(progress) as told:
            K = len(self.models)
            return [model.predict(x, progress=part(told, i, K) or False) for i, model in enumerate(self.models)]

    @staticmethod
    def _mean(arrays: Iterable[Floats]) -> Floats:
        first, *rest = arrays
        total = first.copy()
        for array in rest:
            total += array
        return total / np.float32(1 + len(rest))

    def top(self, x: Inputs, k: int = 5, *, progress: Progress = False) -> list[list[Prediction]]:
        """For each text the k most likely classes by the mean, as `Model.top`."""
        return self.models[0].best(self.predict(x, progress=progress), k)

    def close(self) -> None:
        """Close all models, see `Model.close`."""
        for model in self.models:
            model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.models)
