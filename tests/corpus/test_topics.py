from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ganita.corpus.document import Problem
from ganita.corpus.families import COLLECTIONS, library
from ganita.corpus.procedural import KINDS
from ganita.corpus.reading.readers import Skipped
from ganita.corpus.sources import documents_of, open_source
from ganita.corpus.topics import find_topic, subject_of, topics
from ganita.errors import GanitaError
from ganita.evaluate.tasks import find_tasks, load_items
from ganita.progress import Reporter
from ganita.recipe import Source, recipe_from_dict

QUIET = Reporter(quiet=True)


def asked(question: str) -> Problem:
    return Problem("q", "set", question, (), "1")


def test_every_topic_of_the_families_and_every_kind_is_in_the_table() -> None:
    entries = [entry for collection in COLLECTIONS for entry in library(collection).entries]
    assert {entry.topic for entry in entries} == {name for topic in topics().values() for name in topic.families}
    assert {kind for topic in topics().values() for kind in topic.kinds} == set(KINDS)
    for topic in topics().values():
        for pattern in (*topic.words, *topic.without):
            re.compile(pattern)


@pytest.mark.parametrize(
    ("topic", "question", "held"),
    [
        ("geometry", "A garden is 12 feet by 9 feet. How much fence does it need?", True),
        ("geometry", "What is the perimeter of a square with sides of 4 cm?", True),
        ("geometry", "A house has 1,000 square feet more than another. How many has it?", False),
        ("geometry", "Her sandwiches are cut into triangles, 4 of each. How many pieces?", False),
        ("percent", "A coat of $80 is 30% off. What does it cost?", True),
        ("percent", "A coat costs 80 cents. What do two cost?", False),
        ("rates", "He runs 5 miles an hour for 3 hours. How far?", True),
        ("rates", "He opens a second shop. How many has he?", False),
        ("number-theory", "What is the remainder when 17 is divided by 5?", True),
        ("number-theory", "He spends the remainder of the month at home. How many days?", False),
        ("ages", "Ann is 7 years older than Ben. How old is she?", True),
        ("sharing", "Four children share 12 sweets. How many has each?", False),  # no words: generated problems only
    ],
)
def test_words(topic: str, question: str, held: bool) -> None:
    assert find_topic([topic]).holds(asked(question)) is held


def test_a_subject_counts_for_more_than_words() -> None:
    geometry = find_topic(["geometry"])
    assert geometry.holds(asked("Find x."), "Geometry")
    assert not geometry.holds(asked("What is the perimeter of the square?"), "Algebra")
    assert subject_of({"subject": "Geometry"}) == subject_of({"type": "Geometry"}) == "Geometry"
    assert subject_of({"module": "numbers__gcd"}) == "numbers__gcd"
    assert subject_of({"subject": "history"}) == subject_of({"subject": 3}) == subject_of({}) == ""


def test_names() -> None:
    assert find_topic(["equations"]) == find_topic(["algebra"])
    both = find_topic(["percent", "rates"])
    assert both.names == ("percent", "rates")
    assert both.holds(asked("He runs 5 miles an hour."))
    assert both.holds(asked("It is 30% off."))
    assert find_topic(["percent", "percentages"]) == find_topic(["percent"])
    with pytest.raises(GanitaError, match=r"no topic 'geometri'.*geometry"):
        find_topic(["geometri"])


def test_sources_keep_the_topic_alone(tmp_path: Path) -> None:
    rows = [
        {"question": "What is the perimeter of a square of 4 cm?", "solution": "<<4*4=16>>", "answer": "16"},
        {"question": "Find x.", "solution": "<<1+1=2>>", "answer": "2", "subject": "Geometry"},
        {"question": "Find y.", "solution": "<<1+1=2>>", "answer": "2", "subject": "Algebra"},
        {"question": "Ann has 2 pens and 3 pens. How many?", "solution": "<<2+3=5>>", "answer": "5"},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    items = list(documents_of(Source(name="own", path=str(path), kind="problem", topics=("geometry",)), 1))
    assert [item.answer for item in items if isinstance(item, Problem)] == ["16", "2"]
    assert [item.reason for item in items if isinstance(item, Skipped)] == ["topic", "topic"]
    for collection in COLLECTIONS:
        families = Source(name="f", families="train", collection=collection, count=40, topics=("geometry",))
        drawn = list(documents_of(families, 1))
        found = {library(collection)[problem.family].topic for problem in drawn if isinstance(problem, Problem)}
        assert (len(drawn), found) == (40, {"geometry"})
    steps = list(documents_of(Source(name="s", procedural="train", count=9, topics=("percent", "ratios")), 1))
    kinds = {problem.family for problem in steps if isinstance(problem, Problem)}
    assert kinds == {"percent-of", "percent-change", "percent-whole", "proportion"}


def test_mistakes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A square has four sides.", "utf-8")
    with pytest.raises(GanitaError, match="leave out topics"):
        open_source(Source(name="a", path=str(tmp_path), topics=("geometry",)), 1, QUIET)
    with pytest.raises(GanitaError, match="no topic 'nothing'"):
        open_source(Source(name="f", families="train", count=3, topics=("nothing",)), 1, QUIET)
    with pytest.raises(GanitaError, match="no procedural kind"):
        list(documents_of(Source(name="s", procedural="train", count=3, topics=("geometry",)), 1))
    with pytest.raises(GanitaError, match="no family of topic"):
        list(documents_of(Source(name="f", families="train", count=3, topics=("calculus",)), 1))


def test_a_part_of_a_benchmark() -> None:
    part = find_tasks(["families:geometry"])[0]
    assert (part.name, part.topics) == ("families-geometry", ("geometry",))
    items, _ = load_items(part, recipe_from_dict({"evaluate": {"families_count": 30}}), QUIET)
    assert {library()[item.family].topic for item in items} == {"geometry"}
    assert len(items) == 30
    assert find_tasks(["families:percent,rates"])[0].name == "families-percent-rates"
    with pytest.raises(GanitaError, match="no topic 'geometrie'"):
        find_tasks(["families:geometrie"])
    with pytest.raises(GanitaError, match="unknown benchmark"):
        find_tasks(["famielies:geometry"])
