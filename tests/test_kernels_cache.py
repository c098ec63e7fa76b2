"""What was compiled once is loaded by every process after: the time loops are made of functions that Numba can
cache."""

from __future__ import annotations

import pytest
from conftest import DATA
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


COMPILE = "from npmoji.cli import main; assert main(['info', '--compile', '--weights', {path!r}]) == 0"
COMPUTE = """
import numba.core.event as events
with events.install_recorder("numba:compile") as recorder:
    import npmoji
    from npmoji.graph import zeros

    model = npmoji.load({path!r}, engine="numba")
    for rows in (1, 2, 50):
        model.predict({{layer.name: zeros(layer, rows, 12) + (rows > 1) for layer in model.graph.inputs}})
print(*{{event.data["dispatcher"].py_func.__qualname__ for _, event in recorder.buffer}})
"""


@pytest.mark.parametrize("path", ["models/keras205_small/weights.hdf5", "keras/tf_keras_one_by_one/model.h5"])
def test_what_info_compiles_need_not_be_compiled_again(path, tmp_path):
    path = str(DATA / path)
    in_another_process(COMPILE.format(path=path), NUMBA_CACHE_DIR=str(tmp_path))
    assert in_another_process(COMPUTE.format(path=path), NUMBA_CACHE_DIR=str(tmp_path)) == ""
