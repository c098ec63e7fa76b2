"""The innermost pieces, as intrinsics for nopython code: register blocks of a product, the gates, one vector of a function.

Addresses and strides are in bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .target import (
    CACHE_LINE,
    EXP,
    FLOAT_BYTES,
    GROUP_PANELS,
    HARD_SIGMOID,
    HARD_SIGMOID_KERAS3,
    LANES,
    PREFETCH,
    SIGMOID,
    TANH,
    TILE,
    VECTORS,
)
from .vectors import F32, FUNCTIONS, GATE_FUNCTIONS, I64, Emit, emit_tanh, int64


def on_addresses(count: int, emit: Callable) -> Callable:
    """An intrinsic of `count` integer arguments that runs `emit(e, *arguments)` when code is generated."""

    def typed(typingctx, *arguments):
        def codegen(context, builder, signature, values):
            emit(Emit(builder), *values)
            return context.get_dummy_value()

        return types.void(*[types.intp] * count), codegen

    # Numba takes the arity from the Python signature, hence one plain function for each count in use.
    shapes = {
        1: lambda typingctx, a: typed(typingctx, a),
        2: lambda typingctx, a, b: typed(typingctx, a, b),
        3: lambda typingctx, a, b, c: typed(typingctx, a, b, c),
        5: lambda typingctx, a, b, c, d, e: typed(typingctx, a, b, c, d, e),
        7: lambda typingctx, a, b, c, d, e, f, g: typed(typingctx, a, b, c, d, e, f, g),
    }
    return intrinsic(shapes[count])


@intrinsic
def address_of(typingctx, array):
    """The address of an array's first element, as a signed integer (nopython's `ctypes.data` is unsigned, and
    unsigned + signed would be a float64)."""

    def codegen(context, builder, signature, values):
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(data, I64)

    return types.intp(array), codegen


class FloatArithmetic:
    """One step of k in a register block: a float of the row, LANES floats of the panel."""

    def input(self, e: Emit, address: ir.Value, offset: ir.Value) -> ir.Value:
        return e.splat(e.builder.load(e.pointer(address, offset, F32), align=FLOAT_BYTES))

    def load(self, e: Emit, address: ir.Value, offset: ir.Value | int) -> ir.Value:
        return e.load(address, offset)

    def multiply_add(self, e: Emit, x: ir.Value, w: ir.Value, acc: ir.Value) -> ir.Value:
        return e.fma(x, w, acc)


class _Block:
    """Emits c[r, :] += sum over k of a[r, k] * b[k, :] for a block of rows and adjacent panels, kept in registers."""

    def __init__(self, e, arithmetic, rows, panels, addresses):
        a, a_stride, b, b_stride, c, c_stride = addresses
        self.e, self.arithmetic = e, arithmetic
        self.a_rows = self._spread(a, a_stride, rows)
        self.panels = self._spread(b, b_stride, panels)
        self.c_rows = self._spread(c, c_stride, rows)
        self.vectors = range(panels * VECTORS)
        self.acc = [
            [cgutils.alloca_once_value(e.builder, arithmetic.load(e, row, self._at(v))) for v in self.vectors]
            for row in self.c_rows
        ]

    def _spread(self, address, stride, count):
        return [self.e.builder.add(address, self.e.builder.mul(stride, int64(i))) for i in range(count)]

    @staticmethod
    def _at(vector):
        return FLOAT_BYTES * LANES * vector

    def _weights(self, offset, u):
        """The vectors of one k, `u` steps after `offset`, and a prefetch of the lines that come later."""
        e, at = self.e, self.e.builder.mul(offset, int64(TILE))
        ahead = FLOAT_BYTES * TILE * u + PREFETCH
        for panel in self.panels:
            for line in range(0, FLOAT_BYTES * TILE, CACHE_LINE):
                e.prefetch(panel, e.builder.add(at, int64(ahead + line)))
            for v in range(VECTORS):
                yield self.arithmetic.load(e, panel, e.builder.add(at, int64(ahead - PREFETCH + self._at(v))))

    def _inputs(self, offset, u):
        for row in self.a_rows:
            yield self.arithmetic.input(self.e, row, self.e.builder.add(offset, int64(FLOAT_BYTES * u)))

    def _multiply_add(self, r, v, x, w):
        acc = self.acc[r][v]
        self.e.builder.store(self.arithmetic.multiply_add(self.e, x, w, self.e.builder.load(acc)), acc)

    def step(self, offset, u):
        """The shorter side is held in registers and the longer one streams past: LLVM keeps this order, and would
        otherwise load everything first and spill accumulators."""
        if len(self.a_rows) < len(self.vectors):
            held = list(self._inputs(offset, u))
            for v, w in enumerate(self._weights(offset, u)):
                for r, x in enumerate(held):
                    self._multiply_add(r, v, x, w)
        else:
            held = list(self._weights(offset, u))
            for r, x in enumerate(self._inputs(offset, u)):
                for v, w in enumerate(held):
                    self._multiply_add(r, v, x, w)

    def finish(self):
        for r, row in enumerate(self.c_rows):
            for v in self.vectors:
                self.e.store(self.e.builder.load(self.acc[r][v]), row, self._at(v))


def make_tile(rows: int, panels: int, arithmetic: FloatArithmetic) -> Callable:
    """Intrinsic of one register block. Arguments: a, row stride of a, b, panel stride of b, c, row stride of c, steps
    of k."""
    unroll = 2

    def emit(e, *arguments):
        *addresses, k = arguments
        block = _Block(e, arithmetic, rows, panels, addresses)
        even = e.builder.mul(e.builder.and_(k, int64(-unroll)), int64(FLOAT_BYTES))
        with e.loop(int64(0), even, FLOAT_BYTES * unroll) as offset:
            for u in range(unroll):
                block.step(offset, u)
        with e.loop(even, e.builder.mul(k, int64(FLOAT_BYTES)), FLOAT_BYTES) as offset:
            block.step(offset, 0)
        block.finish()

    return on_addresses(7, emit)


_FLOAT = FloatArithmetic()
tile_1 = make_tile(1, GROUP_PANELS, _FLOAT)
tile_2 = make_tile(2, 2, _FLOAT)
tile_3 = make_tile(3, 2, _FLOAT)
tile_4 = make_tile(4, 1, _FLOAT)
tile_5 = make_tile(5, 1, _FLOAT)
tile_6 = make_tile(6, 1, _FLOAT)


def _gates(kind: int) -> Callable:
    """State update of one row's block: (z, c, h) -> c' = f c + i tanh(z_c), h' = o tanh(c'); c in place,
    z holds the block's vectors i, f, c, o."""
    recurrent = GATE_FUNCTIONS[kind]

    def emit(e, z, c, h):
        i, f, candidate, o = (e.load(z, FLOAT_BYTES * LANES * g) for g in range(4))
        update = e.mul(recurrent(e, i), emit_tanh(e, candidate))
        state = e.fma(recurrent(e, f), e.load(c), update)
        e.store(state, c)
        e.store(e.mul(recurrent(e, o), emit_tanh(e, state)), h)

    return on_addresses(3, emit)


gates_hard = _gates(0)
gates_hard_keras3 = _gates(1)
gates_sigmoid = _gates(2)


def _apply(kind: int) -> Callable:
    """One vector of an elementwise function: (target, source)."""
    return on_addresses(2, lambda e, target, source: e.store(FUNCTIONS[kind](e, e.load(source)), target))


apply_tanh = _apply(TANH)
apply_exp = _apply(EXP)
apply_sigmoid = _apply(SIGMOID)
apply_hard = _apply(HARD_SIGMOID)
apply_hard_keras3 = _apply(HARD_SIGMOID_KERAS3)
zero_vector = on_addresses(1, lambda e, target: e.store(e.const(0.0), target))
copy_vector = on_addresses(2, lambda e, target, source: e.store(e.load(source), target))
