"""Every error npmoji raises on purpose.

    NpmojiError
    ├── WeightsError      a weights file is missing, damaged, of the wrong shape, or holds NaN or infinite values
    ├── VocabularyError   a vocabulary is missing, not what it should be, or does not fit the weights
    └── InputError        texts, token ids or settings that the model cannot take

The last two are ValueErrors too, which is what the original raises in their place.
"""


class NpmojiError(Exception):
    """Base of all errors raised by npmoji."""


class WeightsError(NpmojiError):
    """A weights file cannot be used; the message names the file, the layer and what was expected."""


class VocabularyError(NpmojiError, ValueError):
    """A vocabulary cannot be used, or a text was given to a model without one."""


class InputError(NpmojiError, ValueError):
    """The caller's texts, token ids or settings are not what the model takes; the message names the row."""
