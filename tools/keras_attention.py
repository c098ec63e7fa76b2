"""The attention layers that text classifiers bring along, for genuine Keras: DeepMoji's, the two that circulate on
Kaggle, and those that other authors called `Attention` too.

Written from their formulas, for one flavour of Keras as for the other: arithmetic is TensorFlow's.
"""

from __future__ import annotations

import functools
from types import ModuleType

EPSILON = 1e-7


@functools.cache
def layers_for(K: ModuleType) -> tuple[type, type, type]:
    """AttentionWeightedAverage, Attention and AttentionWithContext as layers of ``K``, tf_keras or keras."""
    import tensorflow as tf

    register = K.saving.register_keras_serializable(package="custom")

    class Base(K.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.supports_masking = True

        def compute_mask(self, inputs, mask=None):
            return None

        def matrix(self, name, *shape):
            return self.add_weight(name=name, shape=shape, initializer="zeros")

    @register
    class AttentionWeightedAverage(Base):
        """A softmax over time of ``x · W``, the maximum taken over all steps."""

        def __init__(self, return_attention=False, **options):
            super().__init__(**options)
            self.return_attention = return_attention

        def build(self, shape):
            self.W = self.matrix("W", shape[2], 1)
            self.built = True

        def call(self, x, mask=None):
            logits = tf.tensordot(x, self.W, 1)[:, :, 0]
            a = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
            if mask is not None:
                a *= tf.cast(mask, tf.float32)
            weights = a / (tf.reduce_sum(a, axis=1, keepdims=True) + EPSILON)
            result = tf.reduce_sum(x * weights[..., None], axis=1)
            return [result, weights] if self.return_attention else result

        def compute_mask(self, inputs, mask=None):
            return [None, None] if self.return_attention else None

        def get_config(self):
            return {**super().get_config(), "return_attention": self.return_attention}

    @register
    class Attention(Base):
        """``exp(tanh(x · W + b))``, with a bias for each step."""

        def __init__(self, step_dim, bias=True, **options):
            super().__init__(**options)
            self.step_dim, self.bias = step_dim, bias

        def build(self, shape):
            self.W = self.matrix("W", shape[2])
            self.b = self.matrix("b", shape[1]) if self.bias else None
            self.built = True

        def call(self, x, mask=None):
            logits = tf.tensordot(x, self.W[:, None], 1)[:, :, 0]
            a = tf.exp(tf.tanh(logits if self.b is None else logits + self.b))
            if mask is not None:
                a *= tf.cast(mask, tf.float32)
            weights = a / (tf.reduce_sum(a, axis=1, keepdims=True) + EPSILON)
            return tf.reduce_sum(x * weights[..., None], axis=1)

        def get_config(self):
            return {**super().get_config(), "step_dim": self.step_dim, "bias": self.bias}

    @register
    class AttentionWithContext(Base):
        """``exp(tanh(x · W + b) · u)``."""

        def __init__(self, bias=True, **options):
            super().__init__(**options)
            self.bias = bias

        def build(self, shape):
            self.W = self.matrix("W", shape[2], shape[2])
            self.b = self.matrix("b", shape[2]) if self.bias else None
            self.u = self.matrix("u", shape[2])
            self.built = True

        def call(self, x, mask=None):
            hidden = tf.tensordot(x, self.W, 1)
            hidden = tf.tanh(hidden if self.b is None else hidden + self.b)
            a = tf.exp(tf.tensordot(hidden, self.u[:, None], 1)[:, :, 0])
            if mask is not None:
                a *= tf.cast(mask, tf.float32)
            weights = a / (tf.reduce_sum(a, axis=1, keepdims=True) + EPSILON)
            return tf.reduce_sum(x * weights[..., None], axis=1)

        def get_config(self):
            return {**super().get_config(), "bias": self.bias}

    return AttentionWeightedAverage, Attention, AttentionWithContext


@functools.cache
def attention_of(K: ModuleType, choice: str, takes_mask: bool) -> type:
    """A class `Attention` of ``K`` with W (F, 1), b (T, 1) or W (F, F), b, u (F, 1): what `npmoji.keras.choices` calls
    ``choice``.

    One that takes no mask does not support masking either, and nor does one that takes it and makes no use of it.
    """
    import tensorflow as tf

    score, mask_use = choice.split("-")

    class Attention(K.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.supports_masking = mask_use == "masked"

        def build(self, shape):
            width = shape[2] if score == "context" else 1
            self.W = self.add_weight(name="W", shape=(shape[2], width), initializer="zeros")
            if score != "linear":
                bias = (width,) if score == "context" else (shape[1], 1)
                self.b = self.add_weight(name="b", shape=bias, initializer="zeros")
            if score == "context":
                self.u = self.add_weight(name="u", shape=(width, 1), initializer="zeros")
            self.built = True

        def scores(self, x):
            e = tf.tensordot(x, self.W, 1)
            if score == "linear":
                return e
            e = tf.tanh(e + self.b)
            return tf.tensordot(e, self.u, 1) if score == "context" else e

        def average(self, x, mask):
            e = self.scores(x)
            if mask_use == "unmasked":
                return tf.reduce_sum(x * tf.nn.softmax(e, axis=1), axis=1)
            a = tf.exp(e) if mask is None else tf.exp(e) * tf.cast(mask, tf.float32)[..., None]
            return tf.reduce_sum(x * a / (tf.reduce_sum(a, axis=1, keepdims=True) + EPSILON), axis=1)

        def compute_mask(self, inputs, mask=None):
            return None

        def compute_output_shape(self, shape):
            return (shape[0], shape[2])

    if takes_mask:
        Attention.call = lambda self, x, mask=None: self.average(x, mask)
    else:
        Attention.call = lambda self, x: self.average(x, None)
    return Attention
