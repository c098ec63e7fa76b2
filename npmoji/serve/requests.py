"""Bodies of requests: strict JSON, and what may stand in it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from .limits import Limits
from .refusals import Refusal

TOP = 5  # emojis of a text, unless a request says otherwise
#: what each path takes
FIELDS = {"/score": ("texts", "top"), "/encode": ("texts",), "/explain": ("texts", "target", "top")}


class Wanted(NamedTuple):
    """What a request asks for.

    Attributes:
        target: for which class words are explained: an id, an emoji or a name; None for each text's own best.
    """

    texts: list[str]
    top: int = TOP
    target: int | str | None = None


def check_type(kind: str, encoding: str) -> None:
    """Raise a Refusal unless these headers of a request announce JSON in UTF-8, not compressed."""
    media, _, parameters = kind.partition(";")
    if media.strip().lower() != "application/json":
        raise Refusal(415, f"Content-Type is {kind!r:.80}, expected application/json")
    for parameter in filter(None, map(str.strip, parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in ("utf-8", "utf8"):
            raise Refusal(415, f"Content-Type has {parameter!r:.80}, expected UTF-8")
    if encoding.strip().lower() not in ("", "identity"):
        raise Refusal(415, f"Content-Encoding is {encoding!r:.80}, expected a body that is not compressed")


def wanted(body: bytes, path: str, limits: Limits) -> Wanted:
    """What the body of a request for this path asks for.

    Raises:
        Refusal: 400 for what is no such object, 422 for one that asks for too much.

    >>> wanted(b'{"texts": ["lol"], "top": 3}', "/score", Limits())
    Wanted(texts=['lol'], top=3, target=None)
    """
    found, fields = parsed(body), FIELDS[path]
    if not isinstance(found, dict):
        raise Refusal(400, f'the body is {_kind(found)}, expected an object such as {{"texts": ["…"]}}')
    if unknown := [name for name in found if name not in fields]:
        raise Refusal(400, f"unknown field {unknown[0]!r:.80}, expected {' and '.join(map(repr, fields))}")
    if "texts" not in found:
        raise Refusal(400, "there is no 'texts', expected a list of strings")
    return Wanted(_texts(found["texts"], limits), _top(found.get("top", TOP)), _target(found.get("target")))


def parsed(body: bytes) -> Any:
    """The value that strict JSON stands for: UTF-8 without a byte order mark, no NaN, no name twice in an object.

    Raises:
        Refusal: it is none.
    """
    if not body:
        raise Refusal(400, 'the body is empty, expected an object such as {"texts": ["…"]}')
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}") from None
    if text.startswith("\ufeff"):
        raise Refusal(400, "the body begins with a byte order mark, expected JSON alone")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error.msg}, at character {error.pos}") from None
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply") from None
    except ValueError:  # an integer of more digits than Python reads
        raise Refusal(400, "the body has a number with too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Refusal(400, f"field {name!r:.80} is there twice")
        found[name] = value
    return found


def _constant(name: str) -> Any:
    raise Refusal(400, f"the body has {name}, which JSON does not know")


def _texts(found: Any, limits: Limits) -> list[str]:
    if not isinstance(found, list):
        raise Refusal(400, f"'texts' is {_kind(found)}, expected a list of strings")
    if len(found) > limits.max_texts:
        raise Refusal(422, f"{len(found):,} texts, expected at most {limits.max_texts:,} a request")
    for row, text in enumerate(found):
        if not isinstance(text, str):
            raise Refusal(400, f"text {row} is {_kind(text)}, expected a string")
        if len(text) > limits.max_length:
            raise Refusal(422, f"text {row} has {len(text):,} characters, expected at most {limits.max_length:,}")
    return found


def _top(found: Any) -> int:
    if isinstance(found, int) and not isinstance(found, bool) and found > 0:
        return found
    shown = _kind(found) if type(found) is not int or found < -(10**9) else repr(found)
    raise Refusal(422, f"'top' is {shown}, expected an integer of at least 1")


def _target(found: Any) -> int | str | None:
    if isinstance(found, bool) or not (found is None or isinstance(found, (int, str))):
        raise Refusal(422, f"'target' is {_kind(found)}, expected a class's id, emoji or name, or null")
    return found


def _kind(value: Any) -> str:
    """What JSON calls a value, for messages."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names = {str: "a string", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names[type(value)]
