"""torchMoji's `model_def`: the network, called with token ids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import inputs
from ...errors import InputError, WeightsError
from ...formats import torch_state
from ...layers import Input, Layer
from ...loading import build, load
from ...model import Model
from .arrays import array_of, taken
from .elsewhere import names
from .steps import follow_torchmoji

if TYPE_CHECKING:
    from typing import Self  # not before Python 3.11

globals().update(names("model_def"))


def torchmoji_emojis(weight_path: str | os.PathLike[str], return_attention: bool = False, **options: Any) -> TorchMoji:
    """The network that gives the probabilities of the 64 emojis, or of the file's own classes.

    Args:
        weight_path: torchMoji's `pytorch_model.bin`, or DeepMoji's weights in any other format that npmoji reads.
        return_attention: also give the attention weights.
        options: further ones of `npmoji.load`, such as ``engine``.

    Raises:
        WeightsError, InputError: as `npmoji.load`; or the file holds another network, or no last layer.

    >>> from npmoji.sources import bundled
    >>> model = torchmoji_emojis(bundled(), engine="numpy")
    >>> int(model(np.array([[12, 47, 1947, 810, 0, 0]], "uint16")).argmax())
    36
    """
    model = _load(weight_path, options)
    if model.feature_only:
        raise WeightsError(
            f"{model.path}: this file has no classes: it ends at the attention layer; use torchmoji_feature_encoding"
        )
    return TorchMoji._of(model, model.classes, return_attention=return_attention)


def torchmoji_feature_encoding(
    weight_path: str | os.PathLike[str], return_attention: bool = False, **options: Any
) -> TorchMoji:
    """The network that gives the features, 2304 for the original's size. Takes and raises what `torchmoji_emojis` does,
    and takes files without the last layer too.

    >>> from npmoji.sources import bundled
    >>> model = torchmoji_feature_encoding(bundled(), engine="numpy")
    >>> model(np.array([[12, 47, 1947, 810, 0, 0]], "uint16")).shape
    (1, 320)
    """
    return TorchMoji._of(_load(weight_path, options), None, feature_output=True, return_attention=return_attention)


def _load(path: Any, options: dict[str, Any]) -> Model:
    model = _following(path=path, **{"compat": "torchmoji", **options})
    model.load = _following  # what reads the file again if the model is pickled
    return model


def _following(**source: Any) -> Model:
    model = load(**source)
    if not model.graph.trims_padding:  # which only DeepMoji does
        raise WeightsError(f"{model.path}: not a DeepMoji network; npmoji.load gives this one")
    return follow_torchmoji(model)


class TorchMoji:
    """The network, called with token ids as `SentenceTokenizer` gives them.

    `torchmoji_emojis` and `torchmoji_feature_encoding` make one with weights; made by hand, it gets them from
    `load_state_dict`. Methods of PyTorch's modules that have nothing to do here do nothing: `eval`, `train`, `cpu`,
    `cuda`, `to`, `requires_grad_`, `zero_grad`, `parameters`.

    Args:
        nb_classes: C, or None.
        nb_tokens: the size of the vocabulary.
        feature_output: give the features, not the probabilities; may be changed later.
        output_logits: give the values before the softmax or sigmoid.
        embed_dropout_rate, final_dropout_rate: for training, which is not here.
        return_attention: also give the attention weights; may be changed later.

    >>> from npmoji.sources import bundled
    >>> model = torchmoji_emojis(bundled(), return_attention=True, engine="numpy").eval()
    >>> probabilities, attention = model(np.array([[12, 47, 1947, 810, 0, 0]], "uint16"))
    >>> probabilities.shape, attention.shape
    ((1, 64), (1, 4))
    """

    training = False

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        if not arguments and not options:
            raise WeightsError(
                "a torchMoji model that was pickled as a whole cannot be used: where torchMoji runs, save its weights "
                "alone, torch.save(model.state_dict(), 'pytorch_model.bin')"
            )
        return super().__new__(cls)

    def __init__(
        self,
        nb_classes: int | None,
        nb_tokens: int | None,
        feature_output: bool = False,
        output_logits: bool = False,
        embed_dropout_rate: float = 0,
        final_dropout_rate: float = 0,
        return_attention: bool = False,
    ):
        self.nb_classes, self.nb_tokens = nb_classes, nb_tokens
        self.feature_output, self.output_logits = feature_output, output_logits
        self.return_attention = return_attention
        self._model: Model | None = None

    @classmethod
    def _of(cls, model: Model, nb_classes: int | None, **options: Any) -> TorchMoji:
        made = cls(nb_classes, model.vocabulary_size, **options)
        made._model = model
        return made

    @property
    def model(self) -> Model:
        """The npmoji model behind it.

        Raises:
            WeightsError: there are no weights yet.
        """
        if self._model is None:
            raise WeightsError("this model has no weights: load_state_dict gives it some, torchmoji_emojis(path) too")
        return self._model

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take the weights of torchMoji's state dict, tensors or arrays by name.

        Raises:
            WeightsError: tensors are missing, unexpected or of the wrong shape, or not finite, or do not fit
                ``nb_classes`` or ``nb_tokens``.
        """
        where = "the state dict given"
        arrays = {str(name): np.asarray(array_of(value), np.float32) for name, value in state_dict.items()}
        file = torch_state.contents(where, arrays)
        try:
            model = Model(build(file), file=file)
        except WeightsError as error:
            raise WeightsError(f"{where}: {error}") from error
        columns = self.nb_classes if self.nb_classes is None or self.nb_classes > 2 else 1
        for found, wanted, what in (
            (model.classes, columns, "columns in the last layer"),
            (model.vocabulary_size, self.nb_tokens, "tokens"),
        ):
            if wanted not in (None, found) and not (self.feature_output and what != "tokens"):
                raise WeightsError(f"{where}: has {found} {what}, expected {wanted}")
        self._model = follow_torchmoji(model)

    def __call__(self, input_seqs: Any) -> Any:
        """Probabilities (N, C) or features (N, F), float32; with ``return_attention`` a pair of them and the attention
        weights (N, T) up to the end of the longest text.

        Args:
            input_seqs: token ids (N, T), 0 = padding: an array, or a tensor, which gives tensors on its device.

        All rows come in the order of the texts: torchMoji's attention weights come sorted by the texts' lengths, and as
        a tensor whatever is given.

        Raises:
            InputError: not token ids of the vocabulary; says the row.
        """
        x, given = taken(input_seqs)
        if isinstance(x, str) or (isinstance(x, (list, tuple)) and len(x) and isinstance(x[0], str)):
            raise InputError("expected token ids, got texts: SentenceTokenizer.tokenize_sentences(texts)[0] gives them")
        if hasattr(x, "batch_sizes"):
            raise InputError("expected token ids (N, T), 0 = padding, got a PackedSequence: pass them before packing")
        model, ids = self.model, inputs.ids(x)
        arrays = model.arrays(ids)
        attlayer: Any = model["attlayer"]
        layers: dict[Layer, int | None] = {attlayer if self.feature_output else self._head: None}
        if not self.return_attention:
            return given(model.run_all(arrays, layers)[0])
        found, weights = model.run_all(arrays, {**layers, attlayer.attention: ids.shape[1]})
        used = np.flatnonzero(ids.any(axis=0))
        return given(found), given(np.ascontiguousarray(weights[:, : used[-1] + 1 if len(used) else 0]))

    forward = __call__

    @property
    def _head(self) -> Layer:
        last: Any = self.model.graph.outputs[0]
        if last is self.model["attlayer"]:
            raise WeightsError(f"{self.model.path}: these weights have no last layer; set feature_output for features")
        return last.logits if self.output_logits else last

    def output_layer(self, features: Any) -> Any:
        """The last layer alone: features (N, F), an array or a tensor -> what a call gives without ``feature_output``.

        Raises:
            InputError: another shape, or not numbers.

        >>> from npmoji.sources import bundled
        >>> model = torchmoji_emojis(bundled(), engine="numpy")
        >>> model.output_layer(np.zeros((2, 320), "float32")).shape
        (2, 64)
        """
        x, given = taken(features)
        model = self.model
        model.check_ready()
        values = Input(shape=(model.features,), name="features").check(x)
        return given(model.run_from(model["attlayer"], values, [self._head])[0])

    # What PyTorch's modules have --------------------------------------------------------------------------------------

    def _nothing(self, *arguments: Any, **options: Any) -> Self:
        """Nothing to do; returns the model itself."""
        return self

    eval = train = cpu = cuda = to = requires_grad_ = zero_grad = _nothing

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """None: there are no tensors to train."""
        return iter(())

    # ------------------------------------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.__dict__,)

    def __repr__(self) -> str:
        options = f"feature_output={self.feature_output}, return_attention={self.return_attention}"
        return f"TorchMoji({self.nb_classes}, {self.nb_tokens}, {options}) of {self._model or 'no weights yet'}"


def _unpickled(state: dict[str, Any]) -> TorchMoji:
    made = TorchMoji(state["nb_classes"], state["nb_tokens"])
    made.__dict__.update(state)
    return made
