"""Affine maps along any axes, as an equation says."""

from __future__ import annotations

import math
import re
import string
from typing import Any, NamedTuple

import numpy as np

from ..backends.ops import Array, Ops
from ..errors import WeightsError
from .base import Layer, given

FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class Letters(NamedTuple):
    """The axes of an equation by what becomes of them, each a string of letters.

    Attributes:
        inputs, kernel, outputs: as they stand in the equation.
        rows: in input and output. summed: in input and kernel. columns: in kernel and output. shared: in all three.
    """

    inputs: str
    kernel: str
    outputs: str
    rows: str
    summed: str
    columns: str
    shared: str


def letters_of(equation: str, rank: int) -> Letters | None:
    """The axes of ``abc,cd->abd``, ``...c,cd->...d`` or ``ab...,bc->ac...`` for an input of so many axes; None if it is
    no such equation."""
    found = FORM.fullmatch(equation.replace(" ", ""))
    if found is None:
        return None
    ahead, inputs, behind, kernel, out_ahead, outputs, out_behind = (group or "" for group in found.groups())
    more = rank - len(inputs)
    free = [letter for letter in string.ascii_letters if letter not in inputs + kernel + outputs]
    if (ahead, behind) != (out_ahead, out_behind) or (ahead and behind) or not 0 <= more <= len(free):
        return None
    rest = "".join(free[:more])
    if not ahead and not behind and rest:
        return None
    inputs, outputs = (rest + part if ahead else part + rest for part in (inputs, outputs))
    three = (inputs, kernel, outputs)
    each_twice = all(sum(letter in part for part in three) > 1 for letter in {*inputs, *kernel, *outputs})
    if any(len(set(part)) < len(part) for part in three) or not each_twice or outputs[:1] != inputs[:1]:
        return None
    shared = "".join(a for a in inputs if a in kernel and a in outputs)
    rows, summed = ("".join(a for a in inputs if a not in shared and a in part) for part in (outputs, kernel))
    return Letters(*three, rows, summed, "".join(a for a in kernel if a not in inputs), shared)


def simplest(equation: str) -> Letters | None:
    """The axes for an input of as few of them as the equation takes."""
    found = FORM.fullmatch(equation.replace(" ", ""))
    return found and letters_of(equation, len(found[2]) + bool(found[1] or found[3]))


class EinsumDense(Layer):
    """Affine map along the axes that an equation names, as in Keras: ``"abc,cd->abd"`` is that of `Dense`.

    The kernel is float32, its axes those of the equation's second part; a letter in all three parts stands for a kernel
    of its own at each place. No mask is passed on.

    Args:
        bias: float32, of the output's last axes, 1 where it is the same for all; or None.
        activation: a function of what comes out.

    >>> layer = npmoji.EinsumDense(npmoji.Input(), "ab,bc->ac", np.float32([[1], [2]]))
    >>> layer(np.float32([[1, 1]]))
    array([[3.]], dtype=float32)
    """

    def __init__(
        self,
        previous: Layer,
        equation: str,
        kernel: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str = "linear",
        name: str | None = None,
    ):
        super().__init__(previous, name=name)
        self.equation, self.activation = equation, activation
        letters = simplest(equation)
        if letters is None:
            raise WeightsError(f"layer {self.name!r}: equation {equation!r:.60}, expected one like 'abc,cd->abd'")
        self.kernel = self._expected(kernel, len(letters.kernel))
        self.bias = None if bias is None else self.expect("bias", bias, *(None,) * bias.ndim)

    def _expected(self, kernel: np.ndarray, rank: int) -> np.ndarray:
        return self.expect("kernel", kernel, *(None,) * rank)

    def letters(self, shape: tuple[int, ...]) -> Letters:
        """The equation's axes for an input of this shape, or a WeightsError if they do not fit."""
        found = letters_of(self.equation, len(shape))
        sizes = dict(zip(found.kernel, self.kernel.shape)) if found else {}
        if found is None or any(sizes.get(letter, size) != size for letter, size in zip(found.inputs, shape)):
            raise WeightsError(
                f"layer {self.name!r}: equation {self.equation!r} and kernel {self.kernel.shape}, but its input {shape}"
            )
        return found

    def forward(self, ops: Ops, x: Array) -> Array:
        return self._ended(ops, self._mapped(ops, self.letters(tuple(x.shape)), np.asarray(x, np.float32)))

    def _mapped(self, ops: Ops, letters: Letters, x: np.ndarray) -> np.ndarray:
        """x times the kernel, axes as in the output."""
        sizes = dict(zip(letters.inputs, x.shape)) | dict(zip(letters.kernel, self.kernel.shape))
        shape = [[sizes[letter] for letter in part] for part in (letters.shared, letters.rows, letters.columns)]
        order = [letters.inputs.index(a) for a in letters.shared + letters.rows + letters.summed]
        width = math.prod(sizes[letter] for letter in letters.summed)
        rows = x.transpose(order).reshape(*map(math.prod, shape[:2]), width)
        found = self._product(ops, letters, rows).reshape(*shape[0], *shape[1], *shape[2])
        return found.transpose([(letters.shared + letters.rows + letters.columns).index(a) for a in letters.outputs])

    def _product(self, ops: Ops, letters: Letters, rows: np.ndarray) -> np.ndarray:
        """The rows of each place that has its own kernel, times that: (B, M, F) -> (B, M, C)."""
        if letters.shared:
            return ops.pair_products(rows, self._matrices(letters))
        return np.asarray(ops.multiply(rows, self.packed(ops)))

    def _ended(self, ops: Ops, out: np.ndarray) -> Array:
        """With bias and activation."""
        try:
            return ops.activate(self.activation, np.ascontiguousarray(out if self.bias is None else out + self.bias))
        except ValueError as error:
            raise WeightsError(f"layer {self.name!r}: bias {self.bias.shape} for an output {out.shape}") from error

    def _matrices(self, letters: Letters) -> np.ndarray:
        """The kernel as matrices, one for each place that has its own."""
        order = [letters.kernel.index(a) for a in letters.shared + letters.summed + letters.columns]
        kernel, sizes = self.kernel.transpose(order), dict(zip(letters.kernel, self.kernel.shape))
        return kernel.reshape([math.prod(sizes[a] for a in part) for part in (letters.shared, letters.summed)] + [-1])

    def pack(self, ops: Ops) -> Any:
        return ops.pack_matrix(self._matrices(simplest(self.equation))[0], None)

    def propagate(self, values, masks):
        return None

    def weights(self) -> dict[str, np.ndarray]:
        return given(kernel=self.kernel, bias=self.bias)
