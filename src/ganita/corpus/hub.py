"""Files of data sets on the Hugging Face hub: a copy in the hub's cache, else a download that resumes.

The cache is read first and without network, in the hub's own layout, so a run can be repeated on a machine
that has no network and does not change when somebody updates the set upstream.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ganita.corpus.readers import SourceMissingError
from ganita.progress import Reporter

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


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


def cached_files(repository: str, revision: str, patterns: Sequence[str]) -> list[Path]:
    """Return the files of a data set in the hub's cache, or an empty list if they are not all there."""
    folder = cache_folder() / ("datasets--" + repository.replace("/", "--"))
    reference = folder / "refs" / revision
    if reference.is_file():
        commits = [reference.read_text(encoding="utf-8").strip()]
    else:
        # A cache copied by hand may have no refs; a single snapshot is then the one that is meant.
        commits = [path.name for path in sorted((folder / "snapshots").glob("*"))]
        commits = [revision] if revision in commits else commits[:1] if len(commits) == 1 else []
    return matching(folder / "snapshots" / commits[0], patterns) if commits else []


def files(repository: str, revision: str, patterns: Sequence[str], reporter: Reporter) -> list[Path]:
    """Return the files of a data set: from the cache if they are there, else downloaded into it.

    Raises `SourceMissingError` with the reason if they are in no cache and cannot be downloaded.
    """
    if found := cached_files(repository, revision, patterns):
        return found
    reporter.say(f"  downloading {', '.join(patterns)} of {repository} from the Hugging Face hub")
    found = matching(_download(repository, revision, patterns), patterns)
    if not found:
        raise SourceMissingError(f"{repository}@{revision} on the hub has no complete {', '.join(patterns)}")
    return found


def _download(repository: str, revision: str, patterns: Sequence[str]) -> Path:
    try:
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            repository, repo_type="dataset", revision=revision, allow_patterns=list(patterns), cache_dir=cache_folder()
        )
    # The hub's client lets errors of its HTTP library and of the file system through; to the user they are one thing.
    except Exception as error:
        reason = str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
        raise SourceMissingError(f"the Hugging Face hub gave no {repository} ({reason})") from None
    return Path(folder)


def _is_complete(files: Sequence[Path]) -> bool:
    groups: dict[str, tuple[set[str], int]] = {}
    for path in files:
        if match := _SHARD.search(path.name):
            key = str(path.with_name(_SHARD.sub("", path.name)))
            groups.setdefault(key, (set(), int(match[2])))[0].add(match[1])
    return all(len(numbers) == total for numbers, total in groups.values())
