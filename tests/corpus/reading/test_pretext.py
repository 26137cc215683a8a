from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.markup import words
from ganita.corpus.reading.pretext import is_pretext, pretext_to_text, root_of

SECTION = r"""<?xml version="1.0" encoding="UTF-8"?>
<!-- part of a book -->
<section xml:id="sec-groups" xmlns:xi="http://www.w3.org/2001/XInclude">
<title>Groups and <m>\mathbb{Z}_n</m></title>
<introduction><p>We begin<idx>group</idx>.</p></introduction>
<subsection><title>First steps</title>
<p>Let <m>a \lt b</m> and <me>x = 1</me>. Then <q>it</q> follows<fn>a note</fn>&mdash;or <ellipsis/></p>
<theorem><title>Lagrange</title><statement><p>The <term>order</term> divides:</p>
<ol><li><p>one</p></li><li>two</li></ol></statement><proof><p>By <xref ref="x"/> counting.</p></proof></theorem>
<p><md><mrow>a &amp;= b</mrow><mrow>&amp;= c</mrow></md></p>
<exercise><statement><p>Use <c>x  + 1</c>.</p></statement><solution><p><m>4</m></p></solution></exercise>
<sage><input>
    for i in range(3):
        print(i &lt; 2)
</input><output>True</output></sage>
<tabular><row><cell>1</cell><cell><m>2</m></cell></row></tabular>
<figure><caption>A cube.</caption><image source="cube.png"><description>x</description></image></figure>
</subsection></section>"""

EXPECTED = r"""# Groups and $\mathbb{Z}_n$

We begin.

## First steps

Let $a < b$ and
$$x = 1$$. Then “it” follows (a note)—or …

Theorem (Lagrange). The order divides:

1. one
2. two

Proof. By counting.

$$\begin{aligned}
a &= b \\
&= c
\end{aligned}$$

Exercise. Use `x + 1`.

Solution. $4$

```python
for i in range(3):
    print(i < 2)
```

```
True
```

1 | $2$

A cube."""


def test_a_section_of_a_book() -> None:
    assert pretext_to_text(SECTION) == EXPECTED


def test_pretext_is_known_by_its_first_element() -> None:
    assert is_pretext(SECTION)
    assert is_pretext("\ufeff<pretext>")
    assert root_of("<rss><chapter/></rss>") == "rss"
    assert root_of("## A text\n\n<p> that was converted") == root_of("") == ""
    assert not is_pretext("<project name='x'/>".replace("project", "Project2"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>never <m>closed", "never $closed$"),
        ("<ul><li>a<ul><li>b</li></ul></li></ul>", "- a\n  - b"),
        ("<blockquote><p>a</p></blockquote><p>b</p>", "> a\n\nb"),
        ("<definition><p>A.</p></definition><p>B.</p>", "Definition. A.\n\nB."),
        ("<exercise/><p>B.</p>", "B."),
        ("<table><title>T</title></table>", "T"),
        ("<m></m><me> </me>", ""),
        ("<![CDATA[a < b]]>", "a < b"),
        ("<program language='c'><code>\n  int x;\n</code></program>", "```c\nint x;\n```"),
        ("<m>x \\gt\n 1</m>", "$x > 1$"),
    ],
)
def test_pieces(source: str, expected: str) -> None:
    assert pretext_to_text(source) == expected


tree = st.recursive(
    st.text(alphabet="abc ", min_size=1, max_size=5),
    lambda inner: st.tuples(
        st.sampled_from(
            sorted(words("p section theorem statement ol li em q m me c title exercise blockquote row cell"))
        ),
        st.lists(inner, max_size=4),
    ).map(lambda t: f"<{t[0]}>{''.join(t[1])}</{t[0]}>"),
    max_leaves=20,
)


@settings(max_examples=66, deadline=None)
@given(tree)
def test_no_word_is_lost(source: str) -> None:
    letters = re.sub(r"<[^>]*>|\s", "", source)
    text = re.sub(r"Theorem|Exercise", "", pretext_to_text(source))
    assert re.sub(r"[^abc]", "", text) == letters
