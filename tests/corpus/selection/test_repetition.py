import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.selection import repetition as module
from ganita.corpus.selection.repetition import LINE, RUN, TIMES, repetition

LICENCE = "\n".join(
    f"// Licensed under the terms number {n} of a licence that is long and says what you may do" for n in range(12)
)


def reference(text: str, lines: bool) -> float:
    """Every run and every line looked up in the list of those before it."""
    rows = [line.split() for line in text.split("\n")]
    words = [word for row in rows for word in row]
    repeated = [False] * len(words)
    seen: list[tuple[str, ...]] = []
    for start in range(len(words) - RUN + 1):
        run = tuple(words[start : start + RUN])
        if seen.count(run) >= TIMES:
            repeated[start : start + RUN] = [True] * RUN
        seen.append(run)
    earlier: list[list[str]] = []
    start = 0
    for row in rows:
        if lines and len(row) >= LINE and earlier.count(row) >= TIMES:
            repeated[start : start + len(row)] = [True] * len(row)
        earlier.append(row)
        start += len(row)
    total = sum(map(len, words))
    return sum(len(word) for word, again in zip(words, repeated, strict=True) if again) / total if total else 0.0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=9), max_size=25), st.booleans(), st.booleans())
def test_the_share_is_that_of_plain_loops(rows: list[list[str]], lines: bool, loop: bool) -> None:
    text = "\n".join(" ".join(row) for row in rows)
    if loop:
        text = "\n".join([text] * 6)
    assert repetition(text, lines=lines) == pytest.approx(reference(text, lines))


def sentence(draw: random.Random, length: int = 12) -> str:
    return " ".join(f"word{draw.randrange(500)}" for _ in range(length)).capitalize() + "."


@pytest.mark.parametrize("times", [10, 200])
def test_junk_is_found(times: int) -> None:
    draw = random.Random(1)
    for junk in (
        "buy cheap tickets now " * times * 5,
        (sentence(draw, 60) + "\n\n") * times,
        "\n".join(["Click here to download the file", sentence(draw, 4)] * times),
        "\n".join(line for n in range(times) for line in ("You must log in to reply to this", f"Posted {n}")),
        " ".join("a" for _ in range(times * 20)),
    ):
        assert repetition(junk, lines=True) > 0.5


def test_a_copy_or_two_is_no_repetition() -> None:
    draw = random.Random(2)
    page = "\n".join(sentence(draw) for _ in range(30))
    assert repetition("\n\n".join([page] * TIMES), lines=True) == 0
    assert repetition("\n\n".join([page] * (TIMES + 2)), lines=True) == pytest.approx(2 / (TIMES + 2), abs=0.02)


def latex_table() -> str:
    draw = random.Random(3)
    rows = [rf"  {n} & {draw.random():.3f} & {draw.random():.3f} & \textbf{{yes}} & no \\ \hline" for n in range(60)]
    return "\n".join([r"\begin{tabular}{|c|c|c|c|c|}", r"\hline", *rows, r"\end{tabular}"])


def truth_table() -> str:
    rows = [" & ".join("T" if number >> bit & 1 else "F" for bit in range(5)) + r" \\" for number in range(32)]
    return "\n".join(["The table of the formula, with one row for each valuation of its variables:", *rows])


def long_proof() -> str:
    cases = [
        rf"\textbf{{Case {n}.}} Let $x \in A_{{{n}}}$ with $n = {n}$. by Lemma~\ref{{l{n % 5}}} a $y \in B_{{{n}}}$"
        rf" with $f(x) = y^{{{n}}}$. Hence $\|x - y\| \le {n}\varepsilon$ and the claim follows.\qed"
        for n in range(40)
    ]
    return "\n\n".join(cases)


def lean_file() -> str:
    lemmas = [
        f"/-- Side {side} of angle {n} is positive. -/\nlemma angle_{n}_{side} {{x y : V}} (h : angle x y = {n}) :\n"
        f"  0 < norm_{side} x :=\nbegin\n  rw [angle_comm, h],\n  exact side_{side}_pos_{n} h,\n  simp,\nend"
        for n in range(30)
        for side in ("left", "right")
    ]
    return "\n\n".join(lemmas)


def exercises() -> str:
    asked = ("Solve the equation", "Find the derivative of the function", "Factor the polynomial completely")
    return "\n".join(f"{n}. {asked[n % 3]} ${n}x^2 + {n * 7 % 13}x - {n * 5 % 11} = 0$." for n in range(1, 90))


def program() -> str:
    draw = random.Random(4)
    functions = [
        f'def f{n}(x):\n    """Return the sum of x and {n}.\n\n    Parameters\n    ----------\n    x : float\n        '
        f'The argument of the function.\n    """\n    if x is None:\n        raise ValueError("x is missing")\n'
        f"    return x + {draw.randrange(99)}"
        for n in range(12)
    ]
    return LICENCE + "\n\n" + "\n\n\n".join(functions)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("text", [latex_table(), truth_table(), long_proof(), lean_file(), exercises()])
def test_mathematics_is_kept(text: str, lines: bool) -> None:
    assert repetition(text, lines=lines) < 0.2


def test_programs_are_kept() -> None:
    assert repetition(program(), lines=False) < 0.2
    assert repetition("\n\n".join([LICENCE] * 2 + [program()]), lines=False) < 0.2


def test_lines_of_a_program_are_syntax() -> None:
    text = "\n".join(line for n in range(40) for line in (f"x{n} = {n}", "assert x is not None and x", f"y{n} = {n}"))
    assert repetition(text, lines=False) == 0
    assert repetition(text, lines=True) > 0.3


def test_far_repeats_do_not_count() -> None:
    """A phrase that comes back in every chapter of a long book is not junk."""
    draw = random.Random(5)
    phrase = sentence(draw, 40)
    chapters = [phrase + " " + " ".join(f"w{draw.randrange(10**7)}" for _ in range(5_000)) for _ in range(12)]
    assert repetition("\n".join(chapters), lines=True) == 0


@pytest.mark.parametrize("text", ["", " \n\t", "$$ {} $$", "a", "\n" * 100])
def test_next_to_nothing(text: str) -> None:
    assert repetition(text, lines=True) == 0


@pytest.mark.parametrize(
    "text", ["x" * 2_000_000, "a " * 1_000_000, "a\n" * 1_000_000, "a b c d e\n" * 300_000, "é" * 2_000_000]
)
def test_large_texts_take_time_in_proportion(text: str) -> None:
    started = time.process_time()
    repetition(text, lines=True)
    assert time.process_time() - started < 4


def test_constants_are_those_of_the_docstring() -> None:
    assert (RUN, LINE, TIMES) == (20, 5, 3)
    assert "fourth" in (module.__doc__ or "")
    assert "runs of 20" in (module.__doc__ or "")
