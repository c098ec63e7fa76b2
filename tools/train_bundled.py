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
from pathlib import Path
from statistics import fmean

import h5py
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that a clone trains without being installed

from bundled_network import Network, write_weights
from corpus_augment import Sample, epoch
from corpus_reader import CLASSES, NEGATIVE, POSITIVE, Line, Slots, phrases, read_lines, read_slots
from evaluate_bundled import report, split

import npmoji  # its tokenizer, and the engine to measure the exported files
from npmoji import Tokenizer
from npmoji.checks.verify import references

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
    """Cuts a list of samples into batches of like length, as tensors; words are hidden at random while training."""

    def __init__(self, words, vocabulary: dict[str, int], size: int, hide: float):
        self.words, self.vocabulary, self.size, self.hide = words, vocabulary, size, hide

    def __call__(self, samples: list[Sample], random_: random.Random):
        rows = [
            ([self.vocabulary.get(w, UNKNOWN) for w in self.words(s.text)][:MAXLEN] or [UNKNOWN], s) for s in samples
        ]
        chunk = 40 * self.size  # sort within chunks only, so that batches stay mixed
        chunks = [sorted(rows[n : n + chunk], key=lambda row: len(row[0])) for n in range(0, len(rows), chunk)]
        batches = [part[n : n + self.size] for part in chunks for n in range(0, len(part), self.size)]
        random_.shuffle(batches)
        return (self._tensors(batch) for batch in batches)

    def _tensors(self, batch: list[tuple[list[int], Sample]]) -> tuple[Tensor, Tensor, Tensor]:
        ids = torch.zeros(len(batch), max(len(row) for row, _ in batch), dtype=torch.int64)
        target = torch.zeros(len(batch), CLASSES)
        for n, (row, text) in enumerate(batch):
            ids[n, : len(row)] = torch.tensor(row)
            target[n, list(text.target)] = torch.tensor(list(text.target.values()))
        hidden = (torch.rand(ids.shape) < self.hide) & (ids != 0)
        return ids.masked_fill(hidden, UNKNOWN), target, torch.tensor([float(text.polarity) for _, text in batch])


def mood_masks() -> Tensor:
    """(2, C): 1 at the good ids in row 0, at the bad ids in row 1."""
    return torch.tensor([[float(n in ids) for n in range(CLASSES)] for ids in (POSITIVE, NEGATIVE)])


def loss(logits: Tensor, target: Tensor, polarity: Tensor, moods: Tensor, weight: float) -> Tensor:
    """Cross-entropy to the soft targets, plus `weight` times that of the mood for texts that have one."""
    log_p = torch.log_softmax(logits, -1)
    emojis = -(target * log_p).sum(-1).mean()
    good, bad = (torch.logsumexp(log_p + torch.log(mood + 1e-9), -1) for mood in moods)
    mood = torch.nn.functional.softplus((bad - good) * polarity) * (polarity != 0)
    return emojis + weight * mood.mean()


class Average:
    """Running average of a network's parameters, with a slow start."""

    def __init__(self, network: Network, decay: float):
        self.network, self.decay, self.steps = network, decay, 0
        self.values = [p.detach().clone() for p in network.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        torch._foreach_lerp_(self.values, list(self.network.parameters()), 1 - decay)

    @torch.no_grad()
    def store(self) -> None:
        """Put the average into the network."""
        for parameter, value in zip(self.network.parameters(), self.values):
            parameter.copy_(value)


def rate_at(done: float, peak: float) -> float:
    """The learning rate after the share `done` of the training: a short rise, then half a cosine down to 0."""
    return peak * min(1, done * 20 + 0.05) * 0.5 * (1 + math.cos(math.pi * done))


def train(network: Network, lines: list[Line], slots: Slots, batches: Batches, args: argparse.Namespace) -> None:
    """The whole training; prints a line an epoch. The network ends up with the averaged weights."""
    random_, start = random.Random(args.seed), time.perf_counter()
    optimizer = torch.optim.AdamW(network.parameters(), lr=args.rate, weight_decay=args.decay)
    average, moods = Average(network, AVERAGE_DECAY), mood_masks()
    network.train()
    for n in range(args.epochs):
        values = []
        loaded = list(batches(epoch(lines, slots, random_), random_))
        for k, (ids, target, polarity) in enumerate(loaded):
            optimizer.param_groups[0]["lr"] = rate_at((n + k / len(loaded)) / args.epochs, args.rate)
            optimizer.zero_grad()
            value = loss(network(ids), target, polarity, moods, args.mood)
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            average.update()
            values.append(value.item())
        say(f"epoch {n + 1}/{args.epochs}  loss {fmean(values):.4f}  {time.perf_counter() - start:.0f} s")
    average.store()
    network.eval()


def add_references(path: Path) -> None:
    """Let the weights file carry its own reference results, which `npmoji verify` checks."""
    results = references(npmoji.load(path, engine="numpy"))
    with h5py.File(path, "r+") as file:
        file.attrs["npmoji_references"] = np.bytes_(json.dumps(results).encode("ascii"))


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
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    lines, slots, words = read_lines(), read_slots(), Tokenizer(SPECIALS).words
    training, held = split(lines)
    vocabulary = build_vocabulary(training, slots, words, args.seed)
    entries = sum(map(len, slots.values()))
    say(f"{len(lines)} lines, {len(held)} held back; {entries} list entries; {len(vocabulary)} words")
    network = Network(len(vocabulary), args.embedding, args.units, CLASSES, args.dropout)
    train(network, training, slots, Batches(words, vocabulary, args.batch, args.hide), args)
    args.out.mkdir(parents=True, exist_ok=True)
    write_weights(args.out / "deepmoji_small.hdf5", network)
    (args.out / "vocabulary.json").write_text(json.dumps(vocabulary, indent=0) + "\n", encoding="ascii")
    add_references(args.out / "deepmoji_small.hdf5")
    report(npmoji.load(args.out / "deepmoji_small.hdf5").predict, held, slots, args.benchmark)


if __name__ == "__main__":
    main()
