"""Milliseconds of one text of any length, and of batches of any size: what `bench.py --plots FOLDER` measures.

In one process for each number of threads all sides take turns at each point, and that for several rounds. The figures
are medians over the rounds, with least and most, and go to FOLDER/performance.json, which `draw_plots.py` draws.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench_sides import Job, Side, graphs, parity, process, seconds, settle, sides_of
from bench_texts import made_up_words
from draw_plots import STYLES

import npmoji

LENGTHS = (2, 5, 10, 15, 20, 30, 50, 80, 120, 200)  # tokens of one text
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # texts of a call
TOKENS = 20  # of each text of a batch
SHORTEST = 0.1  # seconds that a figure of one round takes at least

_here: dict[str, dict[str, Side]] = {}  # the sides of this process


def prepare(job: Job, threads: int) -> dict[str, dict[str, float]]:
    """Make the sides of this process and compare what they compute of all texts.

    Raises:
        Disagreement: a side that computes in float32 is off by too much.
    """
    sides = {name: side for name, side in sides_of(job, threads).items() if name in STYLES}
    calls = range(len(job.typical))
    found = parity({name: np.concatenate([side.one(i) for i in calls]) for name, side in sides.items()})
    _here["sides"] = sides
    return found


def milliseconds(work: Callable[[], Any]) -> float:
    """The median of several calls, but for the first, which brings the weights back into the caches."""
    settle()
    times = [seconds(work)]
    while sum(times) < SHORTEST:
        times.append(seconds(work))
    return 1e3 * float(np.median(times[1:] or times))


def one_call(i: int) -> dict[str, float]:
    """Milliseconds that each side of this process takes for the texts of one call."""
    return {name: milliseconds(partial(side.one, i)) for name, side in _here["sides"].items()}


def measure(job: Job, threads: int, rounds: int) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
    """(parity by side, milliseconds (rounds, calls) by side) in a process with so many threads."""
    with process(threads) as executor:
        found = executor.submit(prepare, job, threads).result()
        calls = range(len(job.typical))
        rows = [[executor.submit(one_call, i).result() for i in calls] for _ in range(rounds)]
    return found, {side: np.array([[call[side] for call in row] for row in rows]) for side in found}


def curves(plot: str, threads: int, at: Sequence[int], times: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """One line of the report for each side: milliseconds (rounds, points) become their median, least and most."""
    short = lambda values: [float(f"{value:.4g}") for value in values]
    return [
        {
            "plot": plot,
            "threads": threads,
            "side": side,
            "at": list(at),
            "median": short(np.median(values, axis=0)),
            "least": short(values.min(axis=0)),
            "most": short(values.max(axis=0)),
        }
        for side, values in times.items()
    ]


def report(
    weights: str, threads: Sequence[int], rounds: int, lengths: Sequence[int], batches: Sequence[int]
) -> dict[str, Any]:
    """All that performance.json holds but for the machine.

    Raises:
        Disagreement: two sides that should compute the same do not.
    """
    model = npmoji.load(weights)
    rng = np.random.default_rng(0)
    singles = [made_up_words(model.vocabulary_size, (1, length), rng) for length in lengths]
    many = made_up_words(model.vocabulary_size, (max(batches), TOKENS), rng)
    agreed, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        calls = [*singles, *(many[:size] for size in batches)]
        job = Job(weights, graphs(model, Path(folder)), many[:1], calls, False)
        for n in threads:
            found, times = measure(job, n, rounds)
            agreed |= found
            rows += curves("one text", n, lengths, {side: values[:, : len(lengths)] for side, values in times.items()})
            rows += curves("batches", n, batches, {side: values[:, len(lengths) :] for side, values in times.items()})
    work = {
        "network": f"vocabulary {model.vocabulary_size:,}, features {model.features:,}, classes {model.classes}",
        "figures": f"milliseconds a call, medians of {rounds} rounds",
    }
    axes = {"one text": "tokens of the text", "batches": f"texts of {TOKENS} tokens in a call"}
    return {"work": work, "parity": agreed, "axes": axes, "rows": rows}
