"""Names of torchMoji's that are not here, most of them for training: they can be imported, but not used.

So a script that imports more than it uses runs, and one that trains gets one error that says what to use instead.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ...errors import NpmojiError

BATCHES = "npmoji.learn.BatchSampler(labels, batch_size, epoch_size, upsample, seed)"
DATASET = "npmoji.learn.Dataset(texts, labels).divided()"
EXTEND = "npmoji.learn.finetune(model, texts, labels, extend_with=10000), which extends the vocabulary"
FINETUNE = "npmoji.learn.finetune(model, texts, labels, method='chain-thaw'), or npmoji.Classifier for the last layer"
REPORT = "npmoji.learn.Report.of(classes, labels, probabilities)"
STEPS = "npmoji.learn.Trainer(model, method='chain-thaw', stage=1), which trains step by step"
AVERAGE = "npmoji.learn.class_average(model, texts, labels)"
LAYER = "npmoji.load(path), whose layers are model['bi_lstm_0'], model['attlayer'] and so on"

#: torchMoji's modules and their names -> what to use instead
INSTEAD: dict[str, dict[str, str]] = {
    "attlayer": {"Attention": LAYER},
    "class_avg_finetuning": {
        "class_avg_finetune class_avg_tune_trainable class_avg_chainthaw": AVERAGE,
        "relabel prepare_labels": AVERAGE,
        "prepare_generators": BATCHES,
    },
    "create_vocab": {"VocabBuilder MasterVocab all_words_in_sentences extend_vocab extend_vocab_in_file": EXTEND},
    "finetuning": {
        "load_benchmark": "npmoji.learn.Dataset.read(path)",
        "DeepMojiDataset": "npmoji.learn.Dataset(texts, labels)",
        "DeepMojiBatchSampler get_data_loader": BATCHES,
        "calculate_batchsize_maxlen": "npmoji.learn.Dataset(texts, labels), which has batch_size and maxlen",
        "finetune tune_trainable chain_thaw train_by_chain_thaw": FINETUNE,
        "calc_loss fit_model freeze_layers change_trainable": STEPS,
        "evaluate_using_acc evaluate_using_weighted_f1 find_f1_threshold": REPORT,
    },
    "lstm": {"LSTMHardSigmoid": LAYER},
    "model_def": {"torchmoji_transfer": FINETUNE, "load_specific_weights": "npmoji.learn.with_head(model, ...)"},
    "sentence_tokenizer": {"extend_vocab": EXTEND},
    "word_generator": {"TweetWordGenerator": "WordGenerator, with its hooks for filters"},
}


class ElsewhereError(NpmojiError, NotImplementedError):
    """A name of torchMoji's was used that is not here; the message says what to use instead."""


class Elsewhere:
    """A function or class of torchMoji's that is not here.

    Args:
        name: as torchMoji calls it, with its module.
        instead: what to use.

    >>> from npmoji.compat.torchmoji.finetuning import load_benchmark
    >>> try:
    ...     load_benchmark("raw.pickle", {})
    ... except NotImplementedError as error:
    ...     print(str(error)[:84])
    torchmoji.finetuning.load_benchmark is not here: use npmoji.learn.Dataset.read(path)
    """

    def __init__(self, name: str, instead: str):
        self.name, self.instead = name, instead

    def __call__(self, *arguments: Any, **options: Any) -> NoReturn:
        raise ElsewhereError(
            f"torchmoji.{self.name} is not here: use {self.instead}; docs/training.md says how npmoji trains"
        )

    def __mro_entries__(self, bases: Any) -> NoReturn:  # a class is derived from it
        self()

    def __repr__(self) -> str:
        return f"<torchmoji.{self.name}: use {self.instead}>"


def names(module: str) -> dict[str, Elsewhere]:
    """What is not in that module of torchMoji's, by name.

    >>> sorted(names("lstm"))
    ['LSTMHardSigmoid']
    """
    lists = INSTEAD[module].items()
    return {name: Elsewhere(f"{module}.{name}", instead) for some, instead in lists for name in some.split()}
