"""Each classic fault, planted in a copy of the NumPy reference and run through the whole network, is named by
`compare`.

The faults are written here once more, without a look at how `npmoji.checks.planting` does it; golden is what genuine
Keras gave.
"""

import itertools

import numpy as np
import pytest
from conftest import DATA, LAYERS

import npmoji
from npmoji.backends.activations import ACTIVATIONS, softmax
from npmoji.backends.ops import Ops
from npmoji.checks import diagnosis, faults
from npmoji.checks.compare import compare
from npmoji.checks.golden_files import Golden, digest
from npmoji.files.digest import sha256
from npmoji.layers import Pass

LIMIT = {"absolute": 5e-6, "relative": 5e-6}
numbers = itertools.count()


class Case:
    """A model, and as its golden what genuine Keras computed."""

    def __init__(self, folder, file):
        self.model = npmoji.load(DATA / "models" / folder / file, engine="numpy")
        arrays = np.load(DATA / "models" / folder / "golden.npz")
        tensors = {
            "tokens": arrays["tokens"],
            **{name: arrays[array] for array, name in LAYERS.items() if array in arrays},
        }
        if "activation" not in tensors:
            tensors = self.run(reference(), tensors["tokens"]) | tensors
        order = ["tokens", *LAYERS.values()]
        self.golden = golden_of(self.model, {name: tensors[name] for name in order})

    def run(self, ops, tokens):
        """Every tensor as a backend computes it."""
        run = Pass(ops)
        values = {name: np.asarray(self.model[name].pull(tokens, run)[0]) for name in LAYERS.values()}
        return {"tokens": tokens, **values}

    def diagnosis(self, plant, keep=None, weights=True, tokens=None):
        """The comparison with the reference after ``plant(ops)``, of the tensors in ``keep``."""
        ops = reference()
        plant(ops)
        tokens = self.golden.tensors["tokens"] if tokens is None else tokens
        with np.errstate(all="ignore"):
            tensors = self.run(ops, tokens)
        tensors = {name: tensor for name, tensor in tensors.items() if keep is None or name in keep}
        return compare(self.golden, Golden(None, tensors, "candidate"), (lambda: self.model) if weights else None)


def golden_of(model, tensors):
    """Tensors with a manifest."""
    entries = [
        {"name": name, "sha256": digest(array), "tolerance": LIMIT if name != "tokens" else dict.fromkeys(LIMIT, 0.0)}
        for name, array in tensors.items()
    ]
    weights = {"name": "weights", "sha256": sha256(model.path)}
    return Golden({"tensors": entries, "texts": [], "weights": weights}, tensors, "golden")


def reference():
    """The reference's functions, with the recurrence written out once more, to be spoilt; for each the layers pack
    anew."""
    ops = Ops()
    ops.packing = f"spoilt {next(numbers)}"
    ops.gates = dict(ACTIVATIONS)

    def bidirectional(x, mask, forward, backward, gate, hold_masked, **_):
        ahead = ops.lstm(x, mask, forward, ops.gates[gate], hold_masked, backwards=False)
        behind = ops.lstm(x, mask, backward, ops.gates[gate], hold_masked, backwards=True)
        return np.concatenate([ahead, behind], axis=-1)

    ops.pack_lstm = lambda *arrays, **_: arrays[:3]
    ops.lstm, ops.bidirectional = lstm, bidirectional
    return ops


def lstm(x, mask, weights, gate, hold, backwards, rounded=np.float32):
    """`Ops.lstm`; ``rounded`` is applied to whatever is computed."""
    kernel, recurrent, bias = weights
    T, H = x.shape[1], len(recurrent)
    h, c, out = (
        np.zeros((len(x), H), np.float32),
        np.zeros((len(x), H), np.float32),
        np.zeros((*x.shape[:2], H), np.float32),
    )
    for t in reversed(range(T)) if backwards else range(T):
        z = rounded(x[:, t] @ kernel + bias) + rounded(h @ recurrent)
        i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
        c_new = rounded(gate(f) * c + gate(i) * np.tanh(g))
        h_new, valid = rounded(gate(o) * np.tanh(c_new)), mask[:, t, None]
        c, h = np.where(valid, c_new, c), np.where(valid, h_new, h)
        out[:, t] = h if hold else np.where(valid, h, 0)
    return out


@pytest.fixture(scope="module")
def small():
    return Case("keras205_small", "weights.hdf5")


@pytest.fixture(scope="module")
def padmax():
    return Case("keras205_padmax", "weights.hdf5")


@pytest.fixture(scope="module")
def zeros_at_masked():
    return Case("tfkeras_small", "full_model.h5")


# Faults, planted in a copy of the reference --------------------------------------------------------------------------


def wrap(name, change):
    """A plant: the function's result, changed."""

    def plant(ops):
        right = getattr(ops, name)
        setattr(ops, name, lambda *args, **options: change(right(*args, **options)))

    return plant


def feed(name, change):
    """A plant: the function gets other arguments."""

    def plant(ops):
        right = getattr(ops, name)
        setattr(ops, name, lambda *args, **options: right(*change(*args), **options))

    return plant


def packed(change):
    """A plant: an LSTM's kernel, recurrent kernel and bias, changed."""

    def plant(ops):
        ops.pack_lstm = lambda kernel, recurrent, bias, exact_projection=False: change(kernel, recurrent, bias)

    return plant


def gates(order):
    """The port believes that the four blocks stand in this order."""

    def change(*arrays):
        blocks = [dict(zip(order, np.split(array, 4, axis=-1))) for array in arrays]
        return [np.concatenate([block[gate] for gate in "ifco"], axis=-1) for block in blocks]

    return packed(change)


def activation(ops, function):
    ops.gates = {"hard_sigmoid": function, "hard_sigmoid_keras3": function}


def both(first, second):
    """A plant: the outputs of the two directions, changed by a function each."""

    def change(outputs):
        ahead, behind = np.split(outputs, 2, axis=-1)
        return np.concatenate([first(ahead), second(behind)], axis=-1)

    return wrap("bidirectional", change)


def bidirectional(change):
    """A plant: (x, mask, forward weights, backward weights) changed before the layer runs."""
    return feed("bidirectional", change)


def flat_interleaved(array):
    H = array.shape[-1] // 4
    return np.stack([array[..., k::4] for k in range(4)], axis=-2).reshape(*array.shape[:-1], 4 * H)


def transposed(kernel, recurrent, bias):
    H = len(recurrent)
    return kernel, np.hstack([recurrent[:, k * H : (k + 1) * H].T for k in range(4)]), bias


def forget_bias(kernel, recurrent, bias):
    H, bias = len(recurrent), bias.copy()
    bias[H : 2 * H] += 1
    return kernel, recurrent, bias


def misread(matrix):
    return np.frombuffer(matrix.tobytes(), np.float32).reshape(matrix.shape[::-1]).T


def lstm_with(**wrong):
    """A plant: both directions get these arguments."""

    def plant(ops):
        ops.lstm = lambda x, mask, weights, gate, hold, backwards: lstm(
            x, mask, weights, **{"gate": gate, "hold": hold, "backwards": backwards} | wrong
        )

    return plant


def attention(function):
    def plant(ops):
        ops.attention_weights = function

    return plant


def shares(a, epsilon=1e-7):
    return (a / (a.sum(axis=1, keepdims=True) + np.float32(epsilon))).astype(np.float32)


def half(x):
    return np.asarray(x).astype(np.float16).astype(np.float32)


def all_in_half(ops):
    """Weights, inputs and results of every layer are halves, and so is an LSTM's state after each step."""
    for name in ("embedding", "activate", "attention_logits", "attention_weights", "weighted_sum", "dense"):
        wrap(name, half)(ops)
    packed(lambda *arrays: [half(array) for array in arrays])(ops)
    lstm_with(rounded=half)(ops)


def int8(matrix, axis=0):
    if matrix.ndim < 2:
        return matrix
    scale = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(127)
    return (np.rint(matrix / scale) * scale).astype(np.float32)


def rotated(values, order, swap=False):
    if swap:
        values = [np.roll(v, v.shape[-1] // 2, axis=-1) for v in values[:2]] + [values[2]]
    return ([values[i] for i in order],)


FAULTS = {
    "embedding off by one row": (
        "activation",
        feed("embedding", lambda ids, table: (ids + 1, np.vstack([table, table[-1:]]))),
    ),
    "missing tanh": ("activation", feed("activate", lambda name, x: ("linear" if name == "tanh" else name, x))),
    "padding row zero": (
        "activation",
        feed("embedding", lambda ids, table: (ids, np.vstack([np.zeros_like(table[:1]), table[1:]]))),
    ),
    **{
        f"gate order {' '.join(o)}": ("bi_lstm_0", gates(o))
        for o in map("".join, itertools.permutations("ifco"))
        if o != "ifco"
    },
    "gates interleaved": ("bi_lstm_0", packed(lambda *arrays: [flat_interleaved(a) for a in arrays])),
    "standard sigmoid": ("bi_lstm_0", lambda ops: activation(ops, lambda x: 1 / (1 + np.exp(-x)))),
    "Keras 3's hard sigmoid": (
        "bi_lstm_0",
        lambda ops: activation(ops, lambda x: np.clip(x / 6 + np.float32(0.5), 0, 1)),
    ),
    "no masking": ("bi_lstm_0", bidirectional(lambda x, mask, *w: (x, mask | True, *w))),
    "backward outputs not re-reversed": ("bi_lstm_0", both(lambda h: h, lambda h: h[:, ::-1])),
    "backward run forward": ("bi_lstm_0", lstm_with(backwards=False)),
    "halves exchanged": ("bi_lstm_0", wrap("bidirectional", lambda h: np.roll(h, h.shape[-1] // 2, axis=-1))),
    "directions exchanged": ("bi_lstm_0", bidirectional(lambda x, mask, f, b: (x, mask, b, f))),
    "one direction's weights for both": ("bi_lstm_0", bidirectional(lambda x, mask, f, b: (x, mask, f, f))),
    "LSTM bias twice": ("bi_lstm_0", packed(lambda k, r, b: (k, r, b + b))),
    "LSTM bias missing": ("bi_lstm_0", packed(lambda k, r, b: (k, r, 0 * b))),
    "forget bias added": ("bi_lstm_0", packed(forget_bias)),
    "recurrent kernel transposed": ("bi_lstm_0", packed(transposed)),
    "matrix misread": ("bi_lstm_0", packed(lambda k, r, b: (misread(k), misread(r), b))),
    "masked outputs zero": ("bi_lstm_0", lstm_with(hold=False)),
    "concatenation order": ("attention_logits", feed("concatenate", lambda values: rotated(values, (1, 0, 2)))),
    "attention without mask": ("attention", feed("attention_weights", lambda logits, mask: (logits, mask | True))),
    "dense bias twice": ("logits", feed("pack_dense", lambda kernel, bias: (kernel, bias * 2))),
    "dense bias missing": ("logits", feed("pack_dense", lambda kernel, bias: (kernel, bias * 0))),
    "softmax missing": ("softmax", feed("activate", lambda name, x: ("linear" if name == "softmax" else name, x))),
    "softmax twice": (
        "softmax",
        lambda ops: setattr(
            ops, "activate", lambda n, x, _f=ops.activate: _f(n, _f(n, x)) if n == "softmax" else _f(n, x)
        ),
    ),
    "sigmoid for softmax": ("softmax", feed("activate", lambda name, x: ("sigmoid" if name == "softmax" else name, x))),
    "float16": ("activation", all_in_half),
    "bfloat16": ("activation", wrap("activate", faults.p.bfloat16)),
    "int8": ("bi_lstm_0", packed(lambda *arrays: [int8(a) for a in arrays])),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(small, name):
    first, plant = FAULTS[name]
    result = small.diagnosis(plant)
    assert not result.passed
    assert [finding.fault for finding in result.diagnosis] == [name]
    assert result.diagnosis[0].layer == first
    assert result.first_difference.startswith(f"{first}, text ")
    assert result.diagnosis[0].sentence in result.text()


#: faults that leave the probabilities as they are, or cannot be told from others by them
UNSEEN = {"masked outputs zero", "padding row zero", "float16", "bfloat16"}


@pytest.mark.parametrize(
    "name", [name for name in FAULTS if name not in UNSEEN and not name.startswith("gate order o")]
)
def test_each_fault_is_named_from_the_probabilities_alone(small, name):
    """Whatever lies between is computed with the fault in it, in both LSTMs."""
    result = small.diagnosis(FAULTS[name][1], keep=["softmax"])
    assert name in [finding.fault for finding in result.diagnosis]
    assert len(result.diagnosis) <= 2


WEIGHTLESS = [
    "halves exchanged",
    "backward outputs not re-reversed",
    "missing tanh",
    "padding row zero",
    "masked outputs zero",
    "attention without mask",
    "softmax missing",
    "softmax twice",
    "sigmoid for softmax",
    "float16",
]


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_some_faults_show_without_the_weights(small, name):
    assert [finding.fault for finding in small.diagnosis(FAULTS[name][1], weights=False).diagnosis] == [name]


def test_others_do_not_and_the_report_says_so(small):
    result = small.diagnosis(gates("iofc"), weights=False)
    assert result.diagnosis == []
    assert "none of the faults that show without the weights explains it" in result.text()
    other = npmoji.load(DATA / "models" / "keras205_padmax" / "weights.hdf5")
    candidate = Golden(None, {"bi_lstm_0": -small.golden.tensors["bi_lstm_0"]}, "candidate")
    text = compare(small.golden, candidate, lambda: other).text()
    assert f"give --weights the golden's weights: weights, sha256 {small.golden.manifest['weights']['sha256']}" in text


@pytest.mark.parametrize("order", [o for o in itertools.permutations(range(3)) if o != (0, 1, 2)])
@pytest.mark.parametrize("keep", [None, ["attlayer"]])
def test_every_order_of_the_concatenation(small, order, keep):
    result = small.diagnosis(feed("concatenate", lambda values: rotated(values, order)), keep=keep)
    names = ", ".join(("bi_lstm_1", "bi_lstm_0", "activation")[i] for i in order)
    assert [finding.sentence for finding in result.diagnosis] == [
        f"concatenated as [{names}]; expected [bi_lstm_1, bi_lstm_0, activation]"
    ]


def test_the_halves_exchanged_only_where_they_are_concatenated(small):
    result = small.diagnosis(feed("concatenate", lambda values: rotated(values, (0, 1, 2), swap=True)))
    assert "bi_lstm_1 as [backward, forward]" in result.diagnosis[0].sentence


def test_outputs_in_the_order_of_computing_up_to_the_last_word(small):
    """As a reversal that knows each text's length gives them."""
    ends = 1 + np.array([max(np.flatnonzero(row), default=-1) for row in small.golden.tensors["tokens"]])

    def change(h):
        return np.stack([np.concatenate([row[:end][::-1], row[end:]]) for row, end in zip(h, ends)])

    result = small.diagnosis(both(lambda h: h, change))
    assert [finding.fault for finding in result.diagnosis] == ["backward outputs not re-reversed"]


ATTENTION = {
    "attention without epsilon": lambda logits, mask: shares(
        np.exp(logits - logits.max(axis=1, keepdims=True)) * mask, 0
    ),
    "attention's maximum": lambda logits, mask: shares(np.exp(logits - logits.max()) * mask),
    "attention by additive mask": lambda logits, mask: softmax(logits - 1e9 * ~mask).astype(np.float32),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_where_the_padding_has_the_largest_logit(padmax, name):
    result = padmax.diagnosis(attention(ATTENTION[name]))
    assert result.diagnosis[0].fault == name and result.diagnosis[0].layer == "attention"


def test_a_maximum_over_the_valid_steps(padmax):
    def function(logits, mask):
        tops = [row[m].max() if m.any() else 0 for row, m in zip(logits, mask)]
        return shares(np.where(mask, np.exp(np.where(mask, logits - np.array(tops)[:, None], 0)), 0).astype(np.float32))

    result = padmax.diagnosis(attention(function))
    assert "the maximum over the valid steps" in result.diagnosis[0].sentence


def test_a_sum_without_epsilon_is_named_by_its_nan(small):
    """Nothing but padding divides 0 by 0."""
    result = small.diagnosis(attention(ATTENTION["attention without epsilon"]))
    assert "nan where the golden has 0" in result.first_difference
    assert [finding.fault for finding in result.diagnosis] == ["attention without epsilon"]


def test_outputs_held_where_these_weights_give_zeros(zeros_at_masked):
    result = zeros_at_masked.diagnosis(lstm_with(hold=True))
    assert [finding.fault for finding in result.diagnosis] == ["masked outputs held"]


def test_the_hard_sigmoid_of_keras_2_where_these_weights_mean_that_of_keras_3():
    case = Case("keras205_small", "weights.hdf5")
    for lstm in ("bi_lstm_0", "bi_lstm_1"):
        case.model[lstm].ahead.options["gate"] = "hard_sigmoid_keras3"
    case.golden = golden_of(case.model, case.run(reference(), case.golden.tensors["tokens"]))
    result = case.diagnosis(lambda ops: activation(ops, lambda x: np.clip(x / 5 + np.float32(0.5), 0, 1)))
    assert [finding.fault for finding in result.diagnosis] == ["Keras 2's hard sigmoid"]


def test_kernels_exchanged_where_they_have_one_shape():
    model = npmoji.load(engine="numpy")
    case = object.__new__(Case)
    case.model = model
    assert model["bi_lstm_0"].ahead.kernel.shape == model["bi_lstm_0"].ahead.recurrent_kernel.shape
    tokens = np.random.default_rng(0).integers(0, 900, (12, 9))
    case.golden = golden_of(model, case.run(reference(), tokens))
    result = case.diagnosis(packed(lambda k, r, b: (r, k, b) if k.shape == r.shape else (k, r, b)))
    assert [finding.fault for finding in result.diagnosis] == ["kernels exchanged"]


def test_faults_of_the_tokens(small):
    tokens = small.golden.tensors["tokens"].astype(np.int64)
    left = [np.concatenate([row[len(np.trim_zeros(row, "b")) :], np.trim_zeros(row, "b")]) for row in tokens]
    for name, wrong in {
        "padded on the other side": np.array(left),
        "token ids off by one": np.where(tokens == 0, 0, tokens - 1),
    }.items():
        result = small.diagnosis(lambda ops: None, tokens=wrong)
        assert [finding.fault for finding in result.diagnosis] == [name]
        assert result.first_difference.startswith("tokens, text ")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_tensors_kept_in_float16(small, dtype):
    tensors = {name: t if name == "tokens" else half(t).astype(dtype) for name, t in small.golden.tensors.items()}
    result = compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model)
    assert [finding.fault for finding in result.diagnosis] == ["float16"]


def test_numbers_written_with_few_decimals(small):
    candidate = Golden(None, {"softmax": np.round(small.golden.tensors["softmax"], 4)}, "candidate")
    result = compare(small.golden, candidate, lambda: small.model)
    assert [finding.fault for finding in result.diagnosis] == ["few decimals"]


@pytest.mark.parametrize(
    "change",
    [lambda a: half(a) if a.ndim == 2 else a, half, lambda a: int8(a, axis=0), lambda a: int8(a, axis=None)],
    ids=["fp16 matrices", "fp16", "int8 columns", "int8 matrix"],
)
def test_rounded_weights(small, change):
    result = small.diagnosis(packed(lambda *arrays: [change(a) for a in arrays]))
    assert [finding.fault for finding in result.diagnosis] in (["float16"], ["int8"])


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("keep", [("tokens", "activation"), ("bi_lstm_0", "bi_lstm_1"), ("softmax",)])
def test_npmojis_own_precisions(small, precision, keep):
    model = npmoji.load(small.model.path, engine="numpy", precision=precision)
    tokens = small.golden.tensors["tokens"]
    tensors = {name: model[name](tokens) if name != "tokens" else tokens for name in keep}
    result = compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model)
    expected = "int8" if precision == "int8" and "activation" not in keep else "float16"
    assert [finding.fault for finding in result.diagnosis] == [expected]


# What must not be named ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-5, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("first", ["activation", "bi_lstm_0", "bi_lstm_1", "attention_logits", "attention", "softmax"])
def test_noise_is_no_fault(small, first, size):
    random = np.random.default_rng(int(1 / size))
    tensors = dict(small.golden.tensors)
    for name in list(tensors)[list(tensors).index(first) :]:
        tensors[name] = tensors[name] + random.normal(0, size, tensors[name].shape).astype(np.float32)
    result = compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model)
    assert result.first_difference.startswith(first) and result.diagnosis == []
    assert "none of the classic porting faults explains it" in result.text()


@pytest.mark.parametrize("scale", [0.0, 0.5, -1.0, 1.001])
def test_another_fault_is_not_taken_for_a_classic_one(small, scale):
    tensors = {"bi_lstm_1": small.golden.tensors["bi_lstm_1"] * np.float32(scale)}
    assert compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model).diagnosis == []


def test_two_faults_at_once_are_not_taken_for_one(small):
    def plant(ops):
        gates("iofc")(ops)
        activation(ops, lambda x: 1 / (1 + np.exp(-x)))

    assert small.diagnosis(plant).diagnosis == []


def test_where_the_differences_are(small):
    tensors = {"bi_lstm_0": small.golden.tensors["bi_lstm_0"].copy()}
    mask = small.golden.tensors["tokens"] != 0
    tensors["bi_lstm_0"][~mask] += 1
    text = compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model).text()
    assert "explains it; only padded steps differ\n" in text
    tensors = {"bi_lstm_0": small.golden.tensors["bi_lstm_0"].copy()}
    tensors["bi_lstm_0"][mask, 20:] += 1
    text = compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model).text()
    assert "explains it; only valid steps differ; only the backward half differs\n" in text


def test_a_small_difference_is_called_one(small):
    """Between correct implementations of large networks a few numbers may be further apart than recommended."""
    tensors = {"bi_lstm_0": small.golden.tensors["bi_lstm_0"].copy()}
    tensors["bi_lstm_0"][0, 0, 0] += 2e-5
    text = compare(small.golden, Golden(None, tensors, "candidate"), lambda: small.model).text()
    assert "; the largest error is no more than 4 tolerances, which may be mere rounding; only " in text


def test_the_table(small):
    """Every fault of the table has its sentence, and does something to some network of the tests."""
    assert len({(fault.name, fault.sentence, id(fault.plant)) for fault in faults.FAULTS}) == len(faults.FAULTS)
    assert {fault.name for fault in faults.FAULTS} >= set(FAULTS) | set(ATTENTION)
    assert all(set(fault.at) <= set(faults.INPUTS) for fault in faults.FAULTS)
    assert diagnosis.applies_to(small.golden.tensors) and not diagnosis.applies_to(["tokens", "dense_1"])
    assert diagnosis.weights_of({"embedding": small.model["embedding"]}) is None
