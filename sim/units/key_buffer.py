"""Catalogue entry of ``attention/key_buffer``, which transposes keys on their way to an array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.key_buffer import KeyBufferConfig, transposed
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item
from consilico.sim.units.contract import Contract, PerBeat
from consilico.sim.units.stimulus import Kind, Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Codes = NDArray[np.int64]
_COVERAGE = (
    "full_block",
    "short_block",
    "lone_key",
    "last_of_full_block",
    "every_code",
    "reset_in_block",
    "reset_in_results",
)


def _hardware() -> Any:
    from consilico.hw.attention import key_buffer as hardware

    return hardware


def _places(config: KeyBufferConfig, accepted: Accepted) -> tuple[Codes, NDArray[np.bool_]]:
    """Return the place of each key in its block, and whether it ends that block, ``(beats,)``."""
    places, ends = np.zeros(accepted.beats, np.int64), np.zeros(accepted.beats, np.bool_)
    place = 0
    for beat, (first, last) in enumerate(
        zip((accepted.place == 0).tolist(), accepted.data["last"].tolist(), strict=True)
    ):
        place = 0 if first else place
        places[beat], ends[beat] = place, last or place == config.columns - 1
        place = 0 if ends[beat] else place + 1
    return places, ends


def _golden(config: KeyBufferConfig, accepted: Accepted) -> GoldenResults:
    """Return the beats of the blocks that are complete; a reset drops one that is not."""
    import torch

    places, ends = _places(config, accepted)
    keys = torch.from_numpy(accepted.data["key"])
    blocks = [
        transposed(keys[end - places[end] : end + 1], config).numpy()
        for end in np.flatnonzero(ends).tolist()
    ]
    empty = np.zeros((0, config.columns), np.int64)
    return GoldenResults(
        beats={"payload": np.concatenate([empty, *blocks])}, completes=ends * config.head_dim
    )


def _hits(config: KeyBufferConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return how often blocks and keys hit coverage points."""
    places, ends = _places(config, accepted)
    last, greatest = accepted.data["last"] == 1, config.columns - 1
    codes = accepted.data["key"] + 128
    cells = (places[:, None] * config.head_dim + np.arange(config.head_dim)) * 256 + codes
    every = 256 * config.head_dim * config.columns
    return {
        "full_block": int((ends & (places == greatest)).sum()),
        "short_block": int((ends & (places > 0) & (places < greatest)).sum()),
        "lone_key": int((ends & (places == 0)).sum()),
        "last_of_full_block": int((last & (places == greatest)).sum()),
        "every_code": int(len(np.unique(cells)) == every),
    }


def _exempt(config: KeyBufferConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    if config.columns == 2:
        return {"short_block": "a block of two keys is full or has a lone key"}
    return {}


def _item_cycles(config: KeyBufferConfig, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles of items: a key waits while both banks are full.

    A bank is read from the cycle after its last key on, or when the other one has been read; it
    takes keys again in the cycle after its last beat.
    """
    cycles = one_cycle_per_item(config, accepted)
    places, ends = _places(config, accepted)
    read = [-1, -1]  # last cycles in which the two blocks before were read
    now, beat = -1, 0
    for item, kind in enumerate(accepted.kind.tolist()):
        if kind != Kind.DATA:
            now, read = now + 1, [-1, -1]
            continue
        taken = max(now + 1, read[0] + 1) if places[beat] == 0 else now + 1
        cycles[item] = taken - now
        now = taken
        if ends[beat]:
            read = [read[1], max(now, read[1]) + config.head_dim]
        beat += 1
    return cycles


def _lasts(rng: np.random.Generator, config: KeyBufferConfig, sizes: list[int]) -> Codes:
    """Return ``last`` of each key of blocks of these sizes; of full ones half have it."""
    last = np.zeros(sum(sizes), np.int64)
    for end, size in zip(np.cumsum(sizes) - 1, sizes, strict=True):
        last[end] = size < config.columns or rng.random() < 0.5
    return last


def _vectors(config: KeyBufferConfig, seed: int) -> Stimulus:
    """Drive every code in every element of every place, blocks of all sizes, and resets."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    columns, depth = config.columns, config.head_dim

    def drive(keys: Codes, last: Codes) -> None:
        builder.data({"key": keys, "last": last}, results=keys.size)

    codes = np.stack(  # a column of 256 beats for every element, in places one after another
        [rng.permutation(256) - 128 for _ in range(depth)], axis=1
    )
    shifted = [np.roll(codes, place, axis=0) for place in range(columns)]
    whole = np.stack(shifted, axis=1).reshape(-1, depth)  # (256 blocks, columns) in one list
    drive(whole, np.zeros(len(whole), np.int64))
    for size in (1, 2, columns - 1, columns):
        sizes = [size] * 5
        drive(rng.integers(-128, 128, (sum(sizes), depth)), _lasts(rng, config, sizes))
    for index in range(12):
        sizes = rng.integers(1, columns + 1, 6).tolist()
        keys = rng.integers(-128, 128, (sum(sizes), depth))
        drive(keys, _lasts(rng, config, sizes))
        if index % 2:  # within a block, which is begun in addition
            begun = int(rng.integers(1, columns))
            drive(rng.integers(-128, 128, (begun, depth)), np.zeros(begun, np.int64))
            builder.coverage["reset_in_block"] += 1
        else:
            builder.coverage["reset_in_results"] += 1
        builder.reset()
    drive(rng.integers(-128, 128, (columns, depth)), np.zeros(columns, np.int64))
    return builder.build()


def _traffic(config: KeyBufferConfig, beats: int) -> Stimulus:
    """Return keys of rounded normal elements, in full blocks."""
    rng = np.random.default_rng(1)
    builder = UNITS[0].builder(config)
    keys = np.clip(np.rint(rng.normal(0, 32, (beats, config.head_dim))), -128, 127)
    builder.data(
        {"key": keys.astype(np.int64), "last": np.zeros(beats, np.int64)}, results=keys.size
    )
    return builder.build()


def _contract(config: KeyBufferConfig) -> Contract:
    """Return what its streams promise: the last key of a block completes all of its beats."""
    bits = (config.columns - 1).bit_length()
    ends = f"(i_last || place == {config.columns - 1})"
    words = [f"word{word}" for word in range(config.columns)]
    writes = ["capture"] if config.storage == "latch" else words
    return Contract(
        completes=f"{ends} ? {config.head_dim} : 0",
        closes=ends,
        state=f"reg [{bits - 1}:0] place;\n"
        "always @(posedge clk) if (rst) place <= 0;\n"
        f"else if (take) place <= {ends} ? 0 : place + 1;",
        most_due=2 * config.head_dim,
        beat_clocks={"delivers_clk": PerBeat(ticks=config.head_dim)}
        | {f"bank{bank}.{domain}_clk": PerBeat() for bank in range(2) for domain in writes},
    )


UNITS = (
    Unit(
        name="attention/key_buffer",
        summary="Keys one after another to one element of many keys per beat",
        config=KeyBufferConfig,
        component=lambda config: _hardware().KeyBuffer(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        item_cycles=_item_cycles,
        coverage=_COVERAGE,
        exempt=_exempt,
        latency=lambda config: _hardware().latency(config),
        contract=_contract,
        operation="element",
        operations_per_beat=lambda config: config.head_dim,
        operations_per_result=lambda config, source: 1,
        sources={"normal": _traffic},
    ),
)
