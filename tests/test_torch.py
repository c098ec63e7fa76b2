"""The PyTorch engine against the goldens and the reference; CUDA's part as far as it goes without a GPU, and with
one."""

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import LAYERS, ROOT, model_cases

import npmoji
from npmoji.backends import activations, backend
from npmoji.layers import Pass

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")

from npmoji.backends.torch import recurrence, settings
from npmoji.backends.torch.ops import TorchOps, Value

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch can use")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]
TOLERANCE = {"cpu": 5e-6, "cuda": 2e-5}
TEXTS = ["I love mom's cooking", "", "this is the worst day ever !", "lol", "so tired . bed", "i " * 40]


def ragged(rows=120, steps=12, seed=0, vocabulary=200):
    """Ids with padding, zeros inside, and rows of nothing but padding."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, vocabulary, (rows, steps)) * (np.arange(steps) < rng.integers(0, steps + 1, (rows, 1)))
    ids[rng.random(ids.shape) < 0.15] = 0
    ids[3:4] = 0
    return ids


def output(model, layer, tokens, ops):
    """A layer's output on a backend."""
    return np.asarray(model[layer].pull(np.asarray(tokens), Pass(ops))[0])


def assert_close(ours, wanted, tolerance, what=""):
    ours = np.asarray(ours)
    assert ours.shape == wanted.shape and ours.dtype == np.float32, what
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance, err_msg=what)


# Goldens and reference -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weights, golden", model_cases(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_layer_of_every_golden(weights, golden, device):
    model, golden, ops = npmoji.load(weights, engine="torch", device=device), dict(np.load(golden)), TorchOps(device)
    tokens = golden["tokens"]
    assert_close(model.predict(tokens), golden["probs"], TOLERANCE[device])
    assert_close(model.encode(tokens), golden["features"], TOLERANCE[device])
    assert_close(model.attention(tokens), golden["attention"], TOLERANCE[device])
    for name in golden.keys() & LAYERS.keys():
        rows = len(golden[name])  # some goldens keep the first rows only
        assert_close(output(model, LAYERS[name], tokens[:rows], ops), golden[name], TOLERANCE[device], name)
        assert_close(model[LAYERS[name]](tokens[:rows]), golden[name], TOLERANCE[device], name)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weights, golden", model_cases(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_ragged_batches_as_the_reference_has_them(weights, golden, device):
    model, ops, reference = npmoji.load(weights), TorchOps(device), backend("numpy")
    V = model.vocabulary_size
    batches = [
        ragged(vocabulary=V),
        ragged(1, 30, 1, V),
        ragged(5, 1, 2, V),
        np.zeros((2, 4), int),
        np.zeros((0, 4), int),
    ]
    for tokens in batches:
        for layer in LAYERS.values():
            wanted = output(model, layer, tokens, reference)  # either may be off, to different sides
            assert_close(output(model, layer, tokens, ops), wanted, 2 * TOLERANCE[device], layer)


@pytest.mark.parametrize("device", DEVICES)
def test_what_a_model_gives(small, toy_vocabulary, device):
    ours, reference = (
        npmoji.load(small[0], vocabulary=toy_vocabulary, engine=engine, device=where)
        for engine, where in (("torch", device), ("numpy", "cpu"))
    )
    for x in (TEXTS, ragged(700), ragged(4, 1), [], np.zeros((0, 9), int), np.zeros((3, 2), np.uint16)):
        for method in ("predict", "encode", "attention"):
            assert_close(getattr(ours, method)(x), getattr(reference, method)(x), TOLERANCE[device], method)
    assert [[p.id for p in row] for row in ours.top(TEXTS)] == [[p.id for p in row] for row in reference.top(TEXTS)]
    assert ours.top([]) == []
    with pytest.raises(npmoji.InputError, match="row 1, step 0: token id 400"):
        ours.predict([[1], [400]])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("gate", ["hard_sigmoid", "hard_sigmoid_keras3", "sigmoid"])
@pytest.mark.parametrize("hold_masked", [True, False])
@pytest.mark.parametrize("valid", [0.0, 0.5, 1.0])
def test_one_lstm(gate, hold_masked, valid, device):
    """Alone and in pairs, either way, on an array; masks with holes at both ends."""
    rng = np.random.default_rng(int(10 * valid))
    F, H, N, T = 6, 5, 17, 9
    arrays = [[np.float32(rng.standard_normal(shape)) for shape in ((F, 4 * H), (H, 4 * H), 4 * H)] for _ in range(2)]
    x, mask = np.float32(rng.standard_normal((N, T, F))), rng.random((N, T)) < valid
    options = {"gate": gate, "hold_masked": hold_masked}
    results = []
    for ops in (TorchOps(device), backend("numpy")):
        packed = [ops.pack_lstm(*a) for a in arrays]
        outputs = [ops.lstm(x, mask, packed[0], go_backwards=back, **options) for back in (False, True)]
        results.append([*outputs, ops.bidirectional(x, mask, *packed, **options)])
    for ours, wanted in zip(*results):
        assert_close(ours, wanted, TOLERANCE[device])


@pytest.mark.parametrize("device", DEVICES)
def test_every_activation(device):
    ops, reference = TorchOps(device), backend("numpy")
    x = np.linspace(-9, 9, 60, dtype=np.float32).reshape(3, 4, 5)
    once = Value(torch.tensor(x[0], device=device), np.array([[0, 3], [1, 1]]))
    for name in activations.ACTIVATIONS:
        assert_close(ops.activate(name, x), reference.activate(name, x), 1e-6, name)
        assert_close(ops.activate(name, once), reference.activate(name, np.asarray(once)), 1e-6, name)


def random_arrays(rng, *shapes):
    return [np.float32(rng.standard_normal(shape)) for shape in shapes]


def test_directions_of_different_width():
    rng, mask = np.random.default_rng(0), np.ones((4, 5), bool)
    (x,) = random_arrays(rng, (4, 5, 3))
    arrays = [random_arrays(rng, (3, 4 * H), (H, 4 * H), 4 * H) for H in (2, 6)]
    outputs = [
        ops.bidirectional(x, mask, *[ops.pack_lstm(*a) for a in arrays]) for ops in (TorchOps(), backend("numpy"))
    ]
    assert_close(*outputs, 5e-6)


def test_what_pytorch_lacks_is_the_reference():
    ops, reference, rng, mask = TorchOps(), backend("numpy"), np.random.default_rng(0), np.ones((4, 5), bool)
    x, h, c, *gru = random_arrays(rng, (4, 5, 3), (4, 2), (4, 2), (3, 6), (2, 6), 6)
    value, state = Value(torch.tensor(x)), (Value(torch.tensor(h)), c)
    packed = ops.pack_gru(*gru)
    for ours, wanted in zip(
        ops.gru(value, mask, packed, initial_state=state[0]), reference.gru(x, mask, packed, initial_state=h)
    ):
        np.testing.assert_array_equal(ours, wanted)
    lstm = random_arrays(rng, (3, 8), (2, 8), 8)
    for precision in ("fp32", "fp16"):
        ops, reference = TorchOps(precision=precision), backend("numpy", None, precision)
        ours = ops.lstm(value, mask, ops.pack_lstm(*lstm), initial_state=state, return_state=True)
        wanted = reference.lstm(x, mask, reference.pack_lstm(*lstm), initial_state=(h, c), return_state=True)
        for one, other in zip(ours, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_values_are_like_arrays():
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    value = Value(torch.tensor(rows), np.array([[2, 0], [1, 1]]))
    array = rows[[[2, 0], [1, 1]]]
    assert (value.shape, value.ndim, value.dtype, len(value)) == (array.shape, array.ndim, array.dtype, len(array))
    np.testing.assert_array_equal(value, array)
    np.testing.assert_array_equal(value[:, ::-1], array[:, ::-1])
    assert np.asarray(value, np.float64).dtype == np.float64


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision, tolerance", [("fp16", 5e-6), ("int8", 0.01)])
def test_precisions_mean_what_the_reference_says(small, precision, tolerance, device):
    ours = npmoji.load(small[0], engine="torch", precision=precision, device=device)
    reference = npmoji.load(small[0], engine="numpy", precision=precision)
    tokens = ragged()
    for layer in LAYERS.values():
        wanted = output(reference, layer, tokens, backend("numpy", None, precision))
        atol = 2 * max(tolerance, TOLERANCE[device])
        assert_close(output(ours, layer, tokens, TorchOps(device, precision=precision)), wanted, atol, layer)
    assert np.abs(ours.predict(tokens) - npmoji.load(small[0], engine="numpy").predict(tokens)).max() > 1e-5


@pytest.mark.parametrize("exact_projection", [False, True])
@pytest.mark.parametrize("F, H", [(6, 5), (1100, 3)])
def test_int8_closely_on_one_step(exact_projection, F, H):
    """Nothing has been rounded twice yet. 1100 inputs: sums beyond what float32 holds exactly."""
    rng = np.random.default_rng(F)
    arrays = rng.standard_normal((F, 4 * H)) / np.sqrt(F), rng.standard_normal((H, 4 * H)), rng.standard_normal(4 * H)
    x, mask = np.float32(rng.standard_normal((9, 1, F))), np.ones((9, 1), bool)
    x[2] = 0
    outputs = []
    for ops in (TorchOps("cpu", None, "int8"), backend("numpy", None, "int8")):
        outputs.append(np.asarray(ops.lstm(x, mask, ops.pack_lstm(*map(np.float32, arrays), exact_projection))))
    assert_close(*outputs, 2e-6)


# Recordings ----------------------------------------------------------------------------------------------------------


class FakeGraphs:
    """Records by keeping the function. Calls it once when recording, as CUDA's does."""

    def __init__(self, error=None):
        self.error, self.recorded, self.replayed, self.held = error, 0, 0, 0

    def record(self, work):
        if self.error:
            raise self.error
        self.recorded += 1
        work()

        def replay():
            self.replayed += 1
            work()

        return replay

    def acquire(self):
        assert self.held == 0, "two threads on the same memory"
        self.held = 1

    def release(self):
        self.held = 0


def recording_ops(graphs):
    ops = TorchOps()
    ops._loop = recurrence.Recorded(graphs)
    return ops


def test_recordings_compute_the_same(small):
    graphs, model, reference = FakeGraphs(), npmoji.load(small[0]), backend("numpy")
    ops = recording_ops(graphs)
    batches = [
        ragged(rows, steps, seed) for seed, (rows, steps) in enumerate([(120, 12), (9, 33), (1, 1), (300, 40), (2, 3)])
    ]
    for tokens in [*batches, *reversed(batches)]:  # the memory grows, and is used for less again
        for layer in ("bi_lstm_0", "bi_lstm_1", "softmax"):
            assert_close(output(model, layer, tokens, ops), output(model, layer, tokens, reference), 5e-6, layer)
    assert graphs.recorded < graphs.replayed


def test_near_sizes_share_a_recording(small):
    graphs, model = FakeGraphs(), npmoji.load(small[0])
    ops = recording_ops(graphs)
    for rows in (100, 97, 104):
        output(model, "softmax", np.full((rows, 7), 5), ops)
    assert (graphs.recorded, graphs.replayed) == (2, 6)  # one for each layer
    assert [recurrence.round_up(n) for n in (1, 2, 15, 16, 17, 31, 33, 100, 1000)] == [
        1,
        2,
        15,
        16,
        18,
        32,
        36,
        104,
        1024,
    ]


def test_few_recordings_are_kept(small, monkeypatch):
    monkeypatch.setattr(recurrence, "KEPT", 3)
    graphs, model = FakeGraphs(), npmoji.load(small[0])
    ops = recording_ops(graphs)
    for steps in (9, 8, 9, 7, 9, 8):
        output(model, "bi_lstm_0", np.full((4, steps), 5), ops)
    assert graphs.recorded == 3 and len(ops._loop._replays) == 3
    output(model, "bi_lstm_0", np.full((4, 6), 5), ops)  # 7 goes, as the one that was not used for longest
    output(model, "bi_lstm_0", np.full((4, 9), 5), ops)
    assert graphs.recorded == 4 and len(ops._loop._replays) == 3


def test_a_recording_that_fails_is_told_once(small):
    model, tokens, reference = npmoji.load(small[0]), ragged(), backend("numpy")
    ops = recording_ops(FakeGraphs(RuntimeError("operation not permitted")))
    with pytest.warns(RuntimeWarning, match="no CUDA graph.*operation not permitted"):
        first = output(model, "softmax", tokens, ops)
    wanted = output(model, "softmax", tokens, reference)
    assert_close(first, wanted, 5e-6)
    assert_close(output(model, "softmax", tokens, ops), wanted, 5e-6)


# Sharing, and the settings of the process -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cpu", "recorded", pytest.param("cuda", marks=needs_cuda)])
def test_threads_share_a_model(small, kind):
    model, reference = npmoji.load(small[0]), backend("numpy")
    ops = recording_ops(FakeGraphs()) if kind == "recorded" else TorchOps(kind)
    batches = [ragged(10 + seed, 5 + seed, seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as executor:
        found = list(executor.map(lambda tokens: output(model, "softmax", tokens, ops), batches * 3))
    for ours, tokens in zip(found, batches * 3):
        assert_close(ours, output(model, "softmax", tokens, reference), 2e-5 if kind == "cuda" else 5e-6)


def test_reduced_precision_products_are_off_meanwhile(small, monkeypatch):
    """What the user chose comes back when the last of several threads has left."""
    value = ["bf16"]
    guard = settings.FullFloat32("cpu")
    guard._get, guard._set, guard._full = (lambda: value[0]), (lambda new: value.__setitem__(0, new)), ("ieee", "none")
    inside, leave = threading.Event(), threading.Event()

    def other():
        with guard:
            inside.set()
            leave.wait(60)

    with guard:
        assert value == ["ieee"]
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(60)
    assert value == ["ieee"]
    leave.set()
    thread.join()
    assert value == ["bf16"]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_setting_is_pytorchs_own(device):
    """That of either device is there without it."""
    guard = settings.FullFloat32(device)
    before, reduced = guard._get(), "high" if guard._get() == "highest" else {"cpu": "bf16", "cuda": "tf32"}[device]
    try:
        guard._set(reduced)
        with guard:
            assert guard._get() in guard._full
        assert guard._get() == reduced
    finally:
        guard._set(before)


@pytest.mark.parametrize("device", DEVICES)
def test_reduced_precision_products_make_no_difference(small, device):
    guard, tokens, reference = settings.FullFloat32(device), ragged(), npmoji.load(small[0], engine="numpy")
    before = guard._get()
    try:
        guard._set("high" if before == "highest" else {"cpu": "bf16", "cuda": "tf32"}[device])
        found = npmoji.load(small[0], engine="torch", device=device).predict(tokens)
    finally:
        guard._set(before)
    assert_close(found, reference.predict(tokens), TOLERANCE[device])


def test_threads_are_set_if_asked_for(small):
    before = torch.get_num_threads()
    try:
        npmoji.load(small[0], engine="torch").predict(ragged())
        assert torch.get_num_threads() == before
        npmoji.load(small[0], engine="torch", threads=before + 1).predict(ragged())
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_copies_go_with_their_arrays():
    ops, kernel = TorchOps(), np.ones((4, 1), np.float32)
    ops.attention_logits(np.ones((2, 3, 4)), kernel)
    alive = weakref.ref(kernel)
    del kernel
    gc.collect()
    assert alive() is None
    assert not any(isinstance(value, (torch.Tensor, dict, list)) for value in vars(ops).values())


# Errors --------------------------------------------------------------------------------------------------------------


def test_embeddings_that_are_not_finite(small):
    model = npmoji.load(small[0], engine="torch")
    table = np.array(model["embedding"].embeddings)
    table[7] = np.nan
    model["embedding"].embeddings = table
    assert np.isfinite(model.predict([[6, 8]])).all()
    with pytest.raises(npmoji.WeightsError, match="'embedding'.*NaN.*row 7"):
        model.predict([[6, 8], [7, 0]])


def test_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(npmoji.InputError, match="device 'cuda': PyTorch .* finds no GPU .*device='cpu'"):
        TorchOps("cuda")


def test_without_torch(small):
    path = os.pathsep.join([str(Path(npmoji.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import npmoji\n"
        f"try: npmoji.load({str(small[0])!r}, engine='torch').predict([[1]])\n"
        "except npmoji.InputError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert "engine 'torch' cannot be used" in result.stdout and "pip install 'torch>=2.0'" in result.stdout


# The benchmark -------------------------------------------------------------------------------------------------------


def test_the_benchmark_in_miniature(small):
    command = [sys.executable, str(ROOT / "tools" / "bench_torch.py"), "--weights", str(small[0]), "--count", "9"]
    result = subprocess.run([*command, "--rounds", "2", "--threads", "1"], capture_output=True, text=True, check=True)
    rows = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert rows[-4:] == ["npmoji torch", "npmoji numba", "step by step", "torch.nn.LSTM"]


# With a GPU ----------------------------------------------------------------------------------------------------------


@needs_cuda
def test_cuda_replays_recordings(small):
    """A failed recording would be a RuntimeWarning, hence an error here."""
    model, ops, reference = npmoji.load(small[0]), TorchOps("cuda"), backend("numpy")
    for tokens in (ragged(), ragged(300, 40), ragged()):
        assert_close(output(model, "softmax", tokens, ops), output(model, "softmax", tokens, reference), 2e-5)
    assert len(ops._loop._replays) > 0


@needs_cuda
def test_cuda_on_streams_of_ones_own(small):
    model, ops, reference, tokens = npmoji.load(small[0]), TorchOps("cuda"), backend("numpy"), ragged()
    wanted = output(model, "softmax", tokens, reference)
    for _ in range(5):
        with torch.cuda.stream(torch.cuda.Stream()):
            assert_close(output(model, "softmax", tokens, ops), wanted, 2e-5)


# Other networks -------------------------------------------------------------------------------------------------------

NETWORKS = sorted(
    path for pattern in ("keras/*/model.*", "models/seed*/model.h5") for path in (ROOT / "tests/data").glob(pattern)
)


def values_for(path, graph):
    """Some rows for each input of a network; texts, and ids of sentences, which look like numbers, as the file's golden
    has them."""
    rng = np.random.default_rng(0)
    golden = path.parent / "golden.npz"
    given = dict(np.load(golden)) if golden.exists() else {}
    ids = {name.removeprefix("inputs/"): x for name, x in given.items() if name.startswith("inputs/") and x.ndim > 2}
    if any(x.dtype.kind in "iu" for x in ids.values()) or graph.takes_texts:
        return {layer.name: given[f"inputs/{layer.name}"] for layer in graph.inputs}
    free = graph.size or 8
    sizes = {layer: (6, *(free if n is None else n for n in layer.shape or (free,))) for layer in graph.inputs}
    return {
        layer.name: rng.integers(0, layer.vocabulary_size, size) if layer.vocabulary_size else rng.standard_normal(size)
        for layer, size in sizes.items()
    }


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_other_keras_networks(path, device):
    case = path.parent / "case.json"
    layers = json.loads(case.read_text()).get("layers") if case.exists() else None
    model = npmoji.load(path, engine="torch", device=device, layers=layers)
    reference = npmoji.load(path, engine="numpy", layers=layers)
    x = values_for(path, reference.graph)
    for name in reference.graph.named:
        wanted, ours = reference[name](x), model[name](x)
        for a, b in zip(*(value if isinstance(value, list) else [value] for value in (wanted, ours))):
            if a.dtype == np.float32:
                np.testing.assert_allclose(b, a, rtol=TOLERANCE[device], atol=TOLERANCE[device], err_msg=name)


def test_there_are_other_networks():
    assert len(NETWORKS) > 10
