"""Trains the small bundled model on `tools/corpus/` and writes `weights/`: one command, seeded, on a CPU.

    python -m pip install '.[train]' && python tools/train_bundled.py [--out weights] [--benchmark SS-Twitter.jsonl.gz]

Every epoch sees fresh sentences: the templates are expanded anew and lightly rewritten. The loss is the cross-entropy
to the soft targets of a line (its three to five emojis, falling) plus that of the mood: the good emojis' mass against
the bad ones'. What is exported is the running average of the weights. One template line in twenty is held back, whole,
to measure on.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that a clone trains without being installed

from bundled_network import first_weights, network, write_model
from corpus_augment import Sample, epoch
from corpus_reader import CLASSES, NEGATIVE, POSITIVE, Line, Slots, phrases, read_lines, read_slots
from evaluate_bundled import report, split

import npmoji
from npmoji import Tokenizer
from npmoji.learn import Trainer
from npmoji.learn.loop import Arrays, epochs
from npmoji.model import Model

ROOT = Path(__file__).resolve().parent.parent
_NAMES = ("MASK", "UNKNOWN", "AT", "URL", "NUMBER", "BREAK", "BLANK_6", "BLANK_7", "BLANK_8", "BLANK_9")
SPECIALS = {f"CUSTOM_{name}": n for n, name in enumerate(_NAMES)}
UNKNOWN = SPECIALS["CUSTOM_UNKNOWN"]
MAXLEN = 30
AVERAGE_DECAY = 0.998


def build_vocabulary(lines: list[Line], slots: Slots, words, seed: int) -> dict[str, int]:
    """Word to id: the ten special entries, then the words by frequency, less rare spellings that rewriting made."""
    random_ = random.Random(seed)
    counts = Counter(word for _ in range(8) for text in epoch(lines, slots, random_) for word in words(text.text))
    known = {word for phrase in phrases(lines, slots) for word in words(phrase)}
    kept = {word for word in {*counts, *known} if (word in known or counts[word] >= 6) and word.isascii()} - set(
        SPECIALS
    )
    return {word: n for n, word in enumerate([*SPECIALS, *sorted(kept, key=lambda word: (-counts[word], word))])}


class Batches:
    """Cuts a list of samples into batches of like length; words are hidden at random while training.

    A batch is token ids (N, T) and what `loss` compares with: N rows of the C target shares and the polarity.
    """

    def __init__(self, words, vocabulary: dict[str, int], size: int, hide: float, seed: int):
        self.words, self.vocabulary, self.size, self.hide = words, vocabulary, size, hide
        self.hiding = np.random.default_rng(seed)

    def __call__(self, samples: list[Sample], random_: random.Random) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = [
            ([self.vocabulary.get(w, UNKNOWN) for w in self.words(s.text)][:MAXLEN] or [UNKNOWN], s) for s in samples
        ]
        chunk = 40 * self.size  # sort within chunks only, so that batches stay mixed
        chunks = [sorted(rows[n : n + chunk], key=lambda row: len(row[0])) for n in range(0, len(rows), chunk)]
        batches = [part[n : n + self.size] for part in chunks for n in range(0, len(part), self.size)]
        random_.shuffle(batches)
        return [self._arrays(batch) for batch in batches]

    def _arrays(self, batch: list[tuple[list[int], Sample]]) -> tuple[np.ndarray, np.ndarray]:
        ids = np.zeros((len(batch), max(len(row) for row, _ in batch)), np.int64)
        wanted = np.zeros((len(batch), CLASSES + 1), np.float32)
        for n, (row, text) in enumerate(batch):
            ids[n, : len(row)] = row
            wanted[n, list(text.target)] = list(text.target.values())
            wanted[n, -1] = text.polarity
        hidden = (self.hiding.random(ids.shape) < self.hide) & (ids != 0)
        return np.where(hidden, UNKNOWN, ids), wanted


def loss_of(weight: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy to the soft targets, plus `weight` times that of the mood for texts that have one."""
    moods = torch.tensor([[float(n in ids) for n in range(CLASSES)] for ids in (POSITIVE, NEGATIVE)])  # (2, C)

    def loss(logits: Tensor, wanted: Tensor) -> Tensor:
        target, polarity = wanted[:, :-1], wanted[:, -1]
        log_p = torch.log_softmax(logits, -1)
        emojis = -(target * log_p).sum(-1).mean()
        good, bad = (torch.logsumexp(log_p + torch.log(mood + 1e-9), -1) for mood in moods)
        mood = torch.nn.functional.softplus((bad - good) * polarity) * (polarity != 0)
        return emojis + weight * mood.mean()

    return loss


class Average:
    """Running average of a trainer's weights, with a slow start."""

    def __init__(self, trainer: Trainer, decay: float):
        self.trainer, self.decay, self.steps = trainer, decay, 0
        self.values = trainer.weights()

    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for name, array in self.trainer.weights().items():
            self.values[name] += np.float32(1 - decay) * (array - self.values[name])


def rate_at(done: float, peak: float) -> float:
    """The learning rate after the share `done` of the training: a short rise, then half a cosine down to 0."""
    return peak * min(1, done * 20 + 0.05) * 0.5 * (1 + math.cos(math.pi * done))


def train(model: Model, lines: list[Line], slots: Slots, batches: Batches, args: argparse.Namespace) -> Arrays:
    """The whole training; prints a line an epoch. Returns the averaged weights."""
    random_, start = random.Random(args.seed), time.perf_counter()
    trainer = Trainer(
        model,
        loss=loss_of(args.mood),
        l2=0,
        optimiser="torch",
        weight_decay=args.decay,
        learning_rate=args.rate,
        seed=args.seed,
    )
    average = Average(trainer, AVERAGE_DECAY)
    for result in epochs(
        trainer,
        lambda number: batches(epoch(lines, slots, random_), random_),
        args.epochs,
        rate=lambda number, at, size: rate_at((number + at / size) / args.epochs, args.rate),
        after_step=average.update,
    ):
        done = f"epoch {result.number + 1}/{args.epochs}"
        say(f"{done}  loss {result.loss:.4f}  {time.perf_counter() - start:.0f} s")
    return average.values


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "weights", metavar="FOLDER")
    parser.add_argument("--benchmark", type=Path, metavar="SS-Twitter.jsonl.gz", help="measure polarity on this too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=28)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--hide", type=float, default=0.06, help="share of words replaced by the unknown word")
    parser.add_argument("--mood", type=float, default=1.0, help="weight of the mood's loss")
    parser.add_argument("--threads", type=int, default=1, help="more change the last digits and gain little")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    lines, slots, words = read_lines(), read_slots(), Tokenizer(SPECIALS).words
    training, held = split(lines)
    vocabulary = build_vocabulary(training, slots, words, args.seed)
    entries = sum(map(len, slots.values()))
    say(f"{len(lines)} lines, {len(held)} held back; {entries} list entries; {len(vocabulary)} words")
    model = network(first_weights(len(vocabulary), args.embedding, args.units, CLASSES, args.seed), args.dropout)
    batches = Batches(words, vocabulary, args.batch, args.hide, args.seed)
    weights = train(model, training, slots, batches, args)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "vocabulary.json").write_text(json.dumps(vocabulary, indent=0) + "\n", encoding="ascii")
    write_model(args.out / "deepmoji_small.hdf5", weights, vocabulary)
    report(npmoji.load(args.out / "deepmoji_small.hdf5").predict, held, slots, args.benchmark)


if __name__ == "__main__":
    main()
