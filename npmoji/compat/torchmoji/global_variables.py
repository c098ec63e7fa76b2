"""torchMoji's `global_variables`: sizes, special words, and where the weights and the vocabulary are.

The paths are those of `npmoji download torchmoji`: plain strings once the files are there. Before that they are
`NotDownloaded`: they can be imported, printed and tested with `os.path.exists`, and opening them says what to do.
"""

from __future__ import annotations

import os
from collections import UserString
from functools import cache

from ... import sources
from ...errors import WeightsError
from ...text.vocabulary import SPECIAL_WORDS

NAME = "torchmoji"  # of the weights, for `npmoji download`

SPECIAL_PREFIX = "CUSTOM_"
SPECIAL_TOKENS = list(SPECIAL_WORDS)
NB_TOKENS = 50_000
NB_EMOJI_CLASSES = 64
FINETUNING_METHODS = ["last", "full", "new", "chain-thaw"]
FINETUNING_METRICS = ["acc", "weighted"]

ROOT_PATH: str  # the folder of both
PRETRAINED_PATH: str
VOCAB_PATH: str
WEIGHTS_DIR: str  # an empty folder in the system's temporary one


class NotDownloadedError(WeightsError, FileNotFoundError):
    """torchMoji's weights or vocabulary are not there; the message says how to get them."""


class NotDownloaded(UserString):
    """The path of a file that was not there when it was asked for.

    >>> str(NotDownloaded("model/vocabulary.json"))
    'model/vocabulary.json'
    """

    def __fspath__(self) -> str:
        if not os.path.isfile(self.data):
            raise NotDownloadedError(
                f"{self.data}: not downloaded yet: run `npmoji download {NAME}`; or {sources.by_hand(NAME)}"
            )
        return self.data


def __getattr__(name: str) -> str | NotDownloaded:
    if name == "ROOT_PATH":
        return os.path.dirname(sources.weights_path(NAME))
    if name == "WEIGHTS_DIR":
        return _temporary()
    places = {"PRETRAINED_PATH": sources.weights_path, "VOCAB_PATH": sources.vocabulary_path}
    if name not in places:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    path = places[name](NAME)
    return path if os.path.isfile(path) else NotDownloaded(path)


@cache
def _temporary() -> str:
    from tempfile import mkdtemp

    return mkdtemp(prefix="npmoji-")
