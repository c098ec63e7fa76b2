"""`npmoji map`: many texts as points on a page, near each other if their features are similar."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError
from .inputs import read_files
from .models import load
from .options import add_file_options, add_model_options, positive, whole

if TYPE_CHECKING:
    import numpy as np

    from ..batch import Record
    from ..batch.records import Inputs
    from ..model import Model
    from ..text.emojis import Prediction

LIMIT = 20_000  # texts, unless another number is given: the page is then some 5 MB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = "A page with a point for each text: texts with similar features are near each other."
    files = "files of texts, as `npmoji score -i` takes them; - is standard input"
    parser.add_argument("files", nargs="+", metavar="FILE", help=files)
    parser.add_argument("--html", required=True, metavar="FILE", help="where to write the page; - is standard output")
    parser.add_argument("--label", metavar="COL", help="colour by this column (default: by the most likely emoji)")
    method = "auto (default: UMAP where it is installed, else PCA), pca or umap (pip install 'npmoji[map]')"
    parser.add_argument("--method", choices=("auto", "pca", "umap"), default="auto", help=method)
    most = f"the most texts to show; of more a sample is taken (default {LIMIT:,})"
    parser.add_argument("--limit", type=positive, default=LIMIT, metavar="N", help=most)
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the sample and of UMAP (default 0)")
    add_file_options(parser)
    on_error = "for a row without a text: fail (default), or skip it"
    parser.add_argument("--on-error", choices=("fail", "skip"), default="fail", help=on_error)
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..batch.sources import name_of
    from ..display import text_output
    from ..explain import map_page, projection
    from ..files.whole import check_writable

    if arguments.method == "umap":
        projection.check_umap()
    if arguments.html != "-":
        check_writable(arguments.html)
    model = load(arguments)
    if not model.features:
        what = "this network has no layer AttentionWeightedAverage, whose output, the features, is what a map shows"
        raise InputError(f"{model.path}: {what}")
    found = _read(arguments)
    features, predictions = _computed(model, [record.text or "" for record in found.records])
    points = projection.project(features, arguments.method, arguments.seed)
    title = ", ".join(os.path.basename(name_of(place)) for place in arguments.files)
    html = map_page.page(
        points,
        [record.text or "" for record in found.records],
        predictions,
        None if arguments.label is None else [_label(record, arguments.label) for record in found.records],
        title=f"Map of {title}",
        label=arguments.label or "",
        notes=found.notes,
    )
    with text_output(arguments.html) as out:
        out.write(html)


class _Found(NamedTuple):
    """Texts of files: their records, and what the page says of them."""

    records: list[Record]
    notes: list[str]


def _read(arguments: argparse.Namespace) -> _Found:
    """The texts to show. Of more than the limit a sample, in the files' order, each text being as likely as any other;
    no more texts than that are held."""
    import random

    chosen: list[tuple[int, Record]] = []
    count, draw = 0, random.Random(arguments.seed)
    with contextlib.closing(_inputs(arguments)) as inputs:
        for count, record in enumerate(inputs, 1):
            if len(chosen) < arguments.limit:
                chosen.append((count, record))
            elif (place := draw.randrange(count)) < arguments.limit:
                chosen[place] = (count, record)
        if count and inputs.columns.unseen:
            raise InputError(f"no row has a column {arguments.label!r} (--label)")
        warnings = inputs.warnings()
    if not count:
        raise InputError(f"{', '.join(arguments.files)}: no texts, expected at least one" + "".join(warnings))
    notes = [f"A sample of {len(chosen):,} of {count:,} texts."] if count > len(chosen) else []
    for told in [*warnings, *notes]:
        print(f"npmoji: {'note' if told in notes else 'warning'}: {told}", file=sys.stderr)
    return _Found([record for _, record in sorted(chosen, key=lambda item: item[0])], notes)


def _inputs(arguments: argparse.Namespace) -> Inputs:
    """The records of the files, with the labels."""
    from ..batch.readers import Columns
    from ..files.whole import check_other

    class WithLabel(Columns):
        """Whose messages name this command's option."""

        def option(self, name: str) -> str:
            return "--label" if name != self.text else super().option(name)

    text, label = arguments.column or "text", arguments.label
    inputs = read_files(arguments, arguments.files)
    for path, _ in inputs.files:
        check_other(path, arguments.html)
    if label is not None:
        if any(form == "txt" for _, form in inputs.files):
            names = ", ".join(path for path, form in inputs.files if form == "txt")
            hint = "one text per line has no columns; if it has some: --input-format csv, tsv or jsonl"
            raise InputError(f"{names}: --label does not apply, {hint}")
        # also the texts' own column can be the label
        inputs.columns = WithLabel(text, [label], whole=True)
    return inputs


def _label(record: Record, name: str) -> str:
    from ..batch.writers import as_cell

    return as_cell(record.others.get(name)).strip()


def _computed(model: Model, texts: list[str]) -> tuple[np.ndarray, list[list[Prediction]] | None]:
    """The features of the texts, and their most likely classes if the network has classes."""
    import numpy as np

    from ..explain.map_data import LIKELY

    progress = sys.stderr is not None and sys.stderr.isatty()
    if not model.classes:
        return model.encode(texts, progress=progress), None
    found = model.results(texts, ["features", "probabilities"], progress=progress)
    p = found["probabilities"]
    classes = isinstance(p, np.ndarray) and p.ndim == 2
    return found["features"], model.best(p, LIKELY) if classes else None
