"""Rows out of files, one at a time, in constant memory.

A reader yields a `Row` for what it could read and a `BadLine` for what it could not; the caller counts and decides. A
damaged file is a `BadLine` that counts for all its lines. Compressed files are checked first and, if they are truncated
or altered, nothing of them is handed out; where no checksum can tell beforehand (plain text, JSON, the pages of
Parquet), the rows in front of the damage were read whole and are kept.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ganita.corpus.reading.languages import LANGUAGES, SUFFIXES, suffix_of
from ganita.corpus.reading.pretext import ROOTS, root_of
from ganita.corpus.reading.streams import (
    DAMAGE,
    UnreadableError,
    check_whole,
    decode,
    first_line,
    is_packed,
    open_stream,
)
from ganita.errors import GanitaError, MissingExtraError

T = TypeVar("T")
MAX_LINE_BYTES = 64 << 20  # a longer line is taken for a broken file, so that it cannot fill the memory
MAX_MARKUP_BYTES = 32 << 20  # a longer page, notebook or LaTeX file is not read: it has to be in memory as a whole
TEXT_PIECE = 4 << 20  # bytes of a plain text file held at once
ROW_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".parquet"})
TEXT_SUFFIXES = frozenset(SUFFIXES)
# Formats that cannot be cut into pieces at a blank line, because what stands before decides how the rest reads.
_WHOLE = frozenset(suffix for name in ("latex", "html", "pretext") for suffix in LANGUAGES[name][1]) | {".ipynb"}
_POSTS = ("posts.xml", "-posts.xml")


class SourceMissingError(GanitaError):
    """The file, folder or set is not there; a source marked `optional` is then left out."""


@dataclass(frozen=True)
class Row:
    """One readable row and where it stands (`line` counts from 1; for Parquet it is the row number).

    `note` says, on the first row of a file, if it was read from another encoding.
    """

    values: dict[str, Any]
    file: str
    line: int
    note: str = ""


@dataclass(frozen=True)
class BadLine:
    """One unreadable line (line 0: the file as a whole) and why; `count` says how many lines went with it."""

    file: str
    line: int
    reason: str
    count: int = 1


@dataclass(frozen=True)
class Skipped:
    """Something readable that is not passed on (`dropped`), or a note on something that is.

    `reason` is one of few words, to be counted: "score", "steps", "empty", or for a note "re-encoded", "incomplete
    LaTeX project". `detail` says what it was in this one case.
    """

    file: str
    line: int
    reason: str
    detail: str = ""
    dropped: bool = True


class _DamagedError(Exception):
    """The rest of a file cannot be read: after which line, why, and about how many lines that are."""

    def __init__(self, line: int, reason: str, count: int = 1) -> None:
        super().__init__(reason)
        self.line, self.reason, self.count = line, reason, count


def list_files(path: Path) -> list[Path]:
    """Return the readable files behind `path`: itself, or those below a folder, recursively, in sorted order.

    Raises `SourceMissingError` if there is no such path, and `GanitaError` for a file of unknown type or a folder
    without one readable file. Hidden files and files of other types in a folder are left out.
    """
    if path.is_file():
        if path.suffix.lower() == ".7z":
            raise _packed_dump(path)
        if suffix_of(path.name) not in ROW_SUFFIXES | TEXT_SUFFIXES:
            raise GanitaError(f"{path}: file type {path.suffix!r} is not known; {_known()}")
        return [path]
    if not path.is_dir():
        raise SourceMissingError(f"{path}: no such file or folder")
    every = sorted(path.rglob("*"))
    files = [file for file in every if _is_document(file, path)]
    if not files:
        if packed := [file for file in every if file.suffix.lower() == ".7z"]:
            raise _packed_dump(packed[0])
        raise GanitaError(f"{path}: no readable file in this folder; {_known()}")
    return files


def is_dump(file: Path) -> bool:
    """Say whether a file is the posts of a StackExchange dump, by its name: Posts.xml or SITE-Posts.xml."""
    name = file.name.lower().removesuffix(".gz").removesuffix(".zst")
    return name == _POSTS[0] or name.endswith(_POSTS[1])


def read_rows(file: Path, name: str = "") -> Iterator[Row | BadLine]:
    """Yield the rows of one file; `name` is what rows and messages call it. A text file is one row, `text` and `path`.

    Raises `SourceMissingError` if the file is gone, `MissingExtraError` where Parquet or Zstandard needs a package that
    is not installed. Whatever is wrong inside the file is a `BadLine`.
    """
    suffix, name = suffix_of(file.name), name or str(file)
    read = {".parquet": _read_parquet, ".json": _read_json}.get(suffix, _read_lines)
    if suffix not in ROW_SUFFIXES:
        read = _read_whole if suffix in _WHOLE else _read_text
    return guarded(file, name, lambda: read(file, name))


def guarded(file: Path, name: str, read: Callable[[], Iterator[T]]) -> Iterator[T | BadLine]:
    """Yield what `read()` yields; damage to the file ends it with a `BadLine`, or refuses it as a whole beforehand."""
    try:
        if is_packed(file) and (damage := check_whole(file)) is not None:
            count = damage[0] if suffix_of(file.name) in ROW_SUFFIXES else 1  # a text is one document, not many lines
            yield BadLine(name, 0, f"truncated or altered ({damage[1]}); get the file again", max(1, count))
        else:
            yield from read()
    except FileNotFoundError:
        raise SourceMissingError(f"{file}: no such file") from None
    except _DamagedError as error:
        yield BadLine(name, error.line, error.reason, error.count)
    except DAMAGE as error:
        yield BadLine(name, 0, f"cannot be read ({first_line(error)})")


def read_lines(file: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line number, line) of a file as UTF-8; None stands for a line longer than `MAX_LINE_BYTES`."""
    number = 0
    stream, _ = open_stream(file)
    with stream:
        while start := stream.readline(MAX_LINE_BYTES):
            number += 1
            if too_long := (len(start) == MAX_LINE_BYTES and not start.endswith(b"\n")):
                while len(rest := stream.readline(MAX_LINE_BYTES)) == MAX_LINE_BYTES and rest[-1:] != b"\n":
                    pass
            yield number, None if too_long else start


def _known() -> str:
    return (
        "known are .jsonl, .json, .parquet, .txt, .md, .tex, .html, .ipynb, .ptx, Posts.xml of a StackExchange dump, "
        "and source code, the text ones also as .gz or .zst"
    )


def _packed_dump(file: Path) -> GanitaError:
    return GanitaError(f"{file}: a 7z archive cannot be read; unpack it (7z x {file.name}) and name the folder")


def _is_document(path: Path, root: Path) -> bool:
    suffix = suffix_of(path.name)
    if any(part.startswith(".") for part in path.relative_to(root).parts) or not path.is_file():
        return False
    if suffix == ".xml":  # as a rule settings; the posts of a dump by their name, books by their first element
        return is_dump(path) or _is_book(path)
    # In folders of source code .json files are settings; as data they have to be named one by one.
    return suffix in ROW_SUFFIXES | TEXT_SUFFIXES and suffix != ".json"


def _is_book(path: Path) -> bool:
    try:
        stream, _ = open_stream(path)
        with stream:
            return root_of(stream.read(20_000).decode("utf-8", "replace")) in ROOTS
    except DAMAGE:
        return False


def _read_lines(file: Path, name: str) -> Iterator[Row | BadLine]:
    """JSON Lines. Blank lines are nothing; every other line must be one JSON object."""
    note = _encoding_note(file)
    for number, line in read_lines(file):
        if line is None:
            yield BadLine(name, number, f"line longer than {MAX_LINE_BYTES >> 20} MiB")
        elif stripped := line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip():
            yield _parse(stripped, name, number, note)
            note = ""


def _encoding_note(file: Path) -> str:
    stream, encoding = open_stream(file)
    stream.close()
    return encoding


def _parse(line: bytes, name: str, number: int, note: str) -> Row | BadLine:
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return BadLine(name, number, f"not UTF-8 (byte {error.start + 1} of the line)")
    except (ValueError, RecursionError) as error:
        return BadLine(name, number, f"not JSON ({first_line(error)})")
    if not isinstance(values, dict):
        return BadLine(name, number, f"a JSON {type(values).__name__}, not an object")
    return Row(values, name, number, note)


def _read_json(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Return a reader of a `.json` file: one array of objects, or JSON Lines under another name."""
    stream, _ = open_stream(file)
    with stream:
        start = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return _read_array(file, name) if start.startswith(b"[") else _read_lines(file, name)


def _read_array(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Yield the objects of one JSON array without holding the array: decode, drop, read on."""
    decoder, number, buffer, piece, read = json.JSONDecoder(), 0, "", 1 << 20, 0
    stream, _ = open_stream(file)
    with io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
        try:
            buffer = text.read(piece).lstrip()[1:]
            while True:
                buffer = buffer.lstrip(" \t\r\n,")
                if buffer.startswith("]"):
                    return
                try:
                    value, end = decoder.raw_decode(buffer)
                except (json.JSONDecodeError, RecursionError) as error:
                    more = text.read(max(piece, len(buffer)))  # doubling keeps long objects linear in time
                    if not more or len(buffer) > MAX_LINE_BYTES:
                        # About how many objects are lost: what is left, by the mean length of those that were read.
                        left = len(buffer) + len(more) + sum(map(len, iter(lambda: text.read(piece), "")))
                        count = max(1, left * number // max(1, read))
                        raise _DamagedError(
                            number + 1, f"the array is broken here ({first_line(error)})", count
                        ) from None
                    buffer += more
                    continue
                number, buffer, read = number + 1, buffer[end:], read + end
                yield Row(value, name, number) if isinstance(value, dict) else BadLine(name, number, "not an object")
        except UnicodeDecodeError:
            raise _DamagedError(number + 1, "not UTF-8") from None


def _read_whole(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Yield a page, notebook or LaTeX file as one row."""
    stream, encoding = open_stream(file)
    with stream:
        data = stream.read(MAX_MARKUP_BYTES + 1)
    if len(data) > MAX_MARKUP_BYTES:
        yield BadLine(name, 0, f"longer than {MAX_MARKUP_BYTES >> 20} MiB; split it")
        return
    try:
        text, other = decode(data)
    except UnreadableError as error:
        yield BadLine(name, 0, str(error))
        return
    if text.strip():
        yield Row({"text": text, "id": name, "path": name}, name, 0, encoding or other)


def _read_text(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Yield a text file as one row; a very long one in pieces that end at a paragraph."""
    carried, number = b"", 0
    stream, note = open_stream(file)
    with stream:
        while True:
            piece = stream.read(TEXT_PIECE)
            data, last = carried + piece, len(piece) < TEXT_PIECE
            cut = len(data) if last else _border(data)
            carried, number = data[cut:], number + 1
            try:
                text, encoding = decode(data[:cut])
            except UnreadableError as error:
                yield BadLine(name, 0, str(error))
                return
            if text.strip():
                identity = f"{name}#{number}" if not last or number > 1 else name
                yield Row({"text": text, "id": identity, "path": name}, name, 0, note or encoding)
                note = ""
            if last:
                return


def _border(data: bytes) -> int:
    """Return where to cut: after the last blank line, else the last line, else before the last character."""
    for border in (b"\n\n", b"\n"):
        if (found := data.rfind(border)) > 0:
            return found + len(border)
    cut = len(data)
    while cut > len(data) - 4 and data[cut - 1] & 0xC0 == 0x80:  # inside a UTF-8 sequence
        cut -= 1
    return cut - 1 if data[cut - 1] >= 0xC0 else len(data)


def _read_parquet(file: Path, name: str) -> Iterator[Row | BadLine]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", f"reading {name}") from None
    # Without its footer nobody can say how many rows there were: about one for each KiB.
    number, total = 0, max(1, file.stat().st_size >> 10)
    try:
        with pyarrow.parquet.ParquetFile(file, pre_buffer=False) as table:
            total = table.metadata.num_rows
            for batch in table.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, name, number)
    except (pyarrow.ArrowException, OSError) as error:
        reason = f"not a whole Parquet file ({first_line(error)}); get the file again"
        raise _DamagedError(number + 1 if number else 0, reason, max(1, total - number)) from None
