"""`Classifier`: one's own classes, learned from labelled texts; a scikit-learn estimator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import inputs
from ..classes import both
from ..errors import InputError
from ..graph import Graph
from ..layers import Dense, Input
from ..model import Model
from ..network import Network
from . import cache, data, encoding, heads, labels
from .bases import ClassifierMixin, available_if
from .methods import METHODS
from .prepare import digest_of

if TYPE_CHECKING:
    from .report import Report


class Classifier(ClassifierMixin, encoding.OfTexts):
    """A scikit-learn classifier of texts, by one's own classes; saved as an ordinary model of npmoji.

    With the method ``"last"`` it is scikit-learn's logistic regression on the features that the network computes, as a
    last layer in float32: ``predict_proba`` gives what the saved model's `predict` gives. Features are cached, see
    `npmoji.learn.clear_cache`.

    Texts are a list, an array or a column of str as `npmoji.Model.predict` takes them; an empty text is one with no
    words. Features that were computed before are taken as well, an array or table of numbers (N, F) of any width; to
    predict texts or to save, it must be the model's.

    Labels are strings, integers or booleans, of two classes or more. Lists of labels, or a matrix (N, C) of 0 and 1,
    mean that a text may have several or none: then each class has a sigmoid of its own, and `predict` gives lists for
    lists, a matrix for a matrix.

    Args:
        weights: a file or name that `npmoji.load` takes, or a `Model`, which is used as it is; by default the small
            bundled model.
        vocabulary, precision, threads, maxlen: as `npmoji.load` takes them.
        method: ``"last"``; or ``"new"``, ``"full"`` or ``"chain-thaw"``, which train the network itself: see
            `npmoji.learn.finetune`.
        C: inverse strength of regularisation, as scikit-learn's; by default the one of 17 from 1e-4 to 1e4 with the
            best likelihood of held-out texts, in stratified 3-fold cross-validation on at most 4,000 of the texts.
        class_weight: how much the texts of each class count: a dict class -> weight, or ``"balanced"``.
        random_state: seed of the folds, and of fine-tuning.
        engine: as `npmoji.load` takes it; ``"auto"`` is numba if `fit` gets so many texts that it pays (words and
            weights as for `load`, texts counted as full), else numpy, and stays so afterwards: results do not depend
            on what was computed before.

    Attributes:
        classes_: (C,) the distinct labels, sorted; class c has column c of the probabilities.
        n_features_in_: F.
        C_: the strength in use.
        kernel_, bias_: the last layer, float32 (F, C) and (C,).
        multi_label_: whether a text may have several classes.

    >>> texts = ["I love this", "great fun", "so happy today", "this is awful", "I hate it", "so sad today"]
    >>> mine = npmoji.Classifier(engine="numpy").fit(texts, ["good"] * 3 + ["bad"] * 3)
    >>> mine.predict(["what a happy day"]).tolist()
    ['good']
    >>> mine.save("mine.safetensors")
    >>> npmoji.load("mine.safetensors").top(["what a happy day"])[0][0].label
    'good'
    """

    def __init__(
        self,
        weights: Any = None,
        *,
        vocabulary: Any = None,
        method: str = "last",
        C: float | None = None,
        class_weight: dict[Any, float] | str | None = None,
        random_state: Any = 0,
        engine: str = "auto",
        precision: str | None = None,
        threads: int | None = None,
        maxlen: int = 30,
    ):
        self.weights = weights
        self.vocabulary = vocabulary
        self.method = method
        self.C = C
        self.class_weight = class_weight
        self.random_state = random_state
        self.engine = engine
        self.precision = precision
        self.threads = threads
        self.maxlen = maxlen

    # Learning ---------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Classifier:
        """Learn from texts, or features, and their labels.

        Raises:
            InputError: something is no text or label, fewer than two classes, other numbers of labels than texts, or a
                parameter is not what it should be; names the row.
            WeightsError, VocabularyError: as `npmoji.load`.
        """
        self._check_parameters()
        found = self._begin(X)
        known = labels.learnable(labels.encode(y, count=len(found)))
        if self.method == "last":
            self._learn(self._features(found), known, data.groups(found) if isinstance(found, list) else None)
            rows = found if isinstance(found, list) else {"features": found}
            self._told["data_sha256"] = digest_of({"texts": rows}, {"texts": known})
        else:
            self._finetune(found, known)
        return self

    def _take(self, known: labels.Labels) -> None:
        self.classes_, self.multi_label_, self._matrix = known.classes, known.multi_label, known.matrix
        self._finetuned: Model | None = None
        self.__dict__.pop("_made", None)

    def _learn(self, X: np.ndarray, known: labels.Labels, groups: np.ndarray | None) -> None:
        """The last layer, from features; equal numbers are of equal texts."""
        from . import logistic

        self._take(known)
        weights = logistic.class_weights(known, self.class_weight)
        fitted = logistic.fit(X, known, C=self.C, weights=weights, seed=self._seed(), groups=groups)
        self.kernel_, self.bias_, self.C_ = fitted.kernel, fitted.bias, fitted.C
        self._told = {
            "method": "last",
            "seed": self._seed(),
            "texts": len(X),
            "C": fitted.C,
            "class_weight": self.class_weight if isinstance(self.class_weight, str) else self._plain_weights(),
            "counts": dict(zip(known.names, known.counts().tolist())),
        }

    def _plain_weights(self) -> dict[str, float] | None:
        weights = self.class_weight
        return None if weights is None else {labels.name_of(key): float(value) for key, value in dict(weights).items()}

    def _finetune(self, found: list[str] | np.ndarray, known: labels.Labels) -> None:
        if not isinstance(found, list):
            raise InputError(f"method {self.method!r} trains the network: expected texts, got features")
        for name in ("C", "class_weight"):
            if getattr(self, name) is not None:
                raise InputError(f"{name}: only the method 'last' has one, not {self.method!r}")
        from .finetuning import finetune

        self._take(known)
        model = self._model_for()
        names = np.array(known.names)
        y = [names[row].tolist() for row in known.codes.astype(bool)] if known.multi_label else names[known.codes]
        self._finetuned = finetune(model, found, y, method=self.method, seed=self._seed(), classes=known.names)
        self._told = self._finetuned.provenance or {}

    def _check_parameters(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r:.60}: expected one of {', '.join(METHODS)}")
        numeric = isinstance(self.C, (int, float, np.integer, np.floating)) and not isinstance(self.C, bool)
        if self.C is not None and not (numeric and 0 < self.C < np.inf):
            raise InputError(f"C {self.C!r:.60}: expected a number above 0, or None to choose one")
        self._seed()

    def _seed(self) -> int:
        """The parameter `random_state` as a number; a generator is not drawn from, or clones would differ."""
        seed = self.random_state
        if seed is None:
            return 0
        if isinstance(seed, np.random.RandomState):
            return int(seed.get_state()[1][0])
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
            raise InputError(f"random_state {seed!r:.60}: expected an integer from 0 to 4294967295")
        return int(seed)

    # Predicting -------------------------------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes, float32 (N, C): what the saved model's `predict` gives.

        Raises:
            InputError: as `fit`; or features of another width than those that `fit` got.
        """
        self._check_fitted()
        return self._probabilities(self._given(X))

    def _probabilities(self, found: list[str] | np.ndarray) -> np.ndarray:
        if not isinstance(found, list):
            return self._of_features(found)
        model = self.to_model()
        if self._finetuned is None and model.engine in cache.SINGLE:
            return model.probabilities(self._features(found))  # the same bits, and the features may be known
        return _all_columns(model.predict(found), self.multi_label_)

    def _of_features(self, X: np.ndarray) -> np.ndarray:
        """The last layer alone, as the model computes it, for features of any width."""
        if self._finetuned is not None:
            return _all_columns(self._finetuned.probabilities(X), self.multi_label_)
        engine = self.engine if self._base is None else self._base.engine
        x = Input(shape=(len(self.kernel_),), name="features")
        last = Dense(x, self.kernel_, self.bias_, "sigmoid" if self.multi_label_ else "softmax")
        network = Network(Graph([x, last], [last]), "numpy" if engine == "auto" else engine, threads=self.threads)
        return network.run(X, last)

    def predict(self, X: Any) -> np.ndarray | list[list[Any]]:
        """The most likely class of each text, (N,); if multi-label, the classes whose probability is above one half, as
        lists or a matrix as `fit` got them."""
        p = self.predict_proba(X)
        if not self.multi_label_:
            return self.classes_[p.argmax(axis=1)]
        flags = (p > np.float32(0.5)).astype(np.int64)
        return flags if self._matrix else [self.classes_[row].tolist() for row in flags.astype(bool)]

    @available_if(lambda self: self.method == "last")
    def decision_function(self, X: Any) -> np.ndarray:
        """The logits, float32 (N, C); of two classes the second's less the first's, (N,). Of the method ``"last"``
        only: a trained network gives probabilities."""
        self._check_fitted()
        logits = self._features(self._given(X)) @ self.kernel_ + self.bias_
        return logits[:, 1] - logits[:, 0] if not self.multi_label_ and logits.shape[1] == 2 else logits

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy: the share of texts whose class, or whose every class, is the true one."""
        p = self.predict_proba(X)
        known = labels.encode(y, classes=self.classes_, count=len(p), others=True)
        if known.multi_label != self.multi_label_:
            raise InputError("labels: expected " + ("lists of labels" if self.multi_label_ else "one label a text"))
        right = (known.codes == (p > np.float32(0.5))).all(axis=1) if self.multi_label_ else known.codes == p.argmax(1)
        if sample_weight is not None:
            sample_weight = inputs.numbers(sample_weight)
            usable = sample_weight.shape == right.shape and sample_weight.min() >= 0
            if not (usable and 0 < sample_weight.sum() < np.inf):
                raise InputError(f"sample_weight: expected {len(p)} numbers of 0 or more, one a text, and not all 0")
        return float(np.average(right, weights=sample_weight))

    # The model --------------------------------------------------------------------------------------------------------

    @property
    def model_(self) -> Model:
        """As `to_model`."""
        return self.to_model()

    def to_model(self) -> Model:
        """An ordinary model with these classes, in memory.

        Raises:
            InputError: not fitted, or on features that are not the model's.
        """
        self._check_fitted()
        if self._finetuned is not None:
            return self._finetuned
        base = self._model_for()
        made = self.__dict__.get("_made")
        if made is None or made[0] is not base:
            if len(self.kernel_) != base.features:
                raise InputError(
                    f"{base.path}: its texts have {base.features} features, but this classifier was fitted on "
                    f"{len(self.kernel_)}"
                )
            names = [labels.name_of(value) for value in self.classes_.tolist()]
            told = self._told if base.tokenizer is None else {**self._told, "maxlen": base.tokenizer.maxlen}
            model = heads.with_head(
                base, self.kernel_, self.bias_, classes=names, multi_label=self.multi_label_, provenance=told
            )
            made = self._made = (base, model)
        return made[1]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a `.safetensors` file, or a `.hdf5` or `.h5` file in Keras' layout. The latter holds
        float32 only: with another ``precision`` its probabilities are a little different.

        Raises:
            InputError: as `to_model`; or a name of another kind, or the file cannot be written.
        """
        heads.save(self.to_model(), path)

    def cross_validate(
        self, texts: Any, labels: Any, folds: int = 5, *, test: Any = None, progress: Any = False
    ) -> Report:
        """How well such a classifier does on texts it has not seen: each text is predicted by a classifier that was
        fitted on other ones, in stratified folds; equal texts are in one fold. This one is not changed.

        Args:
            texts, labels: as `fit` takes them.
            folds: how many.
            test: texts to be predicted by all folds' models, averaged: the report's ``test``.
            progress: show on standard error how far it is; or a function to call, with folds done and all.

        Raises:
            InputError: as `fit`; or a class has fewer texts than there are folds.
            KeyboardInterrupt: Ctrl-C, also while a network is trained.
        """
        from .cross import cross_validate

        return cross_validate(self, texts, labels, folds, test, progress)

    # Between ----------------------------------------------------------------------------------------------------------

    def _features(self, found: list[str] | np.ndarray) -> np.ndarray:
        return encoding.encoded(self._model_for(), found) if isinstance(found, list) else found

    def _check_fitted(self) -> None:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "classes_")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_made"}

    def __sklearn_clone__(self) -> Classifier:
        """A model that was given is shared: nothing changes it."""
        from sklearn.base import clone

        parameters = self.get_params(deep=False)
        return type(self)(
            **{
                name: value if isinstance(value, Model) else clone(value, safe=False)
                for name, value in parameters.items()
            }
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


def _all_columns(p: np.ndarray, multi_label: bool) -> np.ndarray:
    """A column for each class, where two share one sigmoid."""
    return both(p) if p.shape[1] == 1 and not multi_label else p
