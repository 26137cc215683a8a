r"""HTML becomes text with its mathematics as LaTeX.

Formulas come from whatever a page gives them in: `\(..\)` and `$..$` in its text, MathJax scripts, KaTeX and
MediaWiki annotations, LaTeXML's `alttext`, pictures with LaTeX as their alternative text, and last from Presentation
MathML (mathml.py). Inline ones are written `$..$`, displayed ones `$$..$$` on their own line; delimiters that stand in
the text itself are left as they are. Headings, lists, quotes, tables and code are written as in Markdown. Scripts,
navigation, controls and what a page hides are left out.
"""

from __future__ import annotations

import re

from ganita.corpus.reading.markup import START, TEXT, Writer, attributes, tokens, words
from ganita.corpus.reading.mathml import Builder, clean_latex_source, latex_of

_SKIPPED = words(
    "head style nav footer noscript template iframe object svg canvas audio video map button select textarea dialog "
    "title mjx-math"
)
_VOID = words("area base br col embed hr img input link meta param source track wbr")
_BLOCKS = words(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure form header "
    "hgroup hr html legend li main menu ol optgroup option p pre section summary table tbody tfoot thead tr ul"
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
# Elements that change how the text is written; all others are passed over quickly.
_SHAPING = _BLOCKS | frozenset(_HEADINGS) | words("td th menu code tt kbd samp sup sub span")
_IMPLIED_ENDS = {  # elements that the same or another one ends where their end tag is left out
    "p": {"p"}, "li": {"li", "p"}, "dt": {"dt", "dd", "p"}, "dd": {"dt", "dd", "p"}, "tr": {"td", "th", "tr", "p"},
    "td": {"td", "th", "p"}, "th": {"td", "th", "p"},
}  # fmt: skip
# Classes by which well-known systems mark what is not content: MathJax previews, MediaWiki, Sphinx, Bootstrap.
_HIDDEN_CLASSES = words(
    "MathJax_Preview MJX_Assistive_MathML katex-html mw-editsection navbox noprint reference headerlink toc breadcrumb "
    "breadcrumbs sr-only visually-hidden screen-reader-text sphinxsidebar"
)
_MATHJAX_OUTPUT = words("MathJax MathJax_Display MathJax_SVG MathJax_SVG_Display MathJax_CHTML")
_HIDDEN_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar"})
_NOT_SHOWN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
_MATH_IMAGES = frozenset({"tex", "latex", "math", "mwe-math-fallback-image-inline", "mwe-math-fallback-image-display"})
_MATH_SERVICE = re.compile(r"latex\.codecogs|/latex\.php|mimetex|mathtex|chart\?cht=tx|/math/render/")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\Z")
_LANGUAGE = re.compile(r"(?:lang|language|highlight|sourceCode|brush:)[-_ ]?([A-Za-z][\w+#]*)")
_MAX_NESTED = 3  # superscripts inside one another


def html_to_text(source: str) -> str:
    """Return the readable text of a page or a piece of one; never fails, whatever the input."""
    page = _Page(source)
    for kind, name, raw in tokens(source):
        if kind == TEXT:
            page.data(name)
        elif kind == START:
            page.start(name, raw)
        else:
            page.end(name)
    return page.finish()


class _Page:
    """The state of one page while its tags go by."""

    def __init__(self, source: str) -> None:
        self.writer = Writer()
        self._open: list[str] = []
        self._counts: dict[str, int] = {}  # of open elements by name: an end tag without a start is seen at once
        self._skip_from = -1  # depth of the element that is being left out
        self._formula: Builder | None = None
        self._script: str | None = None  # the type of a MathJax script
        self._code: list[str] | None = None  # what stands in <pre>
        self._code_from = 0  # depth of that element: all inside it is text
        self._code_language = ""
        self._inline_code = 0
        self._marks: list[tuple[int, str, tuple[int, int]]] = []  # (depth, what to do at the end, place in the text)
        self._last_formula = ""
        self._row_start, self._num_cells, self._paragraphs_in_cell = 0, 0, 0
        # MathJax shows each formula of a page a second time; that is only needed where the page lost the first.
        self._hidden = _HIDDEN_CLASSES | _MATHJAX_OUTPUT if "math/tex" in source else _HIDDEN_CLASSES

    def data(self, text: str) -> None:
        """Take a text."""
        if self._script is not None:
            self._write_formula(text, "display" in self._script)
        elif self._skip_from >= 0:
            return
        elif self._formula is not None:
            self._formula.data(text)
        elif self._code is not None:
            self._code.append(text)
        elif self._inline_code:
            self.writer.verbatim(text.replace("\n", " "))
        else:
            self.writer.text(text)

    def start(self, name: str, raw: str) -> None:
        """Take a start tag."""
        if self._formula is not None:
            if name not in _BLOCKS and name not in _HEADINGS:
                self._formula.start(name, attributes(raw), closed=raw.endswith("/"))
                return
            self._end_formula()  # an unclosed formula ends at the next block, as in browsers
        if self._skip_from >= 0:
            if name not in _VOID:
                self._push(name)
            return
        if name in _IMPLIED_ENDS:
            while self._open and self._open[-1] in _IMPLIED_ENDS[name]:
                self._pop()
        given = attributes(raw) if raw.strip("/ ") else {}
        if name == "math" or name.endswith(":math"):
            self._formula = Builder(given)
        elif name in _VOID:
            self._void(name, given)
        else:
            self._push(name)
            if name == "script":
                self._script = given["type"] if given.get("type", "").startswith("math/tex") else None
                self._skip_from = len(self._open)
            elif name in _SKIPPED or self._is_hidden(given):
                self._skip_from = len(self._open)
            else:
                self._enter(name, given)

    def end(self, name: str) -> None:
        """Take an end tag: it ends the innermost element of its name and all that are open inside."""
        if self._formula is not None:
            if name == "math" or name.endswith(":math"):
                self._end_formula()
            else:
                self._formula.end(name)
            return
        if name in ("br", "p") and not self._counts.get(name):
            self.start(name, "")  # as browsers do
        elif self._counts.get(name):
            while self._pop() != name:
                pass

    def _push(self, name: str) -> None:
        self._open.append(name)
        self._counts[name] = self._counts.get(name, 0) + 1

    def _pop(self) -> str:
        depth, name = len(self._open), self._open.pop()
        self._counts[name] -= 1
        if self._skip_from >= 0:
            if depth == self._skip_from:
                self._skip_from, self._script = -1, None
            return name
        while self._marks and self._marks[-1][0] >= depth:
            self._close_mark(*self._marks.pop()[1:])
        if self._code is None:
            self._leave(name)
        elif depth == self._code_from:
            text, self._code = "".join(self._code).strip("\n").rstrip(), None
            if text:
                self.writer.block(f"```{self._code_language}\n{text}\n```")
        return name

    def _is_hidden(self, given: dict[str, str]) -> bool:
        classes = given.get("class", "").split()
        if any("mwe-math-mathml" in word for word in classes):
            return False  # MediaWiki hides its MathML and shows a picture of it
        return (
            "hidden" in given
            or given.get("aria-hidden") == "true"
            or given.get("role") in _HIDDEN_ROLES
            or not self._hidden.isdisjoint(classes)
            or ("style" in given and _NOT_SHOWN.search(given["style"].lower()) is not None)
        )

    def finish(self) -> str:
        """End the page and return its text."""
        if self._formula is not None:
            self._end_formula()
        while self._open:
            self._pop()
        return self.writer.finish()

    def _end_formula(self) -> None:
        assert self._formula is not None
        root, self._formula = self._formula.root, None
        given = root.attributes
        self._write_formula(latex_of(root), given.get("display") == "block" or given.get("mode") == "display")

    def _write_formula(self, latex: str, display: bool) -> None:
        self._last_formula = latex = clean_latex_source(latex)
        self.writer.math(latex, display=display)

    def _void(self, name: str, given: dict[str, str]) -> None:
        if self._code is not None:
            self._code.append("\n" if name == "br" else "")
        elif name == "br":
            self.writer.verbatim("\n")
        elif name == "hr":
            self.writer.flush()
        elif name == "img":
            self._image(given)

    def _image(self, given: dict[str, str]) -> None:
        """Write a picture of a formula; others have no place in a text."""
        alternative = given.get("alt", "").strip()
        classes = _MATH_IMAGES.intersection(given.get("class", "").split())
        if not alternative or not (classes or _MATH_SERVICE.search(given.get("src", "")[:300])):
            return
        display = alternative.startswith(("\\[", "$$")) or "mwe-math-fallback-image-display" in classes
        if clean_latex_source(alternative) != self._last_formula:  # else its MathML stood before it
            self._write_formula(alternative, display)
        self._last_formula = ""

    def _enter(self, name: str, given: dict[str, str]) -> None:
        """Begin an element that is shown."""
        writer = self.writer
        if name not in _SHAPING or self._code is not None:
            return
        if name in _HEADINGS:
            writer.flush()
        elif name in ("td", "th"):
            if self._num_cells and writer.mark()[0] == self._row_start:
                writer.text(" | ")
            self._num_cells += 1
            self._paragraphs_in_cell = 0
        elif name == "tr":
            writer.flush()
            self._row_start, self._num_cells = writer.mark()[0], 0
        elif name in ("p", "div") and (self._counts.get("td") or self._counts.get("th")):
            # One paragraph in a cell is a cell; more are a page laid out as a table.
            self._paragraphs_in_cell += 1
            if self._paragraphs_in_cell > 1:
                writer.flush()
        elif name == "pre":
            writer.flush()
            self._code, self._code_from, self._code_language = [], len(self._open), _code_language(given)
        elif name in ("ul", "ol", "menu"):
            (writer.flush if writer.lists else writer.separate)()
            writer.lists.append(0 if name == "ol" else -1)
        elif name == "li":
            writer.item()
        elif name == "table":
            writer.separate()
        elif name == "blockquote":
            writer.flush()
            writer.quotes += 1
        elif name in ("code", "tt", "kbd", "samp"):
            self._inline_code += 1
            self._mark("code")
        elif name in ("sup", "sub"):
            self._mark(name)
        elif name in ("span", "div") and "math" in given.get("class", "").split():
            if name == "div":
                writer.flush()
            self._mark("display" if name == "div" or "display" in given["class"] else "inline")
        elif name in _BLOCKS:
            writer.flush()

    def _leave(self, name: str) -> None:
        """End an element that was shown."""
        writer = self.writer
        if name not in _SHAPING:
            return
        if name in _HEADINGS:
            writer.flush(_HEADINGS[name])
        elif name in ("code", "tt", "kbd", "samp"):
            self._inline_code -= 1
        elif name == "tr":
            writer.flush(tight=True)
        elif name in ("p", "div") and (self._counts.get("td") or self._counts.get("th")):
            writer.text(" ")
        elif name in ("ul", "ol", "menu"):
            writer.end_item()
            writer.lists.pop()
        elif name == "li":
            writer.end_item()
        elif name == "blockquote":
            writer.flush()
            writer.quotes -= 1
        elif name in _BLOCKS:
            writer.flush()

    def _mark(self, action: str) -> None:
        if len(self._marks) < _MAX_NESTED:
            self._marks.append((len(self._open), action, self.writer.mark()))

    def _close_mark(self, action: str, place: tuple[int, int]) -> None:
        """Write what stood in a superscript, a piece of code or a formula in the way of text."""
        text = self.writer.take(place)
        if not text:
            return
        if action == "code":
            self.writer.verbatim(f"`{text}`")
        elif action in ("sup", "sub"):
            self.writer.verbatim(_raised("^" if action == "sup" else "_", text))
        elif text.startswith(("$", "\\(", "\\[", "\\begin")) or not re.search(r"[\\^_=]", text):
            self.writer.verbatim(text)
        else:
            self.writer.math(text, display=action == "display")


def _raised(sign: str, text: str) -> str:
    """Write a superscript or subscript so that 10<sup>6</sup> does not become 106."""
    if sign == "^" and _ORDINAL.match(text):
        return text
    return f"{sign}{text}" if len(text) == 1 else f"{sign}{{{text}}}"


def _code_language(given: dict[str, str]) -> str:
    match = _LANGUAGE.search(given.get("class", ""))
    return "" if match is None or match[1] in ("default", "none", "source") else match[1].lower()
