"""Markdown stays Markdown: only what carries no meaning goes.

Front matter, comments, pictures and badges are left out, HTML tags become text; fenced code, code in a line and
mathematics are kept to the character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ganita.corpus.reading.html import html_to_text

_FENCE = re.compile(r"[ >]*(?:[-*+]\s+|\d+\.\s+)?(`{3,}|~{3,})")
_FRONT = re.compile(r"(---|\+\+\+)[ \t]*\n")
# Kept as it stands: displayed mathematics, mathematics and code within a line.
_KEPT = re.compile(r"\$\$[^$]+\$\$|\$[^$\n]+\$|``[^`\n]+``|`[^`\n]+`")
_IMAGE = re.compile(
    r"!\[[^\[\]\n]*\](?:\([^()\n]{0,2000}(?:\([^()\n]{0,200}\)[^()\n]{0,500}){0,2}\)|\[[^\[\]\n]*\])"
    r"(?:\{[^{}\n]*\})?[ \t]*"
)
_EMPTY_LINK = re.compile(r"\[\s*\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]*\])")
_BLOCK_TAG = re.compile(
    r"[ ]{0,3}</?(?:address|article|aside|blockquote|center|dd|details|div|dl|dt|figcaption|figure|footer|form|h[1-6]|"
    r"header|hr|iframe|li|link|main|nav|object|ol|p|pre|script|section|style|summary|svg|table|tbody|td|th|thead|tr|ul)"
    r"(?=[\s/>])",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|cite|em|font|i|img|input|ins|kbd|mark|nobr|s|small|span|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_RAISED = re.compile(r"<(sup|sub)>([^<>\n]{1,200})</\1>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}\n")


def clean_markdown(source: str) -> str:
    """Return Markdown without front matter, comments, pictures and HTML; never fails, whatever the input."""
    text = _without_comments(_without_front_matter(source.replace("\r\n", "\n")))
    parts = []
    for code, part in _fences(text):
        parts.append(part if code else _clean_prose(part))
    return _BLANK_LINES.sub("\n\n", "".join(parts)).strip("\n")


def _without_front_matter(source: str) -> str:
    """Drop the block of settings that a file may begin with."""
    opening = _FRONT.match(source)
    if opening is None:
        return source
    stop = source.find(f"\n{opening[1]}", opening.end() - 1)
    inside = source[opening.end() : stop]
    # A rule may open a text as well: settings have a colon or an equals sign on their first line.
    if stop < 0 or not re.match(r"\s*(?:#[^\n]*\n\s*)*[\w\"'-]+\s*[:=\n]", inside + "\n"):
        return source
    return source[stop + 1 + len(opening[1]) :].lstrip("-+ \t").lstrip("\n")


def _without_comments(text: str) -> str:
    """Drop HTML comments outside of fenced code; one that never ends stays."""
    if "<!--" not in text:
        return text
    parts = []
    for code, part in _fences(text):
        position, pieces = 0, list[str]()
        while not code and (start := part.find("<!--", position)) >= 0 and (stop := part.find("-->", start)) >= 0:
            pieces.append(part[position:start])
            position = stop + 3
        parts.append("".join([*pieces, part[position:]]))
    return "".join(parts)


def _fences(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a text in order, with fenced code (True) apart from all else."""
    if "```" not in text and "~~~" not in text:
        yield False, text
        return
    lines: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if match and not fence:
            yield False, "".join(lines)
            lines, fence = [line], match[1]
        elif match and match[1].startswith(fence) and not line.strip("`~> \t\r\n"):
            yield True, "".join([*lines, line])
            lines, fence = [], ""
        else:
            lines.append(line)
    yield bool(fence), "".join(lines)


def _clean_prose(text: str) -> str:
    if "<" not in text and "![" not in text:
        return text
    # Blocks are found by blank lines, as in CommonMark: one that begins with a block's tag is HTML up to the next.
    blocks = re.split(r"(\n[ \t]*\n)", text)
    for index in range(0, len(blocks), 2):
        block = blocks[index]
        if _BLOCK_TAG.match(block.lstrip("\n")):
            edges = block[: len(block) - len(block.lstrip("\n"))], block[len(block.rstrip("\n")) :]
            blocks[index] = edges[0] + html_to_text(block) + edges[1]
        elif "<" in block or "![" in block:
            blocks[index] = _clean_inline(block)
    return "".join(blocks)


def _clean_inline(block: str) -> str:
    """Take pictures and tags out of a paragraph, but not out of its code and formulas."""
    parts, position = [], 0
    for match in _KEPT.finditer(block):
        parts += [_without_tags(block[position : match.start()]), match[0]]
        position = match.end()
    return "".join([*parts, _without_tags(block[position:])])


def _without_tags(text: str) -> str:
    if "![" in text:
        text = _EMPTY_LINK.sub("", _IMAGE.sub("", text))
    if "<" not in text:
        return text
    text = _RAISED.sub(lambda match: ("^" if match[1].lower() == "sup" else "_") + _braced(match[2]), text)
    return _TAG.sub(lambda match: "\n" if match[0].lower().startswith("<br") else "", text)


def _braced(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"
