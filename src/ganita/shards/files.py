"""The format of token shards: how a stream is written, checked and read."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from ganita.errors import GanitaError, IntegrityError
from ganita.storage import MANIFEST, read_json, sha256_file

INDEX = "index.json"


def token_dtype(vocabulary_size: int) -> str:
    """Return the smallest unsigned little-endian type that holds every id of the vocabulary."""
    return "<u2" if vocabulary_size <= 1 << 16 else "<u4"


class ArrayWriter:
    """A one-dimensional `.npy` file written piece by piece, so that its length need not fit in memory."""

    def __init__(self, path: Path, dtype: str) -> None:
        self.path, self.dtype, self.length = path, np.dtype(dtype), 0
        self._file: IO[bytes] = path.open("wb")
        self._data_start = self._write_header()

    def append(self, values: Sequence[int]) -> None:
        """Write `values` after what is there."""
        self._file.write(np.asarray(values, dtype=self.dtype).tobytes())
        self.length += len(values)

    def close(self) -> None:
        """Write the final length into the header and close the file."""
        self._file.seek(0)
        # numpy pads the header so that the first axis may grow in place.
        if self._write_header() != self._data_start:
            raise AssertionError(f"{self.path}: the header of an .npy file grew")
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is (the folder it lies in is not going to be published)."""
        self._file.close()

    def _write_header(self) -> int:
        description = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._file, description)
        return self._file.tell()


class StreamWriter:
    """Writes the documents of one stream into shard files of about `shard_tokens` tokens."""

    def __init__(self, folder: Path, name: str, dtype: str, shard_tokens: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.shard_tokens = folder, name, shard_tokens
        self.tokens = self.documents = 0
        self.files: list[dict[str, Any]] = []
        self._dtype = np.dtype(dtype)
        self._shard: IO[bytes] | None = None
        self._offsets = ArrayWriter(folder / f"{name}.documents.npy", "<i8")
        self._prompts = ArrayWriter(folder / f"{name}.prompts.npy", "<i4")
        self._offsets.append([0])

    def append(self, documents: Sequence[tuple[Sequence[int], int]]) -> None:
        """Write documents, each as (token ids, number of prompt tokens)."""
        ends = []
        for ids, _ in documents:
            file = self._file_for(len(ids))
            file.write(np.asarray(ids, dtype=self._dtype).tobytes())
            self.files[-1]["tokens"] += len(ids)
            self.files[-1]["documents"] += 1
            self.tokens += len(ids)
            ends.append(self.tokens)
        self.documents += len(documents)
        self._offsets.append(ends)
        self._prompts.append([num_prompt for _, num_prompt in documents])

    def close(self) -> None:
        """Finish every file of the stream."""
        if self._shard is not None:
            self._shard.close()
        self._offsets.close()
        self._prompts.close()

    def abandon(self) -> None:
        """Let go of the files after an error, whatever state they are in."""
        if self._shard is not None:
            self._shard.close()
        self._offsets.abandon()
        self._prompts.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.abandon()

    def _file_for(self, num_tokens: int) -> IO[bytes]:
        """Return the shard that takes the next document; a document is never split over two."""
        if self._shard is None or (
            self.files[-1]["tokens"] > 0 and self.files[-1]["tokens"] + num_tokens > self.shard_tokens
        ):
            if self._shard is not None:
                self._shard.close()
            name = f"{self.name}-{len(self.files):05d}.bin"
            self._shard = (self.folder / name).open("wb")
            self.files.append({"name": f"{self.folder.name}/{name}", "tokens": 0, "documents": 0})
        return self._shard


class Stream:
    """The documents of one stream, memory-mapped. Checked against the manifest when opened."""

    def __init__(self, folder: Path, split: str, name: str, entry: dict[str, Any], dtype: str) -> None:
        self.folder, self.split, self.name = folder, split, name
        self.source, self.form = entry["source"], entry["form"]
        self.files = tuple(file["name"] for file in entry["files"])
        arrays = [f"{split}/{name}.documents.npy", f"{split}/{name}.prompts.npy"]
        verify_files(folder, [*self.files, *arrays])
        self.offsets: NDArray[np.int64] = _load_array(folder / arrays[0])  # (num_documents + 1,)
        self.prompts: NDArray[np.int32] = _load_array(folder / arrays[1])  # (num_documents,)
        self._data = [_map_tokens(folder / file, np.dtype(dtype)) for file in self.files]
        ends = np.cumsum([len(data) for data in self._data])
        self._file_starts: list[int] = [0, *ends.tolist()]
        if len(self.prompts) != len(self.offsets) - 1 or self.offsets[-1] != self._file_starts[-1]:
            raise IntegrityError(f"{folder / split}: the files of stream {name!r} disagree; rebuild the shards")

    @property
    def num_documents(self) -> int:
        """Documents in the stream."""
        return len(self.prompts)

    @property
    def num_tokens(self) -> int:
        """Tokens in the stream."""
        return int(self.offsets[-1])

    def file_of(self, document: int) -> int:
        """Return the index of the shard file that holds a document."""
        return bisect.bisect_right(self._file_starts, int(self.offsets[document])) - 1

    def read(self, document: int, begin: int, length: int) -> NDArray[np.unsignedinteger[Any]]:
        """Return `length` tokens of a document from its token `begin` on; a view, not a copy."""
        start = int(self.offsets[document]) + begin
        file = 0
        if len(self._data) > 1:
            file = self.file_of(document)
            start -= self._file_starts[file]
        return self._data[file][start : start + length]


def read_index(folder: Path) -> dict[str, Any]:
    """Read `index.json` of a shards stage after checking it against the manifest."""
    verify_files(folder, [INDEX])
    return read_json(folder / INDEX)  # type: ignore[no-any-return]


def read_lengths(folder: Path, split: str, name: str) -> NDArray[np.int64]:
    """Return the tokens of each document of a stream, (num_documents,), without opening its tokens."""
    path = f"{split}/{name}.documents.npy"
    verify_files(folder, [path])
    return np.diff(_load_array(folder / path))


def verify_files(folder: Path, names: Sequence[str]) -> None:
    """Check the size and SHA-256 of some files of a sealed folder against its manifest.

    A file is hashed once per process: it counts as the same while size and time of change stay the same.
    Raises `IntegrityError` naming the file that is missing, truncated or altered.
    """
    listed = read_json(folder / MANIFEST).get("files", {})
    for name in names:
        path = folder / name
        if name not in listed:
            raise IntegrityError(f"{path}: not in {folder / MANIFEST}; rebuild the shards stage")
        if not path.is_file():
            raise IntegrityError(f"{path}: missing, though {folder / MANIFEST} lists it; rebuild the shards stage")
        status = path.stat()
        if status.st_size != listed[name]["bytes"]:
            raise IntegrityError(
                f"{path}: {status.st_size:,} bytes on disk, {listed[name]['bytes']:,} in its manifest "
                "(truncated or altered); rebuild the shards stage"
            )
        if _sha256(str(path.resolve()), status.st_size, status.st_mtime_ns) != listed[name]["sha256"]:
            raise IntegrityError(f"{path}: its SHA-256 differs from its manifest (altered); rebuild the shards stage")


@functools.lru_cache(maxsize=4096)
def _sha256(path: str, size: int, modified: int) -> str:
    del size, modified  # part of the key: a file that changed is hashed again
    return sha256_file(Path(path))


def _map_tokens(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    # A plain view of the map: slicing np.memmap itself costs microseconds in bookkeeping for every slice.
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)


def _load_array(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)  # type: ignore[no-any-return]
    except ValueError as error:
        raise IntegrityError(f"{path}: not a readable array ({error}); rebuild the shards stage") from None


def check_tokenizer(folder: Path, index: dict[str, Any], fingerprint: str) -> None:
    """Refuse shards that were made with another tokenizer than the one whose fingerprint is given."""
    if fingerprint and index["tokenizer"] != fingerprint:
        raise GanitaError(
            f"{folder}: made with tokenizer {index['tokenizer'][:12]}, not {fingerprint[:12]}; rebuild the shards "
            "stage, or use the tokenizer of the same run"
        )
