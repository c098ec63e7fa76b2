"""`load` a weights file, get a `Model`: texts or token ids in, probabilities, features and attention out."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from . import formats, inputs, networks
from .backends import DEVICES, ENGINES, backend
from .emojis import EMOJIS, Prediction
from .errors import InputError, VocabularyError, WeightsError
from .formats.mapping import MappedFile, files_behind
from .inputs import Floats, Inputs, Outputs
from .layers import AttentionWeightedAverage, Checked, Input, Layer
from .network import Graph, Network
from .precision import PRECISIONS
from .tokenizer import ORIGINAL, Tokenizer, check_maxlen, rules_of

if TYPE_CHECKING:
    from typing import Self  # not before Python 3.11

    from .progress import Progress

OPEN = ("graph", "layers", "_tokens", "_attlayer")  # what a model has until it is closed
BUNDLED = "deepmoji_small.hdf5"
DOWNLOADS = ("original", "torchmoji")  # what `npmoji download` fetches, and `load` finds by these names


@functools.cache
def bundled() -> str:
    """The path of the small model that ships with npmoji: in the package once installed, in `weights/` in a checkout. From an
    archive that npmoji is imported from (a zipapp) it is copied to a temporary folder, for the time of this process."""
    package = os.path.dirname(os.path.realpath(__file__))
    folders = [os.path.join(place, "weights") for place in (package, os.path.dirname(package))]
    for folder in folders:
        path = os.path.join(folder, BUNDLED)
        if os.path.isfile(path):
            return path
    for folder in folders:
        if copy := _out_of_archive(folder):
            return copy
    missing = f"the bundled weights {BUNDLED!r} are missing from this installation"
    raise WeightsError(f"{package}: {missing}; load(path) takes others")


def _out_of_archive(folder: str) -> str | None:
    """The bundled model and its vocabulary as files, from a folder within the archive; None if they are not there."""
    read = getattr(getattr(__spec__, "loader", None), "get_data", None)
    try:
        contents = {name: read(os.path.join(folder, name)) for name in (BUNDLED, "vocabulary.json")} if read else {}
    except OSError:
        return None
    if not contents:
        return None
    import atexit
    import shutil
    import tempfile

    place, owner = tempfile.mkdtemp(prefix="npmoji-"), os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(place, ignore_errors=True))  # a fork may end earlier
    for name, content in contents.items():
        with open(os.path.join(place, name), "wb") as file:
            file.write(content)
    return os.path.join(place, BUNDLED)


def load(
    path: str | os.PathLike[str] | None = None,
    vocabulary: str | os.PathLike[str] | dict[str, int] | None = None,
    maxlen: int = 30,
    engine: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    config: str | os.PathLike[str] | dict[str, Any] | None = None,
    compat: str | None = None,
    layers: dict[str, Any] | None = None,
    mmap: bool = True,
    embed: bool = False,
) -> Model:
    """Load a network from its weights file; without a path, the small bundled model.

    Args:
        path: a file of any kind that `formats` reads, or ``"original"`` or ``"torchmoji"``: what `npmoji download` fetched.
            Here and in all of npmoji ``~`` is the home directory, and a ``file:///...`` address is the path in it.
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
        compat: whose token ids texts get: ``"deepmoji"``, the original's under Python 2.7; ``"torchmoji"``, that port's
            under Python 3, see `Tokenizer`. By default what a converted file was made with, else the original's: a
            torchMoji `.bin` too, as its weights are the original's, trained on the original's ids.
        layers: for this file what `register_layer` is for all: by the name of a class or a layer a function that makes the
            layer, a pair of one and the names of its weights, or the name of one of several formulas that go by one class
            name, as in ``{"Attention": "tanh-unmasked"}``. A layer's name comes before its class.
        mmap: map the file instead of reading it. With ``False`` all weights are in memory, and the file is not needed
            afterwards.
        embed: a pickle of the model holds its weights and vocabulary, so that it works where the file is not; see `Model`.

    A mapped file must not be written to while the model is in use: its weights would change under way, and if the file
    is cut short the system may end the process. Each call looks at the file's size and time first, and raises a
    WeightsError if it was written to. To replace it by another one, rename that over it, which changes nothing for models
    already loaded; npmoji itself writes all its files that way. On Windows a mapped file can be neither replaced nor
    deleted before `Model.close`.

    Everything is checked to be finite here, but for an embedding of more than 16 MiB: its rows are checked as they are used.

    Raises:
        WeightsError, VocabularyError, InputError: the file, the vocabulary or a setting cannot be used.
    """
    given = dict(locals())
    _check_settings(engine, precision, threads, device)
    check_maxlen(maxlen)
    if compat is not None:
        rules_of(compat)
    if engine == "torch":
        backend(engine, threads, precision or "fp32", device)  # told now if it cannot be used
    path = find(path)
    file = formats.read(path, mmap)
    precision = precision or file.precision
    try:
        file = networks.with_config(file, config)
        graph = networks.build(file, precision, layers)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if vocabulary is None:
        beside = vocabulary_beside(path)
        vocabulary = beside if file.vocabulary is None and os.path.isfile(beside) else file.vocabulary
    tokenizer = None
    if vocabulary is not None:
        tokenizer = Tokenizer(vocabulary, graph.steps or maxlen, compat or file.compat or ORIGINAL)
    settings = {"engine": engine, "precision": precision, "threads": threads, "device": device}
    model = Model(graph, tokenizer, path=path, references=file.references, **settings)
    model.embed, model.source = embed, _source(given, path)
    model.files = [weakref.ref(mapped) for mapped in files_behind(chain.from_iterable(file.layers.values()))]
    return model


def find(path: str | os.PathLike | None) -> str:
    """The weights file that a path or name stands for; None is the bundled model."""
    if path is None:
        return bundled()
    if isinstance(path, str) and path in DOWNLOADS:
        from .fetching.cache import downloaded

        return downloaded(path)
    from .paths import local

    return local(path)


def _source(given: dict[str, Any], path: str) -> dict[str, Any]:
    """The arguments of `load` for another time, when the current folder may be another one; ``path`` is the file found."""
    named = given["path"] is None or given["path"] in DOWNLOADS
    return {
        **given,
        "path": given["path"] if named else os.path.abspath(path),
        **{name: _absolute(given[name]) for name in ("vocabulary", "config")},
    }


def _absolute(value: Any) -> Any:
    """The absolute path, if it is a path."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        return value
    from .paths import local

    return os.path.abspath(local(value))


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

    ``with npmoji.load(...) as model:`` closes it at the end. `pickle` (joblib, process pools) stores where the model came
    from and the settings, and loads it again from there: the same file must be in the same place, or it is a WeightsError.
    With ``embed`` the pickle holds weights and vocabulary, too. `copy.copy` and `copy.deepcopy` need no file.

    Attributes:
        layers: the layers in graph order, each callable: ``model.layers[-1](tokens)``.
        tokenizer: a `Tokenizer`, or None if the model has no vocabulary and takes token ids only.
        vocabulary_size, classes, features: V, C and F of the network; 0 where it has no such thing.
        feature_only: whether it is DeepMoji without its last layer, for `encode` and `attention` but not `predict`.
        path: the weights file.
        references: the reference results that the file carries, or None; see `verify`.
        source: what `load` was given, with absolute paths; None for a model that was made by hand.
        embed: whether a pickle holds the weights; one of a model without a source always does.
        files: weak references to the mapped files behind the weights.
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
        graph = self.graph
        self.tokenizer, self.path, self.references = tokenizer, path, references
        self.source: dict[str, Any] | None = None
        self.embed = False
        self.files: list[weakref.ref[MappedFile]] = []
        self._tokens = next((layer for layer in graph.inputs if layer.vocabulary_size is not None), None)
        self._attlayer = next((layer for layer in graph.layers if isinstance(layer, AttentionWeightedAverage)), None)
        self.vocabulary_size: int = (self._tokens and self._tokens.vocabulary_size) or 0
        self.features: int = len(self._attlayer.kernel) if self._attlayer else 0
        self.classes = graph.classes
        self.feature_only = graph.trims_padding and graph.outputs == [self._attlayer]  # which only DeepMoji does
        self._check_vocabulary()

    def close(self) -> None:
        """Let go of the weights and their mapped file, which can then be deleted on Windows too. Calls raise an InputError.

        The file stays mapped for as long as anything else holds a layer of this model, or an array of its weights.
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

        return reduced(self, load)

    def predict(self, x: Inputs, *, progress: Progress = False) -> Outputs:
        """Class probabilities, float32 (N, C); a list of arrays for a network with several outputs.

        Args:
            x: a list of N texts, or integer token ids (N, T), 0 = padding. Texts may be any iterable of str, or an array or
                column of strings of NumPy, pandas, polars or pyarrow. A network with several inputs takes a dict by their
                names, or a list in their order; the one of token ids may be texts.
            progress: show on standard error how far the work has come; or a function to call for that, with the texts done
                and all texts, from whatever thread did them, one call at a time.

        Raises:
            InputError: one str instead of a list, a table instead of one of its columns, something that is not text, a
                missing value, ids outside the vocabulary, wrong rank; says the row or what to pass instead. Or the file
                has no classes.
            VocabularyError: texts for a model without a vocabulary.
        """
        if self.feature_only:
            raise self._no_classes()
        found = self._values(self.arrays(x), self.graph.outputs, progress)
        return found[0] if len(found) == 1 else found

    def stream(self, texts: Iterable[str], block: int = 512) -> Iterator[Outputs]:
        """What `predict` gives, text by text, for as many texts as come: float32 (C,) each, in their order.

        So many texts as ``block`` are read and computed together; memory does not grow with their number.
        """
        return self._stream(inputs.blocks(texts, block))

    def _stream(self, blocks: Iterable[list[Any] | np.ndarray]) -> Iterator[Outputs]:
        row = 0
        for some in blocks:
            if isinstance(some, list) and not isinstance(some[0], inputs.ROW):
                inputs.check_texts(some, row)  # by their places in all of the stream
            found = self.predict(some)
            yield from found if isinstance(found, np.ndarray) else map(list, zip(*found))
            row += len(some)

    def encode(self, x: Inputs, *, progress: Progress = False) -> Floats:
        """Features, float32 (N, F): the attention layer's output. Takes and raises what `predict` does."""
        layer = self._attention_layer()
        return self._values(self.arrays(x), [layer], progress)[0]

    def attention(self, x: Inputs, *, progress: Progress = False) -> Floats:
        """Attention weights, float32 (N, T), 0 at masked steps. Takes and raises what `predict` does."""
        layer, arrays = self._attention_layer(), self.arrays(x)
        steps = next(iter(arrays.values())).shape[1] if self.graph.trims_padding else None
        return self._values(arrays, [layer.attention], progress, steps)[0]

    def _values(
        self, arrays: Checked, layers: list[Layer], progress: Progress, width: int | None = None
    ) -> list[Floats]:
        """These layers' outputs for all rows, `run` for each."""
        if progress is False:
            return [self.run(arrays, layer, width) for layer in layers]
        from .progress import part, telling

        with telling(progress) as told:
            return [self.run(arrays, layer, width, part(told, i, len(layers))) for i, layer in enumerate(layers)]

    def _attention_layer(self) -> AttentionWeightedAverage:
        if self._attlayer is None:
            raise InputError(f"{self.path}: this network has no layer AttentionWeightedAverage; model[name] gives any other's output")
        return self._attlayer

    def _no_classes(self) -> InputError:
        return InputError(
            f"{self.path}: this file has no classes: it ends at the attention layer, without a last layer for "
            "probabilities; encode gives its features, attention the words' weights"
        )

    def top(self, x: Inputs, k: int = 5, *, progress: Progress = False) -> list[list[Prediction]]:
        """For each text its k most likely classes (all, if there are fewer), best first; equal ones by id."""
        return self.best(self.predict(x, progress=progress), k)

    def best(self, probabilities: np.ndarray, k: int = 5) -> list[list[Prediction]]:
        """The same, given the probabilities (N, C)."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise InputError(f"k {k!r}: expected an integer of at least 1")
        if self.graph.outputs == [self._attlayer]:
            raise self._no_classes()
        if not isinstance(probabilities, np.ndarray) or probabilities.ndim != 2:
            raise InputError(f"{self.path}: this network does not give one probability for each class")
        ids = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return [[self._prediction(int(i), row[i]) for i in best] for best, row in zip(ids, probabilities)]

    def tokens(self, x: Inputs) -> np.ndarray:
        """Token ids (N, T) for what `predict` takes: texts are tokenized, ids are checked."""
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

