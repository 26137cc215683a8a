"""Greedy tokens per second: ganita's sampler against transformers' `generate` on the same random weights.

No calculator and no end token, so both make the same number of tokens. Usage: python benchmarks/generate.py [rounds]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from harness import report, take_turns

from ganita.model.config import num_parameters, resolve
from ganita.model.decoder import Decoder, KVCache
from ganita.model.huggingface import to_huggingface
from ganita.recipe import Model

SHAPE = Model(layers=6, width=320, heads=5, hidden=896, context_length=512)
VOCABULARY, PROMPT, NEW = 8192, 32, 64


def ganita_decode(model: Decoder, prompts: torch.Tensor) -> Callable[[], float]:
    """Return a function that decodes greedily over our KV cache and returns tokens per second."""

    @torch.inference_mode()
    def once() -> float:
        start = time.perf_counter()
        cache = KVCache(model.config, len(prompts), PROMPT + NEW)
        tokens = model.next_logits(prompts, cache).argmax(-1, keepdim=True)
        for _ in range(NEW - 1):
            tokens = model.next_logits(tokens, cache).argmax(-1, keepdim=True)
        return len(prompts) * NEW / (time.perf_counter() - start)

    once()
    return once


def huggingface_decode(ours: Decoder, prompts: torch.Tensor) -> Callable[[], float]:
    """Return the same for transformers' `generate`, on the same weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(**to_huggingface(ours.config, torch.float32))).eval()
    model.load_state_dict(ours.state_dict(), strict=False)  # the tied output layer has no weights of its own

    @torch.inference_mode()
    def once() -> float:
        start = time.perf_counter()
        out = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            pad_token_id=0,
        )
        assert out.shape[1] == PROMPT + NEW
        return len(prompts) * NEW / (time.perf_counter() - start)

    once()
    return once


def main() -> None:
    """Measure, print and write the results for batches of 1, 16 and 64."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    config = resolve(SHAPE, VOCABULARY)
    torch.manual_seed(0)
    model = Decoder(config).eval()
    for batch in (1, 16, 64):
        prompts = torch.randint(10, VOCABULARY, (batch, PROMPT))
        figures = take_turns(
            {
                "transformers generate, float32": huggingface_decode(model, prompts),
                "ganita, float32": ganita_decode(model, prompts),
            },
            rounds,
        )
        report(
            f"generate_batch{batch}",
            "tokens/s in all",
            figures,
            "transformers generate, float32",
            parameters=num_parameters(config),
            prompt_tokens=PROMPT,
            new_tokens=NEW,
            threads=torch.get_num_threads(),
        )


if __name__ == "__main__":
    main()
