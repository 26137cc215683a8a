"""Files of data sets on the Hugging Face hub: a copy in the hub's cache, else a download that resumes.

The cache is read first and without network, in the hub's own layout, so a run can be repeated on a machine
that has no network and does not change when somebody updates the set upstream. What is downloaded belongs to one
commit: a branch name is resolved to the commit it stands for, and that is what the data card names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ganita.corpus.reading.readers import SourceMissingError
from ganita.corpus.registry.download import download
from ganita.errors import GanitaError
from ganita.progress import Reporter

COMMIT = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Snapshot:
    """Files of one commit of a data set, on this disk."""

    files: tuple[Path, ...]
    revision: str


def cache_folder() -> Path:
    """Return where the hub keeps its cache: HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface/hub."""
    if value := os.environ.get("HF_HUB_CACHE"):
        return Path(value)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home) / "hub"


def matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files below `folder` that match the globs, sorted; empty unless every pattern is met in full.

    "In full": of `train-00000-of-00003.parquet` and its like all numbers must be there, because half of a set is
    worse than none that is noticed.
    """
    found: list[Path] = []
    for pattern in patterns:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not files or not _is_complete(files):
            return []
        found.extend(files)
    return found


def cached(repository: str, revision: str, patterns: Sequence[str]) -> Snapshot | None:
    """Return the files of a data set in the hub's cache, or None if they are not all there; no network is touched."""
    folder = _folder(repository)
    reference = folder / "refs" / revision
    if reference.is_file():
        commit = reference.read_text(encoding="utf-8").strip()
    elif revision in (commits := cached_revisions(repository)):
        commit = revision
    elif len(commits) == 1 and not COMMIT.fullmatch(revision) and not (folder / "refs").is_dir():
        # A cache copied by hand may have no refs; a single snapshot is then the one that is meant.
        commit = commits[0]
    else:
        return None
    if _unfinished(folder, commit, patterns).exists():
        return None
    files = matching(folder / "snapshots" / commit, patterns)
    return Snapshot(tuple(files), commit) if files else None


def cached_revisions(repository: str) -> list[str]:
    """Return the commits of a data set that the cache holds anything of."""
    return [path.name for path in sorted((_folder(repository) / "snapshots").glob("*"))]


def fetch(repository: str, revision: str, patterns: Sequence[str], reporter: Reporter) -> Snapshot:
    """Return the files of a data set, downloading into the cache what is not there yet.

    Cut off at any point and started again, it goes on at the byte where it was; a finished file is not asked for
    again. Raises `SourceMissingError` that says what to do if the hub does not give them, `GanitaError` if the disk
    is too small, `IntegrityError` if a file arrives altered.
    """
    if found := cached(repository, revision, patterns):
        return found
    folder = _folder(repository)
    with _explained(repository, revision):
        commit, sizes = _list_remote(repository, revision, patterns)
        missing = [path for path in sorted(sizes) if not (folder / "snapshots" / commit / path).exists()]
        _require_space(repository, sum(sizes[path] for path in missing))
        marker = _unfinished(folder, commit, patterns)
        # Files whose names do not count themselves would look complete after a cut-off: the marker says they are not.
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        download(repository, commit, {path: sizes[path] for path in missing}, cache_folder(), endpoint(), reporter)
    if revision != commit:  # as the hub's own client does, so that the next run finds the branch without network
        reference = folder / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(commit, encoding="utf-8")
    marker.unlink()
    found = cached(repository, revision, patterns)
    if found is None:
        raise SourceMissingError(f"{repository}@{commit} on the hub has no complete {', '.join(patterns)}")
    return found


def _folder(repository: str) -> Path:
    return cache_folder() / ("datasets--" + repository.replace("/", "--"))


def _unfinished(folder: Path, commit: str, patterns: Sequence[str]) -> Path:
    key = hashlib.sha256("\n".join(patterns).encode()).hexdigest()[:16]
    return folder / "unfinished" / f"{commit}-{key}"


def endpoint() -> str:
    """Return the address of the hub: HF_ENDPOINT, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _list_remote(repository: str, revision: str, patterns: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Return the commit that `revision` stands for, and the size in bytes of each file that matches."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    commit = revision
    # Everything after this asks for the commit: a push in the middle of a download must not mix two versions.
    if not COMMIT.fullmatch(revision):
        commit = str(api.repo_info(repository, repo_type="dataset", revision=revision).sha)
    sizes: dict[str, int] = {}
    # Only the folders that are meant: the whole tree of a large set is many pages.
    for folder in sorted({_fixed_folder(pattern) for pattern in patterns}):
        tree = api.list_repo_tree(repository, folder or None, repo_type="dataset", revision=commit, recursive=True)
        sizes |= {entry.path: entry.size for entry in tree if hasattr(entry, "size")}
    # Each pattern by itself: with one of two missing the other would pass for the whole set.
    for pattern in patterns:
        if not any(_matches(path, pattern) for path in sizes):
            raise SourceMissingError(f"{repository}@{commit[:12]} on the hub has no file {pattern}")
    return commit, {path: size for path, size in sizes.items() if any(_matches(path, glob) for glob in patterns)}


def _fixed_folder(pattern: str) -> str:
    folders = pattern.split("/")[:-1]
    plain = next((number for number, name in enumerate(folders) if _WILDCARD.search(name)), len(folders))
    return "/".join(folders[:plain])


def _matches(path: str, pattern: str) -> bool:
    """Match as `Path.glob` does: a star does not cross a slash."""
    names, globs = path.split("/"), pattern.split("/")
    return len(names) == len(globs) and all(map(fnmatchcase, names, globs))


def _require_space(repository: str, num_bytes: int) -> None:
    folder = cache_folder()
    # The cache may not exist yet; the disk is that of the nearest folder that does.
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if num_bytes > free:
        raise GanitaError(
            f"{repository}: {num_bytes / 1e9:,.1f} GB are to be downloaded, the disk of {folder} has {free / 1e9:,.1f} "
            f"GB free; set HF_HUB_CACHE to a folder on a larger one"
        )


@contextmanager
def _explained(repository: str, revision: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line that says what to do."""
    try:
        yield
    except GanitaError:
        raise
    # The client lets errors of its HTTP library and of the file system through; to the user they are one thing.
    except Exception as error:
        raise SourceMissingError(_reason(error, repository, revision)) from None


def _reason(error: Exception, repository: str, revision: str) -> str:
    from huggingface_hub import errors

    page = f"{endpoint()}/datasets/{repository}"
    reason = str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"the Hugging Face hub may not be asked for {repository}: unset HF_HUB_OFFLINE to download it"
    # Before RepositoryNotFoundError, of which it is a kind: a gated set is there, a removed one is not.
    if isinstance(error, errors.GatedRepoError):
        return f"{repository} is gated: accept its terms at {page}, then set HF_TOKEN to a token of your account"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the Hugging Face hub shows no data set {repository}: it was removed, or is private and needs HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repository} has no revision {revision!r}: choose one of {page}/commits/main, as ID@REVISION"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"the files of {repository}@{revision} are not where they were: see {page}/tree/{revision} ({reason})"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk of {cache_folder()} is full: free some space, or set HF_HUB_CACHE to a folder elsewhere"
    return f"the Hugging Face hub ({endpoint()}) gave no {repository} ({reason}): connect and start again"


def _is_complete(files: Sequence[Path]) -> bool:
    groups: dict[str, tuple[set[str], int]] = {}
    for path in files:
        if match := _SHARD.search(path.name):
            key = str(path.with_name(_SHARD.sub("", path.name)))
            groups.setdefault(key, (set(), int(match[2])))[0].add(match[1])
    return all(len(numbers) == total for numbers, total in groups.values())
