"""Faults that the check must find, each planted in a good family."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ganita.corpus.families import library, read_library
from ganita.corpus.families.checking import check_family, check_folder, independent_faults, run_search, solve_faults
from ganita.corpus.families.faults import language_fault, question_faults, solution_faults
from ganita.corpus.families.similar import duplicate_faults, plain_words
from ganita.errors import GanitaError
from tests.corpus.families.test_loading import FAMILY, load


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Tom has 1 apples. How many?", "plural after 1"),
        ("Tom waits 1 hours. How many?", "plural after 1"),
        ("If 1 children stay at home, how many come?", "plural after 1"),
        ("Tom waits 5 hour. How long?", "singular after a number"),
        ("Tom has a apple. How many?", "before a vowel"),
        ("Tom reads a 80-page book. How many?", "before a vowel"),
        ("Tom has an kite. How many?", "before a consonant"),
        ("Tom has the the kite. How many?", "doubled word"),
        ("Tom has {n} kites. How many?", "hole"),
        ("Tom has [two|three] kites. How many?", "hole"),
        ("Tom has 3 kites . How many?", "stray space"),
        ("Tom has  3 kites. How many?", "stray space"),
        ("Tom has 3 kites.. How many?", "stops"),
        ("Tom has 3 kites.How many?", "stop without a space"),
        ("Tom has 3 kites. how many?", "small letter"),
        ("tom has 3 kites. How many?", "small letter"),
        ("Tom pays $5 dollars. How much?", "unit told twice"),
        ("Tom gives 3 to she. How many?", "wrong case"),
        ("Ten childrens play. How many?", "plural of a plural"),
    ],
)
def test_language_faults(text: str, fault: str) -> None:
    assert fault in language_fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "An 8-year-old has an hour, a unicorn and a one-way ticket. How long?",
        "It is 7 p.m. and 1 is left, on day 1 he rests. What is 1 times 5?",
        "The page 12 of a 25-page book costs $2.50, or 0.5 liters. How many pages?",
        "A 5 hour trip and 2 child tickets cost $11. What is one?",
        "It weighs 0.5 kg. What comes next in 1, 2, 3, ...?",
    ],
)
def test_good_sentences_pass(text: str) -> None:
    assert question_faults(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("He has 3 kites. He sells one.", "nothing is asked"),
        ("How many? How much?", "no single question"),
        ("How many kites has he", "no single question"),
        ("It costs $2.5. How much?", "money"),
    ],
)
def test_question_faults(text: str, fault: str) -> None:
    assert any(fault in each for each in question_faults(text))


def test_a_result_of_one_is_not_told_in_the_plural() -> None:
    assert solution_faults(("So 4/4 = <<4/4=1>>1 hour is lost.",), "1") == []
    assert "plural after 1" in solution_faults(("So 4/4 = <<4/4=1>>1 hours are lost.",), "1")[0]


def test_a_check_formula_finds_a_wrong_solution(tmp_path: Path) -> None:
    good = FAMILY.replace("steps = [", 'check = ["paid-packs*price", "answer+packs*price == paid"]\nsteps = [', 1)
    assert load(tmp_path, good).check(5) == []
    wrong = good.replace('expr = "paid-cost"', 'expr = "paid-cost+1"')
    faults = load(tmp_path, wrong).check(5)
    assert any("gives" in fault and "mine.toml: family 'packs'" in fault for fault in faults)
    assert any(
        "does not solve" in fault for fault in load(tmp_path, wrong.replace('"paid-packs*price", ', "")).check(5)
    )


def test_sympy_solves_the_equations_of_the_package() -> None:
    pytest.importorskip("sympy")
    families = [family for family in library().families if family.check]
    assert len(families) >= 20
    assert [fault for family in families for fault in solve_faults(family, 2)] == []


def test_an_equation_with_another_solution_is_found(tmp_path: Path) -> None:
    pytest.importorskip("sympy")
    text = FAMILY.replace(
        "steps = [", 'check = "(answer-paid+packs*price)*(answer-packs) == 0"\nconditions-x = 1\nsteps = [', 1
    ).replace("conditions-x = 1\n", "")
    (family,) = load(tmp_path, text).families
    assert check_family(family, 3) == []  # the answer does solve it
    assert "alone" in solve_faults(family, 3)[0]  # but packs solves it as well


def test_a_search_counts_and_finds(tmp_path: Path) -> None:
    search = 'search = { for = { x = "1..paid" }, where = ["x > packs*price"], give = "count" }'
    (family,) = load(tmp_path, FAMILY.replace("steps = [", search + "\nsteps = [", 1)).families
    values = family.draw(random.Random(1), "train")
    assert independent_faults(family, values, search=True) == []
    assert run_search(family.search, {"paid": 10, "packs": 2, "price": 3}) == 4
    values["change"] += 1
    assert "the search finds" in independent_faults(family, values, search=True)[0]


def test_a_search_has_bounds(tmp_path: Path) -> None:
    search = 'search = { for = { x = "1..9999", y = "1..9999" }, give = "sum x" }'
    (family,) = load(tmp_path, FAMILY.replace("steps = [", search + "\nsteps = [", 1)).families
    with pytest.raises(GanitaError, match="narrow its ranges"):
        run_search(family.search, {})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ('check = "packs*prise"', "check: unknown number 'prise'"),
        ('check = "packs < paid"', "give a formula without `answer`, or an equation with it"),
        ("check = 3", "check: must be a formula"),
        ('search = { where = ["packs > 1"] }', "search: write"),
        ('search = { for = { x = "1..9" }, give = "first x" }', "search.give: 'first x'"),
        ('search = { for = { x = "1..9" }, gives = "count" }', "did you mean 'give'"),
    ],
)
def test_mistakes_in_checks(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(GanitaError) as error:
        load(tmp_path, FAMILY.replace("steps = [", key + "\nsteps = [", 1))
    assert message in str(error.value)


def test_the_package_holds_no_duplicates() -> None:
    assert list(duplicate_faults(library().families)) == []


def test_copies_are_found(tmp_path: Path) -> None:
    copy = FAMILY.replace('id = "packs"', 'id = "copy"')
    faults = list(duplicate_faults(load(tmp_path, FAMILY + copy).families))
    assert sum("duplicate: " in fault for fault in faults) == 8
    assert "near-duplicate of" in faults[-1]
    other = (
        copy.replace("buys", "finds")
        .replace("from", "in")
        .replace("{p}", "{p.he}")
        .replace('"paid-cost"', '"paid-cost*2"')
    )
    other = other.replace("How much change", "What is left")
    assert not any("near-duplicate" in fault for fault in duplicate_faults(load(tmp_path, FAMILY + other).families))


def test_plain_words() -> None:
    assert plain_words("[Tom|{p}] has ${n} and [3 [red|blue]|no] {item.s}.") == [
        "tom",
        "has",
        "#",
        "and",
        "#",
        "red",
        "#",
    ]


def test_a_folder_is_checked_alike_by_one_and_two_processes(tmp_path: Path) -> None:
    texts = [FAMILY.replace('id = "packs"', f'id = "packs-{i}"') for i in range(10)]
    texts[7] = texts[7].replace("1. {p} buys", "1. {p} buys the the")
    (tmp_path / "mine.toml").write_text("".join(texts), encoding="utf-8")
    one = check_folder(tmp_path, 3)
    assert one == check_folder(tmp_path, 3, workers=2)
    assert any("packs-7" in fault and "doubled word" in fault for fault in one)


def test_families_are_read_when_they_are_drawn_from(tmp_path: Path) -> None:
    bad = FAMILY.replace('id = "packs"', 'id = "bad"').replace("{p} buys", "{p buys")
    (tmp_path / "mine.toml").write_text(FAMILY + bad, encoding="utf-8")
    from ganita.corpus.families import cached_library

    opened = cached_library(tmp_path)
    assert [entry.id for entry in opened.entries] == ["packs", "bad"]
    assert opened["packs"].id == "packs"
    with pytest.raises(GanitaError, match="family 'bad'"):
        _ = opened["bad"]
    with pytest.raises(GanitaError, match="family 'bad'"):
        read_library(tmp_path)


def test_an_unusual_heading_is_read_all_the_same(tmp_path: Path) -> None:
    library_ = load(tmp_path, FAMILY.replace('id = "packs"', "id = 'packs'"))
    assert library_.entries[0].id == "packs"
    assert library_.check(2) == []
