r"""Looking ahead in LaTeX at a cost that stays linear in its length, however broken it is.

A cleaner asks at every command "where does this group end?", at every `\begin` "where is its `\end`?". Asked of
broken text, each such question reads to the end of the file; a million of them never come back. Here an answer
is remembered, and all scans of one text draw on one allowance.
"""

from __future__ import annotations

import re

MAX_GROUP = 1 << 18  # characters; a longer {group} is taken for one that was never closed
_FLAT_GROUP = re.compile(r"\{[^{}\\]*\}")
_FLAT_BRACKET = re.compile(r"\[[^\[\]{}\\]*\]")
_BRACE = re.compile(r"[{}]|\\.", re.DOTALL)
_BRACE_OR_BRACKET = re.compile(r"[{}\]]|\\.", re.DOTALL)
_SPACE = re.compile(r"[ \t]*\n?[ \t]*")


class Scanner:
    """A text and what was already found out about it. Questions come in order of position."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.allowance = 4 * len(text) + 1_000_000  # characters that scans with nested groups may still read
        self._next: dict[str, tuple[int, int]] = {}  # needle -> (asked from, found at)
        self._unescaped: dict[str, tuple[int, int]] = {}

    def find(self, needle: str, start: int) -> int:
        """Return where `needle` next stands at or after `start`, -1 for nowhere."""
        asked, found = self._next.get(needle, (0, -2))
        if asked <= start and (found == -1 or start <= found):
            return found
        found = self.text.find(needle, start)
        self._next[needle] = start, found
        return found

    def find_unescaped(self, needle: str, start: int) -> int:
        r"""Return where `needle` next stands without a backslash that takes it away: `\$` is no `$`, `\\$` is one."""
        asked, found = self._unescaped.get(needle, (0, -2))
        if asked <= start and (found == -1 or start <= found):
            return found
        found = self.text.find(needle, start)
        while found > start and self.text[found - 1] == "\\":
            before = found - 1
            while before > start and self.text[before - 1] == "\\":
                before -= 1
            if (found - before) % 2 == 0:
                break
            found = self.text.find(needle, found + 1)
        self._unescaped[needle] = start, found
        return found

    def group_end(self, start: int) -> int:
        """Return the position after the `}` that closes the `{` at `start`, or -1."""
        if flat := _FLAT_GROUP.match(self.text, start):
            return flat.end()
        return self._scan(start, _BRACE, "}")

    def bracket_end(self, start: int) -> int:
        """Return the position after the `]` that closes the `[` at `start`, or -1; those inside braces do not count."""
        if flat := _FLAT_BRACKET.match(self.text, start):
            return flat.end()
        return self._scan(start, _BRACE_OR_BRACKET, "]")

    def skip_space(self, start: int) -> int:
        """Return the position after blanks and at most one line end, as TeX passes over them before an argument."""
        match = _SPACE.match(self.text, start)
        return match.end() if match else start

    def arguments_end(self, start: int, signature: str) -> int:
        """Return the position after arguments, or -1 if a mandatory one is missing.

        `signature` has one letter for each: `m` a group or one token, `o` an optional `[...]`, `s` an optional star.
        """
        position = start
        for kind in signature:
            at = self.skip_space(position)
            first = self.text[at : at + 1]
            if kind == "s":
                position = position + 1 if self.text[position : position + 1] == "*" else position
            elif kind == "o":
                end = self.bracket_end(at) if first == "[" else -1
                position = end if end >= 0 else position
            else:
                position = self._argument_end(at, first)
                if position < 0:
                    return -1
        return position

    def _argument_end(self, start: int, first: str) -> int:
        if first == "{":
            return self.group_end(start)
        if first in ("", "}", "]", "\n", "%"):
            return -1
        return start + token_length(self.text, start)

    def _scan(self, start: int, pattern: re.Pattern[str], closing: str) -> int:
        if self.allowance < 0:
            return -1
        depth, end, stop = 0, -1, min(len(self.text), start + MAX_GROUP)
        for match in pattern.finditer(self.text, start + 1, stop):
            found = match.group()
            if found == closing and depth == 0:
                end = match.end()
                break
            depth += (found == "{") - (found == "}")
            if depth < 0:  # the group around this bracket ends first
                stop = match.end()
                break
        self.allowance -= (end if end >= 0 else stop) - start
        return end


_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|.", re.DOTALL)


def token_length(text: str, start: int) -> int:
    """Return the length of the TeX token at `start`: one character, or a command with its name."""
    match = _TOKEN.match(text, start)
    return len(match.group()) if match else 0


VERBATIM = frozenset(
    {"verbatim", "verbatim*", "Verbatim", "Verbatim*", "BVerbatim", "LVerbatim", "lstlisting", "minted", "alltt"}
    | {"tabbing", "filecontents", "filecontents*", "comment"}
)
# The delimiter of \verb may be anything; on one line, and near: a hostile file must not make us look far each time.
VERB = re.compile(r"\\(?:verb\*?|lstinline(?:\[[^\]\n]{0,80}\])?)(?:([^A-Za-z\s*{])[^\n]{0,200}?\1|\{[^{}\n]{0,200}\})")


def verbatim_end(scanner: Scanner, name: str, start: int) -> int:
    r"""Return the position after the `\end` of the verbatim environment `name` that began before `start`, or -1."""
    needle = rf"\end{{{name}}}"
    found = scanner.find(needle, start)
    return found + len(needle) if found >= 0 else -1
