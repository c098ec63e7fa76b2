"""deepmoji-onnx's classes, on npmoji: the same names, arguments and shapes, without ONNX Runtime.

    from npmoji.compat.deepmoji_onnx import DeepMojiONNX      # instead of: from deepmoji_onnx import DeepMojiONNX

    import npmoji.compat.deepmoji_onnx
    npmoji.compat.deepmoji_onnx.install()                     # before: from deepmoji_onnx import DeepMojiONNX

Two things are better, and so not the same. The tokens are those that the weights were trained on: deepmoji-onnx splits
texts at spaces alone, so that "this!!!" is an unknown word there. And `DeepMojiONNX.from_pretrained` gives emojis for
keys, as deepmoji-onnx's README has it, where its table of names has some wrong, and the same one for two of them.
"""

from __future__ import annotations

import json
import os
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import InputError, WeightsError
from ..files.paths import local
from ..inputs import Floats, Inputs
from ..loading import load
from ..precision import PRECISIONS
from ..sources import SOURCES, by_hand, vocabulary_beside, weights_path
from ..text.emojis import EMOJIS, Prediction
from ..text.tokenizer import Tokenizer
from .installing import install as _install

__all__ = ["DeepMojiONNX", "DeepMojiTokenizer", "install"]

MODES = ("emoji", "feature")


class DeepMojiTokenizer:
    """Texts to token ids and lengths, as npmoji's `Tokenizer` cuts them.

    Args:
        vocab_path: path of a vocabulary.json.
        maxlen: how many tokens of each text are kept.
        mask_value, unk_value: the ids of padding and of unknown words.

    Raises:
        VocabularyError, InputError: as `Tokenizer`.

    >>> from npmoji.sources import bundled, vocabulary_beside
    >>> tokens, lengths = DeepMojiTokenizer(vocabulary_beside(bundled()), maxlen=6).tokenize(["I love xyzzyx"])
    >>> tokens.tolist(), lengths.tolist()
    ([[12, 47, 1, 0, 0, 0]], [3])
    """

    def __init__(self, vocab_path: str | os.PathLike[str], maxlen: int = 30, mask_value: int = 0, unk_value: int = 1):
        self._tokenizer = Tokenizer(vocab_path, maxlen)
        self.maxlen, self.mask_value, self.unk_value = maxlen, mask_value, unk_value

    @property
    def vocab(self) -> dict[str, int]:
        """The vocabulary, word -> id."""
        return self._tokenizer.vocabulary

    def tokenize(self, sentences: Inputs) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray]:
        """Token ids, int64 (N, maxlen), and how many each text has, int64 (N,): at least 1.

        Raises:
            InputError: not a list of texts; says the row.
        """
        ids = self._tokenizer(sentences).astype(np.int64)
        steps = np.arange(self.maxlen)
        lengths = ((ids != 0) * (steps + 1)).max(axis=1, initial=1)
        tokens = np.where(ids == 1, self.unk_value, ids)
        return np.where(steps < lengths[:, None], tokens, self.mask_value), lengths

    def __repr__(self) -> str:
        return f"DeepMojiTokenizer(vocab_size={len(self.vocab)}, maxlen={self.maxlen})"


class DeepMojiONNX:
    """DeepMoji, called with texts.

    Args:
        model_path: weights that npmoji reads; not an ONNX file.
        vocab_path: path of a vocabulary.json.
        emoji_path: path of a JSON file {"0": name of the first class, ...}, for `top_emojis`; without it the classes'
            numbers.
        maxlen: how many tokens of each text are used.
        providers: ONNX Runtime's; of no use here.
        mode: what `predict` gives, ``"emoji"`` or ``"feature"``; by default emoji, if the file has a last layer.
        options: further ones of `npmoji.load`, such as ``engine``.

    Raises:
        WeightsError, VocabularyError, InputError: as `npmoji.load`; or the file of names cannot be read.

    >>> from npmoji.sources import bundled, vocabulary_beside
    >>> moji = DeepMojiONNX(bundled(), vocabulary_beside(bundled()), engine="numpy")
    >>> [list(best) for best in moji.top_emojis(["I love mom's cooking"], k=2)]
    [['36', '4']]
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str],
        vocab_path: str | os.PathLike[str],
        emoji_path: str | os.PathLike[str] | None = None,
        maxlen: int = 30,
        providers: list[str] | None = None,
        *,
        mode: str | None = None,
        **options: Any,
    ):
        if mode not in (None, *MODES):
            raise InputError(f"mode {mode!r:.60}: expected one of {', '.join(MODES)}")
        path = local(model_path)
        if path.endswith(".onnx"):
            raise WeightsError(
                f"{path}: an ONNX file, which npmoji does not read: give the weights that it was made from, such as "
                "pytorch_model.bin"
            )
        self.model = load(path, vocabulary=vocab_path, maxlen=maxlen, **options)
        self.mode = mode or ("feature" if self.model.feature_only else "emoji")
        self._names = None if emoji_path is None else _names(local(emoji_path))

    @classmethod
    def from_pretrained(
        cls,
        variant: str = "fp32",
        cache_dir: str | os.PathLike[str] | None = None,
        maxlen: int = 30,
        providers: list[str] | None = None,
        *,
        mode: str | None = None,
        **options: Any,
    ) -> DeepMojiONNX:
        """The original weights, as `npmoji download` has fetched them: nothing is downloaded here.

        Args:
            variant: ``"fp32"``, ``"fp16"`` or ``"int8"``: npmoji's precision of that name.
            cache_dir: a folder with pytorch_model.bin or deepmoji_weights.hdf5, and vocabulary.json, instead.
            maxlen, providers, mode, options: as for the class.

        Raises:
            WeightsError: there are none; says how to get them. InputError: another variant.
        """
        if variant not in PRECISIONS:
            raise InputError(f"variant {variant!r:.60}: expected one of {', '.join(PRECISIONS)}")
        path = _pretrained(cache_dir)
        options = {"precision": variant, **options}
        made = cls(path, vocabulary_beside(path), None, maxlen, providers, mode=mode, **options)
        made._names = dict(enumerate(EMOJIS))
        return made

    def predict(self, sentences: Inputs) -> Floats:
        """Probabilities, float32 (N, C); in mode feature the features, float32 (N, F).

        Raises:
            InputError: not a list of texts; says the row. Or the file has no classes.
        """
        return self.model.encode(sentences) if self.mode == "feature" else self.model.predict(sentences)

    def encode(self, sentences: Inputs) -> Floats:
        """The same: as in deepmoji-onnx the features are what a model in mode feature gives."""
        return self.predict(sentences)

    def top_emojis(self, sentences: Inputs, k: int = 5) -> list[dict[str, float]]:
        """For each text its k most likely classes, best first: name -> probability.

        Raises:
            InputError: as `predict`; or the model is in mode feature.
        """
        if self.mode == "feature":
            raise InputError(f"{self.model.path}: in mode feature there are no probabilities; use mode='emoji'")
        return [self._named(best) for best in self.model.top(sentences, k)]

    def _named(self, best: list[Prediction]) -> dict[str, float]:
        found: dict[str, float] = {}
        for one in best:  # of classes with the same name the better one stays
            found.setdefault((self._names or {}).get(one.id, str(one.id)), one.probability)
        return found

    def __repr__(self) -> str:
        return f"DeepMojiONNX(mode={self.mode!r}) of {self.model}"


def _names(path: str) -> dict[int, str]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if not isinstance(found, dict):
            raise ValueError(f"got {type(found).__name__}")  # noqa: TRY004  with what JSON itself raises
        return {int(number): str(name) for number, name in found.items()}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected JSON, the names of the classes by their numbers: {error}") from error


def _pretrained(folder: str | os.PathLike[str] | None) -> str:
    """The weights file in the folder, or the one downloaded."""
    names = sorted(SOURCES, reverse=True)  # torchMoji's first, which deepmoji-onnx's are made from
    if folder is None:
        paths = [weights_path(name) for name in names]
    else:
        paths = [os.path.join(local(folder), SOURCES[name].file) for name in names]
    if found := next((path for path in paths if os.path.isfile(path)), None):
        return found
    if folder is not None:
        raise WeightsError(f"{os.fspath(folder)}: has neither {' nor '.join(SOURCES[name].file for name in names)}")
    raise WeightsError(
        f"no pretrained weights downloaded yet: run `npmoji download {names[0]}`; or {by_hand(names[0])}"
    )


def install(name: str = "deepmoji_onnx") -> ModuleType:
    """Let ``import deepmoji_onnx`` give this module, for the rest of the process, even where the genuine one is
    installed; returns it.

    Raises:
        InputError: the genuine package is imported already.

    >>> module = npmoji.compat.deepmoji_onnx.install()
    >>> from deepmoji_onnx import DeepMojiONNX
    """
    return _install(name, dict.fromkeys(("", "inference", "tokenizer"), __name__))
