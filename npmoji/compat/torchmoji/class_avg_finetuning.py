"""torchMoji's `class_avg_finetuning`: its names, which say what to use instead, see `elsewhere`."""

from .elsewhere import names

globals().update(names("class_avg_finetuning"))
