from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.html import html_to_text


def test_headings_paragraphs_and_inline_elements() -> None:
    page = """<!DOCTYPE html><html><head><title>T</title><style>p { color: red }</style></head><body>
    <h2>On <em>small</em> numbers</h2><p>One
    line,   <b>bold</b>&nbsp;and <a href="x">a link</a>.<br>Next line.<p>Unclosed<div>A div</div>loose text"""
    assert html_to_text(page) == (
        "## On small numbers\n\nOne line, bold and a link.\nNext line.\n\nUnclosed\n\nA div\n\nloose text"
    )


def test_what_is_no_content_is_left_out() -> None:
    hidden = (
        "<script>x < 1</script><style>x</style><nav>x</nav><footer>x</footer><div hidden>x <p>x</p></div>"
        '<p style="display: none">x</p><span aria-hidden="true">x</span><div role="navigation">x</div>'
        '<noscript>x</noscript><button>x</button><svg><text>x</text></svg><sup class="reference">[1]</sup>'
        '<span class="mw-editsection">x</span><!-- x --><textarea>x</textarea><select><option>x</select>'
    )
    assert html_to_text(f"<body>a {hidden} b</body>") == "a b"


def test_lists_tables_quotes_and_code() -> None:
    page = (
        "<ul><li>one<li>two <ol><li>deep</ol></ul><ol><li><p>a</p><p>b</p></li></ol>"
        "<table><tr><th>n<th>n<sup>2</sup></tr><tr><td>2<td><p>4</p></table><blockquote><p>q</p></blockquote>"
        '<pre class="lang-py prettyprint"><code>if x &lt; 1:\n    y = "&amp;"\n\n</code></pre><p>Use <code>a  b</code>.'
    )
    assert html_to_text(page) == (
        "- one\n- two\n  1. deep\n\n1. a\n  b\n\nn | n^2\n2 | 4\n\n> q\n\n"
        '```py\nif x < 1:\n    y = "&"\n```\n\nUse `a  b`.'
    )


def test_a_page_laid_out_as_a_table_keeps_its_paragraphs() -> None:
    page = "<table><tr><td>menu</td><td><p>First.</p><p>Second.</p></td></tr></table>"
    assert html_to_text(page) == "menu | First.\n\nSecond."


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("10<sup>6</sup>", "10^6"),
        ("a<sub>ij</sub>", "a_{ij}"),
        ("the 4<sup>th</sup>", "the 4th"),
        ("x<sup>2<sup>n</sup></sup>", "x^{2^n}"),
        ("e<sup></sup>", "e"),
    ],
)
def test_raised_and_lowered_text(source: str, expected: str) -> None:
    assert html_to_text(source) == expected


KATEX = (
    '<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>c</mi></mrow>'
    '<annotation encoding="application/x-tex">c^2</annotation></semantics></math></span>'
    '<span class="katex-html" aria-hidden="true"><span>c2</span></span></span>'
)
WIKIPEDIA = (
    '<span class="mwe-math-element"><span class="mwe-math-mathml-inline mwe-math-mathml-a11y" style="display: none;">'
    '<math alttext="{\\displaystyle c^{2}}"><semantics><mi>c</mi><annotation encoding="application/x-tex">'
    "{\\displaystyle c^{2}}</annotation></semantics></math></span>"
    '<img src="x.svg" class="mwe-math-fallback-image-inline" aria-hidden="true" alt="{\\displaystyle c^{2}}"/></span>'
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"a \(x^2 &lt; 1\) b", r"a \(x^2 < 1\) b"),
        ("a $x &amp; y$ b", "a $x & y$ b"),
        ('<script type="math/tex">c^2</script>', "$c^2$"),
        ('a<script type="math/tex; mode=display">c < 2</script>b', "a\n$$c < 2$$\nb"),
        ('<span class="MathJax_Preview">c2</span><span class="MathJax"><nobr>c2</nobr></span>'
         '<script type="math/tex">c^2</script>', "$c^2$"),
        (KATEX, "$c^2$"),
        (WIKIPEDIA, "$c^{2}$"),
        (re.sub("<math.*</math>", "", WIKIPEDIA), "$c^{2}$"),
        (WIKIPEDIA + " and " + WIKIPEDIA, "$c^{2}$ and $c^{2}$"),
        ('<math alttext="c^{2}" display="block"><mi>c</mi></math>', "$$c^{2}$$"),
        ('<img class="latex" alt="$c^2$" src="a.png">', "$c^2$"),
        ('<img alt="\\[c^2\\]" src="https://latex.codecogs.com/gif?c^2">', "$$c^2$$"),
        ('<img alt="a cat" src="cat.png" class="photo">', ""),
        ('<span class="math inline">\\(c^2\\)</span>', "\\(c^2\\)"),
        ('<span class="math inline">c^2</span>', "$c^2$"),
        ('<span class="math display">c^2</span>', "$$c^2$$"),
        ('<div class="math notranslate">\\[c^2\\]</div>', "\\[c^2\\]"),
        ('<span class="math">c</span>', "c"),
        ("<mjx-container><mjx-math aria-hidden='true'><mjx-mi>c</mjx-mi></mjx-math><mjx-assistive-mml><math>"
         "<mi>c</mi></math></mjx-assistive-mml></mjx-container>", "$c$"),
        ("<p><math><mi>a</mi><p>b</p>", "$a$\n\nb"),
        ("<math></math>", ""),
    ],
)  # fmt: skip
def test_mathematics_becomes_latex(source: str, expected: str) -> None:
    assert html_to_text(source) == expected


inline = st.sampled_from(["b", "i", "em", "span", "a"])
blocks = st.sampled_from(["p", "div", "section", "blockquote", "li", "h2", "ul", "td", "tr", "table"])
pages = st.recursive(
    st.text(alphabet="abc é\n", min_size=1, max_size=6),
    lambda inner: st.tuples(st.one_of(inline, blocks), st.lists(inner, max_size=4)).map(
        lambda t: f"<{t[0]}>{''.join(t[1])}</{t[0]}>"
    ),
    max_leaves=25,
)


@settings(max_examples=66, deadline=None)
@given(pages)
def test_no_word_is_lost_and_none_is_added(page: str) -> None:
    letters = re.sub(r"<[^>]*>|\s", "", page)
    assert re.sub(r"[^abcé]", "", html_to_text(page)) == letters


@settings(max_examples=50, deadline=None)
@given(pages)
def test_words_are_those_that_lxml_sees(page: str) -> None:
    lxml_html = pytest.importorskip("lxml.html")
    page = re.sub(r"</?(?:td|tr|table|li|ul)>", "", page)  # of which lxml moves some to other places
    page = re.sub(r"<(/?)(p|div|section|blockquote|h2)>", r" <\1\2> ", page)  # lxml joins what stands in two blocks
    expected = lxml_html.fromstring(f"<body><div>{page}</div></body>").text_content().split()
    assert re.sub(r"(?m)^(?:> )*#* ?", "", html_to_text(page)).split() == expected
