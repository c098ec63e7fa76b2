"""Which of the classic faults explains a difference: each of them is tried, then some in pairs.

A fault is named if planting it turns the golden's numbers into the candidate's. Some faults spoil a part of the numbers
only: outputs at padded steps, say. Besides such a `faults.COMPANIONS`, another fault is named if it explains the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from ..layers import Bidirectional
from . import masks
from .faults import COMPANIONS, FAULTS
from .planting import INPUTS, LSTMS, Evidence, Fault, Inapplicable, Network, Weights

if TYPE_CHECKING:
    from ..model import Model

DIFFERING = 4  # texts among those that differ, of different kinds of padding, that faults are tried on first
CLEAR = 100.0  # the error, in tolerances, of a text that may show at once which faults it is not
GAIN = 10.0  # a fault must reduce the largest error at least by this factor,
LIMIT = 1.0  # to this many tolerances,
FAR_GAIN, FAR_LIMIT = 100.0, 10.0  # or by this factor to this many: deviations accumulate after a fault
# A rough one must reduce the mean by this factor, and this share of numbers to LIMIT.
ROUGH_GAIN, ROUGH_SHARE = 20.0, 0.9
UNTOUCHED = 0.1  # tolerances by which a companion may change a number that is left to the other fault
EXACT = 1e-30  # the tolerance if it is 0
CLOSE = 10.0  # faults whose remaining errors differ by less than this factor cannot be told apart
COUNTED = {2: "two", 3: "three"}
#: tensors with an axis of steps
STEPWISE = ("embedding", "activation", *LSTMS, "concatenate", "attention_logits", "attention")
ELSEWHERE = " (that explains the valid steps; padded ones differ in another way)"

Places: TypeAlias = "np.ndarray | EllipsisType"  # of a tensor: True there, or everywhere


class Finding(NamedTuple):
    """A fault, or several together, that explain the difference.

    Attributes:
        fault: their names, with " + " between them.
        error_before: the candidate's largest error against the golden, in tolerances.
        error_after: the same against the golden with the fault planted.
        agreeing: the share of the tensor's numbers that are within tolerance of the latter.
    """

    fault: str
    layer: str
    sentence: str
    error_before: float
    error_after: float
    agreeing: float

    @property
    def evidence(self) -> str:
        """How certain that is, for people."""
        these, them = ("these faults", "them") if " + " in self.fault else ("this fault", "it")
        if not self.error_after:
            return f"with {these} planted the golden's numbers become the candidate's"
        after, before = f"{self.error_after:.2g}", f"{self.error_before:.2g}"
        share = f"{self.agreeing:.1%} of the numbers agree and " if self.agreeing < 1 else ""
        return f"with {these} planted {share}the largest error is {after} tolerances, without {them} {before}"


def applies_to(names: Iterable[str]) -> bool:
    """Whether these are the tensor names of a DeepMoji network, including its tokens."""
    return {"tokens", "activation", *LSTMS, "attention", "attlayer"} <= set(names)


def weights_of(model: Model) -> Weights | None:
    """The model's weights, or None if it is not a DeepMoji network."""
    try:
        known = {name: model[name] for name in ("embedding", *LSTMS, "attlayer")}
        known |= {} if model.feature_only else {"softmax": model["softmax"]}
    except KeyError:
        return None
    first = known["bi_lstm_0"]
    if not isinstance(first, Bidirectional):
        return None
    found = {name: list(layer.weights().values()) for name, layer in known.items()}
    options = dict(first.ahead.options)
    layers = {
        n: arrays if n == "embedding" else [np.asarray(a, np.float32) for a in arrays] for n, arrays in found.items()
    }
    return Weights(layers, options)


def diagnose(evidence: Evidence, weights: Weights | None = None) -> list[Finding]:
    """The faults that reproduce the candidate's numbers, best first; several if these texts do not distinguish them.

    Empty if neither a single fault in the table does, nor one together with some of `COMPANIONS`.
    """
    trials = [_Trial(evidence.texts(rows), weights) for rows in _screens(evidence)]
    table = _distinct(evidence.target)
    found = _findings([(fault,) for fault in _suspects(table, trials, [...] * 2)], evidence, weights)
    for companions in COMPANIONS:
        if found:
            break
        rest = [trial.untouched(companions) for trial in trials]
        if rest[-1] is not ...:
            names = {companion.name for companion in companions}
            others = [fault for fault in table if fault.name not in names]
            suspects = _suspects(others, trials, rest)
            orders = [order for fault in suspects for order in ((fault, *companions), (*companions, fault))]
            found = _findings(orders, evidence, weights)
    if not found and evidence.target in STEPWISE:
        valid, *rest = (some.given["tokens"] != 0 for some in (evidence, *(trial.evidence for trial in trials)))
        found = _findings([(fault,) for fault in _suspects(table, trials, rest)], evidence, weights, valid)
    return found


class _Trial:
    """What faults do to a few texts."""

    def __init__(self, evidence: Evidence, weights: Weights | None):
        self.evidence, self.weights = evidence, weights
        self.right = evidence.given[evidence.target]
        self.before = deviations(self.right, evidence.seen, evidence.tolerance)
        self.known: dict[Fault, np.ndarray | None] = {}
        self.cache: dict[tuple, np.ndarray] = {}

    def after(self, fault: Fault) -> np.ndarray | None:
        """The candidate's errors, in tolerances, against the golden with the fault; None if it does nothing here."""
        if fault not in self.known:
            planted = _planted((fault,), self.evidence, self.weights, self.cache)
            self.known[fault] = None if planted is None else self._deviations(planted, self.evidence.seen)
        return self.known[fault]

    def untouched(self, faults: Sequence[Fault]) -> Places:
        """Everything if these faults change nothing here; else True at the numbers that they leave as they are: whole
        steps, in texts whose valid steps all stay so, or whole texts if there are no steps. (A single number, or
        padding alone, may stay as it is by chance.)"""
        planted = _planted(faults, self.evidence, self.weights, self.cache)
        if planted is None or (same := self._deviations(self.right, planted) <= UNTOUCHED).all():
            return ...
        if self.evidence.target not in STEPWISE:
            same[...] = same.all(axis=-1, keepdims=True)
            return same
        steps = same if same.ndim == 2 else same.all(axis=-1)
        words = self.evidence.given["tokens"] != 0
        steps &= (steps | ~words).all(axis=1, keepdims=True) & words.any(axis=1, keepdims=True)
        same[...] = steps if same.ndim == 2 else steps[..., None]
        return same

    def _deviations(self, expected: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return deviations(expected, seen, self.evidence.tolerance)


def _suspects(faults: Iterable[Fault], trials: list[_Trial], where: Sequence[Places]) -> list[Fault]:
    """The faults that explain the numbers at these places of both trials; the first only sifts, as it costs less."""
    (first, few), (at_first, at_few) = trials, where
    found = []
    for fault in faults:
        if fault.at and not fault.rough:
            after = first.after(fault)
            if after is None or after[at_first].max(initial=0) > FAR_LIMIT:
                continue
        after = few.after(fault)
        if after is not None and _agree(few.before[at_few], after[at_few], fault.rough):
            found.append(fault)
    return found


def _distinct(target: str) -> list[Fault]:
    """The table without faults that do the same to the target as those before them."""
    effects, upstream = {}, {target} | _upstream(target)
    for fault in FAULTS:
        effects.setdefault((fault.plant, tuple(name for name in fault.at if name in upstream)), fault)
    return list(effects.values())


def _upstream(name: str) -> set[str]:
    """All tensors that this one is computed from."""
    return set(INPUTS[name]).union(*map(_upstream, INPUTS[name]))


def _planted(
    faults: Sequence[Fault], evidence: Evidence, weights: Weights | None, cache: dict[tuple, np.ndarray] | None = None
) -> np.ndarray | None:
    """The tensor in question with the faults in the network, planted one after the other; None if they do not affect
    it or cannot be planted."""
    net = Network(evidence, weights, faults, cache)
    try:
        with np.errstate(all="ignore"):
            return net.value(evidence.target) if net.altered(evidence.target) else None
    except Inapplicable:
        return None


def _findings(
    suspects: Iterable[tuple[Fault, ...]], evidence: Evidence, weights: Weights | None, where: Places = ...
) -> list[Finding]:
    """The suspects that reproduce the candidate's numbers at these places, best first."""
    before = deviations(evidence.given[evidence.target], evidence.seen, evidence.tolerance)[where]
    found: dict[frozenset[str], list[Finding]] = {}
    for faults in suspects:
        planted = _planted(faults, evidence, weights)
        if planted is None:
            continue
        after = deviations(planted, evidence.seen, evidence.tolerance)[where]
        if _agree(before, after, any(fault.rough for fault in faults)):
            name = " + ".join(fault.name for fault in faults)
            sentence = _together(faults) + ("" if where is ... else ELSEWHERE)
            figures = float(before.max()), float(after.max()), float((after <= LIMIT).mean())
            finding = Finding(name, evidence.target, sentence, *figures)
            found.setdefault(frozenset(fault.name for fault in faults), []).append(finding)
    # One per name: of the several places for float16, say, one is enough.
    best = sorted((min(same, key=_error_after) for same in found.values()), key=_error_after)
    return [finding for finding in best if finding.error_after <= CLOSE * max(best[0].error_after, 0.01)]


def _error_after(finding: Finding) -> float:
    return finding.error_after


def _together(faults: Sequence[Fault]) -> str:
    """The faults' sentences as one."""
    if len(faults) == 1:
        return faults[0].sentence
    parts = [f"({number}) {fault.sentence}" for number, fault in enumerate(faults, 1)]
    return f"{COUNTED[len(faults)]} faults: {'; '.join(parts)}"


def _agree(before: np.ndarray, after: np.ndarray, rough: bool) -> bool:
    """Whether planting the fault removes so much of the difference that it must be the one."""
    worst, worst_before = after.max(initial=0), before.max(initial=0)
    if worst_before <= LIMIT:
        return False
    if rough and np.isfinite(worst) and after.mean() * ROUGH_GAIN <= before.mean():
        return bool((after <= LIMIT).mean() >= ROUGH_SHARE)
    near = worst <= LIMIT and worst * GAIN <= worst_before
    return bool(near or (worst <= FAR_LIMIT and worst * FAR_GAIN <= worst_before))


def deviations(expected: np.ndarray, seen: np.ndarray, tolerance: dict[str, float]) -> np.ndarray:
    """Each number's error in tolerances; infinite where only one of the two is NaN or infinite."""
    with np.errstate(all="ignore"):
        expected, seen = expected.astype(np.float64), seen.astype(np.float64)
        allowed = tolerance["absolute"] + tolerance["relative"] * np.abs(expected)
        allowed[allowed == 0] = EXACT
        errors = np.abs(seen - expected) / allowed
        same = (seen == expected) | (np.isnan(seen) & np.isnan(expected))
    return np.where(same, 0, np.where(np.isnan(errors), np.inf, errors))


def _screens(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Texts to try the faults on: one, if possible without any padding, which many faults leave alone; and a few, of
    each kind of padding those that differ most, and one of those that differ least."""
    errors = deviations(evidence.given[evidence.target], evidence.seen, evidence.tolerance)
    worst = errors.reshape(len(errors), -1).max(axis=1)
    by_error = np.argsort(-worst, kind="stable")
    kinds = masks.kinds(evidence.given["tokens"])[by_error]
    kinds[kinds & masks.MISPLACED != 0] = masks.MISPLACED
    differs = worst[by_error] > LIMIT
    large = worst[by_error] >= CLEAR
    places = [np.flatnonzero(large & (kinds == kind)) for kind in (0, masks.TRAILING)] + [np.zeros(1, np.intp)]
    one = next(place[:1] for place in places if len(place))
    few = np.flatnonzero(differs)
    few = masks.spread(few, kinds[few], DIFFERING)
    return by_error[one], np.unique(by_error[np.concatenate([one, few, [len(by_error) - 1]])])


def patterns(evidence: Evidence) -> list[str]:
    """The kind and place of the difference, where that is informative."""
    errors = deviations(evidence.given[evidence.target], evidence.seen, evidence.tolerance)
    tokens = evidence.given["tokens"]
    mask, bad, found = tokens != 0, errors > 1, []
    if errors.max() <= FAR_LIMIT:
        found.append(f"the largest error is no more than {errors.max():.2g} tolerances, which may be mere rounding")
    if bad.ndim == 3 and not bad[mask].any():
        found.append("only padded steps differ")
    elif bad.ndim == 3 and not bad[~mask].any():
        found.append("only valid steps differ")
    ordinary = masks.kinds(tokens) & masks.MISPLACED == 0
    if ordinary.any() and not bad[ordinary].any():
        found.append("only texts with zeros before or between words differ")
    if evidence.target in LSTMS:
        ahead, behind = (part.any() for part in np.split(bad, 2, axis=-1))
        if ahead != behind:
            found.append(f"only the {'forward' if ahead else 'backward'} half differs")
    return found
