from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ganita.corpus import executor
from ganita.errors import GanitaError, Interrupted
from ganita.recipe import Corpus

BIG = executor.SMALL  # bytes of input that are worth processes


def leave_a_mark(folder: Path, number: int) -> str:
    """Write a file that says who did the task."""
    (folder / str(number)).write_text(str(os.getpid()))
    return ""


def refuse_the_second(folder: Path, number: int) -> str:
    return "source 'x': nothing in it" if number == 2 else leave_a_mark(folder, number)


def die(folder: Path, number: int) -> str:
    os._exit(9)


def pids(folder: Path) -> dict[str, int]:
    return {path.name: int(path.read_text()) for path in folder.iterdir() if path.is_file()}


def run(work: executor.Work, folder: Path, sizes: dict[int, int], **corpus: object) -> list[int]:
    finished: list[int] = []
    executor.run(work, folder, sizes, Corpus(**corpus), finished.append)  # type: ignore[arg-type]
    return finished


def test_small_work_is_done_in_this_process_longest_first(tmp_path: Path) -> None:
    assert run(leave_a_mark, tmp_path, {0: 1, 1: 30, 2: 20}, workers=2) == [1, 2, 0]
    assert set(pids(tmp_path).values()) == {os.getpid()}


def test_large_work_is_done_by_other_processes(tmp_path: Path) -> None:
    assert sorted(run(leave_a_mark, tmp_path, {0: BIG, 1: BIG, 2: BIG}, workers=2)) == [0, 1, 2]
    assert sorted(pids(tmp_path)) == ["0", "1", "2"]
    assert os.getpid() not in pids(tmp_path).values()


@pytest.mark.parametrize("size", [1, BIG])
def test_the_complaint_of_a_task_reaches_the_user(tmp_path: Path, size: int) -> None:
    with pytest.raises(GanitaError, match="source 'x': nothing in it"):
        run(refuse_the_second, tmp_path, {1: size, 2: size}, workers=2)


def test_a_process_that_dies_is_named(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match=r"died .*corpus\.workers=1"):
        run(die, tmp_path, {1: BIG, 2: BIG}, workers=2)


def test_threads_of_the_command_line_bound_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert executor.num_workers(Corpus()) == 1
    assert executor.num_workers(Corpus(workers=5)) == 5


def test_datatrove_does_the_same_tasks(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    (tmp_path / "parts").mkdir()
    finished = run(leave_a_mark, tmp_path / "parts", {3: 1, 5: 1}, executor="datatrove", workers=2)
    assert sorted(finished) == [3, 5]
    assert sorted(name for name in pids(tmp_path / "parts")) == ["3", "5"]


def test_a_complaint_comes_back_through_datatrove(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    with pytest.raises(GanitaError, match="nothing in it"):
        run(refuse_the_second, tmp_path, {1: 1, 2: 1}, executor="datatrove", workers=1)
    assert not list(tmp_path.glob("*.error"))


def test_slurm_needs_to_know_where_and_how_long(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    with pytest.raises(GanitaError, match=r"'time' in corpus\.executor_options"):
        run(leave_a_mark, tmp_path, {1: 1}, executor="slurm")


SBATCH = """#!/bin/sh
# A cluster of one machine: every element of the array is run at once.
for script; do :; done
grep -q -- --array= "$script" || exit 0
for SLURM_ARRAY_TASK_ID in 0 1; do
  export SLURM_ARRAY_TASK_ID RUN_OFFSET=0 SLURM_NODELIST=node-1
  sh "$script" > /dev/null 2>&1 || exit 1
done
echo Submitted batch job 7
"""
SRUN = '#!/bin/sh\nshift 3\nexec "$@"\n'  # what follows `srun -l -n 1`
SCONTROL = "#!/bin/sh\necho $3\n"  # `scontrol show hostnames LIST`


def test_slurm_runs_the_tasks_and_we_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datatrove")
    commands, parts = tmp_path / "bin", tmp_path / "parts"
    for folder in (commands, parts):
        folder.mkdir()
    for name, script in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", SCONTROL)):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    options = {"time": "01:00:00", "partition": "cpu"}
    with pytest.raises(Interrupted, match="2 tasks were handed to Slurm"):
        run(leave_a_mark, parts, {4: 1, 6: 1}, executor="slurm", executor_options=options)
    assert sorted(pids(parts)) == ["4", "6"]
    assert os.getpid() not in pids(parts).values()
