"""Counting without a ledger: the quantities of a case, and straightforward counts of methods.

The rules by which papers count are in ``conventions.py``. A straightforward count, printed next to
a paper's own figure, counts every parameter once; the embedding and the output layer have full
states where the method trains them, projections are states, and quantized data carry their
constants. As in the papers' tables there are no activations, so these are no peaks either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from consilico.sim.memory.architecture import Architecture, Attention, Mlp

__all__ = ["STRAIGHT_COUNTS", "CountedBytes", "PublishedTraining", "Rule"]


class CountedBytes(NamedTuple):
    """Bytes of weights, gradients, optimizer states and activations, as a paper counts them."""

    weights: int = 0
    gradients: int = 0
    states: int = 0
    activations: int = 0


@dataclass(frozen=True, kw_only=True)
class PublishedTraining:
    """Training that one row of a published table is about; counts are of elements."""

    model: Architecture
    rank: int = 0
    percent: int = 0  # of heads and widths, or of weights, that are pruned
    nominal: int = 0  # parameters as the paper rounds them; 0: it does not

    def _matrices(self, rank: int, side: Callable[[int, int], int]) -> int:
        """Return the sum, over the matrices of the blocks, of rank times the given side."""
        return sum(
            min(rank, p.rows, p.columns) * side(p.rows, p.columns) * p.count
            for p in self.model.parameters()
            if p.role in ("attention", "mlp")
        )

    @property
    def total(self) -> int:
        """Return the number of all parameters."""
        return self.model.parameter_count

    @property
    def original(self) -> int:
        """Return the number of all parameters, rounded where the paper rounds it."""
        return self.nominal or self.total

    @property
    def blocks(self) -> int:
        """Return the number of parameters in the matrices of all blocks."""
        return self.model.matrix_parameters

    @property
    def rest(self) -> int:
        """Return the number of parameters in embeddings, output layer, norms and biases."""
        return self.total - self.blocks

    @property
    def factors(self) -> int:
        """Return the elements of two factors of each matrix of the blocks: r (m + n)."""
        return self._matrices(self.rank, lambda m, n: m + n)

    @property
    def low_rank(self) -> int:
        """Return the factors and both embeddings in full: GaLore's "low-rank parameters"."""
        return self.factors + 2 * self.model.vocab * self.model.hidden

    @property
    def moment(self) -> int:
        """Return the elements of the blocks' projected gradients: r times the longer side."""
        return self._matrices(self.rank, max)

    @property
    def basis(self) -> int:
        """Return the elements of the blocks' projections: r times the shorter side."""
        return self._matrices(self.rank, min)

    @property
    def kept(self) -> int:
        """Return the number of parameters left by structured pruning (LoRAM, arXiv 2502.13533).

        The first 4 and the last 2 blocks stay whole, as in LLM-Pruner; of the others' groups of
        heads (one for each key head) and MLP channels the given part is cut, rounded down.
        Embeddings, output layer and norms stay.
        """
        model, attention, mlp = self.model, self.model.block.attention, self.model.block.mlp
        if not (isinstance(attention, Attention) and isinstance(mlp, Mlp)):
            raise TypeError(f"{model.name} has blocks that the paper does not prune")
        groups = attention.kv_heads * self.percent // 100
        shared = attention.heads // attention.kv_heads
        heads = 2 * model.hidden * attention.head_dim * groups * (shared + 1)
        channels = 3 * model.hidden * (mlp.intermediate * self.percent // 100)
        return self.total - (model.layers - 6) * (heads + channels)


Rule = Callable[[PublishedTraining], CountedBytes]
"""Counts the memory of a case."""

_STATE_GROUP = 2048  # elements of an 8-bit state that share a float32 scale (bitsandbytes < 0.44)


def adam(c: PublishedTraining) -> CountedBytes:
    """Each parameter once: 2 bytes, 2 of gradient, 4 of states."""
    return CountedBytes(2 * c.total, 2 * c.total, 4 * c.total)


def adam_8bit(c: PublishedTraining) -> CountedBytes:
    """Each parameter once: 2 bytes, 2 of gradient, 2 of states and their scales."""
    return CountedBytes(2 * c.total, 2 * c.total, 2 * c.total + 8 * c.total // _STATE_GROUP)


def galore(c: PublishedTraining) -> CountedBytes:
    """Two moments of the longer side, the projection; full states outside the blocks."""
    return CountedBytes(2 * c.total, 2 * c.total, 4 * c.moment + 2 * c.basis + 4 * c.rest)


def galore_8bit(c: PublishedTraining) -> CountedBytes:
    """8-bit moments with scales, bfloat16 projections; one gradient at a time."""
    moments = 2 * (c.moment + c.rest)
    largest = max(p.elements for p in c.model.parameters())
    states = moments + 4 * moments // _STATE_GROUP + 2 * c.basis
    return CountedBytes(2 * c.total, 2 * largest, states)


def low_rank(c: PublishedTraining) -> CountedBytes:
    """Factors instead of the blocks' matrices; embeddings and norms once, trained."""
    trained = c.factors + c.rest
    return CountedBytes(2 * trained, 2 * trained, 4 * trained)


def lora(c: PublishedTraining) -> CountedBytes:
    """Factors next to the frozen matrices; embeddings and norms once, trained."""
    trained = c.factors + c.rest
    return CountedBytes(2 * (c.total + c.factors), 2 * trained, 4 * trained)


def adapters(c: PublishedTraining) -> CountedBytes:
    """All parameters frozen once, 16-bit factors with 16-bit states."""
    return CountedBytes(2 * (c.total + c.factors), 2 * c.factors, 4 * c.factors)


def factors_only(c: PublishedTraining) -> CountedBytes:
    """The factors alone, without the embeddings."""
    return CountedBytes(c.factors)


def _eight_bit_weights(c: PublishedTraining, group: int) -> int:
    """Return the bytes of 8-bit block matrices with 16-bit constants, and of the rest."""
    return c.blocks + 4 * c.blocks // group + 2 * c.rest


def q_lora(c: PublishedTraining) -> CountedBytes:
    """8-bit matrices in the blocks only, with constants; 16-bit factors and states."""
    return CountedBytes(_eight_bit_weights(c, 256) + 2 * c.factors, 2 * c.factors, 4 * c.factors)


def q_galore(c: PublishedTraining) -> CountedBytes:
    """8-bit matrices in the blocks only; 8-bit moments, 4-bit projections, all with constants."""
    moments = 2 * (c.moment + c.rest)
    states = moments + 4 * moments // _STATE_GROUP + c.basis // 2 + 4 * c.basis // 256
    return CountedBytes(_eight_bit_weights(c, 256), 0, states)


def apollo(c: PublishedTraining) -> CountedBytes:
    """Two moments of the longer side, projections from seeds; full states outside the blocks."""
    return CountedBytes(2 * c.total, 2 * c.total, 4 * c.moment + 4 * c.rest)


def q_apollo(c: PublishedTraining) -> CountedBytes:
    """``apollo`` with 8-bit matrices in the blocks only, groups of 128 with constants."""
    return apollo(c)._replace(weights=_eight_bit_weights(c, 128))


def pruned_dense(c: PublishedTraining) -> CountedBytes:
    """Stored densely, as it is where no sparse kernel is used: zeros take 2 bytes too."""
    return CountedBytes(2 * c.total)


def pruned_2_4(c: PublishedTraining) -> CountedBytes:
    """2:4 sparse: half of the blocks' matrices, and 2 bits of index for each kept element."""
    return CountedBytes(2 * c.rest + c.blocks + c.blocks // 8)


def pruned_nf4(c: PublishedTraining) -> CountedBytes:
    """NF4 with double quantization (4.127 bits) in the blocks; the rest stays 16-bit."""
    return CountedBytes((c.kept - c.rest) * 4127 // 8000 + 2 * c.rest)


STRAIGHT_COUNTS: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        adam, adam_8bit, galore, galore_8bit, low_rank, lora, adapters, factors_only, q_lora,
        q_galore, apollo, q_apollo, pruned_dense, pruned_2_4, pruned_nf4,
    )
}  # fmt: skip
"""The counts by name; the first line of a count's docstring is the note printed next to it."""
