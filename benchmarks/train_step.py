"""Tokens per second of one training step: ganita's loop against Hugging Face's Llama, same shape, batch and machine.

Both do forward, backward, clipping and AdamW on the same random tokens. Usage: python benchmarks/train_step.py [rounds]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from harness import report, take_turns

from ganita.model.config import ModelConfig, flops_per_token, num_parameters, resolve
from ganita.model.decoder import Decoder
from ganita.model.huggingface import to_huggingface
from ganita.progress import Reporter
from ganita.recipe import Model, Train
from ganita.train.calibrate import RandomRows
from ganita.train.loop import Job, Trainer
from ganita.train.placement import choose

SHAPE = Model(layers=6, width=320, heads=5, hidden=896, context_length=512)
VOCABULARY, TOKENS, MICRO_ROWS = 8192, 4096, 8


def ganita_step(config: ModelConfig, precision: str, compile_: str, folder: Path) -> Callable[[], float]:
    """Return a function that makes one step of our loop and returns tokens per second."""
    train = Train(steps=1000, batch_tokens=TOKENS, precision=precision, compile=compile_)  # type: ignore[arg-type]
    torch.manual_seed(0)
    source = RandomRows(VOCABULARY, MICRO_ROWS, SHAPE.context_length)
    flops = float(flops_per_token(config, SHAPE.context_length).paper)
    reporter = Reporter(quiet=True)
    place = choose(train, 1e18, reporter)
    trainer = Trainer(
        Job(Decoder(config), source, train, 1000, folder, place, MICRO_ROWS, flops, reporter, tensorboard=False)
    )
    trainer.train_step(source.rows(0))  # compiles, allocates
    return lambda: timed(lambda: trainer.train_step(source.rows(trainer.step)))


def huggingface_step(config: ModelConfig, dtype: torch.dtype | None) -> Callable[[], float]:
    """Return the same for transformers' LlamaForCausalLM, in float32 or under bfloat16 autocast."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**to_huggingface(config, torch.float32)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    source = RandomRows(VOCABULARY, MICRO_ROWS, SHAPE.context_length)
    step = 0

    def once() -> None:
        nonlocal step
        batch = source.rows(step)
        step += 1
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            logits = model(batch.tokens).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    once()
    return lambda: timed(once)


def timed(step: Callable[[], object]) -> float:
    """Return the tokens per second of one call."""
    start = time.perf_counter()
    step()
    return TOKENS / (time.perf_counter() - start)


def main() -> None:
    """Measure, print and write the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    config = resolve(SHAPE, VOCABULARY)
    with tempfile.TemporaryDirectory() as folder:
        contestants = {
            "transformers Llama, float32": huggingface_step(config, None),
            "transformers Llama, bfloat16 autocast": huggingface_step(config, torch.bfloat16),
            "ganita, float32 eager": ganita_step(config, "float32", "off", Path(folder)),
            "ganita, bfloat16 eager": ganita_step(config, "bfloat16", "off", Path(folder)),
            "ganita, bfloat16 compiled": ganita_step(config, "bfloat16", "on", Path(folder)),
        }
        figures = take_turns(contestants, rounds)
    report(
        "train_step",
        "tokens/s",
        figures,
        "transformers Llama, float32",
        parameters=num_parameters(config),
        context_length=SHAPE.context_length,
        tokens_per_step=TOKENS,
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
