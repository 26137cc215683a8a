"""What LaTeX itself never sees: comments; and where a document begins and ends."""

from __future__ import annotations

import io
import re

from ganita.corpus.reading.latex.scan import VERB, VERBATIM, Scanner, verbatim_end

# In an address a % is a character; everywhere else it begins a comment unless a backslash stands before it.
_ADDRESS = r"(?:url|nolinkurl|href|path)\s*\{[^{}\n]*\}"
_VERBATIM = "|".join(map(re.escape, sorted(VERBATIM)))
_EVENT = re.compile(
    rf"%|\\(?:(?P<skipped>[\\%]|{_ADDRESS})|begin\s*\{{(?P<verbatim>{_VERBATIM})\}}|(?P<verb>verb(?![A-Za-z])|lstinline)"
    r"|(?P<false>iffalse(?![A-Za-z])))"
)
_CONDITION = re.compile(r"\\(?:(fi)|if(?!f(?![A-Za-z])|thenelse|str)[A-Za-z]*)(?![A-Za-z])")
_COMMAND_AT_END = re.compile(r"\\[A-Za-z]+\Z")
_LONGEST_COMMAND = 60
_BORDER = re.compile(rf"\\(begin|end)\s*\{{(document|{_VERBATIM})\}}")


def strip_comments(source: str) -> str:
    r"""Return `source` without comments: `%` to the end of line, the comment environment, `\iffalse` to `\fi`.

    Words keep their distance as TeX sets them: a line that is only a comment goes altogether, `%` right after a
    word joins it to the next line (without making one command of two), `%` after a blank does not. Verbatim text and
    addresses keep their `%`.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n") if "\r" in source else source
    if "%" not in source and "{comment}" not in source and "\\iffalse" not in source:
        return source
    scanner, out = Scanner(source), _Output()
    copied = position = 0
    while match := _EVENT.search(source, position):
        start, position = match.start(), match.end()
        if match["skipped"]:
            continue
        if match["verb"]:
            verb = VERB.match(source, start)
            position = verb.end() if verb else position
        elif match["verbatim"]:
            end = verbatim_end(scanner, match["verbatim"], position)
            if end >= 0 and match["verbatim"] == "comment":
                out.add(source[copied:start])
                copied = end
            position = end if end >= 0 else position
        elif match["false"]:
            end = _false_end(scanner, position)
            if end >= 0:
                out.add(source[copied:start])
                copied = position = end
        else:
            copied = position = _skip_comment(source, copied, start, out)
    out.add(source[copied:])
    return out.text.getvalue()


def _false_end(scanner: Scanner, start: int) -> int:
    r"""Return the position after the `\fi` of the `\iffalse` that stands before `start`, or -1."""
    depth = 1
    if scanner.allowance > 0:
        for match in _CONDITION.finditer(scanner.text, start):
            depth += -1 if match[1] else 1
            if depth == 0:
                return match.end()
        scanner.allowance -= len(scanner.text) - start
    return -1


class _Output:
    """What is kept so far, and the last character of it."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.last = "\n"

    def add(self, piece: str) -> None:
        if piece:
            self.text.write(piece)
            self.last = piece[-1]


def _skip_comment(source: str, copied: int, start: int, out: _Output) -> int:
    """Copy what stands before the comment at `start`; return where to go on."""
    piece = source[copied:start]
    kept = piece.rstrip(" \t")
    line_end = source.find("\n", start)
    line_end = len(source) if line_end < 0 else line_end
    if (kept[-1:] or out.last) == "\n":  # nothing else on this line
        out.add(kept)
        return min(line_end + 1, len(source))
    if len(kept) < len(piece):
        out.add(kept)
        return line_end
    out.add(piece)
    following = line_end + 1
    while source[following : following + 1] in (" ", "\t"):
        following += 1
    first = source[following : following + 1]
    # An empty line after the comment still ends the paragraph; two commands must not become one.
    if first in ("", "\n") or (first.isalpha() and _COMMAND_AT_END.search(piece[-_LONGEST_COMMAND:])):
        return line_end
    return following


def split_document(text: str) -> tuple[str, str]:
    r"""Return (preamble, body) of a text without comments: what stands before `\begin{document}`, and within.

    Without a `\begin{document}` all of it is body: a chapter that another file inputs.
    """
    scanner = Scanner(text)
    begin, start, end, position = -1, 0, len(text), 0
    while match := _BORDER.search(text, position):
        position = match.end()
        if match[2] != "document":
            if match[1] == "begin":
                position = max(position, verbatim_end(scanner, match[2], position))
        elif match[1] == "end":
            end = match.start()
            break
        elif begin < 0:
            begin, start = match.start(), position
    return text[: max(begin, 0)], text[start:end]
