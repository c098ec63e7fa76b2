"""Masks made from lengths, and faults that hide behind another at padded steps: `compare` names them all.

As in `test_faults`, they are planted in a copy of the NumPy reference, or they are what PyTorch's own LSTM does.
"""

import numpy as np
import pytest
from conftest import needs_shared
from test_faults import FAULTS, Case, bidirectional, feed, gates, golden_of, lstm, lstm_with, reference

import npmoji
from npmoji.checks import masks
from npmoji.checks.compare import compare
from npmoji.checks.golden_files import Golden
from npmoji.checks.golden_texts import BUILTIN


def lengths_of(mask, length):
    """What a port takes for the lengths of these texts."""
    counted = {
        "count": lambda row: sum(row),
        "last": lambda row: max((t + 1 for t, word in enumerate(row) if word), default=0),
        "zero": lambda row: [*row, False].index(False),
    }[length]
    return [counted(row.tolist()) for row in mask]


def by_length(length, least=0, lstms=True, attention=True):
    """A plant: masks made from lengths."""

    def wrong(mask):
        return np.array([[t < max(n, least) for t in range(mask.shape[1])] for n in lengths_of(mask, length)])

    def plant(ops):
        if lstms:
            bidirectional(lambda x, mask, *weights: (x, wrong(mask), *weights))(ops)
        if attention:
            feed("attention_weights", lambda logits, mask: (logits, wrong(mask)))(ops)

    return plant


def together(*plants):
    def plant(ops):
        for one in plants:
            one(ops)

    return plant


def named(result):
    return [set(finding.fault.split(" + ")) for finding in result.diagnosis]


def no_masking_then_zeros(ops):
    right = ops.bidirectional
    ops.bidirectional = lambda x, mask, *w, **k: right(x, mask | True, *w, **k) * mask[..., None]


zeros, held = lstm_with(hold=False), lstm_with(hold=True)
sigmoid = FAULTS["standard sigmoid"][1]
#: how the sentence says which length it is
SPOKEN = {
    "count": "the number of ids that are not 0",
    "last": "the place of the last id that is not 0",
    "zero": "the number of ids before the first 0",
}
FROM = {
    "all": None,
    "logits": ["attention_logits", "attention", "attlayer", "logits", "softmax"],
    "features": ["attlayer"],
    "probabilities": ["softmax"],
}


@pytest.fixture(scope="module")
def small():
    return Case("keras205_small", "weights.hdf5")


@pytest.fixture(scope="module")
def padmax():
    """Where padding has the largest attention logit, so that even the probabilities show padded outputs."""
    return Case("keras205_padmax", "weights.hdf5")


@pytest.fixture(scope="module")
def zeros_right():
    """Where outputs at masked steps must be 0."""
    return Case("tfkeras_small", "full_model.h5")


def builtin(model, vocabulary):
    """A model with the builtin texts and rows: 102, of which those with zeros before or between words come late."""
    case = object.__new__(Case)
    case.model = model
    texts = vocabulary(BUILTIN.texts).astype(np.int64)
    tokens = np.concatenate([texts, BUILTIN.rows(30, model.vocabulary_size)])
    case.golden = golden_of(model, case.run(reference(), tokens))
    return case


@pytest.fixture(scope="module")
def bundled():
    model = npmoji.load(engine="numpy")
    return builtin(model, model.tokenizer)


# Masks made from lengths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", SPOKEN)
@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("keep", FROM)
@pytest.mark.parametrize("where", [{}, {"attention": False}, {"lstms": False}], ids=["both", "LSTMs", "attention"])
def test_a_mask_by_length(small, length, least, keep, where):
    result = small.diagnosis(by_length(length, least, **where), keep=FROM[keep])
    assert named(result) == [{"mask by length"}]
    sentence = result.diagnosis[0].sentence
    # Attention by ids gives a row of padding no weight, whatever comes out of the LSTMs.
    hidden = keep in ("features", "probabilities") and "attention" in where and length != "zero"
    assert SPOKEN[length] in sentence and ("at least 1" in sentence) == bool(least and not hidden)
    if keep in ("features", "probabilities"):
        whose = {"attention": "the LSTMs'", "lstms": "the attention's"}
        assert sentence.startswith(whose[next(iter(where))] if where else "the mask is made from a length")


@pytest.mark.parametrize("length", SPOKEN)
@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("keep", FROM)
def test_a_mask_by_length_with_zeros_beyond_it(small, zeros_right, length, least, keep):
    """As ONNX's and PyTorch's LSTMs do it; where that is right, with held outputs."""
    for case, plant, other in (
        (small, zeros, "masked outputs zero"),
        (zeros_right, held, "masked outputs held"),
    ):
        result = case.diagnosis(together(by_length(length, least), plant), keep=FROM[keep])
        unseen = keep in ("features", "probabilities")
        assert named(result) == [{"mask by length"} if unseen else {"mask by length", other}]
        assert SPOKEN[length] in result.diagnosis[0].sentence


@pytest.mark.parametrize("keep", [None, ["bi_lstm_1"], ["softmax"]])
@pytest.mark.parametrize("length", SPOKEN)
def test_rows_of_every_kind_are_looked_at(bundled, length, keep):
    """Of the rows that differ, more than a diagnosis uses have their padding at the end, and come first."""
    result = bundled.diagnosis(together(by_length(length), zeros), keep=keep)
    assert named(result) == [{"mask by length", "masked outputs zero"} if keep != ["softmax"] else {"mask by length"}]
    assert SPOKEN[length] in result.diagnosis[0].sentence


def test_lengths_are_not_blamed_where_all_padding_is_at_the_end(small):
    case = object.__new__(Case)
    case.model = small.model
    tokens = small.golden.tensors["tokens"]
    kinds = masks.kinds(tokens)
    tokens = tokens[(kinds & masks.MISPLACED == 0) & (kinds != masks.EMPTY)]
    case.golden = golden_of(case.model, case.run(reference(), tokens))
    assert case.diagnosis(by_length("count")).passed
    assert named(case.diagnosis(together(by_length("count"), zeros))) == [{"masked outputs zero"}]
    assert named(case.diagnosis(together(by_length("last"), zeros, sigmoid))) == [
        {"standard sigmoid", "masked outputs zero"}
    ]


# Two faults ----------------------------------------------------------------------------------------------------------

BEHIND = [
    "standard sigmoid", "Keras 3's hard sigmoid", "gate order i o f c", "gate order i c f o", "gates interleaved",
    "halves exchanged", "backward run forward", "directions exchanged", "one direction's weights for both",
    "LSTM bias twice", "LSTM bias missing", "forget bias added", "recurrent kernel transposed", "matrix misread",
]  # fmt: skip


@pytest.mark.parametrize("keep", ["all", "logits"])
@pytest.mark.parametrize("name", BEHIND)
def test_a_fault_with_zeros_at_masked_steps(small, name, keep):
    result = small.diagnosis(together(FAULTS[name][1], wrapped_zeros), keep=FROM[keep])
    assert named(result) == [{name, "masked outputs zero"}]
    finding = result.diagnosis[0]
    assert finding.sentence.startswith("two faults: (1) ") and "outputs at masked steps are 0" in finding.sentence
    assert "with these faults planted " in result.text()


def wrapped_zeros(ops):
    """Zeros after whatever else is wrong, as `lstm_with` would undo some of it."""
    right = ops.bidirectional
    ops.bidirectional = lambda x, mask, *w, **k: np.where(mask[..., None], right(x, mask, *w, **k), np.float32(0))


@pytest.mark.parametrize("keep", FROM)
def test_the_standard_sigmoid_with_zeros_at_masked_steps(small, padmax, keep):
    plant = together(sigmoid, zeros)
    assert named(padmax.diagnosis(plant, keep=FROM[keep])) == [{"standard sigmoid", "masked outputs zero"}]
    hidden = keep in ("features", "probabilities")  # zeros change nothing that these show
    expected = {"standard sigmoid"} if hidden else {"standard sigmoid", "masked outputs zero"}
    assert named(small.diagnosis(plant, keep=FROM[keep])) == [expected]


@pytest.mark.parametrize("keep", FROM)
@pytest.mark.parametrize("length", SPOKEN)
def test_three_faults_of_a_built_in_lstm(small, length, keep):
    result = small.diagnosis(together(sigmoid, by_length(length, 1), zeros), keep=FROM[keep])
    hidden = set() if keep in ("features", "probabilities") else {"masked outputs zero"}
    assert named(result) == [{"standard sigmoid", "mask by length"} | hidden]
    assert SPOKEN[length] in result.diagnosis[0].sentence


@pytest.mark.parametrize("keep", FROM)
def test_outputs_set_to_zero_after_an_lstm_without_mask(small, padmax, zeros_right, keep):
    for case in (small, padmax, zeros_right):
        result = case.diagnosis(no_masking_then_zeros, keep=FROM[keep])
        assert named(result) == [{"no masking"}]
        assert "outputs at masked steps are set to 0 afterwards" in result.diagnosis[0].sentence


def test_held_outputs_where_zeros_are_right(zeros_right):
    assert named(zeros_right.diagnosis(together(sigmoid, held))) == [{"standard sigmoid", "masked outputs held"}]
    exchanged = together(held, FAULTS["halves exchanged"][1])
    assert named(zeros_right.diagnosis(exchanged)) == [{"halves exchanged", "masked outputs held"}]


def test_zeros_in_the_padding_row_and_another_fault(small):
    plant = together(FAULTS["missing tanh"][1], FAULTS["padding row zero"][1])
    assert named(small.diagnosis(plant)) == [{"missing tanh", "padding row zero"}]


def test_without_the_weights(small):
    plant = together(FAULTS["halves exchanged"][1], wrapped_zeros)
    assert named(small.diagnosis(plant, weights=False)) == [{"halves exchanged", "masked outputs zero"}]


def test_whatever_stands_at_padded_steps(small):
    """The valid steps are judged alone."""

    def anything(ops):
        def change(x, mask, *args, **options):
            out = lstm(x, mask, *args, **options)
            out[~mask] = np.sin(np.arange(out[~mask].size)).reshape(out[~mask].shape)
            return out

        ops.lstm = lambda x, mask, weights, gate, hold, backwards: change(x, mask, weights, gate, hold, backwards)

    result = small.diagnosis(together(sigmoid, anything))
    assert named(result) == [{"standard sigmoid"}]
    assert "that explains the valid steps; padded ones differ in another way" in result.text()
    assert small.diagnosis(anything).diagnosis == []
    assert "explains it; only padded steps differ\n" in small.diagnosis(anything).text()


# What must not be named ----------------------------------------------------------------------------------------------


def test_other_pairs_are_not_taken_for_these(small):
    for plant in (together(gates("iofc"), sigmoid, zeros), together(gates("iofc"), sigmoid, by_length("last"))):
        assert small.diagnosis(plant).diagnosis == []


@pytest.mark.parametrize("size", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("where", ["words", "padding", "misplaced"])
def test_noise_in_some_places_is_no_fault(small, where, size):
    tokens = small.golden.tensors["tokens"]
    rows = masks.kinds(tokens) & masks.MISPLACED != 0
    places = {"words": tokens != 0, "padding": tokens == 0, "misplaced": np.broadcast_to(rows[:, None], tokens.shape)}
    for name in ("bi_lstm_0", "bi_lstm_1"):
        tensor = small.golden.tensors[name].copy()
        noise = np.random.default_rng(5).normal(0, size, tensor.shape).astype(np.float32)
        tensor[places[where]] += noise[places[where]]
        result = compare(small.golden, Golden(None, {name: tensor}, "candidate"), lambda: small.model)
        assert result.diagnosis == []
        said = {"words": "only valid steps differ", "padding": "only padded steps differ"}
        assert said.get(where, "only texts with zeros before or between words differ") in result.text()


def test_a_correct_port_passes(small, padmax, zeros_right):
    """Keras against the reference: nothing but rounding."""
    for case in (small, padmax, zeros_right):
        assert case.diagnosis(lambda ops: None).passed


# Real libraries, and a network of the original's size ----------------------------------------------------------------


def packed(torch, model, activations, lengths):
    """Both layers as PyTorch's LSTM gives them for packed sequences of these lengths."""
    x, outputs = torch.from_numpy(activations), []
    for name in ("bi_lstm_0", "bi_lstm_1"):
        arrays = [torch.from_numpy(np.array(array, np.float32)) for array in model[name].weights().values()]
        layer = torch.nn.LSTM(x.shape[-1], len(arrays[1]), bidirectional=True, batch_first=True)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
        state = {
            part + way: array.T if array.ndim == 2 else array
            for way, three in (("", arrays[:3]), ("_reverse", arrays[3:]))
            for part, array in zip(names, three)
        }
        state |= {f"bias_hh_l0{way}": torch.zeros(len(arrays[2])) for way in ("", "_reverse")}
        layer.load_state_dict(state)
        rnn = torch.nn.utils.rnn
        with torch.no_grad():
            sequences = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            x = rnn.pad_packed_sequence(layer(sequences)[0], batch_first=True, total_length=x.shape[1])[0]
        outputs.append(x.numpy())
    return dict(zip(("bi_lstm_0", "bi_lstm_1"), outputs))


@pytest.mark.parametrize("length", ["count", "last"])
def test_pytorchs_own_lstm(bundled, length):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")
    tokens = bundled.golden.tensors["tokens"]
    lengths = [max(1, n) for n in lengths_of(tokens != 0, length)]
    tensors = packed(torch, bundled.model, bundled.golden.tensors["activation"], lengths)
    result = compare(bundled.golden, Golden(None, tensors, "candidate"), lambda: bundled.model)
    assert named(result) == [{"standard sigmoid", "mask by length", "masked outputs zero"}]
    assert SPOKEN[length] in result.diagnosis[0].sentence and "at least 1" in result.diagnosis[0].sentence


@needs_shared
@pytest.mark.slow
def test_a_network_of_the_originals_size(full_size_weights, bundled):
    case = builtin(npmoji.load(full_size_weights, engine="numpy"), bundled.model.tokenizer)
    for keep in (None, ["softmax"]):
        hidden = {"masked outputs zero"} if keep is None else set()
        lengths = case.diagnosis(together(by_length("count"), zeros), keep=keep)
        assert named(lengths) == [{"mask by length"} | hidden]
        built_in = case.diagnosis(together(sigmoid, by_length("last", 1), zeros), keep=keep)
        assert named(built_in) == [{"standard sigmoid", "mask by length"} | hidden]
        padded = case.diagnosis(together(sigmoid, zeros), keep=keep)
        assert named(padded) == [{"standard sigmoid"} | hidden]


# Parts ---------------------------------------------------------------------------------------------------------------


def test_kinds_of_padding():
    rows = {
        "1 2 3": 0, "1 2 0": masks.TRAILING, "0 1 2": masks.LEADING, "1 0 2": masks.INNER, "0 1 0": 5, "0 0 0": 8,
    }  # fmt: skip
    tokens = np.array([row.split() for row in rows]).astype(np.uint16)
    assert masks.kinds(tokens).tolist() == list(rows.values())
    assert masks.kinds(np.array([[0, 1, 0, 1, 0], [1, 0, 0, 1, 1]])).tolist() == [7, masks.INNER]
    assert masks.kinds(np.array([[0], [4]])).tolist() == [masks.EMPTY, 0]


def test_rows_are_taken_of_each_kind_in_turn():
    kinds = np.array([4] * 60 + [1] * 2 + [8] + [4] * 5)
    rows = np.arange(100, 168)
    assert sorted(masks.spread(rows, kinds, 6)) == [100, 101, 102, 160, 161, 162]
    assert sorted(masks.spread(rows, kinds, 100)) == rows.tolist()
    assert len(masks.spread(rows[:0], kinds[:0], 5)) == 0


@pytest.mark.parametrize("length", SPOKEN)
@pytest.mark.parametrize("least", [0, 1])
def test_masks_by_length(length, least):
    tokens = BUILTIN.rows(9, 50)
    found = masks.by_length(tokens != 0, length, least)
    expected = [max(n, least) for n in lengths_of(tokens != 0, length)]
    assert found.sum(axis=1).tolist() == expected
    assert not (~found[:, :-1] & found[:, 1:]).any()
