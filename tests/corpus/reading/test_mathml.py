from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.html import html_to_text
from ganita.corpus.reading.markup import words
from ganita.corpus.reading.mathml import MAX_DEPTH, clean_latex_source


def latex(mathml: str, **attributes: str) -> str:
    given = "".join(f' {key}="{value}"' for key, value in attributes.items())
    text = html_to_text(f"<p><math{given}>{mathml}</math></p>")
    return text[1:-1] if text.startswith("$") and not text.startswith("$$") else text


def mi(*names: str) -> str:
    return "".join(f"<mi>{name}</mi>" for name in names)


@pytest.mark.parametrize(
    ("mathml", "expected"),
    [
        (mi("x"), "x"),
        ("<mi>α</mi><mi>x</mi>", r"\alpha x"),
        ("<mi>&#x3b1;</mi><mo>&#x2062;</mo><mn>2</mn>", r"\alpha 2"),
        ("<mi>sin</mi><mo>&#x2061;</mo><mi>x</mi>", r"\sin x"),
        ("<mi>rank</mi><mi>A</mi>", r"\mathrm{rank}A"),
        ('<mi mathvariant="double-struck">R</mi><mi>ℤ</mi><mi>𝔽</mi>', r"\mathbb{R}\mathbb{Z}\mathbb{F}"),
        ("<mi>𝐯</mi><mi>𝑥</mi><mi>𝔤</mi><mi>𝒪</mi>", r"\mathbf{v}x\mathfrak{g}\mathcal{O}"),
        ("<mi>x</mi><mo>=</mo><mo>-</mo><mn>1</mn><mo>+</mo><mn>2</mn>", "x = -1 + 2"),
        ("<mi>x</mi><mo>&le;</mo><mi>y</mi><mo>∈</mo><mi>S</mi>", r"x \le y \in S"),
        ("<mfrac><mn>1</mn><mrow><mi>n</mi><mo>+</mo><mn>1</mn></mrow></mfrac>", r"\frac{1}{n + 1}"),
        ('<mfrac linethickness="0"><mi>n</mi><mi>k</mi></mfrac>', r"{n \atop k}"),
        ("<msqrt><mi>a</mi><mi>b</mi></msqrt><mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt{ab}\sqrt[3]{x}"),
        ("<msup><mi>x</mi><mn>2</mn></msup><msup><mi>x</mi><mn>10</mn></msup>", "x^2x^{10}"),
        ("<msup><mrow><mi>a</mi><mi>b</mi></mrow><mi>n</mi></msup>", "{ab}^n"),
        ("<msup><mi>f</mi><mo>′</mo></msup><msub><mi>a</mi><mi>n</mi></msub>", "f'a_n"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_i^2"),
        ("<munderover><mo>∑</mo><mrow><mi>i</mi><mo>∈</mo><mi>I</mi></mrow><mi>n</mi></munderover><mi>i</mi>",
         r"\sum_{i \in I}^n i"),
        ("<munder><mi>lim</mi><mrow><mi>x</mi><mo>→</mo><mn>0</mn></mrow></munder>", r"\lim_{x \to 0}"),
        ("<msubsup><mo>∫</mo><mn>0</mn><mn>1</mn></msubsup><mi>f</mi>", r"\int_0^1 f"),
        ("<mover><mi>v</mi><mo>→</mo></mover><mover><mi>x</mi><mo>¯</mo></mover>", r"\vec{v}\overline{x}"),
        ("<mover><mo>=</mo><mtext>def</mtext></mover>", r"\overset{\text{def}}{=}"),
        ("<munder><mi>A</mi><mi>b</mi></munder>", r"\underset{b}{A}"),
        ('<mfenced open="[" close=")"><mi>a</mi><mi>b</mi></mfenced>', "[a, b)"),
        ("<mo>{</mo><mi>a</mi><mo>}</mo><mo>%</mo>", r"\{a\}\%"),
        ("<mtext> if </mtext><mi>x</mi><mtext>a_b &amp; c</mtext>", r"\text{ if }x\text{a\_b \& c}"),
        ("<mo>(</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr><mtr><mtd><mn>0</mn></mtd><mtd><mn>1</mn></mtd></mtr></mtable><mo>)</mo>",
         r"\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}"),
        ("<mo>{</mo><mtable><mtr><mtd><mn>1</mn></mtd></mtr></mtable>", r"\begin{cases} 1 \end{cases}"),
        ("<mmultiscripts><mi>C</mi><mi>k</mi><none/><mprescripts/><mi>n</mi><none/></mmultiscripts>", "{}_nC_k"),
        ("<mstyle><mpadded><mrow><mi>x</mi></mrow></mpadded></mstyle><mphantom><mi>y</mi></mphantom>", "x"),
        ('<menclose notation="box"><mn>4</mn></menclose>', r"\boxed{4}"),
        ("<mn>90</mn><mo>°</mo>", r"90^\circ"),
        ("<mml:mi>x</mml:mi>", "x"),
        ("x", "x"),
        ("<mrow></mrow>", ""),
        ("<mfrac><mi>a</mi></mfrac>", "a"),
    ],
)  # fmt: skip
def test_presentation_mathml_becomes_latex(mathml: str, expected: str) -> None:
    assert latex(mathml) == expected


def test_the_latex_a_page_carries_comes_first() -> None:
    semantics = "<semantics>{}<annotation encoding='application/x-tex'>{}</annotation></semantics>"
    assert latex(semantics.format(mi("x"), r"{\displaystyle \tfrac ab}")) == r"\tfrac ab"
    assert latex(mi("x"), alttext=r"x\in%&#10;S") == r"x\in S" or latex(mi("x"), alttext="x%&#10;y") == "xy"
    assert latex(semantics.format(mi("x"), "")) == "x"
    assert html_to_text(f"<math display='block'>{mi('x')}</math>") == "$$x$$"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{\\displaystyle x+{y}}", "x+{y}"),
        ("{\\displaystyle a}+{b}", "{\\displaystyle a}+{b}"),
        ("$x$", "x"),
        ("\\(x\\)", "x"),
        ("$$x$$", "x"),
        ("\\[x\\]", "x"),
        ("\\displaystyle x", "x"),
        ("a%\nb", "ab"),
        ("$", "$"),
        ("", ""),
    ],
)
def test_wrapping_is_taken_off(source: str, expected: str) -> None:
    assert clean_latex_source(source) == expected


elements = st.sampled_from(
    sorted(
        words(
            "mi mn mo mtext mrow mfrac msqrt mroot msup msub msubsup munder mover munderover mtable mtr mtd mfenced "
            "mstyle mmultiscripts mprescripts none semantics annotation menclose mphantom mspace unknown"
        )
    )
)
trees = st.recursive(
    st.one_of(
        st.tuples(elements, st.text("xα∑=(){}|\\$&lt;_^", max_size=3)).map(lambda t: f"<{t[0]}>{t[1]}</{t[0]}>"),
        elements.map("<{}/>".format),
        elements.map("<{}>".format),
        elements.map("</{}>".format),
    ),
    lambda inner: st.tuples(elements, st.lists(inner, max_size=4)).map(
        lambda t: f"<{t[0]}>{''.join(t[1])}</{t[0]}>"
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=66, deadline=None)
@given(st.lists(trees, max_size=3).map("".join))
def test_any_tree_becomes_latex_with_balanced_braces(mathml: str) -> None:
    written = latex(mathml).replace("\\\\", "").replace("\\{", "").replace("\\}", "")
    if "annotation" not in mathml:  # which is passed on as it stands
        assert written.count("{") == written.count("}")


def test_deep_trees_are_flattened() -> None:
    depth = 50 * MAX_DEPTH
    assert latex("<mrow>" * depth + mi("x") + "</mrow>" * depth + mi("y")) == "xy"
    assert latex("<msup>" * depth).count("x") == 0
