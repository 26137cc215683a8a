r"""Running text out of LaTeX: mathematics to the character, words as they read, layout gone.

One pass with a regular expression that stops only where something may have to change; everything between is copied
in one piece. Nothing recurses, and what does not close (`$`, `{`, `\begin`) is passed through as text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from ganita.corpus.reading.latex import commands
from ganita.corpus.reading.latex.comments import split_document, strip_comments
from ganita.corpus.reading.latex.macros import Resolved, resolve_macros
from ganita.corpus.reading.latex.rewriter import Rewriter
from ganita.corpus.reading.latex.scan import VERB, VERBATIM, Scanner, verbatim_end

_SWITCH = rf"\\(?:{'|'.join(commands.SWITCHES)})(?![A-Za-z])\s*|\\color\s*\{{[^{{}}]*\}}\s*"
_EVENT = re.compile(rf"\\(?:([A-Za-z]+)|([^A-Za-z]))|(\$+)|(\{{\s*(?:{_SWITCH})+)")
_SWITCH_NAME = re.compile(r"\\([A-Za-z]+)")
_BORDER = re.compile(r"\\(?:begin|end)\s*\{([^{}\\\n$]{1,80})\}")
_OVERLAY = re.compile(r"<[\w,.+|@: -]{1,40}>")
_LENGTH = re.compile(
    r"[ \t]*=?[ \t]*-?\s*(?:[\d.,]+[ \t]*(?:true)?(?:[a-z]{2}\b)?|\\[A-Za-z]+)"
    r"(?:[ \t]*(?:plus|minus)[ \t]*-?[\d.]+[ \t]*[a-z]{2,4})*"
)
_FILE_NAME = re.compile(r"[ \t]+[\w./-]+")
_LINE_BREAK = re.compile(r"\*?[ \t]*\[[ \t]*-?[\d.]*[ \t]*(?:[a-z]{2}|\\[A-Za-z]+)[ \t]*\]|\*")
_ACCENT = re.compile(
    r"\s*(?:\{\s*(?:\\([ij])(?![A-Za-z])|([^\W\d_]))\s*\}|\\([ij])(?![A-Za-z])(?:\{\}|[ \t]*)|([^\W\d_]))"
)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_INLINE = re.compile(r"\\.|[{}$]|\n[ \t]*\n", re.DOTALL)
# An environment in no table is a formula if its body has a sign of mathematics and neither a $ nor anything of text.
_TEXT_SIGN = re.compile(
    r"\$|(?<!\\)\\[(\[]|\\begin\{(?!\w?\w?matrix|smallmatrix|array|cases|split|aligned|gathered)"
    r"|\\(?:item|emph|textbf|ref|cite|footnote|section|caption|verb)(?![A-Za-z])"
)
_MATH_SIGN = re.compile(
    r"(?<!\\)\^|_\{|\\(?:frac|sum|prod|int|left|bigl|times|mapsto|to|in|leq?|geq?|neq?|cdot|quad|infty|equiv|inferrule)"
    r"(?![A-Za-z])"
)
MAX_DISPLAYED = 4_000
MAX_INLINE = 20_000  # characters that a $...$ with a text that holds further $ in it may have


def clean_latex(source: str, *, macros: bool = True) -> str:
    r"""Return the running text of a LaTeX document, or of a part of one, as LaTeX that reads well.

    Mathematics (`$...$`, `\[...\]`, equation and its kind, tikzcd) is kept to the character, but for comments and,
    with `macros`, for the author's own simple commands, which are resolved. Preamble, comments, layout commands and
    drawings go; titles, theorems, lists, tables, emphasis, references and verbatim text stay; accents, quotes and
    dashes of text become Unicode. Commands nobody knows stay. Never raises: what is broken is passed through.
    """
    preamble, body = split_document(strip_comments(source))
    return _Cleaner(resolve_macros(preamble, body, apply=macros)).run()


class _Cleaner(Rewriter):
    """What to do at each command, brace, `$` and environment of a text."""

    def __init__(self, resolved: Resolved) -> None:
        super().__init__(resolved.text)
        self.mathematics = resolved.mathematics
        self.unwrap_ensuremath = resolved.num_resolved > 0

    def run(self) -> str:
        """Read the text to its end; return what it has become."""
        position = 0
        while match := _EVENT.search(self.text, position):
            start = match.start()
            while self.closing and self.closing[-1][0] < start:
                self.close()
            if start < self.copied:
                position = self.copied
                continue
            name, character, dollars, _ = match.groups()
            if name:
                position = self._command(name, start, match.end())
            elif character:
                position = self._character(character, start, match.end())
            elif dollars:
                position = self._dollars(len(dollars), start, match.end())
            else:
                position = self._switch(match)
        return self.finish()

    # Commands

    def _command(self, name: str, start: int, end: int) -> int:
        action = _ACTIONS.get(name)
        if action is None:
            self.kept_command_end = end
            return end
        return action(self, name, start, end)

    def _drop(self, name: str, start: int, end: int) -> int:
        end = self._overlay(name, end)
        signature = commands.DROPPED.get(name, "")
        stop = self.scanner.arguments_end(end, signature)
        if stop < 0:
            return end
        ends_name = signature in ("", "o") and self.text.startswith("{}", stop)
        return self.remove(start, stop + 2 * ends_name)

    def _drop_with(self, pattern: re.Pattern[str], start: int, end: int) -> int:
        match = pattern.match(self.text, end)
        return self.remove(start, match.end() if match else end)

    def _drop_length(self, name: str, start: int, end: int) -> int:
        return self._drop_with(_LENGTH, start, end)

    def _drop_input(self, name: str, start: int, end: int) -> int:
        stop = self.scanner.arguments_end(end, "m") if self.text[end : end + 1] == "{" else -1
        return self.remove(start, stop) if stop >= 0 else self._drop_with(_FILE_NAME, start, end)

    def _unwrap(self, name: str, start: int, end: int) -> int:
        end = self._overlay(name, end)
        before = self.scanner.arguments_end(end, commands.UNWRAPPED[name])
        opening = self.scanner.skip_space(before) if before >= 0 else -1
        if opening < 0 or self.text[opening : opening + 1] != "{":
            return self.remove(start, end) if name in commands.OVERLAYS else end
        close = self.scanner.group_end(opening)
        if close < 0:
            return end
        # \texorpdfstring{$x$}{x} says the same twice.
        after = self.scanner.arguments_end(close, "m") if name == "texorpdfstring" else close
        self.closing.append((close - 1, max(close, after)))
        return self.replace(start, opening + 1)

    def _overlay(self, name: str, end: int) -> int:
        match = _OVERLAY.match(self.text, end) if name in commands.OVERLAYS else None
        return match.end() if match else end

    def _item(self, name: str, start: int, end: int) -> int:
        return self.replace(end, self._overlay(name, end))

    def _title(self, name: str, start: int, end: int) -> int:
        opening = self.scanner.skip_space(self.scanner.arguments_end(end, "so"))
        return self.replace(end, opening) if self.text[opening : opening + 1] == "{" else end

    def _reference(self, name: str, start: int, end: int) -> int:
        stop = self.scanner.arguments_end(end, "soom")
        return self.keep(start, stop) if stop >= 0 else end

    def _ensuremath(self, name: str, start: int, end: int) -> int:
        stop = self.scanner.group_end(end) if self.text[end : end + 1] == "{" else -1
        if stop < 0:
            return end
        return self.keep(start, stop, f"${_without_ensuremath(self.text[end + 1 : stop - 1])}$")

    def _verb(self, name: str, start: int, end: int) -> int:
        match = VERB.match(self.text, start)
        return self.keep(start, match.end()) if match else end

    def _symbol(self, name: str, start: int, end: int) -> int:
        end += 2 * self.text.startswith("{}", end)
        return self.replace(start, end, commands.SYMBOLS[name])

    def _letter(self, name: str, start: int, end: int) -> int:
        if self.text.startswith("{}", end):
            return self.replace(start, end + 2, commands.LETTERS[name])
        while self.text[end : end + 1] in (" ", "\t"):
            end += 1
        return self.replace(start, end, commands.LETTERS[name])

    def _accent(self, name: str, start: int, end: int) -> int:
        match = _ACCENT.match(self.text, end)
        if match is None or (name.isalpha() and self.text[end : end + 1].isalpha()):
            return self.keep(start, end)
        letter = unicodedata.normalize("NFC", (match[1] or match[2] or match[3] or match[4]) + commands.ACCENTS[name])
        if len(letter) > 1:  # no such letter: the command is the author's own, or stands in a formula
            return self.keep(start, end)
        return self.replace(start, match.end(), letter)

    def _character(self, character: str, start: int, end: int) -> int:
        if character in "([":
            return self._bracketed(character, start, end)
        if character in commands.CHARACTERS:
            return self.replace(start, end, commands.CHARACTERS[character])
        if character in commands.ACCENTS:
            return self._accent(character, start, end)
        if character == "\\" and (match := _LINE_BREAK.match(self.text, end)):
            return self.replace(end, match.end())
        return end

    def _switch(self, match: re.Match[str]) -> int:
        start, end = match.span()
        if start == self.kept_command_end or self.text[start - 1 : start] in ("}", "]", "*"):
            return self.replace(start + 1, end)  # an argument of a command that stays: \section{\bf Limits}
        markers = [commands.SWITCHES.get(name) for name in _SWITCH_NAME.findall(match.group())]
        marker = next((marker for marker in reversed(markers) if marker), None)
        if marker:
            return self.replace(start, end, marker)
        close = self.scanner.group_end(start)
        if close < 0:
            return self.replace(start + 1, end)
        self.closing.append((close - 1, close))
        return self.replace(start, end)

    # Mathematics

    def _formula(self, start: int, end: int) -> int:
        piece = _without_ensuremath(self.text[start:end]) if self.unwrap_ensuremath else None
        return self.keep(start, end, piece)

    def _dollars(self, count: int, start: int, end: int) -> int:
        if count > 2:
            return end
        close = self.scanner.find_unescaped("$" * count, end)
        if close < 0 or _BLANK_LINE.search(self.text, end, close):
            return end
        if count == 1 and self.text.count("{", end, close) != self.text.count("}", end, close):
            close = self._inline_end(end, close)
        return self._formula(start, close + count)

    def _inline_end(self, start: int, nearest: int) -> int:
        r"""Return where the `$` is that ends a formula from `start`; not one inside braces: $x \text{ if $y$}$."""
        if self.scanner.allowance < 0:
            return nearest
        depth, stop = 0, min(len(self.text), start + MAX_INLINE)
        for match in _INLINE.finditer(self.text, start, stop):
            found = match.group()
            if found == "$" and depth == 0:
                nearest = stop = match.start()
                break
            depth += (found == "{") - (found == "}")
            if depth < 0 or found[0] == "\n":
                stop = match.start()
                break
        self.scanner.allowance -= stop - start
        return nearest

    def _bracketed(self, bracket: str, start: int, end: int) -> int:
        close = self.scanner.find_unescaped("\\)" if bracket == "(" else "\\]", end)
        again = self.scanner.find_unescaped("\\" + bracket, end)
        if close < 0 or 0 <= again < close or (bracket == "(" and _BLANK_LINE.search(self.text, end, close)):
            return end
        return self._formula(start, close + 2)

    # Environments

    def _begin(self, name: str, start: int, end: int) -> int:
        match = _BORDER.match(self.text, start)
        if match is None:
            return end
        environment, end = match[1], match.end()
        if environment in self.mathematics:
            return self._displayed(environment, start, end)
        if environment in commands.DROPPED_ENVIRONMENTS:
            stop = verbatim_end(self.scanner, environment, end)
            return self.remove(start, stop) if stop >= 0 else end
        if environment in VERBATIM:
            stop = verbatim_end(self.scanner, environment, end)
            return self.keep(start, stop) if stop >= 0 else end
        if environment in commands.TABLES:
            stop = self.scanner.arguments_end(end, commands.TABLES[environment])
            return self.keep(start, stop) if stop >= 0 else end
        if environment in commands.LISTS:
            return self.replace(end, self.scanner.arguments_end(end, "o"))
        if environment in commands.UNWRAPPED_ENVIRONMENTS:
            stop = self.scanner.arguments_end(end, commands.UNWRAPPED_ENVIRONMENTS[environment])
            return self.remove(start, max(stop, end))
        return self._displayed(environment, start, end) if self._is_formula(environment, end) else end

    def _is_formula(self, environment: str, start: int) -> bool:
        """Whether an unknown environment holds mathematics: signs of it, and nothing that only text has."""
        close = self.text.find(rf"\end{{{environment}}}", start, start + MAX_DISPLAYED)
        if close < 0 or _TEXT_SIGN.search(self.text, start, close):
            return False
        return _MATH_SIGN.search(self.text, start, close) is not None

    def _displayed(self, environment: str, start: int, end: int) -> int:
        needle = rf"\end{{{environment}}}"
        close = self.scanner.find(needle, end)
        again = self.scanner.find(rf"\begin{{{environment}}}", end)
        if close < 0 or 0 <= again < close:  # two begin, one ends: the first was never closed
            return end
        return self._formula(start, close + len(needle))

    def _end(self, name: str, start: int, end: int) -> int:
        match = _BORDER.match(self.text, start)
        if match and match[1] in commands.UNWRAPPED_ENVIRONMENTS:
            return self.remove(start, match.end())
        return match.end() if match else end


def _without_ensuremath(piece: str) -> str:
    r"""Macros made for text and mathematics alike bring an \ensuremath along that says nothing there."""
    opening, position = "\\ensuremath{", 0
    if opening not in piece:
        return piece
    scanner, spans = Scanner(piece), []
    while (start := piece.find(opening, position)) >= 0:
        position = start + len(opening)
        if (close := scanner.group_end(position - 1)) >= 0:
            spans += [(start, position), (close - 1, close)]
    kept, copied = [], 0
    for start, end in sorted(spans):
        kept.append(piece[copied:start])
        copied = end
    return "".join(kept) + piece[copied:]


_Action = Callable[[_Cleaner, str, int, int], int]
_ACTIONS: dict[str, _Action] = {
    **dict.fromkeys(commands.ACCENTS, _Cleaner._accent),
    **dict.fromkeys(commands.SYMBOLS, _Cleaner._symbol),
    **dict.fromkeys(commands.LETTERS, _Cleaner._letter),
    **dict.fromkeys(commands.SWITCHES, _Cleaner._drop),
    **dict.fromkeys(commands.DROPPED, _Cleaner._drop),
    **dict.fromkeys(commands.LENGTHS, _Cleaner._drop_length),
    **dict.fromkeys(commands.UNWRAPPED, _Cleaner._unwrap),
    **dict.fromkeys(commands.TITLES, _Cleaner._title),
    **dict.fromkeys(commands.REFERENCES, _Cleaner._reference),
    "input": _Cleaner._drop_input,
    "item": _Cleaner._item,
    "ensuremath": _Cleaner._ensuremath,
    "verb": _Cleaner._verb,
    "lstinline": _Cleaner._verb,
    "begin": _Cleaner._begin,
    "end": _Cleaner._end,
}
