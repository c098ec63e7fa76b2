"""Own classes on the published benchmarks: our scores beside the article's.

    python tools/benchmarks.py data/*/raw.pickle ../shared/data/benchmarks/*.jsonl.gz
    python tools/benchmarks.py FILES --weights original.hdf5 --vocabulary vocabulary.json --method last chain-thaw

Files are those of the original, or lines of {"text", "label", "split"}. Each method learns from the training part and
is measured on the test part, as in the article: by accuracy, or by the class-average F1, for which each class is a
binary problem whose threshold comes from the validation part. Two that know nothing of the network stand beside them:

    constant   accuracy: the most frequent class of the training part; F1: every text is of the class
    TF-IDF     logistic regression on words and pairs of words, its strength chosen by cross-validation

`last` needs scikit-learn, and so does TF-IDF; the other methods need PyTorch and, on a CPU, hours at the original's
size: see --epochs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that a clone measures without being installed

import npmoji
from npmoji.learn import metrics
from npmoji.learn.data import Dataset

#: the article's table as quoted: measure; best before; new, full, last, chain-thaw. Averages of five runs, on parts of
#: about these sizes but not these texts. Felbo et al. 2017, arXiv 1708.00524
ARTICLE = {
    "SE0714": ("F1", 0.34, 0.21, 0.31, 0.36, 0.37),
    "Olympic": ("F1", 0.50, 0.43, 0.50, 0.61, 0.61),
    "PsychExp": ("F1", 0.45, 0.32, 0.42, 0.56, 0.57),
    "SS-Twitter": ("accuracy", 0.82, 0.62, 0.85, 0.87, 0.88),
    "SS-Youtube": ("accuracy", 0.86, 0.75, 0.88, 0.92, 0.93),
    "SE1604": ("accuracy", 0.51, 0.51, 0.54, 0.58, 0.58),
    "SCv1": ("F1", 0.63, 0.67, 0.65, 0.68, 0.69),
    "SCv2-GEN": ("F1", 0.72, 0.71, 0.71, 0.74, 0.75),
}
QUOTED = ("best before", "new", "full", "last", "chain-thaw")
METHODS = ("last", "new", "full", "chain-thaw")

Part = tuple[list[str], np.ndarray]
#: texts and labels to learn from, and texts whose probabilities (N, C) it then gives
Learner = Callable[[list[str], np.ndarray, list[list[str]]], list[np.ndarray]]


def score(learner: Learner, data: Dataset, measure: str) -> float:
    """How well a learner does on the test part."""
    (texts, labels), (held, held_labels), (tests, truth) = map(data.part, ("train", "val", "test"))
    if measure == "accuracy":
        return metrics.accuracy(truth, learner(texts, labels, [tests])[0])
    validation, test = [], []
    count = classes_of(data)
    sides = (metrics.rounds(part, count) for part in (labels, held_labels, truth))
    for learned, y_held, y in zip(*sides):
        p_held, p = (found[:, 1] for found in learner(texts, learned, [held, tests]))
        validation.append((y_held, p_held))
        test.append((y, p))
    return metrics.class_average(validation, test).f1


def read(path: str) -> Dataset:
    """A file's texts, with class numbers from 0 for labels of any kind."""
    data = Dataset.read(path)
    for part in ("train", "val", "test"):
        data.part(part)  # or an error that names what is there
    if data.labels.ndim == 1:
        data.labels = np.unique(data.labels, return_inverse=True)[1]
    return data


def classes_of(data: Dataset) -> int:
    """How many classes there are: of class numbers, those up to the largest."""
    return data.labels.shape[1] if data.labels.ndim == 2 else int(data.labels.max()) + 1


def constant(texts: list[str], labels: np.ndarray, others: list[list[str]]) -> list[np.ndarray]:
    """The share of each class, whatever the text."""
    shares = np.bincount(labels.astype(int), minlength=2) / len(labels)
    return [np.tile(shares, (len(some), 1)) for some in others]


def tf_idf(texts: list[str], labels: np.ndarray, others: list[list[str]]) -> list[np.ndarray]:
    """Logistic regression on words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    fewest = np.bincount(labels.astype(int)).min()
    grid = {"C": [0.1, 1, 10, 100, 1000]}
    search = GridSearchCV(
        LogisticRegression(max_iter=2000), grid, scoring="neg_log_loss", cv=int(min(5, max(2, fewest)))
    )
    search.fit(words.fit_transform(texts), labels)
    return [search.predict_proba(words.transform(some)) for some in others]


def last(weights: Any, maxlen: int) -> Learner:
    """Our logistic regression on the network's features."""

    def learner(texts: list[str], labels: np.ndarray, others: list[list[str]]) -> list[np.ndarray]:
        model = npmoji.Classifier(weights, maxlen=maxlen).fit(texts, labels)
        return [model.predict_proba(some) for some in others]

    return learner


def finetuned(model: npmoji.Model, data: Dataset, measure: str, method: str, options: dict[str, Any]) -> float:
    """The score after the network itself was trained."""
    (texts, labels), validation, test = map(data.part, ("train", "val", "test"))
    given: dict[str, Any] = {"method": method, "validation": validation, "test": test, "maxlen": data.maxlen, **options}
    if measure == "accuracy":
        trained = npmoji.learn.finetune(model, texts, labels, **given)
        return (trained.provenance or {})["scores"]["test_accuracy"]
    return npmoji.learn.class_average(model, texts, labels, **given).f1


def measured(data: Dataset, model: npmoji.Model, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of a data set."""
    guess = "accuracy" if data.labels.ndim == 1 else "F1"
    measure, *quoted = ARTICLE.get(data.name, (guess, *[None] * len(QUOTED)))
    options = {
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "batch_size": data.batch_size,
        "progress": sys.stderr.isatty(),
    }
    scores, seconds = {}, {}
    for name in ("constant", "TF-IDF", *arguments.method):
        started = time.perf_counter()
        if name in ("constant", "TF-IDF"):
            scores[name] = score({"constant": constant, "TF-IDF": tf_idf}[name], data, measure)
        elif name == "last":
            scores[name] = score(last(model, data.maxlen), data, measure)
        else:
            scores[name] = finetuned(model, data, measure, name, options)
        seconds[name] = round(time.perf_counter() - started, 1)
        print(f"{data.name}: {name} {scores[name]:.3f}, {seconds[name]} s", file=sys.stderr)
    return {
        "name": data.name,
        "measure": measure,
        "classes": classes_of(data),
        "sizes": [len(data.parts[part]) for part in ("train", "val", "test")],
        "coverage": data.coverage(model.tokenizer)["test"] if model.tokenizer else None,
        "straddling": data.straddling,
        "scores": scores,
        "seconds": seconds,
        "as quoted": dict(zip(QUOTED, quoted)),
    }


def table(found: list[dict[str, Any]], weights: str, methods: list[str]) -> str:
    """The figures for people, in Markdown."""
    ours = ["constant", "TF-IDF", *methods]
    head = ["data set", "train / val / test", "known", "measure", *ours, *(f"{name} (as quoted)" for name in QUOTED)]
    rows = [
        [
            one["name"],
            " / ".join(map(str, one["sizes"])),
            f"{one['coverage']:.0%}",
            one["measure"],
            *(f"{one['scores'][name]:.3f}" for name in ours),
            *("–" if value is None else f"{value:.2f}" for value in one["as quoted"].values()),
        ]
        for one in found
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    lines = [head, ["-" * width for width in widths], *rows]
    shown = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    note = (
        "as quoted: the article's figures, for the original's weights, other splits of the texts, averages of five runs"
    )
    return "\n".join([f"weights: {weights}", "", *shown, "", note])


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="raw.pickle of the original, or .jsonl[.gz]")
    parser.add_argument("--weights", help="a weights file; by default the bundled model")
    parser.add_argument("--vocabulary", help="its vocabulary, if it is in a file of its own")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=["last"], help="default: last")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the data sets with these names")
    parser.add_argument(
        "--epochs", type=int, default=1000, help="most epochs of a stage; default: 1000, as the original"
    )
    parser.add_argument("--seed", type=int, default=0, help="of fresh weights and dropout")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    arguments = parser.parse_args(argv)
    try:
        found = [data for data in map(read, arguments.files) if data.name in (arguments.only or [data.name])]
        if not found:
            raise npmoji.InputError(f"no data set is called {' or '.join(arguments.only)}")
        rows = []
        for data in found:
            # The network's length is that of the texts, so it is loaded for each.
            model = npmoji.load(arguments.weights, vocabulary=arguments.vocabulary, maxlen=data.maxlen)
            rows.append(measured(data, model, arguments))
    except npmoji.NpmojiError as error:
        sys.exit(f"benchmarks: {error}")
    weights = arguments.weights or "the bundled model"
    if arguments.format == "json":
        print(json.dumps({"weights": weights, "seed": arguments.seed, "benchmarks": rows}, indent=1))
    else:
        print(table(rows, weights, arguments.method))


if __name__ == "__main__":
    main()
