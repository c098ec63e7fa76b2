"""How fast the PyTorch engine is, on a CPU or a GPU, beside two other ways to run the network in PyTorch.

    python tools/bench_torch.py --weights WEIGHTS.hdf5 [--device cuda] [--texts FILE] [--count 512] [--rounds 5]

    step by step    torchMoji's way: packed sequences, one time step after the other, for either direction two products
                    and a hard-sigmoid cell each
    torch.nn.LSTM   PyTorch's own LSTM, on a GPU cuDNN's: the limit, as it has the standard sigmoid and so computes
                    another function

Every round measures all sides in turn, from token ids to probabilities in NumPy. Texts a second are medians over the
rounds, ratios medians of each round's ratio. All sides compute in full float32 and get texts sorted by length; the last
two in batches of the size, among `BATCHES`, that suits them best. Beforehand the first three must agree within 2e-5,
and torch.nn.LSTM with the step-by-step loop when that has the standard sigmoid.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]  # so that a clone measures itself without being installed

import numpy as np
import torch
from bench_texts import made_up_tokens, read_texts
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import npmoji
from npmoji.backends.torch.settings import FullFloat32

BATCHES = {"cpu": (32, 128), "cuda": (128, 512, 2048)}
TOLERANCE = 2e-5
WEIGHTED = ("embedding", "bi_lstm_0", "bi_lstm_1", "attlayer", "softmax")

Bidirectional = Callable[[PackedSequence], PackedSequence]


class Network:
    """DeepMoji on packed sequences; ``make`` makes a bidirectional LSTM from a layer's arrays in the file's order."""

    def __init__(self, model: npmoji.Model, device: str, make: Callable[[list[torch.Tensor]], Bidirectional]):
        self.device = device
        arrays = {
            name: [torch.tensor(np.asarray(array), device=device) for array in model[name].weights().values()]
            for name in WEIGHTED
        }
        (self.embeddings,), (self.attention,), (self.kernel, self.bias) = (
            arrays[name] for name in ("embedding", "attlayer", "softmax")
        )
        self.lstms = [make(arrays[name]) for name in ("bi_lstm_0", "bi_lstm_1")]

    def batch(self, tokens: np.ndarray) -> torch.Tensor:
        """Probabilities of ids (N, T), longest text first; padding comes last."""
        ids = torch.from_numpy(tokens.astype(np.int64)).to(self.device)
        lengths = torch.from_numpy(np.count_nonzero(tokens, axis=1))
        packed = pack_padded_sequence(ids, lengths, batch_first=True)
        x = [packed._replace(data=torch.tanh(self.embeddings[packed.data]))]
        for lstm in self.lstms:
            x.insert(0, lstm(x[0]))
        x, _ = pad_packed_sequence(packed._replace(data=torch.cat([part.data for part in x], 1)), batch_first=True)
        valid = torch.arange(x.shape[1], device=self.device) < lengths.to(self.device)[:, None]
        logits = (x @ self.attention)[..., 0]
        a = torch.exp(logits - logits.amax(1, keepdim=True)) * valid
        features = (x * (a / (a.sum(1, keepdim=True) + 1e-7))[..., None]).sum(1)
        return torch.softmax(features @ self.kernel + self.bias, dim=1)

    def __call__(self, tokens: np.ndarray, size: int) -> np.ndarray:
        """Probabilities of all texts, in batches of ``size``."""
        starts = range(0, len(tokens), size)
        with torch.inference_mode():
            return np.concatenate([self.batch(tokens[start : start + size]).cpu().numpy() for start in starts])


def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Keras 2's."""
    return torch.clamp(0.2 * x + 0.5, 0, 1)


def step_by_step(gate: Callable[[torch.Tensor], torch.Tensor], arrays: list[torch.Tensor]) -> Bidirectional:
    """Loops over the time steps of a packed sequence, one for each direction."""

    def direction(x: PackedSequence, kernel: Any, recurrent: Any, bias: Any, backwards: bool) -> torch.Tensor:
        sizes, H = x.batch_sizes.tolist(), len(recurrent)
        steps = list(zip(sizes, x.data.split(sizes)))
        h, c = x.data.new_zeros(2, sizes[0], H)
        outputs = []
        for n, step in reversed(steps) if backwards else steps:
            z = step @ kernel + bias + h[:n] @ recurrent
            i, f, candidate, o = z.chunk(4, dim=1)
            state = gate(f) * c[:n] + gate(i) * torch.tanh(candidate)
            outputs.append(gate(o) * torch.tanh(state))
            c, h = torch.cat([state, c[n:]]), torch.cat([outputs[-1], h[n:]])
        return torch.cat(outputs[::-1] if backwards else outputs)

    def run(x: PackedSequence) -> PackedSequence:
        sides = [direction(x, *arrays[3 * d : 3 * d + 3], backwards=d == 1) for d in (0, 1)]
        return x._replace(data=torch.cat(sides, dim=1))

    return run


def library_lstm(arrays: list[torch.Tensor]) -> Bidirectional:
    """torch.nn.LSTM with the same weights: rows input, forget, candidate, output, as Keras' columns."""
    F, H = len(arrays[0]), len(arrays[1])
    lstm = torch.nn.LSTM(F, H, bidirectional=True).to(arrays[0].device).eval()
    with torch.no_grad():
        for suffix, (kernel, recurrent, bias) in (("", arrays[:3]), ("_reverse", arrays[3:])):
            getattr(lstm, f"weight_ih_l0{suffix}").copy_(kernel.T)
            getattr(lstm, f"weight_hh_l0{suffix}").copy_(recurrent.T)
            getattr(lstm, f"bias_ih_l0{suffix}").copy_(bias)
            getattr(lstm, f"bias_hh_l0{suffix}").zero_()
    return lambda x: lstm(x)[0]


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes; its result is in NumPy, so a GPU has finished."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sides(weights: str, tokens: np.ndarray, device: str, threads: int | None) -> dict[str, Callable[[], np.ndarray]]:
    """The contenders, after checking that they agree.

    Raises:
        SystemExit: they do not.
    """
    engines = {"npmoji torch": {"engine": "torch", "device": device}, "npmoji numba": {"engine": "numba"}}
    models = {name: npmoji.load(weights, threads=threads, **options) for name, options in engines.items()}
    found = {name: functools.partial(model.predict, tokens) for name, model in models.items()}
    model = models["npmoji torch"]
    loop = Network(model, device, functools.partial(step_by_step, hard_sigmoid))
    library = Network(model, device, library_lstm)
    standard = Network(model, device, functools.partial(step_by_step, torch.sigmoid))
    for name, network in (("step by step", loop), ("torch.nn.LSTM", library)):
        choices = [functools.partial(network, tokens, size) for size in BATCHES[device]]
        found[name] = min(choices, key=lambda choice: min(seconds(choice) for _ in range(2)))
    wanted, some = found["npmoji torch"](), tokens[:32]
    pairs = [(name, found[name](), wanted) for name in ("npmoji numba", "step by step")]
    for name, ours, theirs in [*pairs, ("torch.nn.LSTM", library(some, 32), standard(some, 32))]:
        off = float(np.abs(ours - theirs).max())
        print(f"{name}: probabilities off by {off:.1e}")
        if not off <= TOLERANCE:
            raise SystemExit(f"{name}: allowed {TOLERANCE}")
    return found


def measure(contenders: dict[str, Callable[[], np.ndarray]], texts: int, rounds: int) -> dict[str, np.ndarray]:
    """Texts a second of each side in each round."""
    figures = {name: np.zeros(rounds) for name in contenders}
    for i in range(rounds):
        for name, work in contenders.items():
            figures[name][i] = texts / seconds(work)
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--texts", help="a file, one text a line; by default ids are made up, as long as tweets")
    parser.add_argument("--vocabulary", help="for --texts; by default the one beside the weights")
    parser.add_argument("--count", type=int, default=512, help="how many texts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="on a CPU; by default what each library takes")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.texts:
        model = npmoji.load(options.weights, vocabulary=options.vocabulary)
        tokens = model.tokenizer(read_texts(options.texts)[: options.count])
    else:
        tokens = made_up_tokens(npmoji.load(options.weights).vocabulary_size, options.count)
    tokens = tokens[tokens.any(axis=1)]
    tokens = tokens[np.argsort(-np.count_nonzero(tokens, axis=1), kind="stable")]
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"PyTorch {torch.__version__} on {where}; "
        f"{len(tokens)} texts of {np.count_nonzero(tokens, 1).mean():.1f} tokens"
    )
    if options.device == "cuda":
        full_float32_in_cudnn()
    with FullFloat32(options.device):
        contenders = sides(options.weights, tokens, options.device, options.threads)
        figures = measure(contenders, len(tokens), options.rounds)
    print(f"{'texts a second':16}{'median':>9}{'least':>9}{'most':>9}{'× step by step':>16}{'× torch.nn.LSTM':>17}")
    for name, values in figures.items():
        ratios = [np.median(values / figures[other]) for other in ("step by step", "torch.nn.LSTM")]
        print(
            f"{name:16}{np.median(values):9.1f}{values.min():9.1f}{values.max():9.1f}{ratios[0]:16.2f}{ratios[1]:17.2f}"
        )


def full_float32_in_cudnn() -> None:
    """cuDNN's LSTM would take TensorFloat-32 by itself."""
    rnn = getattr(torch.backends.cudnn, "rnn", None)
    if hasattr(rnn, "fp32_precision"):
        rnn.fp32_precision = "ieee"
    else:
        torch.backends.cudnn.allow_tf32 = False


if __name__ == "__main__":
    main()
