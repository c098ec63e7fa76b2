"""Compare another implementation's tensors with golden ones, and find where they first differ.

Works on any named tensors whose first axis is the text. They may be memory-mapped, as they are read in blocks of texts.
`diagnosis` then finds the classic porting fault that causes the first difference, if the network is DeepMoji's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..text.tokenizer import ORIGINAL
from ..text.widths import columns, shorten
from . import diagnosis, masks
from .differences import Pair, TensorResult, blocks, numbers, pair
from .planting import INPUTS, Evidence

if TYPE_CHECKING:
    from ..model import Model
    from .golden import Golden

SAMPLE = 48, 16  # texts that a diagnosis uses: how many that differ besides the worst, and how many that do not
RANKED = ("softmax", "logits")  # tensors that rank the classes
QUOTED = 40  # columns quoted from a text


@dataclass
class Comparison:
    """What `compare` found.

    Attributes:
        tensors: the tensors that both have, in the golden's order.
        missing: golden tensors that the candidate lacks; extra: vice versa.
        top1, top5: how many texts have the same best class, and the same five best in any order; None without a
            ranking.
        ranked: how many texts were ranked, and by which tensor.
        first_difference: a sentence about the first tensor out of tolerance, in graph order; None if all passed.
        diagnosis: the faults that explain it, each with the fields of `diagnosis.Finding`.
        remarks: further sentences for people.
    """

    golden_path: str
    candidate_path: str
    tensors: list[TensorResult]
    missing: list[str]
    extra: list[str]
    top1: int | None = None
    top5: int | None = None
    ranked: tuple[int, str] | None = None
    first_difference: str | None = None
    diagnosis: list[diagnosis.Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all tensors that both have are within tolerance."""
        return all(tensor.passed for tensor in self.tensors)

    def json(self) -> str:
        """Everything as one JSON object; NaN and infinities are the strings ``"nan"``, ``"inf"``, ``"-inf"``."""
        plain = {"passed": self.passed, **asdict(self), "diagnosis": [finding._asdict() for finding in self.diagnosis]}
        return json.dumps(_speakable(plain), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def text(self) -> str:
        """A table for people, then the findings."""
        head = ["tensor", "max abs", "mean abs", "max rel", "max ULP", "outside", "largest error at", ""]
        rows = [head, *(_row(tensor) for tensor in self.tensors), *([name, "missing"] for name in self.missing)]
        rows += [[name, "extra"] for name in self.extra]
        sides = [
            f"golden     {self.golden_path}",
            f"candidate  {self.candidate_path}",
            f"tolerance  {self._tolerances()}",
        ]
        return "\n".join([*sides, "", *_aligned(rows), "", *self._summary(), ""])

    def _tolerances(self) -> str:
        """The most common tolerance, then those of single tensors."""
        spoken = {tensor.name: _tolerance(tensor.tolerance) for tensor in self.tensors}
        common = max(spoken.values(), key=list(spoken.values()).count)
        return "; ".join([common, *(f"{name} {limit}" for name, limit in spoken.items() if limit != common)])

    def _summary(self) -> Iterator[str]:
        if self.ranked:
            texts, name = self.ranked
            yield f"{name}: the best class agrees for {self.top1}, the five best for {self.top5} of {texts} texts"
        yield from (f"{tensor.name}: {note}" for tensor in self.tensors for note in tensor.notes)
        if self.first_difference:
            yield f"first difference: {self.first_difference}"
        for number, finding in enumerate(self.diagnosis):
            yield f"{'or' if number else 'diagnosis'}: {finding.sentence} ({finding.evidence})"
        yield from self.remarks
        failed = sum(not tensor.passed for tensor in self.tensors)
        verdict = f"{failed} outside tolerance" if failed else "all within tolerance"
        yield f"result: {len(self.tensors)} tensor{'s' * (len(self.tensors) > 1)} compared, {verdict}"


def compare(golden: Golden, candidate: Golden, model: Callable[[], Model] | None = None) -> Comparison:
    """Compare each tensor that both have, with the golden's tolerances.

    Args:
        golden: golden outputs with their manifest.
        candidate: some or all of the tensors; float64, float16 and additional or missing axes of length 1 are accepted.
        model: loads the model whose weights a diagnosis may use. Called only if something differs; used only if the
            weights are the golden's.

    Raises:
        InputError: the golden has no manifest or has changed since it was written, or there is no tensor in common.
    """
    if golden.manifest is None:
        raise InputError(f"{golden.path}: not written by `npmoji golden`: it has no manifest")
    if damage := golden.damage():
        raise InputError(f"{golden.path}: {'; '.join(damage)}")
    entries = {entry["name"]: entry for entry in golden.manifest["tensors"]}
    common = [name for name in entries if name in candidate.tensors and name in golden.tensors]
    if not common:
        raise InputError(
            f"nothing to compare: {golden.path} has the tensors {', '.join(entries)}; "
            f"{candidate.path} has {', '.join(candidate.tensors) or 'none'}"
        )
    pairs = {
        name: pair(name, golden.tensors[name], candidate.tensors[name], entries[name]["tolerance"]) for name in common
    }
    result = Comparison(
        golden.path,
        candidate.path,
        [both.result for both in pairs.values()],
        [name for name in entries if name not in common],
        [name for name in candidate.tensors if name not in entries],
    )
    _compare_ranks(result, pairs, list(entries)[-1])
    _compare_manifests(result, golden, candidate)
    first = next((both for both in pairs.values() if not both.result.passed), None)
    if first is not None:
        result.first_difference = _sentence(golden, first)
        if first.rows is not None:
            _diagnose(result, golden, pairs, first, model)
    return result


# All tensors ---------------------------------------------------------------------------------------------------------


def _compare_ranks(result: Comparison, pairs: dict[str, Pair], last: str) -> None:
    """Count the texts whose best classes agree."""
    for name in RANKED if last == "attlayer" else (*RANKED, last):  # there are features, but no classes
        both = pairs.get(name)
        if both is not None and both.rows is not None and both.golden.ndim == 2 and both.golden.shape[1] > 1:
            result.top1 = result.top5 = 0
            for block in blocks(*both.golden.shape):
                a, b = (numbers(side[block], both.golden.dtype) for side in (both.golden, both.candidate))
                valid, a, b = np.isfinite(b).all(axis=1), _best(a), _best(b)
                result.top1 += int((valid & (a[:, 0] == b[:, 0])).sum())
                result.top5 += int((valid & (np.sort(a) == np.sort(b)).all(axis=1)).sum())
            result.ranked = len(both.golden), name
            return


def _best(block: np.ndarray) -> np.ndarray:
    """Indices of each row's five largest numbers, best first, equal ones by index."""
    return np.argsort(-block, axis=1, kind="stable")[:, :5]


def _compare_manifests(result: Comparison, golden: Golden, candidate: Golden) -> None:
    if candidate.manifest is None:
        return
    ours, theirs = (side.manifest["weights"] for side in (golden, candidate))
    if ours.get("sha256") != theirs.get("sha256"):
        names = f"{theirs.get('name')}, the golden from {ours.get('name')}"
        result.remarks.append(f"the candidate was made from another weights file: {names}")
    ours, theirs = (side.manifest.get("compat", ORIGINAL) for side in (golden, candidate))
    if ours and theirs and ours != theirs:
        result.remarks.append(
            f"the candidate's texts were tokenized with compat {theirs!r}, the golden's with {ours!r}"
        )


def _sentence(golden: Golden, first: Pair) -> str:
    """Where and how the first tensor out of tolerance differs."""
    tensor = first.result
    if first.rows is None:
        return f"{tensor.name}: {tensor.notes[-1].removeprefix('not compared: ')}"
    if tensor.name == "tokens":
        return _token_sentence(golden, first)
    ours, theirs = (f"{value:.6g}" for value in (tensor.golden, tensor.candidate))
    return f"{tensor.name}, {_spoken(tensor.where)}: {theirs} where the golden has {ours}{_quote(golden, tensor.where)}"


def _token_sentence(golden: Golden, first: Pair) -> str:
    """The first token that differs, which is a fault of the tokenizer or of the ids given instead."""
    text = int(np.argmax(first.rows))
    ours, theirs = (side[text] for side in (first.golden, first.candidate))
    where = {"text": text, "step": int(np.argmax(ours != theirs))}
    return (
        f"tokens, {_spoken(where)}: id {theirs[where['step']]} where the golden has {ours[where['step']]}"
        f"{_quote(golden, where)}; {first.result.texts} of {len(first.golden)} texts have other tokens, "
        "so what follows differs too"
    )


def _quote(golden: Golden, where: dict[str, int]) -> str:
    """Which text that is, and which word, if the manifest says so."""
    parts, step, tokens = [], where.get("step"), golden.tensors.get("tokens")
    texts = golden.manifest["texts"]
    entry = texts[where["text"]] if where["text"] < len(texts) else {}
    words = entry.get("words") or []
    if step is not None and tokens is not None and step < tokens.shape[1]:
        if not tokens[where["text"], step]:
            parts.append("a padded step")
        elif step < len(words):
            parts.append(f"word {words[step]!r}")
    if entry.get("text"):
        parts.append(f"text {shorten(' '.join(entry['text'].split()), QUOTED)!r}")
    return f" ({', '.join(parts)})" if parts else ""


# Diagnosis -----------------------------------------------------------------------------------------------------------


def _diagnose(
    result: Comparison, golden: Golden, pairs: dict[str, Pair], first: Pair, model: Callable[[], Model] | None
) -> None:
    """Find the fault behind the first difference, or report that none was found, if the network is DeepMoji."""
    if not diagnosis.applies_to(golden.tensors) or first.result.name not in INPUTS:
        return
    loaded = model() if model is not None else None
    weights = diagnosis.weights_of(loaded) if loaded is not None and _is_of(golden, loaded) else None
    evidence = _evidence(golden, pairs, first)
    result.diagnosis = diagnosis.diagnose(evidence, weights)
    if result.diagnosis:
        return
    tried = "classic porting faults" if weights else "faults that show without the weights"
    result.remarks.append("; ".join([f"diagnosis: none of the {tried} explains it", *diagnosis.patterns(evidence)]))
    if loaded is not None and weights is None:
        known = golden.manifest["weights"]
        file = f"{known.get('name')}, sha256 {known.get('sha256')}"
        result.remarks.append(f"for a full diagnosis give --weights the golden's weights: {file}")


def _evidence(golden: Golden, pairs: dict[str, Pair], first: Pair) -> Evidence:
    """The evidence: some texts that differ and some that do not, of each kind of padding."""
    tokens = golden.tensors["tokens"]
    kinds = np.concatenate([masks.kinds(tokens[block]) for block in blocks(*tokens.shape)])
    rows = [
        masks.spread(group, kinds[group], number)
        for group, number in zip((np.flatnonzero(first.rows), np.flatnonzero(~first.rows)), SAMPLE)
    ]
    worst = [first.result.where["text"]]
    rows = np.unique(np.concatenate([worst, *rows]))
    logits = golden.tensors.get("attention_logits")
    return Evidence(
        target=first.result.name,
        tolerance=first.result.tolerance,
        given={name: np.array(tensor[rows]) for name, tensor in golden.tensors.items() if name in INPUTS},
        seen=numbers(first.candidate[rows], first.golden.dtype),
        trusted=frozenset(name for name, both in pairs.items() if both.result.passed),
        largest_logit=None if logits is None else float(np.max(logits)),
    )


def _is_of(golden: Golden, model: Model) -> bool:
    """Whether the golden was made from this model's weights file."""
    found = model.weights_file.sha256
    return found is not None and found == golden.manifest["weights"].get("sha256")


# For people and machines ---------------------------------------------------------------------------------------------


def _row(tensor: TensorResult) -> list[str]:
    if tensor.outside is None:
        return [tensor.name, *["-"] * 6, "DIFFERS"]
    figures = (tensor.max_absolute_error, tensor.mean_absolute_error, tensor.max_relative_error)
    place = _spoken(tensor.where) if tensor.where else "-"
    verdict = "ok" if tensor.passed else f"{tensor.nonfinite} NAN OR INF" if tensor.nonfinite else "DIFFERS"
    ulp = "-" if tensor.max_ulp is None else str(tensor.max_ulp)
    return [tensor.name, *(f"{x:.1e}" if x else "0" for x in figures), ulp, str(tensor.outside), place, verdict]


def _spoken(where: dict[str, int]) -> str:
    return ", ".join(f"{axis} {i}" for axis, i in where.items())


def _tolerance(limits: dict[str, float]) -> str:
    parts = [f"{limits['absolute']:g}", *([f"{limits['relative']:g} |golden|"] if limits["relative"] else [])]
    return " + ".join(parts)


def _aligned(rows: list[list[str]]) -> list[str]:
    """The rows as lines, with numbers aligned right; rows of two cells are a name and a word."""
    head = rows[0]
    widths = [max(columns(row[i]) for row in rows if i == 0 or len(row) == len(head)) for i in range(len(head))]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: list[str], widths: list[int]) -> Iterator[str]:
    for i, (cell, width) in enumerate(zip(row, widths)):
        gap = " " * max(0, width - columns(cell))
        yield cell + gap if i in (0, 6, 7) or len(row) == 2 else gap + cell


def _speakable(value: Any) -> Any:
    """The value, with what JSON cannot represent written as strings."""
    if isinstance(value, dict):
        return {key: _speakable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_speakable(item) for item in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
