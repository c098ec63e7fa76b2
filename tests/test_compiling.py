"""engine="auto" makes no text wait for a compiler: what it needs is compiled in the background."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from test_kernels import in_another_process

import npmoji
from npmoji import compiling, network
from npmoji.patience import NotCompiled, check_patience, no_patience

FRESH = """
import numpy as np, numba.core.event as events, npmoji
from npmoji import compiling, network

tokens = np.arange(1, 81).reshape(4, 20)
by_numpy, model = (npmoji.load({path!r}, engine=engine, threads=1) for engine in ("numpy", "auto"))
network.AUTO_WORK = 0
with events.install_recorder("numba:compile") as recorder:
    for rows in (tokens, tokens[:1], tokens):
        assert np.array_equal(model.predict(rows), by_numpy.predict(rows)), "numba, before anything is compiled"
assert len({{event.data["dispatcher"] for _, event in recorder.buffer}}) == 1, "more than the one that was tried"
assert compiling._running.wait(300) == 0, "the process failed"
with events.install_recorder("numba:compile") as recorder:
    found = [model.predict(tokens), model.predict(tokens[:1])]
assert not recorder.buffer, "something was left to compile"
by_numba = npmoji.load({path!r}, engine="numba", threads=1)
assert all(np.array_equal(p, by_numba.predict(rows)) for p, rows in zip(found, (tokens, tokens[:1])))
assert not np.array_equal(found[0], by_numpy.predict(tokens))
"""


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_numpy_answers_until_all_is_compiled(small, tmp_path, precision):
    code = FRESH.format(path=str(small[0])).replace("threads=1", f"threads=1, precision={precision!r}")
    if precision != "fp32":
        code = code.replace("assert not np.array_equal(found[0]", "(found[0]")  # whole numbers leave little to differ
    in_another_process(code, NUMBA_CACHE_DIR=str(tmp_path / "kernels"), NPMOJI_HOME=str(tmp_path / "home"))
    assert (tmp_path / "home" / "compiling").exists()


@pytest.fixture()
def model(small, monkeypatch):
    """One that has enough work for numba with every call, in a process that compiles nothing yet."""
    monkeypatch.setattr(network, "AUTO_WORK", 0)
    monkeypatch.setattr(compiling, "_running", None)
    return npmoji.load(small[0])


@pytest.fixture()
def not_compiled(monkeypatch):
    """As on a machine where nothing has been compiled."""
    import npmoji.kernels.notices  # noqa: F401

    asked = []
    monkeypatch.setattr(compiling, "is_compiled", lambda network: asked.append(network))
    return asked


def engine_of(model, work=1.0):
    return "numpy" if type(model._engine_for(work)).__name__ == "Ops" else "numba"


def test_what_is_compiled_is_used_at_once_and_looked_for_once(model, monkeypatch):
    compiling.compile_ahead(model)
    monkeypatch.setattr(compiling, "_start", None)
    assert engine_of(model) == "numba"
    monkeypatch.setattr(compiling, "is_compiled", None)
    assert engine_of(model) == "numba"


def test_long_work_is_worth_waiting_for(model, not_compiled, monkeypatch):
    monkeypatch.setattr(compiling, "_start", None)
    assert engine_of(model, 1.01 * compiling.WORTH_WAITING) == "numba"
    assert not not_compiled


def test_a_slow_process_is_waited_for_by_no_text(model, not_compiled, monkeypatch):
    monkeypatch.setattr(compiling, "PROCESS", "import time; time.sleep(600)")
    assert {engine_of(model, compiling.WORTH_WAITING / 2) for _ in range(9)} == {"numpy"}
    compiling._running.kill()
    compiling._running.wait(60)
    assert engine_of(model) == "numpy"  # looks once more
    assert engine_of(model) == "numba"


def test_one_process_is_tried(model, not_compiled, monkeypatch):
    """While it runs nothing is looked for; if nothing came of it, the model waits once it has done much work."""
    monkeypatch.setattr(compiling, "PROCESS", "import sys; sys.stdin.read()")
    start, started = compiling._start, []
    monkeypatch.setattr(compiling, "_start", lambda network: started.append(start(network)) or started[-1])
    assert engine_of(model) == "numpy" and len(not_compiled) == len(started) == 1
    assert started[0].wait(60) == 0
    assert [engine_of(model) for _ in range(3)] == ["numpy"] * 3 and len(not_compiled) == 2
    assert engine_of(model, compiling.WORTH_WAITING) == "numba" and len(started) == 1
    assert engine_of(npmoji.load(model.path)) == "numpy" and len(started) == 2
    started[1].wait(60)


def test_nothing_is_looked_for_while_another_model_s_process_runs(model, not_compiled, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        monkeypatch.setattr(compiling, "_running", running)
        assert engine_of(model) == "numpy" and not not_compiled
        running.communicate(b"\n", 60)
    assert engine_of(model) == "numpy" and len(not_compiled) == 1
    compiling._running.kill()
    compiling._running.wait(60)


@pytest.mark.parametrize("executable", ["", None, "/opt/photos/photos", "/opt/python/photos"])
def test_an_application_is_not_started_once_more(model, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert compiling._start(model) is None


def test_a_frozen_application_is_not_started_once_more(model, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert compiling._start(model) is None


def test_models_that_have_no_short_pickle_start_nothing(model, small, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert compiling._start(npmoji.load(small[0], embed=True)) is None
    model.source["layers"] = {"attlayer": lambda: None}
    assert compiling._start(model) is None
    model.source = None
    assert compiling._start(model) is None
    assert compiling._start(network.Network(model.graph)) is None


def test_nothing_is_compiled_that_could_not_be_kept(model, not_compiled, monkeypatch):
    from npmoji.kernels.notices import notices

    monkeypatch.setattr(notices, "told", True)
    monkeypatch.setattr(notices, "kept", True)
    notices.not_cached(engine_of)
    monkeypatch.setattr(subprocess, "Popen", None)
    assert [engine_of(model) for _ in range(2)] == ["numpy"] * 2
    assert engine_of(model, compiling.WORTH_WAITING) == "numba"


def test_a_system_without_processes(model, not_compiled, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("no processes here")

    monkeypatch.setattr(subprocess, "Popen", fail)
    assert [engine_of(model) for _ in range(2)] == ["numpy"] * 2
    assert engine_of(model, compiling.WORTH_WAITING) == "numba"


def test_patience_is_a_thread_s_own():
    check_patience()
    with no_patience():
        other = threading.Thread(target=check_patience)
        failed = []
        threading.excepthook, hook = failed.append, threading.excepthook
        try:
            other.start(), other.join()
        finally:
            threading.excepthook = hook
        assert not failed
        with pytest.raises(NotCompiled):
            check_patience()
    check_patience()
    with pytest.raises(ValueError), no_patience():
        raise ValueError
    check_patience()


def test_looking_changes_nothing(small):
    """Neither the work that was counted, nor the engine, nor any bit."""
    model = npmoji.load(small[0], threads=1)
    tokens = np.arange(1, 41).reshape(2, 20)
    before = model.predict(tokens)
    done = model._work_done
    assert compiling.is_compiled(model) in (True, False)
    assert (model._work_done, model.engine) == (done, "auto")
    assert np.array_equal(model.predict(tokens), before)


def test_a_network_that_cannot_be_tried_is_used_as_ever(model, monkeypatch):
    def fail(self, inputs, run):
        raise ValueError("this layer of mine takes seven steps")

    monkeypatch.setattr(type(model.layers[-1]), "compute", fail)
    assert compiling.is_compiled(model)
