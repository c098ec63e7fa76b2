"""Which texts have more tokens than the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np  # not when a command starts, which sets the threads of BLAS first

    from ..text.tokenizer import Tokenizer


def cut_texts(texts: Sequence[str], ids: np.ndarray, tokenizer: Tokenizer) -> list[int]:
    """The numbers of the texts that were cut, given their token ids (N, T): only those that fill their row need another
    look.

    >>> from npmoji.batch.cuts import cut_texts
    >>> tokenizer = npmoji.load(maxlen=2, engine="numpy").tokenizer
    >>> cut_texts(["so good", "so very good"], tokenizer(["so good", "so very good"]), tokenizer)
    [1]
    """
    return [i for i in ids[:, -1].nonzero()[0].tolist() if tokenizer.is_cut(texts[i])]
