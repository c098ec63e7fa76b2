"""Measure the tokenizer on one core: texts a second, and what its start costs.

    python tools/bench_tokenizer.py VOCABULARY.json TEXTS.jsonl[.gz] ... [--rounds 7] [--compat deepmoji]

TEXTS hold one object {"text": ...} a line. Each round goes through all texts twice: with an empty table of words, and
with the table that the first pass filled. Start-up is measured in a fresh process each round. All figures are medians.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np

import npmoji
from npmoji import Tokenizer

START = """
import json, sys, time
import numpy
clock = time.perf_counter
times = [clock()]
import npmoji.text.tokenizer
times.append(clock())
tokenizer = npmoji.text.tokenizer.Tokenizer(sys.argv[1])
times.append(clock())
for text in ("hello, world!", "caf\\u00e9", "joe@x.com"):
    tokenizer.ids(text)
    times.append(clock())
print(json.dumps([1000 * (after - before) for before, after in zip(times, times[1:])]))
"""
STEPS = ("import, after NumPy's", "vocabulary", "first ASCII text", "first other text", "first e-mail address")


def read_texts(path: str) -> list[str]:
    """The texts of one file."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def texts_per_second(tokenizer: Tokenizer, texts: list[str]) -> float:
    start = time.perf_counter()
    tokenizer(texts)
    return len(texts) / (time.perf_counter() - start)


def start_up(vocabulary: str) -> list[float]:
    """Milliseconds of each of STEPS in a fresh process."""
    command = [sys.executable, "-c", START, str(Path(vocabulary).resolve())]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocabulary")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compat", default="deepmoji")
    arguments = parser.parse_args()

    texts = [text for path in arguments.texts for text in read_texts(path)]
    vocabulary = Tokenizer(arguments.vocabulary).vocabulary
    rounds = []
    for _ in range(arguments.rounds):
        tokenizer = Tokenizer(vocabulary, compat=arguments.compat)
        rounds.append([texts_per_second(tokenizer, texts) for _ in ("empty", "filled")])
    starts = [start_up(arguments.vocabulary) for _ in range(arguments.rounds)]

    characters = sum(map(len, texts))
    print(f"npmoji {npmoji.__version__}, Python {sys.version.split()[0]}, NumPy {np.__version__}")
    print(f"{len(texts):,} texts of {characters:,} characters, medians of {arguments.rounds} rounds (least-most)")
    for name, column in zip(("empty table", "filled table"), zip(*rounds, strict=True), strict=True):
        print(f"{name:24}{statistics.median(column):>10,.0f} texts/s ({min(column):,.0f}-{max(column):,.0f})")
    for name, column in zip(STEPS, zip(*starts, strict=True), strict=True):
        print(f"{name:24}{statistics.median(column):>10.1f} ms ({min(column):.1f}-{max(column):.1f})")


if __name__ == "__main__":
    main()
