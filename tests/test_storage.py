from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganita import storage
from ganita.errors import GanitaError, IntegrityError


def make_folder(path: Path) -> Path:
    (path / "inner").mkdir(parents=True)
    (path / "a.bin").write_bytes(b"abc" * 100)
    (path / "inner" / "b.txt").write_text("text")
    storage.seal(path, {"fingerprint": "f"})
    return path


def test_a_sealed_folder_verifies(tmp_path: Path) -> None:
    manifest = storage.verify(make_folder(tmp_path / "x"))
    assert manifest["fingerprint"] == "f"
    assert set(manifest["files"]) == {"a.bin", "inner/b.txt"}


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: os.truncate(path, 10), "truncated"),
        (lambda path: path.write_bytes(b"abd" * 100), "altered"),
    ],
)
def test_damage_is_found_and_named(tmp_path: Path, damage, message: str) -> None:
    folder = make_folder(tmp_path / "x")
    damage(folder / "a.bin")
    with pytest.raises(IntegrityError, match=rf"a\.bin.*{message}"):
        storage.verify(folder)


def test_sizes_alone_do_not_read_contents(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "x")
    (folder / "a.bin").write_bytes(b"abd" * 100)
    storage.verify(folder, contents=False)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.json"
    storage.write_json(target, {"old": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.write_json(target, {"new": 2})
    assert storage.read_json(target) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_publish_never_overwrites(tmp_path: Path) -> None:
    make_folder(tmp_path / "new")
    make_folder(tmp_path / "old")
    with pytest.raises(GanitaError, match="refusing"):
        storage.publish(tmp_path / "new", tmp_path / "old")


def test_fingerprints_ignore_order_and_see_values() -> None:
    assert storage.fingerprint({"a": 1, "b": [2]}) == storage.fingerprint({"b": [2], "a": 1})
    assert storage.fingerprint({"a": 1}) != storage.fingerprint({"a": 2})


def test_jsonl_of_a_killed_writer_loses_only_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert list(storage.read_jsonl(path)) == [{"a": 1}, {"a": 2}]


def test_broken_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"x\.json"):
        storage.read_json(tmp_path / "x.json")
