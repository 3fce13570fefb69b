"""Train with ConSmax, and extract the constants that its hardware needs (arXiv 2402.10930)."""

import math

import torch
from torch import Tensor, nn

from consilico.golden.attention.consmax import HeadConstants

__all__ = ["ConSmax", "head_constants"]


class ConSmax(nn.Module):
    """``exp(score - beta) / gamma`` with beta and gamma learned per head.

    No maximum and no sum over the row: every score is normalized on its own. The exponential is
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
        """Normalize scores.

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
