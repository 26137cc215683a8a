from __future__ import annotations

import gzip
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.readers import BadLine, Row, Skipped
from ganita.corpus.reading.stackexchange import LICENCE, read_posts, site_of

QUESTION = {
    "Id": 1,
    "PostTypeId": 1,
    "Score": 9,
    "AcceptedAnswerId": 3,
    "Title": "A sum",
    "Body": "<p>What is $1+1$?</p>",
}


def answer(number: int, score: int, body: str = "", parent: int = 1, **more: Any) -> dict[str, Any]:
    body = body or f"<p>Answer {number}.</p>"
    return {"Id": number, "PostTypeId": 2, "ParentId": parent, "Score": score, "Body": body, **more}


def dump(path: Path, posts: Iterable[dict[str, Any] | str], end: str = "</posts>\n") -> Path:
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<posts>"]
    for post in posts:
        row = (
            " ".join(f"{key}={quoteattr(str(value))}" for key, value in post.items()) if isinstance(post, dict) else ""
        )
        lines.append(post if isinstance(post, str) else f"  <row {row} />")
    data = ("\n".join(lines) + "\n" + end).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def rows(path: Path, **scores: float) -> list[dict[str, Any]]:
    items = list(read_posts(path, path.name, **scores))
    assert not [item for item in items if isinstance(item, BadLine)], items
    return [item.values for item in items if isinstance(item, Row)]


def test_a_question_with_its_accepted_answer(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "math.stackexchange.com/Posts.xml",
        [
            QUESTION,
            answer(2, 50),
            answer(3, 4, "<p>It is</p>\n<p>$2 &lt; 3$.</p>"),
            {"Id": 4, "PostTypeId": 5, "Score": 0},
        ],
    )
    assert rows(path) == [
        {
            "id": "https://math.stackexchange.com/a/3",
            "question": "A sum\n\nWhat is $1+1$?",
            "solution": "It is\n\n$2 < 3$.",
            "score": 9,
            "answer_score": 4,
            "licence": LICENCE,
        }
    ]


def test_without_an_accepted_answer_that_is_good_enough_the_best_one_is_taken(tmp_path: Path) -> None:
    posts = [QUESTION, answer(2, 5), answer(3, 2), answer(4, 7), answer(5, 7)]
    (row,) = rows(dump(tmp_path / "Posts.xml", posts))
    assert (row["id"], row["answer_score"]) == ("Posts.xml/a/4", 7)


def test_posts_below_the_scores_are_counted(tmp_path: Path) -> None:
    posts = [
        QUESTION, answer(2, 2), {**QUESTION, "Id": 10, "Score": 2}, answer(11, 99, parent=10),
        {**QUESTION, "Id": 20, "Body": '<p>See <img src="x.png"></p>'}, answer(21, 9, parent=20),
    ]  # fmt: skip
    path = dump(tmp_path / "Posts.xml", posts)
    skipped = [item for item in read_posts(path, "p") if isinstance(item, Skipped)]
    assert Counter((item.line, item.reason) for item in skipped) == {(5, "score"): 1, (3, "score"): 1, (7, "figure"): 1}
    assert len(rows(path, min_question_score=2, min_answer_score=2)) == 2


@pytest.mark.parametrize("name", ["Posts.xml.gz", "Posts.xml.zst", "physics.stackexchange.com-Posts.xml"])
def test_packed_and_renamed_dumps(tmp_path: Path, name: str) -> None:
    path = dump(tmp_path / name, [QUESTION, answer(3, 9)])
    if name.endswith(".zst"):
        path.write_bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(path.read_bytes()))
    (row,) = rows(path)
    assert row["id"] == ("https://physics.stackexchange.com/a/3" if name.startswith("physics") else f"{name}/a/3")


def test_licences_of_both_posts_are_named(tmp_path: Path) -> None:
    old = {**QUESTION, "ContentLicense": "CC BY-SA 2.5"}
    (row,) = rows(dump(tmp_path / "Posts.xml", [old, answer(3, 9, ContentLicense="CC BY-SA 4.0")]))
    assert row["licence"] == "CC-BY-SA-2.5 AND CC-BY-SA-4.0"


def test_a_broken_row_costs_no_other(tmp_path: Path) -> None:
    broken = [
        '<row Id="7" PostTypeId="1" Score="5" Body="&no;" />', '<row Id="7" PostTypeId="1" Score="5" Body="<" />',
        '<row Id="x" PostTypeId="2" Score="5" Body="b" />', '<row PostTypeId="1" Score="5" Body="b" />',
        '<row Id="8" PostTypeId="2" Score="5.5" Body="b" />', '<row Id="9" PostTypeId="1" Score="5" Body="never closed',
        '<row Id="9" PostTypeId="1" Score="5" Body="&#x1;" />',
        f'<row Id="{"9" * 30}" PostTypeId="1" Score="5" Body="b" />',
    ]  # fmt: skip
    path = dump(tmp_path / "Posts.xml", [QUESTION, *broken, answer(3, 9)])
    items = list(read_posts(path, "p"))
    assert [item.line for item in items if isinstance(item, BadLine)] == list(range(4, 4 + len(broken)))
    assert len([item for item in items if isinstance(item, Row)]) == 1


def test_rows_over_several_lines(tmp_path: Path) -> None:
    row = '<row Id="3" PostTypeId="2" ParentId="1"\n  Score="9"\n  Body="&lt;p&gt;two\nlines&lt;/p&gt;" />'
    (values,) = rows(dump(tmp_path / "Posts.xml", [QUESTION, row]))
    assert values["solution"] == "two lines"


def test_a_declaration_is_refused_before_anything_expands(tmp_path: Path) -> None:
    bomb = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">' for n in range(1, 40))]
    path = tmp_path / "Posts.xml"
    lines = ["<?xml version='1.0'?>", "<!DOCTYPE posts [", *bomb, "]>", '<row Id="1" Score="1" Body="&a39;"/>']
    path.write_text("\n".join(lines))
    (line,) = read_posts(path, "p")
    assert isinstance(line, BadLine)
    assert "document type declaration" in line.reason


def test_a_dump_that_was_cut_off_is_noted_and_its_whole_rows_are_read(tmp_path: Path) -> None:
    items = list(read_posts(dump(tmp_path / "Posts.xml", [QUESTION, answer(3, 9)], end=""), "p"))
    assert [type(item) for item in items] == [BadLine, Row]
    assert "ends without" in getattr(items[0], "reason", "")
    (line,) = read_posts(dump(tmp_path / "b/Posts.xml", [], end=""), "p")
    assert isinstance(line, BadLine)


def test_sites() -> None:
    assert site_of(Path("/x/math.stackexchange.com/Posts.xml.gz")) == "math.stackexchange.com"
    assert site_of(Path("/x/mathoverflow.net-Posts.xml")) == "mathoverflow.net"
    assert site_of(Path("/data/Posts.xml")) == ""


scores = st.integers(-3, 8)
posts_strategy = st.lists(
    st.one_of(
        st.tuples(st.just(1), st.integers(1, 6), scores, st.integers(1, 30)),
        st.tuples(st.just(2), st.integers(7, 30), scores, st.integers(1, 6)),
        st.tuples(st.just(4), st.integers(31, 40), scores, st.just(0)),
    ),
    max_size=30,
    unique_by=lambda post: post[1],
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts_strategy, scores, scores)
def test_pairs_are_those_of_a_brute_force_search(
    tmp_path: Path, posts: list[tuple[int, int, int, int]], min_question: int, min_answer: int
) -> None:
    path = dump(
        tmp_path / "Posts.xml",
        [
            {"PostTypeId": kind, "Id": number, "Score": score, "Body": "b", "Title": "t"}
            | ({"AcceptedAnswerId": other} if kind == 1 else {"ParentId": other})
            for kind, number, score, other in posts
        ],
    )
    expected = []
    for _, number, score, accepted in sorted((post for post in posts if post[0] == 1), key=lambda post: post[1]):
        found = [post for post in posts if post[0] == 2 and post[3] == number and post[2] >= min_answer]
        if score >= min_question and found:
            best = max(found, key=lambda post: (post[1] == accepted, post[2], -post[1]))
            expected.append((f"Posts.xml/a/{best[1]}", score, best[2]))
    found_rows = rows(path, min_question_score=min_question, min_answer_score=min_answer)
    assert [(row["id"], row["score"], row["answer_score"]) for row in found_rows] == expected


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"<row ", b'Id="1" PostTypeId="1" Score="4" Body="x"', b"/>", b"\n", b"<posts>", b"</posts>"]
            ),
        ),
        max_size=12,
    ).map(b"".join)
)
def test_no_bytes_break_the_reader(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "Posts.xml"
    path.write_bytes(data)
    assert all(isinstance(item, (Row, BadLine, Skipped)) for item in read_posts(path, "p"))


def test_memory_does_not_grow_with_the_dump(tmp_path: Path) -> None:
    def peak(num: int) -> int:
        body = "<p>" + "word " * 400 + "</p>"
        questions = ({**QUESTION, "Id": n, "Body": body, "AcceptedAnswerId": num + n} for n in range(1, num + 1))
        answers = (answer(num + n, 5, body, parent=n) for n in range(1, num + 1))
        path = dump(tmp_path / f"{num}/Posts.xml", [*questions, *answers])
        tracemalloc.start()
        assert sum(1 for item in read_posts(path, "p") if isinstance(item, Row)) == num
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(600) < peak(60) * 1.5 + 300_000
