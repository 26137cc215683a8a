"""The learning rate as a share of its peak: pure functions of the step, so that a resumed run needs no state.

Steps count from 0. Both schedules warm up linearly over the first steps, reaching the peak at the last
of them, and come down so that `final` would be reached by the first step after the run: no step is
spent at a learning rate of zero.
"""

from __future__ import annotations

import math

from ganita.recipe import Train


def factor(step: int, num_steps: int, train: Train) -> float:
    """Return the share of the peak learning rate that `train` prescribes for `step` of `num_steps`."""
    if train.schedule == "wsd":
        return warmup_stable_decay(step, num_steps, train.warmup, train.decay, train.final_learning_rate)
    return cosine(step, num_steps, train.warmup, train.final_learning_rate)


def warmup_stable_decay(step: int, num_steps: int, warmup: float, decay: float, final: float) -> float:
    """Linear warmup, a plateau, linear decay (Hu et al. 2024, MiniCPM, arXiv 2404.06395, section 4.2).

    `warmup` and `decay` are shares of `num_steps`; where they overlap the lower of the two holds.
    """
    num_decay = round(decay * num_steps)
    left = (num_steps - step) / num_decay if num_decay else 1.0
    return min(_warm(step, num_steps, warmup), final + (1 - final) * min(1.0, left))


def cosine(step: int, num_steps: int, warmup: float, final: float) -> float:
    """Linear warmup, then half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts)."""
    num_warm = round(warmup * num_steps)
    if step < num_warm:
        return _warm(step, num_steps, warmup)
    progress = (step - num_warm) / max(1, num_steps - num_warm)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _warm(step: int, num_steps: int, warmup: float) -> float:
    num_warm = round(warmup * num_steps)
    return (step + 1) / num_warm if step < num_warm else 1.0
