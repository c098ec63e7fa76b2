"""Every error npmoji raises on purpose.

    NpmojiError
    ├── WeightsError      a weights file is missing, damaged, of the wrong shape, or holds NaN or infinite values
    ├── VocabularyError   a vocabulary is missing, not what it should be, or does not fit the weights
    └── InputError        texts, token ids or settings that the model cannot take

The last two are also ValueErrors, which is what the original raises in such cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 1_500  # characters of a message: a screen of 24 lines holds 1,920
KEPT = 1_000  # characters kept from the beginning of a longer one; the rest comes from its end


def shortened(message: str) -> str:
    """The message, cut in the middle if it is longer than a screen: what it quotes may have any length."""
    if len(message) <= LONGEST:
        return message
    gap = f" [... {len(message) - LONGEST:,} more characters ...] "
    return message[:KEPT] + gap + message[len(message) - (LONGEST - KEPT - len(gap)) :]


def one_line(error: BaseException | str) -> str:
    """The error's message without line breaks, no longer than a screen."""
    return shortened(" ".join(str(error).split()) or type(error).__name__)


class NpmojiError(Exception):
    """Base of all errors raised by npmoji; none is longer than a screen."""

    def __init__(self, *arguments: object):
        super().__init__(*(shortened(value) if isinstance(value, str) else value for value in arguments))


class WeightsError(NpmojiError):
    """A weights file cannot be used; the message names the file, the layer and what was expected."""


class VocabularyError(NpmojiError, ValueError):
    """A vocabulary cannot be used, or a text was given to a model without one."""


class InputError(NpmojiError, ValueError):
    """The caller's texts, token ids or settings are not what the model takes; the message names the row."""


@contextmanager
def noted(note: str) -> Iterator[None]:
    """Let errors other than npmoji's own through as they are, with a note of where they came from: mistakes in code,
    the caller's or npmoji's, are not to be taken for something wrong with a file."""
    try:
        yield
    except NpmojiError:
        raise
    except Exception as error:
        error.__notes__ = [*getattr(error, "__notes__", ()), note]  # `add_note` is not before Python 3.11
        raise
