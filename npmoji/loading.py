"""Weights files to models: `load`, which network a file holds, and several files as one `Ensemble`.

A file holds DeepMoji, known by its layers' names, or what the file's own config describes.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from . import deepmoji, formats, inputs
from .backends import DEVICES, ENGINES, backend
from .classes import mean, some
from .errors import InputError, VocabularyError, WeightsError
from .files.facts import FileFacts
from .files.mapping import files_behind
from .formats import Contents
from .graph import Graph
from .inputs import Inputs, Outputs
from .model import Model, Prediction
from .outputs import each
from .precision import check_precision
from .sources import SOURCES, find, vocabulary_beside
from .text.tokenizer import ORIGINAL, Tokenizer, check_maxlen, rules_of
from .text.vocabulary import WordText, path_of

if TYPE_CHECKING:
    from typing import Self  # not before Python 3.11

    from .display import Progress
    from .explain.explanation import Explanation
    from .explain.targets import Target

MAXLEN, LONGEST = 30, 10_000  # tokens of a text: the original's, and the most that a file may ask for


def load(
    path: str | os.PathLike[str] | None = None,
    vocabulary: str | os.PathLike[str] | dict[str, int] | None = None,
    maxlen: int | None = None,
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
        path: a file of any kind that `formats` reads, or ``"original"`` or ``"torchmoji"``: what `npmoji download`
            fetched. Here and in all of npmoji ``~`` is the home directory, and a ``file:///...`` address is the path in
            it.
        vocabulary: path of a vocabulary.json or a dict word -> id; by default the one the file carries, or
            `vocabulary.json` beside it. Without any the model takes token ids only.
        maxlen: texts are cut and padded to this many tokens, unless the network takes another number only; by default
            to as many as a file of one's own classes was trained with, else to 30.
        engine: ``"numpy"`` (lowest start-up), ``"numba"`` (compiled loops), ``"torch"`` (PyTorch, an extra), or
            ``"auto"``: numpy until this model's calls, the present one included, come to 2e10 multiply-adds (about two
            thousand words with the original's sizes), numba from then on. If numba's kernels are still to be compiled,
            once a machine, a background process does that, and numpy goes on until it has; only a call of 1e12
            multiply-adds waits. The engines' results differ in the last bits, so those of a text may after the switch;
            other models have no say in it. For bit-identical results name the engine.
        precision: of the large matrices; by default as the file stores them, ``"fp32"`` for all but converted files.
            ``"fp16"``: rounded to IEEE halves, half the memory. ``"int8"``: weights and what is multiplied with them as
            whole numbers from -127 to 127 with scales, a third of the memory and the fastest; about one text in 100
            gets another best class. The numpy engine computes the same, but gains nothing by it.
        threads: how many threads the numba engine may use; by default the cores this process may use. For the torch
            engine PyTorch's own setting, which is the whole process'; by default it stays as it is.
        device: ``"cpu"`` or ``"cuda"``, for the torch engine.
        config: for a file with weights only, of another network than DeepMoji: what Keras' ``model.to_json()`` gave, as
            a dict or the path of a .json file; by default `config.json` beside the weights.
        compat: whose token ids texts get: ``"deepmoji"``, the original's under Python 2.7; ``"torchmoji"``, that port's
            under Python 3, see `Tokenizer`. By default what a converted file was made with, else the original's: a
            torchMoji `.bin` too, as its weights are the original's, trained on the original's ids.
        layers: for this file what `register_layer` is for all: by the name of a class or a layer a function that makes
            the layer, a pair of one and the names of its weights, or the name of one of several formulas that go by one
            class name, as in ``{"Attention": "tanh-unmasked"}``. A layer's name comes before its class.
        mmap: map the file instead of reading it. With ``False`` all weights are in memory, and the file is not needed
            afterwards.
        embed: a pickle of the model holds its weights and vocabulary, so that it works where the file is not; see
            `Model`.

    A mapped file must not be written to while the model is in use: its weights would change under way, and if the file
    is cut short the system may end the process. Each call looks at the file's size and time first, and raises a
    WeightsError if it was written to. To replace it by another one, rename that over it, which changes nothing for
    models already loaded; npmoji itself writes all its files that way. On Windows a mapped file can be neither replaced
    nor deleted before `Model.close`.

    Everything is checked to be finite here, but for an embedding of more than 16 MiB: its rows are checked as they are
    used.

    Raises:
        WeightsError, VocabularyError, InputError: the file, the vocabulary or a setting cannot be used.

    >>> model = npmoji.load(engine="numpy")
    >>> model.classes, model.features
    (64, 320)
    """
    given = dict(locals())
    _check_settings(engine, precision, threads, device)
    for name in ("mmap", "embed"):
        if not isinstance(given[name], bool):
            raise InputError(f"{name} {given[name]!r:.60}: expected True or False")
    if maxlen is not None:
        check_maxlen(maxlen)
    if compat is not None:
        rules_of(compat)
    if engine == "torch":
        backend(engine, threads, precision or "fp32", device)  # told now if it cannot be used
    path = find(path)
    file = formats.read(path, mmap)
    precision = precision or file.precision
    try:
        file = with_config(file, config)
        graph = build(file, precision, layers)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    file = file._replace(compat=compat or file.compat)
    tokenizer, words = None, None if graph.takes_texts else _words(vocabulary, file)
    if vocabulary is not None and graph.takes_texts:
        raise VocabularyError(f"{path}: this network splits texts itself and holds its vocabulary: it takes no other")
    if words is not None:
        tokenizer = Tokenizer(words, graph.steps or maxlen or _trained_with(file), file.compat or ORIGINAL)
    settings = {"engine": engine, "precision": precision, "threads": threads, "device": device}
    model = Model(graph, tokenizer, file=file, **settings)
    model.vocabulary_file = _file_of(words, model.weights_file)
    model.embed, model.source, model.load = embed, _source(given, path), load
    arrays = (arrays.values() for arrays in file.layers.values())
    model.files = [weakref.ref(mapped) for mapped in files_behind(chain.from_iterable(arrays))]
    return model


def _trained_with(file: Contents) -> int:
    """How many tokens of a text one's own classes were trained with, if the file says so; else the original's 30."""
    found = (file.provenance or {}).get("maxlen")
    return found if type(found) is int and 1 <= found <= LONGEST else MAXLEN


def _words(given: Any, file: Contents) -> Any:
    """The vocabulary given, else the one that the file carries, else the path of the one beside it; None if there is
    none."""
    if given is not None or file.vocabulary is not None:
        return file.vocabulary if given is None else given
    beside = vocabulary_beside(file.path)
    return beside if os.path.isfile(beside) else None


def _file_of(words: Any, weights_file: FileFacts) -> FileFacts | None:
    """The file that the vocabulary is from; None if it was given as words."""
    if isinstance(words, WordText):
        return weights_file
    return FileFacts(path_of(words)) if isinstance(words, (str, bytes, os.PathLike)) else None


def _source(given: dict[str, Any], path: str) -> dict[str, Any]:
    """The arguments of `load` for another time, when the current folder may be another one; ``path`` is the file
    found."""
    named = given["path"] is None or given["path"] in SOURCES
    return {
        **given,
        "path": given["path"] if named else os.path.abspath(path),
        **{name: absolute(given[name]) for name in ("vocabulary", "config")},
    }


def absolute(value: Any) -> Any:
    """The absolute path, if it is a path."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        return value
    from .files.paths import local

    return os.path.abspath(local(value))


def _check_settings(engine: str, precision: str | None, threads: int | None, device: str) -> None:
    if engine not in ("auto", *ENGINES):
        raise InputError(f"engine {engine!r}: expected one of auto, {', '.join(ENGINES)}")
    if precision is not None:
        check_precision(precision)
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads {threads!r}: expected an integer of at least 1")
    if device not in DEVICES or (device != "cpu" and engine != "torch"):
        raise InputError(f"device {device!r}: expected 'cpu', or 'cuda' with engine='torch'")


def build(file: Contents, precision: str = "fp32", layers: dict[str, Any] | None = None) -> Graph:
    """The network with the weights of ``file``, checked to fit together.

    Args:
        layers: what layers of classes or names are made by, as `load` takes it.

    Raises:
        WeightsError: neither, or layers and weights that do not fit.
        InputError: ``layers`` is not what it should be, or has a key that is of no use.
    """
    if deepmoji.matches(file) or not file.config:
        if layers:
            raise InputError(f"layers: {file.path} is a DeepMoji network, which is known by its layers' names")
        made = deepmoji.build(file, precision)
        return Graph(made, made[-1:], trims_padding=True, weights=deepmoji.weights(file))
    from .keras import graph as keras_graph  # of no use to DeepMoji's start
    from .keras.known import Known

    for name, arrays in file.layers.items():
        for array in arrays.values():
            # one large array alone may be an embedding, which checks the rows in use
            if len(arrays) > 1 or array.nbytes <= deepmoji.LARGE:
                deepmoji.check_finite(name, array)
    known = Known(layers)
    graph = keras_graph.build(file, known)
    known.check_all_used(file.path)
    graph.fit()
    return graph


def with_config(file: Contents, config: str | os.PathLike | dict[str, Any] | None) -> Contents:
    """The file with the config given; a file that has none, and is not DeepMoji's, takes `config.json` beside it.

    Raises:
        WeightsError: the config cannot be read. InputError: what is given is no path.
    """
    if config is None:
        beside = os.path.join(os.path.dirname(file.path), "config.json")
        if file.config or deepmoji.matches(file) or not os.path.isfile(beside):
            return file
        config = beside
    import json  # neither is of use to DeepMoji's start

    from .files.paths import local
    from .formats import keras3

    if not isinstance(config, dict):
        if not isinstance(config, (str, bytes, os.PathLike)):
            raise WeightsError(f"the config: expected a dict or the path of a .json file, got {type(config).__name__}")
        path = local(config, "config")
        try:
            with open(path, encoding="utf-8") as text:
                config = json.load(text)
        except (OSError, ValueError, RecursionError) as error:
            raise WeightsError(f"the config {path!r} cannot be read: {error}") from error
    if not isinstance(config, dict) or "class_name" not in config or "config" not in config:
        raise WeightsError("the config is not that of a model: expected the keys 'class_name' and 'config'")
    file = file._replace(keras_version=str(config.get("keras_version", "")) or file.keras_version)
    return keras3.with_config(file, config)


def _classes_of(model: Model) -> str:
    several = ", each with a probability of its own" if model.multi_label else ""
    return f"{model.path} gives the classes {some(model.class_names) or 'without names'}{several}"


class Ensemble:
    """The mean of several models' predictions. It is closed and pickled as its models are, see `Model`.

    Args:
        paths: the models' files.
        options: as `npmoji.load` takes them, for all of them.

    Attributes:
        models: in the order given.
        class_names, multi_label: as the models', which have the same.

    Raises:
        InputError: no paths, or models whose outputs have different widths or whose classes have other names.
        WeightsError, VocabularyError: as `npmoji.load`.

    >>> both = npmoji.Ensemble([None, None], engine="numpy")  # the bundled model twice
    >>> len(both)
    2
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], **options: Any):
        if isinstance(paths, (str, bytes, os.PathLike)) or not len(paths := list(paths)):
            raise InputError("Ensemble: expected a list of one path or more")
        self.models: list[Model] = [load(path, **options) for path in paths]
        first = self.models[0]
        for model in self.models[1:]:
            if (model.classes, len(model.graph.outputs)) != (first.classes, len(first.graph.outputs)):
                raise InputError(f"{model.path} gives {model.classes} classes, but {first.path} {first.classes}")
            if model.graph.structure != first.graph.structure:
                raise InputError(f"{model.path} gives its outputs in other lists and dicts than {first.path}")
            if (model.class_names, model.multi_label) != (first.class_names, first.multi_label):
                raise InputError(f"{_classes_of(model)}, but {_classes_of(first)}")
        self.class_names, self.multi_label = first.class_names, first.multi_label

    def predict(self, x: Inputs, *, progress: Progress = False) -> Outputs:
        """The mean over the models of what `Model.predict` gives, summed in their order; takes and raises the same.

        >>> both = npmoji.Ensemble([None, None], engine="numpy")
        >>> both.predict(["I love mom's cooking"]).shape
        (1, 64)
        """
        if isinstance(x, Iterator):
            x = inputs.rows(x)  # each model goes through them
        return each(lambda *parts: mean(parts), *self._predictions(x, progress))

    def _predictions(self, x: Inputs, progress: Progress) -> list[Outputs]:
        if progress is False:
            return [model.predict(x) for model in self.models]
        from .display import part, telling

        with telling(progress) as told:
            K = len(self.models)
            return [model.predict(x, progress=part(told, i, K) or False) for i, model in enumerate(self.models)]

    def top(self, x: Inputs, k: int = 5, *, progress: Progress = False) -> list[list[Prediction]]:
        """For each text the k most likely classes by the mean, as `Model.top`.

        >>> both = npmoji.Ensemble([None, None], engine="numpy")
        >>> [p.emoji for p in both.top(["I love mom's cooking"], k=2)[0]]
        ['😋', '😍']
        """
        return self.models[0].best(self.predict(x, progress=progress), k)

    def explain(self, texts: Any, target: Target = None, *, progress: Progress = False) -> list[Explanation]:
        """Why each text gets a class, as `Model.explain`: contributions to what `predict` gives, and the mean of the
        models' attention, if all have it. A word is known if all of their vocabularies have it.

        Raises:
            InputError, VocabularyError: as `Model.explain`. Or the models differ in ``maxlen`` or ``compat``.

        >>> both = npmoji.Ensemble([None, None], engine="numpy")
        >>> both.explain(["I love mom's cooking"])[0].target.emoji
        '😋'
        """
        from .explain.leave_out import explain

        return explain(self.models, texts, target, progress=progress)

    def close(self) -> None:
        """Close all models, see `Model.close`.

        >>> both = npmoji.Ensemble([None], engine="numpy")
        >>> both.close()
        """
        for model in self.models:
            model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.models)
