"""Bad surroundings: no compiler, one core, an old instruction set, a home that cannot be written, no terminal."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ganita.runs import STAGES, Run
from tests.tiny import environment, ganita, write_tiny


def one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity (Linux)")
def test_a_bare_machine_still_goes_the_whole_way(tmp_path: Path) -> None:
    recipe = write_tiny(tmp_path)
    hostile = {
        **environment(),
        "PATH": str(tmp_path / "empty"),  # no compiler, nor anything else
        "HOME": "/proc/nowhere",
        "ATEN_CPU_CAPABILITY": "default",  # no AVX: no bfloat16 kernels
        "CUDA_VISIBLE_DEVICES": "",
        "TERM": "dumb",
    }
    hostile.pop("CXX", None)
    words = [sys.executable, "-m", "ganita", "run", str(recipe), "--runs", str(tmp_path / "runs"), "--no-plan"]
    words += ["--set", "train.compile=auto", "--set", "pretrain.compile=on", "--set", "evaluate.families_count=2"]
    done = subprocess.run(words, env=hostile, capture_output=True, text=True, preexec_fn=one_core, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no C++ compiler found") == 1
    run = Run(tmp_path / "runs" / "tiny")
    assert all(run.has(stage) for stage in STAGES)
    assert run.manifest("pretrain")["summary"]["compiled"] is False
    assert "\x1b[" not in done.stdout, "no terminal: plain lines"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4e6, "kilobytes: under 4 GB"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full (Linux)")
def test_a_pipe_that_closes_early_is_no_crash(tmp_path: Path) -> None:
    command = f"{sys.executable} -m ganita recipe | head -1"
    done = subprocess.run(["sh", "-c", command], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == 1


def test_a_full_disk_is_one_line_and_nothing_half_written(tmp_path: Path) -> None:
    """The device says ENOSPC in the middle of a stage."""
    recipe = write_tiny(tmp_path)
    program = (
        "import errno, sys, ganita.corpus.build as build, ganita.cli as cli\n"
        "def full(*_):\n    raise OSError(errno.ENOSPC, 'No space left on device', 'shard.bin')\n"
        "build.write_json = full\n"
        f"cli.main(['run', {str(recipe)!r}, '--runs', {str(tmp_path / 'runs')!r}, '--no-plan'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "corpus.partial: the disk is full" in done.stderr
    assert not (tmp_path / "runs/tiny/corpus").exists()
    left = [path.name for path in (tmp_path / "runs/tiny/corpus.partial/parts").glob("[0-9]*")]
    assert sorted(left) == ["00000", "00001"], "whole parts wait for the next attempt, nothing is half-written"
    done = ganita("run", recipe, "--runs", tmp_path / "runs", "--no-plan", "--set", "evaluate.families_count=2")
    assert done.returncode == 0, "the same command goes on once there is room"
