"""`npmoji convert IN OUT.onnx`: the network, what the file says of itself, and how well a smaller one agrees."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from ... import __version__
from ...checks.golden_texts import BUILTIN
from ...errors import InputError
from ...files.whole import whole_file
from ...formats import metadata
from ...formats.contents import Contents
from ...model import Model
from ...precision import check_precision
from .graph import OPSET
from .rounding import KINDS, agreement
from .write import network

LARGEST = 2**31 - 1  # bytes of a protocol buffer
SAID = ("classes", "multi_label", "provenance")  # of what npmoji's own files say


def write(
    model: Model,
    file: Contents,
    target: str,
    outputs: Sequence[str] | None = None,
    ids: str = "int64",
    precision: str = "fp32",
) -> None:
    """Write the network of a model to a file that appears whole or not at all.

    In its metadata are the names of the classes, the vocabulary, the tokenizer's rules, where the weights are from, and
    the opset.

    Args:
        file: what is said of the weights.
        outputs, ids: as `write.network` takes them.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``, the last two as ONNX Runtime has them: how many texts keep
            their best class is printed on standard error.

    Raises:
        InputError: the precision is unknown; ONNX cannot say the network; fewer than 99 % of texts keep their best
            class; or onnx, or for a smaller precision onnxruntime, is not installed.
    """
    check_precision(precision)
    onnx_model = network(model, outputs, ids)
    if precision != "fp32":
        rounded = KINDS[precision](onnx_model)
        found = agreement(model, onnx_model, rounded, BUILTIN)
        found.check(target, precision)
        print(f"npmoji: {precision}: {found}", file=sys.stderr)
        onnx_model = rounded
    for key, value in said(model, file, precision).items():
        onnx_model.metadata_props.add(key=key, value=value)
    if (size := onnx_model.ByteSize()) > LARGEST:
        raise InputError(f"{target}: {size:,} bytes, but an ONNX file cannot be larger than {LARGEST:,}")
    data = onnx_model.SerializeToString(deterministic=True)
    with whole_file(target) as out:
        out.write(data)


def said(model: Model, file: Contents, precision: str) -> dict[str, str]:
    """The file's metadata, all of them texts."""
    found = {"npmoji_version": __version__, "opset": str(OPSET), "precision": precision}
    found |= {key: text for key, text in metadata.described(file).items() if key in SAID}
    if model.tokenizer is not None:
        found["vocabulary"] = json.dumps(model.tokenizer.vocabulary, ensure_ascii=False)
        found["maxlen"], found["compat"] = str(model.tokenizer.maxlen), model.tokenizer.compat
    return found


def read_metadata(path: str) -> dict[str, Any]:
    """The metadata of an ONNX file, the JSON in it parsed.

    Raises:
        InputError: onnx is not installed, or it is no such file.
    """
    from ...files.extras import need

    onnx = need("onnx", "onnx", "reading an ONNX file")
    damaged = need("google.protobuf.message", "onnx", "reading an ONNX file").DecodeError
    try:
        props = onnx.load(path, load_external_data=False).metadata_props
    except (damaged, OSError) as error:
        raise InputError(f"{path}: not an ONNX file: {error}") from error
    return {one.key: json.loads(one.value) if one.key in (*SAID, "vocabulary") else one.value for one in props}
