"""What two threads tell each other in compiled code, in words of 64 bits."""

from __future__ import annotations

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .vectors import I64

#: an instruction for loops that wait, by machine
PAUSES = {"x86_64": "llvm.x86.sse2.pause", "amd64": "llvm.x86.sse2.pause"}


@intrinsic
def atomic_or(typingctx, address, bits):
    """Sets bits of a word and returns what was there before."""

    def codegen(context, builder, signature, values):
        place = builder.inttoptr(values[0], I64.as_pointer())
        return builder.atomic_rmw("or", place, values[1], "seq_cst")

    return types.int64(types.intp, types.int64), codegen


@intrinsic
def atomic_swap(typingctx, address, old, new):
    """Changes a word from one value to another, and returns what was there before: another one if it was not
    changed."""

    def codegen(context, builder, signature, values):
        place = builder.inttoptr(values[0], I64.as_pointer())
        both = builder.cmpxchg(place, values[1], values[2], "seq_cst", "seq_cst")
        return builder.extract_value(both, 0)

    return types.int64(types.intp, types.int64, types.int64), codegen


@intrinsic
def atomic_load(typingctx, address):
    """A word as it is now."""

    def codegen(context, builder, signature, values):
        return builder.load_atomic(builder.inttoptr(values[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.intp), codegen


@intrinsic
def looked_in_vain(typingctx, address, wanted, stop, looks):
    """Look at a word so many times, and say whether it never had the wanted value, nor the word at `stop` any but 0."""

    def codegen(context, builder, signature, values):
        address, wanted, stop, looks = values
        place, other = (builder.inttoptr(word, I64.as_pointer()) for word in (address, stop))
        vain = cgutils.alloca_once_value(builder, cgutils.true_bit)
        with cgutils.for_range(builder, looks) as loop:
            seen = builder.icmp_signed("==", builder.load_atomic(place, "seq_cst", 8), wanted)
            told = cgutils.is_not_null(builder, builder.load_atomic(other, "seq_cst", 8))
            with builder.if_then(builder.or_(seen, told)):
                builder.store(cgutils.false_bit, vain)
                loop.do_break()
            _emit_pause(builder)
        return context.cast(builder, builder.load(vain), types.boolean, types.boolean)

    return types.boolean(types.int64, types.int64, types.int64, types.int64), codegen


def _emit_pause(builder: ir.IRBuilder) -> None:
    """Lets a waiting core rest for a moment, where the instruction for it is known."""
    if name := PAUSES.get(platform.machine().lower()):
        builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), name), [])
