"""A job: texts of files, their results to a file. Reading, tokenizing, computing and writing overlap."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ..batch.names import TABLES, split
from ..batch.records import Inputs
from ..display import ProgressLine
from ..errors import InputError
from ..files.digest import sha256
from ..files.whole import Unfinished, check_other, whole_file
from ..model import Model
from ..network import AUTO_WORK
from . import manifest
from .blocks import check_columns
from .outputs import Text
from .pipeline import Step, overlapped
from .plans import AsBefore, AsColumns, AsRows, Made, Plan
from .results import Results
from .store import Store, remember, remembered, sync_folder

PART_BYTES = 32 << 20  # a part is finished when it is so large,
PART_ROWS = 65_536  # or has so many rows; of large networks fewer, so that no more than about a minute's work is lost:
PART_WORK = 8e10  # rows times a text token's multiply-adds
LEAST = 4096  # rows of a part
BYTES, PACKED = 5, 4  # of text for a token, and of text for a packed one, about
COMPUTING = 2  # blocks computed at a time: while one waits for its last thread, another goes on;
LIGHT = 1e6  # multiply-adds per token of a network for which that is worth the memory it takes


class Task(NamedTuple):
    """What a job is to do.

    Attributes:
        output: the path of the file; "-" for standard output.
        form, compression: of the output, see `batch.names`.
        what: see `Results`; None for the columns of the original's script.
        top: how many classes.
        emojis: see `batch.writers`.
        resume: go on with what an interrupted run has left; keep what is finished if this one is interrupted.
        overwrite: the output may exist, and be replaced.
        settings: all options that the output depends on, by their names on the command line.
    """

    output: str
    form: str
    compression: str = ""
    what: Sequence[str] | None = None
    top: int = 5
    emojis: bool = False
    resume: bool = False
    overwrite: bool = False
    settings: Mapping[str, Any] = MappingProxyType({})

    @property
    def new(self) -> bool:
        """Whether the output has the columns of `Results`."""
        return self.what is not None or self.form in TABLES.values()

    @property
    def careful(self) -> bool:
        """Whether an output that exists is not replaced without being told to."""
        return self.new or self.resume


def check(task: Task, inputs: Inputs) -> None:
    """Raise an InputError if the job cannot be done as its paths are."""
    paths = [path for path, _ in inputs.files]
    if task.resume:
        if "-" in paths:
            raise InputError("--resume needs files: standard input cannot be read again")
        if task.output == "-" or (os.path.exists(task.output) and not os.path.isfile(task.output)):
            raise InputError(f"--resume needs a file to write to, expected -o FILE, got {task.output}")
    if not task.careful or task.output == "-":
        return
    for path in paths:
        check_other(path, task.output)
    if not task.resume:  # else the file may be the job's own
        _check_new(task)


def _check_new(task: Task) -> None:
    if os.path.isfile(task.output) and not task.overwrite:
        raise InputError(f"{task.output}: exists; --overwrite replaces it")


def engine(model: Model, inputs: Inputs, new: bool = False) -> str:
    """The engine of a job: for "auto" one alone, from the first text to the last, so that nothing depends on where the
    work was interrupted. The choice depends on the files' sizes only.

    Args:
        new: whether the output has the columns of `Results`, whose bits do not depend on blocks with numba.
    """
    if model.engine != "auto":
        return model.engine
    size = sum(os.path.getsize(path) * _content(path, form) for path, form in inputs.files if os.path.isfile(path))
    return "numba" if new or size / BYTES * model.work > AUTO_WORK else "numpy"


def _content(path: str, form: str) -> int:
    """About how many bytes of text a byte of a file stands for."""
    return PACKED if form in TABLES.values() or split(path)[1] else 1


def planned(task: Task, inputs: Inputs, model: Model) -> Plan:
    """The steps of a job.

    Raises:
        InputError: the model cannot give what is asked for, the files do not have what they should, or pyarrow is
            missing.
    """
    text = Text(task.compression, task.output)
    if task.form not in TABLES.values():
        check_columns(inputs)
    if not task.new:
        k = min(task.top, len(model.class_names) or model.classes)
        return AsBefore(inputs, model, task.form, text, k, task.emojis)
    results = Results(model, task.what or "top", task.top)
    if task.form in TABLES.values():
        return AsColumns(inputs, model, results, task.form)
    return AsRows(inputs, model, results, task.form, text)


def run(task: Task, inputs: Inputs, model: Model) -> None:
    """Do a job, whose paths have been checked. Shows progress, and at the end what the user should know.

    Raises:
        InputError: anything that is wrong with inputs, output or settings.
    """
    target = task.output if task.output == "-" else os.path.realpath(task.output)
    regular = task.output != "-" and (os.path.isfile(target) or not os.path.exists(target))
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(Store(target))) if task.careful and regular else None
        if store is not None and store.begun and not task.resume and not task.overwrite:
            raise InputError(
                f"{store.folder} holds what an interrupted run has finished: --resume goes on with it, --overwrite "
                "starts anew"
            )
        plan = planned(task, inputs, model)
        work = stack.enter_context(contextlib.closing(_Work(task, inputs, model, plan)))
        if task.resume and store is not None:
            _resumed(task, work, store, target)
        else:
            _direct(task, work, store, target)
        if store is not None:
            store.remove()
    work.tell()


def _direct(task: Task, work: _Work, store: Store | None, target: str) -> None:
    """Write the output as it comes."""
    if store is not None and store.begun:
        store.discard()
    if task.output == "-":
        _to_stream(work)
        return
    with whole_file(target) as file, work.plan.output.opened(file) as out:
        rows = 0
        try:
            for part in work.parts(0):
                out.add(part.payload)
                rows += part.rows
        except InputError as error:
            if rows and isinstance(work.plan.output, Text):
                raise Unfinished(str(error), rows) from error
            raise


def _to_stream(work: _Work) -> None:
    from ..display import text_output

    with text_output("-") as out:
        for made in work.made(0):
            out.write(made.payload)
            out.flush()


def _resumed(task: Task, work: _Work, store: Store, target: str) -> None:
    """Finish parts, going on where an earlier run was interrupted, and put them together."""
    paths = [path for path, _ in work.inputs.files]
    job = manifest.described(paths, work.model, task.settings)
    if not store.begun and os.path.isfile(target):
        before = remembered(target)
        if before is not None and manifest.same(before[0], job):
            print(f"npmoji: {task.output} is finished already, by just this job", file=sys.stderr)
            return
        _check_new(task)
    if store.begun:
        manifest.check_same(store.earlier(), job, store.folder)
        if store.finished and os.path.isfile(target) and sha256(target) == store.finished:
            work.rows, work.cut = store.rows, sum(part.cut for part in store.parts)
            return  # only the folder was left
        _check_new(task)
        if store.lost:
            print(f"npmoji: warning: {store.folder}: damaged parts are computed again: {store.lost}", file=sys.stderr)
    else:
        store.begin(job)
    work.cut = sum(part.cut for part in store.parts)
    try:
        for part in work.parts(store.rows) if store.rows or not store.parts else ():  # a header alone is all there is
            store.add(work.plan.output.part(part.payload), work.plan.output.suffix, part.rows, part.cut)
    except InputError as error:
        if store.rows:
            kept = f"{store.rows:,} finished rows are kept in {store.folder}, --resume goes on with them"
            raise InputError(f"{error}; {kept}") from error
        raise
    manifest.unchanged(job["inputs"])
    with whole_file(target) as file:
        with work.plan.output.opened(file) as out:
            for path in store.paths():
                out.add_part(path)
        file.flush()
        os.fsync(file.fileno())
        store.finish(sha256(file.name))
    sync_folder(os.path.dirname(target))
    remember(target, job, store.finished)


class _Work:
    """The pipeline of a job, its progress and what there is to tell in the end."""

    def __init__(self, task: Task, inputs: Inputs, model: Model, plan: Plan):
        self.task, self.inputs, self.model, self.plan = task, inputs, model, plan
        quiet = task.output == "-" and sys.stdout is not None and sys.stdout.isatty()
        self._progress = ProgressLine(inputs.size, enabled=not (quiet or inputs.typed))
        self.cut, self.rows = 0, 0
        work = max(1, model.work)
        self._part_rows = max(LEAST, min(PART_ROWS, int(PART_WORK / work) // LEAST * LEAST))

    def made(self, skip: int) -> Iterator[Made]:
        """What becomes of each block after the first ``skip`` rows."""
        plan = self.plan
        self.rows = skip
        found = overlapped(
            plan.blocks(skip, patient=self.task.output != "-"),
            Step(plan.prepare),
            Step(plan.compute, COMPUTING if self.model.engine == "numba" and self.model.work < LIGHT else 1),
            Step(plan.form),
            stop=plan.stop,
        )
        with contextlib.closing(found):
            for made in found:
                self.rows += made.rows
                self.cut += made.cut
                yield made
                self._progress.step(made.rows, made.done)
        if not self.rows and (head := plan.head()):
            yield Made(head, 0, 0, 0)

    def parts(self, skip: int) -> Iterator[Made]:
        """The same as parts, whose payloads are lists. One that is unfinished when an error comes is given before."""
        payloads: list[Any] = []
        rows = cut = size = 0
        try:
            for made in self.made(skip):
                payloads.append(made.payload)
                rows, cut, size = rows + made.rows, cut + made.cut, size + self.plan.output.size(made.payload)
                if rows >= self._part_rows or size >= PART_BYTES:
                    yield Made(payloads, rows, cut, made.done)
                    payloads, rows, cut, size = [], 0, 0, 0
        except InputError:
            if rows and not self.task.resume:
                yield Made(payloads, rows, cut, 0)
            raise
        if payloads:
            yield Made(payloads, rows, cut, 0)

    def close(self) -> None:
        """Remove the progress line."""
        self._progress.close()

    def tell(self) -> None:
        """A summary, and warnings."""
        tokenizer = self.model.tokenizer
        if self._progress.enabled:
            self._progress.finish(f"{f'{self.cut:,}' if self.cut else 'none'} cut at {tokenizer.maxlen} tokens")
        elif self.cut:
            print(f"npmoji: {self.cut:,} of {self.rows:,} texts cut at {tokenizer.maxlen} tokens", file=sys.stderr)
        for warning in self.inputs.warnings():
            print(f"npmoji: warning: {warning}", file=sys.stderr)
