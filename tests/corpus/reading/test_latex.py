from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.latex import clean_latex
from ganita.corpus.reading.latex.comments import split_document, strip_comments
from ganita.corpus.reading.latex.scan import Scanner

# Formulas that a cleaner of words would spoil: ties, dashes, quotes, spaces, layout, labels, indentation, nested $.
FORMULAS = (
    "$f''(x)~=~-1--2$",
    r"$x \text{ if $y''~> 0$ and } z$",
    r"$a\,b\;c\!d \quad {\bf v} {\small w}$",
    r"$100\% \$5 \{ \left\{ x \right.$",
    "$$\n  a   =\tb \\\\[2pt]\n  c\n$$",
    r"\(x \mbox{ and } \hbox{y}\)",
    "\\[\n\t\\sum_{i=1}^n ``i''\\vspace{2pt} \\\\]\n\\]",
    "\\begin{equation}\\label{eq:a}\n  x --- y \\nonumber\n\\end{equation}",
    "\\begin{align*}\n  a &= b \\\\\n    &= \\begin{cases} 1 \\\\ 0 \\end{cases}\n\\end{align*}",
    '\\begin{tikzcd}\n  A \\arrow[r, "f"]  & B\n\\end{tikzcd}',
    "\\begin{gather}\n a \\notag \\\\ {\\it b}\n\\end{gather}",
)
WORDS = (
    "Let us see", " by Lemma~\\ref{lem:a}", "\n\nA new paragraph. ", "``quoted'' --- words", "\\noindent ",
    "{\\it slanted}", " 50\\% off, \\$3", "\\emph{open} set", "\\label{sec:x}\n", "\\begin{center}\n",
    "\\end{center}\n", "\\vspace{1em}\n", "{\\small fine print} ", "na\\\"{\\i}ve ", "\\section*{Title}\n",
    "\\begin{itemize}[leftmargin=*]\n\\item ", "\\end{itemize}\n", "\\textcolor{red}{loud} ", "\\footnote{a note} ",
    "\\index{x} ",
)  # fmt: skip
COMMENTS = (
    "% a comment with $ and } \\begin{align}\n",
    "  % another\n",
    "%\n",
    "\\begin{comment}\n$x$ { \\end{document}\n\\end{comment}\n",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*FORMULAS, *WORDS, *COMMENTS]), max_size=25), st.booleans())
def test_every_formula_comes_out_to_the_character(parts: list[str], macros: bool) -> None:
    # A blank between the parts: "$a$$b$" would be another document.
    clean = clean_latex(" ".join(parts), macros=macros)
    position = 0
    for formula in (part for part in parts if part in FORMULAS):
        position = clean.find(formula, position)
        assert position >= 0, formula
        position += len(formula)
    for gone in (
        "comment",
        "another",
        "\\noindent",
        "\\index",
        "\\vspace{1em}",
        "sec:x",
        "center",
        "leftmargin",
        "``q",
    ):
        assert gone not in clean


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*FORMULAS, *WORDS, *COMMENTS]), max_size=25))
def test_clean_text_is_a_fixed_point(parts: list[str]) -> None:
    clean = clean_latex(" ".join(parts))
    assert clean_latex(clean) == clean


PIECES = [
    "$", "$$", "{", "}", "[", "]", "\\", "\\\\", "\\[", "\\]", "\\(", "\\)", "%", "x", "#1", "*", "&", " ", "\n",
    "\n\n", "\\begin{align}", "\\end{align}", "\\begin{verbatim}", "\\end{verbatim}", "\\begin{", "\\end",
    "\\begin{document}", "\\end{document}", "\\label", "\\textrm", "\\section", "\\it", "\\verb|", "\\newcommand",
    "\\a", "\\def", "\\let", "\\x", "\\iffalse", "\\fi", "\\'", "\\item<", "\\color", "\\ensuremath", "\\vskip",
    "\\newenvironment", "\\texorpdfstring", "\\texttt", "\r\n", "é",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text(max_size=60)))
def test_broken_latex_is_passed_through(source: str) -> None:
    assert isinstance(clean_latex(source), str)
    assert isinstance(clean_latex(source, macros=False), str)


@pytest.mark.parametrize(
    ("source", "clean"),
    [
        # Layout goes, with its line; words keep their distance.
        ("\\medskip\\noindent\nWe see", "We see"),
        ("A group\\index{group} is \\label{x} a set.", "A group is a set."),
        ("\\begin{lemma}\n\\label{l}\nLet", "\\begin{lemma}\nLet"),
        (
            "\\begin{figure}[ht]\n\\centering\n\\includegraphics[width=3cm]{a}\n\\caption[s]{A $b$.}\n\\end{figure}",
            "\\caption{A $b$.}",
        ),
        ("a\\vskip 3pt plus 1fil b", "a b"),
        ("\\parindent=0pt\nText", "Text"),
        ("Is it?\\footnotemark{} Yes\\qed{}.", "Is it? Yes."),
        ("\\begin{minipage}[t]{0.5\\textwidth}\nx\n\\end{minipage}", "x"),
        ("\\begin{tikzpicture}\\draw (0,0) -- (1,1);\\end{tikzpicture}\nx", "x"),
        ("\\foo\\label{x}bar", "\\foo bar"),
        # Titles, theorems, lists, tables, references stay.
        ("\\section*[Short]{Long $x$}", "\\section{Long $x$}"),
        ("\\chapter\n{One}", "\\chapter{One}"),
        ("\\begin{theorem}[Gau\\ss]\nX\n\\end{theorem}", "\\begin{theorem}[Gauß]\nX\n\\end{theorem}"),
        ("\\begin{enumerate}[(i)]\n  \\item<2-> x\n\\end{enumerate}", "\\begin{enumerate}\n\\item x\n\\end{enumerate}"),
        (
            "\\begin{tabular}{l@{~}r}\na~--  & b \\\\ \\hline\n\\end{tabular}",
            "\\begin{tabular}{l@{~}r}\na – & b \\\\ \\hline\n\\end{tabular}",
        ),
        ("see~\\cite[p.~3]{a--b} and \\eqref{x~y}", "see \\cite[p.~3]{a--b} and \\eqref{x~y}"),
        ("\\url{http://a.b/~c%20d} \\href{http://x/%7E}{here}", "\\url{http://a.b/~c%20d} here"),
        # Typefaces.
        (
            "{\\it a\\/} {\\bf b} {\\small\\em c} {\\large d} {\\color{red} e} {f}",
            "\\emph{a} \\textbf{b} \\emph{c} d e {f}",
        ),
        ("\\footnote{\\small Note} \\textrm{a {\\it b} c}", "\\footnote{Note} a \\emph{b} c"),
        ("\\parbox[t]{2cm}{a} \\resizebox{1cm}{!}{b} \\texorpdfstring{$x$}{x} y", "a b $x$ y"),
        ("\\texttt{--help}", "\\texttt{--help}"),
        # Characters.
        ("``a'' -- b --- c~d\\,e\\ f\\-g", "“a” – b — c d e fg"),
        ("\\\"o \\'{e} \\^\\i{} \\c{c} \\v s \\H{o} \\~n Stra\\ss e \\o{}re \\aa", "ö é î ç š ő ñ Straße øre å"),
        ("\\\"q \\~{} \\'", "\\\"q \\~{} \\'"),
        ("50\\% of \\$3 \\& \\#1 a\\_b \\{x\\}", "50\\% of \\$3 \\& \\#1 a\\_b \\{x\\}"),
        ("a\\\\[2pt] b\\\\* c \\\\ [1] d", "a\\\\ b\\\\ c \\\\ [1] d"),
        ("\\ldots\\ and \\ldots{} \\S 3 \\LaTeX{} x\\par y", "… and … § 3 LaTeX x\n\ny"),
        # Verbatim text.
        ("\\verb|$x$ %~--| y", "\\verb|$x$ %~--| y"),
        (
            "\\begin{verbatim}\n  a~%b -- $\n\n\n\n\\end{verbatim}",
            "\\begin{verbatim}\n  a~%b -- $\n\n\n\n\\end{verbatim}",
        ),
        (
            "\\begin{lstlisting}[language=C]\nx --  % y\n\\end{lstlisting}",
            "\\begin{lstlisting}[language=C]\nx --  % y\n\\end{lstlisting}",
        ),
        # A formula environment nobody knows, and one of words.
        ("\\begin{eqn}\n x''~ = \\frac{1}{2}\n\\end{eqn}", "\\begin{eqn}\n x''~ = \\frac{1}{2}\n\\end{eqn}"),
        (
            "\\begin{myremark}\n  x''~y $\\frac{1}{2}$\n\\end{myremark}",
            "\\begin{myremark}\nx” y $\\frac{1}{2}$\n\\end{myremark}",
        ),
        # What is never closed.
        ("costs $5\n\nand \\emph{more", "costs $5\n\nand \\emph{more"),
        ("\\begin{align} x\n\n\\textrm{a", "\\begin{align} x\n\n\\textrm{a"),
        ("\\[ a~b \\[ c~d \\] e", "\\[ a b \\[ c~d \\] e"),
        ("\\textrm{a $x} y~$ b} c", "a $x} y~$ b} c"),
        ("\\begin{align} a~b \\begin{align} c~d \\end{align}", "\\begin{align} a b \\begin{align} c~d \\end{align}"),
        ("$$$ a", "$$$ a"),
        # Commands nobody knows.
        ("\\frobnicate[a]{b~c}", "\\frobnicate[a]{b c}"),
        ("\\iffalse hidden \\ifx a \\fi too \\fi seen", " seen"),
    ],
)  # fmt: skip
def test_what_becomes_of_it(source: str, clean: str) -> None:
    assert clean_latex(source) == clean


def test_the_preamble_and_what_follows_the_end_go() -> None:
    source = "\\documentclass{a}\nJunk $x$\n\\begin{document}\nText\n\\end{document}\nnotes"
    assert clean_latex(source) == "Text"
    assert split_document("a chapter") == ("", "a chapter")
    shown = "\\begin{verbatim}\\begin{document}\\end{verbatim} x"
    assert split_document(shown) == ("", shown)
    assert clean_latex("% \\begin{document}\nText") == "Text"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a % b\nc", "a\nc"),
        ("a% b\n  c", "ac"),
        ("a%\n\nc", "a\n\nc"),
        ("a\n  % b\nc", "a\nc"),
        ("\\a%\nb", "\\a\nb"),
        ("50\\% a\\\\% b\nc", "50\\% a\\\\c"),
        ("\\verb|%| \\url{a%b}%c", "\\verb|%| \\url{a%b}"),
        ("a\r\n% b\r\nc\rd", "a\nc\nd"),
        ("\\begin{verbatim}\n%a\n\\end{verbatim}%b", "\\begin{verbatim}\n%a\n\\end{verbatim}"),
        ("a\n\\begin{comment}\n$\n\\end{comment}\nb", "a\n\nb"),
        ("\\begin{comment} a % b", "\\begin{comment} a"),
        ("%", ""),
    ],
)
def test_comments_are_stripped_as_tex_does(source: str, text: str) -> None:
    assert strip_comments(source) == text


@given(st.text(alphabet="\\{}[]ab", max_size=30))
def test_groups_end_where_a_plain_reading_says(text: str) -> None:
    scanner = Scanner(text)
    for start in (index for index, character in enumerate(text) if character == "{"):
        if (len(text[:start]) - len(text[:start].rstrip("\\"))) % 2:
            continue  # an escaped brace begins no group
        depth, position, end = 0, start, -1
        while position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 2 if text[position] == "\\" else 1
            if depth == 0:
                end = position
                break
        assert scanner.group_end(start) == end


@given(st.text(alphabet="\\$a", max_size=30), st.integers(0, 5))
def test_unescaped_signs_are_found_where_a_plain_reading_says(text: str, start: int) -> None:
    position, expected = start, -1
    while position < len(text):
        if text[position] == "$":
            expected = position
            break
        position += 2 if text[position] == "\\" else 1
    assert Scanner(text).find_unescaped("$", start) == expected


HOSTILE = (
    "{",
    "}",
    "\\begin{",
    "$",
    "$ ",
    "$$ ",
    "%",
    "\\",
    "$a{",
    "\\label{",
    "\\textrm{",
    "{\\small ",
    "\\[ \\\\] ",
    "\\( ",
)
HOSTILE += (
    "\\begin{align} ",
    "\\begin{verbatim}",
    "\\begin{foo}",
    "\\verb|",
    "\\section[",
    "\\iffalse ",
    "\\newcommand{\\x}{",
    " ",
    "\n",
)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    def seconds(length: int) -> float:
        source = unit * (length // len(unit))
        start = time.process_time()
        clean_latex(source)
        return time.process_time() - start

    # Quadratic would be 64 times as long; the constant is for the noise of a busy machine.
    assert seconds(400_000) <= 24 * seconds(50_000) + 0.25


def test_braces_a_million_deep_need_no_recursion() -> None:
    source = "{" * 1_000_000 + "x" + "}" * 1_000_000
    assert clean_latex(source) == source
