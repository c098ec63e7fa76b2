"""What was compiled once is loaded by every process after: the time loops are made of functions that Numba can
cache."""

from __future__ import annotations

from test_kernels import in_another_process

RUN_ALL = """
import numba.core.event as events
with events.install_recorder("numba:compile") as recorder:
    import test_kernels, test_kernels_gru, test_kernels_int8
    for module in (test_kernels, test_kernels_gru, test_kernels_int8):
        module.digest()
print(*{event.data["dispatcher"].py_func.__qualname__ for _, event in recorder.buffer})
"""


def test_a_second_process_compiles_nothing():
    in_another_process(RUN_ALL)  # compiles what no test has compiled yet
    assert in_another_process(RUN_ALL) == ""
