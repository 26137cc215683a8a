from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.markdown import clean_markdown

KEPT = """# Title

A *word*, a [link](https://x.y/z_(a)) and <https://auto.link>; vector<int> and 1 < 2 > 0.

- item `<b>code</b>` and $a<b$ and $c>d$
  1. nested

```html
<!-- kept --> ![kept](a.png) <b>kept</b>
---
```

    <div>indented code</div>

$$
a <b c> d ![x](y)
$$

| n | n² |
|---|----|
| 2 | 4  |"""


def test_markdown_without_html_is_kept_to_the_character() -> None:
    assert clean_markdown(KEPT) == KEPT
    assert clean_markdown(KEPT.replace("\n", "\r\n")) == KEPT


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("---\ntitle: x\ntags: [a]\n---\n# T", "# T"),
        ("+++\ntitle = 'x'\n+++\n# T", "# T"),
        (
            "---\n\nA text that begins with a rule.\n\n---\nand another",
            "---\n\nA text that begins with a rule.\n\n---\nand another",
        ),
        ("---\ntitle: never ends", "---\ntitle: never ends"),
        ("a <!-- b\n\nc --> d", "a  d"),
        ("a <!-- b", "a <!-- b"),
        ("![alt](a(b).png){width=3} x ![r][ref] y", "x y"),
        ("[![Build](https://a/b.svg)](https://a) text", " text"),
        ("a<br>b <b>c</b> <span class='x'>d</span>", "a\nb c d"),
        ("x<sup>2</sup> and H<sub>2n</sub>O", "x^2 and H_{2n}O"),
        ('<div align="center">\n<p>Hello <b>you</b></p></div>\n\nText', "Hello you\n\nText"),
        ("<table>\n<tr><td>1</td><td>2</td></tr>\n</table>", "1 | 2"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("~~~\n<b>\n```\n<i>\n~~~\n<b>x</b>", "~~~\n<b>\n```\n<i>\n~~~\nx"),
        ("```\n<b>never closed", "```\n<b>never closed"),
        ("", ""),
    ],
)
def test_what_carries_no_meaning_goes(source: str, expected: str) -> None:
    assert clean_markdown(source) == expected.strip("\n")


@settings(max_examples=66, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["a", "`", "```\n", "~~~\n", "\n", "\n\n", "$", "$$", "<b>", "<!--", "-->", "![", "](", ")", " "]
        ),
        max_size=30,
    ).map("".join)
)
def test_cleaning_twice_changes_nothing_more(source: str) -> None:
    """But for what only comes together once something between is gone."""
    once = clean_markdown(source)
    assert len(clean_markdown(once)) <= len(once) <= len(source)


@settings(max_examples=66, deadline=None)
@given(st.lists(st.sampled_from(["x^2", "a<b", "<b>", "c>d", "\\frac{1}{2}", "![i](j)", " "]), min_size=1).map("".join))
def test_formulas_and_code_are_kept_to_the_character(inside: str) -> None:
    formula = f"${inside.strip() or 'x'}$"
    if "![i](j)" not in inside:
        assert clean_markdown(f"so <b>y</b> {formula} <i>z</i>") == f"so y {formula} z"
    fence = f"```\n{inside}\n```"
    assert clean_markdown(f"a\n\n{fence}\n\nb") == f"a\n\n{fence}\n\nb"
