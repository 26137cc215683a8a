r"""PreTeXt, the XML of many open textbooks (pretextbook.org), becomes text with its mathematics as LaTeX.

`<m>` is written `$..$`, displayed mathematics `$$..$$`, titles of divisions as headings, theorems, exercises and the
like with their name before them. Numbers of cross-references are not known to a single file and are left out.
"""

from __future__ import annotations

import re

from ganita.corpus.reading.markup import END, START, TEXT, Writer, attributes, tokens, words

_DIVISIONS = words(
    "book article part chapter section subsection subsubsection exercises exercisegroup subexercises references "
    "glossary solutions reading-questions worksheet handout appendix preface acknowledgement paragraphs introduction "
    "conclusion backmatter"
)
ROOTS = _DIVISIONS | words("pretext mathbook frontmatter activity exercise project biblio")
_NAMED = words(
    "theorem lemma corollary proposition claim fact identity algorithm conjecture axiom principle definition example "
    "question problem remark convention note observation warning insight exercise activity exploration investigation "
    "project proof solution hint answer case assumption hypothesis task"
)
_SKIPPED = words(
    "idx index notation image latex-image asymptote sageplot prefigure video audio interactive setup pg-code docinfo "
    "bibinfo titlepage colophon macros rename feedback description shortdescription latex-image-preamble "
    "author editor"
)
_OTHER_BLOCKS = words(
    "p statement blockquote figure table list listing sidebyside sbsgroup stack poem stanza line webwork caption "
    "tabular row ol ul dl li assemblage aside biographical historical objectives outcomes program sage console pre cd "
    "frontmatter choices choice prelude postlude interlude creator"
)
_BLOCKS = _NAMED | _DIVISIONS | _OTHER_BLOCKS
_LISTS = frozenset({"ol", "ul", "dl"})
_OWN_LINES = _LISTS | {"program", "sage", "console", "pre", "cd", "table", "tabular", "figure", "listing"}
_FENCED = frozenset({"pre", "cd", "input", "code", "output", "tests", "preamble"})
_INLINE_CODE = frozenset({"c", "cline", "tag", "attr", "email"})
_CHARACTERS = {
    "nbsp": " ", "ndash": "–", "mdash": "—", "ellipsis": "…", "lq": "“", "rq": "”", "lsq": "‘", "rsq": "’",
    "times": "×",
    "minus": "−", "degree": "°", "copyright": "©", "latex": "LaTeX", "tex": "TeX", "pretext": "PreTeXt", "eg": "e.g.",
    "ie": "i.e.", "etc": "etc.", "fillin": "____", "less": "<", "greater": ">", "ampersand": "&", "hash": "#",
    "dollar": "$", "percent": "%", "backslash": "\\", "midpoint": "·", "plusminus": "±", "solidus": "/", "init": "",
}  # fmt: skip
_IN_MATH = {"lt": "<", "gt": ">", "amp": "&"}  # macros by which PreTeXt avoids the characters that XML wants escaped
_MACRO = re.compile(r"\\(lt|gt|amp)(?![A-Za-z])")
_SPACE = re.compile(r"\s+")


def root_of(source: str) -> str:
    """Return the name of the first element if the text is XML, else an empty string."""
    if not source.lstrip("\ufeff \t\r\n").startswith("<"):
        return ""
    return next((name for kind, name, _ in tokens(source[:20_000], xml=True) if kind == START), "")


def is_pretext(source: str) -> bool:
    """Say whether a text is PreTeXt, by its first element."""
    return root_of(source) in ROOTS


def pretext_to_text(source: str) -> str:
    """Return the readable text of a PreTeXt file or a piece of one; never fails, whatever the input."""
    book = _Book()
    for kind, name, raw in tokens(source, xml=True):
        if kind == TEXT:
            book.data(name)
        elif kind == END:
            book.end(name)
        else:
            book.start(name, raw)
            if raw.endswith("/"):
                book.end(name)
    return book.finish()


class _Book:
    """The state of one file while its tags go by."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._open: list[str] = []
        self._counts: dict[str, int] = {}
        self._skip_from = -1
        self._math: list[str] | None = None  # pieces of a formula
        self._code: list[str] | None = None  # lines of a listing
        self._region_from = 0  # depth of the element that holds the formula or listing
        self._language = ""
        self._depth = 0  # of divisions
        self._label = ""  # name of a theorem or exercise that is not written yet: its title may follow
        self._title: tuple[int, int] | None = None

    def data(self, text: str) -> None:
        """Take a text."""
        if self._skip_from >= 0:
            return
        if self._math is not None:
            self._math.append(text)
        elif self._code is not None:
            self._code.append(text)
        else:
            if self._label and self._title is None and not text.isspace():
                self._write_label()
            self.writer.text(text)

    def start(self, name: str, raw: str) -> None:
        """Take a start tag."""
        self._open.append(name)
        self._counts[name] = self._counts.get(name, 0) + 1
        if self._skip_from >= 0:
            return
        if name in _SKIPPED:
            self._skip_from = len(self._open)
        elif self._math is not None:
            self._inside_formula(name)
        elif self._code is None:
            self._enter(name, raw)

    def end(self, name: str) -> None:
        """Take an end tag: it ends the innermost element of its name and all that are open inside."""
        if not self._counts.get(name):
            return
        while self._pop() != name:
            pass

    def finish(self) -> str:
        """End the text and return it."""
        while self._open:
            self._pop()
        return self.writer.finish()

    def _pop(self) -> str:
        depth, name = len(self._open), self._open.pop()
        self._counts[name] -= 1
        if self._skip_from >= 0:
            if depth == self._skip_from:
                self._skip_from = -1
        elif self._math is None and self._code is None:
            self._leave(name)
        elif depth == self._region_from:
            self._end_region(name)
        elif name == "intertext" and self._math is not None:
            self._math.append("}")
        return name

    def _inside_formula(self, name: str) -> None:
        assert self._math is not None
        if name == "mrow" and any(piece.strip() for piece in self._math):
            self._math.append(" \\\\\n")
        elif name == "intertext":
            self._math.append("\\intertext{")
        elif name == "fillin":
            self._math.append(r"\underline{\qquad}")

    def _enter(self, name: str, raw: str) -> None:
        writer = self.writer
        if name == "title":
            writer.flush()
            self._title = writer.mark()
            return
        if name in _CHARACTERS:
            writer.text(_CHARACTERS[name])
            return
        if self._label and (name not in _BLOCKS or name in _OWN_LINES):
            self._write_label()
        if name in ("m", "me", "men", "md", "mdn"):
            self._math, self._region_from = [], len(self._open)
        elif name in _FENCED:
            self._code, self._region_from = [], len(self._open)
        elif name in ("program", "sage", "console"):
            writer.flush()
            self._language = attributes(raw).get("language", "python" if name == "sage" else "")
        elif name in _INLINE_CODE:
            self._math, self._region_from, self._language = [], len(self._open), ""
        elif name == "q":
            writer.text("“")
        elif name == "sq":
            writer.text("‘")
        elif name == "fn":
            writer.text(" (")
        elif name == "cell":
            if writer.mark()[1]:
                writer.text(" | ")
        elif name in _BLOCKS:
            self._enter_block(name)

    def _enter_block(self, name: str) -> None:
        writer = self.writer
        writer.flush()
        if name in _DIVISIONS:
            self._depth += 1
        if name in _NAMED:
            self._label = name.capitalize()
        elif name in _LISTS:
            writer.lists.append(0 if name == "ol" else -1)
        elif name == "li":
            writer.item()
        elif name == "blockquote":
            writer.quotes += 1

    def _end_region(self, name: str) -> None:
        """Write the formula or listing that ends with this element."""
        if self._math is not None:
            latex, self._math = "".join(self._math), None
            self._write_formula(name, latex)
        elif self._code is not None:
            text, self._code = _dedent("".join(self._code)), None
            if text:
                self.writer.flush()
                self.writer.block(f"```{'' if name == 'output' else self._language}\n{text}\n```")

    def _leave(self, name: str) -> None:
        writer = self.writer
        if name == "title":
            self._leave_title()
        elif name in ("q", "sq", "fn"):
            writer.text({"q": "”", "sq": "’", "fn": ")"}[name])
        elif name == "row":
            writer.flush(tight=True)
        elif name in _BLOCKS:
            self._leave_block(name)

    def _leave_block(self, name: str) -> None:
        writer = self.writer
        if name in _NAMED and "(" in self._label:  # it has a title, and nothing but a title
            self._write_label()
        if name in _LISTS:
            writer.end_item()
            writer.lists.pop()
        elif name == "li":
            writer.end_item()
        else:
            writer.flush()
        if name == "blockquote":
            writer.quotes -= 1
        if name in _DIVISIONS:
            self._depth -= 1
        if name in _NAMED:
            self._label = ""

    def _leave_title(self) -> None:
        title = (self.writer.take(self._title) if self._title else None) or ""
        self._title = None
        if not title:
            return
        if self._label:
            self._label = f"{self._label} ({title.rstrip('.')})"
        elif self._open and self._open[-1] not in _DIVISIONS:
            self.writer.block(title)  # of a table, say
        else:
            self.writer.block("#" * min(max(self._depth, 1), 6) + " " + title)

    def _write_formula(self, name: str, latex: str) -> None:
        if name in _INLINE_CODE:
            self.writer.verbatim(f"`{_SPACE.sub(' ', latex).strip()}`")
            return
        latex = _MACRO.sub(lambda match: _IN_MATH[match[1]], latex).strip()
        if name == "m":
            self.writer.math(_SPACE.sub(" ", latex))
        elif latex:
            lines = "\n".join(line.strip() for line in latex.split("\n") if line.strip())
            if name in ("md", "mdn") and ("&" in lines or "\\\\" in lines):
                lines = f"\n\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\n"
            self.writer.math(lines, display=True)

    def _write_label(self) -> None:
        label, self._label = self._label, ""
        self.writer.text(f"{label}. ")


def _dedent(code: str) -> str:
    """Take away the indentation that all lines of a listing share."""
    lines = code.expandtabs().strip("\n").rstrip().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:].rstrip() for line in lines).strip("\n")
