"""`Model`: texts or token ids in, probabilities, features and attention out."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from . import inputs
from .classes import Classes
from .errors import InputError, VocabularyError
from .files.facts import FileFacts
from .files.mapping import MappedFile
from .formats.contents import Contents
from .graph import Graph
from .inputs import Floats, Inputs, Outputs
from .layers import AttentionWeightedAverage, Checked, Input, Layer
from .network import Network, joined
from .outputs import alone, each
from .text.emojis import Prediction
from .text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing import Self  # not before Python 3.11

    from .display import Progress
    from .explain.explanation import Explanation
    from .explain.targets import Target

OPEN = ("graph", "layers", "_tokens", "_attlayer")  # what a model has until it is closed


class Model(Network):
    """A network with its tokenizer.

    ``with npmoji.load(...) as model:`` closes it at the end. `pickle` (joblib, process pools) stores where the model
    came from and the settings, and loads it again from there: the same file must be in the same place, or it is a
    WeightsError. With ``embed`` the pickle holds weights and vocabulary, too. `copy.copy` and `copy.deepcopy` need no
    file.

    Attributes:
        layers: the layers in graph order, each callable: ``model.layers[-1](tokens)``.
        tokenizer: a `Tokenizer`, or None if the model has no vocabulary and takes token ids only.
        takes_texts: whether an input is of texts, which the network itself splits, without a tokenizer.
        vocabulary_size, classes, features: V, C and F of the network; 0 where it has no such thing.
        class_names: of each class, the emojis' short English names or those of one's own classes; empty if they have
            none. Two for a network that gives one number, the probability of the second.
        own_classes: whether these names are of one's own classes.
        labels: what a `Prediction` calls the classes: the 64 emojis themselves, else as ``class_names``.
        multi_label: whether each class has a probability of its own, and they do not sum to 1.
        provenance: how the weights were made (method, seed, scores), if the file tells, or None.
        feature_only: whether it is DeepMoji without its last layer, for `encode` and `attention` but not `predict`.
        path: the weights file.
        references: the reference results that the file carries, or None; see `verify`.
        weights_file, vocabulary_file: what is known of the files that weights and vocabulary came from. The latter is
            the weights file if that carries the words, and None if they came from no file.
        source: what `load` was given, with absolute paths; None for a model that was made by hand.
        load: the function that made the model from its source.
        embed: whether a pickle holds the weights; one of a model without a source always does.
        files: weak references to the mapped files behind the weights.

    >>> with npmoji.load(engine="numpy") as model:
    ...     print(model.features, model.classes, model["bi_lstm_0"].name)
    320 64 bi_lstm_0
    """

    def __init__(
        self,
        graph: Graph,
        tokenizer: Tokenizer | None = None,
        path: str = "",
        references: dict[str, Any] | None = None,
        file: Contents | None = None,
        **settings: Any,
    ):
        """A model made by hand, or of what a ``file`` holds, which says path and references then."""
        super().__init__(graph, **settings)
        graph, file = self.graph, file or Contents(path, {}, references=references)
        # the arrays are the graph's, the words the tokenizer's, and references may be set
        self._file = file._replace(layers={}, vocabulary=None, references=None)
        self.tokenizer: Tokenizer | Any = tokenizer  # Any, so that type checkers do not ask whether it is None
        self.path, self.references = file.path, file.references
        self.weights_file = FileFacts(self.path)
        self.vocabulary_file: FileFacts | None = None
        self.source: dict[str, Any] | None = None
        self.load: Callable[..., Model] | None = None
        self.embed = False
        self.files: list[weakref.ref[MappedFile]] = []
        self._tokens = next((layer for layer in graph.inputs if layer.vocabulary_size is not None), None)
        self._attlayer = next((layer for layer in graph.layers if isinstance(layer, AttentionWeightedAverage)), None)
        self.vocabulary_size: int = (self._tokens and self._tokens.vocabulary_size) or 0
        self.features: int = len(self._attlayer.kernel) if self._attlayer else 0
        self.classes: int = graph.classes
        self._classes = Classes.of(graph, file)
        self.class_names: list[str] = self._classes.names
        self.labels: list[str] = self._classes.labels
        self.own_classes = self._classes.own
        self.multi_label, self.provenance = file.multi_label, file.provenance
        self.feature_only = graph.trims_padding and graph.outputs == [self._attlayer]  # which only DeepMoji does
        self._check_vocabulary()

    @property
    def contents(self) -> Contents:
        """What the weights file holds besides the words, as it was loaded: it is not read again, and need not be there.

        Raises:
            InputError: the model is closed.

        >>> npmoji.load(engine="numpy").contents.layers["softmax"]["kernel"].shape
        (320, 64)
        """
        return self._file._replace(layers=self.graph.weights, references=self.references)

    def close(self) -> None:
        """Let go of the weights and their mapped file, which can then be deleted on Windows too. Calls raise an
        InputError.

        The file stays mapped for as long as anything else holds a layer of this model, or an array of its weights.

        >>> model = npmoji.load(engine="numpy")
        >>> model.close()  # now its file can be replaced or deleted, on Windows too
        """
        for name in OPEN:
            self.__dict__.pop(name, None)
        if any(file() is not None for file in self.files):  # layers of the caller's own classes may go in circles
            import gc

            gc.collect()

    def __enter__(self) -> Self:
        self.check_ready()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    if not TYPE_CHECKING:  # type checkers would take any name

        def __getattr__(self, name: str) -> Any:
            """What `close` took away."""
            if name in OPEN and "files" in self.__dict__:
                raise InputError(f"{self.path}: this model is closed; load it again")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def check_ready(self) -> None:
        """Raise an InputError if the model is closed, a WeightsError if its file was written to."""
        self.graph  # noqa: B018
        for file in self.files:
            if (mapped := file()) is not None:
                mapped.check()

    def __copy__(self) -> Model:
        from .pickling import duplicate

        return duplicate(self, deep=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        from .pickling import duplicate

        return duplicate(self, deep=True)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        from .pickling import reduced

        return reduced(self)

    def predict(self, x: Inputs, *, progress: Progress = False) -> Outputs:
        """Class probabilities, float32 (N, C); of a network with several outputs arrays in a list, or in whatever lists
        and dicts the Keras model gives them.

        Args:
            x: a list of N texts, or integer token ids (N, T), 0 = padding. Texts may be any iterable of str, or an
                array or column of strings of NumPy, pandas, polars or pyarrow. A network with several inputs takes a
                dict by their names, or a list in their order; the one of token ids may be texts.
            progress: show on standard error how far the work has come; or a function to call for that, with the texts
                done and all texts, from whatever thread did them, one call at a time.

        Raises:
            InputError: one str instead of a list, a table instead of one of its columns, something that is not text, a
                missing value, ids outside the vocabulary, wrong rank; says the row or what to pass instead. Or the file
                has no classes.
            VocabularyError: texts for a model without a vocabulary.

        >>> model = npmoji.load(engine="numpy")
        >>> model.predict(["I love mom's cooking"]).shape
        (1, 64)
        """
        found = self._found(x, ("probabilities",), progress)["probabilities"]
        return self.graph.packed(found)

    def results(self, x: Inputs, what: Sequence[str], *, progress: Progress = False) -> dict[str, Outputs]:
        """Several of ``"probabilities"``, ``"features"`` and ``"attention"`` by these names, with the network run once:
        what `predict`, `encode` and `attention` give, of a network with one output the array alone. Takes and raises
        what they do.

        >>> model = npmoji.load(engine="numpy")
        >>> found = model.results(["I love mom's cooking"], ["features", "probabilities"])
        >>> {name: array.shape for name, array in found.items()}
        {'features': (1, 320), 'probabilities': (1, 64)}
        """
        found = self._found(x, what, progress)
        return {
            name: self.graph.packed(some) if name == "probabilities" and len(some) > 1 else some[0]
            for name, some in found.items()
        }

    def _found(self, x: Inputs, what: Sequence[str], progress: Progress) -> dict[str, list[Floats]]:
        """The same, each as a list of all arrays."""
        layers = {name: self._layers_of(name) for name in what}
        if not layers:
            return {}
        arrays = self.arrays(x)
        widths: dict[Layer, int | None] = dict.fromkeys(chain.from_iterable(layers.values()))
        if "attention" in layers and self.graph.trims_padding:
            widths[layers["attention"][0]] = next(iter(arrays.values())).shape[1]
        found = dict(zip(widths, self._values(arrays, widths, progress)))
        return {name: [found[layer] for layer in some] for name, some in layers.items()}

    def _layers_of(self, name: str) -> list[Layer]:
        """The layers that give what `results` calls so."""
        if name == "probabilities":
            if self.feature_only:
                self._check_classes()
            return self.graph.outputs
        if name == "features":
            return [self._attention_layer()]
        if name == "attention":
            return [self._attention_layer().attention]
        raise InputError(f"{name!r:.60}: expected some of probabilities, features, attention")

    def apart(self, x: Inputs, what: Sequence[str], *, progress: Progress = False) -> dict[str, Outputs]:
        """The same as `results`, each row as it would be alone: of a network that pads texts to the longest of a call,
        and does not mask the padding, `results` depends on the others.

        >>> model = npmoji.load(engine="numpy")
        >>> model.apart(["I love mom's cooking"], ["features"])["features"].shape
        (1, 320)
        """
        arrays = self.arrays(x)
        parts = []
        if self.graph.takes_texts:
            from .layers.lookup import apart

            parts = apart(arrays)
        if len(parts) < 2:
            return self.results(arrays, what, progress=progress)
        found = [(rows, self.results(some, what)) for rows, some in parts]
        return {name: joined([(rows, values[name]) for rows, values in found]) for name in what}

    def rows(self, texts: list[str]) -> np.ndarray:
        """What `results` takes for texts, as an array: their token ids, or for a network that splits them itself the
        texts.

        >>> npmoji.load(engine="numpy").rows(["I love mom's cooking"]).shape
        (1, 30)
        """
        return inputs.strings(texts) if self.graph.takes_texts else self.tokens(texts)

    def stream(self, texts: Iterable[str], block: int = 512) -> Iterator[Outputs]:
        """What `predict` gives, text by text, for as many texts as come: float32 (C,) each, in their order.

        So many texts as ``block`` are read and computed together; memory does not grow with their number.

        >>> model = npmoji.load(engine="numpy")
        >>> [int(p.argmax()) for p in model.stream(iter(["I love mom's cooking"]))]
        [36]
        """
        return self._stream(inputs.blocks(texts, block))

    def _stream(self, blocks: Iterable[list[Any] | np.ndarray]) -> Iterator[Outputs]:
        row = 0
        for some in blocks:
            texts = isinstance(some, list) and not isinstance(some[0], inputs.ROW)
            good = (
                next((i for i, text in enumerate(some) if not isinstance(text, str)), len(some)) if texts else len(some)
            )
            found = self.predict(some[:good])
            yield from (each(operator.itemgetter(i), found) for i in range(good))
            if good < len(some):
                raise inputs.not_a_text(row + good, some[good])  # by its place in all of the stream
            row += len(some)

    def encode(self, x: Inputs, *, progress: Progress = False) -> Floats:
        """Features, float32 (N, F): the attention layer's output. Takes and raises what `predict` does.

        >>> model = npmoji.load(engine="numpy")
        >>> model.encode(["I love mom's cooking"]).shape
        (1, 320)
        """
        return self.results(x, ("features",), progress=progress)["features"]

    def probabilities(self, features: Any) -> Outputs:
        """What `predict` gives, from features as `encode` gives them: the layers after the attention layer alone, on
        the model's engine.

        Args:
            features: numbers (N, F), such as the mean of several texts' features.

        Raises:
            InputError: another shape, no numbers, NaN; names the row. Or the network has no such layers, or they take
                something else than the features.

        >>> model = npmoji.load(engine="numpy")
        >>> model.probabilities(model.encode(["I love mom's cooking", "the best food"]).mean(axis=0)[None]).shape
        (1, 64)
        """
        self.check_ready()
        layer = self._attention_layer()
        self._check_classes()
        source = Input(shape=(self.features,), name="features")
        try:
            values = source.check(features)
        except InputError as error:
            raise InputError(f"{error}: expected numbers (N, {self.features}), as encode gives them") from None
        return self.graph.packed(self.run_from(layer, values, self.graph.outputs))

    def attention(self, x: Inputs, *, progress: Progress = False) -> Floats:
        """Attention weights, float32 (N, T), 0 at masked steps. Takes and raises what `predict` does.

        >>> model = npmoji.load(engine="numpy")
        >>> round(float(model.attention(["I love mom's cooking"]).sum()), 3)
        1.0
        """
        return self.results(x, ("attention",), progress=progress)["attention"]

    def _values(self, arrays: Checked, layers: dict[Layer, int | None], progress: Progress) -> list[Floats]:
        """These layers' outputs for all rows, as `run_all` takes them."""
        if progress is False:
            return self.run_all(arrays, layers)
        from .display import telling

        with telling(progress) as told:
            return self.run_all(arrays, layers, told)

    def _attention_layer(self) -> AttentionWeightedAverage:
        if self._attlayer is None:
            raise InputError(
                f"{self.path}: this network has no layer AttentionWeightedAverage; model[name] gives any other's output"
            )
        return self._attlayer

    def _check_classes(self) -> None:
        if self.graph.outputs == [self._attlayer]:
            raise InputError(
                f"{self.path}: this file has no classes: it ends at the attention layer, without a last layer for "
                "probabilities; encode gives its features, attention the words' weights"
            )

    def top(self, x: Inputs, k: int = 5, *, progress: Progress = False) -> list[list[Prediction]]:
        """For each text its k most likely classes (all, if there are fewer), best first; equal ones by id.

        >>> model = npmoji.load(engine="numpy")
        >>> [p.emoji for p in model.top(["I love mom's cooking"], k=2)[0]]
        ['😋', '😍']
        """
        return self.best(self.predict(x, progress=progress), k)

    def best(self, probabilities: np.ndarray, k: int = 5) -> list[list[Prediction]]:
        """The same, given the probabilities (N, C).

        >>> model = npmoji.load(engine="numpy")
        >>> model.best(np.eye(64, dtype=np.float32)[4:5], k=1)
        [[Prediction(id=4, emoji='😍', probability=1.0, label='😍')]]
        """
        probabilities = self._checked_probabilities(probabilities)
        return AllPredictions(map(Predictions, self._classes.best(probabilities, k)))

    def ranked(self, probabilities: np.ndarray, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The same as arrays: the classes' numbers, int64 (N, k), and their probabilities, float32 (N, k).

        >>> model = npmoji.load(engine="numpy")
        >>> ids, p = model.ranked(np.eye(64, dtype=np.float32)[4:5], k=2)
        >>> ids.tolist(), p.tolist()
        ([[4, 0]], [[1.0, 0.0]])
        """
        probabilities = self._checked_probabilities(probabilities)
        return self._classes.ranked(probabilities, k)

    def _checked_probabilities(self, probabilities: Any) -> Floats:
        """What `predict` gave of a network with one output, as the array alone."""
        self._check_classes()
        probabilities = alone(probabilities)
        if not isinstance(probabilities, np.ndarray) or probabilities.ndim != 2:
            raise InputError(f"{self.path}: this network does not give one probability for each class")
        return probabilities

    def explain(self, texts: Any, target: Target = None, *, progress: Progress = False) -> list[Explanation]:
        """Why each text gets a class: the attention on each of its words, and how much less probable the class is
        without the word. See `docs/explaining.md`.

        Args:
            texts: as `predict` takes texts.
            target: the class to explain: its number, emoji, name or shortcode, or a `Prediction`; by default each
                text's own best.
            progress: as `predict` takes it.

        Raises:
            InputError, VocabularyError: as `predict`. Or no class, or several, are called so; or the network has
                several inputs or outputs, or gives no probabilities of classes.

        >>> model = npmoji.load(engine="numpy")
        >>> explanation = model.explain(["I love mom's cooking"])[0]
        >>> explanation.target.emoji, max(explanation.words, key=lambda word: word.contribution).text
        ('😋', 'cooking')
        """
        from .explain.leave_out import explain

        return explain([self], texts, target, progress=progress)

    def tokens(self, x: Inputs) -> np.ndarray:
        """Token ids (N, T) for what `predict` takes: texts are tokenized, ids are checked.

        >>> model = npmoji.load(engine="numpy")
        >>> model.tokens(["I love mom's cooking"])[0, :6].tolist()
        [12, 47, 1947, 810, 0, 0]
        """
        if self.graph.takes_texts:
            raise InputError(f"{self.path}: this network splits texts itself, and has no token ids")
        rows = inputs.rows(x)
        if isinstance(rows, list) and not (rows and isinstance(rows[0], inputs.ROW)):
            return self._tokenize(rows)
        if self._tokens is None:
            raise InputError(f"{self.path}: this network takes no token ids")
        return self._tokens.check(rows)

    def _checked(self, layer: Input, x: Any) -> Any:
        return self.tokens(x) if layer is self._tokens else super()._checked(layer, x)

    def _tokenize(self, texts: list) -> np.ndarray:
        if self.tokenizer is not None:
            return self.tokenizer(texts)
        if not texts:
            return np.zeros((0, 1), np.uint16)
        inputs.check_texts(texts[:1])
        raise VocabularyError(
            f"{self.path}: this model has no vocabulary and takes token ids only; "
            "give one with load(path, vocabulary='vocabulary.json'), on the command line --vocabulary vocabulary.json, "
            "or put vocabulary.json beside the weights"
        )

    def _check_vocabulary(self) -> None:
        if self.tokenizer is None or self._tokens is None:
            return
        word, last = self.tokenizer.largest_id()
        if last >= self.vocabulary_size:
            raise VocabularyError(
                f"the vocabulary does not fit {self.path}: {word!r} has id {last}, "
                f"but the embedding ends at {self.vocabulary_size - 1}"
            )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .explain.page import model

        return model(self)

    def __repr__(self) -> str:
        return f"<Model {self.path}: {self.vocabulary_size} words, {self.features} features, {self.classes} classes>"


class Predictions(list[Prediction]):
    """A text's most likely classes, best first: a list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        from .explain.page import predictions

        return predictions(self)


class AllPredictions(list[list[Prediction]]):
    """Those of several texts, in the same way."""

    def _repr_html_(self) -> str:
        from .explain.page import table

        return table(self)
