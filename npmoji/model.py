"""`load` a weights file, get a `Model`: texts or token ids in, probabilities, features and attention out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import formats, networks
from .backends import DEVICES, ENGINES, backend
from .emojis import EMOJIS
from .errors import InputError, VocabularyError, WeightsError
from .layers import AttentionWeightedAverage, Input
from .network import Graph, Network
from .precision import PRECISIONS
from .texts import chunks
from .tokenizer import Tokenizer, check_maxlen

DOWNLOADS = ("original", "torchmoji")  # what `npmoji download` fetches, and `load` finds by these names


class Prediction(NamedTuple):
    """One of a text's most likely classes; ``emoji`` is empty for a model whose classes are not the 64 emojis."""

    id: int
    emoji: str
    probability: float


def bundled() -> str:
    """The path of the small model that ships with npmoji: in the package once installed, in `weights/` in a checkout."""
    package = os.path.dirname(os.path.realpath(__file__))
    for folder in (package, os.path.dirname(package)):
        path = os.path.join(folder, "weights", "deepmoji_small.hdf5")
        if os.path.isfile(path):
            return path
    raise WeightsError(f"{package}: the bundled weights 'deepmoji_small.hdf5' are missing from this installation")


def load(
    path: str | os.PathLike | None = None,
    vocabulary: str | os.PathLike | dict[str, int] | None = None,
    maxlen: int = 30,
    engine: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    config: str | os.PathLike | dict[str, Any] | None = None,
) -> Model:
    """Load a network from its weights file; without a path, the small bundled model.

    Args:
        path: a file of any kind that `formats` reads, or ``"original"`` or ``"torchmoji"``: what `npmoji download` fetched.
        vocabulary: path of a vocabulary.json or a dict word -> id; by default the one the file carries, or `vocabulary.json`
            beside it. Without any the model takes token ids only.
        maxlen: texts are cut and padded to this many tokens, unless the network takes another number only.
        engine: ``"numpy"`` (lowest start-up), ``"numba"`` (compiled loops), ``"torch"`` (PyTorch, an extra), or ``"auto"``,
            which takes numpy until the work at hand is worth importing numba.
        precision: of the large matrices; by default as the file stores them, ``"fp32"`` for all but converted files.
            ``"fp16"``: rounded to IEEE halves, half the memory. ``"int8"``: weights and what is multiplied with them as
            whole numbers from -127 to 127 with scales, a third of the memory and the fastest; about one text in 100 gets
            another best class. The numpy engine computes the same, but gains nothing by it.
        threads: how many threads the numba engine may use; by default the cores this process may use. For the torch engine
            PyTorch's own setting, which is the whole process'; by default it stays as it is.
        device: ``"cpu"`` or ``"cuda"``, for the torch engine.
        config: for a file with weights only, of another network than DeepMoji: what Keras' ``model.to_json()`` gave, as a
            dict or the path of a .json file; by default `config.json` beside the weights.

    Arrays are memory-mapped: the file must stay in place while the model is in use. Everything is checked to be finite
    here, but for an embedding of more than 16 MiB: its rows are checked as they are used.

    Raises:
        WeightsError, VocabularyError, InputError: the file, the vocabulary or a setting cannot be used.
    """
    _check_settings(engine, precision, threads, device)
    check_maxlen(maxlen)
    if engine == "torch":
        backend(engine, threads, precision or "fp32", device)  # told now if it cannot be used
    path = find(path)
    file = formats.read(path)
    precision = precision or file.precision
    try:
        file = networks.with_config(file, config)
        graph = networks.build(file, precision)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if vocabulary is None:
        beside = vocabulary_beside(path)
        vocabulary = beside if file.vocabulary is None and os.path.isfile(beside) else file.vocabulary
    tokenizer = None if vocabulary is None else Tokenizer(vocabulary, maxlen=graph.steps or maxlen)
    settings = {"engine": engine, "precision": precision, "threads": threads, "device": device}
    return Model(graph, tokenizer, path=path, references=file.references, **settings)


def find(path: str | os.PathLike | None) -> str:
    """The weights file that a path or name stands for; None is the bundled model."""
    if path is None:
        return bundled()
    if path in DOWNLOADS:
        from .fetching.cache import downloaded

        return downloaded(path)
    try:
        return os.fsdecode(path)
    except TypeError as error:
        raise InputError(f"path: expected the name of a weights file, got {type(path).__name__}") from error


def vocabulary_beside(path: str) -> str:
    """Where the vocabulary of a weights file is looked for."""
    return os.path.join(os.path.dirname(path), "vocabulary.json")


def _check_settings(engine: str, precision: str | None, threads: int | None, device: str) -> None:
    if engine not in ("auto", *ENGINES):
        raise InputError(f"engine {engine!r}: expected one of auto, {', '.join(ENGINES)}")
    if precision is not None and precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads {threads!r}: expected an integer of at least 1")
    if device not in DEVICES or (device != "cpu" and engine != "torch"):
        raise InputError(f"device {device!r}: expected 'cpu', or 'cuda' with engine='torch'")


class Model(Network):
    """A network with its tokenizer.

    Attributes:
        layers: the layers in graph order, each callable: ``model.layers[-1](tokens)``.
        tokenizer: a `Tokenizer`, or None if the model has no vocabulary and takes token ids only.
        vocabulary_size, classes, features: V, C and F of the network; 0 where it has no such thing.
        path: the weights file.
        references: the reference results that the file carries, or None; see `verify`.
    """

    def __init__(
        self,
        graph: Graph,
        tokenizer: Tokenizer | None = None,
        path: str = "",
        references: dict[str, Any] | None = None,
        **settings: Any,
    ):
        super().__init__(graph, **settings)
        self.tokenizer, self.path, self.references = tokenizer, path, references
        self._tokens = next((layer for layer in graph.inputs if layer.vocabulary_size is not None), None)
        self._attlayer = next((layer for layer in graph.layers if isinstance(layer, AttentionWeightedAverage)), None)
        self.vocabulary_size = self._tokens.vocabulary_size if self._tokens else 0
        self.features = len(self._attlayer.kernel) if self._attlayer else 0
        self.classes = graph.classes
        self._check_vocabulary()

    def predict(self, x: Iterable[str] | np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (N, C).

        Args:
            x: a list of N texts, or integer token ids (N, T), 0 = padding. A network with several inputs takes a dict by
                their names, or a list in their order; the one of token ids may be texts. Several outputs come as a list.

        Raises:
            InputError: one str instead of a list, something that is not text, ids outside the vocabulary, wrong rank.
            VocabularyError: texts for a model without a vocabulary.
        """
        x, outputs = self.arrays(x), self.graph.outputs
        return self.run(x, outputs[0]) if len(outputs) == 1 else [self.run(x, layer) for layer in outputs]

    def stream(self, texts: Iterable[str], block: int = 512) -> Iterator[np.ndarray]:
        """What `predict` gives, text by text, for as many texts as come: float32 (C,) each, in their order.

        So many texts as ``block`` are read and computed together; memory does not grow with their number.
        """
        if isinstance(texts, (str, bytes)):
            raise InputError(f"expected an iterable of texts, got one {type(texts).__name__}: pass [text]")
        for some in chunks(texts, block):
            yield from self.predict(some)

    def encode(self, x: Iterable[str] | np.ndarray) -> np.ndarray:
        """Features, float32 (N, F): the attention layer's output. Takes and raises what `predict` does."""
        return self.run(x, self._attention_layer())

    def attention(self, x: Iterable[str] | np.ndarray) -> np.ndarray:
        """Attention weights, float32 (N, T), 0 at masked steps. Takes and raises what `predict` does."""
        layer, tokens = self._attention_layer(), self.tokens(x)
        return self.run(tokens, layer.attention, tokens.shape[1])

    def _attention_layer(self) -> AttentionWeightedAverage:
        if self._attlayer is None:
            raise InputError(f"{self.path}: this network has no layer AttentionWeightedAverage; model[name] gives any other's output")
        return self._attlayer

    def top(self, x: Iterable[str] | np.ndarray, k: int = 5) -> list[list[Prediction]]:
        """For each text its k most likely classes (all, if there are fewer), best first; equal ones by id."""
        return self.best(self.predict(x), k)

    def best(self, probabilities: np.ndarray, k: int = 5) -> list[list[Prediction]]:
        """The same, given the probabilities (N, C)."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise InputError(f"k {k!r}: expected an integer of at least 1")
        if not isinstance(probabilities, np.ndarray) or probabilities.ndim != 2:
            raise InputError(f"{self.path}: this network does not give one probability for each class")
        ids = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return [[self._prediction(int(i), row[i]) for i in best] for best, row in zip(ids, probabilities)]

    def tokens(self, x: Iterable[str] | np.ndarray) -> np.ndarray:
        """Token ids (N, T) for what `predict` takes: texts are tokenized, ids are checked."""
        if isinstance(x, (str, bytes)):
            raise InputError(f"expected a list of texts, got one {type(x).__name__}: pass [text]")
        if not isinstance(x, np.ndarray):
            try:
                x = list(x)
            except TypeError as error:
                raise InputError(f"expected a list of texts or token ids, got {type(x).__name__}") from error
            if not x or not isinstance(x[0], (list, tuple, np.ndarray)):
                return self._tokenize(x)
            x = self._rows_of_ids(x)
        elif x.dtype.kind in "UO":
            return self._tokenize(x.tolist())
        if self._tokens is None:
            raise InputError(f"{self.path}: this network takes no token ids")
        return self._tokens.check(x)

    def _checked(self, layer: Input, x: Any) -> Any:
        return self.tokens(x) if layer is self._tokens else super()._checked(layer, x)

    @staticmethod
    def _rows_of_ids(rows: list) -> np.ndarray:
        for row, ids in enumerate(rows):
            if not isinstance(ids, (list, tuple, np.ndarray)) or len(ids) != len(rows[0]):
                what = f"{len(ids)} ids" if isinstance(ids, (list, tuple, np.ndarray)) else type(ids).__name__
                raise InputError(f"row {row}: expected {len(rows[0])} token ids like row 0 (0 is padding), got {what}")
        try:
            return np.asarray(rows)
        except (ValueError, OverflowError) as error:
            raise InputError(f"token ids must be integers in rows of one length: {error}") from error

    def _tokenize(self, texts: list) -> np.ndarray:
        if self.tokenizer is not None:
            return self.tokenizer(texts)
        if not texts:
            return np.zeros((0, 1), np.uint16)
        if not isinstance(texts[0], str):
            raise InputError(f"text 0: expected str, got {type(texts[0]).__name__}")
        raise VocabularyError(
            f"{self.path}: this model has no vocabulary and takes token ids only; "
            "give one with load(path, vocabulary='vocabulary.json'), on the command line --vocabulary vocabulary.json, "
            "or put vocabulary.json beside the weights"
        )

    def _prediction(self, i: int, probability: np.float32) -> Prediction:
        return Prediction(i, EMOJIS[i] if self.classes == len(EMOJIS) else "", float(probability))

    def _check_vocabulary(self) -> None:
        if self.tokenizer is None or self._tokens is None:
            return
        word, last = self.tokenizer.largest_id()
        if last >= self.vocabulary_size:
            raise VocabularyError(
                f"the vocabulary does not fit {self.path}: {word!r} has id {last}, "
                f"but the embedding ends at {self.vocabulary_size - 1}"
            )

    def __repr__(self) -> str:
        return f"<Model {self.path}: {self.vocabulary_size} words, {self.features} features, {self.classes} classes>"

