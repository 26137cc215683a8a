from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from ganita import storage
from ganita.errors import GanitaError
from ganita.train import checkpoint
from tests.train.conftest import in_child


def tensors(step: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights and optimizer state that can be told apart by step, and from a half-written file."""
    return {"w": torch.full((64, 64), float(step))}, {"w/exp_avg": torch.full((64, 64), -float(step))}


def save(folder: Path, step: int, keep: int = 2) -> Path:
    weights, optimizer = tensors(step)
    return checkpoint.save(folder, {"step": step, "tokens": 7 * step}, weights, optimizer, keep=keep)


def ignore(message: str) -> None:
    """Take a warning and drop it."""


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = save(tmp_path, 12)
    found = checkpoint.latest(tmp_path, ignore)
    assert found is not None
    assert (found.path, found.step, found.state["tokens"]) == (path, 12, 84)
    weights, optimizer = tensors(12)
    assert torch.equal(found.weights()["w"], weights["w"])
    assert torch.equal(found.optimizer()["w/exp_avg"], optimizer["w/exp_avg"])


def test_none_in_an_empty_or_missing_folder(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path, ignore) is None
    assert checkpoint.latest(tmp_path / "missing", ignore) is None


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_only_the_newest_are_kept(tmp_path: Path, keep: int) -> None:
    for step in range(1, 8):
        save(tmp_path, step, keep)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-{step:08d}" for step in range(8 - keep, 8)]


def test_killed_fifty_times_while_saving_the_latest_whole_one_is_found(tmp_path: Path) -> None:
    """A child saves without end; SIGKILL hits it anywhere: in a write, an fsync, a rename, a deletion."""
    draw = random.Random(0)
    report = tmp_path / "done"
    folder = tmp_path / "checkpoints"
    step, hits, leftovers = 0, 0, 0

    def work() -> None:
        for number in range(step + 1, step + 100_000):
            save(folder, number)
            report.write_text(str(number))  # only after save has returned

    for _ in range(50):
        child = in_child(work)
        while not report.exists() or int(report.read_text() or step) <= step:
            time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        promised = int(report.read_text() or 0)
        warnings: list[str] = []
        found = checkpoint.latest(folder, warnings.append)
        assert found is not None
        # Never older than the last save that returned; nothing damaged ever carries a checkpoint's name.
        assert promised <= found.step <= promised + 1 or not promised
        assert not warnings
        assert torch.equal(found.weights()["w"], tensors(found.step)[0]["w"])
        leftovers += any(path.name.startswith(".") for path in folder.iterdir())
        hits += found.step > step
        step = found.step
        report.write_text(str(step))
    assert hits == 50
    assert leftovers > 5  # the kills did hit saves at work
    save(folder, step + 1)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_killed_before_every_file_operation_of_a_save(tmp_path: Path) -> None:
    """What chance may miss: one child for each open, rename, mkdir and remove, killed right before it."""

    def work(folder: Path, fatal: int) -> None:
        left = fatal

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event == "open" or event.startswith(("os.", "shutil.")):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        save(folder, 3)
        os._exit(0)

    outcomes = set()
    for fatal in itertools.count(1):
        folder = tmp_path / str(fatal)
        save(folder, 1)
        save(folder, 2)
        code = os.waitstatus_to_exitcode(os.waitpid(in_child(partial(work, folder, fatal)), 0)[1])
        for path in folder.glob("step-*"):
            checkpoint.load(path)  # nothing that carries a checkpoint's name is damaged
        found = checkpoint.latest(folder, pytest.fail)
        assert found is not None
        assert torch.equal(found.weights()["w"], tensors(found.step)[0]["w"])
        outcomes.add((code, found.step))
        save(folder, 4)
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        if code == 0:
            break
    assert fatal > 20
    assert outcomes == {(-signal.SIGKILL, 2), (-signal.SIGKILL, 3), (0, 3)}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, Path.unlink])
@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path, damage, name: str) -> None:
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    damage(newest / name)
    warnings: list[str] = []
    found = checkpoint.latest(tmp_path, warnings.append)
    assert found is not None
    assert found.step == 1
    assert len(warnings) == 1
    assert "step-00000002 is damaged and passed over" in warnings[0]


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"files": []}', '{"step": 2, "files": {}}', '{"files": {"x": 1}}'])
def test_a_manifest_of_something_else_is_no_checkpoint(tmp_path: Path, manifest: str) -> None:
    path = save(tmp_path, 2)
    (path / storage.MANIFEST).write_text(manifest)
    with pytest.raises(GanitaError):
        checkpoint.load(path)


def test_saving_over_a_damaged_checkpoint_of_the_same_step(tmp_path: Path) -> None:
    truncate(save(tmp_path, 2) / "weights.safetensors")
    save(tmp_path, 2)
    found = checkpoint.latest(tmp_path, pytest.fail)
    assert found is not None
    assert found.step == 2


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
@pytest.mark.parametrize("at", ["save_file", "write_json"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch, error: Exception, at: str) -> None:
    save(tmp_path, 1)

    def fail(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    def fail_json(path: Path, _: object) -> None:
        fail(None, path)

    with monkeypatch.context() as patch:
        if at == "save_file":
            patch.setattr(checkpoint, "save_file", fail)
        else:
            patch.setattr(storage, "write_json", fail_json)
        with pytest.raises(GanitaError, match=r"disk is full at step 2; the last good .* \(step-00000001\)") as caught:
            save(tmp_path, 2)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert save(tmp_path, 2).is_dir()


@pytest.mark.skipif(os.name != "posix", reason="needs RLIMIT_FSIZE")
def test_a_file_that_cannot_grow_is_a_clear_error(tmp_path: Path) -> None:
    """The real thing, not a patch: the system refuses to write more than 8 kB into one file."""
    import resource

    save(tmp_path, 1)

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        try:
            save(tmp_path, 2)
        except GanitaError as refused:
            assert "cannot save the checkpoint of step 2" in str(refused)
            os._exit(42)

    assert os.waitstatus_to_exitcode(os.waitpid(in_child(work), 0)[1]) == 42
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_fingerprints_name_what_changed(tmp_path: Path) -> None:
    checkpoint.check_fingerprints({"shards": "a", "more": "x"}, {"shards": "a"}, tmp_path)
    with pytest.raises(GanitaError, match="another shards and another tokenizer"):
        checkpoint.check_fingerprints({"shards": "a"}, {"shards": "b", "tokenizer": "c"}, tmp_path)
