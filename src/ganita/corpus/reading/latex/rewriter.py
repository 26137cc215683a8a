"""A text on its way from left to right: pieces copied, replaced, kept to the character, taken away."""

from __future__ import annotations

import io
import re

from ganita.corpus.reading.latex.scan import Scanner

_UNTIDY = re.compile(r"[ \t]{2}|\t|``|''|--|~|\n | \n|\n\n\n")
_BLANKS = re.compile(r"[ \t]{2,}|\t")
_AROUND_LINE_END = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")


class Rewriter:
    """What has been put out of `text`, and how far that is. Words are tidied, what is kept to the character is not."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.scanner = Scanner(text)
        self.copied = 0  # everything before this position is done
        self.blank_to = -1  # all of a line before this position was taken away
        self.kept_command_end = -1
        self.closing: list[tuple[int, int]] = []  # spans to take away later: the ends of groups that went
        self._words: list[str] = []  # since the last piece kept to the character
        self._out = io.StringIO()  # a list of small pieces would take ten times the memory of the text

    def replace(self, start: int, end: int, replacement: str = "") -> int:
        """Put `replacement`, which is words, for text[start:end]; return `end`."""
        self._words.append(self.text[self.copied : start])
        if replacement:
            self._words.append(replacement)
        self.copied = end
        return end

    def keep(self, start: int, end: int, piece: str | None = None) -> int:
        """Keep text[start:end] to the character, or put `piece` for it and keep that; return `end`."""
        self._words.append(self.text[self.copied : start])
        self._flush()
        self._out.write(self.text[start:end] if piece is None else piece)
        self.copied = end
        return end

    def remove(self, start: int, end: int) -> int:
        """Take text[start:end] away, and the line if nothing else is on it; return where to go on."""
        text, line, rest = self.text, start, end
        while line > self.copied and text[line - 1] in " \t":
            line -= 1
        while text[rest : rest + 1] in (" ", "\t"):
            rest += 1
        if line == 0 or text[line - 1] == "\n" or line == self.blank_to:
            self.replace(line, rest + text.startswith("\n", rest))
            self.blank_to = self.copied
        elif line < start:
            self.replace(start, rest)
        else:
            # \\foo\\label{x}bar is not \\foobar.
            glued = start == self.kept_command_end and text[end : end + 1].isalpha()
            self.replace(start, end, " " if glued else "")
        return self.copied

    def close(self) -> None:
        """Take away the innermost span that waits for it."""
        start, end = self.closing.pop()
        if start >= self.copied:
            self.replace(start, end)

    def finish(self) -> str:
        """Copy the rest; return all that was put out."""
        while self.closing:
            self.close()
        self._words.append(self.text[self.copied :])
        self._flush()
        return self._out.getvalue().strip("\n").rstrip()

    def _flush(self) -> None:
        words = "".join(self._words)
        self._words.clear()
        if words:
            self._out.write(_tidy(words) if _UNTIDY.search(words) else words)


def _tidy(words: str) -> str:
    """Ligatures of text to Unicode; one blank between words, none around line ends, at most one empty line."""
    words = words.replace("~", " ").replace("---", "—").replace("--", "–").replace("``", "“").replace("''", "”")
    words = _BLANKS.sub(" ", words)
    if " \n" in words or "\n " in words:
        words = _AROUND_LINE_END.sub("\n", words)
    return _BLANK_LINES.sub("\n\n", words)
