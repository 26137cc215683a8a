"""The language of a document: of a programming language or of a markup, by the suffix of its file.

`LANGUAGES` is a table: the suffixes of each language, and whether it is source code. Natural languages are not in it:
running prose has the language "". C stands for its family (C, C++, CUDA), since a header may belong to any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

TEXT, CODE = "text", "code"  # the two kinds of content, one for each BPE of a merged tokenizer

LANGUAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "": (TEXT, (".txt", ".text", ".adoc", ".org")),
    "latex": (TEXT, (".tex", ".ltx", ".latex")),
    "markdown": (TEXT, (".md", ".markdown", ".ipynb")),
    "html": (TEXT, (".html", ".htm", ".xhtml")),
    "pretext": (TEXT, (".ptx", ".mbx", ".xml")),
    "rst": (TEXT, (".rst",)),
    "agda": (CODE, (".agda",)),
    "c": (CODE, (".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".cu", ".cuh")),
    "coq": (CODE, (".v",)),
    "fortran": (CODE, (".f", ".f77", ".f90", ".f95", ".f03", ".f08", ".for")),
    "gap": (CODE, (".gap", ".gd", ".gi")),
    "go": (CODE, (".go",)),
    "haskell": (CODE, (".hs", ".lhs")),
    "idris": (CODE, (".idr",)),
    "isabelle": (CODE, (".thy",)),
    "java": (CODE, (".java",)),
    "javascript": (CODE, (".js", ".mjs", ".ts")),
    "julia": (CODE, (".jl",)),
    "kotlin": (CODE, (".kt",)),
    "lean": (CODE, (".lean",)),
    "maple": (CODE, (".mpl",)),
    "mathematica": (CODE, (".wl", ".wls")),
    "matlab": (CODE, (".m", ".oct")),
    "maxima": (CODE, (".mac",)),
    "objective-c": (CODE, (".mm",)),
    "ocaml": (CODE, (".ml", ".mli")),
    "pari": (CODE, (".gp",)),
    "perl": (CODE, (".pl", ".pm")),
    "python": (CODE, (".py", ".pyi", ".sage")),
    "r": (CODE, (".r",)),
    "ruby": (CODE, (".rb",)),
    "rust": (CODE, (".rs",)),
    "scala": (CODE, (".scala",)),
    "shell": (CODE, (".sh",)),
    "sql": (CODE, (".sql",)),
    "verilog": (CODE, (".sv",)),
}
SUFFIXES = {suffix: language for language, (_, suffixes) in LANGUAGES.items() for suffix in suffixes}
# Names that columns of published sets use, where they are not ours.
_ALIASES = {
    "tex": "latex",
    "md": "markdown",
    "jupyter": "markdown",
    "jupyter-notebook": "markdown",
    "c++": "c",
    "cpp": "c",
    "cuda": "c",
    "octave": "matlab",
    "sage": "python",
    "rocq": "coq",
    "lean4": "lean",
    "wolfram": "mathematica",
    "wolfram-language": "mathematica",
    "typescript": "javascript",
    "bash": "shell",
    "restructuredtext": "rst",
}
# One suffix, several languages: the first pattern found in the text says which, else the table above does. What is
# looked for cannot stand at the start of a line in the language of the table (`%` starts a comment of MATLAB).
_TELL_APART: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    ".m": (
        (
            re.compile(r"^[ \t]*(?:@(?:interface|implementation|import|protocol)\b|#(?:import|include)\b)", re.M),
            "objective-c",
        ),
        (
            re.compile(r"^[ \t]*(?:\(\*|BeginPackage\[|[A-Za-z$]\w*\[[^\]_\n]*_[^\]\n]*\][ \t]*:?=)", re.M),
            "mathematica",
        ),
    ),
    ".v": ((re.compile(r"^[ \t]*(?:endmodule|`timescale|module\s+\w+\s*[(#;])", re.M), "verilog"),),
}
_LOOK = 20_000  # characters looked at to tell languages apart


def language_of(path: str, text: str = "") -> str:
    """Return the language of a file by its suffix, and by its text where one suffix has several; "" if unknown."""
    suffix = suffix_of(path)
    for pattern, language in _TELL_APART.get(suffix, ()):
        if pattern.search(text, 0, _LOOK):
            return language
    return SUFFIXES.get(suffix, "")


def suffix_of(path: str) -> str:
    """Return the suffix of a file in lower case, looking through .gz and .zst."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def known_language(name: str) -> str:
    """Return our name of the language that a column names; "" for one that is not in the table (English, say)."""
    plain = name.strip().lower().replace(" ", "-").replace("_", "-")
    plain = _ALIASES.get(plain, plain)
    return plain if plain in LANGUAGES else ""


def content_of(paths: Iterable[str]) -> str:
    """Return "code" if more than half of the files are source code, else "text"."""
    contents = [LANGUAGES[SUFFIXES.get(suffix_of(path), "")][0] for path in paths]
    return CODE if 2 * contents.count(CODE) > len(contents) else TEXT
