"""The GRU on both engines: genuine goldens, the defining order of operations, and bits that depend on nothing but the
row. At the end the states of the LSTM, which go the same way."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from conftest import DATA, SHARED
from test_kernels import GATES, chain, in_another_process

from npmoji import kernels as nk
from npmoji.backends.numba_ops import NumbaOps
from npmoji.backends.ops import REFERENCE, Ops
from npmoji.formats import keras_hdf5
from npmoji.kernels.gru import arrange_gates, gru, pack_gru
from npmoji.kernels.target import LANES

NUMBA = NumbaOps(2)
ENGINES = {"numpy": REFERENCE, "numba": NUMBA}
FUNCTIONS = {"sigmoid": nk.sigmoid, "hard_sigmoid": nk.hard_sigmoid, "hard_sigmoid_keras3": nk.hard_sigmoid_keras3}


def random_gru(rng, inputs, units, biases=2):
    """kernel, recurrent_kernel, and a bias of two rows or one or None."""
    kernel = rng.standard_normal((inputs, 3 * units)) / np.sqrt(inputs)
    recurrent = rng.standard_normal((units, 3 * units)) / np.sqrt(units)
    bias = 0.3 * rng.standard_normal((2, 3 * units)[2 - biases :]) if biases else None
    return np.float32(kernel), np.float32(recurrent), None if bias is None else np.float32(bias)


def random_texts(rng, n, steps, inputs):
    """x (N, T, F) and a mask that is ragged, has holes, and in every tenth row no valid step at all."""
    mask = (np.arange(steps) < rng.integers(1, steps + 1, (n, 1))) & (rng.random((n, steps)) > 0.2)
    mask[0] = True
    mask[9::10] = False
    return np.float32(rng.standard_normal((n, steps, inputs))), mask


def defined(x, mask, kernel, recurrent, bias, gate, reset_after, hold_masked, go_backwards, initial_state):
    """Outputs and state in float64, text by text, from the formula."""
    units = len(recurrent)
    b_in, b_rec = np.zeros((2, 3 * units)) if bias is None else np.vstack([bias, np.zeros_like(bias)])[:2]
    outputs = np.zeros((*mask.shape, units))
    state = np.zeros((len(mask), units)) if initial_state is None else initial_state.astype(np.float64)
    for n in range(len(mask)):
        h, output = state[n], 0
        for t in range(mask.shape[1])[:: -1 if go_backwards else 1]:
            if mask[n, t]:
                a, b = x[n, t] @ kernel.astype(np.float64) + b_in, h @ recurrent.astype(np.float64) + b_rec
                z, r = np.split(GATES[gate](a + b)[: 2 * units], 2)
                after = r * b[2 * units :]
                before = (r * h) @ recurrent[:, 2 * units :].astype(np.float64) + b_rec[2 * units :]
                h = output = z * h + (1 - z) * np.tanh(a[2 * units :] + (after if reset_after else before))
            outputs[n, t] = output if hold_masked or mask[n, t] else 0
        state[n] = h
    return outputs, state


# -- goldens ----------------------------------------------------------------------------------------------------------

PLACES = [DATA / "models", *([SHARED / "goldens" / "models"] if SHARED else [])]
CASES = {path.name: path for place in reversed(PLACES) for path in sorted(place.glob("seed003_*"))}


def golden_layers(folder):
    """The file's GRU: (weights of both directions, options, x, mask, the framework's sequence or None, its states)."""
    contents, golden = keras_hdf5.read(folder / "model.h5"), dict(np.load(folder / "golden.npz"))
    layers = {layer["config"]["name"]: layer for layer in contents.config["config"]["layers"]}
    before, name = sorted(layer for layer in layers if layers[layer]["class_name"] == "Bidirectional")
    config = layers[name]["config"]["layer"]["config"]
    assert layers[name]["config"]["layer"]["class_name"] == "GRU" and config["activation"] == "tanh"
    gate = config["recurrent_activation"]
    keras3 = gate == "hard_sigmoid" and contents.version >= (3, 0)
    options = {
        "gate": "hard_sigmoid_keras3" if keras3 else gate,
        "reset_after": bool(config.get("reset_after", False)),
        "hold_masked": contents.holds_masked_outputs,
    }
    masked = any(layer["config"].get("mask_zero") for layer in layers.values())
    mask = golden["tokens"] != 0 if masked else np.ones(golden["tokens"].shape, bool)
    results = [golden[key] for key in sorted(golden) if key.split("/")[0] == name]
    sequence = results[0] if results[0].ndim == 3 else None
    states = np.concatenate(results[1:], axis=-1) if sequence is not None and results[1:] else None
    if sequence is None:
        states = results[0]
    arrays = list(contents.layers[name].values())
    return (arrays[:3], arrays[3:]), options, golden[before], mask, sequence, states


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_goldens(case, engine):
    ops, (both, options, x, mask, sequence, states) = ENGINES[engine], golden_layers(CASES[case])
    results = [
        ops.gru(x, mask, ops.pack_gru(*weights), go_backwards=backwards, **options)
        for weights, backwards in zip(both, (False, True))
    ]
    outputs, last = (np.concatenate(parts, axis=-1) for parts in zip(*results))
    assert sequence is not None or states is not None
    if sequence is not None:
        np.testing.assert_allclose(outputs, sequence, atol=5e-6, rtol=0)
    if states is not None:
        np.testing.assert_allclose(last, states, atol=5e-6, rtol=0)


def test_goldens_cover_both_flavours():
    flavours = {golden_layers(folder)[1]["reset_after"] for folder in CASES.values()}
    assert flavours == {False, True}


# -- the formula ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("units", [1, LANES, 37, 64, 130])
def test_odd_sizes(engine, units):
    rng, ops = np.random.default_rng(units), ENGINES[engine]
    ways = list(itertools.product(GATES, (False, True), (False, True), (False, True), (False, True)))
    sizes = [(1, 1), (1, 6), (2, 1), (7, 5), (12, 4), (97, 3), (300, 2)]
    for turn, (gate, reset_after, hold_masked, go_backwards, given) in enumerate(ways):
        weights = random_gru(rng, 5, units, biases=turn % 3)
        n, steps = sizes[turn % len(sizes)]
        x, mask = random_texts(rng, n, steps, 5)
        initial = np.float32(rng.uniform(-1, 1, (n, units))) if given else None
        options = {"gate": gate, "reset_after": reset_after, "hold_masked": hold_masked}
        options |= {"go_backwards": go_backwards, "initial_state": initial}
        results = ops.gru(x, mask, ops.pack_gru(*weights), activation="tanh", **options)
        expected = defined(x, mask, *weights, **options)
        for value, want in zip(results, expected):
            assert value.dtype == np.float32
            np.testing.assert_allclose(value, want, atol=2e-6, rtol=0)


@pytest.mark.parametrize("gate", FUNCTIONS)
@pytest.mark.parametrize("reset_after", [False, True])
def test_every_bit_follows_from_the_defining_order(gate, reset_after):
    """The order of operations in NumPy: chains of fused multiply-adds from bias or projection on, then elementwise
    ones."""
    rng = np.random.default_rng(6)
    inputs, units, n = 4, 2 * LANES + 5, 3
    kernel, recurrent, bias = random_gru(rng, inputs, units, 2 if reset_after else 1)
    x, h = np.float32(rng.standard_normal((n, inputs))), np.float32(rng.uniform(-1, 1, (n, units)))
    first, second = bias if reset_after else (bias, np.zeros_like(bias))
    split = 2 * units
    projected = [
        chain(x[r : r + 1], kernel, first + np.where(np.arange(3 * units) < split, second, 0)) for r in range(n)
    ]
    for r in range(n):
        state, (start,) = h[r : r + 1], projected[r]
        z, reset = np.split(FUNCTIONS[gate](chain(state, recurrent[:, :split], start[:split])), 2, axis=1)
        if reset_after:
            product = chain(state, recurrent[:, split:], second[split:])
            candidate = (reset.astype(np.float64) * product + start[split:]).astype(np.float32)
        else:
            candidate = chain(reset * state, recurrent[:, split:], start[split:])
        new = (1 - z) * nk.tanh(candidate)
        expected = (z.astype(np.float64) * state + new).astype(np.float32)
        outputs, last = NUMBA.gru(
            x[r, None, None], np.ones((1, 1), bool), NUMBA.pack_gru(kernel, recurrent, bias), gate=gate,
            reset_after=reset_after, initial_state=state,
        )  # fmt: skip
        np.testing.assert_array_equal(outputs[:, 0], expected)
        np.testing.assert_array_equal(last, expected)


def test_a_second_bias_counts_without_reset_after_too():
    rng = np.random.default_rng(9)
    kernel, recurrent, bias = random_gru(rng, 3, 7)
    x, mask = random_texts(rng, 5, 4, 3)
    for ops in ENGINES.values():
        two = ops.gru(x, mask, ops.pack_gru(kernel, recurrent, bias), reset_after=False)
        one = ops.gru(x, mask, ops.pack_gru(kernel, recurrent, bias.sum(axis=0)), reset_after=False)
        np.testing.assert_allclose(two[0], one[0], atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "linear", "sigmoid", "softmax", "hard_sigmoid"])
def test_other_functions(activation):
    rng = np.random.default_rng(8)
    weights = random_gru(rng, 5, 19)
    x, mask = random_texts(rng, 12, 6, 5)
    initial = np.float32(rng.uniform(-1, 1, (12, 19)))
    for reset_after, backwards in ((False, True), (True, False)):
        options = {"activation": activation, "reset_after": reset_after, "go_backwards": backwards}
        options["initial_state"] = initial
        outputs, state = NUMBA.gru(x, mask, NUMBA.pack_gru(*weights), **options)
        wanted = REFERENCE.gru(x, mask, REFERENCE.pack_gru(*weights), **options)
        np.testing.assert_allclose(outputs, wanted[0], atol=5e-6)
        np.testing.assert_allclose(state, wanted[1], atol=5e-6)
        options["initial_state"] = initial[7:8]
        alone = NUMBA.gru(x[7:8], mask[7:8], NUMBA.pack_gru(*weights), **options)
        np.testing.assert_array_equal(alone[0], outputs[7:8])
        np.testing.assert_array_equal(alone[1], state[7:8])


@pytest.mark.parametrize("engine", ENGINES)
def test_masked_steps_before_the_first_valid_one_are_0_whatever_the_state(engine):
    ops, rng = ENGINES[engine], np.random.default_rng(1)
    weights, initial = ops.pack_gru(*random_gru(rng, 2, 3)), np.full((2, 3), 0.5, np.float32)
    mask = np.array([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
    x = np.float32(rng.standard_normal((2, 5, 2)))
    outputs, state = ops.gru(x, mask, weights, hold_masked=True, initial_state=initial)
    assert not outputs[0, 0].any() and not outputs[1].any()
    np.testing.assert_array_equal(outputs[0, 2], outputs[0, 1])
    np.testing.assert_array_equal(outputs[0, 4], state[0])
    np.testing.assert_array_equal(state[1], initial[1])
    assert (initial == 0.5).all()  # the caller's own array is left alone


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_in_nothing_out(engine):
    ops = ENGINES[engine]
    weights = ops.pack_gru(*random_gru(np.random.default_rng(1), 2, 3))
    for n, steps in ((0, 4), (3, 0)):
        outputs, state = ops.gru(np.zeros((n, steps, 2), np.float32), np.ones((n, steps), bool), weights)
        assert outputs.shape == (n, steps, 3) and state.shape == (n, 3) and not state.any()


# -- bits -------------------------------------------------------------------------------------------------------------

FLAVOURS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.mark.parametrize(("reset_after", "backwards"), FLAVOURS)
@pytest.mark.parametrize("given", [False, True])
def test_bits_do_not_depend_on_neighbours_order_or_threads(reset_after, backwards, given):
    rng = np.random.default_rng(5)
    x, mask = random_texts(rng, 150, 9, 6)
    initial = np.float32(rng.uniform(-1, 1, (150, 43)))
    weights = NUMBA.pack_gru(*random_gru(rng, 6, 43))

    def run(rows, ops=NUMBA):
        state = initial[rows] if given else None
        options = {"reset_after": reset_after, "go_backwards": backwards, "initial_state": state}
        return np.hstack([part.reshape(len(rows), -1) for part in ops.gru(x[rows], mask[rows], weights, **options)])

    everything = np.arange(150)
    whole, order = run(everything), rng.permutation(150)
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(run(everything, NumbaOps(threads)), whole)
    for rows in (order, order[:80], order[:7], order[:5], [3], [149], np.repeat(4, 100), np.arange(30, 70)):
        np.testing.assert_array_equal(run(np.asarray(rows)), whole[rows])


@pytest.mark.parametrize(("reset_after", "backwards"), FLAVOURS)
def test_masked_steps_equal_dropped_steps(reset_after, backwards):
    rng = np.random.default_rng(2)
    weights = NUMBA.pack_gru(*random_gru(rng, 4, 21))
    x, options = np.float32(rng.standard_normal((1, 9, 4))), {"reset_after": reset_after, "go_backwards": backwards}
    mask = np.array([[1, 0, 1, 1, 0, 0, 1, 1, 1]], bool)
    full = NUMBA.gru(x, mask, weights, **options)
    dropped = NUMBA.gru(x[:, mask[0]], np.ones((1, 6), bool), weights, **options)
    np.testing.assert_array_equal(full[0][:, mask[0]], dropped[0])
    np.testing.assert_array_equal(full[1], dropped[1])


@pytest.mark.parametrize(("reset_after", "backwards"), FLAVOURS)
def test_going_on_from_a_state_equals_going_through(reset_after, backwards):
    rng = np.random.default_rng(3)
    weights = NUMBA.pack_gru(*random_gru(rng, 4, 21))
    x, mask = random_texts(rng, 40, 8, 4)
    options = {"reset_after": reset_after, "go_backwards": backwards, "hold_masked": False}
    outputs, state = NUMBA.gru(x, mask, weights, **options)
    halves = [slice(0, 3), slice(3, 8)][:: -1 if backwards else 1]
    so_far = None
    for half in halves:
        part, so_far = NUMBA.gru(x[:, half], mask[:, half], weights, initial_state=so_far, **options)
        np.testing.assert_array_equal(part, outputs[:, half])
    np.testing.assert_array_equal(so_far, state)


def test_rows_looked_up_and_rows_in_full_agree():
    rng = np.random.default_rng(4)
    ids, table = rng.integers(0, 9, (30, 6)), np.float32(rng.standard_normal((9, 4)))
    weights, mask = NUMBA.pack_gru(*random_gru(rng, 4, 11)), ids != 0
    looked_up = NUMBA.gru(NUMBA.embedding(ids, table), mask, weights)
    for value, other in zip(looked_up, NUMBA.gru(table[ids], mask, weights)):
        np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_other_precisions_leave_the_gru_in_float32(precision):
    rng = np.random.default_rng(4)
    weights, (x, mask) = random_gru(rng, 4, 11), random_texts(rng, 20, 5, 4)
    for ops, other in ((NUMBA, NumbaOps(2, precision)), (REFERENCE, Ops(precision))):
        expected = ops.gru(x, mask, ops.pack_gru(*weights))
        for value, want in zip(other.gru(x, mask, other.pack_gru(*weights)), expected):
            np.testing.assert_array_equal(value, want)


def digest() -> str:
    """One hash over the GRU's and the LSTM's states, for comparing targets."""
    rng, sha = np.random.default_rng(0), hashlib.sha256()
    for gate, reset_after, n in itertools.product(GATES, (False, True), (1, 7, 40)):
        weights, (x, mask) = NUMBA.pack_gru(*random_gru(rng, 5, 37)), random_texts(rng, n, 6, 5)
        initial = np.float32(rng.uniform(-1, 1, (n, 37)))
        for start, backwards in ((None, False), (initial, True)):
            options = {"reset_after": reset_after, "go_backwards": backwards, "initial_state": start}
            for part in NUMBA.gru(x, mask, weights, gate=gate, **options):
                sha.update(part.tobytes())
    options = {"activation": "sigmoid", "reset_after": False}
    sha.update(NUMBA.gru(x, mask, weights, **options)[1].tobytes())
    lstm = NUMBA.pack_lstm(*random_lstm(rng, 5, 37))
    for part in NUMBA.lstm(x, mask, lstm, initial_state=(initial, initial), return_state=True):
        sha.update(part.tobytes())
    return sha.hexdigest()


@pytest.mark.parametrize(
    "target",
    [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_FEATURES": "-avx"}, {"NUMBA_CPU_FEATURES": "-avx512f,-avx2,-fma"}],
    ids=lambda target: " ".join(target.values()),
)
def test_bits_do_not_depend_on_the_target(target, tmp_path):
    code = "import test_kernels_gru as t; print(t.LANES, t.digest())"
    lanes, there = in_another_process(code, NUMBA_CACHE_DIR=str(tmp_path), **target).split()
    assert int(lanes) <= LANES
    assert there == digest()


# -- what the kernel refuses -------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused():
    panels = pack_gru(np.zeros((5, 15), np.float32))
    projected = np.zeros((2, arrange_gates(np.zeros(15)).shape[0]), np.float32)
    good, out = np.arange(2), np.zeros((2, 5), np.float32)
    bias = nk.pack_bias(np.zeros(5))

    def run(projected=projected, index=good, panels=panels, out=out, places=good, bias=bias, **options):
        sizes = np.array([1, 1])
        gru(projected, index, panels, sizes, out, places, bias=bias, reset_after=True, **options)

    run()
    wrong = [
        {"index": good + 1}, {"index": good - 1}, {"index": good[:1]}, {"places": good + 1}, {"places": good - 1},
        {"projected": projected[:, 1:]}, {"panels": panels[1:]}, {"bias": bias[1:]}, {"out": out.astype("f8")},
        {"initial": np.zeros((2, 5), np.float32)}, {"initial": np.zeros((1, 5))}, {"first": 1, "last": 0}, {"last": 2},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(ValueError):
            run(**change)


# -- LSTM states -------------------------------------------------------------------------------------------------------


def random_lstm(rng, inputs, units):
    """kernel, recurrent_kernel, bias."""
    shapes = (inputs, 4 * units), (units, 4 * units), (4 * units,)
    return tuple(np.float32(rng.standard_normal(shape) / np.sqrt(shape[0])) for shape in shapes)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_lstm_states(precision, backwards, given):
    rng = np.random.default_rng(7)
    arrays, (x, mask) = random_lstm(rng, 5, 37), random_texts(rng, 130, 7, 5)
    initial = tuple(np.float32(rng.uniform(-1, 1, (2, 130, 37)))) if given else None
    numba, numpy = NumbaOps(2, precision), Ops(precision)
    options = {"go_backwards": backwards, "initial_state": initial}
    results = numba.lstm(x, mask, numba.pack_lstm(*arrays), return_state=True, **options)
    expected = numpy.lstm(x, mask, numpy.pack_lstm(*arrays), return_state=True, **options)
    tolerance = 3e-2 if precision == "int8" else 3e-6  # a state on the edge of two whole numbers may go either way
    for value, want in zip(results, expected):
        np.testing.assert_allclose(value, want, atol=tolerance, rtol=0)
    plain = numba.lstm(x, mask, numba.pack_lstm(*arrays), **options)
    np.testing.assert_array_equal(plain, results[0])
    empty = ~mask.any(axis=1)
    for value, start in zip(results[1:], initial or (np.zeros((130, 37)),) * 2):
        np.testing.assert_array_equal(value[empty], start[empty])
    for rows in ([5], [129, 0, 17], np.arange(40, 80)):
        some = None if initial is None else tuple(part[rows] for part in initial)
        alone = numba.lstm(
            x[rows], mask[rows], numba.pack_lstm(*arrays), go_backwards=backwards, initial_state=some, return_state=True
        )
        for value, whole in zip(alone, results):
            np.testing.assert_array_equal(value, whole[rows])


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("backwards", [False, True])
def test_lstm_going_on_from_its_states_equals_going_through(precision, backwards):
    rng, ops = np.random.default_rng(3), NumbaOps(2, precision)
    weights, (x, mask) = ops.pack_lstm(*random_lstm(rng, 4, 21)), random_texts(rng, 40, 8, 4)
    options = {"go_backwards": backwards, "hold_masked": False, "return_state": True}
    outputs, *states = ops.lstm(x, mask, weights, **options)
    so_far = None
    for half in [slice(0, 3), slice(3, 8)][:: -1 if backwards else 1]:
        part, *so_far = ops.lstm(x[:, half], mask[:, half], weights, initial_state=so_far, **options)
        np.testing.assert_array_equal(part, outputs[:, half])
    for value, want in zip(so_far, states):
        np.testing.assert_array_equal(value, want)
