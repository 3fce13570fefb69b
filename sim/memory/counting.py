"""The quantities that rules for counting memory are made of: exact integers, no arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from consilico.sim.memory.architecture import Architecture

__all__ = ["Case", "Memory", "Rule"]


class Memory(NamedTuple):
    """Bytes of each kind."""

    weights: int = 0
    gradients: int = 0
    states: int = 0
    activations: int = 0


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a row of a table is about. Counts are of elements."""

    model: Architecture
    rank: int = 0
    percent: int = 0  # of heads and widths, or of weights, that are pruned
    nominal: int = 0  # parameters as the paper rounds them; 0: it does not

    def _matrices(self, rank: int, side: Callable[[int, int], int]) -> int:
        """Sum, over the matrices of the blocks, of rank times the side given."""
        return sum(
            min(rank, p.rows, p.columns) * side(p.rows, p.columns) * p.count
            for p in self.model.parameters()
            if p.role in ("attention", "mlp")
        )

    @property
    def total(self) -> int:
        """All parameters."""
        return self.model.parameter_count

    @property
    def original(self) -> int:
        """All parameters, rounded where the paper rounds them."""
        return self.nominal or self.total

    @property
    def blocks(self) -> int:
        """The matrices of all blocks."""
        return self.model.block_matrix_parameters * self.model.layers

    @property
    def rest(self) -> int:
        """Embeddings, output layer, norms and biases."""
        return self.total - self.blocks

    @property
    def factors(self) -> int:
        """Two factors of each matrix of the blocks: r (m + n)."""
        return self._matrices(self.rank, lambda m, n: m + n)

    @property
    def low_rank(self) -> int:
        """Factors, and both embeddings in full: GaLore's "low-rank parameters"."""
        return self.factors + 2 * self.model.vocab * self.model.hidden

    @property
    def moment(self) -> int:
        """Projected gradients of the matrices of the blocks: r times the longer side."""
        return self._matrices(self.rank, max)

    @property
    def basis(self) -> int:
        """Their projections: r times the shorter side."""
        return self._matrices(self.rank, min)

    @property
    def kept(self) -> int:
        """Parameters left by structured pruning as LoRAM does it (arXiv 2502.13533).

        The first 4 and the last 2 blocks stay whole, as in LLM-Pruner; of the others'
        groups of heads (one for each key head) and MLP channels the given part is cut, rounded
        down. Embeddings, output layer and norms stay.
        """
        a = self.model
        groups = a.kv_heads * self.percent // 100
        heads = 2 * a.hidden * a.head_dim * groups * (a.heads // a.kv_heads + 1)
        channels = 3 * a.hidden * (a.intermediate * self.percent // 100)
        return self.total - (a.layers - 6) * (heads + channels)


Rule = Callable[[Case], Memory]
"""Counts the memory of a case."""
