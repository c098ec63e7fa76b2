"""The innermost pieces, as intrinsics for nopython code: register blocks of a product, the gates, one vector of a
function.

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
    FEATURES,
    FLOAT_BYTES,
    GROUP_PANELS,
    HARD_SIGMOID,
    HARD_SIGMOID_KERAS3,
    LANES,
    MACHINE,
    PREFETCH,
    SIGMOID,
    TANH,
    TILE,
    VECTORS,
)
from .vectors import F32, FUNCTIONS, I64, Emit, emit_tanh, int64, widen_half, widen_half_by_hand


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
        4: lambda typingctx, a, b, c, d: typed(typingctx, a, b, c, d),
        5: lambda typingctx, a, b, c, d, e: typed(typingctx, a, b, c, d, e),
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


@intrinsic
def bytes_of(typingctx, dtype):
    """The size of an array's dtype, a constant in compiled code."""
    size = dtype.dtype.bitwidth // 8
    return types.intp(dtype), lambda context, builder, signature, values: context.get_constant(types.intp, size)


class FloatArithmetic:
    """One step of k in a register block: a float of the row, LANES floats of the panel."""

    weight_bytes = FLOAT_BYTES

    def input(self, e: Emit, address: ir.Value, offset: ir.Value) -> ir.Value:
        return e.splat(e.builder.load(e.pointer(address, offset, F32), align=FLOAT_BYTES))

    def weights(self, e: Emit, address: ir.Value, offset: ir.Value | int) -> ir.Value:
        return e.load(address, offset)

    def accumulator(self, e: Emit, address: ir.Value, offset: int) -> ir.Value:
        return e.load(address, offset)

    def multiply_add(self, e: Emit, x: ir.Value, w: ir.Value, acc: ir.Value) -> ir.Value:
        return e.fma(x, w, acc)


class HalfArithmetic(FloatArithmetic):
    """The same on weights stored as IEEE halves and widened, which is exact, when loaded."""

    weight_bytes = 2

    def __init__(self, widen: Callable[[Emit, ir.Value], ir.Value]):
        self.widen = widen

    def weights(self, e: Emit, address: ir.Value, offset: ir.Value | int) -> ir.Value:
        return self.widen(e, e.load_as(ir.IntType(16), address, offset))


def choose_widening(features: frozenset[str], machine: str) -> Callable[[Emit, ir.Value], ir.Value]:
    """Without an instruction for it LLVM would call a library function, one float at a time."""
    return widen_half if has_halves(features, machine) else widen_half_by_hand


def has_halves(features: frozenset[str], machine: str) -> bool:
    """Whether a target has instructions that turn floats into halves and back."""
    return "f16c" in features or machine in ("arm64", "aarch64")


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
            [cgutils.alloca_once_value(e.builder, arithmetic.accumulator(e, row, self._at(v))) for v in self.vectors]
            for row in self.c_rows
        ]

    def _spread(self, address, stride, count):
        return [self.e.builder.add(address, self.e.builder.mul(stride, int64(i))) for i in range(count)]

    @staticmethod
    def _at(vector):
        return FLOAT_BYTES * LANES * vector

    def _weights(self, offset, u):
        """The vectors of one k, `u` steps after `offset`, and a prefetch of the lines that come later."""
        size = self.arithmetic.weight_bytes
        e, at = self.e, self.e.builder.mul(offset, int64(TILE * size // FLOAT_BYTES))  # offset counts floats of a row
        here = size * TILE * u
        for panel in self.panels:
            for line in range(0, size * TILE, CACHE_LINE):
                e.prefetch(panel, e.builder.add(at, int64(here + PREFETCH + line)))
            for v in range(VECTORS):
                yield self.arithmetic.weights(e, panel, e.builder.add(at, int64(here + size * LANES * v)))

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


def make_tile(rows: int, panels: int, arithmetics: dict[types.Type, FloatArithmetic]) -> Callable:
    """Intrinsic of one register block. Arguments: a, row stride of a, b, panel stride of b, c, row stride of c, steps
    of k, and the dtype of b, which chooses the arithmetic when the code is generated."""
    unroll = 2

    def emit(e, arithmetic, *addresses, k):
        block = _Block(e, arithmetic, rows, panels, addresses)
        even = e.builder.mul(e.builder.and_(k, int64(-unroll)), int64(FLOAT_BYTES))
        with e.loop(int64(0), even, FLOAT_BYTES * unroll) as offset:
            for u in range(unroll):
                block.step(offset, u)
        with e.loop(even, e.builder.mul(k, int64(FLOAT_BYTES)), FLOAT_BYTES) as offset:
            block.step(offset, 0)
        block.finish()

    @intrinsic
    def tile(typingctx, a, a_stride, b, b_stride, c, c_stride, k, dtype):
        def codegen(context, builder, signature, values):
            *addresses, k, _ = values
            emit(Emit(builder), arithmetics[dtype.dtype], *addresses, k=k)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 7, dtype), codegen

    return tile


FLOATS = {types.float32: FloatArithmetic(), types.uint16: HalfArithmetic(choose_widening(FEATURES, MACHINE))}
tile_1 = make_tile(1, GROUP_PANELS, FLOATS)
tile_2 = make_tile(2, 2, FLOATS)
tile_3 = make_tile(3, 2, FLOATS)
tile_4 = make_tile(4, 1, FLOATS)
tile_5 = make_tile(5, 1, FLOATS)
tile_6 = make_tile(6, 1, FLOATS)


def _gates(kind: int) -> Callable:
    """State update of one row's block: (z, c, h) -> c' = f c + i tanh(z_c), h' = o tanh(c'); c in place,
    z holds the block's vectors i, f, c, o."""
    recurrent = FUNCTIONS[kind]

    def emit(e, z, c, h):
        i, f, candidate, o = (e.load(z, FLOAT_BYTES * LANES * g) for g in range(4))
        update = e.mul(recurrent(e, i), emit_tanh(e, candidate))
        state = e.fma(recurrent(e, f), e.load(c), update)
        e.store(state, c)
        e.store(e.mul(recurrent(e, o), emit_tanh(e, state)), h)

    return on_addresses(3, emit)


gates_hard = _gates(HARD_SIGMOID)
gates_hard_keras3 = _gates(HARD_SIGMOID_KERAS3)
gates_sigmoid = _gates(SIGMOID)


DENSE_COLUMNS = 4 * LANES


def _emit_dense(e, x, rows, kernel, stride, sums):
    """The next DENSE_COLUMNS sums, in doubles, += x · kernel, multiplied and added one after the other as in plain
    code."""
    b, width = e.builder, LANES // 2
    doubles = ir.VectorType(ir.DoubleType(), width)
    places = [e.pointer(sums, 2 * FLOAT_BYTES * width * v, doubles) for v in range(DENSE_COLUMNS // width)]
    acc = [cgutils.alloca_once_value(b, b.load(place, align=FLOAT_BYTES)) for place in places]
    splat = ir.Constant(ir.VectorType(ir.IntType(32), width), None)
    with e.loop(int64(0), rows, 1) as row:
        value = b.fpext(b.load(e.pointer(x, b.mul(row, int64(FLOAT_BYTES)), F32)), ir.DoubleType())
        empty = ir.Constant(doubles, ir.Undefined)
        value = b.shuffle_vector(b.insert_element(empty, value, ir.Constant(ir.IntType(32), 0)), empty, splat)
        line = b.add(kernel, b.mul(row, stride))
        for v, sum_ in enumerate(acc):
            weights = b.load(e.pointer(line, FLOAT_BYTES * width * v, ir.VectorType(F32, width)), align=FLOAT_BYTES)
            b.store(b.fadd(b.load(sum_), b.fmul(value, b.fpext(weights, doubles))), sum_)
    for place, sum_ in zip(places, acc):
        b.store(b.load(sum_), place, align=FLOAT_BYTES)


dense_columns = on_addresses(5, _emit_dense)

WIDE = 16  # running sums of a dot product: enough for the widest vectors, and the same number on every machine


def _emit_dot(e, x, w, size, sums):
    """The WIDE sums of every WIDE-th product x · w, of `size` bytes of either, multiplied and added one after the
    other as in plain code."""
    b, vector = e.builder, FLOAT_BYTES * LANES
    acc = [cgutils.alloca_once_value(b, e.const(0.0)) for _ in range(WIDE // LANES)]
    with e.loop(int64(0), size, WIDE * FLOAT_BYTES) as offset:
        for v, sum_ in enumerate(acc):
            at = b.add(offset, int64(vector * v))
            b.store(b.fadd(b.load(sum_), e.mul(e.load(x, at), e.load(w, at))), sum_)
    for v, sum_ in enumerate(acc):
        e.store(b.load(sum_), sums, vector * v)


def _emit_add_scaled(e, target, source, size, factor):
    """`size` bytes of target += factor * source, multiplied and added one after the other; factor is an address."""
    b = e.builder
    scale = e.splat(b.load(e.pointer(factor, 0, F32), align=FLOAT_BYTES))
    with e.loop(int64(0), size, LANES * FLOAT_BYTES) as at:
        e.store(b.fadd(e.load(target, at), e.mul(scale, e.load(source, at))), target, at)


dot_sums = on_addresses(4, _emit_dot)
add_scaled = on_addresses(4, _emit_add_scaled)


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
