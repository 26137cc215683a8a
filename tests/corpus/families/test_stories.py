"""The collections `plain` and `stories`: what every family of them must keep, and that collections stay apart."""

from __future__ import annotations

import itertools
import random

import pytest

from ganita.corpus.families import COLLECTIONS, library
from ganita.corpus.families.checking import check_folder
from ganita.corpus.families.compose import draw_chain
from ganita.corpus.families.family import SPLITS
from ganita.corpus.families.faults import problem_faults
from ganita.corpus.families.similar import plain_words
from ganita.corpus.sources import documents_of
from ganita.recipe import recipe_from_dict


@pytest.mark.parametrize("collection", ["plain", "stories"])
def test_no_wording_of_any_family_has_a_fault(collection: str) -> None:
    assert check_folder(COLLECTIONS[collection], draws=2) == []


@pytest.mark.slow
@pytest.mark.parametrize("collection", ["plain", "stories"])
def test_no_fault_in_many_draws(collection: str) -> None:
    assert check_folder(COLLECTIONS[collection], draws=200, workers=2) == []


def test_plain_problems_are_many_and_short() -> None:
    families = library("plain").families
    assert len(families) > 300
    assert all(len(family.steps) <= 2 for family in families)
    assert sum(len(family.steps) == 1 for family in families) > 0.3 * len(families)


def test_it_is_many_situations_of_several_steps() -> None:
    families = library("stories").families
    assert len(families) > 500
    assert sum(len(family.steps) >= 3 for family in families) > 0.6 * len(families)
    assert max(len(family.steps) for family in families) >= 7


def test_collections_share_no_id_and_no_wording() -> None:
    ids = [entry.id for name in COLLECTIONS for entry in library(name).entries]
    assert len(ids) == len(set(ids))
    told = {
        name: {
            tuple(plain_words(template.text))
            for family in library(name).families
            for split in SPLITS
            for template in family.wordings[split]
        }
        for name in COLLECTIONS
    }
    for one, other in itertools.combinations(told.values(), 2):
        assert not one & other


def test_a_source_names_its_collection() -> None:
    table = {"name": "s", "families": "train", "collection": "stories", "count": 40}
    recipe = recipe_from_dict({"corpus": {"sources": [table]}})
    drawn = list(documents_of(recipe.corpus.sources[0], seed=1))
    known = {entry.id for entry in library("stories").entries}
    assert {problem.family for problem in drawn} <= known
    assert len({problem.family for problem in drawn}) > 30


def test_stories_follow_each_other() -> None:
    stories = library("stories")
    assert sum(family.gives is not None for family in stories.families) >= 300
    assert sum(len(family.takes) for family in stories.families) >= 300
    assert len(stories.joints.pairs) > 10_000
    composed = list(stories.generate(120, 8, "train", composed=1.0))
    assert [fault for problem in composed for fault in problem_faults(problem)] == []
    assert all("+" in problem.family for problem in composed)
    assert len({problem.family for problem in composed}) > 110


def test_an_amount_with_cents_leaves_computed_numbers_whole() -> None:
    stories = library("stories")
    taker = stories["raffle-goal-tickets-still-to-sell"]
    takes = next(takes for takes in taker.takes if takes.number == "prize")
    chain = [(stories["melon-by-the-pound-coupon"], None), (taker, takes)]
    rng = random.Random(1)
    drawn = [values for _ in range(60) if (values := draw_chain(chain, rng))]
    assert any(type(values[1]["prize"]) is int for values in drawn)
    assert all(type(values[1]["goal"]) is int for values in drawn)
