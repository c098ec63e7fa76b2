"""Packages that only some uses need."""

from __future__ import annotations

import importlib
from types import ModuleType

from ..errors import InputError


def pyarrow(module: str = "pyarrow", *, what: str) -> ModuleType:
    """pyarrow, or a module of it.

    Args:
        what: cannot be done without it, for the message: "reading a.parquet".

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{what} needs pyarrow: pip install 'npmoji[tables]' ({error})") from error
