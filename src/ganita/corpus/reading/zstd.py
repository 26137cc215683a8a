"""Zstandard files as byte streams: the one module that needs the package `zstandard`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any

from ganita.errors import MissingExtraError

_READ = 1 << 17


def open_zstd(file: Path) -> IO[bytes]:
    """Open a `.zst` file for reading. Reading a truncated one raises `EOFError`, a damaged one too.

    Raises `MissingExtraError` if the package `zstandard` is not installed.
    """
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError("zstandard", "zstd", f"reading {file}") from None
    return io.BufferedReader(_Stream(file, zstandard), 1 << 18)


class _Stream(io.RawIOBase):
    """Decompress frame after frame.

    The package's own `stream_reader` takes the end of a truncated file for the end of the data; here an
    unfinished frame is an error.
    """

    def __init__(self, file: Path, zstandard: Any) -> None:
        super().__init__()
        self._file = file.open("rb")
        self._zstandard = zstandard
        self._frame: Any = None
        self._pending = b""  # compressed bytes after the end of a frame
        self._output = b""

    def readable(self) -> bool:
        """Say that this stream can be read."""
        return True

    def close(self) -> None:
        """Close the file underneath."""
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with decompressed bytes; 0 at the end of the last frame."""
        while not self._output:
            data = self._pending or self._file.read(_READ)
            self._pending = b""
            if not data:
                if self._frame is not None:
                    raise EOFError("the last Zstandard frame is not complete")
                return 0
            self._decompress(data)
        count = min(len(buffer), len(self._output))
        buffer[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _decompress(self, data: bytes) -> None:
        if self._frame is None:
            self._frame = self._zstandard.ZstdDecompressor().decompressobj()
        try:
            self._output = self._frame.decompress(data)
        except self._zstandard.ZstdError as error:
            raise EOFError(str(error)) from None
        if self._frame.eof:
            self._pending = self._frame.unused_data
            self._frame = None
