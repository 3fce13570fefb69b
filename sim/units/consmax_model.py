"""The golden models of the ConSmax units on their streams, and the coverage of what they are given.

Constants have no reset: until a head is loaded, with ``consmax/split`` all entries of all tables,
results are undefined. From then on every beat on ``cfg`` changes what it says for the scores
accepted in the same cycle and later, and a reset keeps it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.consmax import ConSmaxConfig, ConSmaxResult
from consilico.golden.attention.consmax_base2 import (
    QUARTERS,
    Base2Config,
    Base2Constants,
    consmax_base2,
)
from consilico.golden.attention.consmax_log2 import Log2Config, Log2Constants, consmax_log2
from consilico.golden.attention.consmax_paper import PaperConfig, consmax_paper
from consilico.golden.attention.consmax_split import SplitConfig, SplitConstants, consmax_split
from consilico.golden.bfloat16 import to_fixed
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.products import NEAR, in_every_lane

__all__ = [
    "base2_golden",
    "base2_hits",
    "bf16_results",
    "log2_golden",
    "log2_hits",
    "paper_golden",
    "split_golden",
    "split_hits",
]

_PART = 1 << 14  # beats that are looked up at once: every one has tables of its own


def base2_golden(config: Base2Config, accepted: Accepted) -> GoldenResults:
    """Return the results of ``consmax/base2``."""
    import torch

    loaded = {name: torch.from_numpy(part) for name, part in accepted.in_force.items()}
    constants = Base2Constants(
        exponent=loaded["exponent"][:, None], mantissa=loaded["mantissa"], carry=loaded["carry"]
    )
    return _results(accepted, lambda score, mask: consmax_base2(score, mask, constants, config))


def log2_golden(config: Log2Config, accepted: Accepted) -> GoldenResults:
    """Return the results of ``consmax/log2``."""
    import torch

    k, b = (torch.from_numpy(accepted.in_force[name])[:, None] for name in ("k", "b"))
    return _results(
        accepted, lambda score, mask: consmax_log2(score, mask, Log2Constants(k=k, b=b), config)
    )


def split_golden(config: SplitConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``consmax/split``.

    Raises:
        ValueError: If a beat of data comes before all entries of all tables were loaded.
    """
    import torch

    tables = _tables(accepted, 2 * config.table_sets)
    wide = np.zeros(accepted.beats, dtype=bool)
    if config.table_sets == 2:
        wide = accepted.in_force["wide"] == 1

    def computed(score: Any, mask: Any) -> ConSmaxResult:
        parts = []
        for part in _parts(accepted.beats):
            contents = torch.from_numpy(tables[accepted.loads_before[part]])
            constants = SplitConstants(
                tables=contents.transpose(0, 1), wide=torch.from_numpy(wide[part])[:, None]
            )
            parts.append(consmax_split(score[part], mask[part], constants, config))
        return ConSmaxResult(*(torch.cat(each) for each in zip(*parts, strict=True)))

    return _results(accepted, computed)


def _parts(beats: int) -> Iterator[slice]:
    for first in range(0, max(1, beats), _PART):
        yield slice(first, first + _PART)


def _tables(accepted: Accepted, count: int) -> NDArray[np.int64]:
    """Return all tables after each beat of configuration, shape ``(loads + 1, count, 16)``.

    Raises:
        ValueError: If a beat of data comes before all entries of all tables were loaded.
    """
    loads = accepted.loads
    entry = loads["table"] * 16 + loads["nibble"]
    # the beat that wrote each entry last, counted from 1; 0: none has
    written = np.zeros((len(entry) + 1, 16 * count), dtype=np.int64)
    known = entry < 16 * count
    written[1:][known, entry[known]] = np.flatnonzero(known) + 1
    np.maximum.accumulate(written, axis=0, out=written)
    if accepted.beats and not written[accepted.loads_before[0]].all():
        raise ValueError("a beat of data comes before all entries of the tables were loaded")
    return np.append(0, loads["value"])[written].reshape(-1, count, 16)


def paper_golden(config: PaperConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``consmax/paper``: 8 fraction bits, no flags."""
    import torch

    tables = torch.from_numpy(_tables(accepted, 2)[accepted.loads_before]).transpose(0, 1)
    score = torch.from_numpy(accepted.data["payload"])[:, None]
    bits = consmax_paper(score, SplitConstants(tables=tables, wide=False))
    return GoldenResults(beats={"payload": to_fixed(bits, 8, 8).bits[:, 0].numpy()})


def _results(accepted: Accepted, computed: Callable[[Any, Any], ConSmaxResult]) -> GoldenResults:
    import torch

    score, mask = (torch.from_numpy(accepted.data[name]) for name in ("score", "mask"))
    result = computed(score, mask == 1)
    return GoldenResults(beats={name: part.numpy() for name, part in result._asdict().items()})


def bf16_results(config: ConSmaxConfig) -> tuple[str, ...]:
    """Return the fields of a unit's streams that hold bf16 numbers."""
    return ("o.data",) if config.output == "bf16" else ()


def _score_hits(
    config: ConSmaxConfig, accepted: Accepted, results: GoldenResults
) -> dict[str, int]:
    """Return how often scores, masks and flags hit the coverage points of a ConSmax unit."""
    least = -1 << config.score_width - 1
    score, mask = accepted.data["score"], accepted.data["mask"] == 1
    points: dict[str, NDArray[Any]] = {
        "masked": mask,
        "all_masked": mask.all(axis=1),
        "unmasked": ~mask,
        "zero_score": score == 0,
        "least_score": score == least,
        "greatest_score": score == -least - 1,
    }
    for flag in ("underflow", "overflow"):
        raised = results.beats[flag]
        points[flag] = raised
        points[f"{flag}_then_none"] = raised[:-1] & ~raised[1:]
    points["both_flags"] = results.beats["underflow"] & results.beats["overflow"]
    return {name: int(hit.sum()) for name, hit in points.items()}


def base2_hits(config: Base2Config, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return the hits of the coverage points of ``consmax/base2``."""
    score, loaded = accepted.data["score"], accepted.in_force
    quarter, beat = score & QUARTERS - 1, np.arange(accepted.beats)[:, None]
    number = loaded["mantissa"][beat, quarter] * QUARTERS + quarter
    carry = np.pad(loaded["carry"], ((0, 0), (1, 0)))[beat, quarter]
    exponent = (loaded["exponent"][:, None] + (score >> 2) + carry).clip(0, 255)
    return (
        _score_hits(config, accepted, results)
        | _hidden(base2_golden, config, accepted, results)
        | _rounded_too_large(base2_golden, config, accepted)
        | {
            "every_mantissa": in_every_lane(number, QUARTERS << 7),
            "every_exponent": in_every_lane(exponent, 1 << 8),
        }
    )


def log2_hits(config: Log2Config, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return the hits of the coverage points of ``consmax/log2``."""
    k, b = (accepted.in_force[name][:, None] for name in ("k", "b"))
    exponent = (accepted.data["score"] * k >> config.k_fraction - config.fraction) + b
    address = exponent >> config.fraction - config.address & (1 << config.address) - 1
    product = accepted.data["score"] * k
    unit = 1 << config.k_fraction - config.address
    rest = product + (b << config.k_fraction - config.fraction) & unit - 1
    decides = (rest < NEAR) | (rest >= unit - NEAR)
    return (
        _score_hits(config, accepted, results)
        | _hidden(log2_golden, config, accepted, results)
        | _rounded_too_large(log2_golden, config, accepted)
        | {
            "every_address": in_every_lane(address, 1 << config.address),
            "product_decides": int(decides.sum(axis=0).min(initial=len(decides))),
        }
    )


def split_hits(config: SplitConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return the hits of the coverage points of ``consmax/split``."""
    sets = config.table_sets
    entries = _tables(accepted, 2 * sets).reshape(-1, sets, 2, 16)
    mantissa = entries & 127
    beat, lane = accepted.loads_before[:, None], np.arange(config.lanes) % sets
    score = accepted.data["score"]
    lower = mantissa[beat, lane, 0, score & 15]
    product = (lower | 128) * (mantissa[beat, lane, 1, score >> 4 & 15] | 128)
    pair = lower << 7 | mantissa[beat, lane, 1, score >> 4 & 15]
    # which exponents of a single bit were looked up, in which table and entry
    seen = np.zeros((2, 16, 256), dtype=bool)
    nibbles = score & 15, score >> 4 & 15
    for table, nibble in enumerate(nibbles):
        seen[table, nibble, entries[beat, lane, table, nibble] >> 7 & 255] = True
    # entries of 0 whose exponent alone would not say so, as the other one is great
    exponent = [entries[beat, lane, table, nibbles[table]] >> 7 for table in range(2)]
    zeros = [(exponent[table] == 0) & (exponent[1 - table] > 128) for table in range(2)]
    # rounded to 8 significant bits
    half = np.where(product >> 15 == 1, 128, 64)
    rest = product & 2 * half - 1
    points = {
        "tie_to_even": (rest == half) & (product & 2 * half == 0),
        "tie_to_odd": (rest == half) & (product & 2 * half != 0),
        "above_tie": rest == half + 1,
        "below_tie": rest == half - 1,
    }
    return (
        _score_hits(config, accepted, results)
        | _hidden(split_golden, config, accepted, results)
        | _rounded_too_large(split_golden, config, accepted)
        | {name: int(hit.sum()) for name, hit in points.items()}
        | {
            "every_product": in_every_lane(pair, 1 << 14),
            "every_exponent_bit": int(seen[:, :, 1 << np.arange(8)].all()),
            "zero_times_great": int(all(zero.any(axis=0).all() for zero in zeros)),
        }
    )


def _hidden(
    golden: Callable[[Any, Accepted], GoldenResults],
    config: Any,
    accepted: Accepted,
    results: GoldenResults,
) -> dict[str, int]:
    """Return the beats of which only masked lanes would raise a flag, which must then be 0."""
    unmasked = accepted.with_data({"mask": 1 - accepted.data["mask"]})
    others = golden(config, unmasked).beats
    return {
        f"masked_{flag}": int((others[flag] & ~results.beats[flag]).sum())
        for flag in ("underflow", "overflow")
    }


def _rounded_too_large(
    golden: Callable[[Any, Accepted], GoldenResults], config: Any, accepted: Accepted
) -> dict[str, int]:
    """Return the fixed-point results that only their rounding makes too large for their bits."""
    if config.output != "fixed":
        return {}
    product = golden(replace(config, output="bf16"), accepted).beats["data"]
    exact = np.ldexp((product & 127 | 128) * 1.0, (product >> 7) - 134 + config.fixed_fraction)
    limit = 1 << config.fixed_width
    hit = (exact < limit) & (np.floor(exact + 0.5) >= limit)
    return {"rounded_too_large": int(hit.sum())}
