"""The compiled kernels: the fast part, kept in a room of its own. `backends/ops.py` says what they must compute.

Why they are not plain Numba or BLAS: BLAS repacks the recurrent matrix at every time step and sums in an order that depends
on the batch and the CPU; Numba's vectoriser offers no fused multiply-add and stays at half width on AVX-512. Here matrices
are packed once, and each result is one fixed chain of operations, whatever the batch, the thread count or the CPU.

    target.py    what Numba compiles for: vector width, block sizes
    notices.py   what is said of compilation
    vectors.py   vector instructions as LLVM IR; tanh, exp and the gates written in them
    blocks.py    the innermost pieces: a register block of a product, the update of a few units
    float32.py   matrix product, LSTM direction and elementwise functions on arrays; weights may be halves
    gru.py       GRU direction in float32; compiled on first use
    int8.py      product and LSTM direction with quantised weights, on int8_blocks.py; not imported until asked for
    heads.py     what follows the LSTMs: dot products, softmax, weighted sums
    threads.py   Python threads for them; they release the GIL
"""

from .float32 import (
    exp,
    hard_sigmoid,
    hard_sigmoid_keras3,
    interleave_gates,
    lstm,
    matmul,
    pack_bias,
    pack_gates,
    pack_half_gates,
    sigmoid,
    tanh,
)
from .gru import arrange_gates, gru, pack_gru
from .heads import attention_weights, dense, dot_rows, softmax, weighted_sum
from .target import GATES
from .threads import Pool

__all__ = [
    "GATES",
    "Pool",
    "arrange_gates",
    "attention_weights",
    "dense",
    "dot_rows",
    "exp",
    "gru",
    "hard_sigmoid",
    "hard_sigmoid_keras3",
    "interleave_gates",
    "lstm",
    "matmul",
    "pack_bias",
    "pack_gates",
    "pack_gru",
    "pack_half_gates",
    "sigmoid",
    "softmax",
    "tanh",
    "weighted_sum",
]
