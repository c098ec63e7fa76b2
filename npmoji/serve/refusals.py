"""Answers that are no results: a status, and one line that says what was wrong."""

from __future__ import annotations

import json


class Refusal(Exception):
    """A request that is not answered with results.

    Args:
        status: 400 and so on.
        message: what was found and what was expected; becomes one line.
        headers: of the answer, besides those of all answers.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}

    @property
    def body(self) -> bytes:
        """The answer."""
        return error_body(str(self))


def error_body(message: str) -> bytes:
    """``{"error": "one line"}``; ASCII, so that whatever the message quotes is valid.

    >>> error_body("two\\nlines")
    b'{"error": "two lines"}\\n'
    """
    from ..errors import shortened

    return json.dumps({"error": shortened(" ".join(message.split()))}).encode() + b"\n"


def unavailable(message: str, seconds: int = 1) -> Refusal:
    """The answer to what may be asked again later."""
    return Refusal(503, message, {"Retry-After": str(seconds)})
