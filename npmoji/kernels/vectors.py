"""Vector instructions as LLVM IR, and the elementwise functions written in them.

Numba's own vectoriser stays at half width on AVX-512 and offers no fused multiply-add, hence explicit vector types. The
functions are our own because a library's tanh gives other bits on other machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from .target import EXP, FLOAT_BYTES, HARD_SIGMOID, HARD_SIGMOID_KERAS3, LANES, SIGMOID, TANH

F32 = ir.FloatType()
I32 = ir.IntType(32)
I64 = ir.IntType(64)
BYTE = ir.IntType(8)
VECTOR = ir.VectorType(F32, LANES)
INTS = ir.VectorType(I32, LANES)


class Emit:
    """Writes vector instructions at the builder's position. No fast-math flag is ever set, so LLVM must keep each
    operation and its rounding as written: it neither reassociates nor fuses a separate multiply and add."""

    def __init__(self, builder: ir.IRBuilder):
        self.builder = builder
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        self._fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")

    def const(self, value: float) -> ir.Constant:
        return ir.Constant(VECTOR, [float(np.float32(value))] * LANES)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        return self.builder.call(self._fma, [a, b, c])

    def mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.fmul(a, b)

    def clamp(self, x: ir.Value, low: float, high: float) -> ir.Value:
        """NaN passes through: both comparisons are false for it."""
        b, low, high = self.builder, self.const(low), self.const(high)
        x = b.select(b.fcmp_ordered("<", x, low), low, x)
        return b.select(b.fcmp_ordered(">", x, high), high, x)

    def polynomial(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """Horner's rule; coefficients from the highest power down."""
        acc = self.const(coefficients[0])
        for c in coefficients[1:]:
            acc = self.fma(acc, x, self.const(c))
        return acc

    def splat(self, x: ir.Value) -> ir.Value:
        empty = ir.Constant(ir.VectorType(x.type, LANES), ir.Undefined)
        first = self.builder.insert_element(empty, x, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(first, empty, ir.Constant(INTS, None))

    def pointer(self, address: ir.Value, offset: ir.Value | int = 0, kind: ir.Type = VECTOR) -> ir.Value:
        offset = int64(offset) if isinstance(offset, int) else offset
        return self.builder.inttoptr(self.builder.add(address, offset), kind.as_pointer())

    def load(self, address: ir.Value, offset: ir.Value | int = 0) -> ir.Value:
        return self.builder.load(self.pointer(address, offset), align=FLOAT_BYTES)

    def load_as(self, kind: ir.Type, address: ir.Value, offset: ir.Value | int = 0) -> ir.Value:
        """LANES numbers of another type."""
        return self.builder.load(self.pointer(address, offset, ir.VectorType(kind, LANES)), align=1)

    def store(self, value: ir.Value, address: ir.Value, offset: ir.Value | int = 0) -> None:
        self.builder.store(value, self.pointer(address, offset, value.type), align=FLOAT_BYTES)

    def prefetch(self, address: ir.Value, offset: ir.Value) -> None:
        """Asks for the cache line at an address; harmless where there is no memory."""
        kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0i8")
        read_keep_data = [ir.Constant(I32, n) for n in (0, 3, 1)]
        self.builder.call(function, [self.pointer(address, offset, BYTE), *read_keep_data])

    @contextmanager
    def loop(self, start: ir.Value, stop: ir.Value, step: int) -> Iterator[ir.Value]:
        with cgutils.for_range_slice(self.builder, start, stop, int64(step), I64) as (index, _):
            yield index


def int64(count: int) -> ir.Constant:
    """A 64-bit constant."""
    return ir.Constant(I64, count)


# IEEE halves, on one vector -------------------------------------------------------------------------------------------


def widen_half(e: Emit, halves: ir.Value) -> ir.Value:
    """Bits of LANES halves -> floats of the same value, by the target's instruction."""
    return e.builder.fpext(e.builder.bitcast(halves, ir.VectorType(ir.HalfType(), LANES)), VECTOR)


def round_half(e: Emit, x: ir.Value) -> ir.Value:
    """Floats rounded to halves, to nearest even, by the target's instruction."""
    return e.builder.fpext(e.builder.fptrunc(x, ir.VectorType(ir.HalfType(), LANES)), VECTOR)


def widen_half_by_hand(e: Emit, halves: ir.Value) -> ir.Value:
    """The same for finite halves in ordinary instructions: exponent and mantissa moved to their place in a float say
    2**112 times too little, subnormal ones included."""
    b, bits = e.builder, e.builder.zext(halves, INTS)
    size, sign = (b.and_(bits, ir.Constant(INTS, [mask] * LANES)) for mask in (0x7FFF, 0x8000))
    size = e.mul(b.bitcast(b.shl(size, ir.Constant(INTS, [13] * LANES)), VECTOR), e.const(2.0**112))
    sign = b.shl(sign, ir.Constant(INTS, [16] * LANES))
    return b.bitcast(b.or_(b.bitcast(size, INTS), sign), VECTOR)


# Elementwise functions, on one vector --------------------------------------------------------------------------------

_MAGIC = 12582912.0  # 1.5 * 2**23: adding it rounds a small float to the nearest integer, kept in the low mantissa bits
_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.428606765330187e-06  # their sum is ln 2, the first with 9 trailing zero bits
# Minimax fits (relative error 3e-9 and 4e-9): exp(r) on |r| <= ln2/2, and (tanh(x) - x) / x^3 in x^2 on |x| <= 0.625.
_EXP = (
    0.001381453825160861,
    0.00836874544620514,
    0.04166838899254799,
    0.1666652113199234,
    0.4999999403953552,
    1.0,
    1.0,
)
_TANH = (-0.0057049887254834175, 0.02063908986747265, -0.05373971536755562, 0.13331441581249237, -0.3333328068256378)
_TANH_SPLIT = 0.625  # below it the polynomial, above it the exponential
_TANH_ONE = 9.1  # from here on tanh rounds to 1


def _exp_parts(e: Emit, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """(p, n) with exp(x) = p * 2**n, n an integer vector. A NaN in x comes out as a NaN in p."""
    b = e.builder
    shifted = e.fma(x, e.const(_LOG2E), e.const(_MAGIC))
    whole = b.fsub(shifted, e.const(_MAGIC))
    rest = e.fma(whole, e.const(-_LN2_LOW), e.fma(whole, e.const(-_LN2_HIGH), x))
    magic_bits = int(np.float32(_MAGIC).view(np.int32))
    n = b.sub(b.bitcast(shifted, INTS), ir.Constant(INTS, [magic_bits] * LANES))
    return e.polynomial(rest, _EXP), n


def _scale(e: Emit, p: ir.Value, n: ir.Value) -> ir.Value:
    """p * 2**n for -127 < n < 128, by building the float 2**n from its exponent bits."""
    b = e.builder
    bits = b.shl(b.add(n, ir.Constant(INTS, [127] * LANES)), ir.Constant(INTS, [23] * LANES))
    return e.mul(p, b.bitcast(bits, VECTOR))


def emit_exp(e: Emit, x: ir.Value) -> ir.Value:
    """2**n in two factors, so that results may be denormal or overflow to infinity; beyond the clamp they are 0,
    inf."""
    b = e.builder
    p, n = _exp_parts(e, e.clamp(x, -105.0, 89.0))
    half = b.ashr(n, ir.Constant(INTS, [1] * LANES))
    return _scale(e, _scale(e, p, half), b.sub(n, half))


def emit_sigmoid(e: Emit, x: ir.Value) -> ir.Value:
    """1 / (1 + exp(-x))."""
    b, one = e.builder, e.const(1.0)
    return b.fdiv(one, b.fadd(one, emit_exp(e, b.fsub(e.const(-0.0), x))))


def emit_tanh(e: Emit, x: ir.Value) -> ir.Value:
    """x + x^3 P(x^2) for small |x|, else sign(x) (1 - 2 / (exp(2|x|) + 1)); absolute error below 1.5e-7."""
    b, one = e.builder, e.const(1.0)
    x = e.clamp(x, -_TANH_ONE, _TANH_ONE)
    sign = b.and_(b.bitcast(x, INTS), ir.Constant(INTS, [-(2**31)] * LANES))
    size = b.bitcast(b.xor(b.bitcast(x, INTS), sign), VECTOR)
    square = e.mul(size, size)
    small = e.fma(e.mul(size, square), e.polynomial(square, _TANH), size)
    p, n = _exp_parts(e, b.fadd(size, size))
    large = b.fsub(one, b.fdiv(e.const(2.0), b.fadd(_scale(e, p, n), one)))
    result = b.select(b.fcmp_ordered("<", size, e.const(_TANH_SPLIT)), small, large)
    return b.bitcast(b.or_(b.bitcast(result, INTS), sign), VECTOR)


def emit_hard_sigmoid(e: Emit, x: ir.Value) -> ir.Value:
    """Keras 2: clip(0.2 x + 0.5, 0, 1)."""
    return e.clamp(e.fma(x, e.const(0.2), e.const(0.5)), 0.0, 1.0)


def emit_hard_sigmoid_keras3(e: Emit, x: ir.Value) -> ir.Value:
    """Keras 3: relu6(x + 3) / 6."""
    return e.builder.fdiv(e.clamp(e.builder.fadd(x, e.const(3.0)), 0.0, 6.0), e.const(6.0))


FUNCTIONS = {
    TANH: emit_tanh,
    EXP: emit_exp,
    SIGMOID: emit_sigmoid,
    HARD_SIGMOID: emit_hard_sigmoid,
    HARD_SIGMOID_KERAS3: emit_hard_sigmoid_keras3,
}
