"""The classic faults of DeepMoji ports, and how to recognise them from a tensor: by trying each one.

`FAULTS` is the table; `planting` implements the faults. A fault is named if planting it turns the golden's numbers into
the candidate's.
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

SCREEN = (
    3,
    1,
)  # texts that every fault is tried on first: how many of those that differ most, and how many of the others
GAIN = 10.0  # a fault must reduce the largest error at least by this factor,
LIMIT = 1.0  # to this many tolerances,
FAR_GAIN, FAR_LIMIT = 100.0, 10.0  # or by this factor to this many: deviations accumulate after a fault
ROUGH_GAIN, ROUGH_SHARE = (
    20.0,
    0.9,
)  # a rough one must reduce the mean by this factor, and this share of numbers to LIMIT
EXACT = 1e-30  # the tolerance if it is 0
CLOSE = 10.0  # faults whose remaining errors differ by less than this factor cannot be told apart


class Finding(NamedTuple):
    """A fault that explains the difference.

    Attributes:
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
        if not self.error_after:
            return "with this fault planted the golden's numbers become the candidate's"
        after, before = f"{self.error_after:.2g}", f"{self.error_before:.2g}"
        share = f"{self.agreeing:.1%} of the numbers agree and " if self.agreeing < 1 else ""
        return f"with this fault planted {share}the largest error is {after} tolerances, without it {before}"


# The table -----------------------------------------------------------------------------------------------------------

ORDERS = {
    "iofc": "ONNX's order",
    "ifoc": "the order of some older frameworks",
    "icfo": "the order of TensorFlow's own cells",
    "fico": "the order of some papers",
}
MISREAD = "was read in the wrong memory order (row-major instead of column-major or vice versa, without a transpose)"
MAXIMUM = "the attention's softmax subtracts the maximum over {}; expected: over all steps of the text, padded ones too"
TOKENS, EMBEDDING, ACTIVATION, CONCATENATION = ("tokens",), ("embedding",), ("activation",), ("concatenate",)
ATTENTION, LOGITS, SOFTMAX, ANY = ("attention",), ("logits",), ("softmax",), ()
MATRICES = ("embedding", *LSTMS)
WEIGHTED = ("embedding", *LSTMS, "attention_logits", "logits")


def lstm(**how: Any) -> Callable[[Network, str], np.ndarray]:
    """A fault that computes the LSTM differently; see `planting.Network.lstm` for the options."""
    return lambda net, name: net.lstm(name, **how)


def gate_order(order: str) -> Fault:
    """The gate blocks in this order, such as ``"iofc"``."""
    spoken, known = " ".join(order), f" ({ORDERS[order]})" if order in ORDERS else ""
    sentence = f"the gate blocks are read in the order {spoken}{known}; the weights store them as i f c o"
    return Fault(f"gate order {spoken}", LSTMS, sentence, lstm(change=partial(p.in_gate_order, order=order)))


def block_order(order: tuple[str, ...], swap: bool) -> Fault:
    """The concatenation in this order; ``swap``: with the LSTMs' halves swapped."""
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
    Fault("padding row zero", ACTIVATION, "padded steps contain zeros; expected tanh of the embedding's row 0, "
          "which the attention's maximum includes", p.without_padding_row),
    # LSTM: weights
    *(gate_order("".join(order)) for order in permutations("ifco") if order != tuple("ifco")),
    *(Fault("gates interleaved", LSTMS, "the gates' columns are read unit by unit (i f c o, i f c o, ...); "
            "the weights store them in four blocks", lstm(change=partial(p.interleaved, back=back)))
      for back in (False, True)),
    Fault("directions exchanged", LSTMS, "forward and backward weights are swapped (HDF5 lists backward first)",
          lstm(pick=lambda six: [*six[3:], *six[:3]])),
    Fault("one direction's weights for both", LSTMS, "both directions use the forward weights",
          lstm(pick=lambda six: [*six[:3], *six[:3]])),
    Fault("one direction's weights for both", LSTMS, "both directions use the backward weights",
          lstm(pick=lambda six: [*six[3:], *six[3:]])),
    Fault("LSTM bias twice", LSTMS, "the LSTM's bias is added twice (one of PyTorch's b_ih and b_hh must be 0)",
          lstm(change=partial(p.scaled_bias, by=2))),
    Fault("LSTM bias missing", LSTMS, "the LSTM's bias is missing", lstm(change=partial(p.scaled_bias, by=0))),
    Fault("forget bias added", LSTMS, "1 is added to the forget gate's bias; trained weights already include it",
          lstm(change=p.raised_forget_bias)),
    Fault("recurrent kernel transposed", LSTMS, "each gate's block of the recurrent kernel is transposed",
          lstm(change=p.transposed_blocks)),
    Fault("matrix misread", LSTMS, f"the recurrent kernel {MISREAD}", lstm(change=partial(p.misread, which=(1,)))),
    Fault("matrix misread", LSTMS, f"the kernel {MISREAD}", lstm(change=partial(p.misread, which=(0,)))),
    Fault("matrix misread", LSTMS, f"each kernel {MISREAD}", lstm(change=partial(p.misread, which=(0, 1)))),
    Fault("kernels exchanged", LSTMS, "kernel and recurrent kernel are swapped", lstm(change=p.swapped_kernels)),
    # LSTM: gates, padding, directions
    Fault("standard sigmoid", LSTMS, "the gates use the standard sigmoid; these weights were trained with a hard one",
          lstm(gate="sigmoid")),
    Fault("Keras 3's hard sigmoid", LSTMS, "the gates use Keras 3's hard sigmoid, relu6(x + 3) / 6; "
          "these weights expect another function", lstm(gate="hard_sigmoid_keras3")),
    Fault("Keras 2's hard sigmoid", LSTMS, "the gates use Keras 2's hard sigmoid, clip(0.2 x + 0.5, 0, 1); "
          "these weights expect another function", lstm(gate="hard_sigmoid")),
    Fault("no masking", LSTMS, "padding runs through the LSTM; masked steps must leave its state unchanged",
          lstm(masked=False)),
    Fault("masked outputs zero", LSTMS,
          "outputs at masked steps are 0; the Keras of these weights repeats the previous output",
          p.zeros_at_masked),
    Fault("masked outputs held", LSTMS,
          "outputs at masked steps repeat the previous one; the Keras of these weights outputs 0",
          p.held_at_masked),
    *(Fault("backward outputs not re-reversed", LSTMS, "the backward outputs were not returned to time order",
            partial(p.backward_half_reversed, valid_only=valid_only)) for valid_only in (False, True)),
    Fault("backward run forward", LSTMS, "the backward direction runs forward in time", lstm(backwards=(False, False))),
    Fault("halves exchanged", LSTMS,
          "the directions are concatenated as [backward, forward]; expected [forward, backward]",
          lambda net, name: p.swapped_halves(net.correct(name))),
    # concatenation and attention
    *(block_order(order, swap) for swap in (False, True) for order in permutations(INPUTS["concatenate"])
      if swap or order != INPUTS["concatenate"]),
    Fault("attention without mask", ATTENTION, "padded steps take part in the attention",
          partial(p.attention_like, masked=False)),
    Fault("attention without epsilon", ATTENTION, "the attention's sum lacks Keras' epsilon, 1e-7, as in torchMoji",
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
    Fault("sigmoid for softmax", SOFTMAX, "a sigmoid is applied instead of the softmax",
          lambda net, name: sigmoid(net.value("logits"))),
    # precision
    Fault("float16", ANY, "the numbers were computed or stored in float16: it represents all of them exactly",
          partial(p.coarse, fit=half, within=2**-8, coarser=p.bfloat16)),
    Fault("bfloat16", ANY, "the numbers were computed or stored in bfloat16: it represents all of them exactly",
          partial(p.coarse, fit=p.bfloat16, within=2**-5)),
    Fault("few decimals", ANY, "the numbers were written with no more than four decimals",
          partial(p.coarse, fit=p.four_decimals, within=0.1)),
    Fault("float16", LSTMS, "the LSTMs' weights were rounded to float16", p.half_weights),
    Fault("float16", LSTMS, "the LSTMs' matrices were rounded to float16", p.half_matrices),
    Fault("float16", WEIGHTED, "the weights were rounded to float16", p.half_weights),
    Fault("float16", MATRICES, "the embedding and the LSTMs' matrices were rounded to float16", p.half_matrices),
    Fault("int8", LSTMS, "the LSTMs' matrices were rounded to int8, one scale per column",
          lstm(change=partial(p.of_matrices, p.int8_columns))),
    Fault("int8", LSTMS, "the LSTMs' matrices were rounded to int8, one scale per matrix",
          lstm(change=partial(p.of_matrices, p.int8_matrix))),
    Fault("int8", MATRICES, "the LSTMs' products are computed in int8", p.int8_products, rough=True),
]
# fmt: on


# Trying them ---------------------------------------------------------------------------------------------------------


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

    Empty if no single fault in the table does.
    """
    few = evidence.texts(_screen(evidence))
    suspects = [fault for fault in FAULTS if _explains(fault, few, weights)]
    found: dict[str, list[Finding]] = {}
    for fault in suspects:
        finding = _explains(fault, evidence, weights)
        if finding:
            found.setdefault(fault.name, []).append(finding)
    # One per name: of the several places for float16, say, one is enough.
    best = sorted((min(same, key=_error_after) for same in found.values()), key=_error_after)
    return [finding for finding in best if finding.error_after <= CLOSE * max(best[0].error_after, 0.01)]


def _error_after(finding: Finding) -> float:
    return finding.error_after


def _explains(fault: Fault, evidence: Evidence, weights: Weights | None) -> Finding | None:
    """The fault as a finding, if it reproduces the candidate's numbers."""
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
    """Whether planting the fault removes so much of the difference that it must be the one."""
    worst, worst_before = after.max(), before.max()
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


def _screen(evidence: Evidence) -> np.ndarray:
    """A few texts, including those that differ most."""
    errors = deviations(evidence.given[evidence.target], evidence.seen, evidence.tolerance)
    by_error = np.argsort(-errors.reshape(len(errors), -1).max(axis=1), kind="stable")
    differing, others = SCREEN
    return np.unique(np.concatenate([by_error[:differing], by_error[-others:]]))


def patterns(evidence: Evidence) -> list[str]:
    """The kind and place of the difference, where that is informative."""
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
