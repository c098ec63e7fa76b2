"""The shortcodes by which people type the 64 emojis, as in ``:joy:``: those of chat programs and their short forms."""

from __future__ import annotations

#: by emoji id, the usual one first
_TABLE = """
joy|unamused|weary|sob
heart_eyes|pensive|ok_hand|blush
heart red_heart|smirk|grin|notes
flushed|100|sleeping|relieved
relaxed|raised_hands|two_hearts|expressionless
sweat_smile|pray folded_hands|confused|kissing_heart
hearts heart_suit|neutral_face|information_desk_person tipping_hand_person|disappointed
see_no_evil|tired_face|v victory|sunglasses
rage pout|+1 thumbsup|cry|sleepy
yum|triumph|hand raised_hand|mask
clap|eyes|gun|persevere
smiling_imp|sweat|broken_heart|white_heart_suit
headphones|speak_no_evil|wink|skull
confounded|smile|stuck_out_tongue_winking_eye|angry
no_good|muscle|punch facepunch fist_oncoming|purple_heart
sparkling_heart|blue_heart|grimacing|sparkles
"""

#: of each id, one or more
SHORTCODES: tuple[tuple[str, ...], ...] = tuple(
    tuple(codes.split()) for codes in _TABLE.strip().replace("\n", "|").split("|")
)
