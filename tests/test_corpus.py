"""The training corpus of the bundled model: its format, its coverage, and that a seed decides every sentence."""

import random
import re
import sys
from collections import Counter

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import corpus_augment
import corpus_reader
from corpus_reader import CLASSES, NEGATIVE, POSITIVE, CorpusError, expand, parse_line, parse_template, tidy

LINES = corpus_reader.read_lines()  # raises, naming file and line, on ids out of range or unbalanced brackets
SLOTS = corpus_reader.read_slots()
PROBES = corpus_reader.read_probes()


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def test_slots_that_lines_use_exist_and_are_not_empty():
    unknown = {(name, line.place) for line in LINES for name in line.slots() if not SLOTS.get(name)}
    assert not unknown


def test_slot_entries_are_plain_phrases():
    assert not [
        (name, entry) for name, entries in SLOTS.items() for entry in entries if set(entry) & set("[]{}\t") or not entry
    ]


def test_every_emoji_leads_at_least_forty_lines():
    counts = Counter(line.ids[0] for line in LINES)
    assert {n: counts[n] for n in range(CLASSES) if counts[n] < 40} == {}


def test_moods_do_not_overlap():
    assert not POSITIVE & NEGATIVE
    assert POSITIVE | NEGATIVE <= set(range(CLASSES))


def test_no_line_stands_twice():
    counts = Counter((line.ids[0], line.pieces) for line in LINES)
    twice = {key for key, count in counts.items() if count > 1}
    assert [line.place for line in LINES if (line.ids[0], line.pieces) in twice] == []


def test_probes_are_balanced_and_not_in_the_corpus():
    signs = Counter(sign for sign, _ in PROBES)
    assert signs[1] == signs[-1] >= 100
    fixed = {_plain("".join(piece[0] for piece in line.pieces)) for line in LINES if line.sentences(SLOTS) == 1}
    drawn = {_plain(expand(line, SLOTS, random.Random(seed))) for seed in range(3) for line in LINES}
    phrases = {_plain(phrase) for phrase in corpus_reader.phrases(LINES, SLOTS)}
    found = {_plain(text) for _, text in PROBES} & (fixed | drawn | phrases)
    assert not found


@pytest.mark.parametrize(
    "make",
    [lambda r: [expand(line, SLOTS, r) for line in LINES], lambda r: corpus_augment.epoch(LINES[:300], SLOTS, r)],
)
def test_a_seed_decides_every_sentence(make):
    first, again, other = make(random.Random(5)), make(random.Random(5)), make(random.Random(6))
    assert first == again
    assert first != other


def test_expansion_leaves_no_template_marks_and_no_empty_sentence():
    random_ = random.Random(0)
    texts = [expand(line, SLOTS, random_) for line in LINES]
    assert not [text for text in texts if not text or set(text) & set("[]{}\t") or "  " in text]


def test_template_pieces():
    assert parse_template("[so |]tired of {work}") == (("so ", ""), ("tired of ",), ("{work}",))
    line = parse_line("2 29 35\t[so |]tired of [{work}|it all]!", "here")
    slots = {"work": ["my job", "the office"]}
    assert line.sentences(slots) == 6
    wanted = {f"{so}tired of {what}!" for so in ("so ", "") for what in ("my job", "the office", "it all")}
    assert {expand(line, slots, random.Random(n)) for n in range(200)} == wanted


def test_tidy_closes_the_gaps_of_empty_alternatives_but_keeps_emoticons():
    assert tidy(" well  done , mate ! ") == "well done, mate!"
    assert tidy("see you :) ;) soon") == "see you :) ;) soon"


@pytest.mark.parametrize(
    "bad",
    [
        "2 29 35 so tired",
        "2 29\tso tired",
        "2 29 64\tso tired",
        "2 29 29\tso tired",
        "2 29 x\tso",
        "1 2 3\t[a|[b]]",
        "1 2 3\ta]",
        "1 2 3\t{a",
        "1 2 3\t ",
    ],
)
def test_a_bad_line_is_refused_by_name(bad):
    with pytest.raises(CorpusError, match="file.txt:7"):
        parse_line(bad, "file.txt:7")


def test_joining_lets_the_mood_after_the_turn_win():
    good, bad = corpus_augment.Sample("i won", {53: 1.0}, 1), corpus_augment.Sample("it rained", {5: 1.0}, -1)
    neutral = corpus_augment.Sample("the bus", {25: 1.0}, 0)
    for seed in range(20):
        turned = corpus_augment.join(good, bad, random.Random(seed))
        assert (turned.target, turned.polarity) == (bad.target, -1)
        assert turned.text.index("i won") < turned.text.index("it rained")
        assert corpus_augment.join(neutral, good, random.Random(seed)).target == good.target
    assert corpus_augment.join(good, good, random.Random(0)).target == {53: 1.0}
