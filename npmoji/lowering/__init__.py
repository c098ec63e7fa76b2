"""A network written down as a program for one text, see `kernels.one_text`: how fast one text is depends on it.

The layers remain the one description of a network. `rules` says of each kind of layer which kernels its `forward` comes
down to on the Numba engine, for one text; of a layer that is not there, or that asks for something else, nothing is
said, and it is called as ever, as are those that come after it.

    writing.py  values in the text's memory, and the program being written
    rules.py    the kinds of layers
    plans.py    a program at work: one text in, values out
"""

from .plans import ahead

__all__ = ["ahead"]
