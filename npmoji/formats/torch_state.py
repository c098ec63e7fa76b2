"""torchMoji's weights (`pytorch_model.bin`, a PyTorch state dict) to `Contents` in DeepMoji's Keras layout.

PyTorch keeps a matrix as (outputs, inputs), Keras as (inputs, outputs); where PyTorch has two biases, Keras has their
sum. Both have the gates in the same order: input, forget, candidate, output. The last layer may be missing: torchMoji's
models that give features do not have it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from ..errors import WeightsError
from . import torch_pickle
from .contents import Contents

#: tensor that tells a size -> which of its dimensions: vocabulary, embedding, units of each LSTM, classes
SIZES = (
    ("embed.weight", 0),
    ("embed.weight", 1),
    ("lstm_0.weight_hh_l0", 1),
    ("lstm_1.weight_hh_l0", 1),
    ("output_layer.0.weight", 0),
)
PREFIX = "module."  # of every name, if the model was wrapped for several GPUs
HEAD = "output_layer."  # begins the names of the last layer's tensors


def read(path: str | os.PathLike, mmap: bool = True) -> Contents:
    """Read torchMoji's state dict, of either serialisation.

    Matrices are copied where the file does not hold them transposed already; the embedding stays a view of the file,
    perhaps an unaligned one.

    Raises:
        WeightsError: what `torch_pickle.read` raises; or tensors are missing, unexpected or of the wrong shape, all of
            which are named.
    """
    return contents(os.fsdecode(path), torch_pickle.read(path, mmap))


def holds(names: Iterable[str]) -> bool:
    """Whether tensors of these names look like torchMoji's, whatever else is wrong with them."""
    wanted = _shapes([1] * len(SIZES))
    return any(name.removeprefix(PREFIX) in wanted for name in names)


def contents(path: str, state: dict[str, np.ndarray]) -> Contents:
    """The same, given the tensors of the state dict, float32, by name. Raises a WeightsError as `read`."""
    if state and all(name.startswith(PREFIX) for name in state):
        state = {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
    if problems := _problems(state):
        raise WeightsError(f"{path}: not torchMoji's state dict: {'; '.join(problems)}")
    layers = {
        "embedding": {"embeddings": np.require(state["embed.weight"], np.float32, ["C_CONTIGUOUS"])},
        "bi_lstm_0": _bidirectional(state, "lstm_0"),
        "bi_lstm_1": _bidirectional(state, "lstm_1"),
        "attlayer": {"kernel": _own(state["attention_layer.attention_vector"][:, None])},
    }
    if _has_head(state):
        layers["softmax"] = {
            "kernel": _own(state["output_layer.0.weight"].T),
            "bias": _own(state["output_layer.0.bias"]),
        }
    return Contents(path, layers, origin="torchmoji")


def _has_head(state: dict[str, np.ndarray]) -> bool:
    return any(name.startswith(HEAD) for name in state)


def _bidirectional(state: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,) of the forward, then of the backward direction."""
    arrays = {}
    for direction, end in (("forward", "l0"), ("backward", "l0_reverse")):
        with np.errstate(all="ignore"):  # what overflows is found infinite later
            bias = state[f"{name}.bias_ih_{end}"] + state[f"{name}.bias_hh_{end}"]
        arrays[f"{direction}_kernel"] = _own(state[f"{name}.weight_ih_{end}"].T)
        arrays[f"{direction}_recurrent_kernel"] = _own(state[f"{name}.weight_hh_{end}"].T)
        arrays[f"{direction}_bias"] = bias
    return arrays


def _own(array: np.ndarray) -> np.ndarray:
    """The array as every layer takes it: the same if it is so already, else a copy."""
    return np.require(array, np.float32, ["C_CONTIGUOUS", "ALIGNED"])


def _problems(state: dict[str, np.ndarray]) -> list[str]:
    """What is wrong with the tensors' names and shapes; nothing if they make up the network."""
    sizes = SIZES if _has_head(state) else SIZES[:-1]
    wanted = _shapes([1] * len(sizes))
    found = {name: tensor.shape for name, tensor in state.items()}
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    lists = {"missing": missing, "unexpected": unexpected}
    problems = [f"{what} {_listed(names)}" for what, names in lists.items() if names]
    flat = [name for name, _ in SIZES if len(found.get(name, (1, 1))) != 2]
    if flat:
        names = dict.fromkeys(flat)
        return [*problems, *(f"{name!r} has shape {found[name]}, expected two dimensions" for name in names)]
    if all(name in found for name, _ in sizes):
        wanted = _shapes([found[name][axis] for name, axis in sizes])
        wrong = [name for name in wanted if found.get(name, wanted[name]) != wanted[name]]
        problems += [f"{name!r} has shape {found[name]}, expected {wanted[name]}" for name in wrong]
    return problems


def _shapes(sizes: list[int]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of the network by its name, in the order of the state dict.

    Args:
        sizes: as `SIZES` lists them; without the last one for a network without its last layer.
    """
    V, E, H_0, H_1, *C = sizes
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (V, E)}
    for name, inputs, H in (("lstm_0", E, H_0), ("lstm_1", 2 * H_0, H_1)):
        for end in ("l0", "l0_reverse"):
            shapes[f"{name}.weight_ih_{end}"] = (4 * H, inputs)
            shapes[f"{name}.weight_hh_{end}"] = (4 * H, H)
            shapes[f"{name}.bias_ih_{end}"] = shapes[f"{name}.bias_hh_{end}"] = (4 * H,)
    F = 2 * H_1 + 2 * H_0 + E
    shapes["attention_layer.attention_vector"] = (F,)
    if C:
        shapes |= {"output_layer.0.weight": (*C, F), "output_layer.0.bias": (*C,)}
    return shapes


def _listed(names: list[str], most: int = 24) -> str:
    """The names, or the first of them."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*(repr(name[:100]) for name in names[:most]), *more])
