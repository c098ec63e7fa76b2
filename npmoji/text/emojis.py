"""The 64 emojis DeepMoji predicts, by id, in the order in which the original was trained."""

from __future__ import annotations

from typing import NamedTuple


class Prediction(NamedTuple):
    """One of a text's most likely classes.

    Attributes:
        id: its number.
        emoji: empty for a model whose classes are not the 64 emojis.
        label: the emoji, or the name of one's own class; empty if it has none.

    >>> npmoji.Prediction(2, "", 0.25, "sarcastic").label
    'sarcastic'
    """

    id: int
    emoji: str
    probability: float
    label: str = ""


#: (code point, short name) by emoji id; source: the original's list of the emojis it filtered tweets for
_TABLE = """
1F602 tears of joy|1F612 unamused|1F629 weary|1F62D sobbing
1F60D heart eyes|1F614 pensive|1F44C ok hand|1F60A smiling, blushing
2764 red heart|1F60F smirk|1F601 beaming grin|1F3B6 music notes
1F633 flushed|1F4AF hundred points|1F634 sleeping|1F60C relieved
263A smiling|1F64C raised hands|1F495 two hearts|1F611 expressionless
1F605 grin with sweat|1F64F folded hands|1F615 confused|1F618 blowing a kiss
2665 heart suit|1F610 neutral|1F481 tipping hand|1F61E disappointed
1F648 see no evil|1F62B tired|270C victory hand|1F60E sunglasses
1F621 pouting, red|1F44D thumbs up|1F622 crying|1F62A sleepy
1F60B savouring food|1F624 huffing|270B raised hand|1F637 medical mask
1F44F clapping|1F440 eyes|1F52B pistol|1F623 persevering
1F608 smiling devil|1F613 cold sweat|1F494 broken heart|2661 white heart
1F3A7 headphones|1F64A speak no evil|1F609 winking|1F480 skull
1F616 confounded|1F604 grinning eyes|1F61C winking tongue|1F620 angry
1F645 no good|1F4AA flexed biceps|1F44A fist|1F49C purple heart
1F496 sparkling heart|1F499 blue heart|1F62C grimacing|2728 sparkles
"""

_ENTRIES = [entry.split(" ", 1) for entry in _TABLE.strip().replace("\n", "|").split("|")]

#: the emoji of each id, as one character
EMOJIS: tuple[str, ...] = tuple(chr(int(code, 16)) for code, _ in _ENTRIES)

#: a short English name for each id
NAMES: tuple[str, ...] = tuple(name for _, name in _ENTRIES)


def named(prediction: Prediction) -> str:
    """What to call a class in words: the emoji's short name, the name of one's own class, or its number.

    >>> from npmoji.text.emojis import named
    >>> named(npmoji.Prediction(0, "😂", 0.5, "😂")), named(npmoji.Prediction(3, "", 0.5))
    ('tears of joy', 'class 3')
    """
    return NAMES[prediction.id] if prediction.emoji else prediction.label or f"class {prediction.id}"
