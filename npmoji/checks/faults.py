"""The classic faults of DeepMoji ports, and how to tell from a tensor which one was made: each is tried.

`FAULTS` is the table; `planting` says what each of them does. A fault is named if the golden's numbers, with the fault
planted, become the candidate's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backends.activations import sigmoid, softmax
from ..layers import Bidirectional
from ..precision import half
from . import planting as p
from .planting import INPUTS, LSTMS, Evidence, Fault, Network, Weights, WeightsNeeded

if TYPE_CHECKING:
    from ..model import Model

SCREEN = 3, 1  # texts that every fault is tried on first: so many of those that differ most, so many that do not
GAIN = 10.0  # a fault must bring the largest error down at least so many times,
LIMIT = 1.0  # to so many tolerances,
FAR_GAIN, FAR_LIMIT = 100.0, 10.0  # or, if it gains so much, to so many: deviations pile up after a fault
ROUGH_GAIN, ROUGH_SHARE = 20.0, 0.9  # a rough one must bring the mean down so many times, and so many numbers to LIMIT
EXACT = 1e-30  # the tolerance where none is given
CLOSE = 10.0  # faults whose remaining errors differ less than so many times cannot be told apart


class Finding(NamedTuple):
    """A fault that explains the difference.

    Attributes:
        error_before: the candidate's largest error against the golden, in tolerances.
        error_after: the same against what the fault gives.
        agreeing: the share of the tensor's numbers that are within tolerance of what the fault gives.
    """

    fault: str
    layer: str
    sentence: str
    error_before: float
    error_after: float
    agreeing: float

    @property
    def evidence(self) -> str:
        """How sure that is, for people."""
        if not self.error_after:
            return "with this planted the golden's numbers become the candidate's"
        after, before = f"{self.error_after:.2g}", f"{self.error_before:.2g}"
        share = f"{self.agreeing:.1%} of the numbers agree and " if self.agreeing < 1 else ""
        return f"with this planted {share}the largest error is {after} tolerances, without it {before}"


# The table -----------------------------------------------------------------------------------------------------------

ORDERS = {
    "iofc": "ONNX's order",
    "ifoc": "the order of some older frameworks",
    "icfo": "the order of TensorFlow's own cells",
    "fico": "the order of some papers",
}
MISREAD = "was read in the wrong memory order, row by row against column by column, without transposing"
MAXIMUM = "the attention's softmax takes off the maximum over {}; expected: over all steps of the text, padded ones too"
TOKENS, EMBEDDING, ACTIVATION, CONCATENATION = ("tokens",), ("embedding",), ("activation",), ("concatenate",)
ATTENTION, LOGITS, SOFTMAX, ANY = ("attention",), ("logits",), ("softmax",), ()
MATRICES = ("embedding", *LSTMS)
WEIGHTED = ("embedding", *LSTMS, "attention_logits", "logits")


def lstm(**how: Any) -> Callable[[Network, str], np.ndarray]:
    """A plant: the LSTM computed in another way; see `planting.Network.lstm` for the ways."""
    return lambda net, name: net.lstm(name, **how)


def gate_order(order: str) -> Fault:
    """The gates' blocks in this order, such as ``"iofc"``."""
    spoken, known = " ".join(order), f" ({ORDERS[order]})" if order in ORDERS else ""
    sentence = f"the gates' blocks are taken in the order {spoken}{known}; in the weights they stand as i f c o"
    return Fault(f"gate order {spoken}", LSTMS, sentence, lstm(change=partial(p.in_gate_order, order=order)))


def block_order(order: tuple[str, ...], swap: bool) -> Fault:
    """The concatenation in this order; ``swap``: with the LSTMs' halves exchanged."""
    parts = [f"{part} as [backward, forward]" if swap and part in LSTMS else part for part in order]
    sentence = f"concatenated as [{', '.join(parts)}]; expected [{', '.join(INPUTS['concatenate'])}]"
    return Fault("concatenation order", CONCATENATION, sentence, partial(p.joined, order=order, swap=swap))


# fmt: off
FAULTS: list[Fault] = [
    # tokens and embedding
    Fault("padded on the other side", TOKENS, "texts are padded on the left; expected: words first, then zeros",
          p.padded_left),
    Fault("token ids off by one", TOKENS, "every word's id is 1 too large", partial(p.shifted_ids, by=1)),
    Fault("token ids off by one", TOKENS, "every word's id is 1 too small", partial(p.shifted_ids, by=-1)),
    *(Fault("embedding off by one row", EMBEDDING, f"the embedding is off by one row: id n looks up row n {sign} 1",
            partial(p.shifted_rows, by=by, padding=padding))
      for by, sign in ((1, "+"), (-1, "-")) for padding in (True, False)),
    Fault("missing tanh", ACTIVATION, "the tanh on the embedding is missing", lambda net, name: net.value("embedding")),
    Fault("padding row zero", ACTIVATION, "padded steps hold zeros; expected tanh of the embedding's row 0, "
          "which takes part in the attention's maximum", p.without_padding_row),
    # LSTM: weights
    *(gate_order("".join(order)) for order in permutations("ifco") if order != tuple("ifco")),
    *(Fault("gates interleaved", LSTMS, "the gates' columns are taken unit by unit (i f c o, i f c o, ...); "
            "they stand in four blocks", lstm(change=partial(p.interleaved, back=back))) for back in (False, True)),
    Fault("directions exchanged", LSTMS, "forward and backward weights are exchanged (HDF5 lists backward first)",
          lstm(pick=lambda six: [*six[3:], *six[:3]])),
    Fault("one direction's weights for both", LSTMS, "both directions have the forward one's weights",
          lstm(pick=lambda six: [*six[:3], *six[:3]])),
    Fault("one direction's weights for both", LSTMS, "both directions have the backward one's weights",
          lstm(pick=lambda six: [*six[3:], *six[3:]])),
    Fault("LSTM bias twice", LSTMS, "the LSTM's bias is added twice (of PyTorch's b_ih and b_hh one must be 0)",
          lstm(change=partial(p.scaled_bias, by=2))),
    Fault("LSTM bias missing", LSTMS, "the LSTM's bias is missing", lstm(change=partial(p.scaled_bias, by=0))),
    Fault("forget bias added", LSTMS, "1 is added to the forget gate's bias; trained weights already hold that",
          lstm(change=p.raised_forget_bias)),
    Fault("recurrent kernel transposed", LSTMS, "each gate's block of the recurrent kernel is transposed",
          lstm(change=p.transposed_blocks)),
    Fault("matrix misread", LSTMS, f"the recurrent kernel {MISREAD}", lstm(change=partial(p.misread, which=(1,)))),
    Fault("matrix misread", LSTMS, f"the kernel {MISREAD}", lstm(change=partial(p.misread, which=(0,)))),
    Fault("matrix misread", LSTMS, f"each kernel {MISREAD}", lstm(change=partial(p.misread, which=(0, 1)))),
    Fault("kernels exchanged", LSTMS, "kernel and recurrent kernel are exchanged", lstm(change=p.swapped_kernels)),
    # LSTM: gates, padding, directions
    Fault("standard sigmoid", LSTMS, "the gates use the standard sigmoid; these weights were trained with a hard one",
          lstm(gate="sigmoid")),
    Fault("Keras 3's hard sigmoid", LSTMS, "the gates use Keras 3's hard sigmoid, relu6(x + 3) / 6; "
          "these weights mean another function", lstm(gate="hard_sigmoid_keras3")),
    Fault("Keras 2's hard sigmoid", LSTMS, "the gates use Keras 2's hard sigmoid, clip(0.2 x + 0.5, 0, 1); "
          "these weights mean another function", lstm(gate="hard_sigmoid")),
    Fault("no masking", LSTMS, "padding runs through the LSTM; masked steps must leave its state alone",
          lstm(masked=False)),
    Fault("masked outputs zero", LSTMS, "outputs at masked steps are 0; these weights' Keras holds the previous output",
          p.zeros_at_masked),
    Fault("masked outputs held", LSTMS, "outputs at masked steps repeat the previous one; these weights' Keras gives 0",
          p.held_at_masked),
    *(Fault("backward outputs not re-reversed", LSTMS, "the backward outputs were not put back in time order",
            partial(p.backward_half_reversed, valid_only=valid_only)) for valid_only in (False, True)),
    Fault("backward run forward", LSTMS, "the backward direction runs forward in time", lstm(backwards=(False, False))),
    Fault("halves exchanged", LSTMS, "the directions stand as [backward, forward]; expected [forward, backward]",
          lambda net, name: p.swapped_halves(net.correct(name))),
    # concatenation and attention
    *(block_order(order, swap) for swap in (False, True) for order in permutations(INPUTS["concatenate"])
      if swap or order != INPUTS["concatenate"]),
    Fault("attention without mask", ATTENTION, "padded steps take part in the attention",
          partial(p.attention_like, masked=False)),
    Fault("attention without epsilon", ATTENTION, "the attention's sum lacks Keras' epsilon, 1e-7, as torchMoji's does",
          partial(p.attention_like, epsilon=0)),
    Fault("attention's maximum", ATTENTION, MAXIMUM.format("the valid steps"), partial(p.attention_like, over="valid")),
    Fault("attention's maximum", ATTENTION, MAXIMUM.format("the whole batch"), partial(p.attention_like, over="batch")),
    Fault("attention's maximum", ATTENTION, MAXIMUM.format("nothing"), partial(p.attention_like, over="none")),
    Fault("attention by additive mask", ATTENTION, "an ordinary softmax over the valid steps, without epsilon",
          p.additive_mask),
    # the last layer
    Fault("dense bias twice", LOGITS, "the last layer's bias is added twice",
          partial(p.dense_with, change=partial(p.scaled_bias, by=2))),
    Fault("dense bias missing", LOGITS, "the last layer's bias is missing",
          partial(p.dense_with, change=partial(p.scaled_bias, by=0))),
    Fault("matrix misread", LOGITS, f"the last layer's kernel {MISREAD}",
          partial(p.dense_with, change=partial(p.misread, which=(0,)))),
    Fault("softmax missing", SOFTMAX, "the softmax is missing: these are the logits",
          lambda net, name: net.value("logits")),
    Fault("softmax twice", SOFTMAX, "the softmax is applied twice", lambda net, name: softmax(net.correct(name))),
    Fault("sigmoid for softmax", SOFTMAX, "a sigmoid in place of the softmax",
          lambda net, name: sigmoid(net.value("logits"))),
    # precision
    Fault("float16", ANY, "the numbers were computed or kept in float16: it holds each of them",
          partial(p.coarse, fit=half, within=2**-8, coarser=p.bfloat16)),
    Fault("bfloat16", ANY, "the numbers were computed or kept in bfloat16: it holds each of them",
          partial(p.coarse, fit=p.bfloat16, within=2**-5)),
    Fault("few decimals", ANY, "the numbers were written with no more than four decimals",
          partial(p.coarse, fit=p.four_decimals, within=0.1)),
    Fault("float16", LSTMS, "the LSTMs' weights were rounded to float16", p.half_weights),
    Fault("float16", LSTMS, "the LSTMs' matrices were rounded to float16", p.half_matrices),
    Fault("float16", WEIGHTED, "the weights were rounded to float16", p.half_weights),
    Fault("float16", MATRICES, "the embedding and the LSTMs' matrices were rounded to float16", p.half_matrices),
    Fault("int8", LSTMS, "the LSTMs' matrices were rounded to int8, a scale a column",
          lstm(change=partial(p.of_matrices, p.int8_columns))),
    Fault("int8", LSTMS, "the LSTMs' matrices were rounded to int8, one scale a matrix",
          lstm(change=partial(p.of_matrices, p.int8_matrix))),
    Fault("int8", MATRICES, "the LSTMs' products are of int8 numbers", p.int8_products, rough=True),
]
# fmt: on


# Trying them ---------------------------------------------------------------------------------------------------------


def applies_to(names: Iterable[str]) -> bool:
    """Whether tensors of these names are those of a DeepMoji network, with the tokens it starts from."""
    return {"tokens", "activation", *LSTMS, "attention", "attlayer"} <= set(names)


def weights_of(model: Model) -> Weights | None:
    """The model's weights, or None if it is no DeepMoji network."""
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
    """The faults that give what the candidate has, best first; several only where these texts do not tell them apart.

    None if no fault of the table alone does.
    """
    few = evidence.texts(_screen(evidence))
    suspects = [fault for fault in FAULTS if _explains(fault, few, weights)]
    found: dict[str, list[Finding]] = {}
    for fault in suspects:
        finding = _explains(fault, evidence, weights)
        if finding:
            found.setdefault(fault.name, []).append(finding)
    # One a name: of float16 in its several places, say, one is enough.
    best = sorted((min(same, key=_error_after) for same in found.values()), key=_error_after)
    return [finding for finding in best if finding.error_after <= CLOSE * max(best[0].error_after, 0.01)]


def _error_after(finding: Finding) -> float:
    return finding.error_after


def _explains(fault: Fault, evidence: Evidence, weights: Weights | None) -> Finding | None:
    """The fault as a finding, if it gives what the candidate has."""
    net = Network(evidence, weights, fault)
    if not net.altered(evidence.target):
        return None
    try:
        with np.errstate(all="ignore"):
            planted = net.value(evidence.target)
    except WeightsNeeded:
        return None
    right = evidence.given[evidence.target]
    before, after = (deviations(expected, evidence.seen, evidence.tolerance) for expected in (right, planted))
    if not _agree(before, after, fault.rough):
        return None
    agreeing = float((after <= LIMIT).mean())
    return Finding(fault.name, evidence.target, fault.sentence, float(before.max()), float(after.max()), agreeing)


def _agree(before: np.ndarray, after: np.ndarray, rough: bool) -> bool:
    """Whether so much of the difference goes away with the fault planted that it must be what was made."""
    worst, worst_before = after.max(), before.max()
    if rough and np.isfinite(worst) and after.mean() * ROUGH_GAIN <= before.mean():
        return bool((after <= LIMIT).mean() >= ROUGH_SHARE)
    near = worst <= LIMIT and worst * GAIN <= worst_before
    return bool(near or (worst <= FAR_LIMIT and worst * FAR_GAIN <= worst_before))


def deviations(expected: np.ndarray, seen: np.ndarray, tolerance: dict[str, float]) -> np.ndarray:
    """Each number's error in tolerances; infinite where just one of the two is NaN or infinite."""
    with np.errstate(all="ignore"):
        expected, seen = expected.astype(np.float64), seen.astype(np.float64)
        allowed = tolerance["absolute"] + tolerance["relative"] * np.abs(expected)
        allowed[allowed == 0] = EXACT
        errors = np.abs(seen - expected) / allowed
        same = (seen == expected) | (np.isnan(seen) & np.isnan(expected))
    return np.where(same, 0, np.where(np.isnan(errors), np.inf, errors))


def _screen(evidence: Evidence) -> np.ndarray:
    """A few texts, those that differ most among them."""
    errors = deviations(evidence.given[evidence.target], evidence.seen, evidence.tolerance)
    by_error = np.argsort(-errors.reshape(len(errors), -1).max(axis=1), kind="stable")
    differing, others = SCREEN
    return np.unique(np.concatenate([by_error[:differing], by_error[-others:]]))


def patterns(evidence: Evidence) -> list[str]:
    """What kind of difference it is and where, as far as that is telling."""
    errors = deviations(evidence.given[evidence.target], evidence.seen, evidence.tolerance)
    mask, bad, found = evidence.given["tokens"] != 0, errors > 1, []
    if errors.max() <= FAR_LIMIT:
        found.append(f"the largest error is no more than {errors.max():.2g} tolerances, which may be mere rounding")
    if bad.ndim == 3 and not bad[mask].any():
        found.append("only padded steps differ")
    elif bad.ndim == 3 and not bad[~mask].any():
        found.append("only valid steps differ")
    if evidence.target in LSTMS:
        ahead, behind = (part.any() for part in np.split(bad, 2, axis=-1))
        if ahead != behind:
            found.append(f"only the {'forward' if ahead else 'backward'} half differs")
    return found
