"""ConSmax for training, and the constants its hardware needs (arXiv 2402.10930)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from consilico.golden.attention.config import ConSmaxConfig

__all__ = ["ConSmax", "HeadConstants", "OverflowRange", "head_constants", "overflow_range"]


class ConSmax(nn.Module):
    """``exp(score - beta) / gamma`` with beta and gamma learned per head.

    No maximum and no sum over the row: every score is normalised on its own. The exponential is
    computed in fp32 whatever the type of the scores, and saturates at the greatest finite number
    of that type instead of becoming infinite.

    Args:
        heads: Attention heads.
        beta_range: Initial beta is uniform in this range (the paper: [0.5, 2.5]).
        gamma: Initial gamma (the paper: 100).

    Source: ConSmax, section III, equations 1 and 2.
    """

    def __init__(
        self, heads: int, beta_range: tuple[float, float] = (0.5, 2.5), gamma: float = 100.0
    ) -> None:
        super().__init__()
        if heads < 1:
            raise ValueError(f"heads must be positive, not {heads}")
        if gamma <= 0:
            raise ValueError(f"gamma must be positive, not {gamma}")
        self.beta = nn.Parameter(torch.empty(heads).uniform_(*beta_range))
        self.gamma = nn.Parameter(torch.full((heads,), gamma))

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise scores.

        Args:
            scores: Shape ``(..., heads, queries, keys)``, fp32 or bf16.
            mask: Bool, broadcastable to ``scores``; True gives exactly 0, whatever the score.

        Returns:
            Same shape and type as ``scores``.
        """
        beta, gamma = self.beta.float()[:, None, None], self.gamma.float()[:, None, None]
        wide = scores.float()
        if mask is not None:  # before exp: a masked infinity must not reach the gradient
            wide = wide.masked_fill(mask, -math.inf)
        ceiling = math.log(torch.finfo(scores.dtype).max) * (1 - 2**-20)
        exponent = (wide - beta).clamp(max=ceiling)
        limit = torch.finfo(scores.dtype).max
        return (exponent.exp() / gamma).clamp(-limit, limit).to(scores.dtype)


@dataclass(frozen=True, kw_only=True)
class HeadConstants:
    """What the hardware of one head computes: ``exp(log_c + scale * code)``."""

    scale: float  # natural units a code: score = scale * code
    log_c: float  # ln C = -beta - ln gamma


def head_constants(module: ConSmax, scale: Tensor) -> list[HeadConstants]:
    """Merge a trained module into one constant a head, ``C = exp(-beta) / gamma``.

    The paper's equation 3 prints ``-exp(beta) / gamma`` and leaves out the score scale.

    Args:
        module: A trained module.
        scale: Score scale per head, shape ``(heads,)``, positive.

    Raises:
        ValueError: If a scale or a gamma is not positive and finite.
    """
    heads = len(module.beta)
    if scale.shape != (heads,):
        raise ValueError(f"scale must have shape ({heads},), not {tuple(scale.shape)}")
    constants = []
    for head in range(heads):
        beta, gamma = float(module.beta[head].item()), float(module.gamma[head].item())
        step = float(scale[head].item())
        for name, value in (("scale", step), ("gamma", gamma)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} of head {head} must be positive and finite, not {value}")
        constants.append(HeadConstants(scale=step, log_c=-beta - math.log(gamma)))
    return constants


@dataclass(frozen=True, kw_only=True)
class OverflowRange:
    """From which score on the result saturates."""

    score: float  # natural units; scores above it saturate
    code: int | None  # least signed code that saturates, None where no code does


def overflow_range(constants: HeadConstants, config: ConSmaxConfig) -> OverflowRange:
    """Scores of a head whose exact result exceeds the greatest representable result.

    Args:
        constants: The head's constants.
        config: The unit; its output form and score width decide.
    """
    if config.output == "bf16":
        log_greatest = math.log(2 - 2**-7) + 127 * math.log(2)
    else:
        log_greatest = math.log((1 << config.fixed_width) - 1) - config.fixed_fraction * math.log(2)
    score = log_greatest - constants.log_c
    code = math.floor(score / constants.scale) + 1
    last = (1 << (config.score_width - 1)) - 1
    return OverflowRange(score=score, code=max(code, -last - 1) if code <= last else None)
