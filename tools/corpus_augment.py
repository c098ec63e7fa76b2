"""Random rewritings of corpus sentences as people type them: marks, apostrophes, chat spelling, joined sentences.

All draws come from one `random.Random`, so that a seed gives the same training texts on every machine.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from corpus_reader import Line, Slots, expand, tidy

RANKS = (0.46, 0.22, 0.14, 0.10, 0.08)  # the share of a line's emojis in its target, best first
MARKS = ("", "", "", ".", "!", "!!", "!!!", "...", "..", " :", " -", ",")
JOINTS = (" ", ". ", ". ", ", ", " and ", "! ", "... ", "; ", " - ", " so ")
TURNS = (  # what stands before, between and after two texts of opposite mood; the second one wins
    ("", " but ", ""),
    ("", ", but ", ""),
    ("", ". but ", ""),
    ("", ", but then ", ""),
    ("", " but now ", ""),
    ("", ", however ", ""),
    ("although ", ", ", ""),
    ("even though ", " ", ""),
    ("i thought ", " but ", ""),
    ("people say ", " but i think ", ""),
)
_CHAT = """you: u, ya; your: ur; you're: ur, your; are: r; going to: gonna; want to: wanna; because: cuz, bc, cos
please: plz, pls; with: w; to: 2; for: 4; love: luv; and: &, n; the: da, tha; this: dis; that: dat; people: ppl
really: rly, rlly; thanks: thx; thank you: ty, thank u; don't know: dunno; i'm: im, i am; it's: its, it is; my: ma
tomorrow: tmrw, 2moro; tonight: 2nite, tonite; so: soo; be: b; about: bout; good: gud; great: gr8; what: wat; have: hav
them: em; before: b4; can't: cannot, can not; don't: do not; isn't: is not, aint; won't: will not; doesn't: does not
didn't: did not"""
CHAT = {full: short.split(", ") for full, short in (pair.split(": ") for pair in re.split("; |\n", _CHAT))}
_LIGHT = """a an is are was i my it to of this that so just really very and be have had am in on at for it's i'm"""
LIGHT = frozenset(_LIGHT.split())
_ELASTIC = re.compile(r"[aeiouy](?=[a-z]?$)|[a-z]$")


@dataclass(frozen=True)
class Sample:
    """A training text, its 64 target probabilities by id (only those above 0), and its polarity +1, 0 or -1."""

    text: str
    target: dict[int, float]
    polarity: int


def sample(line: Line, slots: Slots, random_: random.Random) -> Sample:
    """One expanded sentence of the line with its target."""
    shares = RANKS[: len(line.ids)]
    target = {n: share / sum(shares) for n, share in zip(line.ids, shares)}
    return Sample(expand(line, slots, random_), target, line.polarity)


def rewrite(text: str, slots: Slots, random_: random.Random) -> str:
    """Light changes that leave the mood, each drawn on its own; entries of `opening` and `closing` may be added."""
    draw = random_.random
    if draw() < 0.25:
        text = _chat_spelling(text, random_)
    if draw() < 0.12:
        text = text.replace("'", "")
    if draw() < 0.10:
        text = _drop_light_word(text, random_)
    if draw() < 0.05:
        text = _stretch(text, random_)
    if draw() < 0.30:
        text = text.rstrip(" .!,;:-") + random_.choice(MARKS) if text[-1:] not in ")(?" else text
    if draw() < 0.16:
        text = random_.choice(slots["opening"]) + " " + text
    if draw() < 0.16:
        text = text + " " + random_.choice(slots["closing"])
    return tidy(text) or "."


def join(first: Sample, second: Sample, random_: random.Random) -> Sample:
    """Two texts as one: like moods mix, a mood wins over none, and of opposite ones that after the turn ("but")."""
    if first.polarity * second.polarity < 0:
        before, between, after = random_.choice(TURNS)
        return Sample(before + first.text + between + second.text + after, second.target, second.polarity)
    text = first.text + random_.choice(JOINTS) + second.text
    if first.polarity and not second.polarity:
        return Sample(text, first.target, first.polarity)
    if second.polarity and not first.polarity:
        return Sample(text, second.target, second.polarity)
    both = {n: (first.target.get(n, 0) + second.target.get(n, 0)) / 2 for n in {**first.target, **second.target}}
    return Sample(text, both, first.polarity)


def epoch(lines: list[Line], slots: Slots, random_: random.Random, *, joined: float = 0.25) -> list[Sample]:
    """Fresh texts of one pass, shuffled: a line gives more the more sentences it stands for; a share is joined."""
    drawn = [
        sample(line, slots, random_)
        for line in lines
        for _ in range(1 + round(1.5 * math.log10(line.sentences(slots))))
    ]
    random_.shuffle(drawn)
    mixed = []
    for one in drawn:
        if random_.random() < joined:
            one = join(*random_.sample((one, random_.choice(drawn)), 2), random_)
        mixed.append(Sample(rewrite(one.text, slots, random_), one.target, one.polarity))
    return mixed


def _chat_spelling(text: str, random_: random.Random) -> str:
    found = [word for word in CHAT if word in text]
    for word in random_.sample(found, min(len(found), 2)):
        text = re.sub(rf"(?<![\w']){re.escape(word)}(?![\w'])", random_.choice(CHAT[word]), text)
    return text


def _drop_light_word(text: str, random_: random.Random) -> str:
    words = text.split(" ")
    places = [n for n, word in enumerate(words) if word in LIGHT]
    if len(words) > 3 and places:
        del words[random_.choice(places)]
    return " ".join(words)


def _stretch(text: str, random_: random.Random) -> str:
    """Lengthen one word as in `soooo` or `happyyy`; the tokenizer cuts every such run to two."""
    words = text.split(" ")
    n = random_.randrange(len(words))
    if words[n].isalpha() and len(words[n]) > 1:
        words[n] = _ELASTIC.sub(lambda match: match.group() * 3, words[n], count=1)
    return " ".join(words)
