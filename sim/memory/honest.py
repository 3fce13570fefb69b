"""What the same methods hold, counted straight: the figure to print beside a paper's own.

Every parameter is counted once, the embedding and the output layer are trained with full states
where the method trains them, projections are states, quantised data carry their constants. As in
the papers' tables there are no activations, so these are no peaks either.
"""

from consilico.sim.memory.counting import Case, Memory, Rule

__all__ = ["HONEST"]

_STATE_GROUP = 2048  # elements of an 8-bit state that share a float32 scale (bitsandbytes < 0.44)


def adam(c: Case) -> Memory:
    """Each parameter once: 2 bytes, 2 of gradient, 4 of states."""
    return Memory(2 * c.total, 2 * c.total, 4 * c.total)


def adam_8bit(c: Case) -> Memory:
    """Each parameter once: 2 bytes, 2 of gradient, 2 of states and their scales."""
    return Memory(2 * c.total, 2 * c.total, 2 * c.total + 8 * c.total // _STATE_GROUP)


def galore(c: Case) -> Memory:
    """Two moments of the longer side, the projection; full states outside the blocks."""
    return Memory(2 * c.total, 2 * c.total, 4 * c.moment + 2 * c.basis + 4 * c.rest)


def galore_8bit(c: Case) -> Memory:
    """8-bit moments with scales, bfloat16 projections; one gradient at a time."""
    moments = 2 * (c.moment + c.rest)
    largest = max(p.elements for p in c.model.parameters())
    states = moments + 4 * moments // _STATE_GROUP + 2 * c.basis
    return Memory(2 * c.total, 2 * largest, states)


def low_rank(c: Case) -> Memory:
    """Factors instead of the blocks' matrices; embeddings and norms once, trained."""
    trained = c.factors + c.rest
    return Memory(2 * trained, 2 * trained, 4 * trained)


def lora(c: Case) -> Memory:
    """Factors beside the frozen matrices; embeddings and norms once, trained."""
    trained = c.factors + c.rest
    return Memory(2 * (c.total + c.factors), 2 * trained, 4 * trained)


def adapters(c: Case) -> Memory:
    """All parameters frozen once, 16-bit factors with 16-bit states."""
    return Memory(2 * (c.total + c.factors), 2 * c.factors, 4 * c.factors)


def factors_only(c: Case) -> Memory:
    """The factors alone, without the embeddings."""
    return Memory(c.factors)


def _eight_bit_weights(c: Case, group: int) -> int:
    """8-bit matrices in the blocks with 16-bit scale and zero point; the rest 16-bit."""
    return c.blocks + 4 * c.blocks // group + 2 * c.rest


def q_lora(c: Case) -> Memory:
    """8-bit matrices in the blocks only, with constants; 16-bit factors and states."""
    return Memory(_eight_bit_weights(c, 256) + 2 * c.factors, 2 * c.factors, 4 * c.factors)


def q_galore(c: Case) -> Memory:
    """8-bit matrices in the blocks only; 8-bit moments, 4-bit projections, all with constants."""
    moments = 2 * (c.moment + c.rest)
    states = moments + 4 * moments // _STATE_GROUP + c.basis // 2 + 4 * c.basis // 256
    return Memory(_eight_bit_weights(c, 256), 0, states)


def apollo(c: Case) -> Memory:
    """Two moments of the longer side, projections from seeds; full states outside the blocks."""
    return Memory(2 * c.total, 2 * c.total, 4 * c.moment + 4 * c.rest)


def q_apollo(c: Case) -> Memory:
    """``apollo`` with 8-bit matrices in the blocks only, groups of 128 with constants."""
    return apollo(c)._replace(weights=_eight_bit_weights(c, 128))


def pruned_dense(c: Case) -> Memory:
    """Stored densely, as it is where no sparse kernel is used: zeros take 2 bytes too."""
    return Memory(2 * c.total)


def pruned_2_4(c: Case) -> Memory:
    """2:4 sparse: half of the blocks' matrices, and 2 bits of index for each kept element."""
    return Memory(2 * c.rest + c.blocks + c.blocks // 8)


def pruned_nf4(c: Case) -> Memory:
    """NF4 with double quantisation (4.127 bits) in the blocks; the rest stays 16-bit."""
    return Memory((c.kept - c.rest) * 4127 // 8000 + 2 * c.rest)


HONEST: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        adam, adam_8bit, galore, galore_8bit, low_rank, lora, adapters, factors_only, q_lora,
        q_galore, apollo, q_apollo, pruned_dense, pruned_2_4, pruned_nf4,
    )
}  # fmt: skip
"""The counts by name; the first line of a count's docstring is the note beside it."""
