"""What HTML and XML have in common: tags out of a text, and paragraphs out of what stands between them.

The tokenizer is our own because `html.parser` of the standard library is quadratic on broken pages (Python 3.11:
40,000 times "<!--" take 17 seconds, 20,000 times "<a " 48) and slower on whole ones. This one looks at no character
more than a few times, whatever the input, and never fails: what is not a tag is text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

START, END, TEXT = 0, 1, 2
Token = tuple[int, str, str]  # (START, name, attributes), (END, name, ""), (TEXT, text, ""); names in lower case

MAX_INDENT = 6  # levels of lists and quotes that are shown: deeper ones would make the output quadratic
MAX_DISPLAY = 10_000  # characters within which the end of a displayed formula is looked for

_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:._-]*)")
# A quote counts only after "=", as in browsers; anything up to ">" or "<" is taken, so this pattern always matches.
_ATTRIBUTES = re.compile(r"""(?:[^<>"'=]+|=\s*"[^"]*"|=\s*'[^']*'|["'=])*""")
_PLAIN = re.compile(r"[^<>]*")
_ATTRIBUTE = re.compile(r"""([^\s=/"'<>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_RAW = {name: re.compile(rf"</{name}\b[^<>]*>", re.IGNORECASE) for name in ("script", "style", "textarea", "title")}
_DISPLAY = re.compile(r"\$\$|\\\[|\\begin\{([a-zA-Z]{1,20}\*?)\}")
_AROUND_NEWLINE = re.compile(r" *\n *")
_AFTER_DISPLAY = re.compile(r"\$\$\n([.,;:!?](?:\s|\Z))")
_NEWLINES = re.compile(r"\n{2,}")


def words(text: str) -> frozenset[str]:
    """Return the words of a text: a table of names that reads well."""
    return frozenset(text.split())


def tokens(source: str, *, xml: bool = False) -> Iterator[Token]:
    """Yield the tags and texts of `source` in order; entities of texts are resolved, comments left out.

    The contents of script, style, textarea and title are one text each, unless it is XML.
    """
    position, end, last = 0, len(source), source.rfind(">")
    wasted, quotes, unclosed = 0, True, set[str]()
    while position < end:
        start = source.find("<", position)
        if start < 0 or start > last:
            yield TEXT, _unescape(source[position:]), ""
            return
        if start > position:
            yield TEXT, _unescape(source[position:start]), ""
        match = _NAME.match(source, start)
        if match is None:
            position, text = _special(source, start, unclosed)
            if text:
                yield TEXT, text, ""
            continue
        closing, name = match[1], match[2].lower()
        stop = (_ATTRIBUTES if quotes else _PLAIN).match(source, match.end()).end()  # type: ignore[union-attr]
        if stop >= end or source[stop] != ">":
            # Not a tag. Such attempts may overlap and each may look for a closing quote up to the end of the text: once
            # they have cost about as much as reading it four times, quotes are given up.
            wasted += stop - start + (end // 16 if "=" in source[match.end() : stop] else 0)
            quotes = quotes and wasted < 4 * end
            yield TEXT, "<", ""
            position = start + 1
            continue
        position = stop + 1
        yield (END, name, "") if closing else (START, name, source[match.end() : stop])
        if not closing and not xml and name in _RAW and source[stop - 1] != "/":
            finish = _RAW[name].search(source, position)
            yield TEXT, source[position : finish.start() if finish else end], ""
            yield END, name, ""
            position = finish.end() if finish else end


def _special(source: str, start: int, unclosed: set[str]) -> tuple[int, str]:
    """Return where to go on after a "<" that opens no tag, and the text it stands for.

    What never ends is taken for a tag, and remembered in `unclosed` so that its end is not looked for again.
    """
    for opening, closing in (("<!--", "-->"), ("<![CDATA[", "]]>")):
        if source.startswith(opening, start) and opening not in unclosed:
            inside = start + len(opening)
            stop = source.find(closing, inside)
            if stop >= 0:
                return stop + 3, "" if opening == "<!--" else source[inside:stop]
            unclosed.add(opening)
    if source.startswith(("<!", "<?", "</"), start):
        return source.find(">", start) + 1, ""
    return start + 1, "<"


def attributes(raw: str) -> dict[str, str]:
    """Return the attributes of a start tag by their names in lower case; the first of two with one name counts."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(raw):
        found.setdefault(match[1].lower(), _unescape(match[2] or match[3] or match[4] or ""))
    return found


def _unescape(text: str) -> str:
    return html.unescape(text) if "&" in text else text


class Writer:
    """Builds paragraphs: inline pieces are collected until a block ends, then written as one.

    Pieces are texts, whose white space collapses, or verbatim ones. `mark` and `take` give back what was written since.
    """

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._pieces: list[tuple[str, bool]] = []
        self._num_flushed = 0
        self._tight = False  # the last block was an item of a list or a row: the next one follows without a blank line
        self.lists: list[int] = []  # per open list the number of its last item; -1: not numbered
        self.quotes = 0
        self._marker = ""

    def text(self, text: str) -> None:
        """Add text, whose white space will collapse."""
        self._pieces.append((text, False))

    def verbatim(self, text: str) -> None:
        """Add text that is kept to the character."""
        self._pieces.append((text, True))

    def math(self, latex: str, *, display: bool = False) -> None:
        """Add a formula between dollar signs, a displayed one on a line of its own."""
        if not (latex := latex.strip()):
            return
        if self._pieces and self._pieces[-1][0].endswith("$"):
            self.text(" ")  # else "$x$$y$" would read as a displayed formula
        if display:
            self.verbatim(f"\n$${latex}$$\n")
        else:
            self.verbatim(f"\\({latex}\\)" if "$" in latex else f"${latex}$")

    def mark(self) -> tuple[int, int]:
        """Return the present place in the open paragraph."""
        return self._num_flushed, len(self._pieces)

    def take(self, mark: tuple[int, int]) -> str | None:
        """Return what was written since `mark` and take it back; None if the paragraph has ended in between."""
        if mark[0] != self._num_flushed:
            return None
        text = _collapse(self._pieces[mark[1] :])
        del self._pieces[mark[1] :]
        return text

    def item(self) -> None:
        """Begin an item of the innermost list."""
        self.flush()
        if not self.lists or self.lists[-1] < 0:
            self._marker = "- "
        else:
            self.lists[-1] += 1
            self._marker = f"{self.lists[-1]}. "

    def separate(self) -> None:
        """End the paragraph; whatever follows stands after a blank line."""
        self.flush()
        self._tight = False

    def end_item(self) -> None:
        """End an item; an empty one leaves no mark."""
        self.flush()
        self._marker = ""

    def flush(self, prefix: str = "", *, tight: bool = False) -> None:
        """End the paragraph; `prefix` goes before it, `tight` keeps blank lines away from the next tight one."""
        if self._pieces:
            text = _collapse(self._pieces)
            self._pieces.clear()
            self._num_flushed += 1
            if text:
                self.block(prefix + text, tight=tight)

    def block(self, text: str, *, tight: bool = False) -> None:
        """Add a block as it stands, but for the indentation and mark of the list it is in."""
        tight = tight or bool(self.lists)
        indent = "  " * (min(len(self.lists), MAX_INDENT) - 1) if self.lists else ""
        first, rest = indent + self._marker, indent + ("  " if self.lists else "")
        if self.quotes:
            quote = "> " * min(self.quotes, MAX_INDENT)
            first, rest = quote + first, quote + rest
        if first or rest:
            if not self._marker:
                first = rest
            text = first + text.replace("\n", "\n" + rest)
        if self._blocks:
            self._blocks.append("\n" if tight and self._tight else "\n\n")
        self._blocks.append(text)
        self._marker, self._tight = "", tight

    def finish(self) -> str:
        """End the text and return it."""
        self.flush()
        return "".join(self._blocks)


def _collapse(pieces: list[tuple[str, bool]]) -> str:
    """Join the pieces of a paragraph, with single spaces between words outside of verbatim ones."""
    parts: list[str] = []
    plain: list[str] = []
    for text, verbatim in pieces:
        if not verbatim:
            plain.append(text)
            continue
        if plain:
            parts.append(_spaces("".join(plain)))
            plain = []
        parts.append(text)
    if not parts:
        return _spaces("".join(plain)).strip()
    parts.append(_spaces("".join(plain)))
    text = _NEWLINES.sub("\n", _AROUND_NEWLINE.sub("\n", "".join(parts))).strip()
    return _AFTER_DISPLAY.sub(r"$$\1", text) if "$$\n" in text else text


def _spaces(text: str) -> str:
    """Collapse white space, but not inside displayed formulas, where a line may end in a comment."""
    if "\n" in text and ("$$" in text or "\\[" in text or "\\begin" in text):
        parts, position = [], 0
        for start, stop in _displays(text):
            parts.append(_spaces(text[position:start].replace("\n", " ")))
            parts.append(text[start:stop])
            position = stop
        if parts:
            return "".join([*parts, _spaces(text[position:].replace("\n", " "))])
    words = " ".join(text.split())
    # A paragraph is put together from pieces: the space at either side of one belongs to it.
    return f"{' ' if text[:1].isspace() else ''}{words}{' ' if words and text[-1:].isspace() else ''}"


def _displays(text: str) -> Iterator[tuple[int, int]]:
    r"""Yield where displayed formulas begin and end: `$$...$$`, `\[...\]`, an environment."""
    position, searched = 0, dict[str, int]()
    while match := _DISPLAY.search(text, position):
        closing = {"$$": "$$", "\\[": "\\]"}.get(match[0], f"\\end{{{match[1]}}}")
        position, limit = match.end(), match.end() + MAX_DISPLAY
        # Where an end was looked for in vain it is not looked for again: many beginnings without ends stay linear.
        stop = text.find(closing, max(position, searched.get(closing, 0) - len(closing)), limit)
        searched[closing] = limit
        if stop >= 0:
            position = stop + len(closing)
            yield match.start(), position
