"""Train with ConSmax, and extract the constants that its hardware needs (arXiv 2402.10930)."""

import math

import torch
from torch import Tensor, nn

from consilico.golden.attention.consmax import HeadConstants

__all__ = ["ConSmax", "head_constants"]


class ConSmax(nn.Module):
    """Attention normalizer ``exp(score - beta) / gamma`` with beta and gamma learned per head.

    It needs neither a maximum nor a sum over the row: every score is normalized by itself. The
    exponential is computed in float32 whatever the type of the scores, and saturates at the
    greatest finite number of that type instead of becoming infinite.

    Args:
        heads: Number of attention heads.
        beta_range: Range of the uniform distribution of the initial beta (the paper: [0.5, 2.5]).
        gamma: Initial gamma of every head (the paper: 100).

    Raises:
        ValueError: If ``heads`` or ``gamma`` is not positive.

    Source: ConSmax, arXiv 2402.10930, section III, equations 1 and 2.
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
        """Normalize attention scores with the learned constants of each head.

        Args:
            scores: Shape ``(..., heads, queries, keys)``, float32 or bf16.
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
    """Merge the parameters of a trained module into ``C = exp(-beta) / gamma`` for each head.

    The paper's equation 3 prints ``-exp(beta) / gamma`` and leaves out the score scale.

    Args:
        module: A trained module.
        scale: Score that one integer code stands for, per head; shape ``(heads,)``, positive.

    Raises:
        ValueError: If the shape of ``scale`` is wrong, or a scale or a gamma is not positive and
            finite.
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
