"""Which language the prose of a text is in, by py3langid: naive Bayes over byte sequences (Lui and Baldwin 2012).

Only prose is asked about. Mathematics, commands and code look like no language, or like any; they are taken out first,
and a text with little prose left has no language and passes. datatrove's language filter is not used: it reads a text
as it stands, and fetches a fastText model from the network, where this one is part of its package.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from ganita.errors import GanitaError, MissingExtraError, nearest

PIECE = 1_500  # characters looked at in each of three places: the classifier walks byte by byte, at 2 MB/s
LEAST_PROSE = 200  # characters of prose that a verdict takes
LEAST_SHARE = 0.1  # of a sample that has to be prose
LINE = 20  # characters of prose that a line takes to count: entries of tables and lists are names, often Latin ones
CLEAR = 0.65  # probability of a language from which a text counts as written in it, as datatrove has it
_NO_LANGUAGE = "zxx"  # what ISO 639 calls it

_NOT_PROSE = re.compile(
    r"""
    ^(```|~~~) .*? (?:^\1|\Z)                                       # fenced code
    | ^(?:[ ]{4}|\t)[^\n]*                                          # indented code
    | `[^`\n]*`
    | \\begin\{(equation|align|gather|multline|eqnarray|displaymath|math|array|tabular|verbatim|lstlisting|tikzpicture)
      (\*?)\} .*? (?:\\end\{\2\3\}|\Z)
    | \\\[ .*? (?:\\\]|\Z) | \\\( .*? (?:\\\)|\Z)
    | \$\$(?:[^$\n]|\n(?!\s*\n))*\$\$                               # ends in its paragraph: one lone dollar
    | \$(?:[^$\n\\]|\\.|\n(?!\s*\n))*\$                             # must not swallow the text
    | \\(?:begin|end|label|ref|eqref|cite|citep|citet|url|href|input|include|usepackage|documentclass)\*?
      (?:\[[^\]\n]*\])?\{[^{}\n]*\}
    | \\[A-Za-z@]+\*?                                               # of other commands the argument is kept
    | <[^<>\n]{1,200}> | &\w{1,10}; | https?://\S+                  # markup
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_CHUNK = re.compile("[!-~]+")  # ASCII without white space; what is written in other scripts is never code
_CODE_SIGN = re.compile(r"[\d_=\\\[\]@/<>#|*+^~$&%]|::|\w\.\w|^[^A-Za-z]+$")
_BRACES = re.compile("[{}]")


class LanguageRule:
    """Tells the texts whose prose is in one of some languages, which are given as ISO 639-1 codes (en, hi, fr)."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        """Raise `MissingExtraError` where py3langid is not installed, `GanitaError` for a code it does not know."""
        self._identifier = _load_identifier()
        labels = self._identifier.labels
        if unknown := [code for code in languages if code not in labels]:
            raise GanitaError(f"corpus.select.languages: unknown {unknown[0]!r}{nearest(unknown[0], labels)}")
        self._languages = frozenset(languages)

    def accepts(self, text: str) -> bool:
        """Return False for a text that is clearly in another language; one with little prose is in none."""
        pieces = sample(text)
        found = " ".join(map(prose, pieces))
        if len(found) < max(LEAST_PROSE, LEAST_SHARE * sum(map(len, pieces))):
            return True
        code, probability = self._identifier.classify(found)
        return code in self._languages or code == _NO_LANGUAGE or probability < CLEAR


def sample(text: str) -> list[str]:
    """Return three pieces of a long text, from its start, middle and end, or all of a short one."""
    if len(text) <= 4 * PIECE:
        return [text]
    starts = (_paragraph(text, start) for start in (0, (len(text) - PIECE) // 2, len(text) - PIECE))
    return [text[start : start + PIECE] for start in starts]


def prose(text: str) -> str:
    """Return the words of `text` that are prose: no mathematics, commands, markup, code or numbers.

    Patterns that look for an end are not linear: meant for pieces.
    """
    left = _BRACES.sub(" ", _NOT_PROSE.sub(" ", text))
    words = _CHUNK.sub(lambda chunk: " " if _CODE_SIGN.search(chunk[0]) else chunk[0], left)
    lines = (" ".join(line.split()) for line in words.split("\n"))
    return " ".join(line for line in lines if len(line) >= LINE)


def _paragraph(text: str, start: int) -> int:
    """Return where the next paragraph starts, or line: in the middle of one, `$` could open as well as close."""
    if start:
        for border in ("\n\n", "\n"):
            found = text.find(border, start, start + PIECE // 2)
            if found >= 0:
                return found + len(border)
    return start


@functools.cache
def _load_identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingExtraError("py3langid", "language", "corpus.select.languages") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
