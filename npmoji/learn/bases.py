"""scikit-learn's base classes; where it is not installed, classes in their place that cannot be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..files import extras

F = TypeVar("F")

if TYPE_CHECKING:  # type checkers need no scikit-learn

    class BaseEstimator:
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...

        def set_params(self, **params: Any) -> Any: ...

        def __sklearn_tags__(self) -> Any: ...

    class ClassifierMixin:
        pass

    class TransformerMixin:
        def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any: ...

    class ClassNamePrefixFeaturesOutMixin:
        def get_feature_names_out(self, input_features: Any = None) -> Any: ...

    def available_if(check: Callable[[Any], bool]) -> Callable[[F], F]: ...

else:
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
        from sklearn.utils.metaestimators import available_if
    except ImportError:

        class BaseEstimator:
            """In the place of scikit-learn's: raises an InputError that says what to install."""

            def __new__(cls, *arguments: Any, **options: Any) -> Any:
                raise extras.sklearn_missing(f"npmoji.{cls.__name__}")

        class ClassifierMixin:
            """In the place of scikit-learn's."""

        class TransformerMixin:
            """In the place of scikit-learn's."""

        def available_if(check: Callable[[Any], bool]) -> Callable[[F], F]:
            """In the place of scikit-learn's."""
            return lambda method: method

        class ClassNamePrefixFeaturesOutMixin:
            """In the place of scikit-learn's."""
