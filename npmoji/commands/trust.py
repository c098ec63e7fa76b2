"""Outputs against outputs: `npmoji verify`, `golden`, `compare` and `parity`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import load

if TYPE_CHECKING:
    from ..model import Model

CUDA = 2e-5  # what any number may be off on a GPU, in float32


def verify(arguments: argparse.Namespace) -> int:
    """`npmoji verify`: 1 if the results differ, or if there is nothing to check against."""
    return report(load(arguments, note=False))


def report(model: Model) -> int:
    """Verify a model, say how it went, give the exit code."""
    from ..outputs import text_output
    from ..trust.verify import verify

    verdict = verify(model)
    with text_output("-") as out:
        out.write("".join(f"{line}\n" for line in verdict.lines))
    return 0 if verdict.passed else 1


def golden(arguments: argparse.Namespace) -> None:
    """`npmoji golden`."""
    from ..trust.golden import BUILTIN, write

    if arguments.builtin == (arguments.texts is not None):
        raise InputError("golden: give either TEXTS or --builtin, and OUTDIR")
    model = load(arguments)
    source = BUILTIN if arguments.builtin else listed(arguments.texts, arguments.column)
    write(model, source, arguments.target, npz=arguments.npz)


def listed(path: str, column: str) -> list[str] | np.ndarray | dict[str, np.ndarray]:
    """The texts of a file, the token ids of a `.npy`, or the inputs of a `.npz` by name."""
    from ..texts import Texts
    from ..trust.golden import read_inputs

    if path.lower().endswith((".npy", ".npz")):
        return read_inputs(path)
    texts = Texts(path, column)
    try:
        return list(texts)
    finally:
        texts.close()


def compare(arguments: argparse.Namespace) -> int:
    """`npmoji compare`: 0 within tolerance, 1 outside."""
    from ..trust.compare import compare
    from ..trust.golden import read

    result = compare(read(arguments.golden), read(arguments.candidate), lambda: load(arguments, note=False))
    return told(result, arguments.format)


def parity(arguments: argparse.Namespace) -> int:
    """`npmoji parity`: the same texts through two engines."""
    from ..trust.compare import compare
    from ..trust.golden import BUILTIN, collect

    engines = arguments.engine or ["numpy", "numba"]
    if len(engines) != 2:
        raise InputError("parity: give --engine twice")
    if arguments.texts and arguments.input:
        raise InputError("give texts or -i FILE, not both")
    source = arguments.texts or (listed(arguments.input, arguments.column) if arguments.input else BUILTIN)
    sides, device = [], arguments.device
    for engine in engines:
        arguments.engine, arguments.device = engine, device if engine == "torch" else "cpu"
        sides.append(collect(load(arguments, note=False), source))
    if device == "cuda":  # its products are added up in yet another order
        for entry in sides[0].manifest["tensors"]:
            entry["tolerance"]["absolute"] = max(entry["tolerance"]["absolute"], CUDA)
    return told(compare(*sides), arguments.format)


def told(result, form: str) -> int:
    """Write a comparison and give its exit code."""
    from ..outputs import text_output

    with text_output("-") as out:
        out.write(result.json() if form == "json" else result.text())
    return 0 if result.passed else 1
