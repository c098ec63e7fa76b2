"""What genuine Keras makes of strings: `tests/data/keras_texts.json`.

    python tools/make_text_golden.py tests/data/keras_texts.json

needs tensorflow, tf_keras and Keras 3. Holds for many strings only a digest of the results; the strings are those of
`tests/keras_strings.py`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from keras_strings import NUMBERS, SETTINGS, TEXTS, characters, data, digest

KEYS = [None, [3, 4], [-(2**63), 2**63 - 1]]


def functions(tf: Any) -> dict[str, str]:
    """Digests of what TensorFlow's functions give for each code point."""
    texts = characters()
    punctuation = r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']'
    found = {
        "lower": tf.strings.lower(texts).numpy().tolist(),
        "strip": tf.strings.regex_replace(texts, punctuation, "").numpy().tolist(),
        "split": [list(row) for row in tf.strings.split(texts).numpy()],
        "characters": [list(row) for row in tf.strings.unicode_split(texts, "UTF-8").numpy()],
    }
    return {name: digest(values) for name, values in found.items()}


def hashes(tf: Any) -> dict[str, str]:
    """Digests of what strings of any bytes are hashed to, by the key."""
    most, found = (1 << 63) - 1, {}
    for key in KEYS:
        fast, strong = tf.strings.to_hash_bucket_fast, tf.strings.to_hash_bucket_strong
        values = fast(data(), most) if key is None else strong(data(), most, key=key)
        found[json.dumps(key)] = digest(values.numpy().tolist())
    return found


def numbers(K: Any) -> list[list[list[int]]]:
    """The numbers of the words of all texts, by settings; the vocabulary is adapted to the texts with the first."""
    found = []
    for settings in SETTINGS:
        layer = K.layers.TextVectorization(**settings, vocabulary=vocabulary(K, settings))
        found.append(layer(np.array(TEXTS, object)[:, None]).numpy().tolist())
    return found


def vocabulary(K: Any, settings: dict[str, Any]) -> list[str]:
    """Every second word of the texts, as Keras finds them."""
    plain = K.layers.TextVectorization(**{**settings, "output_sequence_length": None})
    plain.adapt(np.array(TEXTS, object)[:, None])
    return sorted(map(str, plain.get_vocabulary()[2:]))[::2]


def lookups(K: Any) -> dict[str, Any]:
    """Single layers: numbers hashed and looked up, and the inverse."""
    L, n, ids = K.layers, np.array(NUMBERS)[:, None], np.array([[0, 1], [2, 3], [4, 99]])
    given: dict[str, Any] = {
        "hashed": L.Hashing(97)(n),
        "salted": L.Hashing(97, salt=5, mask_value=7)(n),
        "modulo": L.IntegerLookup(vocabulary=[7, -1], num_oov_indices=3)(n),
        "words": L.StringLookup(vocabulary=["a", "ü"], mask_token="", invert=True)(ids),
        "numbers": L.IntegerLookup(vocabulary=[7, -5], invert=True)(ids),
    }
    return {name: _plain(value.numpy()) for name, value in given.items()}


def _plain(array: np.ndarray) -> Any:
    return [[one.decode() if isinstance(one, bytes) else one for one in row] for row in array.tolist()]


def main() -> None:
    """Write the file."""
    import keras
    import tensorflow as tf
    import tf_keras

    versions = {"tensorflow": tf.__version__, "keras": keras.__version__, "tf_keras": tf_keras.__version__}
    vocabularies = [vocabulary(keras, settings) for settings in SETTINGS]
    ours, theirs = numbers(keras), numbers(tf_keras)
    assert ours == theirs and vocabularies == [vocabulary(tf_keras, settings) for settings in SETTINGS]
    assert lookups(keras) == lookups(tf_keras)
    found = {"versions": versions, "functions": functions(tf), "hashes": hashes(tf), "lookups": lookups(keras)}
    found |= {"vocabularies": [digest(words) for words in vocabularies], "ids": [digest(ids) for ids in ours]}
    found["some"] = [row[:12] for row in ours[0]]
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
