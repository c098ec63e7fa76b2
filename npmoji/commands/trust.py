"""Outputs against outputs: `npmoji verify`, `golden`, `compare` and `parity`."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import check_given, load, read_files

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
    source = BUILTIN if arguments.builtin else listed(arguments, [arguments.texts])
    write(model, source, arguments.target, npz=arguments.npz)


def listed(arguments: argparse.Namespace, paths: list[str]) -> list[str] | np.ndarray | dict[str, np.ndarray]:
    """The texts of files, the token ids of a `.npy`, or the inputs of a `.npz` by name."""
    from ..trust.golden import read_inputs

    if len(paths) == 1 and paths[0].lower().endswith((".npy", ".npz")):
        return read_inputs(paths[0])
    with contextlib.closing(read_files(arguments, paths)) as inputs:
        return [record.text for record in inputs if record.text is not None]


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
    if arguments.texts:
        check_given(arguments)
    source = arguments.texts or (listed(arguments, arguments.input) if arguments.input else BUILTIN)
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
