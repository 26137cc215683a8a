"""Who runs the tasks of the corpus stage: processes of this machine, or an executor of datatrove.

A task is `work(folder, number)`: it finds everything else in the folder and leaves its part there, so any process
that sees the folder can do it, in any order, and a task whose part is there already is not asked for again. The
tasks are ours because they keep LaTeX, the ledger and the data card; sending them to a cluster is not, and there
datatrove's executors for Slurm and Ray serve (Penedo et al., https://github.com/huggingface/datatrove).
"""

from __future__ import annotations

import concurrent.futures
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError, Interrupted, MissingExtraError
from ganita.recipe import Corpus

Work = Callable[[Path, int], str]  # returns the message of a mistake of the user's, empty if there is none
SMALL = 8 << 20  # bytes of input below which starting processes costs more than they save


def run(work: Work, folder: Path, sizes: Mapping[int, int], corpus: Corpus, done: Callable[[int], None]) -> None:
    """Do the tasks `sizes` (number -> bytes of input) and call `done(number)` after each.

    Raises `GanitaError` with the first task's complaint, `Interrupted` when the tasks were handed to a queue that
    goes on without us.
    """
    if not sizes:
        return
    numbers = sorted(sizes, key=lambda number: (-sizes[number], number))  # the longest first, so that none is left last
    if corpus.executor != "local":
        _datatrove(work, folder, sorted(numbers), corpus)
        for number in numbers:
            done(number)
    elif (workers := min(num_workers(corpus), len(numbers))) == 1 or sum(sizes.values()) < SMALL:
        for number in numbers:
            _complain(work(folder, number))
            done(number)
    else:
        _processes(work, folder, numbers, workers, done)


def num_workers(corpus: Corpus) -> int:
    """Return how many tasks run at once: as the recipe says, else one for each core this process may use."""
    if corpus.workers:
        return corpus.workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS", "")  # what --threads sets
    return min(cores, int(threads)) if threads.isdecimal() and int(threads) else cores


def _complain(message: str) -> None:
    if message:
        raise GanitaError(message)


def _processes(work: Work, folder: Path, numbers: list[int], workers: int, done: Callable[[int], None]) -> None:
    # Spawned, not forked: the parent may hold threads (of torch, of tokenizers) that do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interrupts)
    try:
        futures = {pool.submit(work, folder, number): number for number in numbers}
        for future in concurrent.futures.as_completed(futures):
            _complain(future.result())
            done(futures[future])
    except BrokenProcessPool:
        raise GanitaError(
            f"a process of the corpus stage died (killed, or out of memory); what was finished is kept in {folder}: "
            f"give the command again, with --set corpus.workers=1 if memory is short"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Let the parent decide what Ctrl-C means: a terminal sends it to the workers as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _datatrove(work: Work, folder: Path, numbers: list[int], corpus: Corpus) -> None:
    """Hand the tasks to an executor of datatrove. Its own log of finished ranks is not used: ours are the parts."""
    try:
        from datatrove.executor import local, ray, slurm
    except ImportError:
        raise MissingExtraError("datatrove", "datatrove", f"corpus.executor = {corpus.executor!r}") from None
    step = functools.partial(_rank, work=work, folder=folder, numbers=numbers)
    options: dict[str, Any] = {
        "pipeline": [step],
        "tasks": len(numbers),
        "workers": min(num_workers(corpus), len(numbers)),
        "logging_dir": str(folder / "logs" / f"{numbers[0]}-{len(numbers)}"),
        "skip_completed": False,
    }
    given = {key: int(value) if value.isdecimal() else value for key, value in corpus.executor_options.items()}
    if corpus.executor == "datatrove":
        local.LocalPipelineExecutor(**options, **given).run()
    elif corpus.executor == "ray":
        ray.RayPipelineExecutor(**options, **given).run()
    else:
        if not corpus.workers:
            options["workers"] = -1  # the cores of the machine that submits say nothing about the cluster
        _require_slurm_options(given)
        slurm.SlurmPipelineExecutor(job_name="ganita-corpus", **options, **given).run()
        raise Interrupted(
            f"{len(numbers)} tasks were handed to Slurm; when they have ended, their parts are in {folder}"
        )
    _check_ranks(folder, numbers)


def _require_slurm_options(options: Mapping[str, Any]) -> None:
    for name in ("time", "partition"):
        if name not in options:
            raise GanitaError(
                f"corpus.executor = 'slurm' needs {name!r} in corpus.executor_options, e.g. "
                "executor_options = {time = '01:00:00', partition = 'cpu'}"
            )


def _rank(data: Any, rank: int, world_size: int, *, work: Work, folder: Path, numbers: list[int]) -> None:
    """Do one task as a pipeline step of datatrove; what it has to complain about is left beside its part."""
    message = work(folder, numbers[rank])
    if message:
        (folder / f"{numbers[rank]:05}.error").write_text(message, encoding="utf-8")


def _check_ranks(folder: Path, numbers: list[int]) -> None:
    for number in numbers:
        error = folder / f"{number:05}.error"
        if error.is_file():
            message = error.read_text(encoding="utf-8")
            error.unlink()
            raise GanitaError(message)
