"""Recipes of small networks that genuine Keras makes, for `tools/make_keras_cases.py`; each module holds one kind."""

from . import averages, composed, masked, numbers, queries, structures, windows  # noqa: F401  fill RECIPES
from .workshop import FLAVOURS, RECIPES, SHIPPED, Workshop

__all__ = ["FLAVOURS", "RECIPES", "SHIPPED", "Workshop"]
