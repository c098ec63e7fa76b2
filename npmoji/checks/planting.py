"""What the classic faults of a DeepMoji port do to its tensors; `faults` is the table of them.

A fault is tried on the golden's own tensors: a `Network` computes the part between tensors known to be right and the
tensor that differs, by the formulas of `Ops`, with the fault in it. The functions below return the tensor at which the
fault acts. Those that can be computed from golden tensors alone need no weights: another order of blocks, say, or zeros
where values are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..backends.activations import sigmoid, softmax
from ..backends.ops import REFERENCE, Ops
from ..precision import half, int8
from .masks import by_length

#: what each tensor of the graph is computed from, in graph order, and the masks, which are True at valid steps
INPUTS = {
    "tokens": (),
    "embedding": ("tokens",),
    "activation": ("embedding",),
    "mask": ("tokens",),  # the LSTMs'
    "bi_lstm_0": ("activation", "mask"),
    "bi_lstm_1": ("bi_lstm_0", "mask"),
    "concatenate": ("bi_lstm_1", "bi_lstm_0", "activation"),
    "attention_logits": ("concatenate",),
    "attention_mask": ("tokens",),
    "attention": ("attention_logits", "attention_mask"),
    "attlayer": ("concatenate", "attention"),
    "logits": ("attlayer",),
    "softmax": ("logits",),
}
LSTMS = ("bi_lstm_0", "bi_lstm_1")

Arrays = Sequence[np.ndarray]


class Weights(NamedTuple):
    """What the faults need from a model: arrays by layer, in the file's order, and the options of its LSTMs."""

    layers: dict[str, list[np.ndarray]]
    lstm: dict[str, Any]


class Evidence(NamedTuple):
    """The data for a diagnosis, for some texts.

    Attributes:
        target: the first tensor that differs.
        tolerance: its tolerance, ``{"absolute": a, "relative": r}``.
        given: the golden's tensors.
        seen: the candidate's values for the target, float32.
        trusted: tensors that are right in the candidate.
        largest_logit: the largest attention logit of all texts, if the golden has them.
    """

    target: str
    tolerance: dict[str, float]
    given: dict[str, np.ndarray]
    seen: np.ndarray
    trusted: frozenset[str]
    largest_logit: float | None = None

    def texts(self, rows: np.ndarray) -> Evidence:
        """The same for these texts only."""
        given = {name: tensor[rows] for name, tensor in self.given.items()}
        return self._replace(given=given, seen=self.seen[rows])


class Fault(NamedTuple):
    """A classic fault.

    Attributes:
        at: the tensors at which it acts; if empty, whichever differs.
        sentence: a description for people.
        plant: (network, tensor's name) -> the tensor with the fault.
        rough: the fault rounds intermediate results, so that a number's last bit can change the following ones.
    """

    name: str
    at: tuple[str, ...]
    sentence: str
    plant: Callable[[Network, str], np.ndarray]
    rough: bool = False


class Inapplicable(Exception):
    """A fault cannot be computed from the golden's tensors alone, or changes nothing in these texts."""


class Network:
    """DeepMoji with faults in it, on the evidence's texts; each tensor is computed when needed.

    Of several faults at one tensor each is planted in what the one before has left. A ``cache`` keeps the results of
    LSTMs that are correct but for their inputs, for other networks on the same texts.
    """

    def __init__(
        self,
        evidence: Evidence,
        weights: Weights | None,
        faults: Sequence[Fault],
        cache: dict[tuple, np.ndarray] | None = None,
    ):
        self.evidence, self.weights, self.faults, self.cache = evidence, weights, faults, cache
        self.known: dict[str, np.ndarray] = {}
        # If the embedding is right, so were the tokens, whether or not the candidate has them.
        self.trusted = evidence.trusted | ({"tokens"} if "activation" in evidence.trusted else set())

    def value(self, name: str) -> np.ndarray:
        """The tensor, with the faults; tensors that are right in the candidate are taken from the golden."""
        if name not in self.known:
            for fault in self.faults:
                if self.acts(fault, name):
                    self.known[name] = fault.plant(self, name)
            self.known[name] = self.correct(name)
        return self.known[name]

    def acts(self, fault: Fault, name: str) -> bool:
        """Whether the fault acts at this tensor."""
        return name in (fault.at or (self.evidence.target,)) and name not in self.trusted

    def altered(self, name: str) -> bool:
        """Whether the faults affect this tensor."""
        here = any(self.acts(fault, name) for fault in self.faults)
        return name not in self.trusted and (here or any(map(self.altered, INPUTS[name])))

    def correct(self, name: str) -> np.ndarray:
        """The tensor for the current inputs, with no more faults in it than were planted before: the golden's own if no
        fault affects those."""
        if name in self.known:
            return self.known[name]
        if name in self.evidence.given and (name in self.trusted or not any(map(self.altered, INPUTS[name]))):
            return self.evidence.given[name]
        return self._lstm(name) if name in LSTMS else getattr(self, f"_{name}")()

    def arrays(self, layer: str) -> list[np.ndarray]:
        """The weights of a layer."""
        if self.weights is None:
            raise Inapplicable(layer)
        return self.weights.layers[layer]

    @property
    def words(self) -> np.ndarray:
        """(N, T), True where there is a word, whatever the masks say."""
        return self.value("tokens") != 0

    # Layers, each from the values of those before it

    def _tokens(self) -> np.ndarray:
        return self.evidence.given["tokens"]

    def _embedding(self, shift: int = 0) -> np.ndarray:
        if shift or self.altered("tokens") or self.weights is not None:
            table = self.arrays("embedding")[0]
            ids = self.value("tokens").astype(np.int64) + shift
            return np.asarray(table[np.clip(ids, 0, len(table) - 1)], np.float32)
        if "activation" not in self.evidence.given:
            raise Inapplicable("embedding")
        with np.errstate(divide="ignore"):
            return np.arctanh(self.evidence.given["activation"].astype(np.float64)).astype(np.float32)

    def _activation(self) -> np.ndarray:
        return np.tanh(self.value("embedding"))

    def _lstm(self, name: str) -> np.ndarray:
        if self.cache is None:
            return self.lstm(name)
        key = name, self.value(INPUTS[name][0]).tobytes(), self.value("mask").tobytes()
        if key not in self.cache:
            self.cache[key] = self.lstm(name)
        return self.cache[key]

    def lstm(
        self,
        name: str,
        change: Callable[[Arrays], Arrays] = tuple,
        pick: Callable[[Arrays], Arrays] = tuple,
        backwards: tuple[bool, bool] = (False, True),
        masked: bool = True,
        ops: Ops = REFERENCE,
        **options: Any,
    ) -> np.ndarray:
        """The bidirectional LSTM of this name.

        Args:
            change: applied to each direction's kernel, recurrent kernel and bias.
            pick: applied to all six arrays.
            backwards: which of the two run backward in time.
            masked: whether padded steps are skipped.
            ops: the engine.
            options: further arguments of its `lstm`.
        """
        six = pick(self.arrays(name))
        x = self.value(INPUTS[name][0])
        mask = self.value("mask") if masked else np.ones(x.shape[:2], bool)
        options = self.weights.lstm | options
        exact = name == "bi_lstm_0"  # as in `deepmoji`, for int8
        parts = (ops.pack_lstm(*change(arrays), exact_projection=exact) for arrays in (six[:3], six[3:]))
        outputs = [ops.lstm(x, mask, part, go_backwards=back, **options) for part, back in zip(parts, backwards)]
        return np.concatenate(outputs, axis=-1)

    def _mask(self) -> np.ndarray:
        return self.words

    _attention_mask = _mask

    def _concatenate(self) -> np.ndarray:
        return np.concatenate([self.value(name) for name in INPUTS["concatenate"]], axis=-1)

    def _attention_logits(self) -> np.ndarray:
        return REFERENCE.attention_logits(self.value("concatenate"), self.arrays("attlayer")[0])

    def _attention(self) -> np.ndarray:
        return REFERENCE.attention_weights(self.value("attention_logits"), self.value("attention_mask"))

    def _attlayer(self) -> np.ndarray:
        return REFERENCE.weighted_sum(self.value("concatenate"), self.value("attention"))

    def _logits(self) -> np.ndarray:
        return REFERENCE.dense(self.value("attlayer"), self.arrays("softmax"))

    def _softmax(self) -> np.ndarray:
        logits = self.value("logits")
        return softmax(logits) if logits.shape[1] > 1 else sigmoid(logits)


# What the faults do --------------------------------------------------------------------------------------------------


def padded_left(net: Network, name: str) -> np.ndarray:
    """Each row's trailing zeros moved to its front."""
    return np.stack([np.roll(row, int(np.argmax(row[::-1] != 0)) if row.any() else 0) for row in net.correct(name)])


def shifted_ids(net: Network, name: str, by: int) -> np.ndarray:
    """Every word's id off by ``by``; padding stays 0."""
    ids = net.correct(name).astype(np.int64)
    return np.where(ids != 0, ids + by, 0)


def shifted_rows(net: Network, name: str, by: int, padding: bool) -> np.ndarray:
    """Each id looks up a row further down or up; with ``padding`` also id 0."""
    rows = net._embedding(shift=by)
    return rows if padding else np.where(net.words[..., None], rows, net._embedding())


def without_padding_row(net: Network, name: str) -> np.ndarray:
    """Zeros at padded steps."""
    return np.where(net.words[..., None], net.correct(name), np.float32(0))


def in_gate_order(arrays: Arrays, order: str) -> Arrays:
    """The columns as read by a port that assumes the blocks to be in ``order``."""
    H = arrays[1].shape[0]
    blocks = [slice(order.index(gate) * H, (order.index(gate) + 1) * H) for gate in "ifco"]
    return [np.concatenate([array[..., block] for block in blocks], axis=-1) for array in arrays]


def interleaved(arrays: Arrays, back: bool) -> Arrays:
    """The columns as read by a port that assumes the four gates of each unit to be adjacent (``back``: vice versa)."""
    H = arrays[1].shape[0]
    order = np.arange(4 * H).reshape((4, H) if back else (H, 4)).T.ravel()
    return [array[..., order] for array in arrays]


def transposed_blocks(arrays: Arrays) -> Arrays:
    """Each gate's recurrent block (H, H) transposed."""
    kernel, recurrent, bias = arrays
    return kernel, np.concatenate([block.T for block in np.split(recurrent, 4, axis=1)], axis=1), bias


def misread(arrays: Arrays, which: Iterable[int]) -> Arrays:
    """Matrices whose numbers were read column by column instead of row by row."""
    return [np.ravel(a).reshape(a.shape, order="F") if i in which else a for i, a in enumerate(arrays)]


def swapped_kernels(arrays: Arrays) -> Arrays:
    """Kernel and recurrent kernel swapped; only if they have the same shape."""
    kernel, recurrent, bias = arrays
    return (recurrent, kernel, bias) if kernel.shape == recurrent.shape else arrays


def scaled_bias(arrays: Arrays, by: float) -> Arrays:
    """The last array, the bias, multiplied by ``by``."""
    return [*arrays[:-1], arrays[-1] * np.float32(by)]


def raised_forget_bias(arrays: Arrays) -> Arrays:
    """1 added to the forget gate's bias, which trained weights already include."""
    kernel, recurrent, bias = arrays
    H = recurrent.shape[0]
    return kernel, recurrent, bias + (np.arange(4 * H) // H == 1).astype(np.float32)


def halves(net: Network, name: str) -> list[np.ndarray]:
    """An LSTM's forward and backward outputs."""
    return np.split(net.correct(name), 2, axis=-1)


def swapped_halves(x: np.ndarray) -> np.ndarray:
    """[backward, forward]."""
    return np.concatenate(np.split(x, 2, axis=-1)[::-1], axis=-1)


def backward_half_reversed(net: Network, name: str, valid_only: bool) -> np.ndarray:
    """The backward outputs in the order of computation; ``valid_only``: each text only up to its last token."""
    ahead, behind = halves(net, name)
    T = behind.shape[1]
    if valid_only:
        ends = T - np.argmax(net.value("mask")[:, ::-1], axis=1)
        steps = np.arange(T)
        order = np.where(steps < ends[:, None], ends[:, None] - 1 - steps, steps)
        behind = np.take_along_axis(behind, order[..., None], axis=1)
    else:
        behind = behind[:, ::-1]
    return np.concatenate([ahead, behind], axis=-1)


def length_mask(net: Network, name: str, length: str, least: int) -> np.ndarray:
    """A mask made from lengths, see `masks.by_length`."""
    mask = by_length(net.words, length, least)
    if np.array_equal(mask, net.words):
        raise Inapplicable("all padding is at the end")
    return mask


def zeros_at_masked(net: Network, name: str) -> np.ndarray:
    """An LSTM's outputs in later versions of Keras: 0 at masked steps."""
    if net.weights is not None and not net.weights.lstm["hold_masked"]:
        raise Inapplicable("outputs are 0")
    return np.where(net.value("mask")[..., None], net.correct(name), np.float32(0))


def zeros_after(net: Network, name: str) -> np.ndarray:
    """The outputs of an LSTM that padding runs through, with 0 at masked steps."""
    return np.where(net.value("mask")[..., None], net.lstm(name, masked=False), np.float32(0))


def held_at_masked(net: Network, name: str) -> np.ndarray:
    """An LSTM's outputs in Keras 2.0 to 2.3: a masked step repeats the previous one in the direction of travel."""
    if net.weights is not None and net.weights.lstm["hold_masked"]:
        raise Inapplicable("outputs are held")
    mask, outputs = net.value("mask"), []
    T = mask.shape[1]
    for behind, x in enumerate(halves(net, name)):
        x, last = x.copy(), np.zeros_like(x[:, 0])
        for t in reversed(range(T)) if behind else range(T):
            x[:, t] = last = np.where(mask[:, t, None], x[:, t], last)
        outputs.append(x)
    return np.concatenate(outputs, axis=-1)


def joined(net: Network, name: str, order: Sequence[str], swap: bool) -> np.ndarray:
    """The concatenation in another order, with ``swap`` also of the LSTMs' halves."""
    parts = [net.value(part) for part in order]
    return np.concatenate(
        [swapped_halves(x) if swap and part in LSTMS else x for part, x in zip(order, parts)], axis=-1
    )


def attention_like(
    net: Network, name: str, epsilon: float = 1e-7, masked: bool = True, over: str = "row"
) -> np.ndarray:
    """The attention's weights with another epsilon, mask, or maximum (``row``, ``valid``, ``batch`` or ``none``)."""
    logits = net.value("attention_logits")
    mask = net.value("attention_mask") if masked else np.ones(logits.shape, bool)
    if over == "row":
        top = logits.max(axis=1, keepdims=True)
    elif over == "valid":
        top = np.where(mask, logits, np.finfo(np.float32).min).max(axis=1, keepdims=True)
    else:
        whole = net.evidence.largest_logit
        top = 0 if over == "none" else np.float32(logits.max() if whole is None else whole)
    a = np.exp(np.where(mask, logits - top, 0)) * mask
    return a / (a.sum(axis=1, keepdims=True) + np.float32(epsilon))


def additive_mask(net: Network, name: str) -> np.ndarray:
    """An ordinary softmax with a large negative number at padded steps; equal weights in a text without tokens."""
    return softmax(np.where(net.value("attention_mask"), net.value("attention_logits"), np.float32(-1e9)))


def dense_with(net: Network, name: str, change: Callable[[Arrays], Arrays]) -> np.ndarray:
    """The logits with other weights."""
    return REFERENCE.dense(net.value("attlayer"), tuple(change(net.arrays("softmax"))))


def half_weights(net: Network, name: str) -> np.ndarray:
    """The layer with all its weights rounded to float16."""
    if name == "embedding":
        return half(net.correct(name))
    if name in LSTMS:
        return net.lstm(name, change=lambda arrays: [half(a) for a in arrays])
    if name == "attention_logits":
        return REFERENCE.attention_logits(net.value("concatenate"), half(net.arrays("attlayer")[0]))
    return dense_with(net, name, lambda arrays: [half(a) for a in arrays])


def half_matrices(net: Network, name: str) -> np.ndarray:
    """The layer with its matrices rounded to float16 and unchanged biases: npmoji's own precision fp16."""
    return half(net.correct(name)) if name == "embedding" else net.lstm(name, change=partial(of_matrices, half))


def coarse(
    net: Network, name: str, fit: Callable[[np.ndarray], np.ndarray], within: float, coarser: Callable | None = None
) -> np.ndarray:
    """The candidate's values, if ``fit`` changes none of them, ``coarser`` changes some, and their mean error is within
    ``within`` of the mean magnitude.

    Rounding is not simply planted, because it may go the other way where float32 implementations differ in the last
    bit.
    """
    right, seen = net.correct(name), net.evidence.seen
    if name == "tokens" or not np.array_equal(fit(seen), seen) or (coarser and np.array_equal(coarser(seen), seen)):
        return right
    return seen if np.abs(seen - right).mean() <= within * np.abs(right).mean() else right


def four_decimals(x: np.ndarray) -> np.ndarray:
    """Rounded to 0.0001."""
    return np.round(x.astype(np.float64), 4).astype(np.float32)


def bfloat16(x: np.ndarray) -> np.ndarray:
    """The nearest numbers with 8 significant bits, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def int8_columns(matrix: np.ndarray) -> np.ndarray:
    """Integers from -127 to 127 times one scale per column."""
    return np.asarray(int8(matrix))


def int8_matrix(matrix: np.ndarray) -> np.ndarray:
    """The same with one scale for the whole matrix."""
    return np.asarray(int8(matrix.reshape(-1, 1))).reshape(matrix.shape)


def of_matrices(change: Callable[[np.ndarray], np.ndarray], arrays: Arrays) -> Arrays:
    """The arrays, with ``change`` applied to the matrices among them."""
    return [change(array) if array.ndim == 2 else array for array in arrays]


def int8_products(net: Network, name: str) -> np.ndarray:
    """npmoji's own precision int8: fp16 in the embedding, int8 on both sides of an LSTM's products."""
    if name == "embedding":
        return half(net.correct(name)) if net.evidence.target != "activation" else net.correct(name)
    return net.lstm(name, ops=Ops("int8"))
