"""How many threads a task may use: what the engine that runs it grants, which may run several on one machine."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from typing import Any


def threads() -> int | None:
    """How many threads the present task may use; None outside of the engines known here, and where NPMOJI_THREADS says
    it: all cores that the process may use, then.

    Spark: the task's cores (``spark.task.cpus``). Ray: the CPUs assigned to the task or actor. Dask: one, as it runs a
    task for each of its threads.

    >>> from npmoji.corpora.grants import threads
    >>> threads() is None
    True
    """
    if os.environ.get("NPMOJI_THREADS"):
        return None
    return _spark() or _ray() or _dask()


def _spark() -> int | None:
    found = sys.modules.get("pyspark.taskcontext")
    context = found and found.TaskContext.get()
    return max(1, int(context.cpus())) if context else None


def _ray() -> int | None:
    ray = sys.modules.get("ray")
    if ray is None or not hasattr(ray, "is_initialized") or not ray.is_initialized():
        return None
    try:
        resources: dict[str, Any] = ray.get_runtime_context().get_assigned_resources()
    except AssertionError:  # this is no task
        return None
    return max(1, int(resources.get("CPU", 1)))


def _dask() -> int | None:
    worker = sys.modules.get("distributed.worker")
    if worker is not None:
        try:
            worker.get_worker()
        except ValueError:  # this is no task
            pass
        else:
            return 1
    if "dask.multiprocessing" in sys.modules and multiprocessing.parent_process() is not None:
        return 1
    threaded = sys.modules.get("dask.threaded")
    return 1 if threaded is not None and _is_in_pool(threaded) else None


def _is_in_pool(threaded: Any) -> bool:
    """Whether this thread belongs to one of the pools of Dask's scheduler for threads."""
    pools = [threaded.default_pool, *(pool for some in list(threaded.pools.values()) for pool in some.values())]
    return any(threading.current_thread() in getattr(pool, "_threads", ()) for pool in pools)
