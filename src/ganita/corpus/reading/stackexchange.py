"""The dump of a StackExchange site (archive.org/details/stackexchange): questions with the answer that was best.

`Posts.xml` has one `<row .../>` for each post, an answer anywhere after its question. Posts that may be wanted are put
into a temporary SQLite file on the way, so memory does not grow with the dump. Each row is parsed by itself: a broken
one costs no other, and a document type declaration, with which a small XML file can expand to gigabytes, is refused.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ganita.corpus.reading.html import html_to_text
from ganita.corpus.reading.readers import BadLine, Row, Skipped, guarded, read_lines
from ganita.errors import GanitaError

LICENCE = "CC-BY-SA-4.0"  # of posts that do not say their own; CC BY-SA lets later versions be used
MIN_SCORE = 3  # votes up less votes down

_MAX_ROW_LINES = 10_000
_INTEGER = re.compile(r"-?\d{1,18}")
_SITE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_TABLES = """
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;
    CREATE TABLE question (id INTEGER PRIMARY KEY, line, score, accepted, title, body, licence);
    CREATE TABLE answer (id INTEGER PRIMARY KEY, question, score, body, licence);
"""
# The accepted answer if it is good enough to be here, else the one with the highest score, else the first of them.
_PAIRS = """
    SELECT q.id, q.line, q.score, q.title, q.body, q.licence, a.id, a.score, a.body, a.licence
    FROM question q LEFT JOIN answer a ON a.id = coalesce(
        (SELECT id FROM answer WHERE id = q.accepted AND question = q.id),
        (SELECT id FROM answer WHERE question = q.id ORDER BY score DESC, id LIMIT 1)
    ) ORDER BY q.id
"""


def read_posts(
    file: Path, name: str, *, min_question_score: float = MIN_SCORE, min_answer_score: float = MIN_SCORE
) -> Iterator[Row | BadLine | Skipped]:
    """Yield a row for each question with its accepted or else its best answer; both have at least these scores.

    Columns are `id` (the address of the answer), `question` (title and text), `solution`, `score`, `answer_score` and
    `licence`; texts are free of HTML (html.py). Left out and counted: posts below the scores, and questions that show a
    picture. The default is that of The Pile, whose program keeps answers of score 3 or more (EleutherAI's
    stackexchange-dataset, `--min_score`).
    """
    return guarded(file, name, lambda: _read_posts(file, name, min_question_score, min_answer_score))


def _read_posts(file: Path, name: str, min_question: float, min_answer: float) -> Iterator[Row | BadLine | Skipped]:
    with tempfile.TemporaryDirectory(prefix="ganita-posts-") as folder:
        try:
            with closing(sqlite3.connect(Path(folder) / "posts.db", isolation_level=None)) as posts:
                posts.executescript(_TABLES)
                posts.execute("BEGIN")
                for line, given in _parsed(file, name):
                    if isinstance(given, BadLine):
                        yield given
                    elif not _store(posts, line, given, min_question, min_answer):
                        yield Skipped(name, line, "score")
                posts.execute("COMMIT")
                posts.execute("CREATE INDEX by_question ON answer (question)")
                for pair in posts.execute(_PAIRS):
                    yield _row(pair, file, name)
        except sqlite3.Error as error:
            raise GanitaError(f"{file}: {error}, in the temporary file {folder}; set TMPDIR to a larger disk") from None


def _parsed(file: Path, name: str) -> Iterator[tuple[int, dict[str, str] | BadLine]]:
    """Yield (line, attributes) of each post that is a question or an answer."""
    ended = False
    number = 0
    for number, record in _records(file):
        if record is None:
            yield number, BadLine(name, number, "a line that is too long")
        elif record.startswith(b"<row"):
            given = _attributes(record)
            if isinstance(given, str):
                yield number, BadLine(name, number, given)
            elif given["PostTypeId"] in ("1", "2"):
                yield number, given
        elif b"<!DOCTYPE" in record or b"<!ENTITY" in record:
            yield number, BadLine(name, number, "a document type declaration: this is no dump, and is not read")
            return
        elif b"<row" in record:
            yield number, BadLine(name, number, "several elements in one line")
        ended = ended or record == b"</posts>"
    if not ended:
        yield number, BadLine(name, number, "the dump ends without </posts>; get the file again")


def _attributes(record: bytes) -> dict[str, str] | str:
    """Return the attributes of a post, or what is wrong with it."""
    try:
        given = dict(ElementTree.fromstring(record).attrib)  # noqa: S314 - one element, without declarations
    except (ElementTree.ParseError, ValueError) as error:
        return f"not a row of XML ({error})"
    if given.setdefault("PostTypeId", "") not in ("1", "2"):
        return given
    for key in ("Id", "Score", "Body"):
        if not given.get(key):
            return f"a post without {key}"
    for key in ("Id", "Score", "ParentId", "AcceptedAnswerId"):
        if not _INTEGER.fullmatch(given.get(key, "0")):
            return f"{key} is no number"
    return given


def _records(file: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line, record): as a rule a line, else the lines from `<row` to `/>`."""
    begun: list[bytes] = []
    first = 0
    for number, line in read_lines(file):
        stripped = line.strip() if line is not None else None
        if begun and (stripped is None or stripped.startswith((b"<row", b"</posts>")) or len(begun) > _MAX_ROW_LINES):
            yield first, b" ".join(begun)  # it was never closed: not a row of XML
            begun = []
        if stripped and (begun or (stripped.startswith(b"<row") and not stripped.endswith(b"/>"))):
            first = first if begun else number
            begun.append(stripped)
            if stripped.endswith(b"/>"):
                yield first, b"\n".join(begun)
                begun = []
        elif stripped is None or (stripped and not begun):
            yield number, stripped
    if begun:
        yield first, b" ".join(begun)


def _store(posts: sqlite3.Connection, line: int, given: dict[str, str], min_question: float, min_answer: float) -> bool:
    """Keep a post for later if its score is high enough; say if it was, of a question (answers are not counted)."""
    number, score = int(given["Id"]), int(given["Score"])
    licence = given.get("ContentLicense", "")
    if given["PostTypeId"] == "2":
        if score >= min_answer:
            row: tuple[Any, ...] = (number, int(given.get("ParentId", 0)), score, given["Body"], licence)
            posts.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?)", row)
        return True
    if score < min_question:
        return False
    row = (number, line, score, int(given.get("AcceptedAnswerId", 0)), given.get("Title", ""), given["Body"], licence)
    posts.execute("INSERT OR IGNORE INTO question VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return True


def _row(pair: tuple[Any, ...], file: Path, name: str) -> Row | Skipped:
    _, line, score, title, body, licence, answer_id, answer_score, answer, answer_licence = pair
    if answer_id is None:
        return Skipped(name, line, "score", "no answer has the score")
    if "<img" in body:
        return Skipped(name, line, "figure", "the question shows a picture")
    site = site_of(file)
    licences = sorted({_spdx(licence), _spdx(answer_licence)})
    values = {
        "id": f"https://{site}/a/{answer_id}" if site else f"{name}/a/{answer_id}",
        "question": f"{title.strip()}\n\n{html_to_text(body)}".strip(),
        "solution": html_to_text(answer),
        "score": score,
        "answer_score": answer_score,
        "licence": " AND ".join(licences),
    }
    return Row(values, name, line)


def site_of(file: Path) -> str:
    """Return the site of a dump (math.stackexchange.com) from the name of its file or folder, or an empty string."""
    for name in (file.name.partition("-Posts")[0].lower(), file.absolute().parent.name.lower()):
        if _SITE.fullmatch(name) and not name.endswith((".xml", ".gz", ".zst")):
            return name
    return ""


def _spdx(licence: str) -> str:
    """Write `CC BY-SA 3.0` by its SPDX name."""
    return licence.strip().replace(" ", "-") or LICENCE
