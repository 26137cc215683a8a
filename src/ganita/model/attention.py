"""Causal attention within documents, by the kernel that is quickest where it runs.

One function, `attention`, and one description of who may see whom, made once per forward pass by `attention_mask`.
`F.scaled_dot_product_attention` with a boolean mask is the definition; the other ways are tested against it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

Mask = Tensor | BlockMask | None
"""None: causal. Boolean (B or 1, 1, T, S): True where query t may see key s. BlockMask: the same for FlexAttention."""

# Query rows per matrix product on CPU. With the keys cut off at the tile's last row, tiles skip half of the work.
TILE = 128
# Tiles keep T^2 / 2 probabilities per head for the backward pass, SDPA none; measured ahead (2.6x) up to this length.
LONGEST_TILED = 1024
# FlexAttention skips whole blocks of this many positions, its kernels' native size.
FLEX_BLOCK = 128


def attention_mask(documents: Tensor | None, *, flex: bool = False) -> Mask:
    """Describe causal attention within documents.

    Args:
        documents: document number of each token (B, T), -1 for padding (which then only sees padding); None: one each.
        flex: return a `BlockMask` for CUDA, where blocks outside a document are not computed at all.
    """
    if documents is None:
        return None
    rows, length = documents.shape
    if flex:

        def visible(b: Tensor, _h: Tensor, t: Tensor, s: Tensor) -> Tensor:
            return (s <= t) & (documents[b, t] == documents[b, s])

        return create_block_mask(visible, rows, None, length, length, documents.device, FLEX_BLOCK)
    causal = torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    return ((documents[:, :, None] == documents[:, None, :]) & causal)[:, None]  # (B, 1, T, T)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """Attend from each query to the keys that `mask` allows.

    Args:
        q: (B, H, T, head width).
        k: (B, H_kv, S, head width); H is a multiple of H_kv (grouped-query attention, arXiv 2305.13245).
        v: like k.
        mask: see `Mask`; every query must see at least one key.

    Returns:
        (B, H, T, head width)
    """
    grouped = q.shape[1] != k.shape[1]
    if isinstance(mask, BlockMask):
        return flex_attention(q, k, v, block_mask=mask, enable_gqa=grouped)
    # SDPA's CPU kernel gains nothing from bf16: tiles are 2-2.6x quicker there (AVX-512), no better in float32.
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and k.shape[2] <= LONGEST_TILED:
        return tiled_attention(q, k, v, mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped)


def tiled_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, tile: int = TILE) -> Tensor:
    """Attend by plain matrix products, `tile` queries at a time; queries and keys are the same T tokens."""
    if q.shape[1] != k.shape[1]:
        k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        v = v.repeat_interleave(q.shape[1] // v.shape[1], dim=1)
    length = q.shape[2]
    if mask is None:
        mask = torch.ones(length, length, dtype=torch.bool, device=q.device).tril()[None, None]
    q = q * q.shape[-1] ** -0.5
    outputs = []
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        scores = q[:, :, start:stop] @ k[:, :, :stop].transpose(-1, -2)  # (B, H, tile, stop)
        scores = torch.where(mask[:, :, start:stop, :stop], scores.float(), -torch.inf)
        outputs.append(scores.softmax(-1).to(v.dtype) @ v[:, :, :stop])
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
