"""Downloads from the Hugging Face hub into its cache that go on where they were cut off, with progress."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganita.errors import IntegrityError
from ganita.progress import Bar, Reporter

_ETAG = re.compile(r"[0-9A-Za-z_-]+")
_MEGABYTE = 1_000_000


def download(
    repository: str, commit: str, sizes: Mapping[str, int], cache: Path, endpoint: str, reporter: Reporter
) -> None:
    """Download files of one commit of a data set into the hub's cache; `sizes` are their bytes by path.

    Raises what the hub's client raises, and `IntegrityError` if a file is not what its checksum says.
    """
    from huggingface_hub import hf_hub_download

    total = sum(sizes.values())
    reporter.say(f"  downloading {len(sizes)} files ({total / 1e6:,.1f} MB) of {repository}@{commit[:12]}")
    with reporter.bar("download", -(-total // _MEGABYTE)) as bar:
        progress = _Progress(bar, sizes)
        for path in sizes:
            _bring_blob(repository, commit, path, cache, endpoint, progress)
            # Links the blob into the snapshot, as every program that reads the cache expects it.
            hf_hub_download(repository, path, repo_type="dataset", revision=commit, cache_dir=cache, endpoint=endpoint)


def _bring_blob(repository: str, commit: str, path: str, cache: Path, endpoint: str, progress: _Progress) -> None:
    """Download one file to where the hub's client looks for it.

    That client resumes after a lost connection, but throws away what it has when the process is killed, which on
    files of gigabytes is an hour. So the part is kept here under a name that the next attempt finds.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import WeakFileLock, build_hf_headers

    url = hf_hub_url(repository, path, repo_type="dataset", revision=commit, endpoint=endpoint)
    metadata = get_hf_file_metadata(url)
    etag, size = metadata.etag or "", metadata.size
    folder = "datasets--" + repository.replace("/", "--")
    blob, lock = cache / folder / "blobs" / etag, cache / ".locks" / folder / f"{etag}.lock"
    if not _ETAG.fullmatch(etag):  # it is about to be a file name
        return
    for parent in (blob.parent, lock.parent):
        parent.mkdir(parents=True, exist_ok=True)
    # Two processes that append to one file would spoil it.
    with WeakFileLock(str(lock)), _quiet_client():
        if blob.exists():
            return
        part = blob.with_name(f"{etag}.part")
        if size is not None and part.exists() and part.stat().st_size > size:
            part.unlink()  # nothing that can be gone on with
        with _PartFile(part, progress) as file:
            there = file.tell()
            progress.start_file(there)
            http_get(url, file, resume_size=there, headers=build_hf_headers(), expected_size=size)
        # Parts of two attempts were put together: only the checksum can tell that they fit.
        _verify(part, etag, path)
        part.replace(blob)


class _Progress:
    """Shows bytes, rate and time to go of a download of several files."""

    def __init__(self, bar: Bar, sizes: Mapping[str, int]) -> None:
        self._bar, self._total, self._num_files = bar, sum(sizes.values()), len(sizes)
        self._done = self._received = self._file = 0
        self._started = time.monotonic()

    def start_file(self, num_there: int) -> None:
        """Begin the next file, of which `num_there` bytes are left from an earlier attempt."""
        self._file += 1
        self._done += num_there

    def add(self, num_bytes: int) -> None:
        """Count bytes received (or, negative, given up)."""
        self._done += num_bytes
        self._received += num_bytes
        rate = max(self._received, 1) / max(time.monotonic() - self._started, 1e-3)
        to_go = (self._total - self._done) / rate
        # The bar counts whole megabytes: in bytes the figures are too long to be read.
        self._bar.advance(self._done // _MEGABYTE - self._bar.done)
        self._bar.note(f"MB, file {self._file} of {self._num_files}, {rate / 1e6:.1f} MB/s, {to_go:,.0f} s to go")


class _PartFile(io.FileIO):
    """A file that is still arriving: opened at its end, and counted while it is written."""

    def __init__(self, path: Path, progress: _Progress) -> None:
        super().__init__(path, "ab")
        self._progress = progress

    def write(self, data: Any) -> int:
        """Write and count."""
        self._progress.add(len(data))
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut the file and take back what was counted: the server starts again at the first byte."""
        before = os.fstat(self.fileno()).st_size
        after = super().truncate(size)
        self._progress.add(after - before)
        return after


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Switch the bars of the hub's client off: there is one already."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()


def _verify(file: Path, etag: str, name: str) -> None:
    """Compare a file with its etag: SHA-256 for large files, else git's SHA-1 of a blob (header and content)."""
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", etag):
        return
    header = b"blob %d\0" % file.stat().st_size
    digest = hashlib.sha256() if len(etag) == 64 else hashlib.sha1(header, usedforsecurity=False)
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    if digest.hexdigest() != etag:
        file.unlink()
        raise IntegrityError(f"{name} is not what its checksum on the hub says; it was removed: start again")
