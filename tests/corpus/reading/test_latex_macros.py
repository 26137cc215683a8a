from __future__ import annotations

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.latex import clean_latex
from ganita.corpus.reading.latex.macros import resolve_macros


def resolved(source: str) -> str:
    return resolve_macros("", source).text


@pytest.mark.parametrize(
    ("definition", "use", "text"),
    [
        (
            r"\newcommand{\R}{\mathbb{R}}",
            r"$x \in \R$, $\R^n$, $\Real$",
            r"$x \in \mathbb{R}$, $\mathbb{R}^n$, $\Real$",
        ),
        (
            r"\newcommand\abs[1]{\left|#1\right|}",
            r"\abs{x} \abs y \abs{\abs{z}}",
            r"\left|x\right| \left|y\right| \left|\left|z\right|\right|",
        ),
        (r"\newcommand{\norm}[2][2]{\|#2\|_{#1}}", r"\norm{x} \norm[\infty]{x}", r"\|x\|_{2} \|x\|_{\infty}"),
        (r"\renewcommand*{\epsilon}{\varepsilon}", r"\epsilon>0", r"\varepsilon>0"),
        (r"\providecommand{\eps}{\varepsilon}", r"\eps x, \eps{}x", r"\varepsilon x, \varepsilon x"),
        (r"\def\f#1#2{#2(#1)}", r"\f{a}{b} \f ab", r"b(a) b(a)"),
        (r"\long\gdef\f#1{<#1>}", r"\f{a}", r"<a>"),
        (r"\DeclareMathOperator{\lcm}{lcm}", r"\lcm(a,b)", r"\operatorname{lcm}(a,b)"),
        (r"\DeclareMathOperator*{\argmin}{arg\,min}", r"\argmin_x", r"\operatorname*{arg\,min}_x"),
        (r"\let\eps=\varepsilon \let\to\rightarrow", r"\eps \to", r"\varepsilon \rightarrow"),
        (r"\newcommand{\m}[9]{#9#8#7#6#5#4#3#2#1}", r"\m123456789", r"987654321"),
        # Bodies are read again, and may end in a macro that takes what follows.
        (r"\newcommand{\a}{\b}\newcommand{\b}[1]{(#1)}", r"\a{x} \a y", r"(x) (y)"),
        (
            r"\newcommand{\be}{\begin{equation}}\newcommand{\ee}{\end{equation}}",
            r"\be x \ee",
            r"\begin{equation} x \end{equation}",
        ),
        # A bare macro stays one argument; two commands do not become one.
        (
            r"\newcommand{\Z}{\mathbb Z}",
            r"\overline\Z \frac\Z\Z \in\Z x\Z^2",
            r"\overline{\mathbb Z} \frac{\mathbb Z}{\mathbb Z} \in\mathbb Z x\mathbb Z^2",
        ),
        (r"\newcommand{\h}[1]{\hat#1}", r"\h{x} \h{\alpha}", r"\hat x \hat\alpha"),
        (r"\newcommand{\al}{\alpha}", r"\al{}x \al x", r"\alpha x \alpha x"),
        # Later definitions win from where they stand.
        (r"\newcommand{\a}{1}", r"\a \renewcommand{\a}{2}\a", r"1 2"),
        # Left alone: what computes, what takes delimited arguments, starred forms, what the cleaner knows by name.
        (r"\newcommand{\a}{\ifmmode x\else y\fi}", r"\a", r"\a"),
        (r"\def\a(#1){#1}", r"\a(x)", r"\a(x)"),
        (r"\newcommand{\a}[1]{#1}", r"\a*{x}", r"\a*{x}"),
        (r"\renewcommand{\section}{\Huge}", r"\section{x}", r"\section{x}"),
        (r"\newcommand{\a}[1]{<#1>}", r"\a", r"\a"),
        (r"\newcommand{\a}{x}", r"\verb|\a| \a", r"\verb|\a| x"),
        (r"\newcommand{\a}{x}", "\\begin{verbatim}\\a\\end{verbatim}\\a", "\\begin{verbatim}\\a\\end{verbatim}x"),
        (r"\newcommand{\a}{x}", r"\\a \a", r"\\a x"),
    ],
)  # fmt: skip
def test_macros_are_resolved_as_tex_would(definition: str, use: str, text: str) -> None:
    assert resolved(definition + use).strip() == text
    assert resolve_macros(definition, use).text.strip() == text, "from the preamble"


def test_definitions_go_even_where_they_are_not_applied() -> None:
    source = "a\n\\newcommand{\\R}{\\mathbb{R}}\n\\def\\x(#1){y}\n$\\R$"
    assert clean_latex(source, macros=False) == "a\n$\\R$"
    assert clean_latex(source) == "a\n$\\mathbb{R}$"


def test_ensuremath_says_nothing_in_a_formula_and_makes_one_in_text() -> None:
    definition = "\\newcommand{\\Z}{\\ensuremath{\\mathbb{Z}}\\xspace}"
    assert (
        clean_latex(f"{definition}In \\Z and $\\Z \\times \\Z$.")
        == "In $\\mathbb{Z}$ and $\\mathbb{Z} \\times \\mathbb{Z}$."
    )


def test_environments_made_of_formulas_are_formulas() -> None:
    source = (
        "\\newenvironment{eqn}[1][x]{\\begin{equation}}{\\end{equation}}\\begin{document}\\begin{eqn} a''~b \\end{eqn}"
    )
    assert clean_latex(source) == "\\begin{eqn} a''~b \\end{eqn}"


def test_empty_uses_do_not_glue_words() -> None:
    assert clean_latex("\\newcommand{\\nil}{}\\begin{document}a\\nil{} b") == "a b"


# Macros that use only those before them, and a document that uses them all, with an independent reading of it.
NAMES = ("ka", "kb", "kc", "kd")
TERM = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["x", "\\pi ", "{y}", " "]),
        st.tuples(st.sampled_from(NAMES), st.lists(TERM, min_size=1, max_size=3).map("".join)).map(
            lambda use: f"\\{use[0]}{{{use[1]}}}"
        ),
    )
)


def body_of(index: int) -> st.SearchStrategy[str]:
    uses = [f"\\{name}{{#1}}" for name in NAMES[:index]]
    return st.lists(st.sampled_from(["(", "#1", "+", "{#1}", "\\mu ", *uses]), max_size=4).map("".join)


def expand(text: str, bodies: dict[str, str]) -> str:
    """Expand one-argument macros by plain substitution, the last use first: no use stands in its argument."""
    while (start := max(text.rfind(f"\\{name}{{") for name in NAMES)) >= 0:
        name, depth, end = text[start + 1 : start + 3], 0, start + 3
        while end == start + 3 or depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[:start] + bodies[name].replace("#1", text[start + 4 : end - 1]) + text[end:]
    return text


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(*(body_of(index) for index in range(4))),
    st.lists(TERM, max_size=5).map("".join),
)
def test_expansion_agrees_with_plain_substitution(bodies: tuple[str, ...], text: str) -> None:
    definitions = "".join(f"\\newcommand{{\\{name}}}[1]{{{body}}}" for name, body in zip(NAMES, bodies, strict=True))
    expected = expand(text, dict(zip(NAMES, bodies, strict=True)))
    assume(len(expected) < 2000)  # doubling bodies in doubling bodies are another test's
    result = resolve_macros(definitions, text)
    assert result.text == expected
    assert result.num_left == 0


LAUGHS = "".join(f"\\newcommand{{\\l{a}}}{{\\l{b}\\l{b}}}" for a, b in zip("abcdefghijklmnopqrstuvwxy", "bcdefghijklmnopqrstuvwxyz", strict=True))  # noqa: E501  # fmt: skip


@pytest.mark.parametrize(
    ("definitions", "use"),
    [
        (LAUGHS + r"\newcommand{\lz}{ha}", r"\la"),
        (r"\def\a{\a}", r"\a"),
        (r"\def\a{\a\a}", r"\a"),
        (r"\def\a{\b}\def\b{\a}", r"\a"),
        (r"\def\a#1{\a{#1#1}}", r"\a{x}"),
        (r"\let\to\rightarrow\def\rightarrow{\to}\def\to{\rightarrow}", r"\to"),
        (r"\def\a{}\def\b{" + r"\a" * 1000 + r"}\def\c{" + r"\b" * 1000 + "}", r"\c"),
    ],
)
def test_expansion_without_end_is_left_as_written_and_counted(definitions: str, use: str) -> None:
    start = time.process_time()
    result = resolve_macros(definitions, f"before {use} after" * 2000)
    assert result.text == f"before {use} after" * 2000
    assert result.num_left == 2000
    assert result.num_resolved == 0
    assert time.process_time() - start < 5


def test_endless_macros_do_not_use_up_the_allowance_of_the_others() -> None:
    result = resolve_macros(LAUGHS + r"\newcommand{\lz}{ha}\newcommand{\good}{yes}", r"\la \good " * 1000)
    assert result.text == r"\la yes " * 1000


def test_a_macro_around_an_endless_one_goes_on_to_work() -> None:
    result = resolve_macros(r"\def\bomb{\bomb}\newcommand{\f}[1]{<#1>}", r"\f{\bomb} \f{x}" * 10)
    assert result.text == r"\f{\bomb} <x>" * 3 + r"\f{\bomb} <x>" * 7


def test_the_text_as_a_whole_has_an_allowance() -> None:
    body = "x" * 3000
    result = resolve_macros(rf"\newcommand{{\d}}{{{body}}}", r"\d " * 100_000)
    assert result.num_resolved + result.num_left == 100_000
    assert result.num_resolved > 0
    assert result.num_left > 0
    assert len(result.text) < 20 * 300_000


@pytest.mark.parametrize("unit", [r"\d{", r"\d[", r"\d{x}", r"\newcommand{\d}{x}\d ", r"\let\d\x "])
def test_hostile_uses_take_time_in_proportion_to_their_number(unit: str) -> None:
    def seconds(count: int) -> float:
        start = time.process_time()
        resolve_macros(r"\newcommand{\d}[2][z]{(#1,#2)}", unit * count)
        return time.process_time() - start

    assert seconds(40_000) <= 24 * seconds(5_000) + 0.25
