"""How fast npmoji is on this machine, beside ONNX Runtime with the same weights (`pip install '.[bench]'`).

    python tools/bench.py [WEIGHTS.hdf5] [--texts FILE | --ids FILE.npz] [--rounds 5] [--threads 1 2] [--torch]
    python tools/bench.py --network MODEL.keras    # any network that npmoji loads, beside Keras 3: bench_network.py
    python tools/bench.py [WEIGHTS.hdf5] --plots FOLDER    # lengths of texts, sizes of batches: bench_plots.py

Without texts or ids it makes some up, as long as tweets. Each round measures every side in turn; figures are medians
over the rounds with least and most, ratios are medians of each round's ratio. Before anything is timed, the
probabilities of all exact sides must agree within 1e-5. Both sides get texts sorted by length; ONNX Runtime's batches
are ready-made, of the size that suits it best, while npmoji's time includes making them. In whole processes npmoji
tokenizes a text, while ONNX Runtime gets ids. `--torch` adds torchMoji's algorithm: one time step after the other.
Whole processes are measured where Python has `os.wait4`, i.e. not on Windows; a classifier where there is scikit-learn.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]  # so that a clone measures itself without being installed

import numpy as np
from bench_sides import ORT, TOLERANCE, Disagreement, Job, Times, graphs, latency, prepare, process, seconds, throughput
from bench_texts import made_up_tokens, made_up_vocabulary, read_texts

import npmoji
from npmoji import describe
from npmoji.cli.options import positive
from npmoji.text.tokenizer import Tokenizer

WARM = {"throughput": throughput, "latency": latency}
NEEDED_TO_PLOT = ("matplotlib", "onnx", "onnxruntime")
MEASURES = (*WARM, "cold", "compile", "tokenizer", "classifier")


# What is measured --------------------------------------------------------------------------------------------------


class Inputs(NamedTuple):
    """The job, texts for the tokenizer, one of typical length for whole processes, and a vocabulary's path."""

    job: Job
    texts: list[str]
    text: str
    vocabulary: str


# Processes that measure ----------------------------------------------------------------------------------------------


def warm(job: Job, threads: list[int], rounds: int, measures: list[str]) -> tuple[dict, dict[str, dict[int, Times]]]:
    """(parity by side, {measure: {threads: figures}}); the numbers of threads take turns too."""
    figures = {measure: {n: {} for n in threads} for measure in WARM if measure in measures}
    parity = {}
    with contextlib.ExitStack() as stack:
        processes = {n: stack.enter_context(process(n)) for n in threads}
        for n, executor in processes.items():
            parity |= executor.submit(prepare, job, n).result()
        for _ in range(rounds):
            for measure, by_threads in figures.items():
                for n, executor in processes.items():
                    for name, value in executor.submit(WARM[measure]).result().items():
                        by_threads[n].setdefault(name, []).append(value)
    return parity, figures


# Whole processes -----------------------------------------------------------------------------------------------------

#: Runs a command; prints wall and CPU seconds and peak KiB. Small, since Linux counts a parent's memory for the child.
LAUNCHER = """
import os, sys, time
start = time.perf_counter()
null = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(status != 0)
"""
ONNX_START = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {"tokens": numpy.array([sys.argv[2:]], numpy.int64)})
"""


def launch(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of a Python process; its settings of threads are the user's."""
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its byte code
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, sys.executable, *command],
        env={**inherited, "PYTHONPATH": path, **(environment or {})},
        stdout=subprocess.PIPE,
        check=True,
    )
    wall, cpu, peak = map(float, result.stdout.split())
    return wall, cpu, peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def score(found: Inputs, engine: str) -> list[str]:
    """Arguments for Python to score one text from the command line."""
    options = ["--weights", found.job.weights, "--vocabulary", found.vocabulary, "--engine", engine]
    return ["-m", "npmoji", "score", *options, "--", found.text]


def cold(found: Inputs, rounds: int) -> dict[str, Times]:
    """{"cold wall", "cold CPU", "cold memory": figures} of processes that score one text."""
    commands = {"import numpy": ["-c", "import numpy"]}
    commands |= {f"npmoji {engine}": score(found, engine) for engine in ("numpy", "numba")}
    if found.job.graphs:
        ids = found.job.typical[0]
        commands["onnxruntime"] = ["-c", ONNX_START, found.job.graphs[ORT[0]], *map(str, ids[ids > 0])]
    figures = {name: {side: [] for side in commands} for name in ("cold wall", "cold CPU", "cold memory")}
    for round_ in range(-1, rounds):  # the first is not counted: it fills the caches
        for side, command in commands.items():
            for name, value in zip(figures, launch(command)):
                figures[name][side] += [value] if round_ >= 0 else []
    return figures


def compile_once(found: Inputs) -> Times:
    """Seconds of the first process ever that uses the numba engine: nothing is compiled yet."""
    with tempfile.TemporaryDirectory() as folder:
        return {"npmoji numba": [launch(score(found, "numba"), {"NUMBA_CACHE_DIR": folder})[0]]}


def tokenize(texts: list[str], vocabulary: str, rounds: int) -> Times:
    """Texts a second of the tokenizer on one core, with an empty and with a filled table of words."""
    figures: Times = {"empty table": [], "filled table": []}
    words = Tokenizer(vocabulary).vocabulary
    for _ in range(rounds):
        tokenizer = Tokenizer(words)
        for values in figures.values():
            values.append(len(texts) / seconds(functools.partial(tokenizer, texts)))
    return figures


def classify(found: Inputs, rounds: int) -> Times:
    """Seconds for the features of 2,000 texts, and for `Classifier.fit` on the same texts, which computes them too and
    chooses C; seven made-up classes that depend on the features, with as much noise. Nothing is cached in between."""
    from npmoji.learn import cache

    model = npmoji.load(found.job.weights, vocabulary=found.vocabulary, engine="numba")
    rng = np.random.default_rng(0)
    texts = found.texts[:2000]
    features = model.encode(texts)
    scores = (features - features.mean(0)) @ rng.standard_normal((features.shape[1], 7))
    labels = (scores / scores.std(0) + rng.standard_normal(scores.shape)).argmax(1)
    npmoji.Classifier(model).fit(features[:100], labels[:100])  # not measured: imports scikit-learn
    figures: Times = {"encode": [], "encode + fit": []}
    for _ in range(rounds):
        figures["encode"].append(seconds(lambda: model.encode(texts)))
        cache.clear_cache()
        figures["encode + fit"].append(seconds(lambda: npmoji.Classifier(model).fit(texts, labels)))
    return figures


# Texts ---------------------------------------------------------------------------------------------------------------


def tokens_and_texts(
    arguments: argparse.Namespace, model: npmoji.Model, folder: Path
) -> tuple[np.ndarray, list[str], str]:
    """Token ids (N, T) without empty rows, as many texts, a vocabulary's path: what is not given is made up."""
    if arguments.texts:
        texts = read_texts(arguments.texts)
        tokens = model.tokens(texts)
    elif arguments.ids:
        with np.load(arguments.ids) as arrays:
            tokens = model.tokens(arrays[arguments.array or arrays.files[0]])
    else:
        tokens = made_up_tokens(model.vocabulary_size)
    vocabulary = arguments.vocabulary or str(Path(arguments.weights).parent / "vocabulary.json")
    if not os.path.exists(vocabulary):
        vocabulary = made_up_vocabulary(model.vocabulary_size, folder / "vocabulary.json")
    if not arguments.texts:
        words = {i: word for word, i in Tokenizer(vocabulary).vocabulary.items()}
        texts = [" ".join(words.get(i, "unknown") for i in row[row > 0]) for row in tokens]
    kept = np.flatnonzero(tokens.any(axis=1))
    return tokens[kept], [texts[i] for i in kept], vocabulary


def inputs(arguments: argparse.Namespace, folder: Path) -> Inputs:
    """Choose texts of all lengths for throughput, some of about mean length for latency, and write the graphs."""
    model = npmoji.load(arguments.weights, vocabulary=arguments.vocabulary)
    tokens, texts, vocabulary = tokens_and_texts(arguments, model, folder)
    lengths = np.count_nonzero(tokens, axis=1)
    order = np.argsort(-lengths, kind="stable")
    spread = np.linspace(0, len(order) - 1, min(len(order), arguments.count or 512)).astype(int)
    near = np.argsort(np.abs(lengths - lengths.mean()), kind="stable")[: arguments.typical or 40]
    job = Job(arguments.weights, graphs(model, folder), tokens[order[spread]], tokens[near][:, None], arguments.torch)
    return Inputs(job, texts, texts[near[0]], vocabulary)


# The report ----------------------------------------------------------------------------------------------------------

UNITS = {
    "throughput": "texts a second; ratios are of speed",
    "scaling": "throughput with the last number of threads over that with the first",
    "latency": "milliseconds for one text; ratios are of time",
    "cold wall": "seconds of a whole process that scores one text",
    "cold CPU": "seconds, user and system, of the same",
    "cold memory": "MiB at the peak of the same",
    "compile": "seconds of the first process ever that uses the numba engine",
    "tokenizer": "texts a second on one core",
    "many rows": "rows a second; ratios are of speed",
    "one row": "milliseconds; ratios are of time",
    "classifier": "seconds for the features of 2,000 texts (numba), alone and with a classifier fitted on them",
}
BASELINES = (*ORT, "onnxruntime", "keras predict", "import numpy", "encode")


def lines(table: str, times: Times, threads: int | None = None) -> list[dict[str, Any]]:
    """For each side median, least and most, and the ratio to each baseline that was measured along with it."""
    return [
        {
            "table": table,
            "threads": threads,
            "side": side,
            "median": float(np.median(values)),
            "least": min(values),
            "most": max(values),
            "ratios": {base: float(np.median(np.divide(values, times[base]))) for base in BASELINES if base in times},
        }
        for side, values in times.items()
    ]


def measure(found: Inputs, only: list[str], threads: list[int], rounds: int) -> tuple[dict, list[dict[str, Any]]]:
    """Measure what is asked for: (parity by side, lines of all tables)."""
    parity, result = {}, []
    if "throughput" in only or "latency" in only:
        parity, figures = warm(found.job, threads, rounds, only)
        result += [line for table, by in figures.items() for n, times in by.items() for line in lines(table, times, n)]
        if "throughput" in only and len(threads) > 1:
            slow, fast = figures["throughput"][threads[0]], figures["throughput"][threads[-1]]
            gains = {side: list(np.divide(fast[side], slow[side])) for side in slow}
            result += [line | {"ratios": {}} for line in lines("scaling", gains, threads[-1])]
    if "cold" in only:
        result += [line for table, times in cold(found, rounds).items() for line in lines(table, times)]
    if "compile" in only:
        result += lines("compile", compile_once(found))
    if "tokenizer" in only:
        result += lines("tokenizer", tokenize(found.texts, found.vocabulary, rounds))
    if "classifier" in only:
        result += lines("classifier", classify(found, rounds))
    return parity, result


def machine() -> dict[str, str]:
    """What the figures depend on."""
    names = [platform.processor()]
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")] or names
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    packages = ("numpy", "numba", "onnxruntime", "onnx", "torch", "keras", "tensorflow")
    return {
        "CPU": f"{names[0]}, {os.cpu_count()} cores{load}",
        "features": " ".join(describe.cpu_features()),
        "software": f"npmoji {npmoji.__version__}, Python {platform.python_version()}, {platform.system()}",
        "packages": ", ".join(f"{name} {describe.version(name)}" for name in packages),
    }


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    out = [f"{name:10}{value}" for name, value in (report["machine"] | report["work"]).items()]
    if report["parity"]:
        out += ["", f"outputs, beside those of npmoji numpy fp32 (exact sides agree within {TOLERANCE}: checked)"]
    for side, found in report["parity"].items():
        same = f", same top-1 {found['same_top1']:.2%}" if "same_top1" in found else ""
        out.append(f"  {side:24}largest difference {found['largest_difference']:.1e}{same}")
    table = None
    for line in report["rows"]:
        if line["table"] != table:
            table = line["table"]
            bases = "".join(f"{base.replace('onnxruntime', 'ORT'):>14}" for base in line["ratios"])
            out += [
                "",
                f"{table}: {UNITS[table]}",
                f"  threads {'side':24}{'median':>10}{'least':>10}{'most':>10}{bases}",
            ]
        values = "".join(f"{line[key]:10.{digits(line[key])}f}" for key in ("median", "least", "most"))
        ratios = "".join(f"{ratio:12.2f} x" for ratio in line["ratios"].values())
        out.append(f"  {line['threads'] or '':>7} {line['side']:24}{values}{ratios}")
    return "\n".join(out)


def digits(value: float) -> int:
    """Decimals that leave three figures or all the whole ones."""
    return max(0, 2 - int(np.floor(np.log10(value)))) if value > 0 else 0


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help="Keras HDF5 weights (default: fresh ones of the original's size)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--texts", metavar="FILE", help='one text a line, or .jsonl with the field "text"; either may be .gz'
    )
    source.add_argument("--ids", metavar="FILE.npz", help="token ids (N, T), 0 = padding")
    parser.add_argument("--array", metavar="NAME", help="which array of FILE.npz (default: the first)")
    parser.add_argument(
        "--vocabulary", metavar="PATH", help="vocabulary.json (default: beside the weights, else made up)"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="default: 1 2")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), help="default: everything")
    parser.add_argument("--count", type=int, metavar="N", help="texts for throughput (default 512; of --network 2000)")
    parser.add_argument(
        "--typical", type=int, metavar="N", help="texts of mean length for latency (default 40; of --network 10)"
    )
    parser.add_argument("--network", metavar="FILE", help="time this network beside Keras 3, and nothing else")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="measure lengths and batches, draw, nothing else")
    parser.add_argument("--lengths", type=positive, nargs="+", metavar="N", help="tokens of a text, of --plots")
    parser.add_argument("--batches", type=positive, nargs="+", metavar="N", help="texts of a call, of --plots")
    parser.add_argument(
        "--layer", action="append", default=[], metavar="NAME=CHOICE", help="as for npmoji: what an attention layer is"
    )
    parser.add_argument("--torch", action="store_true", help="measure torchMoji's algorithm in PyTorch too")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    arguments = parser.parse_args(argv)
    if arguments.network:
        return network(arguments)
    if arguments.torch and not find_spec("torch"):
        parser.error("--torch: torch is not installed")
    if arguments.plots and (missing := [name for name in NEEDED_TO_PLOT if not find_spec(name)]):
        parser.error(f"--plots: not installed: {', '.join(missing)}; pip install '.[bench]'")
    if arguments.plots:
        try:
            arguments.plots.mkdir(parents=True, exist_ok=True)
        except OSError as error:  # told before minutes of measuring
            parser.error(f"--plots: {error}")
    only = [name for name in arguments.only if hasattr(os, "wait4") or name not in ("cold", "compile")]
    if not find_spec("sklearn"):
        only = [name for name in only if name != "classifier"]

    with tempfile.TemporaryDirectory() as folder:
        if arguments.weights is None:
            import fresh_weights

            arguments.weights = str(Path(folder) / "fresh.hdf5")
            fresh_weights.write(arguments.weights)
        try:
            if arguments.plots:
                return plots(arguments)
            found = inputs(arguments, Path(folder))
            parity, rows = measure(found, only, arguments.threads, arguments.rounds)
        except Disagreement as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    job = found.job
    lengths = np.count_nonzero(job.many, axis=1).mean(), np.count_nonzero(job.typical, axis=2).mean()
    work = {
        "weights": arguments.weights,
        "texts": f"{len(job.many)} of {lengths[0]:.1f} tokens for throughput, "
        f"{len(job.typical)} of {lengths[1]:.1f} for latency",
        "rounds": str(arguments.rounds),
    }
    show({"machine": machine(), "work": work, "parity": parity, "rows": rows}, arguments.format)
    return 0


def plots(arguments: argparse.Namespace) -> int:
    """Measure texts of several lengths and batches of several sizes, write, draw, print."""
    import bench_plots
    import draw_plots

    points = arguments.lengths or bench_plots.LENGTHS, arguments.batches or bench_plots.BATCHES
    there = machine()  # before it is busy
    report = {"machine": there, **bench_plots.report(arguments.weights, arguments.threads, arguments.rounds, *points)}
    draw_plots.write(report, arguments.plots / draw_plots.MEASURED)
    draw_plots.draw(report, arguments.plots)
    print(draw_plots.as_text(report))
    return 0


def network(arguments: argparse.Namespace) -> int:
    """Measure a network of any kind, print."""
    import bench_network

    choices = dict(choice.partition("=")[::2] for choice in arguments.layer)
    settings = arguments.threads, arguments.rounds, arguments.count or 2000, arguments.typical or 10
    try:
        found = bench_network.report(arguments.network, choices, *settings)
    except (Disagreement, npmoji.NpmojiError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    show({"machine": machine(), **found}, arguments.format)
    return 0


def show(report: dict[str, Any], form: str) -> None:
    """Print a report as text or JSON."""
    print(json.dumps(report, indent=1) if form == "json" else as_text(report))


if __name__ == "__main__":
    sys.exit(main())
