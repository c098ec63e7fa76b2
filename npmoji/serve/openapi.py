"""The description of the API: OpenAPI 3.1, made of the limits that the server runs with."""

from __future__ import annotations

from typing import Any

from .. import __version__
from .limits import Limits
from .requests import FIELDS, TOP

ERRORS = {
    400: "it is no HTTP, no strict JSON, or not of the form that is expected; or `Host` is not this server's name",
    403: "a page of another server sent it",
    404: "there is no such path",
    405: "the path takes another method",
    408: "the request took too long to arrive",
    413: "the body is too large",
    415: "the body is not `application/json` in UTF-8, or compressed",
    422: "too many texts, a text too long, a `top` or `target` that is none, or results that the model does not have",
    429: "too much is waiting; `Retry-After` says for how many seconds",
    500: "the server failed",
    503: "computing took too long, there are too many connections, or the server is about to stop; with `Retry-After`",
}
_SCORE = """\
Best first. The objects are the lines that `npmoji score --format jsonl` writes; with classes of your own, each has a
`label`."""
_ENCODE = "As many numbers for each text as `/info` calls `features`."
_EXPLAIN = """\
The words as the tokenizer looks them up, with where each stands in the text (`start` and `end`, in code points), the
attention on it, and its contribution: how much less likely the target is without it. `known` says whether the
vocabulary has the word, `used` whether the network saw it. `emojis` has the contributions of all words to each of the
best classes."""
_TEXTS = ["I love mom's cooking"]
#: path: a line on it, a paragraph on its answer, an example of its body
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "/score": ("The most likely emojis of each text", _SCORE, {"texts": _TEXTS, "top": 2}),
    "/encode": ("The features of each text", _ENCODE, {"texts": _TEXTS}),
    "/explain": ("The words of each text that speak for a class", _EXPLAIN, {"texts": _TEXTS, "target": None}),
}


def description(limits: Limits) -> dict[str, Any]:
    """The whole description, as `/openapi.json` has it."""
    paths: dict[str, Any] = {path: {"post": _call(path, limits)} for path in CALLS}
    paths["/health"] = {"get": _look("Whether the server runs", _object(status={"const": "ok"}))}
    paths["/info"] = {"get": _look("The model, the limits, and what the queue has done", {"type": "object"})}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "npmoji",
            "version": __version__,
            "description": "Text to emoji probabilities, features, and the words that matter.",
        },
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _call(path: str, limits: Limits) -> dict[str, Any]:
    summary, answer, example = CALLS[path]
    answer = answer.replace("\n", " ")
    fields = {name: field for name, field in _fields(limits).items() if name in FIELDS[path]}
    name = path[1:].capitalize()
    body = {**_object(**fields), "required": ["texts"], "additionalProperties": False}
    errors = (400, 403, 408, 413, 415, 422, 429, 500, 503)
    return {
        "summary": summary,
        "description": answer,
        "operationId": path[1:],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": example}}},
        "responses": {"200": _response(answer, {"$ref": f"#/components/schemas/{name}"}), **_errors(errors)},
    }


def _look(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _response(summary, schema), **_errors((400, 503))}}


def _errors(codes: tuple[int, ...]) -> dict[str, Any]:
    return {str(code): _response(ERRORS[code], {"$ref": "#/components/schemas/Error"}) for code in codes}


def _response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _fields(limits: Limits) -> dict[str, Any]:
    """What a body may hold."""
    text = {"type": "string", "maxLength": limits.max_length}
    target = "the class whose words are asked for: its id, emoji or name; null: each text's own best"
    return {
        "texts": {"type": "array", "items": text, "maxItems": limits.max_texts},
        "top": {"type": "integer", "minimum": 1, "default": TOP, "description": "how many classes, all if fewer"},
        "target": {"type": ["integer", "string", "null"], "default": None, "description": target},
    }


def _schemas() -> dict[str, Any]:
    number, string, whole, yes = ({"type": kind} for kind in ("number", "string", "integer", "boolean"))
    label = {"type": "string", "description": "the name of a class of your own; not there for emojis"}
    best = {**_object(id=whole, emoji=string, label=label, p=number), "required": ["id", "emoji", "p"]}
    emoji = {"$ref": "#/components/schemas/Emoji"}
    explained = {"allOf": [emoji, _object(contributions=_list(number))]}
    attention = {"type": ["number", "null"], "description": "null where the network has no attention layer"}
    word = _object(text=string, start=whole, end=whole, attention=attention, contribution=number, known=yes, used=yes)
    explanation = _object(text=string, target=emoji, emojis=_list(explained), words=_list(word))
    return {
        "Emoji": best,
        "Score": _object(results=_list(_object(text=string, emojis=_list(emoji)))),
        "Encode": _object(features=_list(_list(number))),
        "Explain": _object(results=_list(explanation)),
        "Error": _object(error={"type": "string", "description": "one line"}),
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
