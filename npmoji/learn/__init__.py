"""People's own classes: a classifier on the features, or the network itself fine-tuned, as the original did it.

labels.py          what callers pass as labels, as class numbers
data.py            data sets, their splits, and batches drawn at random
benchmark_files.py the original's benchmark files, read without executing anything in them
words.py           a vocabulary extended by the words of one's own texts
metrics.py         accuracy and F1, and the search for a threshold
heads.py           a model with another last layer, or other weights
configs.py         the Keras config that goes with it
features.py        `Features`, the texts' features as a scikit-learn transformer
classifier.py      `Classifier`, a scikit-learn estimator
report.py          `Report`: how well a classifier does
gradients.py       layers in PyTorch, with gradients
trainer.py         `Trainer`: one model, step by step
loop.py            epochs, early stopping, the best weights
run.py             runs through stages, as the original makes them
checkpoint.py      a run kept in a file, to go on from
schedule.py        learning rates that change from step to step
folds.py           which fold a text is validated in
finetune.py        `finetune`: whole runs

The names are imported when they are first used: nothing here needs scikit-learn or PyTorch until then.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

#: public name -> the module here that has it
_MODULES: dict[str, str] = {
    "BatchSampler": "data",
    "Dataset": "data",
    "Report": "report",
    "Trainer": "trainer",
    "finetune": "finetune",
}
__all__ = sorted(_MODULES)  # noqa: PLE0605

if TYPE_CHECKING:  # the same for type checkers, which read no tables
    from .data import BatchSampler as BatchSampler
    from .data import Dataset as Dataset
    from .finetune import finetune as finetune
    from .report import Report as Report
    from .trainer import Trainer as Trainer

else:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
