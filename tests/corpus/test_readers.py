from __future__ import annotations

import gzip
import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganita.corpus import readers
from ganita.corpus.readers import BadLine, Row, SourceMissingError, list_files, read_rows
from ganita.errors import GanitaError, IntegrityError

ROWS = [{"text": f"row {n} ∑", "number": n} for n in range(700)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def write(path: Path, data: bytes) -> Path:
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        zstandard = pytest.importorskip("zstandard")
        half = len(data) // 2  # two frames, as parallel compressors write them
        data = b"".join(zstandard.ZstdCompressor().compress(part) for part in (data[:half], data[half:]))
    path.write_bytes(data)
    return path


def values(path: Path) -> list[dict[str, object]]:
    rows = list(read_rows(path))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.ndjson", "a.json"])
def test_json_lines_in_every_wrapping(tmp_path: Path, name: str) -> None:
    assert values(write(tmp_path / name, LINES)) == ROWS


@pytest.mark.parametrize("indent", [None, 2])
def test_json_array(tmp_path: Path, indent: int | None) -> None:
    assert values(write(tmp_path / "a.json", json.dumps(ROWS, indent=indent).encode())) == ROWS


def test_parquet(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet", row_group_size=100)
    assert values(tmp_path / "a.parquet") == ROWS
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IntegrityError, match=r"cut\.parquet"):
        list(read_rows(tmp_path / "cut.parquet"))


def test_line_numbers_and_reasons_of_bad_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a": 1}\n\n{"a": \n[1]\n"x"\n\xff\xfe{}\n' + b"[" * 9999 + b'\n{"a": 2}'
    )
    rows = list(read_rows(path))
    assert [(type(row), row.line) for row in rows] == [
        (Row, 1), (BadLine, 3), (BadLine, 4), (BadLine, 5), (BadLine, 6), (BadLine, 7), (Row, 8),
    ]  # fmt: skip
    reasons = [row.reason for row in rows if isinstance(row, BadLine)]
    assert [reason.split(" (")[0] for reason in reasons] == [
        "not JSON", "a JSON list, not an object", "a JSON str, not an object", "not UTF-8", "not JSON",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.txt.gz"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, LINES)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(IntegrityError, match="truncated or altered") as caught:
        list(read_rows(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_file_that_is_not_compressed_at_all_is_refused(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zstandard")
    (tmp_path / name).write_bytes(LINES)
    with pytest.raises(IntegrityError, match=name):
        list(read_rows(tmp_path / name))


def test_a_truncated_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="truncated"):
        list(read_rows(write(tmp_path / "a.json", json.dumps(ROWS).encode()[:-9])))


def test_a_line_that_never_ends_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_LINE_BYTES", 1000)
    rows = list(read_rows(write(tmp_path / "a.jsonl", b'{"a": "' + b"x" * 5321 + b'"}\n{"a": 2}\n')))
    assert [type(row) for row in rows] == [BadLine, Row]
    assert rows[1].line == 2


def test_utf16_is_named(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match="UTF-16"):
        list(read_rows(write(tmp_path / "a.jsonl", LINES.decode().encode("utf-16"))))


@pytest.mark.parametrize(("data", "reason"), [(b"caf\xe9 au lait", "not UTF-8"), (b"MZ\x00\x00\x01", "binary")])
def test_text_in_the_wrong_encoding_and_binary_files_are_bad_lines(tmp_path: Path, data: bytes, reason: str) -> None:
    (row,) = read_rows(write(tmp_path / "a.txt", data))
    assert isinstance(row, BadLine)
    assert reason in row.reason


def test_a_text_file_is_one_document_and_a_very_long_one_is_cut_at_paragraphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n\n".join(f"Paragraph {n} says {n * n}." for n in range(200))
    path = write(tmp_path / "a.md", text.encode())
    assert [row["text"] for row in values(path)] == [text]
    monkeypatch.setattr(readers, "TEXT_PIECE", 500)
    pieces = [str(row["text"]) for row in values(path)]
    assert len(pieces) > 5
    assert "".join(pieces) == text
    assert all(piece.startswith("Paragraph") for piece in pieces)
    assert len({row["id"] for row in values(path)}) == len(pieces)


def test_folders_are_read_recursively_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.tex", "a/b/c.py", "a/picture.png", ".git/x.txt", "settings.json", "d.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [file.relative_to(tmp_path).as_posix() for file in list_files(tmp_path)] == [
        "a/b/c.py", "a/z.tex", "b.txt", "d.jsonl",
    ]  # fmt: skip


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"nothing\.jsonl: no such file or folder"):
        list_files(tmp_path / "nothing.jsonl")
    with pytest.raises(GanitaError, match="no readable file"):
        list_files(tmp_path)
    with pytest.raises(GanitaError, match=r"\.exe"):
        list_files(write(tmp_path / "a.exe", b"MZ"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json"])
def test_rows_come_one_at_a_time(tmp_path: Path, name: str) -> None:
    """The damage at the end of a long file is not noticed before the rows in front of it were handed out."""
    noise = random.Random(1)  # so that the compressed file is long as well
    data = b"".join(b'{"n": %d, "x": "%s"}\n' % (n, noise.randbytes(100).hex().encode()) for n in range(20_000))
    if name == "a.json":
        data = b"[" + data.replace(b"\n", b",\n")
    path = write(tmp_path / name, data)
    path.write_bytes(path.read_bytes()[:-30])
    rows = read_rows(path)
    assert len(list(itertools.islice(rows, 1000))) == 1000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=60), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3))))
def test_any_bytes_give_rows_or_bad_lines(tmp_path: Path, items: list[bytes | dict[str, int]]) -> None:
    lines = [item.replace(b"\n", b" ") if isinstance(item, bytes) else json.dumps(item).encode() for item in items]
    path = tmp_path / "fuzz.jsonl"
    path.write_bytes(b"\n".join(lines))
    try:
        rows = list(read_rows(path))
    except GanitaError as error:
        assert "UTF-16" in str(error)
        return
    good = [row.line for row in rows if isinstance(row, Row)]
    assert {number for number, item in enumerate(items, 1) if isinstance(item, dict)} <= set(good)
    assert all(1 <= row.line <= len(lines) for row in rows)
