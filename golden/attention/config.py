"""Configurations of the ConSmax units (arXiv 2402.10930), shared by model, generator and report."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer

__all__ = ["BF16_ONE", "ConSmaxConfig", "Log2Config", "PaperConfig", "SplitConfig"]

BF16_ONE = 127  # exponent bias of bf16


@dataclass(frozen=True, kw_only=True)
class ConSmaxConfig(Config):
    """What the ConSmax architectures share: lanes and the form of the result."""

    lanes: int = integer(1, 1, 256, "results a cycle")
    output: str = choice("bf16", ("bf16", "fixed"), "form of a result")
    fixed_width: int = integer(16, 2, 24, "bits of a fixed-point result, unsigned")
    fixed_fraction: int = integer(16, 0, 40, "fraction bits of a fixed-point result")

    @property
    def score_width(self) -> int:
        """Bits of a score, signed."""
        return 8

    @property
    def result_width(self) -> int:
        """Bits of one result. A bf16 result is never negative, and keeps its sign bit (0)."""
        return 16 if self.output == "bf16" else self.fixed_width


@dataclass(frozen=True, kw_only=True)
class Log2Config(ConSmaxConfig):
    """``2 ** (k * s + b)`` by one multiply-add and a fraction table.

    ``k`` is unsigned with ``k_fraction`` fraction bits and lies in [0, 1); ``b`` is unsigned
    with 7 integer and ``fraction`` fraction bits and stands for ``b + 63``.
    """

    k_fraction: int = integer(17, 10, 20, "fraction bits of k")
    fraction: int = integer(11, 6, 20, "fraction bits kept of k * s, and of b")
    address: int = integer(8, 5, 10, "fraction bits that address the table")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.address <= self.fraction <= self.k_fraction:
            raise ValueError(
                f"fraction must be in [address, k_fraction] = [{self.address}, {self.k_fraction}]"
                f", not {self.fraction}"
            )

    @property
    def k_width(self) -> int:
        """Bits of ``k``."""
        return self.k_fraction

    @property
    def b_width(self) -> int:
        """Bits of ``b``."""
        return 7 + self.fraction


@dataclass(frozen=True, kw_only=True)
class SplitConfig(ConSmaxConfig):
    """The paper's bit-width-split unit: a product of table entries, one table a nibble.

    With ``scores="int16"`` lanes come in pairs with tables of their own. At run time a beat holds
    either an INT8 score a lane or, in wide mode, one INT16 score a pair.
    """

    scores: str = choice("int8", ("int8", "int16"), "widest score; int16 joins pairs of lanes")
    storage: str = choice("latch", ("flop", "latch"), "storage of the tables")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scores == "int16" and self.lanes % 2:
            raise ValueError(f"lanes must be even with scores=int16, not {self.lanes}")

    @property
    def table_sets(self) -> int:
        """Pairs of 16-entry tables: one shared by all lanes, or one each for odd and even lanes."""
        return 2 if self.scores == "int16" else 1


@dataclass(frozen=True, kw_only=True)
class PaperConfig(Config):
    """The paper's unit built straight: nothing to choose. Reference only."""
