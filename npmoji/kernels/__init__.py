"""The compiled kernels: the fast part, kept in a room of its own. `backends/ops.py` says what they must compute.

Why they are not plain Numba or BLAS: BLAS repacks the recurrent matrix at every time step and sums in an order that
depends on the batch and the CPU; Numba's vectoriser offers no fused multiply-add and stays at half width on AVX-512.
Here matrices are packed once, and each result is one fixed chain of operations, whatever the batch, the thread count or
the CPU.

What the compiled code is made of:

    target.py       what Numba compiles for: vector width, block sizes; its decorators
    notices.py      what is said about compilation
    vectors.py      vector instructions as LLVM IR; tanh, exp and the gates written in them
    blocks.py       the innermost pieces: a register block of a product, the update of a few units
    memory.py       scratch memory that starts on a cache line; copying and clearing floats at an address
    products.py     rows of floats times a group of panels, in register blocks
    recurrence.py   the walk over time that all recurrent kernels share
    lstm_cell.py    what the LSTMs of all precisions share

What takes one text from kernel to kernel, for `lowering`; not imported, nor compiled, before a text comes alone:

    one_text.py     the way through a program, and how two threads share it
    instructions.py what programs are made of: calls of kernels by their addresses
    programs.py     programs as they are written, and each text's memory
    helpers.py      the second thread
    atomics.py      words that two threads change
    signatures.py   the types of what the kernels take

What Python calls:

    panels.py       weights packed as the kernels read them
    checks.py       what the following check before they run compiled code
    float32.py      matrix product and LSTM direction; weights may be halves
    int8.py         the same with quantised weights, on int8_blocks.py; not imported until asked for
    gru.py          GRU direction in float32; compiled on first use
    pairs.py        products of many small matrices with each other; compiled on first use
    elementwise.py  tanh, exp and the sigmoids on arrays
    windows.py      what a convolution's positions give, summed
    heads.py        what follows the LSTMs: dot products, softmax, weighted sums
    threads.py      Python threads for them; they release the GIL
"""

from .elementwise import exp, hard_sigmoid, hard_sigmoid_keras3, sigmoid, tanh
from .float32 import lstm, matmul
from .gru import arrange_gates, gru, pack_gru
from .heads import attention_weights, dense, dot_rows, softmax, weighted_sum
from .memory import Scratch
from .pairs import pairs
from .panels import interleave_gates, pack_bias, pack_columns, pack_gates, pack_half_gates
from .target import GATES
from .threads import Pool
from .windows import window_sums

__all__ = [
    "GATES",
    "Pool",
    "Scratch",
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
    "pack_columns",
    "pack_gates",
    "pack_gru",
    "pack_half_gates",
    "pairs",
    "sigmoid",
    "softmax",
    "tanh",
    "weighted_sum",
    "window_sums",
]
