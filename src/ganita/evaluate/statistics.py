"""How far a measured accuracy can be trusted."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054  # the 97.5 % quantile of the standard normal


def wilson_interval(num_right: int, num_items: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, as (low, high) in [0, 1]; (0, 1) without items.

    Unlike the normal approximation it keeps its coverage near 0 and 1 and for small samples.
    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22;
    recommended by Brown, Cai and DasGupta (2001), Statistical Science 16(2), section 3.1.1.
    """
    if not 0 <= num_right <= num_items:
        raise ValueError(f"{num_right} right out of {num_items} is not a proportion")
    if num_items == 0:
        return 0.0, 1.0
    share, spread = num_right / num_items, z * z / num_items
    centre = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / num_items + spread / (4 * num_items))
    # At 0 and n rounding leaves 1e-17 where the formula gives exactly 0 or 1.
    low = 0.0 if num_right == 0 else (centre - half) / (1 + spread)
    high = 1.0 if num_right == num_items else (centre + half) / (1 + spread)
    return low, high
