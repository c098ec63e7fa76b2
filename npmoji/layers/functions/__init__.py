"""Functions of tensors: one table, by the names that Keras 3 has for its operations.

    table.py          Function, and the decorator by which one enters the table
    arguments.py      what parameters may be
    numbers.py        types of numbers, and what they become together
    elementwise.py    of each element, of one array or two; activations.py, those with settings
    reductions.py     sums, means, norms, and what goes along an axis
    shapes.py         other shapes and orders; selections.py, what is chosen
    products.py       of matrices

`keras.functions` says what else TensorFlow and files call them.
"""

from . import activations, elementwise, products, reductions, selections, shapes  # noqa: F401  fill FUNCTIONS
from .table import FUNCTIONS as FUNCTIONS
from .table import Function as Function
