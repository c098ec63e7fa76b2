"""Layers that take texts or make rows of categories: nothing goes back through them."""

from __future__ import annotations

from ... import layers
from .table import rule, without_gradient

rule(layers.CategoryEncoding, layers.Hashing, layers.IntegerLookup, layers.StringLookup, layers.TextVectorization)(
    without_gradient
)
