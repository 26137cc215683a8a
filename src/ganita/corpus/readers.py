"""Rows out of files, one at a time, in constant memory.

A reader yields a `Row` for what it could read and a `BadLine` for what it could not; the caller counts and
decides. What makes the whole file useless (missing, truncated, of unknown type) raises instead: a
truncated file is refused, never trained on.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ganita.corpus.zstd import open_zstd
from ganita.errors import GanitaError, IntegrityError, MissingExtraError

MAX_LINE_BYTES = 64 << 20  # a longer line is taken for a broken file, so that it cannot fill the memory
TEXT_PIECE = 4 << 20  # characters of a plain text file held at once
ROW_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".parquet"})
PROSE_SUFFIXES = frozenset({".txt", ".md", ".markdown", ".rst", ".tex", ".ltx", ".org", ".adoc"})
CODE_SUFFIXES = frozenset(
    {".py", ".pyi", ".lean", ".v", ".thy", ".hs", ".ml", ".mli", ".jl", ".r", ".m", ".c", ".h", ".cc", ".cpp", ".hpp"}
    | {".cu", ".java", ".kt", ".scala", ".go", ".rs", ".js", ".ts", ".sh", ".sql", ".f", ".f90", ".pl", ".rb", ".wl"}
    | {".mac", ".sage", ".gp"}
)
TEXT_SUFFIXES = PROSE_SUFFIXES | CODE_SUFFIXES
_PACKED = frozenset({".gz", ".zst"})
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class SourceMissingError(GanitaError):
    """The file, folder or set is not there; a source marked `optional` is then left out."""


@dataclass(frozen=True)
class Row:
    """One readable row and where it stands (`line` counts from 1; for Parquet it is the row number)."""

    values: dict[str, Any]
    file: str
    line: int


@dataclass(frozen=True)
class BadLine:
    """One unreadable line (line 0: the file as a whole) and why."""

    file: str
    line: int
    reason: str


def list_files(path: Path) -> list[Path]:
    """Return the readable files behind `path`: itself, or those below a folder, recursively, in sorted order.

    Raises `SourceMissingError` if there is no such path, and `GanitaError` for a file of unknown type or a folder
    without one readable file. Hidden files and files of other types in a folder are left out.
    """
    if path.is_file():
        if _suffix(path) not in ROW_SUFFIXES | TEXT_SUFFIXES:
            raise GanitaError(f"{path}: file type {path.suffix!r} is not known; {_known()}")
        return [path]
    if not path.is_dir():
        raise SourceMissingError(f"{path}: no such file or folder")
    files = [file for file in sorted(path.rglob("*")) if _is_document(file, path)]
    if not files:
        raise GanitaError(f"{path}: no readable file in this folder; {_known()}")
    return files


def read_rows(file: Path, name: str = "") -> Iterator[Row | BadLine]:
    """Yield the rows of one file; `name` is what rows and messages call it.

    Raises `IntegrityError` for truncated or altered compressed data and Parquet, `GanitaError` for UTF-16 text,
    `MissingExtraError` where Parquet or Zstandard needs a package that is not installed.
    """
    suffix, name = _suffix(file), name or str(file)
    if suffix == ".parquet":
        return _read_parquet(file, name)
    if suffix == ".json":
        return _read_json(file, name)
    return _read_lines(file, name) if suffix in ROW_SUFFIXES else _read_text(file, name)


def _known() -> str:
    return "known are .jsonl, .json, .parquet, .txt, .md, .tex and source code, the text ones also as .gz or .zst"


def _suffix(path: Path) -> str:
    """Return the file type, looking through .gz and .zst."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _is_document(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    # In folders of source code .json files are settings; as data they have to be named one by one.
    known = (ROW_SUFFIXES | TEXT_SUFFIXES) - {".json"}
    return not hidden and _suffix(path) in known and path.is_file()


def _open(file: Path) -> IO[bytes]:
    """Open a plain, gzip or Zstandard file as bytes."""
    try:
        if file.suffix.lower() == ".gz":
            # GzipFile.readline is slow in Python; a C buffer around it is twice as fast.
            return io.BufferedReader(gzip.open(file, "rb"), 1 << 18)
        if file.suffix.lower() == ".zst":
            return open_zstd(file)
        return file.open("rb")
    except FileNotFoundError:
        raise SourceMissingError(f"{file}: no such file") from None
    except OSError as error:
        raise GanitaError(f"{file}: cannot be read ({error.strerror or error})") from None


def _damaged(file: Path, line: int, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"{file}: truncated or altered after line {line:,} ({_first_line(error)}); get the file again"
    )


_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)


def _lines(file: Path, name: str) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line number, line); None stands for a line longer than `MAX_LINE_BYTES`."""
    number = 0
    with _open(file) as stream:
        try:
            if (start := stream.readline(MAX_LINE_BYTES))[:2] in _UTF16_MARKS:
                raise GanitaError(f"{file}: this is UTF-16 text; save it as UTF-8")
            while start:
                number += 1
                if too_long := (len(start) == MAX_LINE_BYTES and not start.endswith(b"\n")):
                    while len(rest := stream.readline(MAX_LINE_BYTES)) == MAX_LINE_BYTES and rest[-1:] != b"\n":
                        pass
                yield number, None if too_long else start
                start = stream.readline(MAX_LINE_BYTES)
        except _DAMAGE as error:
            raise _damaged(file, number, error) from None


def _read_lines(file: Path, name: str) -> Iterator[Row | BadLine]:
    """JSON Lines. Blank lines are nothing; every other line must be one JSON object."""
    for number, line in _lines(file, name):
        if line is None:
            yield BadLine(name, number, f"line longer than {MAX_LINE_BYTES >> 20} MiB")
        elif stripped := line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip():
            yield _parse(stripped, name, number)


def _parse(line: bytes, name: str, number: int) -> Row | BadLine:
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return BadLine(name, number, f"not UTF-8 (byte {error.start + 1} of the line)")
    except (ValueError, RecursionError) as error:
        return BadLine(name, number, f"not JSON ({_first_line(error)})")
    if not isinstance(values, dict):
        return BadLine(name, number, f"a JSON {type(values).__name__}, not an object")
    return Row(values, name, number)


def _read_json(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Return a reader of a `.json` file: one array of objects, or JSON Lines under another name."""
    with _open(file) as stream:
        try:
            start = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        except _DAMAGE as error:
            raise _damaged(file, 0, error) from None
    return _read_array(file, name) if start.startswith(b"[") else _read_lines(file, name)


def _read_array(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Yield the objects of one JSON array without holding the array: decode, drop, read on."""
    decoder, number, buffer, piece = json.JSONDecoder(), 0, "", 1 << 20
    with io.TextIOWrapper(_open(file), encoding="utf-8-sig") as stream:
        try:
            buffer = stream.read(piece).lstrip()[1:]
            while True:
                buffer = buffer.lstrip(" \t\r\n,")
                if buffer.startswith("]"):
                    return
                try:
                    value, end = decoder.raw_decode(buffer)
                except (json.JSONDecodeError, RecursionError) as error:
                    more = stream.read(max(piece, len(buffer)))  # doubling keeps long objects linear in time
                    if not more or len(buffer) > MAX_LINE_BYTES:
                        raise _damaged(file, number, error) from None
                    buffer += more
                    continue
                number, buffer = number + 1, buffer[end:]
                yield Row(value, name, number) if isinstance(value, dict) else BadLine(name, number, "not an object")
        except (*_DAMAGE, UnicodeDecodeError) as error:
            raise _damaged(file, number, error) from None


def _read_text(file: Path, name: str) -> Iterator[Row | BadLine]:
    """Yield a text file as one row `{"text"}`; a very long one in pieces that end at a paragraph."""
    carried, number = "", 0
    with io.TextIOWrapper(_open(file), encoding="utf-8-sig") as stream:
        while True:
            try:
                piece = stream.read(TEXT_PIECE)
            except UnicodeDecodeError as error:
                yield BadLine(name, 0, f"not UTF-8 ({error.reason})")
                return
            except _DAMAGE as error:
                raise _damaged(file, 0, error) from None
            if "\0" in piece:
                yield BadLine(name, 0, "a binary file (it holds NUL bytes)")
                return
            text, last = carried + piece, len(piece) < TEXT_PIECE
            cut = len(text) if last else (text.rfind("\n\n") + 2 if "\n\n" in text else len(text))
            carried, number = text[cut:], number + 1
            if text[:cut].strip():
                yield Row({"text": text[:cut], "id": f"{name}#{number}" if not last or number > 1 else name}, name, 0)
            if last:
                return


def _read_parquet(file: Path, name: str) -> Iterator[Row | BadLine]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", f"reading {name}") from None
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file, pre_buffer=False) as table:
            for batch in table.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, name, number)
    except FileNotFoundError:
        raise SourceMissingError(f"{file}: no such file") from None
    except (pyarrow.ArrowException, OSError) as error:
        raise IntegrityError(f"{file}: not a whole Parquet file ({_first_line(error)}); get the file again") from None


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120] or type(error).__name__
