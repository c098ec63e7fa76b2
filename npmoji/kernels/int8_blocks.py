"""The innermost pieces of the int8 kernels, as intrinsics for nopython code: register blocks of a product of whole
numbers, rounding to bytes and back.

A register block has the shape of the float kernels'. Its step takes four k at once: four bytes of the row, and for each
column the four bytes that belong to them, which sit together in one 32-bit lane. Sums are exact, so every arithmetic
below gives the same ones.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .blocks import make_tile, on_addresses
from .target import FEATURES, FLOAT_BYTES, LANES
from .vectors import BYTE, F32, I32, INTS, VECTOR, Emit

QUAD = 4  # k values of one step

_PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)
_QUADS = ir.VectorType(BYTE, QUAD * LANES)

# Arithmetic of a step: acc[lane] += sum of 4 products of bytes, in the instructions that the target has
# ----------------


class IntArithmetic:
    """For any target: bytes widened to 32 bits, one k after the other."""

    weight_bytes = QUAD
    offset = 0  # what quantised inputs are stored with on top; taken off again through the columns' sums

    def input(self, e: Emit, address: ir.Value, offset: ir.Value) -> list[ir.Value]:
        quad = e.builder.load(e.pointer(address, offset, I32), align=FLOAT_BYTES)
        return self.prepare(e, e.splat(quad))

    def weights(self, e: Emit, address: ir.Value, offset: ir.Value | int) -> ir.Value:
        return e.load_as(I32, address, offset)

    def accumulator(self, e: Emit, address: ir.Value, offset: int) -> ir.Value:
        return e.load_as(I32, address, offset)

    def prepare(self, e: Emit, quad: ir.Value) -> list[ir.Value]:
        return [_byte(e, quad, i) for i in range(QUAD)]

    def multiply_add(self, e: Emit, x: list[ir.Value], w: ir.Value, acc: ir.Value) -> ir.Value:
        for i, part in enumerate(x):
            acc = e.builder.add(acc, e.builder.mul(part, _byte(e, w, i)))
        return acc


class PairArithmetic(IntArithmetic):
    """x86 without byte products: even and odd bytes widened to 16 bits, multiplied and added in pairs (pmaddwd)."""

    def prepare(self, e: Emit, quad: ir.Value) -> list[ir.Value]:
        b, eight = e.builder, ir.Constant(_PAIRS, [8] * 2 * LANES)
        pairs = b.bitcast(quad, _PAIRS)
        return [b.ashr(b.shl(pairs, eight), eight), b.ashr(pairs, eight)]

    def multiply_add(self, e: Emit, x: list[ir.Value], w: ir.Value, acc: ir.Value) -> ir.Value:
        for x_half, w_half in zip(x, self.prepare(e, w)):
            acc = e.builder.add(acc, _call(e, _PAIR_PRODUCT[LANES], INTS, x_half, w_half))
        return acc


class SignArithmetic(IntArithmetic):
    """AVX2: |x| times (w with the sign of x) as unsigned times signed bytes; two products of at most 127 * 127 cannot
    saturate the 16 bits that vpmaddubsw gives them."""

    def prepare(self, e: Emit, quad: ir.Value) -> list[ir.Value]:
        b, zero = e.builder, ir.Constant(_QUADS, None)
        signed = b.bitcast(quad, _QUADS)
        size = b.select(b.icmp_signed("<", signed, zero), b.sub(zero, signed), signed)
        return [size, signed]

    def multiply_add(self, e: Emit, x: list[ir.Value], w: ir.Value, acc: ir.Value) -> ir.Value:
        size, signed = x
        w = _call(e, "llvm.x86.avx2.psign.b", _QUADS, e.builder.bitcast(w, _QUADS), signed)
        pairs = _call(e, "llvm.x86.avx2.pmadd.ub.sw", _PAIRS, size, w)
        ones = ir.Constant(_PAIRS, [1] * 2 * LANES)
        return e.builder.add(acc, _call(e, _PAIR_PRODUCT[LANES], INTS, pairs, ones))


class VnniArithmetic(IntArithmetic):
    """vpdpbusd: unsigned times signed bytes, four products added to the accumulator without saturation."""

    offset = 128

    def prepare(self, e: Emit, quad: ir.Value) -> list[ir.Value]:
        return [quad]

    def multiply_add(self, e: Emit, x: list[ir.Value], w: ir.Value, acc: ir.Value) -> ir.Value:
        return _call(e, f"llvm.x86.avx512.vpdpbusd.{32 * LANES}", INTS, acc, x[0], w)


_PAIR_PRODUCT = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}


def choose_arithmetic(features: frozenset[str], lanes: int) -> IntArithmetic:
    """The best arithmetic for vectors of `lanes` that a target with these features has."""
    if lanes == 16 and "avx512vnni" in features or lanes == 8 and "avxvnni" in features:
        return VnniArithmetic()
    if lanes == 8 and "avx2" in features:
        return SignArithmetic()
    if lanes == 16 and "avx512bw" in features or lanes == 4 and "sse2" in features:
        return PairArithmetic()
    return IntArithmetic()


def _byte(e: Emit, quads: ir.Value, i: int) -> ir.Value:
    """Byte i of every lane, sign-extended."""
    left, right = (ir.Constant(INTS, [shift] * LANES) for shift in (24 - 8 * i, 24))
    return e.builder.ashr(e.builder.shl(quads, left), right)


def _call(e: Emit, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return e.builder.call(cgutils.get_or_insert_function(e.builder.module, kind, name), arguments)


ARITHMETIC = choose_arithmetic(FEATURES, LANES)

# Intrinsics ----------------------------------------------------------------------------------------------------------

tile_1 = make_tile(1, 1, {types.int32: ARITHMETIC})
tile_2 = make_tile(2, 1, {types.int32: ARITHMETIC})
tile_3 = make_tile(3, 1, {types.int32: ARITHMETIC})
tile_4 = make_tile(4, 1, {types.int32: ARITHMETIC})
tile_5 = make_tile(5, 1, {types.int32: ARITHMETIC})
tile_6 = make_tile(6, 1, {types.int32: ARITHMETIC})


def _emit_largest(e, largest, source):
    """largest = max(largest, |source|) by lanes; NaN counts as larger than anything and stays."""
    b = e.builder
    bits = b.and_(b.bitcast(e.load(source), INTS), ir.Constant(INTS, [0x7FFFFFFF] * LANES))
    old = b.bitcast(e.load(largest), INTS)  # of two positive floats the larger one has the larger bits, NaN included
    e.store(b.bitcast(b.select(b.icmp_signed(">", bits, old), bits, old), VECTOR), largest)


def _emit_quantise(e, target, source, factor):
    """LANES bytes of target = round(source * factor) + offset, to nearest even; factor is the address of a float."""
    b, magic = e.builder, 12582912.0
    scaled = e.mul(e.load(source), e.splat(b.load(e.pointer(factor, 0, F32), align=FLOAT_BYTES)))
    bits = b.bitcast(b.fadd(scaled, e.const(magic)), INTS)  # the sum's low mantissa bits hold the integer
    bits = b.add(bits, ir.Constant(INTS, [ARITHMETIC.offset] * LANES))
    whole = b.trunc(bits, ir.VectorType(BYTE, LANES))
    b.store(whole, e.pointer(target, 0, whole.type), align=1)


def _emit_dequantise(e, target, sums, start, scales, row_scale):
    """target = start + sums * (row scale * column scales); row_scale is the address of a float."""
    b = e.builder
    row = e.splat(b.load(e.pointer(row_scale, 0, F32), align=FLOAT_BYTES))
    sums = b.sitofp(e.load_as(I32, sums), VECTOR)
    e.store(e.fma(sums, e.mul(row, e.load(scales)), e.load(start)), target)


largest_of = on_addresses(2, _emit_largest)
quantise = on_addresses(3, _emit_quantise)
dequantise = on_addresses(5, _emit_dequantise)
