"""Bytes out of files and text out of bytes: compressed or not, whole or damaged, in the encodings that are met with."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ganita.corpus.reading.zstd import open_zstd

DAMAGE = (EOFError, zlib.error, OSError)  # what reading a truncated or altered file raises
_READ = 1 << 18
# UTF-32 first: its mark begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)  # fmt: skip
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]+")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MAX_HIGH = 0.2  # share of bytes above 127 in Windows-1252 text: French has 4 %, Cyrillic in its own code page 70 %


class UnreadableError(ValueError):
    """These bytes are no text; the message says why."""


def is_packed(file: Path) -> bool:
    """Say whether a file is compressed, by its name."""
    return file.suffix.lower() in (".gz", ".zst")


def open_stream(file: Path) -> tuple[IO[bytes], str]:
    """Open a plain, gzip or Zstandard file; return it as UTF-8 bytes, and the encoding it is in if that is marked.

    Reading damaged data raises one of `DAMAGE`; so does text that is not in the encoding which its mark names.
    """
    stream: Any
    if file.suffix.lower() == ".gz":
        # GzipFile.readline is slow in Python; a C buffer around it is twice as fast.
        stream = io.BufferedReader(gzip.GzipFile(file, "rb"), _READ)
    else:
        stream = open_zstd(file) if file.suffix.lower() == ".zst" else file.open("rb")
    try:
        start = stream.peek(4)[:4]
    except BaseException:
        stream.close()
        raise
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return io.BufferedReader(_Recoded(stream, encoding), _READ), encoding
    return stream, ""


def check_whole(file: Path) -> tuple[int, str] | None:
    """Read a compressed file to its end. None if it is whole, else the number of lines in front of the damage, and why.

    A compressed file carries its checksum at the end. Reading it once for that alone costs a tenth of what is done to
    its rows later, and nothing of a damaged file is ever passed on.
    """
    num_lines = 0
    try:
        for data in _gzip_pieces(file) if file.suffix.lower() == ".gz" else _zstd_pieces(file):
            num_lines += data.count(b"\n")
    except DAMAGE as error:
        return num_lines, first_line(error)
    return None


def _gzip_pieces(file: Path) -> Iterator[bytes]:
    """Yield what a gzip file holds, up to where it is damaged (GzipFile gives up a whole buffer earlier)."""
    with file.open("rb") as stream:
        data = stream.read(_READ)
        while data:
            decoder = zlib.decompressobj(wbits=31)  # gzip, with its checksum; a file may be several of them in a row
            while not decoder.eof:
                if not data:
                    raise EOFError("it ends before the end of its data")
                yield decoder.decompress(data)
                data = decoder.unused_data or stream.read(_READ)
            data = data.lstrip(b"\0")  # padding, which some tapes and tools leave


def _zstd_pieces(file: Path) -> Iterator[bytes]:
    with open_zstd(file) as stream:
        while data := stream.read1(_READ):  # type: ignore[attr-defined]
            yield data


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return str(error).split("\n", 1)[0][:120] or type(error).__name__


def decode(data: bytes) -> tuple[str, str]:
    """Return bytes as text, with newlines as line ends, and the encoding if it is not UTF-8.

    What is not UTF-8 is taken for Windows-1252 if it can be that: no control characters, few bytes above 127, and not
    mostly UTF-8 with some of it broken. Raises `UnreadableError` for anything else.
    """
    encoding = ""
    if found := _BINARY.search(data):
        what = "NUL bytes" if found[0] == b"\0" else "control characters"
        raise UnreadableError(f"a binary file (it holds {what})")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        num_high = sum(len(run) for run in _HIGH.findall(data))
        num_valid = sum(len(run) for run in _UTF8_SEQUENCE.findall(data))
        if 2 * num_valid > num_high:
            raise UnreadableError(f"damaged UTF-8 (byte {error.start + 1:,})") from None
        try:
            text, encoding = data.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            text = ""
        if not text or num_high > _MAX_HIGH * len(data):
            raise UnreadableError("neither UTF-8 nor Windows-1252; save it as UTF-8") from None
    return (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text), encoding


class _Recoded(io.RawIOBase):
    """A stream in another encoding, as UTF-8 bytes."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._output = b""
        self._ended = False

    def readable(self) -> bool:
        """Say that this stream can be read."""
        return True

    def close(self) -> None:
        """Close the stream underneath."""
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with UTF-8; 0 at the end."""
        while not self._output and not self._ended:
            data = self._stream.read(_READ)
            self._ended = not data
            try:
                self._output = self._decoder.decode(data, final=self._ended).encode("utf-8")
            except UnicodeError as error:
                raise EOFError(str(error)) from None
        count = min(len(buffer), len(self._output))
        buffer[:count] = self._output[:count]
        self._output = self._output[count:]
        return count
