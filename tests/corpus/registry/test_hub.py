from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from ganita.corpus.reading.readers import SourceMissingError
from ganita.corpus.registry import download, hub
from ganita.errors import GanitaError, IntegrityError
from ganita.progress import Reporter
from tests.corpus.registry.fake_hub import COMMIT, FakeHub, serve

PATTERNS = ["data/train-*.parquet"]
SHARDS = {f"data/train-{n:05d}-of-00003.parquet": bytes([65 + n]) * (40_000 + n) for n in range(3)}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1_000)  # of 10 MB: what a lost connection costs at most
        monkeypatch.setattr(file_download.time, "sleep", lambda _: None)  # the client's pause before it tries again
        server.files = {**SHARDS, "README.md": b"card", "data/test-00000-of-00001.parquet": b"a benchmark"}
        yield server


def fetch(reporter: Reporter, patterns: list[str] | None = None, revision: str = "main") -> hub.Snapshot:
    return hub.fetch("org/name", revision, patterns or PATTERNS, reporter)


def contents(snapshot: hub.Snapshot) -> list[bytes]:
    return [path.read_bytes() for path in snapshot.files]


def test_a_download_brings_what_is_asked_for_and_names_its_commit(fake: FakeHub, reporter: Reporter) -> None:
    snapshot = fetch(reporter)
    assert contents(snapshot) == list(SHARDS.values())
    assert snapshot.revision == COMMIT
    assert not [line for line in fake.asked if "README" in line or "test-" in line]
    # In the hub's own layout: its client finds the files without network.
    place = huggingface_hub.try_to_load_from_cache(
        "org/name", next(iter(SHARDS)), repo_type="dataset", revision="main", cache_dir=hub.cache_folder()
    )
    assert place == str(snapshot.files[0])


def test_what_is_there_is_not_asked_for_again(fake: FakeHub, reporter: Reporter) -> None:
    first = fetch(reporter)
    fake.asked.clear()
    assert fetch(reporter) == first
    assert fetch(reporter, revision=COMMIT) == first
    assert fake.asked == []


def test_a_connection_cut_in_the_middle_is_resumed(fake: FakeHub, reporter: Reporter) -> None:
    fake.cut_after, fake.cuts = 12_345, 2
    assert contents(fetch(reporter)) == list(SHARDS.values())
    first = [line for line in fake.bodies() if "00000-of" in line]
    assert [re.sub(r".*parquet ?", "", line) for line in first] == ["", "bytes=12000-", "bytes=24000-"]


def test_a_killed_download_goes_on_at_its_byte_and_skips_finished_files(
    fake: FakeHub, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = 0

    def kill(self: Any, num_bytes: int) -> None:
        nonlocal received
        received += num_bytes
        if received > 65_000:  # in the second file
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(download._Progress, "add", kill)
        fetch(reporter)
    assert hub.cached("org/name", "main", PATTERNS) is None
    fake.asked.clear()
    assert contents(fetch(reporter)) == list(SHARDS.values())
    bodies = fake.bodies()
    assert len(bodies) == 2
    assert bodies[0].endswith("train-00001-of-00003.parquet bytes=25000-")


def test_files_that_do_not_count_themselves_are_not_complete_after_a_cut_off(
    fake: FakeHub, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.files = {f"code/python{n:04d}.jsonl": b"{}\n" * (n + 1) for n in range(3)}
    patterns, linked = ["code/python*.jsonl"], huggingface_hub.hf_hub_download

    def stop_at_the_second(*arguments: Any, **options: Any) -> str:
        if arguments[1].endswith("0001.jsonl"):
            raise KeyboardInterrupt
        return linked(*arguments, **options)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(huggingface_hub, "hf_hub_download", stop_at_the_second)
        fetch(reporter, patterns)
    assert hub.cached("org/name", COMMIT, patterns) is None
    assert len(fetch(reporter, patterns).files) == 3


def test_a_server_without_ranges_starts_again_at_the_first_byte(fake: FakeHub, reporter: Reporter) -> None:
    fake.cut_after, fake.cuts, fake.ignore_ranges = 20_000, 1, True
    assert contents(fetch(reporter)) == list(SHARDS.values())


def test_a_part_longer_than_the_file_is_thrown_away(fake: FakeHub, reporter: Reporter) -> None:
    data = next(iter(SHARDS.values()))
    part = hub.cache_folder() / "datasets--org--name/blobs" / f"{hashlib.sha256(data).hexdigest()}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * (len(data) + 1))
    assert contents(fetch(reporter))[0] == data


def test_an_altered_file_is_refused_and_removed(fake: FakeHub, reporter: Reporter) -> None:
    fake.spoil = True
    with pytest.raises(IntegrityError, match=r"train-00000-of-00003\.parquet is not what its checksum"):
        fetch(reporter)
    assert not list(hub.cache_folder().rglob("*.part"))
    fake.spoil = False
    assert contents(fetch(reporter)) == list(SHARDS.values())


def test_git_checksums_of_small_files_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello\n")
    download._verify(tmp_path / "x", "ce013625030ba8dba906f756967f9e9ca394464a", "x")  # git hash-object
    with pytest.raises(IntegrityError):
        download._verify(tmp_path / "x", "0" * 40, "x")


def test_a_revision_that_moved_is_fetched_under_its_new_commit(fake: FakeHub, reporter: Reporter) -> None:
    fetch(reporter)
    newer = "f" * 40
    fake.commits["v2"] = newer
    assert hub.cached("org/name", "v2", PATTERNS) is None
    fake.asked.clear()
    assert fetch(reporter, revision="v2").revision == newer
    assert fake.bodies() == [], "the same contents are in the cache already"


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ({"gated": True}, r"org/name is gated: accept its terms at http://.*/datasets/org/name, then set HF_TOKEN"),
        ({"removed": True}, r"shows no data set org/name: it was removed, or is private and needs HF_TOKEN"),
        ({"commits": {}}, r"org/name has no revision 'main': choose one of http://.*/commits/main, as ID@REVISION"),
        ({"files": {"data/other.txt": b""}}, r"org/name@0123456789ab on the hub has no file data/train-\*\.parquet"),
        ({"files": {"README.md": b""}}, r"the files of org/name@main are not where they were: see http://"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(
    fake: FakeHub, reporter: Reporter, trouble: dict[str, Any], message: str
) -> None:
    for name, value in trouble.items():
        setattr(fake, name, value)
    with pytest.raises(SourceMissingError, match=message) as caught:
        fetch(reporter)
    assert "\n" not in str(caught.value)


def test_offline_and_unreachable(fake: FakeHub, reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(SourceMissingError, match="unset HF_HUB_OFFLINE to download it"):
            fetch(reporter)
        assert fake.asked == []
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(SourceMissingError, match=r"the Hugging Face hub \(http://127.0.0.1:9\) gave no org/name"):
        fetch(reporter)


def test_a_disk_too_small_is_said_before_the_first_byte(
    fake: FakeHub, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(GanitaError, match=r"org/name: 0\.0 GB are to be downloaded.*set HF_HUB_CACHE"):
        fetch(reporter)
    assert fake.bodies() == []


def test_progress_is_shown_in_bytes(fake: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("ganita.progress._PLAIN_SECONDS", 0.0)
    fake.files = {"data/train-00000-of-00001.parquet": bytes(3_000_000)}
    fetch(Reporter())
    out = capsys.readouterr().out
    assert "downloading 1 files (3.0 MB) of org/name@0123456789ab" in out
    assert re.search(r"download 3/3 MB, file 1 of 1, [\d.]+ MB/s, 0 s to go", out)


def test_a_star_does_not_cross_a_slash() -> None:
    assert hub._matches("a/b/c.parquet", "a/*/*.parquet")
    assert not hub._matches("a/b/c.parquet", "a/*.parquet")
    assert hub._fixed_folder("data/code/*/0.6*.jsonl") == "data/code"
    assert hub._fixed_folder("*.jsonl") == ""
