"""Configuration of the projection unit, shared by model, generator and report."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer
from consilico.golden.matmul.group_config import HEADROOM, SUM
from consilico.golden.matmul.systolic_config import SystolicConfig

__all__ = ["ProjectConfig"]


@dataclass(frozen=True, kw_only=True)
class _Array(SystolicConfig):
    w: str = choice("int5", ("int5",), "differences of a code and its zero point")


@dataclass(frozen=True, kw_only=True)
class ProjectConfig(Config):
    """INT4 projection matrices in groups, times INT8 gradients, and back (Q-GaLore).

    One result after the other is scaled, while the next group is summed up: a beat a cycle where
    a group has at least ``cycles`` beats, which groups of half the greatest length have.
    """

    rows: int = integer(4, 2, 16, "gradient vectors of a tile")
    columns: int = integer(4, 1, 16, "projection vectors of a tile")
    group: int = integer(256, 16, 4096, "greatest number of beats of a group")

    @property
    def array(self) -> SystolicConfig:
        """The array of cells, which keep the sums of a group."""
        return _Array(
            rows=self.rows,
            columns=self.columns,
            dataflow="output_stationary",
            depth=self.group,
        )

    @property
    def multiplier_width(self) -> int:
        """Bits of a scale's magnitude as an integer, in units of the shared exponent."""
        return 8 + HEADROOM

    @property
    def slots(self) -> int:
        """Cycles that a result is scaled in: as many as keep up with groups of half the length."""
        return next((n for n in (16, 8, 4, 2) if self._cycles(n) <= self.group // 2), 1)

    @property
    def slice_width(self) -> int:
        """Bits of a group's sum scaled in a cycle."""
        return SUM // self.slots

    @property
    def results(self) -> int:
        """Results of a tile."""
        return self.rows * self.columns

    @property
    def cycles(self) -> int:
        """Cycles between the last beats of two groups, at least."""
        return self._cycles(self.slots)

    @property
    def scales_slowly(self) -> bool:
        """Whether scaling one result takes longer than a group's last beat takes to get there."""
        return self.slots + 1 > self._passage

    @property
    def _passage(self) -> int:
        """Cycles from the last beat of a group to the first one in which a result is scaled."""
        return self.rows + self.columns + 3

    def _cycles(self, slots: int) -> int:
        return max(self._passage, slots + 1) + (self.results - 1) * (slots + 1)
