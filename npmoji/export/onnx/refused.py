"""What an ONNX file cannot say."""

from __future__ import annotations

from ...errors import InputError
from ...layers import Layer


class Refused(InputError):
    """The error for a layer that cannot be written."""

    def __init__(self, layer: Layer, what: str = "") -> None:
        of = f": {what}" if what else ""
        super().__init__(f"layer {layer.name!r} ({layer.class_name}){of} has no ONNX counterpart here")
