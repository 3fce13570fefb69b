"""Counting rules of the papers whose memory figures we reproduce, each under its own name.

A rule takes a :class:`PublishedTraining` and gives the bytes of weights, gradients and states as
the paper counts them, quirks included. What a straightforward count gives is in ``counting.py``.
Where a paper does not spell out its rule, ours is the one, of those tried, that reproduces most of
its printed figures; its docstring then says "found".

Papers: LOMO (arXiv 2306.09782), LoRAM (2502.13533), GaLore (2403.03507v2), Q-GaLore (2407.08296v1),
APOLLO (2412.05270).
"""

from dataclasses import replace

from consilico.sim.memory.evidence.counting import CountedBytes, PublishedTraining, Rule

__all__ = ["CONVENTIONS", "galore_table_1"]


def galore_table_1(m: int, n: int, r: int) -> dict[str, tuple[int, int]]:
    """Return the elements of weights and of states for one m x n matrix, m <= n (GaLore, Table 1).

    GaLore holds the projection (m r) and two projected moments (2 n r); LoRA holds the matrix and
    its factors, and two moments of the factors.
    """
    return {
        "GaLore": (m * n, m * r + 2 * n * r),
        "LoRA": (m * n + m * r + n * r, 2 * m * r + 2 * n * r),
    }


def sixteen_bit(c: PublishedTraining) -> CountedBytes:
    """2 bytes per parameter, 2 bytes per gradient."""
    return CountedBytes(2 * c.total, 2 * c.total)


def adamw_mixed(c: PublishedTraining) -> CountedBytes:
    """Mixed precision: float32 master weights and two moments are the states, 12 bytes (LOMO)."""
    return CountedBytes(2 * c.total, 2 * c.total, 12 * c.total)


def sgd_mixed(c: PublishedTraining) -> CountedBytes:
    """Mixed precision: float32 master weights are the states, 4 bytes (LOMO)."""
    return CountedBytes(2 * c.total, 2 * c.total, 4 * c.total)


def lomo(c: PublishedTraining) -> CountedBytes:
    """Only the largest gradient, that of the embedding, lives at a time; no states (LOMO)."""
    return CountedBytes(2 * c.total, 2 * max(p.elements for p in c.model.parameters()))


def pruned_structured(c: PublishedTraining) -> CountedBytes:
    """2 bytes per parameter that structured pruning keeps (LoRAM)."""
    return CountedBytes(2 * c.kept)


def pruned_structured_4bit(c: PublishedTraining) -> CountedBytes:
    """Half a byte per parameter that structured pruning keeps; no constants (QLoRAM)."""
    return CountedBytes(c.kept // 2)


def pruned_elements(c: PublishedTraining) -> CountedBytes:
    """2 bytes per parameter not set to zero in the blocks' matrices; no indices (LoRAM)."""
    return CountedBytes(2 * (c.total - c.blocks * c.percent // 100))


def named_adam(c: PublishedTraining) -> CountedBytes:
    """2 bytes per parameter and 4 of states, of the size in the model's name (found; GaLore)."""
    return CountedBytes(2 * c.original, 2 * c.original, 4 * c.original)


def named_galore(c: PublishedTraining) -> CountedBytes:
    """States are 3/4 of LoRA's: (m r + 2 n r) / (2 m r + 2 n r) at m = n (found; GaLore).

    So both embeddings count at 3 bytes per element, and the longer side is not told from the
    shorter.
    """
    return CountedBytes(2 * c.original, 2 * c.original, 3 * c.low_rank)


def named_galore_half(c: PublishedTraining) -> CountedBytes:
    """GaLore's states at twice the rank, halved, embeddings and all (found; APOLLO, Table 2)."""
    whole = replace(c, rank=2 * c.rank)
    return CountedBytes(2 * c.original, 2 * c.original, 3 * whole.low_rank // 2)


def shared_low_rank(c: PublishedTraining) -> CountedBytes:
    """W = B A: factors and both embeddings, 2 bytes and 4 of states (GaLore, appendix C.2)."""
    return CountedBytes(2 * c.low_rank, 2 * c.low_rank, 4 * c.low_rank)


def doubled_lora(c: PublishedTraining) -> CountedBytes:
    """Original parameters and low-rank ones, so the embeddings twice (GaLore, appendix C.2)."""
    return CountedBytes(2 * (c.original + c.low_rank), 2 * c.low_rank, 4 * c.low_rank)


def low_rank_elements(c: PublishedTraining) -> CountedBytes:
    """The number of GaLore's "low-rank adaptors", embeddings among them (appendix C.2)."""
    return CountedBytes(c.low_rank)


def weights_only(c: PublishedTraining) -> CountedBytes:
    """2 bytes per parameter; no states or adapters (found; APOLLO-Mini, Q-GaLore's LoRA)."""
    return CountedBytes(2 * c.original)


def half_weights(c: PublishedTraining) -> CountedBytes:
    """1 byte per parameter, embeddings too; no states or adapters (found; Q-GaLore)."""
    return CountedBytes(c.original)


def half_weights_galore(c: PublishedTraining) -> CountedBytes:
    """GaLore's count less half the weights; its 16-bit states stay (found; Q-GaLore, Table 1)."""
    return CountedBytes(c.original, 0, 3 * c.low_rank)


def scaled_adam_8bit(c: PublishedTraining) -> CountedBytes:
    """8-bit Adam: 2 bytes per weight, 2 of states; no constants (found; GaLore, Table 3)."""
    return CountedBytes(2 * c.original, 2 * c.original, 2 * c.original)


def scaled_galore_8bit(c: PublishedTraining) -> CountedBytes:
    """3 r / 2 h of 8-bit Adam's states, h the hidden size: all matrices square (found)."""
    return CountedBytes(2 * c.original, 0, 3 * c.original * c.rank // c.model.hidden)


def scaled_galore(c: PublishedTraining) -> CountedBytes:
    """3 r / 2 h of Adam's states: the 62.5 % of GaLore's section 5.2 at r = h / 4 (found)."""
    return CountedBytes(2 * c.original, 0, 6 * c.original * c.rank // c.model.hidden)


def scaled_apollo(c: PublishedTraining) -> CountedBytes:
    """States r / h of Adam's: two moments, no projection (found; APOLLO, Tables 3 and 4)."""
    return CountedBytes(2 * c.original, 0, 4 * c.original * c.rank // c.model.hidden)


def round_7b(c: PublishedTraining) -> CountedBytes:
    """Adam for "7B": 14 GB, 42 GB of gradients and states, 2 GB of activations (GaLore)."""
    return CountedBytes(2 * 7 * 10**9, 2 * 7 * 10**9, 4 * 7 * 10**9, 2 * 10**9)


def profile_adam(c: PublishedTraining) -> CountedBytes:
    """Adam in bfloat16 with GaLore's own 2 GB of activations."""
    return CountedBytes(2 * c.total, 2 * c.total, 4 * c.total, 2 * 10**9)


def profile_adam_8bit(c: PublishedTraining) -> CountedBytes:
    """8-bit Adam with GaLore's own 2 GB of activations; no constants."""
    return CountedBytes(2 * c.total, 2 * c.total, 2 * c.total, 2 * 10**9)


def profile_galore_8bit(c: PublishedTraining) -> CountedBytes:
    """8-bit GaLore updated layer by layer: a byte per element of moments and projections (found).

    The other parameters have 8-bit moments in full; gradients are freed; 2 GB of activations.
    """
    return CountedBytes(2 * c.total, 0, 2 * c.moment + c.basis + 2 * c.rest, 2 * 10**9)


def float_lora(c: PublishedTraining) -> CountedBytes:
    """16-bit weights, float32 factors and two float32 moments of them (found; GaLore, Table 4)."""
    return CountedBytes(2 * c.total + 4 * c.factors, 4 * c.factors, 8 * c.factors)


def float_galore(c: PublishedTraining) -> CountedBytes:
    """16-bit weights, 3/2 r (m + n) float32 states of the blocks (found; GaLore, Table 4)."""
    return CountedBytes(2 * c.total, 0, 6 * c.factors)


def _eight_bit(c: PublishedTraining) -> int:
    """Return the bytes saved by 8-bit matrices in groups of 256 with float32 constants."""
    return c.blocks - c.blocks * 8 // 256


def float_q_lora(c: PublishedTraining) -> CountedBytes:
    """``float_lora`` with 8-bit matrices in the blocks (found; Q-GaLore, Table 4)."""
    memory = float_lora(c)
    return memory._replace(weights=memory.weights - _eight_bit(c))


def float_q_galore(c: PublishedTraining) -> CountedBytes:
    """``float_galore`` with 8-bit matrices, the projection as before (found; Q-GaLore, Table 4)."""
    memory = float_galore(c)
    return memory._replace(weights=memory.weights - _eight_bit(c))


CONVENTIONS: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        sixteen_bit, adamw_mixed, sgd_mixed, lomo, pruned_structured, pruned_structured_4bit,
        pruned_elements, named_adam, named_galore, named_galore_half, shared_low_rank,
        doubled_lora, low_rank_elements, weights_only, half_weights, half_weights_galore,
        scaled_adam_8bit, scaled_galore_8bit, scaled_galore, scaled_apollo, round_7b,
        profile_adam, profile_adam_8bit, profile_galore_8bit, float_lora, float_galore,
        float_q_lora, float_q_galore,
    )
}  # fmt: skip
"""The rules by name."""
