"""The texts of `npmoji golden --builtin`, for the tokenizer's corner cases, and rows of ids for those of the mask.

All of them were made up for this list. Each text is in the group of the corner case it was written for; most test
several.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Builtin(NamedTuple):
    """A source for `golden.write`: texts, for a model with a vocabulary, and rows of token ids for any model."""

    texts: tuple[str, ...]

    def rows(self, T: int, V: int) -> np.ndarray:
        """Rows of ids, int64 (22, T), for a vocabulary of V words; they differ mainly in where they are 0."""
        t = np.arange(T)
        masks = [
            t < 0,  # nothing but padding
            t >= 0,  # no padding at all
            t == 0,  # one token, at the start
            t == T - 1,  # ... at the end, so that all padding comes first
            t == T // 2,  # ... in the middle
            t < T - 1,  # one padded step
            t > 0,  # ... at the start
            t < (T + 1) // 2,  # half a row
            t >= T // 2,  # ... the other half
            t % 2 == 0,  # every other step
            t % 2 == 1,
            t % 3 != 1,  # a zero after every second token
            (t < T // 4) | (t >= T - T // 4),  # one long gap
            (t == 0) | (t == T - 1),  # only the two ends
            (t > T // 4) & (t < T - T // 4),  # padding at both ends
            (t < T // 2) & (t % 4 != 2),  # zeros inside, then padding
            *(t < length for length in (2, 3, 5)),
        ]
        rows = [np.where(mask, 1 + (31 * row + 7 * t + t * t) % max(V - 1, 1), 0) for row, mask in enumerate(masks)]
        rows += [np.full(T, V - 1), np.full(T, 1), np.where(t % 2, V - 1, 1)]  # a single id; the first and the last
        return np.stack(rows).astype(np.int64) % V


TEXTS = (
    # plain sentences, different endings
    "the soup was better than anything I had all week",
    "Are you serious?",
    "Stop it right now!",
    "well. that. was. unexpected.",
    "no punctuation no capitals just words",
    "SHOUTING ALL THE WAY HOME",
    # nothing, and next to nothing
    "",
    " ",
    "\t \u00a0\u3000 ",
    "\ufe0f\ufe0e",
    "a",
    ".",
    "0",
    # whitespace and line breaks
    "  two  spaces\tand a tab  ",
    "first line\nsecond line",
    "first line\r\nsecond line\rthird line",
    "typed \\n by hand, and \\\\r twice",
    "over<br>and<BR>out<br/>",
    "zero\u200bwidth and no\u2060break and \ufefforder marks",
    "mongolian\u180evowel separator",
    "next\u0085line and line\u2028separator",
    # web addresses
    "read http://example.org/a/b?c=d&e=f#g before you go",
    "HTTPS://EXAMPLE.ORG is the same (see https://example.org/x), right?",
    "www.example.org without a scheme",
    "http:// alone and https://\u00e9 too",
    # mentions, addresses, hashtags
    "@friend look at this, @another_one2!",
    "mail me: first.last+tag@mail.example.org.",
    "@ alone, @@double, name@host and @\u00e9",
    "#monday #throwback2015 #_x ## # #\u00e4",
    "http://user@example.org:8080/",
    # numbers
    "call 555 0199 at 7:45 or 19h30",
    "1,234.56 is 99% of -1e3",
    "\u0661\u0662\u0663 and \u096a and \u00b2 and \u00bd and \u2460",
    "007 " + "9" * 60,
    "h3ll0 w0rld 4ever b4",
    # repeated punctuation
    "what?!?! no way!!!!!!",
    "hmm... wait.... what.....",
    "--- *** === ~~~ ___ ///",
    "$$$ \u20ac\u20ac\u20ac \u00a3\u00a3\u00a3",
    # stretched words
    "sooooo goooood yaaaaaay",
    "aaabaaaaaa and aaaabaaa and abababab",
    "noooo\u00f6\u00f6\u00f6\u00f6 \u0445\u0430\u0445\u0430\u0430\u0430\u0430",
    "hahahahahaha lollll",
    # contractions, titles, abbreviations, hyphens
    "don't won't can't y'all'd've",
    "it\u2019s the dog\u2019s, isn\u02bct it",
    "Mr. Smith and Dr. Jones vs. Prof.X, mrs.y",
    "made in the U.S.A. by 5 p.m., e.g. now, a.b",
    "well-known mother-in-law, snake_case_name, --option",
    # emoticons and hearts
    ":) :-) ;) :'( >:( =D :p :^)",
    ":] 8) :* xD (: ): x_x o.o -_- ^_^",
    "<3 </3 <<33 <3333 3> <3<3",
    "ratio 3:4 and note:do not touch:/",
    # emojis
    "nice \U0001f60a\U0001f60a\U0001f602",
    "\U0001f44d\U0001f3fd \U0001f44b\U0001f3ff skin tones",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 and \U0001f3f3\ufe0f\u200d\U0001f308",
    "\u2764\ufe0f \u2764 \u2665\ufe0e 5\ufe0f\u20e3 \U0001f1eb\U0001f1f7",
    "newer \U0001f9a5\U0001fae0 ones",
    # accents, other scripts, look-alikes
    "cr\u00e8me br\u00fbl\u00e9e, Stra\u00dfe, \u0130stanbul, \u0131\u015f\u0131k",
    "cafe\u0301 nai\u0308ve a\u0323\u0302",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?",
    "\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u306d\u3002",
    "\uc624\ub298 \uc815\ub9d0 \uc88b\uc544\uc694",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645\u060c \u05e9\u05dc\u05d5\u05dd",
    "\u0939\u0948\u0932\u094b \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u039f\u0394\u039f\u03a3 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
    "mixed \u0440\u0443\u0441 and \u4e2d\u6587 in one\u4e00two",
    "\uff26\uff35\uff2c\uff2c \uff57\uff49\uff44\uff54\uff48 \ufb01ne \u2122 \u33a5",
    "\U0001d407\U0001d41e\U0001d425\U0001d425\U0001d428 in bold, \U0001d4d1 in script",
    # the special words themselves, and the padding's id in the middle of a row
    "CUSTOM_UNKNOWN custom_at CUSTOM_BREAK",
    "one \U0001d402\U0001d414\U0001d412\U0001d413\U0001d40e\U0001d40c_\U0001d40c\U0001d400\U0001d412\U0001d40a two",
    # quotes, brackets, mark-up, code
    "\u201cquoted\u201d \u2018like\u2019 \u00abthis\u00bb \"and\" 'that' `too`",
    '<b>bold</b> &amp; <a href="http://example.org">link</a> &lt;3',
    "if (a[0] != b{1}) { return x|y; } // C:\\new\\readme",
    "dash \u2013 dash \u2014 dots \u2026 bullet \u2022 degree 20\u00b0",
    # control characters
    "bell\a null\x00 escape\x1b[31m delete\x7f unit\x1fseparator",
    # words in no vocabulary
    "qzxv wkjhq zzyzxq vbnmq",
    # more tokens than are kept, one giant token, one giant run
    " ".join(f"word {n}" for n in range(60)),
    "x" * 3000,
    "ab" * 400 + "!" * 400,
    "\u00e9" * 50,
)

BUILTIN = Builtin(TEXTS)
