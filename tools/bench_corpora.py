"""How far `npmoji score` from Parquet to Parquet is from the slowest of its steps, and how much memory it takes.

    python tools/bench_corpora.py [--rows 1000000] [--weights FILE] [--turns 3] [--texts FILE] [--predict | --memory]

Texts are put together from the words of FILE; without it from words of the vocabulary, about as many as tweets have,
one text in fifty being there twice. In each turn the steps run one after the other, each alone over all rows, then the
command in a process of its own. Seconds of the clock and of the CPU; the ratio is that of the clock's to the slowest
step. `--predict` compares with `Model.predict` on the same token ids instead, `--memory` runs the command only.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pyarrow as pa
import pyarrow.parquet as pq

import npmoji
from npmoji.batch.records import Inputs
from npmoji.corpora import job

SPREAD = range(4, 25)  # words of a text


def texts(rows: int, path: str | None):
    """So many texts, 100,000 at a time."""
    rng = random.Random(0)
    if path:
        words = Path(path).read_text("utf-8").split()
    else:
        words = [word for word in npmoji.load(engine="numpy").tokenizer.vocabulary if not word.startswith("CUSTOM_")]
        words = rng.choices(words, [1 / (i + 10) for i in range(len(words))], k=200_000)
    while rows:
        block = []
        for _ in range(min(rows, 100_000)):
            start, length = rng.randrange(len(words)), rng.choice(SPREAD)
            again = block and rng.random() < 0.02
            block.append(rng.choice(block) if again else " ".join(words[start : start + length]))
        rows -= len(block)
        yield block


def write(path: str, rows: int, words: str | None) -> None:
    """The input."""
    first, schema = 0, pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for block in texts(rows, words):
            writer.write_table(pa.table([range(first, first + len(block)), block], schema=schema))
            first += len(block)


class Clock:
    """Seconds of the clock and of the CPU of this process."""

    def __enter__(self):
        self.begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]


def steps(path: str, weights: str | None, folder: str) -> dict[str, Clock]:
    """Each step alone, over all rows."""
    model = npmoji.load(weights, engine="numba")
    inputs = Inputs([path], keep=None, whole=True)
    plan = job.planned(job.Task("-", "parquet"), inputs, model)
    model.predict(["warm up"])
    clocks = {name: Clock() for name in ("read", "tokenize", "compute", "form", "write")}
    with clocks["read"]:
        blocks = list(plan.blocks(0, True))
    with clocks["tokenize"]:
        prepared = deque(map(plan.prepare, blocks))
    with clocks["compute"]:
        computed = deque(map(plan.compute, prepared))
    with clocks["form"]:
        made = list(map(plan.form, computed))
    with clocks["write"], open(os.path.join(folder, "alone.parquet"), "wb") as file, plan.output.opened(file) as out:
        for start in range(0, len(made), 16):
            out.add([one.payload for one in made[start : start + 16]])
    return clocks


def command(path: str, weights: str | None, folder: str) -> tuple[float, float, float]:
    """Seconds of the clock and the CPU, and MiB at the peak, of the command in a process of its own."""
    out = os.path.join(folder, "out.parquet")
    more = ["--weights", weights] if weights else []
    if os.path.exists(out):
        os.unlink(out)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    code = "import re, sys; from npmoji.cli import main; code = main(); "  # getrusage has this process' peak, too
    code += "print(*re.findall('VmHWM:\\s*([0-9]+)', open('/proc/self/status').read())); sys.exit(code)"
    arguments = [sys.executable, "-c", code, "score", "-i", path, "-o", out, *more]
    home = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    peak = subprocess.run(arguments, check=True, env=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, cpu, int(peak) / 1024


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--weights")
    parser.add_argument("--texts", metavar="FILE")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--predict", action="store_true", help="compare with Model.predict on the same token ids")
    parser.add_argument("--memory", action="store_true", help="the command alone, for its memory")
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.parquet")
        write(path, arguments.rows, arguments.texts)
        print(f"{arguments.rows:,} rows, {os.path.getsize(path) / 2**20:.0f} MiB of Parquet, {os.cpu_count()} cores")
        for _ in range(arguments.turns):
            if arguments.memory:
                alone = {}
            elif arguments.predict:
                model = npmoji.load(arguments.weights, engine="numba")
                ids = model.tokens(pq.read_table(path)["text"].to_pylist())
                model.predict(ids[:1])
                with Clock() as clock:
                    model.predict(ids)
                alone = {"predict": clock}
            else:
                alone = steps(path, arguments.weights, folder)
            wall, cpu, peak = command(path, arguments.weights, folder)
            line = ", ".join(f"{name} {clock.wall:.1f} ({clock.cpu:.1f})" for name, clock in alone.items())
            slowest = max((clock.wall for clock in alone.values()), default=wall)
            ratios.append(wall / slowest)
            print(
                f"{line}; command {wall:.1f} ({cpu:.1f}), {wall / slowest:.3f} of the slowest; {peak:.0f} MiB",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
