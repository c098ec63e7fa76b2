"""The classic faults of DeepMoji ports.

`FAULTS` is the table; `planting` implements the faults, and `diagnosis` tries them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from ..backends.activations import sigmoid, softmax
from ..precision import half
from . import planting as p
from .planting import INPUTS, LSTMS, Fault, Network

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
#: lengths that ports make a mask from, and which masks
LENGTHS = {
    "count": "the number of ids that are not 0",
    "last": "the place of the last id that is not 0",
    "zero": "the number of ids before the first 0",
}
MASKS = {
    ("mask", "attention_mask"): "the mask is",
    ("mask",): "the LSTMs' mask is",
    ("attention_mask",): "the attention's mask is",
}
BUILT_IN = (
    "(as for ONNX's sequence_lens or PyTorch's pack_padded_sequence); expected: every 0 is masked, also before and "
    "between words, and nothing else"
)
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


def masks_by_length() -> list[Fault]:
    """Masks made from lengths. The LSTMs' outputs do not show what the attention does."""
    faults = []
    for length, spoken in LENGTHS.items():
        for least in (0, 1):
            plant = partial(p.length_mask, length=length, least=least)
            for at, whose in MASKS.items():
                sentence = f"{whose} made from a length, {spoken}{', at least 1' * least} {BUILT_IN}"
                faults.append(Fault("mask by length", at, sentence, plant))
    return faults


# fmt: off
PADDING_ROW = Fault(
    "padding row zero", ACTIVATION,
    "padded steps contain zeros; expected tanh of the embedding's row 0, which the attention's maximum includes",
    p.without_padding_row)
ZERO = Fault(
    "masked outputs zero", LSTMS,
    "outputs at masked steps are 0; the Keras of these weights repeats the previous output", p.zeros_at_masked)
HELD = Fault(
    "masked outputs held", LSTMS,
    "outputs at masked steps repeat the previous one; the Keras of these weights outputs 0", p.held_at_masked)
BY_LENGTH = masks_by_length()

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
    PADDING_ROW,
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
    Fault("no masking", LSTMS, "padding runs through the LSTM, and outputs at masked steps are set to 0 afterwards; "
          "masked steps must leave its state unchanged", p.zeros_after),
    *BY_LENGTH,
    ZERO,
    HELD,
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

#: faults that spoil a part of the numbers only, alone or together, so that others can hide behind them
COMPANIONS: list[tuple[Fault, ...]] = [
    (PADDING_ROW,),
    (ZERO,),
    (HELD,),
    *((length,) for length in BY_LENGTH),
    *((length, outputs) for length in BY_LENGTH for outputs in (ZERO, HELD)),
]
