"""Composed problems: numbers handed on, names kept, nothing told that should be found."""

from __future__ import annotations

import random
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from ganita.corpus.document import MARK, equations
from ganita.corpus.families import library
from ganita.corpus.families.compose import MAX_STEPS, draw_chain, fits, tell_chain
from ganita.corpus.families.extras import without_question
from ganita.corpus.families.faults import problem_faults
from ganita.errors import GanitaError
from tests.corpus.families.test_loading import FAMILY, load

LIBRARY = library()
POOLS = {pool.name: pool for family in LIBRARY.families for _, pool in family.slots}
GIVER = FAMILY.replace("steps = [", 'answer = { kind = "cash", tell = "the change" }\nsteps = [', 1)
TAKER = """
[[family]]
id = "bank"
topic = "money"
difficulty = 1
numbers = { have = "5..60", more = "2..9" }
slots = { p = "person" }
steps = [{ name = "sum", expr = "have+more", say = "{p} has {#} = ${=}." }]
takes.have = { kind = "cash", wordings = ["{p} adds ${more} to {it}. How much is that?"] }
wordings = [
  "1. {p} has ${have} and gets ${more}. How much is that?",
  "2. {p} has ${have} and gets ${more}. How much is that?",
  "3. {p} has ${have} and gets ${more}. How much is that?",
  "4. {p} has ${have} and gets ${more}. How much is that?",
  "5. {p} has ${have} and gets ${more}. How much is that?",
  "6. {p} has ${have} and gets ${more}. How much is that?",
]
held-out = [
  "7. {p} has ${have} and gets ${more}. How much is that?",
  "8. {p} has ${have} and gets ${more}. How much is that?",
]
"""


def test_the_package_composes() -> None:
    pairs = LIBRARY.joints.pairs
    assert len(pairs) >= 120
    problems = list(LIBRARY.generate(400, 3, "train", composed=1.0))
    assert [fault for problem in problems for fault in problem_faults(problem)] == []
    assert len({problem.family for problem in problems}) > 120
    lengths = Counter(problem.family.count("+") for problem in problems)
    assert lengths[1] > lengths[2] > 40
    for problem in problems:
        assert len(problem.steps) <= MAX_STEPS
        assert len(equations(problem)) == len(problem.steps)


def test_an_answer_is_handed_on_and_not_told() -> None:
    for problem in LIBRARY.generate(200, 4, "train", composed=1.0):
        first, second = problem.family.split("+")[:2]
        handed = MARK.findall(problem.steps[len(LIBRARY[first].steps) - 1])[0][2:-2].rpartition("=")[2]
        later = [MARK.findall(step)[0][2:-2] for step in problem.steps[len(LIBRARY[first].steps) :]]
        assert any(handed in re.findall(r"\d+(?:\.\d+)?", mark.rpartition("=")[0]) for mark in later), problem
        assert (first, second) in {pair[:2] for pair in LIBRARY.joints.pairs}
        assert problem.question.count("?") == 1


def test_kinds_and_things_must_be_the_same() -> None:
    by_id = {family.id: family for family in LIBRARY.families}
    change, share = by_id["buy-and-change"].gives, by_id["shared-equally"].takes[0]
    assert not fits(change, share)
    assert fits(by_id["muffin-trays"].gives, share)
    assert not fits(by_id["machines-at-work"].gives, share)  # products are not shared among children


def test_the_person_and_the_thing_stay_the_same() -> None:
    chain = [(LIBRARY["muffin-trays"], None), (LIBRARY["shared-equally"], LIBRARY["shared-equally"].takes[0])]
    for seed in range(30):
        rng = random.Random(seed)
        drawn = None
        while drawn is None:
            drawn = draw_chain(chain, rng)
        tell_chain(chain, drawn, rng, "x")
        assert drawn[0]["p"] == drawn[1]["p"]
        assert drawn[0]["item"] == drawn[1]["item"]
        assert drawn[1]["total"] == drawn[0]["good"]
        assert Fraction(drawn[1]["share"]) * drawn[1]["people"] == drawn[0]["good"]


def test_the_share_of_composed_problems_and_the_rest_of_the_stream() -> None:
    problems = list(LIBRARY.generate(600, 2, "train", composed=0.3))
    assert 130 < sum("+" in problem.family for problem in problems) < 230
    assert problems == list(LIBRARY.generate(600, 2, "train", composed=0.3))
    assert problems[300:] == list(LIBRARY.generate(300, 2, "train", start=300, composed=0.3))
    with pytest.raises(GanitaError, match="are for training"):
        next(LIBRARY.generate(1, 0, "held-out", composed=0.5))


def test_no_held_out_numbers_or_words() -> None:
    words = {word for family in LIBRARY.families for _, pool in family.slots for word in pool.words["held-out"]}
    names = {word.name for word in words if hasattr(word, "name")}
    for problem in LIBRARY.generate(200, 9, "train", composed=1.0):
        assert not names & set(re.findall(r"[A-Z][a-z]+", problem.question))


def test_a_family_of_ones_own_composes(tmp_path: Path) -> None:
    own = load(tmp_path, GIVER.replace("1. ", "").replace("How much is left?", "How much is left?") + TAKER)
    assert own.joints.pairs == [("packs", "bank", "have")]
    problem = next(own.generate(1, 0, "train", composed=1.0))
    assert re.search(r"\. (\w+) adds \$\d to the change\. How much is that\?$", problem.question)
    assert len(problem.steps) == 3


def test_what_is_handed_on_stays_in_proportion(tmp_path: Path) -> None:
    own = load(tmp_path, GIVER.replace("1. ", "") + TAKER)["bank"]
    rng = random.Random(1)
    values = None
    while values is None:
        values = own.draw_with({"have": 40}, rng, "train")
    assert own.in_proportion(values, "have")
    assert not own.in_proportion(values | {"sum": 900}, "have")  # four times what the family ever has, and more
    assert not own.in_proportion(values | {"sum": 1}, "have")  # a 1 would be told in the plural
    assert not own.in_proportion(values | {"have": 400}, "have")


def test_a_library_without_joints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match="answer and takes"):
        next(load(tmp_path, FAMILY).generate(1, 0, "train", composed=0.5))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "cash", tell', 'kind = "cahs", tell', "answer.kind: 'cahs': must be one of"),
        ('tell = "the change"', 'tel = "the change"', "answer: unknown key 'tel' (did you mean 'tell'?)"),
        ('tell = "the change"', 'tell = "the {change}"', "answer.tell: unknown name 'change'"),
        (
            'tell = "the change" }',
            'tell = "the change", stories = ["{p} shops."] }',
            "stories[0]: does not always tell",
        ),
        ("How much is left?", "If it rains, how much is left?", "add stories"),
        ("takes.have", "takes.rest", "takes.rest: 'rest' is no number that the steps need"),
        ("adds ${more} to {it}", "adds ${more} to it", "wordings[0]: does not always tell 'it'"),
        ("adds ${more} to {it}", "adds money to {it}", "wordings[0]: does not always tell 'more'"),
        ("adds ${more} to {it}", "adds ${more} to {it} of ${have}", "write {it} in its place"),
        ('takes.have = { kind = "cash",', 'takes.have = { kind = "cash", pools = ["toy"],', "needs noun = a slot"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GIVER + TAKER
    assert old in text
    with pytest.raises(GanitaError) as error:
        load(tmp_path, text.replace(old, new))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("{p} buys 3 [kites. Big ones|drums] for $5. How much is it?", "{p} buys 3 [kites. Big ones|drums] for $5."),
        ("{p} sleeps at 9 p.m. and rises at 7. How long is that?", "{p} sleeps at 9 p.m. and rises at 7."),
        ("There are 8 pies. If four share them equally, how many does each get?", ""),
        ("How many are 3 and 4?", ""),
        ("Price: $5. Number: 4. Find the cost.", ""),
        ("I have 5 kites. How many are 2 more?", ""),
    ],
)
def test_stories_are_cut_from_wordings(text: str, story: str) -> None:
    assert without_question(text) == story


def test_a_thing_that_is_passed_on_suits_the_third_family() -> None:
    edible = {word.plural for name in ("fruit", "snack", "sweet", "baked") for word in POOLS[name].words["train"]}
    eaten = [
        problem for problem in LIBRARY.generate(4000, 1, "train", composed=1.0) if "+half-then-some" in problem.family
    ]
    assert sum(problem.family.count("+") == 2 for problem in eaten) > 10
    for problem in eaten:  # nobody eats badges
        assert any(word in problem.question for word in edible), problem.question


def test_a_step_called_it_is_refused(tmp_path: Path) -> None:
    named = TAKER.replace('name = "sum"', 'name = "it"')
    with pytest.raises(GanitaError, match="another name"):
        load(tmp_path, named).families  # noqa: B018 - families are read when they are asked for
