"""Recipes of small networks that genuine Keras makes, for `tools/make_keras_cases.py`; each module holds one kind."""

from . import (  # noqa: F401  fill RECIPES
    averages,
    cells,
    composed,
    ends,
    functions,
    masked,
    numbers,
    plain,
    quantised,
    queries,
    structures,
    texts,
    windows,
)
from .workshop import FLAVOURS, RECIPES, SHIPPED, Workshop

__all__ = ["FLAVOURS", "RECIPES", "SHIPPED", "Workshop"]
