"""Presentation MathML becomes LaTeX (MathML 3, W3C Recommendation 2014, chapter 3).

The LaTeX that a page itself carries is better and comes first: an `annotation` of type application/x-tex (MathJax,
KaTeX, MediaWiki), or `alttext` (LaTeXML). Only formulas that carry none are translated.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from ganita.corpus.reading import symbols

MAX_DEPTH = 60  # deeper elements are taken for children of the one at this depth
MAX_ELEMENTS = 20_000  # of one formula: a longer one is a page whose formula was never closed

_BIG_STARTS = tuple(sorted(symbols.BIG_OPERATORS))
_ATOM = re.compile(r"\\[A-Za-z]+|\\?.", re.DOTALL)
_COMMAND_END = re.compile(r"\\[A-Za-z]+$")
_ESCAPED = re.compile(r"([{}%#&$_])")
_WRAPPER = re.compile(r"\s*\{\s*\\(?:display|text)style(?![A-Za-z])\s*(.*)\}\s*", re.DOTALL)


@dataclass
class Node:
    """An element of a formula; `texts` are the pieces of what stands in it directly."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return what stands in it directly, as one text."""
        return "".join(self.texts)


class Builder:
    """Builds the tree of one formula out of the tags and texts of a page."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.root = Node("math", attributes)
        self._open = [self.root]
        self._too_deep = self._num_elements = 0

    def start(self, tag: str, attributes: dict[str, str], *, closed: bool) -> None:
        """Open an element (`closed`: and close it at once)."""
        self._num_elements += 1
        if self._num_elements > MAX_ELEMENTS:
            return
        node = Node(tag.rpartition(":")[2], attributes)
        self._open[-1].children.append(node)
        if not closed:
            if len(self._open) < MAX_DEPTH:
                self._open.append(node)
            else:
                self._too_deep += 1

    def end(self, tag: str) -> None:
        """Close the innermost open element of this name, if there is one."""
        tag = tag.rpartition(":")[2]
        if self._too_deep:
            self._too_deep -= 1
            return
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def data(self, text: str) -> None:
        """Add text to the innermost open element."""
        self._open[-1].texts.append(text)


def latex_of(root: Node) -> str:
    """Return the LaTeX of a formula: what the page itself gives, else a translation of its MathML."""
    for node in _walk(root):
        kind = node.attributes.get("encoding", "").lower()
        if node.tag == "annotation" and ("tex" in kind.replace("text/", "")) and node.text.strip():
            return clean_latex_source(node.text)
    if alternative := root.attributes.get("alttext", "").strip():
        return clean_latex_source(alternative)
    return _row(root.children).strip() or _escape(root.text)


def clean_latex_source(latex: str) -> str:
    r"""Return LaTeX out of an attribute or annotation without its wrapping: `{\displaystyle x}`, `$x$`, `\(x\)`."""
    latex = latex.replace("%\n", "").strip()  # LaTeXML breaks long lines so
    for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        if len(latex) > len(opening + closing) and latex.startswith(opening) and latex.endswith(closing):
            latex = latex[len(opening) : -len(closing)].strip()
            break
    if (match := _WRAPPER.fullmatch(latex)) and _balanced(match[1]):
        latex = match[1]
    return latex.removeprefix(r"\displaystyle ").strip()


def _balanced(latex: str) -> bool:
    depth = 0
    for piece in re.findall(r"\\.|[{}]", latex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if depth < 0:
            return False
    return depth == 0


def _walk(node: Node) -> list[Node]:
    found, index = [node], 0
    while index < len(found):
        found.extend(found[index].children)
        index += 1
    return found


def _row(children: list[Node]) -> str:
    """Write elements side by side, with spaces around relations and where a command would run into a letter."""
    parts: list[str] = []
    last = ""
    index = 0
    while index < len(children):
        node = children[index]
        piece, taken = _fenced_table(children, index)
        if not taken:
            piece, taken = _latex(node), 1
            sign = _plain(node) if node.tag == "mo" else ""
            if sign in symbols.RELATIONS or (
                sign in symbols.BINARY and last and last not in symbols.BINARY | symbols.RELATIONS | set("([{,")
            ):
                piece = f" {piece} "
            last = sign or piece
        index += taken
        if parts and piece[:1].isalnum() and (_COMMAND_END.search(parts[-1]) or parts[-1].startswith(_BIG_STARTS)):
            piece = " " + piece  # "\alpha x", and "\sum_{i}^n a" for the eye
        if piece:
            parts.append(piece)
    return re.sub(r" {2,}", " ", "".join(parts))


def _fenced_table(children: list[Node], index: int) -> tuple[str, int]:
    """Return a matrix with the parentheses around it, and how many elements that were; ("", 0) if there is none."""
    opening = _plain(children[index]) if children[index].tag == "mo" else None
    if opening is None or index + 1 >= len(children):
        return "", 0
    table = children[index + 1]
    while table.tag in ("mrow", "mstyle") and len(table.children) == 1:
        table = table.children[0]
    if table.tag != "mtable":
        return "", 0
    follower = children[index + 2] if index + 2 < len(children) else None
    closing = _plain(follower) if follower is not None and follower.tag == "mo" else ""
    if environment := symbols.MATRICES.get((opening, closing)):
        return _table(table, environment), 3 if follower is not None and follower.tag == "mo" else 2
    return "", 0


def _table(node: Node, environment: str) -> str:
    rows = []
    for row in node.children:
        cells = [cell for cell in row.children if cell.tag == "mtd"] if row.tag in ("mtr", "mlabeledtr") else [row]
        if row.tag == "mlabeledtr":
            cells = cells[1:]  # the number of the equation
        rows.append(" & ".join(_row(cell.children) or _escape(cell.text.strip()) for cell in cells))
    return f"\\begin{{{environment}}} " + r" \\ ".join(rows) + f" \\end{{{environment}}}"


def _latex(node: Node) -> str:
    """Write one element."""
    tag, inner = node.tag, node.children
    if tag in ("mi", "mn", "mo", "mtext", "ms"):
        return _token(node)
    if tag in ("annotation", "annotation-xml", "mphantom", "none", "mprescripts", "maligngroup", "malignmark"):
        return ""
    if tag == "mspace":
        return " "
    if tag in ("semantics", "maction"):
        return _latex(inner[0]) if inner else ""
    if tag == "mtable":
        aligned = "right" in node.attributes.get("columnalign", "")
        return _table(node, "aligned" if aligned else "matrix")
    if tag == "mfenced":
        return _fenced(node)
    if tag == "msqrt":
        return rf"\sqrt{{{_row(inner).strip()}}}"
    if tag == "menclose":
        return _enclosed(node)
    if tag == "mmultiscripts":
        return _multiscripts(inner)
    if tag in _ARGUMENTS and len(inner) >= _ARGUMENTS[tag]:
        return _scheme(tag, node, [_latex(child).strip() for child in inner[:3]])
    return _row(inner) or _escape(node.text.strip())


_ARGUMENTS = {"mfrac": 2, "mroot": 2, "msup": 2, "msub": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}


def _scheme(tag: str, node: Node, parts: list[str]) -> str:
    """Write an element with a fixed number of arguments."""
    base = parts[0]
    if tag == "mfrac":
        if node.attributes.get("linethickness", "").strip() in ("0", "0px", "0pt", "0em"):
            return rf"{{{base} \atop {parts[1]}}}"
        return rf"\frac{{{base}}}{{{parts[1]}}}"
    if tag == "mroot":
        return rf"\sqrt[{parts[1]}]{{{base}}}"
    if tag in ("munder", "mover", "munderover") and base not in symbols.BIG_OPERATORS:
        return _accented(tag, node, parts)
    if tag in ("msup", "mover"):
        return _base(base) + _script("^", parts[1])
    if tag in ("msub", "munder"):
        return _base(base) + _script("_", parts[1])
    return _base(base) + _script("_", parts[1]) + _script("^", parts[2])


def _accented(tag: str, node: Node, parts: list[str]) -> str:
    base, signs = parts[0], [_plain(child) for child in node.children[1:3]]
    if tag != "mover":
        below = symbols.UNDER.get(signs[0])
        base = rf"{below}{{{base}}}" if below else rf"\underset{{{parts[1]}}}{{{base}}}"
    if tag != "munder":
        above = symbols.OVER.get(signs[-1])
        base = rf"{above}{{{base}}}" if above else rf"\overset{{{parts[-1]}}}{{{base}}}"
    return base


def _multiscripts(inner: list[Node]) -> str:
    if not inner:
        return ""
    before, scripts, target = "", "", "after"
    pair: list[str] = []
    for child in inner[1:]:
        if child.tag == "mprescripts":
            target, pair = "before", []
            continue
        pair.append(_latex(child).strip())
        if len(pair) == 2:
            written = _script("_", pair[0]) + _script("^", pair[1])
            if target == "before":
                before += "{}" + written
            else:
                scripts += written
            pair = []
    return before + _base(_latex(inner[0]).strip()) + scripts


def _fenced(node: Node) -> str:
    opening, closing = node.attributes.get("open", "("), node.attributes.get("close", ")")
    if len(node.children) == 1:
        table = node.children[0]
        while table.tag in ("mrow", "mstyle") and len(table.children) == 1:
            table = table.children[0]
        if table.tag == "mtable" and (environment := symbols.MATRICES.get((opening, closing))):
            return _table(table, environment)
    marks = node.attributes.get("separators", ",").replace(" ", "")
    text = ""
    for index, child in enumerate(node.children):
        if index and marks:
            text += marks[min(index - 1, len(marks) - 1)] + " "
        text += _latex(child).strip()
    return _symbols(opening) + text + _symbols(closing)


def _enclosed(node: Node) -> str:
    inner, notation = _row(node.children).strip(), node.attributes.get("notation", "longdiv")
    command = {
        "box": "boxed",
        "radical": "sqrt",
        "updiagonalstrike": "cancel",
        "top": "overline",
        "bottom": "underline",
    }
    return rf"\{command[notation]}{{{inner}}}" if notation in command else inner


def _token(node: Node) -> str:
    text = _plain(node)
    if node.tag in ("mtext", "ms"):
        edges = [" " if edge.isspace() else "" for edge in (node.text[:1], node.text[-1:])]  # "\text{ if }"
        return rf"\text{{{edges[0]}{_escape(text)}{edges[1]}}}" if text else " "
    if text in symbols.FUNCTIONS:
        return "\\" + text
    if node.tag == "mi" and len(text) > 1 and text.isascii() and text.isalpha():
        return rf"\{symbols.VARIANTS.get(node.attributes.get('mathvariant', ''), 'mathrm')}{{{text}}}"
    written = _symbols(text)
    variant = symbols.VARIANTS.get(node.attributes.get("mathvariant", ""))
    return rf"\{variant}{{{written}}}" if variant and written else written


def _plain(node: Node) -> str:
    """Return the characters of a token, without invisible operators."""
    text = node.text or "".join(child.text for child in node.children)
    return " ".join(text.translate(symbols.INVISIBLE).split())


def _symbols(text: str) -> str:
    parts: list[str] = []
    for character in text:
        written = symbols.SYMBOLS.get(character) or _styled(character)
        if parts and written[:1].isalnum() and _COMMAND_END.search(parts[-1]):
            written = " " + written
        parts.append(written)
    return "".join(parts)


def _styled(character: str) -> str:
    """Write the styled letters of Unicode (U+1D400 to U+1D7FF) as a letter in a style."""
    if not "\U0001d400" <= character <= "\U0001d7ff":
        return character
    plain, name = unicodedata.normalize("NFKC", character), unicodedata.name(character, "")
    plain = symbols.SYMBOLS.get(plain, plain)
    for word, command in (
        ("DOUBLE-STRUCK", "mathbb"),
        ("FRAKTUR", "mathfrak"),
        ("SCRIPT", "mathcal"),
        ("BOLD", "mathbf"),
    ):
        if word in name:
            return rf"\{command}{{{plain}}}"
    return plain


def _base(base: str) -> str:
    match = _ATOM.match(base)
    whole = match is not None and match.end() == len(base)
    return base if whole or not base or re.fullmatch(r"\\[a-z]+\{[^{}]*\}", base) else f"{{{base}}}"


def _script(sign: str, script: str) -> str:
    if not script:
        return ""
    if sign == "^" and set(script) == {"'"}:
        return script
    return f"{sign}{script}" if len(script) == 1 else f"{sign}{{{script}}}"


def _escape(text: str) -> str:
    return _ESCAPED.sub(r"\\\1", " ".join(text.replace("\\", "").split()))
