"""torchMoji's `tokenizer`: the token pattern."""

from __future__ import annotations

from ...text.tokenizer import tokenize as _tokenize


def tokenize(text: str) -> list[str]:
    """The text's tokens just as they are written.

    Raises:
        InputError: the text is not a str.

    >>> tokenize("Soooo good!!! :)")
    ['Soooo', 'good', '!!!', ':)']
    """
    return _tokenize(text, "torchmoji")
