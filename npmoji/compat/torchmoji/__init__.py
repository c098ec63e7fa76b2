"""torchMoji's modules, for inference, on npmoji: the same names, arguments and results, without PyTorch.

Change the imports of a script, or leave it as it is:

    from npmoji.compat.torchmoji.model_def import torchmoji_emojis      # instead of: from torchmoji.model_def ...

    import npmoji.compat.torchmoji
    npmoji.compat.torchmoji.install()                                   # before: import torchmoji

    python -m npmoji.compat.torchmoji score_texts_emojis.py             # a script as it is

global_variables.py    where the weights and the vocabulary are, and the sizes
sentence_tokenizer.py  texts to token ids
word_generator.py      texts to words, with hooks for filters
tokenizer.py           the token pattern
model_def.py           the network, called with token ids
steps.py               where its arithmetic is not that of the original DeepMoji
arrays.py              tensors in, tensors out; arrays in, arrays out
elsewhere.py           what trains: it can be imported, and says when it is used what to use instead; so do the modules
                       attlayer, class_avg_finetuning, create_vocab, finetuning and lstm
"""

from __future__ import annotations

from types import ModuleType

from ..installing import install as _install

#: torchMoji's modules
MODULES = (
    "attlayer",
    "class_avg_finetuning",
    "create_vocab",
    "finetuning",
    "global_variables",
    "lstm",
    "model_def",
    "sentence_tokenizer",
    "tokenizer",
    "word_generator",
)


def install(name: str = "torchmoji") -> ModuleType:
    """Let ``import torchmoji`` give this package, for the rest of the process, even where the genuine one is installed.

    Calling it again changes nothing.

    Args:
        name: the name to import it by; ``"torchMoji.torchmoji"`` for a project that keeps a copy in a folder torchMoji.

    Returns:
        This package.

    Raises:
        InputError: the genuine package is imported already.

    >>> package = npmoji.compat.torchmoji.install()
    >>> from torchmoji.global_variables import NB_EMOJI_CLASSES
    >>> NB_EMOJI_CLASSES
    64
    """
    return _install(name, {"": __name__, **{module: f"{__name__}.{module}" for module in MODULES}})
