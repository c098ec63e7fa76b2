"""torchMoji's `lstm`: its names, which say what to use instead, see `elsewhere`."""

from .elsewhere import names

globals().update(names("lstm"))
