"""The attention layers that text classifiers bring along, for genuine Keras: DeepMoji's and the two that circulate on Kaggle.

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
