from __future__ import annotations

import pytest

from ganita.corpus.variants.asking import other_questions, question_for
from tests.corpus.variants.problems import problem

PENS = problem(
    "Clara packs 6 boxes with 24 pens each. Then she gives away 30 pens. She sells the rest for $2 each. How much money"
    " does Clara make?",
    "Clara packs 6 * 24 = <<6*24=144>>144 pens.",
    "Then she has 144 - 30 = <<144-30=114>>114 pens left.",
    "She makes 114 * 2 = $<<114*2=228>>228.",
)


@pytest.mark.parametrize(
    ("step", "question"),
    [
        ("Natalia sold 48/2 = <<48/2=24>>24 clips in May.", "How many clips did Natalia sell in May?"),
        ("There are 8 x 3 = <<8*3=24>>24 snakes in the zoo.", "How many snakes are there in the zoo?"),
        ("So the boys spent $5 + $6 = $<<5+6=11>>11 on lunch.", "How much money did the boys spend on lunch?"),
        ("The total cost of the pens is 3 * 2 = $<<3*2=6>>6.", "What is the total cost of the pens?"),
        ("On Monday, Ann baked 2 * 9 = <<2*9=18>>18 pies.", "How many pies did Ann bake on Monday?"),
        ("Since it rained, Ann baked 2 * 9 = <<2*9=18>>18 fresh pies.", "How many fresh pies did Ann bake?"),
        ("Ann needs 2 pies, which means she bakes 2 * 9 = <<2*9=18>>18 pies.", None),  # two statements
        ("He gets a 100*0.2=$<<100*0.2=20>>20 discount", None),
        ("2 * 9 = <<2*9=18>>18", None),
        ("Ann bakes many pies.", None),
        ("Ann drinks 2 * 9 = <<2*9=18>>18 water.", None),
    ],
)
def test_a_step_becomes_the_question_that_it_answers(step: str, question: str | None) -> None:
    assert question_for(step) == question


def test_the_story_ends_with_the_last_number_that_is_needed() -> None:
    found = list(other_questions(PENS))
    assert [new.question for new in found] == [
        "Clara packs 6 boxes with 24 pens each. How many pens does Clara pack?",
        "Clara packs 6 boxes with 24 pens each. Then she gives away 30 pens. How many pens does she have left?",
    ]
    assert [new.answer for new in found] == ["144", "114"]
    assert [len(new.steps) for new in found] == [1, 2]


@pytest.mark.parametrize(
    ("story", "step"),
    [
        # Nobody can say whether the half, or the coins, come before what is asked for.
        ("Ann has 6 boxes, half of them empty, of 24 pens.", "Ann has 6 * 24 = <<6*24=144>>144 pens."),
        ("Ann has 6 boxes of 24 pens. She finds 6 coins.", "Ann has 6 * 24 = <<6*24=144>>144 pens."),
        ("Ann and Eva buy 6 boxes of 24 pens.", "She buys 6 * 24 = <<6*24=144>>144 pens."),  # who?
        ("Ann has 6 boxes of 24 pens.", "Ann has 6 * 24 = <<6*24=144>>144 crayons."),  # not in the story
        ("Camp Iris has 6 boxes of 24 pens.", "Camp has 6 * 24 = <<6*24=144>>144 pens."),  # not its name
        ("Ann has 400 pens and gives 30 away.", "Ann has 400 - 30 = <<400-30=370>>370 pens."),  # she had 400
    ],
)
def test_what_could_be_read_in_two_ways_is_not_asked(story: str, step: str) -> None:
    result = step.rpartition("=")[2].partition(">>")[0]
    given = problem(
        f"{story} She sorts the pens into 5 drawers. How many are in a drawer?",
        step,
        f"A drawer has {result} / 5 = <<{result}/5={int(result) / 5:g}>>{int(result) / 5:g}.",
    )
    assert list(other_questions(given)) == []


def test_two_results_told_in_the_same_words_are_not_asked_for() -> None:
    given = problem(
        "Ann bikes 6 miles on each of 5 days. Then Ann bikes 20 miles more. She rests 4 times."
        " How far apart are the rests?",
        "Ann bikes 6 * 5 = <<6*5=30>>30 miles in a week.",
        "Ann bikes 30 + 20 = <<30+20=50>>50 miles in a week.",
        "They are 50 / 4 = <<50/4=12.5>>12.5 miles apart.",
    )
    assert list(other_questions(given)) == []
