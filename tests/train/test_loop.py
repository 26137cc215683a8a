from __future__ import annotations

import errno
import json
import math
import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from ganita.errors import GanitaError, Interrupted, NonFiniteError
from ganita.train import meters
from ganita.train.loop import Trainer, evaluate_loss, rank_rows
from ganita.train.objective import NextToken, Rows
from tests.train.conftest import CONFIG, CONTEXT, ROWS, in_child

GOLDEN = Path(__file__).with_name("golden_losses.json")


def losses(folder: Path) -> list[tuple[str, int, float]]:
    return [(line["kind"], line["step"], line["loss"]) for line in meters.MetricsLog.lines(folder)]


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    weights = {name: value.detach().clone() for name, value in trainer.job.model.named_parameters()}
    return {**weights, **{f"optimizer/{key}": value.clone() for key, value in trainer.optimizers.tensors().items()}}


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


class Recording(NextToken):
    """Remembers the tokens of every training row, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def loss(self, model, batch):
        if torch.is_grad_enabled():
            self.seen += [tuple(row) for row in batch.tokens.tolist()]
        return super().loss(model, batch)


class StopsAt(NextToken):
    """Stands for a process that is killed in the middle of a step, between two micro-batches."""

    def __init__(self, micro_batch: int) -> None:
        self.left = micro_batch

    def loss(self, model, batch):
        if torch.is_grad_enabled():
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return super().loss(model, batch)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("micro_rows", [ROWS, 2])
@pytest.mark.parametrize("killed_after", [4, 7, 11])
def test_killed_and_resumed_is_bitwise_the_same(make_job, optimizer, micro_rows, killed_after) -> None:
    recording = Recording()
    whole = Trainer(make_job("whole", optimizer=optimizer, micro_rows=micro_rows, objective=recording))
    whole.run()
    # The epoch of the text stream (nine texts of 13 tokens) ends well before the last step.
    assert whole.job.loader.draw.drawn(0, whole.step)["count"]["epochs"] > 2

    # One micro-batch into the step after `killed_after`: gradients are half accumulated.
    stop = StopsAt(killed_after * ROWS // micro_rows + (micro_rows < ROWS))
    with pytest.raises(KeyboardInterrupt):
        Trainer(make_job("cut", optimizer=optimizer, micro_rows=micro_rows, objective=stop)).run()
    resumed_recording = Recording()
    resumed = Trainer(make_job("cut", optimizer=optimizer, micro_rows=micro_rows, objective=resumed_recording))
    summary = resumed.run()

    assert summary["steps"] == 12
    assert_same(state(whole), state(resumed))
    assert losses(whole.job.folder) == losses(resumed.job.folder)
    first = killed_after // 4 * 4
    assert resumed_recording.seen == recording.seen[first * ROWS :]


def test_resuming_with_another_micro_batch_sees_the_same_tokens_and_nearly_the_same_losses(make_job) -> None:
    whole = Trainer(make_job("whole"))
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        Trainer(make_job("cut", objective=StopsAt(6))).run()
    resumed = Trainer(make_job("cut", micro_rows=1))
    resumed.run()
    for (_, _, left), (_, _, right) in zip(losses(whole.job.folder), losses(resumed.job.folder), strict=True):
        assert left == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize("micro_rows", [1, 2, 3])
def test_accumulation_changes_nothing_but_rounding(make_job, micro_rows) -> None:
    """The rows hold very different numbers of valid tokens: a mean of means would be another loss."""
    whole, parts = Trainer(make_job("whole")), Trainer(make_job("parts", micro_rows=micro_rows))
    batch = whole.job.loader.rows(0)
    targets = batch.targets.clone()
    targets[0, 2:] = -100
    targets[2, 9:] = -100
    batch = Rows(batch.tokens, targets, batch.documents)
    count = int((targets >= 0).sum())
    losses_ = [trainer.accumulate(batch, count).item() for trainer in (whole, parts)]
    assert losses_[0] == pytest.approx(losses_[1], rel=1e-5)
    for left, right in zip(whole.job.model.parameters(), parts.job.model.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_mean_over_valid_tokens_by_plain_cross_entropy(make_job) -> None:
    trainer = Trainer(make_job(micro_rows=1))
    batch = trainer.job.loader.rows(5)
    with torch.no_grad():
        logits = trainer.job.model(batch.tokens, batch.documents)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=-100)
    assert trainer.train_step(batch)["loss"] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_ranks_share_the_rows_of_a_batch_without_gap_or_overlap(world) -> None:
    ranges = [rank_rows(10, rank, world) for rank in range(world)]
    assert [row for first, last in ranges for row in range(first, last)] == list(range(10))


def test_two_ranks_make_the_same_steps_as_one(make_job, tmp_path: Path) -> None:
    single = Trainer(make_job())
    expected = [single.train_step(single.job.loader.rows(step))["loss"] for step in range(4)]

    def work(rank: int) -> None:
        torch.distributed.init_process_group("gloo", f"file://{tmp_path}/meet", rank=rank, world_size=2)
        trainer = Trainer(make_job(rank=rank, world=2, micro_rows=1))
        found = [trainer.train_step(trainer.job.loader.rows(step))["loss"] for step in range(4)]
        assert found == pytest.approx(expected, rel=1e-4), found

    children = [in_child(partial(work, rank)) for rank in range(2)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


def test_too_little_gpu_memory_says_what_to_set(make_job) -> None:
    class TooBig(NextToken):
        def loss(self, model, batch):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(GanitaError, match=r"set pretrain\.micro_rows = 2"):
        Trainer(make_job(objective=TooBig(), label="pretrain")).run()


def test_a_full_disk_under_the_metrics_is_one_clear_line(make_job) -> None:
    trainer = Trainer(make_job())

    class Full:
        def write(self, _: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            """Nothing to close."""

    class Patched(meters.MetricsLog):
        def __init__(self, *arguments, **named) -> None:
            super().__init__(*arguments, **named)
            self._file = Full()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meters, "MetricsLog", Patched)
        with pytest.raises(GanitaError, match=r"metrics\.jsonl: cannot be written \(No space left"):
            trainer.run()


def test_validation_does_not_depend_on_the_micro_batch(make_job) -> None:
    job = make_job()
    batch = job.validation.rows(0)
    values = [evaluate_loss(replace(job, micro_rows=size), batch) for size in (1, 4, 6, 50)]
    assert values == pytest.approx([values[0]] * 4, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_loss_falls(make_job, optimizer) -> None:
    job = make_job(optimizer=optimizer, steps=40, muon_learning_rate=0.02)
    summary = Trainer(job).run()
    curve = [loss for kind, _, loss in losses(job.folder) if kind == "train"]
    assert curve[0] == pytest.approx(math.log(CONFIG.vocabulary_size), abs=0.3)
    assert summary["train_loss"] < 0.7 * curve[0]
    assert summary["perplexity"] == pytest.approx(math.exp(summary["validation_loss"]))


def test_golden_losses(make_job) -> None:
    """Same seed: bitwise the same losses on one machine, and nearly these on any.

    After a change that is meant to change them: delete the file, run this test twice, say so in the changelog.
    """
    curves = {}
    for optimizer in ("adamw", "muon"):
        for attempt in ("first", "second"):
            job = make_job(f"{optimizer}-{attempt}", optimizer=optimizer)
            Trainer(job).run()
            curves[optimizer, attempt] = losses(job.folder)
        assert curves[optimizer, "first"] == curves[optimizer, "second"]
    found = {name: [loss for _, _, loss in curves[name, "first"]] for name in ("adamw", "muon")}
    if not GOLDEN.exists():
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        pytest.fail(f"{GOLDEN.name} was not there; written anew")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for optimizer, curve in found.items():
        assert curve == pytest.approx(golden[optimizer], rel=2e-3)


# ------------------------------------------------------------------------------------------------ bad numbers


class Poisoned(NextToken):
    """Returns NaN for rows that hold a certain token sequence."""

    def __init__(self, row: torch.Tensor) -> None:
        self.row = row

    def loss(self, model, batch):
        total, count = super().loss(model, batch)
        if any(torch.equal(row, self.row) for row in batch.tokens):
            total = total * math.nan
        return total, count


def test_a_nan_loss_stops_before_the_update_and_names_its_rows(make_job) -> None:
    probe = make_job()
    job = make_job(objective=Poisoned(probe.loader.rows(6).tokens[2]))
    trainer = Trainer(job)
    with pytest.raises(NonFiniteError) as caught:
        trainer.run()
    step = trainer.step
    assert 4 <= step <= 6
    message = str(caught.value)
    assert f"step {step + 1}," in message
    assert "the checkpoint of step 4 stays" in message
    assert any(job.loader.origin(step, row) in message for row in range(ROWS))
    assert "\n" not in message
    reached = make_job("reference", steps=12)
    reference = Trainer(replace(reached, num_steps=12))
    while reference.step < step:
        reference.train_step(reference.job.loader.rows(reference.step))
    for left, right in zip(job.model.parameters(), reached.model.parameters(), strict=True):
        assert torch.equal(left, right)  # untouched since the last good update


def test_an_infinite_gradient_with_a_finite_loss_stops_too(make_job) -> None:
    class Steep(NextToken):
        def loss(self, model, batch):
            total, count = super().loss(model, batch)
            weight = model.model.norm.weight
            return total + (weight - weight.detach()).clamp(min=0).sqrt().sum(), count  # slope of sqrt at 0

    with pytest.raises(NonFiniteError, match=r"gradient norm (inf|nan) at step 1, before its update .*row 0: "):
        Trainer(make_job(objective=Steep())).run()


def test_weights_that_are_not_finite_are_not_saved(make_job) -> None:
    class Explodes(Trainer):
        def train_step(self, batch):
            figures = super().train_step(batch)
            if self.step == 8:
                next(self.job.model.parameters()).data[0, 0] = math.inf
            return figures

    job = make_job()
    with pytest.raises(NonFiniteError, match="is not finite after step 8; the checkpoint of step 4 stays"):
        Explodes(job).run()
    assert [path.name for path in (job.folder / "checkpoints").iterdir()] == ["step-00000004"]


# ---------------------------------------------------------------------------------------------------- signals


class Slow(NextToken):
    def loss(self, model, batch):
        time.sleep(0.02)
        return super().loss(model, batch)


def wait_for_lines(path: Path, number: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and (not path.exists() or path.read_text().count("\n") < number):
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_step_and_leaves_a_checkpoint(make_job, number) -> None:
    job = make_job(steps=2000, checkpoint_steps=10_000, validate_steps=10_000, objective=Slow())

    def work() -> None:
        try:
            Trainer(job).run()
        except Interrupted as stopped:
            assert signal.Signals(number).name in str(stopped)
            os._exit(42)

    child = in_child(work)
    wait_for_lines(job.folder / "metrics.jsonl", 3)
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    (saved,) = (job.folder / "checkpoints").iterdir()
    lines = meters.MetricsLog.lines(job.folder)
    assert saved.name == f"step-{lines[-1]['step']:08d}"


def test_a_second_signal_leaves_at_once(make_job) -> None:
    class Stuck(NextToken):
        def loss(self, model, batch):
            time.sleep(60)

    job = make_job(objective=Stuck())
    child = in_child(lambda: Trainer(job).run())
    wait_for_lines(job.folder / "metrics.jsonl", 0)
    time.sleep(0.2)
    started = time.monotonic()
    os.kill(child, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert time.monotonic() - started < 5
    assert not (job.folder / "checkpoints").exists()


def test_handlers_come_back_and_other_threads_are_left_alone(make_job) -> None:
    import threading

    before = signal.getsignal(signal.SIGTERM)
    Trainer(make_job("a", steps=1)).run()
    assert signal.getsignal(signal.SIGTERM) is before
    thread = threading.Thread(target=Trainer(make_job("b", steps=1)).run)
    thread.start()
    thread.join()


# ------------------------------------------------------------------------------------------------ other promises


def test_other_data_is_refused_unless_allowed(make_job) -> None:
    with pytest.raises(KeyboardInterrupt):
        Trainer(make_job(objective=StopsAt(6), fingerprints={"shards": "a", "tokenizer": "b"})).run()
    with pytest.raises(GanitaError, match=r"another shards \(fingerprints differ\)"):
        Trainer(make_job(fingerprints={"shards": "c", "tokenizer": "b"})).run()
    allowed = make_job(fingerprints={"shards": "c", "tokenizer": "b"}, allow_mismatch=True)
    assert Trainer(allowed).run()["steps"] == 12


def test_a_failing_compiler_means_eager_and_one_warning(make_job, capfd) -> None:
    class Broken(NextToken):
        """Fails as a compiled model does where the compiler does not work: in its first forward pass."""

        eager = False

        def loss(self, model, batch):
            if not self.eager:
                self.eager = True
                raise RuntimeError("CppCompileError: no such file: omp.h\nmore")
            return super().loss(model, batch)

    job = make_job(objective=Broken())
    job.model.compile_blocks = lambda: None
    try:
        summary = Trainer(replace(job, placement=replace(job.placement, compiled=True))).run()
    finally:
        torch.compiler.set_stance("default")
    assert summary["compiled"] is False
    assert capfd.readouterr().err.count("torch.compile failed") == 1
    plain = make_job("plain")
    Trainer(plain).run()
    assert losses(plain.folder) == losses(job.folder)


def test_seconds_joules_and_tokens_add_up_over_sessions(make_job) -> None:
    with pytest.raises(KeyboardInterrupt):
        Trainer(make_job(objective=StopsAt(9))).run()
    lines = meters.MetricsLog.lines(make_job().folder)
    at_checkpoint = next(line for line in lines if line["kind"] == "train" and line["step"] == 8)
    summary = Trainer(make_job()).run()
    assert summary["seconds"] > at_checkpoint["seconds"] > 0
    assert summary["joules"] == pytest.approx(10.0 * summary["seconds"], rel=0.2)
    assert summary["tokens"] == 12 * ROWS * CONTEXT
    assert summary["energy_source"] == "given: 10 W"
