"""Texts with labels, for `npmoji train` and `npmoji evaluate`: read from files, looked up among classes, predicted."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ..batch.labelled import Labelled
    from ..learn.labels import Labels
    from ..model import Model


def read_labelled(arguments: argparse.Namespace, path: str) -> Labelled:
    """The texts and labels of a file, read as the options say; notes on what was read go to standard error."""
    from ..batch.labelled import read

    found = read(
        path,
        text=arguments.text,
        label=arguments.label,
        separator=arguments.label_separator,
        form=arguments.input_format,
        encoding=arguments.encoding or "utf-8",
        delimiter=arguments.delimiter,
        on_error=arguments.on_error,
    )
    for note in found.notes:
        print(f"npmoji: note: {note}", file=sys.stderr)
    return found


def contradictions(data: Labelled) -> str:
    """A note on equal texts with different labels; "" if there are none."""
    from ..learn.data import groups

    first: dict[int, int] = {}
    rows = [
        (first[group], row)
        for row, group in enumerate(groups(data.texts).tolist())
        if data.labels[first.setdefault(group, row)] != data.labels[row]
    ]
    if not rows:
        return ""
    one, other = (data.places[row].rpartition(", ")[2] for row in rows[0])
    return f"texts that stand there twice with different labels: {len(rows):,}; the first in {one} and {other}"


def known(data: Labelled, names: list[str], multi_label: bool, source: str, owner: str) -> Labels:
    """The labels of a file by the numbers of these classes.

    Args:
        source: the file's name.
        owner: what has the classes, for messages.

    Raises:
        InputError: a label is none of them, or there are several labels a text where the classes are for one.
    """
    from ..learn.labels import encode, listed

    lists = isinstance(data.labels[0], list)
    if lists and not multi_label:
        raise InputError(f"{source}: several labels a text, but {owner} has one class a text")
    rows = [label if isinstance(label, list) else [label] for label in data.labels]
    found = {str(part) for row in rows for part in row}
    unknown = found.difference(names)
    if unknown and not (lists and found <= {"0", "1"}):  # which are flags, one a class
        place, label = next(
            (at, str(part)) for row, at in zip(rows, data.places) for part in row if str(part) in unknown
        )
        raise InputError(f"{place}: unknown label {label!r:.60}; the classes of {owner} are {listed(names)}")
    try:
        return encode(rows if multi_label else data.labels, classes=names, count=len(data.texts))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def predicted(model: Model, texts: list[str]) -> np.ndarray:
    """The probabilities of all classes, float32 (N, C); of two also where the network has one output."""
    import numpy as np

    from ..classes import both
    from ..outputs import alone

    found = alone(model.predict(texts, progress=sys.stderr is not None and sys.stderr.isatty()))
    if not isinstance(found, np.ndarray) or found.ndim != 2:
        raise InputError("this network does not give one probability for each class")
    return both(found) if found.shape[1] == 1 and len(model.class_names) == 2 else found
