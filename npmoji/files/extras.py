"""Packages that only some uses need: imported when they are used, and what to install if they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from ..errors import InputError

#: what a user installs: module -> (the package's name, npmoji's extra)
EXTRAS = {
    "sklearn": ("scikit-learn", "learn"),
    "torch": ("PyTorch", "torch"),
    "umap": ("umap-learn", "map"),
}


def missing(who: str, module: str, extra: str) -> InputError:
    """The error for a package that is not installed.

    Args:
        who: what needs it, as the user calls it.
        module: its module, with or without submodules.
        extra: npmoji's extra that installs it.
    """
    name, extra = EXTRAS.get(module.partition(".")[0], (module, extra))
    return InputError(f"{who} needs {name}: pip install 'npmoji[{extra}]'")


def need(module: str, extra: str, who: str = "this") -> ModuleType:
    """The module, imported.

    Args:
        module: such as ``"sklearn.linear_model"``.
        extra: npmoji's extra that installs it.
        who: what needs it, for the message.

    Raises:
        InputError: it is not installed, or cannot be imported; says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(who, module, extra) from error
    except ImportError as error:  # it is there, but broken
        raise InputError(f"{missing(who, module, extra)}; what is there cannot be imported: {error}") from error


def sklearn_missing(who: str = "npmoji.Classifier") -> InputError:
    """The error of what needs scikit-learn where there is none."""
    return missing(who, "sklearn", "learn")


def pyarrow(module: str = "pyarrow", *, what: str) -> ModuleType:
    """pyarrow, or a module of it.

    Args:
        what: cannot be done without it, for the message: "reading a.parquet".

    Raises:
        InputError: as `need`.
    """
    return need(module, "tables", what)
