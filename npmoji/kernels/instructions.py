"""The instructions that programs of `one_text` are made of: calls of kernels by their addresses, and the little there
is between them. Written as LLVM IR: in Numba's own language they took as long to compile as the kernels.

A kernel's code is not taken into the function that calls it by address, and is not optimised once more with it, which
would take seconds where register blocks are.

An instruction's words: its kind, how many words there are, the kernel's address, and the arguments. A whole number or a
truth value is one word; a float's bits are the lower half of one; an array is its address, its shape and its strides.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from . import signatures
from .blocks import has_halves
from .target import FEATURES, FLOAT_BYTES, LANES, MACHINE
from .vectors import BYTE, F32, I32, I64, Emit, int64, round_half

WORD = 8  # bytes

#: of panels of either type, as only their address is handed on
_PANELS = types.Array(types.float32, 3, "C", readonly=True)
#: what kernels take, by the instruction's kind
SIGNATURES = {
    "matmul": signatures.matmul(_PANELS),
    "lstm": signatures.lstm(_PANELS),
    "int8_matmul": signatures.INT8_MATMUL,
    "int8_lstm": signatures.INT8_LSTM,
    "elementwise": signatures.ELEMENTWISE,
    "dense": signatures.DENSE,
    "dot_rows": signatures.DOT_ROWS,
    "normalise": signatures.NORMALISE,
    "weighted_sum": signatures.WEIGHTED_SUM,
}


class Area(NamedTuple):
    """An array of an instruction: where it is, and its shape and strides in bytes."""

    place: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def area(array: np.ndarray) -> Area:
    """That of an array, which must not be freed as long as the program is used."""
    return Area(array.__array_interface__["data"][0], array.shape, array.strides)


def entry(function: Callable) -> int:
    """The address of a compiled function of one signature; valid in this process."""
    (found,) = function.overloads.values()
    return found.library.get_pointer_to_function(found.fndesc.llvm_func_name)


def words_of(*arguments: float | Area) -> list[int]:
    """An instruction's arguments as words."""
    words: list[int] = []
    for argument in arguments:
        if isinstance(argument, Area):
            words += [argument.place, *argument.shape, *argument.strides]
        elif isinstance(argument, (float, np.floating)):
            words.append(struct.unpack("<i", struct.pack("<f", argument))[0])
        else:
            words.append(argument)
    return words


# Compiled -------------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the words after an address, one after another."""

    def __init__(self, builder: ir.IRBuilder, address: ir.Value):
        self.builder, self.next = builder, 0
        self.words = builder.inttoptr(address, I64.as_pointer())

    def word(self) -> ir.Value:
        self.next += 1
        return self.builder.load(self.builder.gep(self.words, [int64(self.next - 1)]))

    def argument(self, context, kind: types.Type) -> ir.Value:
        """What a function takes as an argument of this type."""
        if isinstance(kind, types.Array):
            return self._array(context, kind)
        word = self.word()
        if kind == types.float32:
            return self.builder.bitcast(self.builder.trunc(word, I32), F32)
        return context.cast(self.builder, word, types.int64, kind)

    def _array(self, context, kind: types.Array) -> ir.Value:
        element = context.get_data_type(kind.dtype)
        data = self.builder.inttoptr(self.word(), element.as_pointer())
        shape, strides = ([self.word() for _ in range(kind.ndim)] for _ in range(2))
        made = context.make_array(kind)(context, self.builder)
        populate_array(made, data, shape, strides, int64(context.get_abi_sizeof(element)), None)
        return made._getvalue()


def _emit_call(context, builder, signature, read):
    convention, kinds = context.call_conv, signature.args
    function = convention.get_function_type(signature.return_type, kinds).as_pointer()
    function = builder.inttoptr(read.word(), function)
    arguments = [read.argument(context, kind) for kind in kinds]
    convention.call_function(builder, function, signature.return_type, kinds, arguments)


def _emit_copy_rows(context, builder, read):
    """Arguments: target, its stride, source, its stride, the address of each row's number in the source, how many rows,
    bytes of a row. A row may be copied onto itself."""
    target, target_stride, source, source_stride, index, rows, size = (read.word() for _ in range(7))
    e = Emit(builder)
    kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), BYTE.as_pointer(), I64, ir.IntType(1)])
    copy = cgutils.get_or_insert_function(builder.module, kind, "llvm.memcpy.p0i8.p0i8.i64")
    with e.loop(int64(0), rows, 1) as row:
        number = builder.load(e.pointer(index, builder.mul(row, int64(WORD)), I64))
        to = e.pointer(target, builder.mul(row, target_stride), BYTE)
        builder.call(copy, [to, e.pointer(source, builder.mul(number, source_stride), BYTE), size, cgutils.false_bit])


def _emit_below_largest(context, builder, read):
    """Arguments: target, source, how many. Each number minus the largest; a NaN makes all of them NaN."""
    target, source, size = (read.word() for _ in range(3))
    e = Emit(builder)
    largest = cgutils.alloca_once_value(builder, builder.load(e.pointer(source, 0, F32)))
    for store in (False, True):
        with e.loop(int64(0), size, 1) as i:
            at = builder.mul(i, int64(FLOAT_BYTES))
            x, most = builder.load(e.pointer(source, at, F32)), builder.load(largest)
            if store:
                builder.store(builder.fsub(x, most), e.pointer(target, at, F32))
            else:
                larger = builder.and_(builder.fcmp_unordered(">", x, most), builder.fcmp_ordered("==", most, most))
                builder.store(builder.select(larger, x, most), largest)


def _emit_round_halves(context, builder, read):
    """Arguments: place, how many. Each number, and those that fill up the last vector, rounded to a half."""
    place, size = read.word(), read.word()
    e = Emit(builder)
    with e.loop(int64(0), size, LANES) as i:
        at = builder.mul(i, int64(FLOAT_BYTES))
        e.store(round_half(e, e.load(place, at)), place, at)


ROUNDS_HALVES = has_halves(FEATURES, MACHINE)  # else NumPy must
#: instructions that call no kernel
_OTHERS = {"copy_rows": _emit_copy_rows, "below_largest": _emit_below_largest}
if ROUNDS_HALVES:
    _OTHERS["round_halves"] = _emit_round_halves
KINDS = [*SIGNATURES, *_OTHERS]


@intrinsic
def perform(typingctx, kind, address):
    """Do what an instruction says, given its kind and the address of the words after it."""

    def codegen(context, builder, signature, values):
        after = builder.append_basic_block("after")
        switch = builder.switch(values[0], after)
        for number, name in enumerate(KINDS):
            block = builder.append_basic_block(name)
            switch.add_case(int64(number), block)
            builder.position_at_end(block)
            read = _Reader(builder, values[1])
            if name in SIGNATURES:
                _emit_call(context, builder, SIGNATURES[name], read)
            else:
                _OTHERS[name](context, builder, read)
            builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return types.void(types.int64, types.intp), codegen
