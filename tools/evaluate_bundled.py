"""Measures the bundled model: emojis on held-back corpus lines, polarity on the probe sentences and a benchmark file.

    python tools/evaluate_bundled.py [--weights weights/deepmoji_small.hdf5] [--benchmark SS-Twitter.jsonl.gz] [--wrong]

Needs npmoji alone, no PyTorch. Polarity is the mass of the good emojis minus that of the bad ones
(`corpus_reader.POSITIVE`, `NEGATIVE`); its sign decides.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that a clone measures without being installed

from corpus_reader import NEGATIVE, POSITIVE, Line, Slots, expand, read_lines, read_probes, read_slots

ROOT = Path(__file__).resolve().parent.parent
SPLIT_SEED = 1
HELD_BACK = 0.05
EXAMPLES = """I love mom's cooking
this is the worst day ever
lol that was hilarious
so tired, going to bed
I love you
thank you so much
I hate mondays
just got promoted!!
my dog died last night
this song is my jam
the movie was not bad at all
I'm not happy about this""".splitlines()

Predict = Callable[[list[str]], np.ndarray]  # texts to probabilities (N, 64)


def split(lines: list[Line], seed: int = SPLIT_SEED) -> tuple[list[Line], list[Line]]:
    """(training lines, held-back lines): whole templates, so that no sentence of a held-back one is trained on."""
    held = set(random.Random(seed).sample(range(len(lines)), int(len(lines) * HELD_BACK)))
    return [line for n, line in enumerate(lines) if n not in held], [line for n, line in enumerate(lines) if n in held]


def polarity(probabilities: np.ndarray) -> np.ndarray:
    """(N, 64) to (N,): mass of the good emojis minus that of the bad ones, from -1 to 1."""
    return probabilities[:, sorted(POSITIVE)].sum(1) - probabilities[:, sorted(NEGATIVE)].sum(1)


def emoji_scores(
    predict: Predict, lines: list[Line], slots: Slots, per_line: int = 5, seed: int = 0
) -> dict[str, float]:
    """Shares of held-back sentences: first id on top, among the five best; top one among the line's ids; mood right."""
    random_ = random.Random(seed)
    texts = [expand(line, slots, random_) for line in lines for _ in range(per_line)]
    ids = [line.ids for line in lines for _ in range(per_line)]
    probabilities = predict(texts)
    best = np.argsort(-probabilities, axis=1)[:, :5]
    signs = np.array([line.polarity for line in lines for _ in range(per_line)])
    right = np.sign(polarity(probabilities)) == signs
    return {
        "texts": len(texts),
        "top-1": float(np.mean([row[0] == want[0] for row, want in zip(best, ids)])),
        "top-5": float(np.mean([want[0] in row for row, want in zip(best, ids)])),
        "top one listed": float(np.mean([row[0] in want for row, want in zip(best, ids)])),
        "polarity": float(np.mean(right[signs != 0])),
    }


def polarity_score(predict: Predict, texts: list[str], signs: list[int]) -> tuple[float, list[tuple[float, str]]]:
    """Share of texts with the right sign, and the wrong ones, (score, text), the most certain first."""
    scores = polarity(predict(texts))
    wrong = [(float(s), text) for s, sign, text in zip(scores, signs, texts) if s * sign <= 0]
    return 1 - len(wrong) / len(texts), sorted(wrong, key=lambda row: -abs(row[0]))


def read_benchmark(path: Path) -> tuple[list[str], list[int]]:
    """Texts and signs of a `.jsonl.gz` file of {"text", "label"} with labels 0 (bad) and 1 (good)."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(row) for row in file]
    return [row["text"] for row in rows], [1 if row["label"] == 1 else -1 for row in rows]


def report(predict: Predict, lines: list[Line], slots: Slots, benchmark: Path | None, show_wrong: bool = False) -> None:
    """Print every figure, and with `show_wrong` the misjudged texts."""
    scores = emoji_scores(predict, lines, slots)
    print(
        "held back: "
        + "  ".join(
            f"{name} {value:.3f}" if isinstance(value, float) else f"{value} {name}" for name, value in scores.items()
        )
    )
    probes = read_probes()
    sets = [("probes", [text for _, text in probes], [sign for sign, _ in probes])]
    if benchmark:
        sets.append((benchmark.name, *read_benchmark(benchmark)))
    for name, texts, signs in sets:
        share, wrong = polarity_score(predict, texts, signs)
        print(f"{name}: polarity right {share:.3f} of {len(texts)}")
        if show_wrong:
            print("\n".join(f"  {score:+.2f}  {text}" for score, text in wrong))
    for text, row in zip(EXAMPLES, predict(list(EXAMPLES))):
        print(f"{text!r}: " + "  ".join(f"{n} {row[n]:.2f}" for n in np.argsort(-row)[:5]))


def main() -> None:
    import npmoji

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, default=ROOT / "weights" / "deepmoji_small.hdf5", metavar="PATH")
    parser.add_argument("--benchmark", type=Path, metavar="SS-Twitter.jsonl.gz")
    parser.add_argument("--wrong", action="store_true", help="print the misjudged texts")
    args = parser.parse_args()
    model = npmoji.load(args.weights)
    report(model.predict, split(read_lines())[1], read_slots(), args.benchmark, args.wrong)


if __name__ == "__main__":
    main()
