from __future__ import annotations

import html
import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from ganita.report.markup import NONE, Markup, data_block, duration, energy, escape, scalar, short, tag, whole


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


# HTML itself rewrites carriage returns, NUL and the C1 range; they are no way out of an element.
texts = st.text(st.one_of(st.sampled_from("<>&\"'/!-= script{}"), st.characters(min_codepoint=160, codec="utf-8")))


@given(texts, texts)
def test_no_text_becomes_an_element(child: str, value: str) -> None:
    found = Elements(tag("p", child, title=value))
    assert found.names == ["p"]
    assert found.text == child
    assert found.attributes == [{"title": value}]


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_comes_back_and_cannot_close_its_block(value: object) -> None:
    text = data_block("x", value)
    inner = text.removeprefix('<script type="application/json" id="x">').removesuffix("</script>")
    assert not set(inner) & set("<>&\u2028\u2029")
    assert json.loads(inner) == value


def test_markup_is_kept_and_text_is_not() -> None:
    assert escape(Markup("<b>x</b>")) == "<b>x</b>"
    assert html.unescape(escape("<b>")) == "<b>"
    assert escape("<b>") == "&lt;b&gt;"


def test_numbers_as_people_read_them() -> None:
    assert [short(n) for n in (950, 17357, 208e6, 31.5e9, 999_900_000)] == ["950", "17.4k", "208M", "31.5B", "1,000M"]
    assert [duration(s) for s in (3.25, 125, 7260)] == ["3.2 s", "2 min 5 s", "2 h 01 min"]
    assert energy(3.6e6 * 2.5) == "2.5 kWh"
    assert energy(7200) == "2 Wh"
    assert whole(1319) == "1,319"
    assert {whole(None), short(None), duration(None), energy(None), scalar(None)} == {NONE}


def test_durations_carry_over() -> None:
    assert duration(59.99) == "1 min 0 s"
    assert duration(119.7) == "2 min 0 s"
    assert duration(3599.9) == "1 h 00 min"
    assert duration(7199) == "2 h 00 min"
