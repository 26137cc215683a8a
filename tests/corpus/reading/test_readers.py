from __future__ import annotations

import gzip
import itertools
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganita.corpus.reading import readers
from ganita.corpus.reading.readers import BadLine, Row, SourceMissingError, is_dump, list_files, read_rows
from ganita.errors import GanitaError

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


def write_parquet(path: Path, rows: list[dict[str, object]], **options: object) -> Path:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)
    return path


def test_parquet(tmp_path: Path) -> None:
    assert values(write_parquet(tmp_path / "a.parquet", ROWS, row_group_size=100)) == ROWS
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (line,) = read_rows(tmp_path / "cut.parquet", "cut")
    assert isinstance(line, BadLine)
    assert (line.file, line.line) == ("cut", 0)
    assert "not a whole Parquet file" in line.reason


def test_damage_inside_a_parquet_file_counts_for_the_rows_behind_it(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [{"n": n, "x": str(n) * 9} for n in range(5000)], row_group_size=1000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    rows = list(read_rows(path))
    good = [row for row in rows if isinstance(row, Row)]
    (bad,) = (row for row in rows if isinstance(row, BadLine))
    assert [row.values["n"] for row in good] == list(range(len(good)))
    assert 1000 <= len(good) < 5000
    assert len(good) + bad.count == 5000


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


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.txt.gz", "a.tex.gz"])
@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_nothing_of_a_damaged_compressed_file_is_handed_out(tmp_path: Path, name: str, damage: str) -> None:
    data = bytearray(write(tmp_path / name, LINES).read_bytes())
    if damage == "truncated":
        del data[-20:]
    else:
        data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    (line,) = read_rows(tmp_path / name, "name")
    assert isinstance(line, BadLine)
    assert (line.file, line.line) == ("name", 0)
    assert "truncated or altered" in line.reason
    assert "\n" not in line.reason
    if "jsonl" in name and damage == "truncated":
        assert line.count > 300  # so many lines are lost, not one
    elif "jsonl" not in name:
        assert line.count == 1


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_file_that_is_not_compressed_at_all_is_refused(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zstandard")
    (tmp_path / name).write_bytes(LINES)
    (line,) = read_rows(tmp_path / name)
    assert isinstance(line, BadLine)
    assert name in line.file


def test_a_broken_array_counts_for_about_as_many_objects_as_are_lost(tmp_path: Path) -> None:
    data = json.dumps(ROWS).encode()
    *good, end = read_rows(write(tmp_path / "a.json", data[:-9]))
    assert (len(good), isinstance(end, BadLine), end.line) == (699, True, 700)
    half = data.index(b"row 350 ")
    *good, middle = read_rows(write(tmp_path / "b.json", data[:half] + b'"' + data[half:]))
    assert isinstance(middle, BadLine)
    assert (len(good), middle.line) == (350, 351)
    assert 300 < middle.count < 400


def test_a_line_that_never_ends_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_LINE_BYTES", 1000)
    rows = list(read_rows(write(tmp_path / "a.jsonl", b'{"a": "' + b"x" * 5321 + b'"}\n{"a": 2}\n')))
    assert [type(row) for row in rows] == [BadLine, Row]
    assert rows[1].line == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json"])
def test_utf16_with_a_mark_is_read_and_noted_once(tmp_path: Path, name: str, encoding: str) -> None:
    data = ("\ufeff" * encoding.endswith("-le") + LINES.decode()).encode(encoding)
    rows = list(read_rows(write(tmp_path / name, data)))
    assert [row.values for row in rows if isinstance(row, Row)] == ROWS
    assert [row.note for row in rows if isinstance(row, Row)] == [encoding.upper()[:6]] + [""] * 699


def test_utf16_that_ends_in_the_middle_of_a_character_is_damage(tmp_path: Path) -> None:
    *rows, last = read_rows(write(tmp_path / "a.jsonl", LINES.decode().encode("utf-16")[:-1]))
    assert isinstance(last, BadLine)
    assert len(rows) < 700


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.py"])
def test_text_in_windows_1252_is_read_and_noted(tmp_path: Path, name: str) -> None:
    text = "Soit x un réel — « tout simplement » — et d’où l’égalité cherchée.\n" * 3
    (row,) = read_rows(write(tmp_path / name, text.replace("\n", "\r\n").encode("cp1252")))
    assert isinstance(row, Row)
    assert (row.values["text"], row.note) == (text, "Windows-1252")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"MZ\x00\x00\x01", "binary file .it holds NUL"),
        (b"\x89PNG\r\n\x1a\n and so on", "binary file"),
        ("привет, мир".encode("koi8-r"), "neither UTF-8 nor Windows-1252"),
        (b"a \x81 b" + b" c" * 40, "neither UTF-8"),
        ("größer als ∑ über alle Änderungen".encode()[:-1] + b"\xff", "damaged UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.html"])
def test_what_is_no_text_is_a_bad_line(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (row,) = read_rows(write(tmp_path / name, data))
    assert isinstance(row, BadLine)
    assert re.search(reason, row.reason)


def test_a_page_that_does_not_fit_into_memory_is_a_bad_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_MARKUP_BYTES", 1000)
    (row,) = read_rows(write(tmp_path / "a.html", b"<p>x</p>" * 1000))
    assert isinstance(row, BadLine)
    assert "longer than" in row.reason
    assert len(list(read_rows(write(tmp_path / "b.html", b"<p>x</p>")))) == 1


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="aé∑𝔽\n ", max_size=300), size=st.integers(8, 40))
def test_pieces_of_a_long_text_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, size: int
) -> None:
    monkeypatch.setattr(readers, "TEXT_PIECE", size)
    assert "".join("".join(str(row["text"]) for row in values(write(tmp_path / "a.txt", text.encode()))).split()) == (
        "".join(text.split())
    )


def test_folders_are_read_recursively_in_sorted_order(tmp_path: Path) -> None:
    contents = {
        "b.txt": "x", "a/z.tex": "x", "a/b/c.py": "x", "a/picture.png": "x", ".git/x.txt": "x", "settings.json": "{}",
        "d.jsonl": "", "e.ipynb": "{}", "f.html": "<p>", "pom.xml": "<project/>x", "layout.xml": "<resources>",
        "ch1.xml": "<?xml version='1.0'?>\n<!-- a book -->\n<chapter><title>", "Posts.xml": "<posts>",
        "Users.xml": "<users>", "math.stackexchange.com-Posts.xml.gz": "", "old.7z": "7z", "g.ptx": "<p>",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert [file.relative_to(tmp_path).as_posix() for file in list_files(tmp_path)] == [
        "Posts.xml", "a/b/c.py", "a/z.tex", "b.txt", "ch1.xml", "d.jsonl", "e.ipynb", "f.html", "g.ptx",
        "math.stackexchange.com-Posts.xml.gz", "pom.xml",
    ]  # fmt: skip


def test_dumps_are_known_by_their_name() -> None:
    assert all(is_dump(Path(name)) for name in ("a/Posts.xml", "posts.xml.gz", "math.stackexchange.com-Posts.xml.zst"))
    assert not any(is_dump(Path(name)) for name in ("PostHistory.xml", "Posts.txt", "blogposts.xml"))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"nothing\.jsonl: no such file or folder"):
        list_files(tmp_path / "nothing.jsonl")
    with pytest.raises(SourceMissingError, match=r"gone\.txt: no such file"):
        list(read_rows(tmp_path / "gone.txt"))
    with pytest.raises(GanitaError, match="no readable file"):
        list_files(tmp_path)
    with pytest.raises(GanitaError, match=r"\.exe"):
        list_files(write(tmp_path / "a.exe", b"MZ"))
    archive = write(tmp_path / "math.stackexchange.com.7z", b"7z")
    for path in (archive, tmp_path):
        with pytest.raises(GanitaError, match=r"unpack it \(7z x math\.stackexchange\.com\.7z\)"):
            list_files(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_rows_come_one_at_a_time(tmp_path: Path, name: str) -> None:
    """The damage at the end of a long file is not noticed before the rows in front of it were handed out."""
    noise = random.Random(1)
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
    data = b"\n".join(lines)
    path = tmp_path / "fuzz.jsonl"
    path.write_bytes(data)
    rows = list(read_rows(path))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # taken for UTF-16
        return
    good = [row.line for row in rows if isinstance(row, Row)]
    assert {number for number, item in enumerate(items, 1) if isinstance(item, dict)} <= set(good)
    assert all(1 <= row.line <= len(lines) for row in rows)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)),
    name=st.sampled_from(["a.txt", "a.json", "a.html", "a.ipynb", "a.tex", "a.jsonl.gz", "a.txt.gz", "a.parquet"]),
    packed=st.booleans(),
)
def test_no_bytes_break_a_reader(tmp_path: Path, data: bytes, name: str, packed: bool) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if packed else data)
    assert all(isinstance(row, (Row, BadLine)) for row in read_rows(path))
