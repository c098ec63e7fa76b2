"""People's own classes: a classifier on the features, or the network itself fine-tuned, as the original did it.

labels.py          what callers pass as labels, as class numbers
data.py            data sets, their splits, and batches drawn at random
benchmark_files.py the original's benchmark files, read without executing anything in them
words.py           a vocabulary extended by the words of one's own texts
metrics.py         accuracy and F1, and the search for a threshold
heads.py           a model with another last layer, or other weights
configs.py         the Keras config that goes with it
bases.py           scikit-learn's base classes, if it is there
cache.py           features that were computed before
encoding.py        what estimators are given, and the model behind them
features.py        `Features`, the texts' features as a scikit-learn transformer
classifier.py      `Classifier`, a scikit-learn estimator
logistic.py        the last layer: scikit-learn's logistic regression
cross.py           cross-validation
report.py          `Report`: how well a classifier does
report_text.py     the same as a table for people
gradients/         layers in PyTorch, with gradients
training.py        what a `Trainer` is given, checked
methods.py         what each method trains, and how fast
fresh.py           the arrays that a network starts with, before any training
trainer.py         `Trainer`: one model, step by step
loop.py            epochs, early stopping, the best weights
run.py             runs through stages, as the original makes them
checkpoint.py      a run kept in a file, to go on from
schedule.py        learning rates that change from step to step
folds.py           which fold a text is validated in
prepare.py         texts and labels made ready to train on
starting.py        the network that training starts from
tuning.py          one network's run, from its settings
finetuning.py      `finetune`: whole runs
binary.py          `class_average`: a network for each class
watch.py           what a run shows on the way

The names are imported when they are first used: nothing here needs scikit-learn or PyTorch until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import imported

#: public name -> the module here that has it
_MODULES: dict[str, str] = {
    "BatchSampler": "data",
    "Dataset": "data",
    "Report": "report",
    "Trainer": "trainer",
    "class_average": "binary",
    "clear_cache": "cache",
    "finetune": "finetuning",  # not a module of the same name, which would be taken for it
    "save": "heads",
    "with_head": "heads",
}
__all__ = sorted(_MODULES)  # noqa: PLE0605

if TYPE_CHECKING:  # the same for type checkers, which read no tables
    from .binary import class_average as class_average
    from .cache import clear_cache as clear_cache
    from .data import BatchSampler as BatchSampler
    from .data import Dataset as Dataset
    from .finetuning import finetune as finetune
    from .heads import save as save
    from .heads import with_head as with_head
    from .report import Report as Report
    from .trainer import Trainer as Trainer

else:

    def __getattr__(name: str) -> object:
        return imported(globals(), name, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
