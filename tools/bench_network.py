"""Any network that npmoji loads, timed beside Keras 3 and ONNX Runtime: what `bench.py --network FILE` runs.

The inputs are made from those of the network. One process for each number of threads has all sides, which take turns
in it. Keras gets the batch size that suits it best, and computes one row in three ways: `predict`, which people call,
`predict_on_batch`, and the model itself. A side that cannot be is left out, and the report says why.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench import lines
from bench_sides import Disagreement, Side, Times, fastest, process, rate, typical

import npmoji
from npmoji.errors import NpmojiError

KERAS_BATCHES = (32, 256, 2000)  # sizes Keras may choose from; 32 is its default
ORT_BATCHES = (32, 64, 128, 256)
STEPS = 64  # of an input that takes any number
TOLERANCE = 1e-5  # between the outputs of sides, relative to those above 1
REFERENCE = "npmoji numpy"


class Job(NamedTuple):
    """What a process that measures needs to know; the arrays by the names of the network's inputs."""

    path: str
    choices: dict[str, str]  # what `npmoji.load` takes as ``layers``
    graph: str  # an ONNX file, or ""
    many: dict[str, np.ndarray]
    single: int  # how many of the rows are computed one by one


# Inputs --------------------------------------------------------------------------------------------------------------


def made_up(model: npmoji.Model, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of so many rows: token ids, a few of them frequent, of texts that fill 60 % of the steps on average and at
    least one, padded behind; and numbers."""
    rng = np.random.default_rng(seed)
    found = {}
    for layer, name in zip(model.graph.inputs, model.graph.input_names):
        shape = tuple(STEPS if size is None else size for size in layer.shape or (None,))
        if layer.vocabulary_size is None:
            found[name] = rng.standard_normal((rows, *shape)).astype(np.float32)
            continue
        frequency = (np.arange(max(1, layer.vocabulary_size - 1)) + 2.7) ** -1.25
        ids = 1 + rng.choice(len(frequency), (rows, *shape), p=frequency / frequency.sum())
        lengths = np.clip(np.rint(rng.normal(0.6, 0.25, rows) * shape[0]), 1, shape[0])
        found[name] = np.int32(np.minimum(ids, layer.vocabulary_size - 1) * (np.arange(shape[0]) < lengths[:, None]))
    return found


def some(arrays: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
    """These rows of all inputs."""
    return {name: array[rows] for name, array in arrays.items()}


def flat(outputs: Any) -> np.ndarray:
    """All outputs of a network side by side, (rows, any)."""
    values = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list) else [outputs]
    return np.concatenate([np.asarray(value, np.float32).reshape(len(value), -1) for value in values], axis=1)


# Sides ---------------------------------------------------------------------------------------------------------------


def npmoji_sides(job: Job, threads: int) -> Iterator[tuple[str, Side]]:
    """Both engines."""
    for engine in ("numpy", "numba"):
        model = npmoji.load(job.path, engine=engine, threads=threads, layers=job.choices or None)
        one = lambda i, model=model: flat(model.predict(some(job.many, slice(i, i + 1))))
        yield f"npmoji {engine}", Side(lambda model=model: flat(model.predict(job.many)), one)


def onnx_sides(job: Job, threads: int) -> Iterator[tuple[str, Side]]:
    """ONNX Runtime, with its best batch size."""
    if not job.graph:
        return
    from onnx_runtime import Session

    session = Session(job.graph, threads)
    kinds = {name: np.int64 if "int" in kind else np.float32 for name, kind in session.inputs.items()}
    arrays = {name: job.many.get(name, next(iter(job.many.values()))) for name in kinds}  # token ids alone: "tokens"

    def feed(rows: slice) -> dict[str, np.ndarray]:
        return {name: np.asarray(array[rows], kinds[name]) for name, array in arrays.items()}

    def run(feeds: list[dict[str, np.ndarray]]) -> np.ndarray:
        return np.concatenate([flat(session.all(one)) for one in feeds])

    rows = len(next(iter(arrays.values())))
    sizes = [[feed(slice(at, at + size)) for at in range(0, rows, size)] for size in ORT_BATCHES]
    singles = [feed(slice(i, i + 1)) for i in range(job.single)]
    yield "onnxruntime", Side(fastest([functools.partial(run, feeds) for feeds in sizes]), lambda i: run([singles[i]]))


def keras_sides(job: Job, threads: int) -> Iterator[tuple[str, Side]]:
    """Keras 3: `predict`, and other ways for one row."""
    if not has_keras():
        return
    model = keras_model(job.path, job.choices, threads)
    given = lambda rows: next(iter(rows.values())) if len(rows) == 1 else rows
    many, singles = given(job.many), [given(some(job.many, slice(i, i + 1))) for i in range(job.single)]
    predict = functools.partial(model.predict, verbose=0)
    sizes = [lambda size=size: flat(predict(many, batch_size=size)) for size in KERAS_BATCHES]
    yield "keras predict", Side(fastest(sizes), lambda i: flat(predict(singles[i])))
    yield "keras predict_on_batch", Side(None, lambda i: flat(model.predict_on_batch(singles[i])))
    yield "keras call", Side(None, lambda i: flat(model(singles[i])))


# Keras ---------------------------------------------------------------------------------------------------------------


def has_keras() -> bool:
    """Whether Keras 3 on TensorFlow is installed."""
    return bool(find_spec("keras") and find_spec("tensorflow"))


def keras_model(path: str, choices: dict[str, str], threads: int) -> Any:
    """The network as Keras 3 loads it on so many threads, with the attention layers that people write themselves."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    classes = {name: own_attention(keras, choices) for name in ("Attention", "AttLayer")} if choices else {}
    from keras_attention import layers_for

    layers_for(keras)  # registers them
    if ".weights." not in Path(path).name:
        return keras.saving.load_model(path, custom_objects=classes, compile=False)
    config = Path(path).with_name("config.json").read_text(encoding="utf-8")
    model = keras.models.model_from_json(config, custom_objects=classes)
    model.load_weights(path)
    return model


def own_attention(keras: Any, choices: dict[str, str]) -> Any:
    """A class whose layers are those that the choices say, by layer or class name."""
    from keras_attention import attention_of

    class Chosen(keras.layers.Layer):
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            choice = choices.get(config.get("name")) or next(iter(choices.values()))
            return attention_of(keras, choice, choice.endswith("-masked"))(**config)

    return Chosen


# Processes that measure ----------------------------------------------------------------------------------------------

_here: dict[str, Any] = {}  # the sides of this process


def prepare(job: Job, threads: int) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Make the sides of this process -> how far each is from npmoji's plain NumPy, and why some are left out.

    Raises:
        Disagreement: a side is off by more than TOLERANCE.
    """
    sides, without = {}, {}
    for label, make in (("npmoji", npmoji_sides), ("onnxruntime", onnx_sides), ("keras", keras_sides)):
        try:
            sides |= make(job, threads)
        except Exception as error:  # whatever the other software cannot load
            if label == "npmoji":
                raise
            without[label] = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
    outputs = {name: first_rows(side, job.single) for name, side in sides.items()}
    parity = {name: {"largest_difference": difference(output, outputs[REFERENCE])} for name, output in outputs.items()}
    for name, found in parity.items():
        if not found["largest_difference"] <= TOLERANCE:
            off = found["largest_difference"]
            raise Disagreement(f"{name}: outputs off by {off:.2g} from npmoji's, allowed {TOLERANCE}")
    _here.update(job=job, sides=sides)
    return parity, without


def first_rows(side: Side, count: int) -> np.ndarray:
    """The outputs for the first rows, as a side computes many, or else one by one."""
    return np.concatenate([side.one(i) for i in range(count)]) if side.many is None else side.many()[:count]


def difference(output: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, relative to values above 1; Keras' mean of no step at all is NaN and does not count."""
    there = np.isfinite(output)
    return float((np.abs(output - wanted)[there] / np.maximum(1, np.abs(wanted[there]))).max(initial=0))


def many() -> dict[str, float]:
    """Rows a second of each side of this process."""
    rows = len(next(iter(_here["job"].many.values())))
    return {name: rate(side.many, rows) for name, side in _here["sides"].items() if side.many is not None}


def one() -> dict[str, float]:
    """Milliseconds for one row of each side of this process, median over some rows."""
    return {name: typical(side.one, _here["job"].single) for name, side in _here["sides"].items()}


MEASURES = {"many rows": many, "one row": one}


def measure(job: Job, threads: list[int], rounds: int) -> tuple[dict, dict[str, str], list[dict[str, Any]]]:
    """(parity by side, what is left out and why, lines of all tables); every process by itself, so that none waits for
    another's threads."""
    parity, without, rows = {}, {}, []
    figures: dict[str, dict[int, Times]] = {table: {} for table in MEASURES}
    for n in threads:
        with process(n) as executor:
            found, missing = executor.submit(prepare, job, n).result()
            parity, without = parity | found, without | missing
            for _ in range(rounds):
                for table, function in MEASURES.items():
                    for name, value in executor.submit(function).result().items():
                        figures[table].setdefault(n, {}).setdefault(name, []).append(value)
    for table, by_threads in figures.items():
        rows += [line for n, times in by_threads.items() for line in lines(table, times, n)]
    return parity, without, rows


def report(
    path: str, choices: dict[str, str], threads: list[int], rounds: int, count: int, single: int
) -> dict[str, Any]:
    """All that `bench.py --network` prints but for the machine."""
    model = npmoji.load(path, engine="numpy", layers=choices or None)
    without = {} if has_keras() else {"keras": "keras and tensorflow are not installed"}
    with tempfile.TemporaryDirectory() as folder:
        graph = str(Path(folder) / "network.onnx")
        try:
            write_graph(model, graph)
        except NpmojiError as error:
            graph, without["onnxruntime"] = "", str(error)
        job = Job(path, choices, graph, made_up(model, count), min(single, count))
        parity, missing, rows = measure(job, threads, rounds)
    shapes = ", ".join(f"{name} {array.shape[1:]}" for name, array in job.many.items())
    left_out = "; ".join(f"{name}: {why}" for name, why in (without | missing).items())
    work = {"network": path, "rows": f"{count} of {shapes}; {job.single} one by one", "rounds": str(rounds)}
    return {"work": work | ({"left out": left_out} if left_out else {}), "parity": parity, "rows": rows}


def write_graph(model: npmoji.Model, path: str) -> None:
    """The network as an ONNX file.

    Raises:
        NpmojiError: it cannot be one, or onnx or onnxruntime are not installed.
    """
    if not find_spec("onnxruntime"):
        raise npmoji.InputError("onnxruntime is not installed")
    from npmoji.export.onnx.write import network

    made = network(model)
    Path(path).write_bytes(made.SerializeToString())
