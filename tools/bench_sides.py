"""What `bench.py` and its plots compare: npmoji, ONNX Runtime and torchMoji's algorithm, on the same weights and texts.

The sides of a job live in a process of their own for each number of threads: BLAS reads its own when it is loaded.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import npmoji

TOLERANCE = 1e-5  # between the probabilities of exact sides
BATCHES = (8, 16, 32, 64, 128)  # sizes ONNX Runtime may choose from
ORT = ("onnxruntime fp32", "onnxruntime int8")

Times = dict[str, list[float]]  # side -> a figure for each round


class Disagreement(Exception):
    """Two sides that should compute the same do not."""


class Job(NamedTuple):
    """What a process that measures needs to know: arrays of token ids (n, T), the longest text first."""

    weights: str
    graphs: dict[str, str]  # side -> ONNX file
    many: np.ndarray  # for throughput
    typical: Sequence[np.ndarray]  # for latency: one text each, or as many as are computed in one call
    torch: bool


class Side(NamedTuple):
    """One contender: computes the probabilities of ``job.many``, or of the texts of one of ``job.typical``."""

    many: Callable[[], np.ndarray]
    one: Callable[[int], np.ndarray]


def npmoji_sides(job: Job, threads: int) -> Iterator[tuple[str, Side]]:
    """Every engine with every precision that this npmoji accepts."""
    for engine in ("numpy", "numba"):
        for precision in ("fp32", "fp16", "int8"):
            with contextlib.suppress(npmoji.InputError):
                model = npmoji.load(job.weights, engine=engine, precision=precision, threads=threads)
                model.predict(job.many[:1])
                one = lambda i, model=model: model.predict(job.typical[i])
                yield f"npmoji {engine} {precision}", Side(functools.partial(model.predict, job.many), one)


def onnx_sides(job: Job, threads: int) -> Iterator[tuple[str, Side]]:
    """ONNX Runtime on the graphs, each with its best batch size."""
    from onnx_runtime import Session, feeds

    singles = [feeds(tokens, len(tokens))[0] for tokens in job.typical]
    for name, path in job.graphs.items():
        session = Session(path, threads)

        def run(batches: list, session: Session = session) -> np.ndarray:
            return np.concatenate([session.run(batch) for batch in batches])

        choices = [functools.partial(run, feeds(job.many, size)) for size in BATCHES]
        yield name, Side(fastest(choices), lambda i, session=session: session.run(singles[i]))


def torch_sides(job: Job, threads: int) -> Iterator[tuple[str, Side]]:
    """torchMoji's way: packed steps one after the other, two products each, hard sigmoid."""
    import torch

    torch.set_num_threads(threads)
    model = npmoji.load(job.weights)
    tensor = functools.cache(lambda layer, name: torch.from_numpy(np.array(model[layer].weights()[name])))

    def direction(x: Any, sizes: list[int], layer: str, part: str) -> Any:
        kernel, recurrent, bias = (tensor(layer, f"{part}_{name}") for name in ("kernel", "recurrent_kernel", "bias"))
        units = len(recurrent)
        h, c, y = torch.zeros(x.shape[1], units), torch.zeros(x.shape[1], units), torch.zeros(*x.shape[:2], units)
        for t in range(len(sizes)) if part == "forward" else reversed(range(len(sizes))):
            n = sizes[t]
            z = x[t, :n] @ kernel + h[:n] @ recurrent + bias
            i, f, o = (torch.clamp(0.2 * z[:, k * units : (k + 1) * units] + 0.5, 0, 1) for k in (0, 1, 3))
            c[:n] = f * c[:n] + i * torch.tanh(z[:, 2 * units : 3 * units])
            y[t, :n] = h[:n] = o * torch.tanh(c[:n])
        return y

    def predict(tokens: np.ndarray) -> np.ndarray:
        ids = torch.from_numpy(tokens[:, : np.count_nonzero(tokens[0])].T.astype(np.int64))
        valid = ids > 0
        layers = [torch.tanh(tensor("embedding", "embeddings")[ids])]
        for name in ("bi_lstm_0", "bi_lstm_1"):
            parts = [direction(layers[0], valid.sum(1).tolist(), name, part) for part in ("forward", "backward")]
            layers.insert(0, torch.cat(parts, -1))
        x = torch.cat(layers, -1)
        logits = (x @ tensor("attlayer", "kernel"))[..., 0]
        a = torch.exp(logits - logits.max(0).values) * valid
        features = (x * (a / (a.sum(0) + 1e-7))[..., None]).sum(0)
        return torch.softmax(features @ tensor("softmax", "kernel") + tensor("softmax", "bias"), 1).numpy()

    def many() -> np.ndarray:
        with torch.inference_mode():
            return np.concatenate([predict(job.many[i : i + 64]) for i in range(0, len(job.many), 64)])

    def one(i: int) -> np.ndarray:
        with torch.inference_mode():
            return predict(job.typical[i])

    yield "torch, step by step", Side(many, one)


def graphs(model: npmoji.Model, folder: Path) -> dict[str, str]:
    """ONNX files of the network, or none where onnx and onnxruntime are not installed."""
    if not (find_spec("onnx") and find_spec("onnxruntime")):
        return {}
    import onnx_runtime

    paths = [str(folder / f"{name}.onnx") for name in ("fp32", "int8")]
    onnx_runtime.write(model, *paths)
    return dict(zip(ORT, paths))


# Processes that measure -----------------------------------------------------------------------------------------------


_here: dict[str, Any] = {}  # the sides of this process


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fastest(ways: list[Callable[[], Any]]) -> Callable[[], Any]:
    """The fastest of several ways, each tried twice."""
    return min(ways, key=lambda way: min(seconds(way) for _ in range(2)))


def settle() -> None:
    """Wait until no thread of this process computes: those of OpenBLAS look for work until 0.1 s after a product, and
    take a core from the side that comes next."""
    busy = True
    while busy:
        before = time.process_time()
        time.sleep(0.02)
        busy = time.process_time() - before > 0.002


def sides_of(job: Job, threads: int) -> dict[str, Side]:
    """All sides of this process."""
    sides = dict(npmoji_sides(job, threads))
    if job.graphs:
        sides |= onnx_sides(job, threads)
    if job.torch:
        sides |= torch_sides(job, threads)
    return sides


def parity(outputs: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """How far the probabilities of each side are from those of npmoji's plain NumPy.

    Raises:
        Disagreement: a side that computes in float32 is off by more than TOLERANCE.
    """
    reference = outputs["npmoji numpy fp32"]
    found = {}
    for name, output in outputs.items():
        off = float(np.abs(output - reference).max())
        same = float((output.argmax(1) == reference.argmax(1)).mean())
        found[name] = {"largest_difference": off, "same_top1": same}
        if not off <= TOLERANCE and not name.endswith(("int8", "fp16")):
            raise Disagreement(f"{name}: probabilities off by {off:.2g} from npmoji's, allowed {TOLERANCE}")
    return found


def prepare(job: Job, threads: int) -> dict[str, dict[str, float]]:
    """Make the sides of this process and compare what they compute of ``job.many``: see `parity`."""
    sides = sides_of(job, threads)
    found = parity({name: side.many() for name, side in sides.items()})
    _here.update(job=job, sides=sides)
    return found


def rate(work: Callable[[], Any], rows: int) -> float:
    """Rows a second of one call that computes so many."""
    settle()
    return rows / seconds(work)


def typical(one: Callable[[int], Any], count: int) -> float:
    """Milliseconds of one call, median over so many different ones."""
    settle()
    one(0)  # not measured: brings the weights back into the caches
    return 1e3 * float(np.median([seconds(functools.partial(one, i)) for i in range(count)]))


def throughput() -> dict[str, float]:
    """Texts a second of each side of this process."""
    return {name: rate(side.many, len(_here["job"].many)) for name, side in _here["sides"].items()}


def latency() -> dict[str, float]:
    """Milliseconds for one text of each side of this process, median over the typical texts."""
    return {name: typical(side.one, len(_here["job"].typical)) for name, side in _here["sides"].items()}


@contextlib.contextmanager
def process(threads: int) -> Iterator[ProcessPoolExecutor]:
    """A fresh process in which BLAS uses so many threads."""
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        executor.submit(os.getpid).result()  # starts it now
        yield executor
