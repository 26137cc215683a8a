from __future__ import annotations

import pytest

from ganita.corpus.document import Problem
from ganita.corpus.variants.linking import RefusedError, complete_marks, link
from tests.corpus.variants.problems import BEADS, SALE, problem


def test_operands_are_leaves_and_earlier_results() -> None:
    graph = link(BEADS)
    assert graph.leaves == (6, 24, 300)
    assert [mark.tree for mark in graph.marks] == [("*", ("v", 0), ("v", 1)), ("-", ("v", 2), ("v", 3))]


def test_a_percentage_is_read_as_a_share() -> None:
    graph = link(SALE)
    assert graph.leaves == (80, 25, 8)
    assert graph.marks[0].tree == ("*", ("v", 0), ("/", ("v", 1), ("c", 100)))


def test_a_result_that_equals_a_leaf_is_told_apart_by_what_is_left_over() -> None:
    graph = link(
        problem(
            "Ana packs 3 boxes of 9 pens, and 27 rulers. Pens and rulers go to 6 desks. How many things per desk?",
            "She has 3*9 = <<3*9=27>>27 pens.",
            "She has 27+27 = <<27+27=54>>54 things.",
            "Each desk gets 54/6 = <<54/6=9>>9 things.",
        )
    )
    assert graph.marks[1].tree in (("+", ("v", 2), ("v", 4)), ("+", ("v", 4), ("v", 2)))


def test_missing_marks_are_put_in() -> None:
    assert complete_marks("He has 23 pens - 10 pens = 13 pens.") == "He has 23 pens - 10 pens = <<23-10=13>>13 pens."
    assert complete_marks("That is 2 x 4 = 9 in all.") == "That is 2 x 4 = 9 in all."
    assert complete_marks("So 2*4 = <<2*4=8>>8 it is.") == "So 2*4 = <<2*4=8>>8 it is."


STATED = (
    "There are 20 guests. 4 guests eat 6 rolls each, the next 12 eat 3 each, the last 4 eat 7 each. How many rolls?"
)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (problem("Tom has 5 pens and 8 cups. How many?", "He has 13 in all."), "no marks"),
        (problem("Tom has 5 pens. He buys 17 more.", "In all 5+17 = <<5+17=23>>23."), "wrong or rounded"),
        (problem("Tom has 5 pens. He buys some.", "In all 5+17 = <<5+17=22>>22."), "unknown origin"),
        (problem("The two brothers have how many eyes?", "They have 2*2 = <<2*2=4>>4 eyes."), "no number"),
        (
            problem(
                STATED,
                "First 4*6 = <<4*6=24>>24.",
                "Then 12*3 = <<12*3=36>>36.",
                "Then 4*7 = <<4*7=28>>28.",
                "In all 24+36+28 = <<24+36+28=88>>88.",
            ),
            "states a",
        ),
        (
            problem(
                "Ida saves $30 and then $20, so she has $50. How much is a third of it?",
                "It is 30+20 = <<30+20=50>>50.",
            ),
            "states a result",
        ),
        (Problem("p", "s", "5 pens and 8 cups?", ("5+8 = <<5+8=13>>13",), "14"), "answer is not"),
        (Problem("p", "s", "5 pens and 8 cups?", ("<<__import__('os')=13>>13",), "13"), "no arithmetic"),
        (Problem("p", "s", "5 pens and 8 cups?", ("<<9**9**9=13>>13",), "13"), "no arithmetic"),
        (Problem("p", "s", "5 pens and 8 cups?", ("<<5/0=13>>13",), "13"), "no arithmetic"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(given: Problem, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        link(given)


def test_the_hundred_of_a_percentage_is_no_result() -> None:
    graph = link(
        problem(
            "Ida has 20 figs and buys 4 bags of 20 figs. She eats 45% of all. How many figs does she eat?",
            "The bags hold 4*20 = <<4*20=80>>80 figs.",
            "She has 80+20 = <<80+20=100>>100 figs.",
            "She eats 45/100*100 = <<45/100*100=45>>45 figs.",
        )
    )
    assert graph.marks[2].tree[1][2] == ("c", 100)
    assert graph.marks[2].tree[2] == ("v", len(graph.leaves) + 1)


@pytest.mark.parametrize(
    ("given", "leaves"),
    [
        (  # 4 plants: one, another and the two remaining ones; 4 more tomatoes is another 4
            problem(
                "Ida has 4 roses. One has 7 buds, another has 4 more buds than it, the two others 9. How many buds?",
                "The second has 7+4 = <<7+4=11>>11 buds.",
                "The others have 2*9 = <<2*9=18>>18.",
                "In all 7+11+18 = <<7+11+18=36>>36.",
            ),
            (7, 9),
        ),
        (  # five days and the other two are a week
            problem(
                "Ida reads 6 pages a day on 5 days of the week and 9 pages on each of the other 2. How many a week?",
                "On 5 days she reads 6*5 = <<6*5=30>>30.",
                "On the others 9*2 = <<9*2=18>>18.",
                "In all 30+18 = <<30+18=48>>48.",
            ),
            (6, 9),
        ),
        (  # without "other", 5 and 2 are numbers like any others
            problem(
                "Ida reads 6 pages a day for 5 days, then 9 pages a day for 2 days. How many pages is that?",
                "First she reads 6*5 = <<6*5=30>>30.",
                "Then 9*2 = <<9*2=18>>18.",
                "In all 30+18 = <<30+18=48>>48.",
            ),
            (6, 5, 9, 2),
        ),
    ],
)
def test_numbers_that_hang_together_are_not_drawn_apart(given: Problem, leaves: tuple[int, ...]) -> None:
    assert link(given).leaves == leaves
