"""Configurations of the training units (Q-GaLore, arXiv 2407.08296), shared by all rooms."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer

__all__ = [
    "DequantizeConfig",
    "QuantizeConfig",
    "RandomConfig",
    "StochasticRoundConfig",
    "WeightUpdateConfig",
]

# 16 lanes: a lane of 4 random bits has 16 words of which any two are independent


@dataclass(frozen=True, kw_only=True)
class RandomConfig(Config):
    """What units with random bits share: one generator for all lanes."""

    lanes: int = integer(8, 1, 16, "results a cycle")
    random_bits: int = integer(8, 4, 16, "random bits a result")


@dataclass(frozen=True, kw_only=True)
class StochasticRoundConfig(RandomConfig):
    """Fixed point with ``fraction`` bits to integers, rounded up with the fraction's probability.

    The fraction is taken to the nearest multiple of ``2 ** -random_bits``.
    """

    width: int = integer(26, 6, 48, "bits of a value, signed")
    fraction: int = integer(16, 4, 32, "fraction bits of a value, which rounding drops")
    result_width: int = integer(8, 2, 12, "bits of a result, signed; beyond, it saturates")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.random_bits > self.fraction:
            raise ValueError(
                f"random_bits must be at most fraction = {self.fraction}, not {self.random_bits}"
            )
        if not self.result_width < self.width - self.fraction:
            raise ValueError(
                f"result_width must be below width - fraction = {self.width - self.fraction}, "
                f"so that there is something to saturate, not {self.result_width}"
            )


@dataclass(frozen=True, kw_only=True)
class WeightUpdateConfig(RandomConfig):
    """INT8 weight codes plus bf16 updates times a bf16 factor, rounded stochastically."""


@dataclass(frozen=True, kw_only=True)
class _StateConfig(Config):
    lanes: int = integer(8, 1, 64, "states a cycle")
    code: str = choice("signed", ("signed", "unsigned"), "code book: first or second moment")

    @property
    def signed(self) -> bool:
        """Whether the code book has negative values."""
        return self.code == "signed"


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(_StateConfig):
    """bf16 states to 8-bit codes of the dynamic code book."""


@dataclass(frozen=True, kw_only=True)
class DequantizeConfig(_StateConfig):
    """8-bit codes of the dynamic code book to bf16 states."""
