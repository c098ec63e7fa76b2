"""The bundled model: small enough to ship, and sensible to a person."""

import sys
from pathlib import Path

import pytest
from conftest import ROOT

import npmoji
from npmoji.sources import bundled

sys.path.insert(0, str(ROOT / "tools"))
from corpus_reader import read_probes
from evaluate_bundled import polarity_score


@pytest.fixture(scope="module")
def model():
    return npmoji.load(engine="numpy")


def test_size():
    files = [Path(bundled()), Path(bundled()).with_name("vocabulary.json")]
    assert sum(file.stat().st_size for file in files) <= 4_000_000


@pytest.mark.parametrize(
    "text, fitting",
    [
        ("I love mom's cooking", {36, 4, 8, 24, 47}),  # tasty, loving
        ("this is the worst day ever", {27, 1, 55, 2, 32, 29, 5, 34, 3}),  # sad, angry
        ("lol that was hilarious", {0, 51}),  # laughing
        ("so tired, going to bed", {14, 35}),  # sleepy
        ("my heart is broken, he left me", {46, 3, 34, 5}),
        ("congratulations on your new job!", {40, 17, 10, 53}),
    ],
)
def test_the_first_emoji_fits(model, text, fitting):
    assert model.top([text], 1)[0][0].id in fitting


def test_polarity_of_sentences_it_was_not_trained_on(model):
    """`tools/corpus/probes.txt`; 0.975 when this model was made."""
    signs, texts = zip(*read_probes())
    share, wrong = polarity_score(model.predict, list(texts), list(signs))
    assert share >= 0.95, wrong
