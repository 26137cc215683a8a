r"""What the author's own commands stand for, put in their place.

Expansion is TeX's: the body with its arguments put in is read again, so macros may use macros and take their arguments
from what follows. It is bounded as TeX's is not: a use that nests deeper than `MAX_DEPTH` or grows beyond
`MAX_EXPANSION` characters is left as it was written, and its macro is given up after `MAX_FAILURES` of them; so is
every use after the text as a whole has grown beyond an allowance. Macros that compute (conditionals, counters) are left
as they are too.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass

from ganita.corpus.reading.latex.commands import MATHEMATICS, names
from ganita.corpus.reading.latex.definitions import (
    DEFINITION,
    ENDS_IN_COMMAND,
    LONGEST_NAME,
    STARTERS,
    Definitions,
    Macro,
)
from ganita.corpus.reading.latex.scan import VERB, VERBATIM, Scanner, token_length, verbatim_end

MAX_DEPTH = 40
MAX_EXPANSION = 100_000  # characters that one use in the text may come to
MAX_FAILURES = 3
_COST = 16  # characters that an expansion counts for at least: empty ones must end as well

_COMMAND = re.compile(r"\\(?:([A-Za-z]+)|.)", re.DOTALL)
_BEGIN = re.compile(r"\\begin\s*\{([^{}]*)\}")
_ONE_TOKEN = re.compile(r"(?:[^\\{}]|\\[A-Za-z]+|\\[^A-Za-z]|\{[^{}]*\})\Z", re.DOTALL)
# \overline\ZZ, \frac\pi\eps: a macro that stands bare for an argument must stay one argument.
_TAKES_TWO = names("frac dfrac tfrac cfrac binom dbinom tbinom overset underset stackrel")
_TAKES_ONE = _TAKES_TWO | names(
    """sqrt overline underline hat widehat tilde widetilde bar vec dot ddot check breve acute grave mathring overbrace
    underbrace overrightarrow overleftarrow mathbb mathbf mathrm mathcal mathfrak mathsf mathit mathtt mathscr
    boldsymbol bm pmb text operatorname xrightarrow xleftarrow emph textbf textit textrm texttt"""
)
_BEFORE = re.compile(r"\\([A-Za-z]+)\s*(?:(\{[^{}]*\}|[0-9A-Za-z]|\\[A-Za-z]+)\s*)?\Z")


@dataclass(frozen=True)
class Resolved:
    """Text without definitions, and what was done: uses resolved, and uses left because they would not end."""

    text: str
    num_resolved: int = 0
    num_left: int = 0
    mathematics: frozenset[str] = MATHEMATICS  # environments that hold mathematics, the author's among them


def resolve_macros(preamble: str, body: str, *, apply: bool = True) -> Resolved:
    """Take the definitions out of `body` and, with `apply`, resolve the uses of them and of those in `preamble`.

    Both are LaTeX without comments. A definition holds from where it stands; the group it stands in is not minded.
    """
    if not DEFINITION.search(body) and not DEFINITION.search(preamble):
        return Resolved(body)
    definitions = Definitions({}, set())
    scanner, position = Scanner(preamble), 0
    while match := DEFINITION.search(preamble, position):
        position = max(definitions.read(scanner, match), match.end())
    resolver = _Resolver(body, definitions, apply)
    text = resolver.run()
    return Resolved(text, resolver.num_resolved, resolver.num_left, MATHEMATICS | definitions.mathematics)


class _Frame:
    """A text being read: the document, or on top of it an expansion. `copied` is how far it went to the output."""

    __slots__ = ("copied", "position", "scanner", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.scanner = Scanner(text)
        self.position = self.copied = 0


class _Resolver:
    """The input of a document as TeX has it: a stack of texts, the innermost expansion on top."""

    def __init__(self, text: str, definitions: Definitions, apply: bool) -> None:
        self.definitions = definitions
        self.apply = apply
        self.frames = [_Frame(text)]
        self.done = io.StringIO()
        self.out: list[str] = []  # what may still be undone
        self.allowance = 8 * len(text) + 1_000_000  # characters that all expansions together may come to
        self.num_failures: Counter[str] = Counter()
        self.num_resolved = self.num_left = 0
        # The use in the document that is being expanded: its name, start, end, the output before it, its cost so far.
        self.name, self.start, self.end, self.num_pieces, self.spent = "", 0, 0, 0, 0

    def run(self) -> str:
        """Read the document to its end; return the output."""
        while self.frames:
            frame = self.frames[-1]
            if len(self.frames) == 1 and self.name:  # the expansion has been read to its end
                self.num_resolved += 1
                self.allowance -= self.spent
                self.name = ""
                self.done.write("".join(self.out))
                self.out.clear()
            if not self._read_to_macro(frame):
                self.out.append(frame.text[frame.copied :])
                self.frames.pop()
        return self.done.getvalue() + "".join(self.out)

    def _read_to_macro(self, frame: _Frame) -> bool:
        """Read up to and with the next use of a macro; False if there is none left in this frame."""
        macros, text = self.definitions.macros, frame.text
        position = frame.position
        while match := _COMMAND.search(text, position):
            name, position = match[1], match.end()
            if name is None:
                continue
            if name in macros and self.apply:
                frame.position = position
                self._use(frame, match, macros[name])
                return True
            if name in STARTERS:
                position = self._define(frame, match.start(), position)
            elif name in ("begin", "verb", "lstinline"):
                position = self._skip_verbatim(frame, match.start(), position)
        frame.position = len(text)
        return False

    def _define(self, frame: _Frame, start: int, position: int) -> int:
        match = DEFINITION.match(frame.text, start)
        end = self.definitions.read(frame.scanner, match) if match else -1
        if end < 0:
            return position
        self.out.append(frame.text[frame.copied : start])
        # The line goes with the definition if it is the only thing on it.
        alone = frame.text[start - 1 : start] in ("", "\n") and frame.text[end : end + 1] == "\n"
        frame.copied = end + alone
        return frame.copied

    def _skip_verbatim(self, frame: _Frame, start: int, position: int) -> int:
        if match := VERB.match(frame.text, start):
            return match.end()
        begin = _BEGIN.match(frame.text, start)
        if begin and begin[1] in VERBATIM:
            return max(begin.end(), verbatim_end(frame.scanner, begin[1], begin.end()))
        return position

    def _use(self, frame: _Frame, match: re.Match[str], macro: Macro) -> None:
        """Put the expansion of `macro` on top of the stack, or leave the use in the document as it was written."""
        name = match[1]
        self.out.append(frame.text[frame.copied : match.start()])
        frame.copied = match.end()
        if len(self.frames) == 1 and not self.name:
            self.name, self.start, self.end = name, match.start(), match.end()
            self.num_pieces, self.spent = len(self.out), 0
        endless = max(self.num_failures[name], self.num_failures[self.name]) >= MAX_FAILURES
        if endless or self.allowance < 0 or (arguments := self._arguments(macro)) is None:
            return self._leave()
        expansion = macro.fill(arguments)
        if self._stands_for_argument(frame.text, match.start(), expansion):
            expansion = f"{{{expansion}}}"
        elif ENDS_IN_COMMAND.search(expansion[-LONGEST_NAME:]) and self._next_character().isalpha():
            expansion += " "
        self.spent += len(expansion) + _COST
        if len(self.frames) > MAX_DEPTH or self.spent > MAX_EXPANSION:
            # The fault is in a body that uses macros; a plain one was only given too much, or an endless argument.
            body = self.definitions.macros[self.name].body
            self.num_failures[self.name] += any(use in self.definitions.macros for use in _COMMAND.findall(body))
            return self._leave()
        self.frames.append(_Frame(expansion))
        return None

    def _leave(self) -> None:
        """Undo what the use in the document came to; go on after its name."""
        self.num_left += 1
        self.allowance -= self.spent
        del self.frames[1:], self.out[self.num_pieces :]
        self.frames[0].copied, self.frames[0].position = self.start, self.end
        self.name = ""

    def _arguments(self, macro: Macro) -> list[str] | None:
        arguments: list[str] = []
        while len(arguments) < macro.num_arguments:
            optional = macro.default is not None and not arguments
            argument = self._argument(macro.default if optional else None)
            if argument is None or (argument == "*" and not arguments):  # the starred form is another macro
                return None
            arguments.append(argument)
        frame = self.frames[-1]
        if not macro.num_arguments and frame.text.startswith("{}", frame.position):
            frame.position += 2  # \foo{} only ends the name
        frame.copied = frame.position
        return arguments

    def _argument(self, default: str | None) -> str | None:
        """Read one argument, from the frames below if the upper ones end; with `default` an optional one."""
        frame = self.frames[-1]
        start = frame.scanner.skip_space(frame.position)
        while start >= len(frame.text) and len(self.frames) > 1:
            self.frames.pop()
            frame = self.frames[-1]
            start = frame.scanner.skip_space(frame.position)
        first = frame.text[start : start + 1]
        if default is not None:
            end = frame.scanner.bracket_end(start) if first == "[" else -1
            if end < 0:
                return default
        elif first == "{":
            end = frame.scanner.group_end(start)
        else:
            end = start + token_length(frame.text, start) if first not in ("", "}", "\n", "&") else -1
        if end < 0:
            return None
        frame.position = frame.copied = end
        return frame.text[start + 1 : end - 1] if first in ("{", "[") and end > start + 1 else frame.text[start:end]

    def _stands_for_argument(self, text: str, start: int, expansion: str) -> bool:
        last = start
        for _ in range(2):  # \frac\foo\bar: the command whose argument it is may be the last but one
            last = text.rfind("\\", max(0, start - LONGEST_NAME), last)
            if last < 0:
                return False
            before = _BEFORE.match(text, last, start)
            if before and before[1] in (_TAKES_TWO if before[2] else _TAKES_ONE):
                return not _ONE_TOKEN.match(expansion) or expansion[1:] in self.definitions.macros
        return False

    def _next_character(self) -> str:
        for frame in reversed(self.frames):
            if frame.position < len(frame.text):
                return frame.text[frame.position]
        return ""
