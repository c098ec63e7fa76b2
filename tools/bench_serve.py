"""What `npmoji serve` makes of a model's throughput, over the loopback interface, and what it does with bad requests.

    python tools/bench_serve.py [WEIGHTS] [--texts FILE] [--clients 1 8 64] [--seconds 5] [--rounds 3]
    python tools/bench_serve.py [WEIGHTS] --abuse 10000

The first asks for one text a request, each client as soon as it has its last answer, from a process of its own. In each
round it measures `Model.predict` with all texts and with as many as a full batch has, then the server with
micro-batching and without it (`--max-batch 1`), for each number of clients. Requests per second, their ratio to
`predict`'s texts per second, the 50th and 99th percentile of the time to an answer, and the latter's ratio to the time
of a full batch: medians over the rounds with least and most.

The second sends so many bad requests of all kinds (`serve_abuse.py`), with good ones between them, and reports what
came of them, whether the server still runs, how much memory it has taken, and what it wrote.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from bench_texts import made_up_tokens, read_texts

import npmoji
from npmoji.serve.limits import Limits

BATCH = Limits().max_batch
MODES = {"micro-batching": BATCH, "one by one": 1}
Figures = dict[str, list[float]]  # what -> its figure in each round


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        log: where its standard error goes.
    """

    process: subprocess.Popen
    port: int
    log: Path

    def memory(self) -> int:
        """MiB that the process has in memory; 0 where the system has no /proc."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except FileNotFoundError:
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20


@contextlib.contextmanager
def server(arguments: argparse.Namespace, *options: str) -> Iterator[Server]:
    """`npmoji serve` on a free port; ends it with SIGTERM, which must succeed."""
    folder = tempfile.TemporaryDirectory()
    log = Path(folder.name) / "log"
    command = [sys.executable, "-m", "npmoji", "serve", "--port", "0", *model_options(arguments), *options]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stderr=file)
    try:
        while process.poll() is None and b"serving on" not in log.read_bytes():
            time.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        yield Server(process, int(log.read_text().rsplit(":", 1)[1].strip(" /\n")), log)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        folder.cleanup()
        if code:
            print(f"the server ended with exit code {code}", file=sys.stderr)


def model_options(arguments: argparse.Namespace) -> list[str]:
    """The options of the command line that select the model."""
    named = {"--weights": arguments.weights, "--vocabulary": arguments.vocabulary, "--threads": arguments.threads}
    return [text for name, value in named.items() if value for text in (name, str(value))]


def ask(port: int, clients: int, seconds: float, texts: list[str]) -> dict[str, Any]:
    """What so many clients measure."""
    command = [sys.executable, str(ROOT / "tools" / "serve_clients.py"), str(port), str(clients), str(seconds)]
    found = subprocess.run(command, input=json.dumps(texts).encode(), stdout=subprocess.PIPE, check=True)
    return json.loads(found.stdout)


def predict(model: npmoji.Model, texts: list[str], seconds: float) -> tuple[float, float]:
    """Texts per second with all texts at once, for about so long, and milliseconds of a full batch."""
    start, rounds = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds:
        model.predict(texts)
        rounds += 1
    times = []
    for i in range(10):
        before = time.perf_counter()
        model.predict((texts * 2)[(i * BATCH) % len(texts) :][:BATCH])
        times.append(time.perf_counter() - before)
    return rounds * len(texts) / taken, 1000 * statistics.median(times)


def measure(arguments: argparse.Namespace) -> tuple[Figures, dict[tuple[str, int], Figures]]:
    """All rounds: of `predict`, and by mode and number of clients."""
    model = npmoji.load(arguments.weights, vocabulary=arguments.vocabulary, engine="numba", threads=arguments.threads)
    if arguments.texts:
        texts = read_texts(arguments.texts)[: arguments.count]
    else:
        texts = list(map(model.tokenizer.to_sentence, made_up_tokens(model.vocabulary_size, arguments.count)))
    model.predict(texts)
    alone: Figures = defaultdict(list)
    served: dict[tuple[str, int], Figures] = defaultdict(lambda: defaultdict(list))
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        rate, batch = predict(model, texts, arguments.seconds)
        alone["texts/s"].append(rate)
        alone["ms of a full batch"].append(batch)
        for mode, size in MODES.items():
            with server(arguments, "--max-batch", str(size)) as running:
                for clients in arguments.clients:
                    found = ask(running.port, clients, arguments.seconds, texts)
                    times, figures = sorted(found["milliseconds"]), served[mode, clients]
                    figures["requests/s"].append(len(times) / found["seconds"])
                    figures["of predict"].append(figures["requests/s"][-1] / rate)
                    figures["p50 ms"].append(times[len(times) // 2])
                    figures["p99 ms"].append(times[len(times) * 99 // 100])
                    figures["p99 of a full batch"].append(figures["p99 ms"][-1] / batch)
    return alone, served


def show(alone: Figures, served: dict[tuple[str, int], Figures]) -> None:
    """Two tables, in Markdown."""
    for name, values in alone.items():
        print(f"Model.predict, {name}: {spread(values)}")
    names = list(next(iter(served.values())))
    print(f"\n| | clients | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for (mode, clients), figures in served.items():
        print(f"| {mode} | {clients} | {' | '.join(spread(figures[name]) for name in names)} |")


def spread(values: list[float]) -> str:
    """The median, with least and most if there are several."""
    short = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in (min(values), max(values))]
    middle = statistics.median(values)
    shown = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
    return f"{shown} ({short[0]}-{short[1]})" if len(values) > 1 else shown


def main(argv: list[str] | None = None) -> int:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help="a weights file (default: the bundled model)")
    parser.add_argument("--vocabulary", metavar="PATH", help="vocabulary.json (default: beside the weights)")
    parser.add_argument("--texts", metavar="FILE", help="one text a line, or .jsonl.gz (default: made up)")
    parser.add_argument("--count", type=int, default=1024, metavar="N", help="texts to ask for (default 1024)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], metavar="N", help="default: 1 8 64")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="of each measurement (default 5)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default 3")
    parser.add_argument("--threads", type=int, metavar="N", help="of the engine (default: the available cores)")
    parser.add_argument("--abuse", type=int, metavar="N", help="send so many bad requests instead")
    arguments = parser.parse_args(argv)
    if arguments.abuse:
        import serve_abuse

        with server(arguments, *serve_abuse.OPTIONS) as running:
            return serve_abuse.report(running, arguments.abuse)
    show(*measure(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
