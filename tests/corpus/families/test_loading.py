"""A malformed family file is one clear line: file, family, key, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganita.corpus.families import read_library
from ganita.errors import GanitaError

FAMILY = """
[[family]]
id = "packs"
topic = "money"
difficulty = 2
numbers = { packs = "2..9", price = "3..12", paid = [100, 120] }
conditions = ["packs*price < paid"]
slots = { p = "person", item = "toy" }
steps = [
  { name = "cost", expr = "packs*price", say = "They cost {#} = ${=}." },
  { name = "change", expr = "paid-cost", say = "{p} gets {#} = ${=}." },
]
wordings = [
  "1. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
  "2. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
  "3. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
  "4. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
  "5. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
  "6. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
]
held-out = [
  "7. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
  "8. {p} buys {packs:item} at ${price} from ${paid}. How much is left?",
]
"""


def load(folder: Path, text: str):
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return read_library(folder)


def test_a_family_of_ones_own_uses_the_pools_of_the_package(tmp_path: Path) -> None:
    library = load(tmp_path, FAMILY)
    assert len(library) == 1
    assert library.check(5) == []
    problem = next(library.generate(1, 0, "train"))
    assert problem.family == "packs"
    assert len(problem.steps) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('topic = "money"', 'topik = "money"', "unknown key 'topik' (did you mean 'topic'?)"),
        ('topic = "money"', "", "the key 'topic' is missing"),
        ("difficulty = 2", "difficulty = 9", "difficulty: must be a whole number from 1 to 5"),
        ('packs = "2..9"', 'packs = "two"', "numbers.packs: 'two': write"),
        ('packs = "2..9"', 'packs = "2..nine"', "numbers.packs: unknown number 'nine'"),
        ('packs = "2..9"', 'packs = "2..9 by x"', "numbers.packs: 'x' is not a step"),
        ('packs = "2..9"', 'max = "2..9"', "numbers.max: 'max' cannot be a name"),
        ('"packs*price < paid"', '"packs*price"', "conditions: 'packs*price' compares nothing"),
        ('"packs*price < paid"', '"packs*(price < paid"', "conditions: a parenthesis is not closed"),
        ('item = "toy"', 'item = "toi"', "slots.item: unknown pool 'toi' (did you mean 'toy'?)"),
        ('item = "toy"', 'item = "toy", x = "fruit"', "slots.x: no wording uses it"),
        ('item = "toy"', 'p = "toy"', "not TOML"),
        ('expr = "paid-cost"', 'expr = "paid-kost"', "steps[1].expr: unknown number 'kost'"),
        ('expr = "paid-cost"', 'expr = "paid"', "steps[1].expr: 'paid' computes nothing"),
        ('expr = "paid-cost"', 'expr = "max(paid,cost)"', "plain arithmetic only"),
        ('expr = "paid-cost"', 'expr = "paid-price"', "the result 'cost' is used by no later step"),
        ("{p} gets {#} = ${=}.", "{p} gets {#}.", "must hold {=}"),
        ("{p} gets {#} = ${=}.", "{q} gets {#} = ${=}.", "steps[1].say: unknown name 'q'"),
        ("3. {p} buys", "3. Someone buys", "wordings[2]: the steps speak of 'p'"),
        ("at ${price} from ${paid}. How", "from ${paid}. How", "the steps need 'price'"),
        ("7. {p} buys", "1. {p} buys", "is a training wording too"),
        ("8. {p} buys {packs:item}", "8. {p} buys {packs:itm", "held-out[1]: "),
        ("at ${price} from", "at ${cost} from", "wordings[0]: unknown name 'cost'"),
        ("paid = [100, 120] }", 'paid = [100, 120], age = "5..9" }', None),
    ],
)
def test_mistakes_name_file_family_and_key(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    assert old in FAMILY
    if message is None:  # an unused number that no wording tells is harmless
        assert load(tmp_path, FAMILY.replace(old, new)).check(2) == []
        return
    with pytest.raises(GanitaError) as error:
        load(tmp_path, FAMILY.replace(old, new))
    text = str(error.value)
    assert message in text
    assert text.startswith("mine.toml")
    assert "\n" not in text
    if "not TOML" not in text:
        assert "'packs'" in text or "family number 1" in text


def test_a_number_without_use_must_be_a_declared_distractor(tmp_path: Path) -> None:
    text = FAMILY.replace("paid = [100, 120] }", 'paid = [100, 120], age = "5..9" }').replace(
        "1. {p} buys", "1. {p} is {age} and buys"
    )
    with pytest.raises(GanitaError, match="name it in distractors"):
        load(tmp_path, text)
    declared = text.replace('topic = "money"', 'topic = "money"\ndistractors = ["age"]')
    assert load(tmp_path, declared).check(2) == []


def test_conditions_that_no_number_meets_name_the_family(tmp_path: Path) -> None:
    library = load(tmp_path, FAMILY.replace("< paid", "< 0"))
    with pytest.raises(GanitaError, match=r"mine\.toml: family 'packs': no train numbers met the conditions"):
        next(library.generate(1, 0, "train"))


def test_an_id_may_be_used_once(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match="the id is taken"):
        load(tmp_path, FAMILY + FAMILY)


def test_decimals_are_allowed_where_a_step_says_so(tmp_path: Path) -> None:
    text = FAMILY.replace('price = "3..12"', "price = [1.25, 2.5]").replace("${price}", "{price.money}")
    text = text.replace('expr = "packs*price",', 'expr = "packs*price", decimals = 2,')
    text = text.replace('expr = "paid-cost",', 'expr = "paid-cost", decimals = 2,')
    library = load(tmp_path, text)
    assert library.check(20) == []
    assert any("." in problem.answer for problem in library.generate(50, 0, "train"))


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        ('[person]\nkind = "person"\ntrain = ["A/it"]\nheld-out = ["B/he"]', "give at least 3 words"),
        ('[x]\ntrain = ["a", "b", "c"]\nheld-out = ["c", "d", "e"]', "'c' is in train of 'x'"),
        ('[x]\nkind = "verb"\ntrain = []\nheld-out = []', "must be noun or person"),
        ('[x]\nkind = "person"\ntrain = ["A/it", "B/he", "C/he"]\nheld-out = []', "write people as 'Maria/she'"),
        ("x = 3", "must be a table"),
    ],
)
def test_mistakes_in_the_pools(tmp_path: Path, pools: str, message: str) -> None:
    (tmp_path / "pools.toml").write_text(pools, encoding="utf-8")
    with pytest.raises(GanitaError) as error:
        load(tmp_path, FAMILY)
    assert message in str(error.value)
    assert str(error.value).startswith("pools.toml")
