r"""How text is cut up before merges are learned or applied: no token crosses a cut.

One regular expression does all the cutting, so that encoding walks over a text once. It is the one that Qwen 2 uses and
that llama.cpp knows as `qwen2`: a word takes the character before it along (` word`, `\alpha`, `_name`, `(x`), which
is what mathematics and code are full of; punctuation runs to the end of the line; each digit stands alone.

Digits in groups: a run of decimal digits is cut into threes from the right (`1|234|567`), so that a token has the same
place value in every number (Singh & Strouse 2024, "Tokenization counts", arXiv:2402.14903). A run after a decimal
point is a run like any other: `3.14159` is `3|.|14|159`. Other numeric characters (`½`, `²`) stand alone always.
"""

from __future__ import annotations

import itertools
import re

import tokenizers
from tokenizers import pre_tokenizers

from ganita.tokenizer.tokenizer import MARKS

_BEFORE_DIGITS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_AFTER_DIGITS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# One to three digits that whole threes follow up to the end of the run. The look ahead is bounded and gives nothing
# back, or a million digits would take a million squared steps; of a run longer than about a hundred digits, threes are
# taken from the left until its end is in sight.
_GROUPS = r"\p{Nd}{1,3}(?=(?>(?:\p{Nd}{3}){0,33})(?!\p{Nd}))|\p{Nd}{3}|\p{N}"
PATTERNS = {
    "single": _BEFORE_DIGITS + r"\p{N}" + _AFTER_DIGITS,
    "groups": _BEFORE_DIGITS + _GROUPS + _AFTER_DIGITS,
}
_SPLIT_MARKS = re.compile("|".join(map(re.escape, MARKS)))


def pre_tokenizer(digits: str) -> pre_tokenizers.PreTokenizer:
    """Return the pre-tokenizer for `digits` "single" or "groups": the cuts, then bytes as visible characters."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PATTERNS[digits]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def split_marks(text: str) -> list[str]:
    """Return the stretches of text between the marks, which are tokens by themselves and take part in no merge."""
    return _SPLIT_MARKS.split(text)


def digit_merges() -> list[tuple[str, str]]:
    """Return the merges that make every group of two and of three digits one token, 1,100 in all.

    They are given and not learned, so that how a number splits depends on its length alone. A group of three is made
    from either side: whichever of its two pairs ranks better is joined first.
    """
    digits = "0123456789"
    pairs = list(itertools.product(digits, digits))
    threes = itertools.product(digits, digits, digits)
    return pairs + [pair for x, y, z in threes for pair in ((x + y, z), (x, y + z))]
