"""muP: learning rates tuned on a narrow model hold for a wide one (Yang et al. 2022, arXiv 2203.03466).

The maximal update parametrisation usually comes with multipliers in the forward pass: logits divided by the width,
attention scores scaled by 1 / head width. Here there are none. A constant in front of a tensor can as well be moved
into its initial values and its learning rate: Adam and Muon take steps that do not depend on the size of a gradient
(Yang and Hu 2021, arXiv 2011.14522, on this symmetry of "abc-parametrisations"). So a muP model is an ordinary Llama or
Qwen3 at every moment of its training: checkpoints, export, cache and kernels know nothing of it, and it costs no time.

Two things do see the difference. Adam's epsilon is one, of little weight. Clipping is the other: the gain of the final
norm has a gradient m times larger than in the usual form, and so a larger part in the global norm (measured on tiny
models: up to 5 % of its square at m = 4, 38 % at m = 16, in the first steps).

No torch here: a plan shows these factors before anything heavy is imported.
"""

from __future__ import annotations

from typing import NamedTuple

from ganita.model.config import ModelConfig


class Scaling(NamedTuple):
    """What muP multiplies for one class of tensors. All are 1 at the base width and without muP."""

    init: float = 1.0  # the standard deviation of the initial values; of a norm, its gain
    adamw: float = 1.0  # AdamW's learning rate
    muon: float = 1.0  # Muon's learning rate


def width_multiplier(config: ModelConfig) -> float:
    """Return m: how many times wider than the base model, at which the learning rates were tuned."""
    return config.width / config.mup_base_width if config.mup_base_width else 1.0


def attention_multiplier(config: ModelConfig) -> float:
    """Return a: attention scores are scaled by a / sqrt(head width).

    muP wants 1 / head width (Yang et al., definition 4.1), and at the base nothing may change: the scale is
    sqrt(base head width) / head width. Wider models usually have more heads of one width, and then a is 1.
    """
    if not (config.mup_base_width and config.mup_base_head_width):
        return 1.0
    return float((config.mup_base_head_width / config.head_width) ** 0.5)


def scalings(config: ModelConfig) -> dict[str, Scaling]:
    """Return the factors of every class of tensors, by the name of the module that holds the tensor.

    With m = `width_multiplier` and a = `attention_multiplier` (in q_norm where there is one, else in q_proj):

    | tensors | initial values | AdamW | Muon | what the usual form does |
    |---|---|---|---|---|
    | embed_tokens, lm_head | init_std | 1 | | the same |
    | q_proj | init_std a / sqrt(m) | a / m | a | queries times a |
    | k_proj, v_proj, gate_proj, up_proj | init_std / sqrt(m) | 1 / m | 1 | the same |
    | o_proj, down_proj | init_std / sqrt(2 layers m) | 1 / m | 1 | the same |
    | q_norm | a | a | | queries times a |
    | norm (the final one) | 1 / m | 1 / m | | logits times 1 / m |
    | other norms | 1 | 1 | | the same |

    That is table 8 of Yang et al., the form that suits tied embeddings: input and output matrix have one variance and
    one learning rate, whatever the width. Hidden widths and the numbers of heads must grow with the width, roughly
    (all fan-ins are taken to be m times the base's); depth, batch and number of steps should stay (section 6 there).

    init_std counts at the base width. The usual 0.02 is that of models about 1,000 wide; for a base of 64 the same
    gain is 0.64 / sqrt(64) = 0.08, and with 0.02 the wide model inherits a narrow one's blocks that hardly speak.

    Muon: a step's spectral norm must go as sqrt(fan-out / fan-in) (Yang, Simon and Bernstein 2023, arXiv 2310.17813),
    and an orthogonalised update of `torch.optim.Muon` with adjust_lr_fn = "original" does so at every width. With
    "match_rms_adamw" it would grow with sqrt(width), so that one is not used.

    Weight decay: the shrinkage per step, learning rate times weight decay, stays that of the base ("independent";
    Wang and Aitchison 2024, arXiv 2405.13698; Kosson et al. 2025, arXiv 2510.19093, find that transfer over long
    runs hangs on it). `train.optimizers` divides the weight decay by the factor of the learning rate.
    """
    m, a = width_multiplier(config), attention_multiplier(config)
    matrix = Scaling(init=m**-0.5, adamw=1 / m)
    query = Scaling(init=a, adamw=a, muon=a)
    plain = Scaling()
    table = dict.fromkeys(("k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), matrix)
    table |= dict.fromkeys(("embed_tokens", "lm_head", "input_layernorm", "post_attention_layernorm", "k_norm"), plain)
    table["norm"] = Scaling(init=1 / m, adamw=1 / m)
    # A norm after the projection would undo a factor in the projection.
    table["q_proj"] = matrix if config.qk_norm else Scaling(*(x * y for x, y in zip(matrix, query, strict=True)))
    table["q_norm"] = query
    return table
