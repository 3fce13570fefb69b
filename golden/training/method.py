"""Describe which parts of AdamW, GaLore and Q-GaLore training are kept in few bits."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer
from consilico.golden.training.affine import FLOAT_BITS, AffineConfig

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True, kw_only=True)
class Method(Config):
    """Parameters of a training method.

    The defaults of the low-rank part are those of Q-GaLore (arXiv 2407.08296, section 4).
    ``variant="published"`` does the arithmetic of galore-torch 1.0 where states have 32 bits, and
    of q-galore-torch 1.0 on bitsandbytes where they have 8. ``docs/qgalore.md`` lists what differs.
    """

    states: int = choice(32, (8, 32), "bits of Adam's states; 8 is block-wise")
    states_block: int = integer(
        2048, 1, 1 << 20, "8-bit states that share a scale; bitsandbytes has 256 since 2024"
    )
    rank: int = integer(0, 0, 1 << 16, "rank of a projected gradient; 0: no projection")
    gap: int = integer(200, 1, 1 << 20, "updates between two renewals of a subspace, at first")
    projection: int = choice(32, (4, 32), "bits of a projection matrix")
    lazy: bool = choice(
        False, (False, True), "double a layer's gap when its subspace hardly changes"
    )
    queue: int = integer(5, 1, 64, "successive similar subspaces that this takes")
    weights: int = choice(32, (8, 32), "bits of the weights of linear layers")
    random_bits: int = integer(
        FLOAT_BITS,
        0,
        FLOAT_BITS,
        "random bits to round an INT8 weight stochastically; 0: to nearest",
    )
    group: int = integer(256, 2, 65536, "elements per group of INT8 weights and INT4 projections")
    zero_point: str = choice(
        "free", ("free", "clamped"), "how code 0 is placed, as in AffineConfig"
    )
    variant: str = choice(
        "consilico", ("consilico", "published"), "whose arithmetic; published: code 0 is clamped"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank == 0 and (self.lazy or self.projection != 32):
            raise ValueError("rank must be positive with lazy=True or projection=4, not 0")
        AffineConfig(group=self.group)  # refuses an odd group

    @property
    def published(self) -> bool:
        """Return whether to compute as the authors' code does."""
        return self.variant == "published"

    @property
    def weight_format(self) -> AffineConfig:
        """Return the format of INT8 weights."""
        return self._format(8)

    @property
    def projection_format(self) -> AffineConfig:
        """Return the format of INT4 projection matrices."""
        return self._format(4)

    def _format(self, bits: int) -> AffineConfig:
        zero_point = "clamped" if self.published else self.zero_point
        return AffineConfig(bits=bits, group=self.group, zero_point=zero_point)


METHODS = {
    "adamw": Method(),
    "adamw8bit": Method(states=8),
    "galore": Method(rank=128),
    "galore8bit": Method(rank=128, states=8),
    "qgalore": Method(rank=128, states=8, projection=4, lazy=True, weights=8),
}
"""The methods that are compared, each with the rank and gap that the papers start from."""
