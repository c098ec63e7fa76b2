"""A pass of one text through a network in compiled code: the way from kernel to kernel.

In a batch what is between the kernels costs next to nothing. For one text, a dozen Python calls with their checks, new
arrays and threads to wake took more than half as long as the kernels do at int8. So `lowering` writes a network down
once, as a program, and `run` goes through it. All arithmetic is the other files' kernels', and so are the bits.

A *program* is an array of words, with places in it for what changes from text to text. It begins with what threads tell
each other, see below; then come the number of stages and, of these, how many a helper has something to do in; then for
each stage the number of its tasks, one or two, and the words where the first begins, the first ends, the second ends. A
task is one instruction after another, see `instructions`.

Two threads may share a text: each takes tasks by setting their bits on the board, its own first, and waits at the end
of a stage for the other's. Nobody waits for a helper that has not come: its tasks are there to be taken. They wait in a
loop that looks at the board, as waking a thread takes longer than most of these waits; a thread that looked in vain
returns to Python, which lets others have the core before it calls again. Between texts nobody waits so.
"""

from __future__ import annotations

from numba import types

from .atomics import atomic_load, atomic_or, atomic_swap, looked_in_vain
from .blocks import address_of
from .instructions import WORD, perform
from .target import jit

LINE = 8  # words: what threads look at while they wait has cache lines of its own
STAGES = 24  # of a program, at most
HELPER, STOP, NEVER = 0, LINE, LINE + 1  # the last is 0
BOARD = 2 * LINE  # for each stage a line: bits of the tasks that were taken, and of those that are done
TABLE = BOARD + STAGES * LINE
ENTRY = 4  # words of a stage in the table
FIRST = TABLE + 2 + STAGES * ENTRY  # the first instruction's word

IDLE, WANTED, INSIDE = range(3)  # what the word HELPER says: nobody is asked for; somebody is; somebody is at work
CALLER, JOINING, HELPING = range(3)  # who runs: the thread that wants the result; a helper that comes; one that is back
LOOKS = 8192  # at the board before a thread lets others have its core: some 200 microseconds


@jit(types.boolean(types.Array(types.int64, 1, "C"), types.int64))
def run(program, who):
    """Do what is left to do of a text, and say whether to call again, as somebody else's task is not done."""
    base, helping = address_of(program), who != CALLER
    helper, stop, never = base + HELPER * WORD, base + STOP * WORD, base + NEVER * WORD
    if who == JOINING and atomic_swap(helper, WANTED, INSIDE) != WANTED:
        return False
    stages = program[TABLE + 1] if helping else program[TABLE]
    for stage in range(stages):
        board, entry = base + (BOARD + stage * LINE) * WORD, TABLE + 2 + stage * ENTRY
        tasks = program[entry]
        for turn in range(tasks):
            task = tasks - 1 - turn if helping else turn
            if not (helping and tasks == 1) and not atomic_or(board, 1 << task) & (1 << task):
                at = program[entry + 1 + task]
                while at < program[entry + 2 + task]:
                    perform(program[at], base + (at + 2) * WORD)
                    at += program[at + 1]
                atomic_or(board + WORD, 1 << task)
        if helping and (stage == stages - 1 or atomic_load(stop)):
            break
        if looked_in_vain(board + WORD, (1 << tasks) - 1, stop if helping else never, LOOKS):
            return True
    if helping:
        atomic_swap(helper, INSIDE, IDLE)
        return False
    return atomic_swap(helper, WANTED, IDLE) == INSIDE and looked_in_vain(helper, IDLE, never, LOOKS)
