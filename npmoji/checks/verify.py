"""Does this file hold the weights it should? Its results against published ones, or against those the file carries.

The original weights are known by what both original projects publish of them: the five best classes of seven texts, and
the first means of their features. They are tried on every model of the original's sizes that has a vocabulary.

A file may carry reference results of its own, made by `references` and found as `model.references`:

    {"version": 1,
     "maxlen": 30,                      T; another for a network that takes no other
     "texts": [...] or null,            null for a model without a vocabulary
     "compat": "torchmoji",             whose tokenizer gave the ids; not there for the original's
     "ids": [[...], ...],               of each text, without trailing padding
     "top5": [[...], ...],              the best classes of each, best first; empty if the file has no classes
     "probabilities": [[...], ...],     of its first 64 classes; likewise
     "encoding_mean": [...],            the mean over the texts of the first five features, if there are features
     "weights_sha256": "...",           of all arrays, layer by layer, as float32
     "stored_sha256": "..."}            the same of what the file holds, where it is rounded: fp16, int8
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backends.ops import REFERENCE
from ..errors import NpmojiError, WeightsError
from ..formats import Contents
from ..layers import AttentionWeightedAverage, Pass
from ..outputs import alone
from ..precision import PRECISIONS
from ..text.steps import COMPATS, ORIGINAL
from ..text.tokenizer import Tokenizer
from ..text.vocabulary import UNKNOWN
from .golden_texts import BUILTIN

if TYPE_CHECKING:
    from ..model import Model

VERSION = 1
MAXLEN = 30  # what the published results were computed with
CLASSES_KEPT, FEATURES_KEPT = 64, 5

ORIGINAL_SIZES = (50_000, 2304, 64)  # vocabulary, features, classes

#: the five best classes of seven texts, best first, by the original weights; both original projects publish them
PUBLISHED = {
    "I love mom's cooking": (36, 4, 8, 16, 47),
    "I love how you never reply back..": (1, 19, 55, 25, 46),
    "I love cruising with my homies": (31, 6, 30, 15, 13),
    "I love messing with yo mind!!": (54, 44, 9, 50, 49),
    "I love you and now you're just gone..": (46, 5, 27, 35, 34),
    "This is shit": (55, 32, 27, 1, 37),
    "This is the shit": (48, 11, 6, 31, 9),
}
#: means of the first features over these texts, rounded to three digits
PUBLISHED_MEANS = (-0.023, 0.021, -0.037, -0.001, -0.005)
ROUNDING = 0.0005

#: texts of our own references: those published, and some that the tokenizer has to get right
REFERENCE_TEXTS = (
    *PUBLISHED,
    "",
    "soooo tired!!! 7:45 again, @friend look: http://example.org/a?b=c #monday",
    "\U0001f44d\U0001f3fd na\u00efve caf\u00e9, it\u2019s \u201cfine\u201d \u2026 \u2764\ufe0f <3",
    "one \U0001d402\U0001d414\U0001d412\U0001d413\U0001d40e\U0001d40c_\U0001d40c\U0001d400\U0001d412\U0001d40a two",
    "on and on " * 20,
)

#: largest difference of probabilities and of features; the last two are what tests hold the precisions to
LIMITS = {"fp32": (1e-5, 1e-5), "fp16": (1e-3, 2e-3), "int8": (0.03, 0.06)}
#: published texts whose best class may be another: int8 changes it for one text in 100
MISSES = {"fp32": 0, "fp16": 0, "int8": 1}


class Verdict(NamedTuple):
    """What `verify` found.

    Attributes:
        passed: all that could be checked is as it should be, and something could.
        checked: "published", "stored", "published and stored" or "nothing".
        lines: the report, for people; the last one is the verdict.
    """

    passed: bool
    checked: str
    lines: list[str]


class Check(NamedTuple):
    """One line of a report."""

    passed: bool
    what: str
    found: str

    def line(self, decides: bool = True) -> str:
        """For a report; a check that decides nothing does not fail."""
        return f"  {'ok  ' if self.passed else 'FAIL' if decides else 'no  '}  {self.what:15}{self.found}"


def verify(model: Model) -> Verdict:
    """Check a model, on the engine it runs on, against the published results and those that its file carries.

    Where it has results of its own they decide: a network of the original's sizes need not be the original.

    Raises:
        WeightsError: the reference results in the file are damaged.
    """
    file = model.contents
    precision = max(file.precision, model.precision, key=PRECISIONS.index)  # the coarser one
    lines, published, stored = [f"{model.path}, engine {model.engine}, precision {precision}"], [], []
    own = model.references is not None
    sizes = (model.vocabulary_size, model.features, ORIGINAL_SIZES[2] if model.feature_only else model.classes)
    if sizes == ORIGINAL_SIZES and model.tokenizer is not None:
        published = list(_against_published(model, precision))
        title = "the published results of the original weights" + (", which these need not be:" if own else ":")
        lines += [title, *(check.line(decides=not own) for check in published)]
    if own:
        stored = list(_against_stored(model, file, checked_references(model.references, model), precision))
        lines += ["the reference results in the file:", *(check.line() for check in stored)]
    decisive = stored or published
    passed = bool(decisive) and all(check.passed for check in decisive)
    names = [name for name, checks in (("published", published), ("stored", stored)) if checks]
    return Verdict(passed, " and ".join(names) or "nothing", [*lines, _conclusion(passed, published, stored)])


def _conclusion(passed: bool, published: list[Check], stored: list[Check]) -> str:
    original = all(check.passed for check in published)
    if published and original:
        some = "" if len(published) > 1 else ", without its last layer"
        end = f"passed: these are the original weights{some}"
        return end if passed else "failed: the file's own reference results differ"
    if stored:
        end = ", which are not the original weights" if published else ""
        return (
            f"passed: the weights give the results that their file states{end}" if passed else "failed: results differ"
        )
    if published:
        return "failed: these are not the original weights, and the file states no other results"
    return (
        "failed: nothing to check against: not of the original's sizes (or no vocabulary), and no results in the file"
    )


# Checks ---------------------------------------------------------------------------------------------------------------


def _against_published(model: Model, precision: str) -> Iterator[Check]:
    tokens = padded([word_ids(model.tokenizer, text, MAXLEN) for text in PUBLISHED], MAXLEN)
    limits = LIMITS[precision]
    if not model.feature_only:
        probabilities = model.predict(tokens)
        yield _firsts(probabilities, [ids[0] for ids in PUBLISHED.values()], MISSES[precision])
        yield _ranking(probabilities, list(PUBLISHED.values()), limits[0])
    means = model.encode(tokens).mean(axis=0)[: len(PUBLISHED_MEANS)]
    yield _closeness("feature means", means, PUBLISHED_MEANS, ROUNDING + limits[1])


def _against_stored(model: Model, file: Contents, wanted: dict[str, Any], precision: str) -> Iterator[Check]:
    if model.tokenizer is not None and wanted["texts"] is not None:
        yield _token_ids(model.tokenizer, wanted)
    tokens, limits = padded(wanted["ids"], wanted["maxlen"]), LIMITS[precision]
    if not model.feature_only:
        probabilities = alone(model.predict(tokens))
        yield _ranking(probabilities, wanted["top5"], limits[0])
        yield _closeness("probabilities", probabilities[:, :CLASSES_KEPT], wanted["probabilities"], limits[0])
    if model.features:
        means = model.encode(tokens).mean(axis=0)[:FEATURES_KEPT]
        yield _closeness("feature means", means, wanted["encoding_mean"], limits[1])
    # rounded weights are other weights; those of a file of fp32 that is only used as another are not
    if known := wanted["weights_sha256"] if file.precision == "fp32" else wanted.get("stored_sha256"):
        found = weights_sha256(file)
        same = found == known
        yield Check(same, "all weights", f"sha256 {found[:16]}\u2026 {'as' if same else 'not as'} expected")


def _token_ids(tokenizer: Tokenizer, wanted: dict[str, Any]) -> Check:
    """Whether the texts get the ids wanted, by the tokenizer that these came from, which need not be the model's."""
    compat, note = wanted.get("compat", ORIGINAL), ""
    if compat != tokenizer.compat:
        note = f" of the {compat} tokenizer, not the {tokenizer.compat} one in use"
        tokenizer = Tokenizer(tokenizer.vocabulary, tokenizer.maxlen, compat)
    same = [word_ids(tokenizer, text, wanted["maxlen"]) == ids for text, ids in zip(wanted["texts"], wanted["ids"])]
    return Check(all(same), "token ids", f"{sum(same)} of {len(same)} texts as expected{note}")


def _firsts(probabilities: np.ndarray, wanted: list[int], misses: int) -> Check:
    """Whether the best class is the one wanted, and the only best. Without this, classes that are all about equally
    likely, as of weights that nobody trained, would pass for any ranking where the limit is wide."""
    best = probabilities.argmax(axis=1)
    sole = (probabilities == probabilities.max(axis=1, keepdims=True)).sum(axis=1) == 1
    good = int((sole & (best == wanted)).sum())
    return Check(good >= len(wanted) - misses, "top class", f"{good} of {len(wanted)} texts as expected")


def _ranking(probabilities: np.ndarray, wanted: list[list[int]] | list[tuple[int, ...]], limit: float) -> Check:
    """Whether the classes wanted, in their order, are the best ones; two closer than the limit may change places."""
    good = 0
    for p, ids in zip(probabilities, wanted):
        listed = p[list(ids)]
        others = np.delete(p, list(ids)).max(initial=0)
        good += bool((np.append(listed[1:], others) <= listed + limit).all())
    return Check(good == len(wanted), "best classes", f"{good} of {len(wanted)} texts as expected")


def _closeness(what: str, found: np.ndarray, wanted: Any, limit: float) -> Check:
    off = float(np.abs(found - np.asarray(wanted)).max(initial=0))
    return Check(off <= limit, what, f"largest difference {off:.1e}, at most {limit:.1e} expected")


# Reference results ----------------------------------------------------------------------------------------------------


def references(model: Model) -> dict[str, Any] | None:
    """Reference results of a model, computed in float32 by the numpy engine, for its file to carry; see above.

    None for a network that does not make one row of numbers of a text's token ids, or of that many of them.
    """
    if len(model.graph.inputs) != 1 or len(model.graph.outputs) != 1 or not model.vocabulary_size:
        return None
    maxlen = model.graph.steps or MAXLEN
    texts = None if model.tokenizer is None else list(REFERENCE_TEXTS)
    if texts is None:
        ids = [np.trim_zeros(row, "b").tolist() for row in BUILTIN.rows(maxlen, model.vocabulary_size)[:12]]
    else:
        ids = [word_ids(model.tokenizer, text, maxlen) for text in texts]
    X, run = {model.graph.inputs[0].name: padded(ids, maxlen)}, Pass(REFERENCE)
    probabilities = np.zeros((len(ids), 0))
    try:
        if not model.feature_only:
            with np.errstate(all="ignore"):
                probabilities = np.asarray(model.graph.outputs[0].compute(X, run))
    except NpmojiError:
        return None
    if probabilities.ndim != 2 or probabilities.shape[1] != model.classes or not np.isfinite(probabilities).all():
        return None
    attention = next((layer for layer in model.layers if isinstance(layer, AttentionWeightedAverage)), None)
    features = np.zeros((1, 0)) if attention is None else np.asarray(attention.pull(X, run)[0])
    compat = ORIGINAL if texts is None else model.tokenizer.compat
    return {
        "version": VERSION,
        "maxlen": maxlen,
        "texts": texts,
        **({} if compat == ORIGINAL else {"compat": compat}),
        "ids": ids,
        "top5": np.argsort(-probabilities, axis=1, kind="stable")[:, :5].tolist(),
        "probabilities": _decimals(probabilities[:, :CLASSES_KEPT]),
        "encoding_mean": _decimals(features.mean(axis=0)[:FEATURES_KEPT]),
        "weights_sha256": weights_sha256(model.contents),
    }


def _decimals(values: np.ndarray) -> list:
    """float32 as the shortest decimals that give it back."""
    return float(str(values)) if values.ndim == 0 else [_decimals(part) for part in values]


def weights_sha256(file: Contents) -> str:
    """Of all arrays in the file's order, each layer with its name, each array with its shape."""
    digest = hashlib.sha256()
    for name, arrays in file.layers.items():
        for array in arrays.values():
            digest.update(f"{name} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8))
    return digest.hexdigest()


def word_ids(tokenizer: Tokenizer, text: str, maxlen: int) -> list[int]:
    """The ids of a text's first words, whatever the tokenizer's own maxlen."""
    return [tokenizer.vocabulary.get(word, UNKNOWN) for word in tokenizer.words(text)[:maxlen]]


def padded(rows: list[list[int]], maxlen: int) -> np.ndarray:
    """Token ids int64 (N, maxlen)."""
    tokens = np.zeros((len(rows), maxlen), np.int64)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)] = ids
    return tokens


def checked_references(found: Any, model: Model) -> dict[str, Any]:
    """The reference results, if they are whole and fit the network; else a WeightsError."""

    def complain(what: str) -> WeightsError:
        return WeightsError(f"{model.path}: the reference results in the file are damaged: {what}")

    if not isinstance(found, dict) or found.get("version") != VERSION:
        version = found.get("version") if isinstance(found, dict) else None
        raise complain(f"version {version!r}, this npmoji reads {VERSION}")
    maxlen, texts = found.get("maxlen"), found.get("texts")
    if type(maxlen) is not int or not 1 <= maxlen <= 10_000:
        raise complain(f"maxlen is {maxlen!r}")
    N = len(found["ids"]) if isinstance(found.get("ids"), list) else 0
    if not N or not all(_are_ids(row, maxlen, model.vocabulary_size) for row in found["ids"]):
        raise complain(f"'ids' must be rows of up to {maxlen} ids below {model.vocabulary_size}")
    if texts is not None and not (
        isinstance(texts, list) and len(texts) == N and all(isinstance(t, str) for t in texts)
    ):
        raise complain(f"'texts' must be {N} texts")
    if found.get("compat", ORIGINAL) not in COMPATS:
        raise complain(f"compat is {found['compat']!r:.60}")
    top5 = found.get("top5")
    if not isinstance(top5, list) or len(top5) != N or not all(_are_ids(row, 5, model.classes) for row in top5):
        raise complain(f"'top5' must be {N} rows of up to 5 classes below {model.classes}")
    shapes = {
        "probabilities": (N, min(model.classes, CLASSES_KEPT)),
        "encoding_mean": (min(model.features, FEATURES_KEPT),),
    }
    for key, shape in shapes.items():
        try:
            values = np.asarray(found.get(key), np.float64)
        except (ValueError, TypeError, OverflowError):
            values = np.zeros(0)
        if values.shape != shape or not np.isfinite(values).all():
            raise complain(f"{key!r} must be numbers of shape {shape}")
    if not isinstance(found.get("weights_sha256"), str):
        raise complain("'weights_sha256' is missing")
    if not isinstance(found.get("stored_sha256", ""), str):
        raise complain("'stored_sha256' is no text")
    return found


def _are_ids(row: Any, most: int, below: int) -> bool:
    return isinstance(row, list) and len(row) <= most and all(type(i) is int and 0 <= i < below for i in row)
