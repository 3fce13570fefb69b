"""Write the parts of README.md and docs/ that quote figures, from the data that they come from.

A document marks such a part with comments::

    <!-- from data: units -->
    ...
    <!-- end -->

``python scripts/documents.py`` (``make documents``) rewrites all parts in place. With ``--measure``
it first measures the headline configurations that ``docs/measured.json`` lacks, or has for other
Verilog than the tree's; each takes some minutes. ``tests/test_documents.py`` fails if a part is not
what its data give, or if a figure stands anywhere else.
"""

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as a file, Python looks next to it only
    sys.path.insert(0, str(ROOT))
from scripts import (  # noqa: E402
    accuracy_parts,
    claim_parts,
    comparison_parts,
    consmax_parts,
    dot_parts,
    estimate_parts,
    evidence,
    explore_parts,
    memory_parts,
    silicon_parts,
    system_parts,
    training_parts,
)
from scripts.document_text import MEASURED, TILE_AREA, TRIALS, paragraph, read_table, table  # noqa: E402

_PART = re.compile(r"(<!-- from data: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)

# Unit, settings, clock period in ns and traffic (None: the unit's default) of the measurements that
# documents quote in addition to those of the default configurations
# (sim/estimate/operators/calibration/nangate45.ladder.json).
HEADLINES: tuple[tuple[str, dict[str, Any], float, str | None], ...] = (
    ("matmul/dot", {"w": "int4"}, 2.0, None),
    ("matmul/dot", {"w": "uint4"}, 2.0, None),
    ("matmul/group_dot", {}, 2.0, None),
    ("matmul/group_dot", {"scale": "int8"}, 2.0, None),
    *(("training/stochastic_round", {"random_bits": bits}, 2.0, "normal") for bits in range(4, 17)),
)
_PAGES = {  # family of a unit, or the unit itself: the page that specifies it
    "attention": "consmax",
    "attention/key_buffer": "tile",
    "attention/tile": "tile",
    "base2_scores": "softmax",
    "consmax": "consmax",
    "ita": "softmax",
    "online_softmax": "softmax",
    "softermax": "softmax",
    "softmax": "softmax",
    "ibert": "softmax",
    "sole": "softmax",
    "matmul/requant": "requantization",
    "matmul/quantize": "requantization",
    "matmul/systolic": "systolic",
    "matmul": "dot",
    "training": "training",
}
_RESTS = (
    "attention/key_buffer",
    "attention/tile",
)  # units without formulas, most of whose registers rest
_KIT, _CORNER = "nangate45", "NanGate 45 nm, typical corner, 1.1 V"
_PERIOD_NS = 4.0  # of the clock that the energies of default configurations are given at
_GPU = "rtx4060ti-16gb"
_PUBLISHED_GB = 15.08  # Q-GaLore on LLaMA-7B, arXiv 2407.08296, by which its run is found


def documents() -> list[Path]:
    """Return the documents that a reader of the repository sees."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def rewritten(text: str) -> str:
    """Return a document with all of its parts made anew.

    Raises:
        KeyError: If a part has a name that is not in :data:`PARTS`.
    """
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]().strip()}\n{part[4]}", text)


def without_parts(text: str) -> str:
    """Return a document without its parts, that is, what people write themselves."""
    return _PART.sub("", text)


def command_part() -> str:
    """Return a command and what it prints."""
    words = "estimate matmul/dot --traffic normal"  # the same on every machine
    run = subprocess.run(
        [sys.executable, "-m", "consilico", *words.split()],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    lines = [line.rstrip() for line in run.stdout.strip("\n").split("\n")]
    return "\n".join(["```", f"$ consilico {words}", *lines, "```"])


def units_part() -> str:
    """Return the table of units with what was measured of their default configurations."""
    from consilico.sim.units.catalogue import own_units

    lines = ["| unit | what it does | area | longest path | energy |", "|---|---|---|---|---|"]
    found: dict[str, DefaultLayout] = {}
    for name, unit in own_units().items():
        row = default_layout(name)
        page = next(page for start, page in _PAGES.items() if name.startswith(start))
        if name in _PAGES:
            page = _PAGES[name]
        if row is None:
            lines.append(f"| [`{name}`](docs/{page}.md) | {unit.summary} | not measured | - | - |")
            continue
        found[name] = row
        sign = "" if row.measured else "≈ "
        lines.append(
            f"| [`{name}`](docs/{page}.md) | {unit.summary} | {sign}{row.area_um2:,.0f} um² "
            f"| {sign}{row.path_ns:.2f} ns | {sign}{row.energy_pj:.2f} pJ per {unit.operation} |"
        )
    dates = sorted({row.date for row in found.values() if row.measured})
    conditions = (
        f"{_CORNER}; default configurations, mapped for area and laid out, with wires, clock tree "
        f"and glitches; energy at {1000 / _PERIOD_NS:g} MHz for random operands. Measured on "
        f"{' and '.join(dates)}"
    )
    if not all(row.measured for row in found.values()):
        conditions += "; ≈: estimated ([docs/estimate.md](docs/estimate.md))"
    other = [f"`{name}`" for name, row in found.items() if not row.current]
    changed = f"; since then the Verilog of {', '.join(other)} has changed" if other else ""
    return "\n".join([*lines, "", f"{conditions}{changed}."])


@dataclass(frozen=True, kw_only=True)
class DefaultLayout:
    """Cost of a unit's default configuration on the layout, with random operands."""

    area_um2: float  # of the cells
    path_ns: float
    energy_pj: float  # per operation, leakage included
    measured: bool  # else estimated
    current: bool  # whether with the Verilog of this tree
    date: str  # ISO 8601


@cache
def default_layout(name: str) -> DefaultLayout | None:
    """Return what a unit's default configuration costs on the layout.

    Returns:
        None where it was not laid out and would not be estimated well: an estimate takes every
        word of a row buffer, and every weight that an array keeps, for one that toggles with every
        score.
    """
    from consilico.sim.comparison.table import measured_rows
    from consilico.sim.estimate.nodes.measure import random_source, units_to_measure
    from consilico.sim.estimate.operators.estimate import estimate
    from consilico.sim.estimate.operators.ladder_table import read_ladder

    ladder = read_ladder(_KIT)
    assert ladder is not None
    for row in ladder.rows:
        if (row.unit, row.purpose) == (name, "default"):
            found = row.at_layout
            leaked_pj = found.leakage_w * _PERIOD_NS * 1e3 * row.cycles / row.operations
            return DefaultLayout(
                area_um2=found.area_um2,
                path_ns=found.path_ns,
                energy_pj=found.energy_beat_pj * row.beats / row.operations + leaked_pj,
                measured=True,
                current=_is_current(row),
                date=row.date,
            )
    (unit,) = (unit for unit in units_to_measure() if unit.name == name)
    config = unit.config()
    for each in measured_rows().rows:
        under = each.conditions
        if (under.pdk, under.clock_ns, under.traffic, under.rung) != (
            _KIT, _PERIOD_NS, "normal", "layout",
        ) or (each.unit, each.config) != (name, config.to_json()):  # fmt: skip
            continue
        if each.found.buffer in (None, config.to_json().get("buffer")):
            return DefaultLayout(
                area_um2=each.found.total_um2.value,
                path_ns=each.found.path_ns,
                energy_pj=each.found.energy_pj_score.value,
                measured=True,
                current=_is_current(each),
                date=each.date,
            )
    if "buffer" in config.to_json() or name in _RESTS:
        return None
    guess = estimate(unit, config, _KIT, random_source(unit), rung="layout")
    slower_ns = guess.clock_ns - _PERIOD_NS  # leakage of a cycle, less that of a cycle of ours
    leaked_pj = guess.leakage_w.value * slower_ns * 1e3 / unit.operations_per_beat(config)
    return DefaultLayout(
        area_um2=guess.area_um2.value,
        path_ns=guess.path_ns.value,
        energy_pj=guess.energy_per_operation_pj.value - leaked_pj,
        measured=False,
        current=not guess.calibration.other_verilog,
        date=guess.calibration.date,
    )


def consmax_part() -> str:
    """Return the comparison of the ConSmax units with the paper's."""
    names = ("consmax/paper", "consmax/split", "consmax/log2")
    rows = {name: row for name in names if (row := default_layout(name)) is not None}
    errors = consmax_errors()
    cells = {
        "greatest relative error": [f"{100 * errors[name]:.2f} %" for name in names],
        "area of one lane": [f"{rows[name].area_um2:,.0f} um²" for name in names],
        "longest path": [f"{rows[name].path_ns:.2f} ns" for name in names],
        "energy per result": [f"{rows[name].energy_pj:.2f} pJ" for name in names],
    }
    lines = ["| | the paper's unit, built literally | `consmax/split` | `consmax/log2` |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    heads = f"Conditions as above; errors over all 256 codes of {len(_settings())} heads."
    return "\n".join([*lines, "", heads])


def consmax_trials_part() -> str:
    """Return the table of designs of the ConSmax units that were compared on the layout."""
    return table(
        ["unit", "design", "energy per result", "area", "longest path"],
        (
            [
                f"`{row['unit']}`", row["design"], f"{row['energy_pj']:.3f} pJ",
                f"{row['area_um2']:,.0f} µm²", f"{row['path_ns']:.2f} ns",
            ]
            for row in read_table(TRIALS)["rows"]
        ),
    )  # fmt: skip


def consmax_accuracy_part() -> str:
    """Return what is said of the accuracy of ``consmax/split``."""
    from consilico.reports.consmax.certificates import guaranteed_split, worst_split_error

    plain, balanced = (100 * split_error(balanced=way) for way in (False, True))
    found, found_wide = (100 * worst_split_error(wide=wide) for wide in (False, True))
    bound, wide = (  # rounded up, as bounds are
        math.ceil(1e4 * guaranteed_split(wide=wide).max_relative_error) / 100
        for wide in (False, True)
    )
    return paragraph(
        f"""The host takes the best of the 16 factors `2^(i/16)`. Over {len(_settings())} heads this
        lowers the greatest relative error from {plain:.2f} % to {balanced:.2f} % at no cost in
        hardware. That is no bound: the worst head found in a search errs by {found:.2f} %. What
        holds for **every** head is that two entries and their product, each rounded to 8 bits, err
        by at most {bound:.2f} % together. With INT16 scores four entries and three products are
        rounded: at most {wide:.2f} %; the worst head found errs by {found_wide:.2f} %."""
    )


def quarter_bits_part() -> str:
    """Return what scores in quarters of a bit do to the attention of a model."""
    found = json.loads((ROOT / "docs" / "quarter_bits.json").read_text())
    return paragraph(
        f"""In {found["rows"]:,} rows of attention of {found["source"]}, normalized with softmax
        before and after the scores are rounded to {found["score_width"]} bits, rounding moves
        {100 * found["mean_moved"]:.1f} % of a row's weight to other keys in the mean and
        {100 * found["most_moved"]:.1f} % at most; {100 * found["saturated"]:.1f} % of the scores
        saturate, and in {100 * found["other_greatest"]:.1f} % of the rows another key has the
        greatest weight. These rows have INT8 scores, whose own steps are about as great."""
    )


def memory_part() -> str:
    """Return what the ledger says of a published run, and how right it is."""
    from statistics import median

    from consilico import api
    from consilico.sim.memory.evidence.measurements import tracked_runs
    from consilico.sim.memory.evidence.peaks import measured_runs

    peak = api.memory(_published_run()).peak_bytes
    theirs = next(row for row in measured_runs() if row.published == _PUBLISHED_GB)
    counted = [row for row in measured_runs() if row.stated and row.quantity == "peak"]
    stated = [abs(row.error_pct) for row in counted]
    classes = {row.run_class for row in counted}
    ours = [abs(row.error_pct) for row in tracked_runs()]
    return paragraph(
        f"""The peak is {peak / 1e9:.2f} GB ({peak / 2**30:.2f} GiB); Q-GaLore's authors report
        {theirs.published:g} GB. On {len(stated)} published runs whose settings are all stated, of
        {len(classes)} classes, the error is {median(stated):.1f} % in the median; every answer
        names the error of its own class. Compared with our own optimizers, run at full size without
        allocating, it is at most {max(ours):.2f} % in all {len(ours)} runs."""
    )


def dot_targets_part() -> str:
    """Return how far the dot products in groups are from their target."""
    narrow, offset = _headline("matmul/dot", w="int4"), _headline("matmul/dot", w="uint4")
    groups = [_headline("matmul/group_dot"), _headline("matmul/group_dot", scale="int8")]
    areas = [f"{row['area_um2']:,.0f} um²" for row in groups]
    ratios = [f"{row['area_um2'] / narrow['area_um2']:.2f}" for row in groups]
    others = [f"{row['area_um2'] / offset['area_um2']:.2f}" for row in groups]
    return paragraph(
        f"""**With groups of 128, `group_dot` takes {ratios[0]} times (bf16 scales) and {ratios[1]}
        times (INT8 scales) the area of `dot` with INT8 x INT4; the target is 1.15.** The areas, of
        mapped cells, are {areas[0]} and {areas[1]} against {narrow["area_um2"]:,.0f} um²
        ({_CORNER}, {1000 / narrow["clock_ns"]:g} MHz; measured on {narrow["date"]}). Relative to
        `dot` with unsigned weights and a zero point (`w=uint4`, {offset["area_um2"]:,.0f} um²),
        which does part of the same work, the ratios are {others[0]} and {others[1]}."""
    )


def tile_area_part() -> str:
    """Return the area of an attention tile and of its units."""
    found = read_table(TILE_AREA)
    whole, *parts = found["rows"]
    total = sum(row["area_um2"] for row in parts)
    rows = [(f"{row['part']}, `{row['unit']}`", f"{row['area_um2']:,.0f} um²") for row in parts]
    rows += [
        ("their sum", f"{total:,.0f} um²"),
        ("`attention/tile`", f"{whole['area_um2']:,.0f} um²"),
    ]
    settings = whole["settings"]
    before = paragraph(
        f"""A tile of {settings["rows"]} x {settings["columns"]} with {settings["head_dim"]}
        elements, `consmax/log2` and `int7`, takes {whole["area_um2"] / total:.3f} times the area of
        its units, each with its own control; the target is at most 10 % off. Mapped cells of each
        Verilog module ({_CORNER}; measured on {found["date"]} by `scripts/tile_area.py`):"""
    )
    return f"{before}\n\n{table(('', 'area'), rows)}"


PARTS: dict[str, Callable[[], str]] = {
    "command": command_part,
    "units": units_part,
    "consmax": consmax_part,
    "consmax_accuracy": consmax_accuracy_part,
    "consmax_trials": consmax_trials_part,
    "quarter_bits": quarter_bits_part,
    "memory": memory_part,
    "dot_targets": dot_targets_part,
    "tile_area": tile_area_part,
    **accuracy_parts.PARTS,
    **dot_parts.PARTS,
    **claim_parts.PARTS,
    **comparison_parts.PARTS,
    **consmax_parts.PARTS,
    **memory_parts.PARTS,
    **training_parts.PARTS,
    **estimate_parts.PARTS,
    **silicon_parts.PARTS,
    **system_parts.PARTS,
    **evidence.PARTS,
    **explore_parts.PARTS,
}


def _published_run() -> Any:
    """Return the run of Q-GaLore's authors that the README quotes."""
    from consilico import api

    return api.training_run(
        "llama-7b", method="q-galore", published=True, rank=1024, sequence=256, per_layer=True
    )


def _is_current(row: Any) -> bool:
    """Return whether a default configuration was measured with the Verilog of this tree."""
    from consilico.sim.estimate.nodes.measure import units_to_measure
    from consilico.sim.estimate.operators.calibration_state import other_verilog

    return not other_verilog([row], {unit.name: unit for unit in units_to_measure()})


@cache
def _settings() -> tuple[tuple[float, float], ...]:
    from consilico.reports.consmax.certificates import settings

    return tuple(settings())


@cache
def consmax_errors() -> dict[str, float]:
    """Return the greatest relative error of each ConSmax unit, over all codes of all settings."""
    from consilico.golden.attention import consmax_log2, consmax_paper, consmax_split
    from consilico.golden.attention.consmax import HeadConstants

    config = consmax_log2.Log2Config()
    split = consmax_split.SplitConfig()

    def log2(codes: Any, mask: Any, head: HeadConstants) -> Any:
        constants = consmax_log2.log2_constants(head, config)
        return consmax_log2.consmax_log2(codes, mask, constants, config).data

    def paper(codes: Any, mask: Any, head: HeadConstants) -> Any:
        tables = consmax_split.split_constants(head, split, balanced=False)
        return consmax_paper.consmax_paper(codes, tables)

    return {
        "consmax/log2": _greatest_error(log2),
        "consmax/split": split_error(balanced=True),
        "consmax/paper": _greatest_error(paper),
    }


@cache
def split_error(*, balanced: bool) -> float:
    """Return the greatest relative error of ``consmax/split`` with balanced or plain tables."""
    from consilico.golden.attention import consmax_split

    config = consmax_split.SplitConfig()

    def split(codes: Any, mask: Any, head: Any) -> Any:
        tables = consmax_split.split_constants(head, config, balanced=balanced)
        return consmax_split.consmax_split(codes, mask, tables, config).data

    return _greatest_error(split)


def _greatest_error(results: Callable[[Any, Any, Any], Any]) -> float:
    import numpy as np
    import torch

    from consilico.golden.attention.consmax import HeadConstants

    codes = torch.arange(-128, 128)[:, None]
    mask = torch.zeros_like(codes, dtype=torch.bool)
    worst = 0.0
    for scale, log_c in _settings():
        bits = results(codes, mask, HeadConstants(scale=scale, log_c=log_c)).numpy()
        value = (128 + (bits & 127)) * np.exp2((bits >> 7) - 134.0)
        exact = np.exp(log_c + scale * codes.numpy())
        worst = max(worst, float(np.abs(value / exact - 1).max()))
    return worst


def _headline(unit: str, **settings: Any) -> dict[str, Any]:
    """Return the measurement of a headline configuration.

    Raises:
        LookupError: If it is not in the table.
    """
    for row in json.loads(MEASURED.read_text())["rows"]:
        if (row["unit"], row["settings"]) == (unit, settings):
            return dict(row)
    raise LookupError(f"{MEASURED} has no {unit} with {settings}: run it with --measure")


def measure() -> None:
    """Measure the headline configurations that are missing or belong to other Verilog."""
    from consilico import api
    from consilico.sim.estimate.operators.calibration_state import sha256_of_verilog
    from consilico.sim.units.catalogue import find_unit

    rows = json.loads(MEASURED.read_text())["rows"] if MEASURED.exists() else []
    for name, settings, clock_ns, traffic in HEADLINES:
        config = api.configure(name, **settings)
        sha256 = sha256_of_verilog(find_unit(name), config)
        known = next((r for r in rows if (r["unit"], r["settings"]) == (name, settings)), None)
        if known and (known["verilog_sha256"], known["clock_ns"]) == (sha256, clock_ns):
            continue
        found: Any = api.implement(
            name, config, pdk=_KIT, clock_ns=clock_ns, traffic=traffic, rung="cells"
        )
        rows = [row for row in rows if row is not known]
        rows.append(headline_row(name, settings, found))
        MEASURED.write_text(
            json.dumps({"schema": "consilico.measured/1", "rows": rows}, indent=1) + "\n"
        )


def headline_row(name: str, settings: dict[str, Any], found: Any) -> dict[str, Any]:
    """Return what the table keeps of an implementation."""
    found = found if isinstance(found, dict) else found.to_json()
    return {
        "unit": name,
        "settings": settings,
        "pdk": found["pdk"],
        "corner": found["corner"],
        "clock_ns": found["clock_ns"],
        "traffic": found["activity"]["source"],
        "area_um2": found["area_um2"],
        "path_ns": found["path_ns"],
        "energy_pj": found["energy_per_operation_pj"],
        "operation": found["operation"],
        "power_by_class_w": found["power_by_class_w"],
        "verilog_sha256": found["verilog_sha256"],
        "tools": found["tools"],
        "date": date.today().isoformat(),
    }


def draw_memory() -> None:
    """Draw the picture of the README's run, as its command with ``--plot`` does."""
    from consilico import api
    from consilico.reports.plots import memory_plot, save_plot
    from consilico.sim.memory.ledger import timeline

    run = _published_run()
    answer = api.memory(run, gpu=_GPU).to_json()
    save_plot(memory_plot(answer, timeline(run)), ROOT / "docs" / "memory.png")


def draw_comparison() -> None:
    """Draw the ratios to ``consmax/log2`` of docs/compare.md."""
    from consilico.reports.comparison.facts import comparison_facts
    from consilico.reports.plots import compare_plot, save_plot

    found = comparison_facts().comparisons
    if found:
        save_plot(compare_plot(found[0]), ROOT / "docs" / "compare.png")


def draw_accuracy() -> None:
    """Draw how perplexity changes with the length of windows, of docs/accuracy.md."""
    from consilico.reports.accuracy.charts import perplexity_plot
    from consilico.reports.plots import save_plot

    save_plot(perplexity_plot(accuracy_parts.plot_panels()), ROOT / "docs" / "accuracy.png")


def main(argv: list[str] | None = None) -> int:
    """Write the parts of the documents anew that come from data."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--measure", action="store_true", help="measure headlines first")
    if parser.parse_args(argv).measure:
        measure()
    draw_memory()
    draw_comparison()
    draw_accuracy()
    for path in documents():
        text = path.read_text()
        if (new := rewritten(text)) != text:
            path.write_text(new)
            print(f"rewrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
