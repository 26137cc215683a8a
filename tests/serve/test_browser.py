"""The page in a real headless browser: asked, streamed, typeset, voted; keyboard, phone, dark; no outside request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganita.serve.limits import Limits
from tests.serve.browser import CHROMIUM, Browser, browser
from tests.serve.fake_solver import FakeSolver
from tests.serve.running import running

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

CARD = {
    "name": "ganita",
    "description": "A model <b>of</b> a test",
    "parameters": 2164416,
    "training": [{"stage": "pretrain", "tokens": 7000, "joules": 36000.0, "energy_source": "estimated"}],
    "results": [{"task": "t", "title": "A benchmark", "n": 500, "accuracy": 0.838, "low": 0.8, "high": 0.87}],
    "data": [{"name": "families", "from": "procedural families", "licence": "Apache-2.0", "documents": 94466}],
}
# What the four samples write: a formula of words, one that is wrong, markup, and one without an answer.
SOLUTIONS = {
    0: ("<<4*12=", "48>>", "\n", "<<48/2=", "24>>", "\n#### ", "24"),
    1: ("4*12 = <<4*12=", "48>>", "48 pens at $5, and \\(x^2\\)", "\nx = 47", "\n#### ", "47"),
    2: ("<img src=x onerror=alert(1)> ", "\n<<48/", "2=24", ">>\n<<8*1 dollars=88>>", "\n#### ", "24.0"),
    3: ("nothing", " to say"),
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def solver() -> FakeSolver:
    return FakeSolver(pieces=lambda asked: SOLUTIONS[asked.number % 4], forced=frozenset({"48>>", "24>>"}))


@pytest.fixture
def page(chromium: Browser, solver: FakeSolver) -> Iterator[Browser]:
    """A fresh page of a server with a verifier."""
    scores = [0.9, 0.2, 0.8, 0.1]
    served = solver.served(card=CARD, score=lambda solutions: scores[: len(solutions)])
    chromium.requested.clear()
    chromium.complaints.clear()
    chromium.size(1100, 900)
    with running(served, Limits(seconds=20)) as (client, _):
        chromium.open(f"{client.base_url}/")
        chromium.wait("!document.getElementById('card').hidden")
        yield chromium
        assert chromium.complaints == []  # no console error, no violation of the content security policy
        assert {url for url in chromium.requested if not url.startswith(str(client.base_url))} <= {"about:blank"}
        chromium.open("about:blank")


def ask(page: Browser, question: str, samples: str = "") -> None:
    page.run("document.getElementById('question').focus()")
    page.type(question)
    if samples:
        page.run(f"at('samples').append(new Option('{samples}')); at('samples').value = '{samples}'")
    page.key("Enter")


def done(page: Browser) -> None:
    page.wait("!running && !at('outcome').hidden")


def texts(page: Browser, selector: str) -> Any:
    return page.run(f"[...document.querySelectorAll({selector!r})].map((one) => one.textContent)")


def test_samples_side_by_side_with_vote_and_scores(page: Browser, solver: FakeSolver) -> None:
    ask(page, "Four boxes of 12 pencils. How many?", "4")
    done(page)
    assert solver.asked[0]["question"] == "Four boxes of 12 pencils. How many?"
    assert page.run("document.querySelectorAll('#solutions article').length") == 4
    # 24 and 24.0 are one answer; the vote is weighted with the scores.
    assert page.run("at('agreed').textContent") == "2 of 4 samples, chosen by votes weighted with the verifier's scores"
    assert page.run("document.querySelector('#answer .katex-html').textContent") == "=24"
    assert texts(page, "#votes tbody tr td:first-child") == ["24", "47"]
    assert texts(page, ".score") == ["verifier 90 %", "verifier 20 %", "verifier 80 %", "verifier 10 %"]
    assert texts(page, "article.chosen h2 span") == ["chosen"]
    assert texts(page, "article:last-of-type .final")[0].startswith("no answer")
    tops = page.run("[...document.querySelectorAll('article')].map((one) => one.getBoundingClientRect().top)")
    assert len(set(tops)) < 4  # beside each other


def test_mathematics_is_typeset_and_text_stays_text(page: Browser) -> None:
    ask(page, "How many?", "4")
    done(page)
    # The calculator's marks are tinted, with the result apart; a repeated result is shown once.
    assert texts(page, "article:first-of-type li .calc .katex-html") == ["4×12=", "48", "48÷2=", "24"]
    second = page.run("document.querySelectorAll('article')[1].querySelector('li').innerText")
    assert " pens at $5, and " in second
    assert page.run("document.querySelectorAll('article')[1].querySelectorAll('li .calc').length") == 1
    # Where the model wrote the result itself, nothing says otherwise; and words are no product of letters.
    assert page.run("document.querySelectorAll('article')[2].querySelectorAll('.calc').length") == 0
    guesses = "[...document.querySelectorAll('article')[2].querySelectorAll('.guess')]"
    assert page.run(f"{guesses}.map((one) => one.title)") == ["written by the model itself"] * 2
    assert page.run(f"{guesses}[1].firstChild.textContent") == "8*1 dollars = "
    # \\(x^2\\) and the line `x = 47` are formulas, with MathML for who listens.
    assert page.run("document.querySelectorAll('article')[1].querySelectorAll('math').length") == 4
    assert page.run("document.querySelectorAll('article')[2].querySelector('li').textContent").startswith("<img src=x")
    assert page.run("document.images.length") == 0
    page.wait("document.fonts.check('16px KaTeX_Main')")  # the browser fetches a font when it first draws with it


def test_steps_appear_while_the_model_writes(page: Browser, solver: FakeSolver) -> None:
    solver.pause = 0.15
    ask(page, "How many?", "1")
    page.wait("document.querySelectorAll('li').length === 1")
    assert page.run("Boolean(running)"), "the first step was not there before the end"
    assert page.run("at('go').textContent") == "Stop"
    assert page.run("at('outcome').hidden")
    done(page)
    assert page.run("at('go').textContent") == "Solve"
    # Each step is said once, when it is whole.
    assert texts(page, "#spoken p") == ["4*12=48", "48/2=24", "Answer: 24"]
    assert page.run("at('spoken').getAttribute('aria-live')") == "polite"
    assert page.run("at('agreed').textContent") == ""


def test_escape_stops_and_the_next_question_is_answered(page: Browser, solver: FakeSolver) -> None:
    solver.pause = 0.2
    ask(page, "How many?", "1")
    page.wait("document.querySelectorAll('li').length === 1")
    page.key("Escape")
    page.wait("at('state').textContent === 'Stopped.'")
    solver.pause = 0.0
    page.key("Enter")
    done(page)
    assert solver.stopped == 1


def test_refusals_are_shown(page: Browser) -> None:
    page.run("at('temperature').value = '0'")
    ask(page, "How many?", "4")
    page.wait("at('state').className === 'error'")
    assert "temperature" in page.run("at('state').textContent")
    # The browser itself notes the 400 in its log: the only complaint there is.
    assert all("400" in complaint for complaint in page.complaints)
    page.complaints.clear()


def test_everything_by_keyboard(page: Browser) -> None:
    focused = "document.activeElement.id || document.activeElement.tagName"
    assert page.run(focused) == "question"  # one can type at once
    order = []
    for _ in range(8):
        page.key("Tab")
        order.append(page.run(focused))
        assert order[-1] == "BODY" or page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    around = ["samples", "temperature", "form-of", "go", "SUMMARY", "theme", "question"]
    assert [name for name in order if name != "BODY"][:7] == around
    page.run("document.querySelector('summary').focus()")
    page.key(" ")
    assert page.run("at('card').open")


def test_every_control_has_a_label(page: Browser) -> None:
    controls = "[...document.querySelectorAll('input, select, textarea')]"
    assert page.run(f"{controls}.filter((one) => !one.labels.length).map((one) => one.id)") == []
    assert page.run("document.documentElement.lang") == "en"
    assert page.run("document.querySelectorAll('main, h1, [role=status]').length") == 3


def test_the_model_card(page: Browser) -> None:
    page.run("document.querySelector('summary').click()")
    facts = page.run("at('facts').innerText")
    for wanted in ("A model <b>of</b> a test", "2,164,416", "pretrain: 7,000 tokens", "0.010 kWh (estimated)"):
        assert wanted in facts
    assert texts(page, "#results tbody td") == ["A benchmark", "83.8 %", "80.0 % to 87.0 %", "500"]
    assert texts(page, "#data tbody td") == ["procedural families", "94,466", "Apache-2.0"]


@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_a_phone(page: Browser, width: int) -> None:
    page.size(width, 700, phone=True)
    ask(page, "How many? " + "x" * 200, "4")
    done(page)
    page.run("document.querySelector('summary').click()")
    assert page.run("document.documentElement.scrollWidth") <= width
    lefts = page.run("[...document.querySelectorAll('article')].map((one) => one.getBoundingClientRect().left)")
    assert len(set(lefts)) == 1  # one below the other


def test_dark_and_light(page: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.run("at('theme').click()")
    dark = page.run(paper)
    assert (light, dark) == ("rgb(253, 252, 250)", "rgb(22, 23, 26)")
    assert page.run("at('theme').getAttribute('aria-pressed')") == "true"
    page.run("at('theme').click()")
    assert page.run(paper) == light


def test_a_server_with_a_key_asks_for_it(chromium: Browser, solver: FakeSolver, tmp_path: Path) -> None:
    with running(solver.served(card=CARD), api_key="sesame") as (client, _):
        chromium.open(f"{client.base_url}/")
        chromium.wait("!at('key-label').hidden")
        chromium.run("at('key').value = 'sesame'; at('key').dispatchEvent(new Event('change'))")
        chromium.wait("!at('card').hidden")
        ask(chromium, "How many?", "1")
        done(chromium)
        chromium.open("about:blank")
