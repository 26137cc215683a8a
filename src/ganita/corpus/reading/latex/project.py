r"""A document of many files: what \input, \include, \subfile and \import bring in, put in its place.

Nothing is read from outside of the folder of the project, each file is read once, and what cannot be read is named
and left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganita.corpus.reading.latex.comments import split_document, strip_comments
from ganita.corpus.reading.latex.scan import VERB, VERBATIM, Scanner, verbatim_end

MAX_DEPTH = 100  # files one inside the other
MAX_BYTES = 64 << 20  # of all files of a project
MAX_PROBLEMS = 100  # that are named

_INCLUDES = re.compile(
    r"\\(?:(?:input|include|subfile|subfileinclude)(?![A-Za-z@])[ \t]*(?:\{(?P<file>[^{}\n]*)\}|(?P<bare>[\w./-]+))"
    r"|(?:sub)?(?:import|includefrom|inputfrom)\*?\s*\{(?P<folder>[^{}\n]*)\}\s*\{(?P<imported>[^{}\n]*)\}"
    r"|(?P<class>documentclass|LoadClass|usepackage|RequirePackage)\s*(?:\[[^\[\]]*\]\s*)?\{(?P<styles>[^{}]*)\}"
    rf"|begin\s*\{{(?P<verbatim>{'|'.join(map(re.escape, sorted(VERBATIM)))})\}}|(?P<verb>verb(?![A-Za-z])|lstinline)"
    r"|\\)"
)
_BRINGS_IN = re.compile(rb"\\(?:input|include|sub|import)")
_END_OF_INPUT = re.compile(r"^[ \t]*\\endinput(?![A-Za-z])", re.MULTILINE)
_ENCODING = re.compile(rb"\\usepackage\s*\[\s*(latin\d+|ansinew|cp\d+|applemac)\s*\]\s*\{\s*inputenc\s*\}")
_CODECS = {"latin9": "iso8859-15", "ansinew": "cp1252", "applemac": "mac-roman"}


@dataclass(frozen=True)
class Project:
    """A document put together, not yet cleaned: `clean_latex` is the next step."""

    text: str
    files: tuple[Path, ...]  # in the order read
    problems: tuple[str, ...]  # one line each


@dataclass(frozen=True)
class _Include:
    """A place in a text where other files belong."""

    start: int
    end: int
    names: tuple[str, ...]
    is_style: bool


def read_project(root: Path, folder: Path) -> Project:
    r"""Read the document `root` and what it brings in from `folder`, the top folder of the project.

    A name is looked up in the folder of `root`, as LaTeX does, then in that of the file that names it and in those
    above, with .tex or without. Packages and classes of the project's own are put into the preamble: their macros
    apply. Comments are gone from the text, so that no file is read because a comment names it.

    Left out and named in `problems`: what is missing, outside of the folder, not text, inside itself or more than
    `MAX_DEPTH` deep, and what would come to more than `MAX_BYTES`. Never raises.
    """
    reader = _Reader(root, folder)
    text = reader.read(_absolute(root), ())
    return Project(text, tuple(map(Path, reader.files)), tuple(reader.problems))


def project_roots(files: Sequence[Path], folder: Path) -> list[Path]:
    """Return the files among `files` that are documents, in the given order: those that no other one brings in.

    Of files that bring in each other in a loop, and are brought in by no other, the first is taken: so every file
    is part of some document. Linear in the number and the size of the files.
    """
    known = {_absolute(file): file for file in files}
    brings_in = {path: _brings_in(path, known, _absolute(folder)) for path in known}
    roots: set[str] = set()
    reached: set[str] = set()
    # Whoever was left last by a search through all is brought in by nobody outside of his own loop (Kosaraju).
    for path in reversed(_leaving_order(list(known), brings_in, set())):
        if path not in reached:
            roots.add(path)
            _leaving_order([path], brings_in, reached)
    return [file for path, file in known.items() if path in roots]


def _leaving_order(starts: list[str], brings_in: dict[str, list[str]], seen: set[str]) -> list[str]:
    """Search depth first what `starts` bring in and is not yet `seen`; return it in the order of being left."""
    order: list[str] = []
    for start in starts:
        stack = [] if start in seen else [(start, iter(brings_in[start]))]
        seen.add(start)
        while stack:
            path, targets = stack[-1]
            target = next((target for target in targets if target not in seen), None)
            if target is None:
                order.append(path)
                stack.pop()
            else:
                seen.add(target)
                stack.append((target, iter(brings_in[target])))
    return order


def _brings_in(path: str, known: dict[str, Path], folder: str) -> list[str]:
    try:
        data = Path(path).read_bytes() if os.path.getsize(path) <= MAX_BYTES else b""
    except OSError:
        return []
    if not _BRINGS_IN.search(data):
        return []
    text = strip_comments(data.decode("utf-8", errors="replace"))
    names = {name for include in _includes(text) if not include.is_style for name in include.names}
    folders = _folders_above(path, folder)
    return sorted({found for name in names for found in _candidates(name, folders) if found in known})


def _includes(text: str) -> Iterator[_Include]:
    """Yield the places where `text` brings in files, outside of verbatim text."""
    scanner, position = Scanner(text), 0
    while match := _INCLUDES.search(text, position):
        position = match.end()
        if match["verb"]:
            verb = VERB.match(text, match.start())
            position = verb.end() if verb else position
        elif match["verbatim"]:
            position = max(position, verbatim_end(scanner, match["verbatim"], position))
        elif match["styles"] is not None:
            suffix = ".cls" if match["class"] in ("documentclass", "LoadClass") else ".sty"
            names = tuple(name.strip() + suffix for name in match["styles"].split(","))
            yield _Include(match.start(), position, names, True)
        elif match["imported"] is not None and "#" not in match.group():
            yield _Include(match.start(), position, (f"{match['folder'].strip()}/{match['imported'].strip()}",), False)
        elif (name := (match["file"] or match["bare"] or "").strip().strip('"')) and "#" not in name:
            yield _Include(match.start(), position, (name,), False)


def _absolute(path: Path) -> str:
    return os.path.normpath(os.path.abspath(path))


def _folders_above(path: str, top: str) -> list[str]:
    """Return the folder of `path` and those above it, up to `top`."""
    folders = [os.path.dirname(path)]
    while folders[-1] != top and len(folders[-1]) > len(top):
        folders.append(os.path.dirname(folders[-1]))
    return folders


def _candidates(name: str, folders: Sequence[str]) -> Iterator[str]:
    for folder in folders:
        for suffix in ("", ".tex", ".ltx") if "." in os.path.basename(name) else (".tex", ".ltx", ""):
            yield os.path.normpath(os.path.join(folder, name + suffix))


class _Reader:
    """One project on its way: what was read, what went wrong, how many bytes may still come."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = _absolute(root)
        self.folder = _absolute(folder)
        self.real_folder = os.path.realpath(self.folder)
        self.files: list[str] = []
        self.seen: set[str] = set()
        self.problems: list[str] = []
        self.num_bytes_left = MAX_BYTES
        self.codec = "utf-8-sig"

    def read(self, path: str, chain: tuple[str, ...]) -> str:
        """Return the text of `path` with what it brings in; `chain` are the files that it is inside of."""
        text = self._text(path)
        if text is None:
            return ""
        self.seen.add(path)
        self.files.append(path)
        text = strip_comments(text)
        if end := _END_OF_INPUT.search(text):
            text = text[: end.start()]
        if path.endswith((".sty", ".cls")):
            text = text.replace("\\begin{document}", "")
        elif chain:
            text = split_document(text)[1]  # a \subfile or standalone file has a preamble of its own
        # A chapter by itself has no preamble that the text of a package could be put into.
        with_styles = bool(chain) or "\\begin{document}" in text
        pieces: list[str] = []
        copied = 0
        for include in _includes(text):
            if not include.is_style:
                pieces += text[copied : include.start], self._bring_in(include.names[0], path, chain)
                copied = include.end
            elif with_styles:
                pieces += text[copied : include.end], *(self._style(name, path, chain) for name in include.names)
                copied = include.end
        pieces.append(text[copied:])
        return "".join(pieces)

    def _bring_in(self, name: str, path: str, chain: tuple[str, ...]) -> str:
        found = self._locate(name, path)
        chain = (*chain, path)
        if found is None:
            return ""
        if found in chain:
            return self._problem(path, f"{name!r} is inside itself: left out")
        if found in self.seen:
            return ""
        if len(chain) >= MAX_DEPTH:
            return self._problem(path, f"{name!r} is more than {MAX_DEPTH} files deep: left out")
        return self.read(found, chain)

    def _style(self, name: str, path: str, chain: tuple[str, ...]) -> str:
        found = self._locate(name, path, required=False)  # most packages are LaTeX's own
        return "\n" + self.read(found, (*chain, path)) if found and found not in self.seen else ""

    def _locate(self, name: str, path: str, *, required: bool = True) -> str | None:
        folders = [os.path.dirname(self.root), *_folders_above(path, self.folder)]
        inside = [candidate for candidate in _candidates(name, folders) if _is_below(candidate, self.folder)]
        found = [candidate for candidate in inside if os.path.isfile(candidate)]
        for candidate in found:
            if _is_below(os.path.realpath(candidate), self.real_folder):  # not a link that leads out
                return candidate
        if required:
            outside = found or not inside
            self._problem(path, f"{name!r} is outside of the folder: left out" if outside else f"no file {name!r}")
        return None

    def _text(self, path: str) -> str | None:
        try:
            size = os.path.getsize(path)
            if size > self.num_bytes_left:
                self._problem(path, f"the project is larger than {MAX_BYTES >> 20} MiB: left out")
                return None
            data = Path(path).read_bytes()
        except OSError as error:
            self._problem(path, f"cannot be read ({error.strerror or type(error).__name__})")
            return None
        self.num_bytes_left -= size
        if encoding := _ENCODING.search(data):
            declared = encoding[1].decode("ascii")
            self.codec = _CODECS.get(declared, declared)
        if b"\0" in data:
            self._problem(path, "a binary file (it holds NUL bytes)")
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            if self.codec == "utf-8-sig":
                self._problem(path, f"not UTF-8 (byte {error.start + 1}), and no other encoding is declared")
                return None
            return data.decode(self.codec, errors="replace")

    def _problem(self, path: str, what: str) -> str:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{os.path.relpath(path, self.folder)!r}: {what}")
        return ""


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
