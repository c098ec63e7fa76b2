"""What `npmoji train` and `npmoji evaluate` print: how well a classifier does, for people or for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..learn.report import Report


class Outcome(NamedTuple):
    """Scores, and what else there is to say.

    Attributes:
        report: the scores.
        title: which texts they are for.
        after: lines below the scores: what was written, what to do next.
        facts: further keys of the JSON object.
    """

    report: Report
    title: str
    after: list[str]
    facts: dict[str, object]


def show(outcome: Outcome, form: str) -> None:
    """Print it as text, or as one line of JSON."""
    import json

    from ..display import text_output

    with text_output("-") as out:
        if form == "json":
            found = {**outcome.report.as_dict(), **outcome.facts}
            out.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
        else:
            out.write("\n".join([outcome.title, "", str(outcome.report).rstrip("\n")]) + "\n")
            out.write("".join(f"{line}\n" for line in ["", *outcome.after] if outcome.after))
