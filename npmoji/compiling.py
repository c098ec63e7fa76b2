"""Compiling what the numba engine needs for a network: ahead of its use, or in the background.

It takes seconds, once a machine, and `engine="auto"` makes nobody wait for it. When a network has done enough work for
numba, its kernels are tried, see `patience`. If they are not in Numba's cache, NumPy goes on answering, while a process
of its own, at a low priority, compiles them into the cache; the network changes to numba at the first call after that.
It compiles for itself only for a call that takes NumPy as long, or when it has done as much, and nothing came of the
process.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from .backends import backend
from .graph import zeros
from .patience import NotCompiled, no_patience

if TYPE_CHECKING:
    from .network import Network

WORTH_WAITING = 1e12  # multiply-adds: ten to twenty seconds' work for NumPy, as for compiling and numba together
ROWS = 1, 4  # a text alone goes another way than several
STEPS = 8  # where the network takes any number
#: what the process runs. It stays in its parent's session, as Linux weighs those alike, whatever their processes'
#: priorities are; NumPy's threads, which wait for each other, were slowed down tenfold by one that ran beside them.
#: While NumPy keeps two cores busy it takes half a minute so, and NumPy 1.3 times as long; at 10, more than a minute.
PROCESS = """
import os, pickle, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
getattr(os, "nice", int)(5)
sys.path[:] = pickle.load(sys.stdin.buffer)
from npmoji.compiling import compile_pickled
compile_pickled(sys.stdin.buffer)
"""

_lock = threading.Lock()
_running: subprocess.Popen | None = None  # one at a time, whichever network it is for


def compile_ahead(network: Network) -> None:
    """Compute a row alone, and some together, on numba and this thread, so that its cache has what that takes."""
    ops = backend("numba", 1, network.precision)
    for rows in ROWS:
        x = {layer.name: zeros(layer, rows, network.graph.size or STEPS) for layer in network.graph.inputs}
        x = {name: array if array.dtype == object else array + array.dtype.type(1) for name, array in x.items()}
        network.run_on(ops, network.arrays(x), dict.fromkeys(network.graph.outputs))


class Kernels:
    """Those of a network with ``engine="auto"`` that has done enough work for numba."""

    def __init__(self) -> None:
        self._ready = self._tried = self._failed = False

    def ready(self, network: Network, work: float, done: float) -> bool:
        """Whether to use numba now.

        Args:
            work: multiply-adds of the present call.
            done: those of all calls, the present one included.
        """
        if not self._ready:
            with _lock:
                self._ready = self._ready or self._look(network, work, done)
        return self._ready

    def _look(self, network: Network, work: float, done: float) -> bool:
        global _running
        if work > WORTH_WAITING:
            return True
        if _running is not None and _running.poll() is None:
            return False
        if self._failed:
            return done > WORTH_WAITING
        if is_compiled(network):
            return True
        self._failed = self._tried
        if not self._tried:
            self._tried, _running = True, _start(network)
        return False


def is_compiled(network: Network) -> bool:
    """Whether the cache has all kernels that the network needs."""
    try:
        with no_patience():
            compile_ahead(network)
    except NotCompiled:
        return False
    except Exception:  # noqa: BLE001 - a layer of somebody's own wants other inputs, say: the call itself will tell
        return True
    return True


def _start(network: Any) -> subprocess.Popen | None:
    """A process that compiles for a network that was loaded from a file; None if there can be none, or to no avail."""
    if not sys.modules["npmoji.kernels.notices"].notices.kept:  # an import would try to compile once more
        return None
    name = os.path.basename(sys.executable or "").lower()
    if getattr(sys, "frozen", False) or not name.startswith("python"):  # it would start the application once more
        return None
    if getattr(network, "source", None) is None or network.embed:  # its pickle would hold the weights
        return None
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.IDLE_PRIORITY_CLASS
    null = subprocess.DEVNULL
    try:
        what = pickle.dumps(sys.path) + pickle.dumps(network)
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=null, stderr=null, creationflags=flags
        )
        with process.stdin:
            process.stdin.write(what)
    except (OSError, pickle.PicklingError, AttributeError, TypeError):  # as is said of functions of one's own
        return None
    return process


def compile_pickled(file: BinaryIO) -> None:
    """What the process does."""
    network = pickle.load(file)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):  # Windows has no fcntl; a folder may be read-only
            stack.enter_context(_alone())
        compile_ahead(network)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let one process compile at a time: for the others the cache has it all then."""
    import fcntl

    from .sources import home

    os.makedirs(home(), exist_ok=True)
    with open(os.path.join(home(), "compiling"), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
