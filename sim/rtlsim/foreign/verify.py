"""Anyone's design against a unit's golden model, through the wrapper that its mapping gives."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.base.progress import Progress
from consilico.sim.rtlsim.foreign.design import Design
from consilico.sim.rtlsim.foreign.mapping import Mapping as PortMap
from consilico.sim.rtlsim.foreign.sources import check_tasks
from consilico.sim.rtlsim.foreign.wrapper import wrapper
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, Simulator, find_simulator
from consilico.sim.rtlsim.verify import Verification, check
from consilico.sim.units.accepted import Accepted, Results
from consilico.sim.units.layout import Layout
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["verify_design"]

_READ_LIMITS = Limits(wall_s=300, cpu_s=60, memory_bytes=2 << 30)


def verify_design(
    design: Design,
    port_map: PortMap | None,
    unit: Unit,
    config: Config,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
    *,
    trust: bool = False,
) -> Verification:
    """Verify anyone's design against a unit's golden model.

    The text is simulated as it was given where every simulator reads it, and its elaborated form
    otherwise; what the two have been found to differ in is a problem.

    Args:
        design: The design.
        port_map: How its ports serve the unit's streams; None where they are those streams.
        unit: The unit that it shall be.
        config: The unit's configuration.
        simulators: Names, at least one of ``icarus`` and ``verilator``.
        seed: Seed of the stimuli and the stalls.
        progress: Called after each testbench with a label, steps done and steps in all.
        trust: Whether the text may call what reaches files and programs.

    Raises:
        UserError: If a simulator is missing, the mapping does not fit the design or the unit, or
            the text is not trusted and calls what reaches files or programs.
    """
    found = [find_simulator(name) for name in simulators]
    if not trust:
        check_tasks(design.sources.text, design.source)
    text, given = _text(design, found)
    if port_map is None:
        if design.top != unit.module_name:
            raise UserError(
                f"{design.top} has not the ports of {unit.name}: name a mapping with --map;"
                f" `consilico map` proposes one (accepted without one: a module"
                f" {unit.module_name} with the unit's streams)"
            )
        judged = check(unit, config, text, simulators, seed, progress)
    else:
        judged = _through_wrapper(design, port_map, unit, config, simulators, seed, progress, text)
    problems = [*judged.problems, *_differences(design, given)]
    return replace(judged, problems=tuple(problems))


def _differences(design: Design, given: bool) -> list[str]:
    front_ends = design.front_ends()
    return front_ends.lines() if front_ends.differences else []


def _through_wrapper(
    design: Design,
    port_map: PortMap,
    unit: Unit,
    config: Config,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None,
    text: str,
) -> Verification:
    module = design.top
    if module == unit.module_name:  # the wrapper has this name
        module = f"{design.top}_design"
        text = re.sub(rf"\bmodule\s+{design.top}\b", f"module {module}", text)
    layouts = unit.layouts(config)
    around = wrapper(unit.module_name, module, design.form(), port_map, layouts)
    latency = port_map.output.latency_cycles
    mapped = replace(unit, latency=lambda config: latency)
    if ignored := port_map.output.ignore:
        mapped = _without(mapped, layouts.o, ignored)
    return check(mapped, config, f"{text}\n{around}", simulators, seed, progress)


def _text(design: Design, simulators: Sequence[Simulator]) -> tuple[str, bool]:
    """Return the text to simulate, and whether it is the one that was given."""
    sources, elaborated = design.sources, design.elaborated
    if elaborated is None or not (
        design.parameters
        or sources.beside
        or not all(_reads(simulator, sources.text, design.top) for simulator in simulators)
    ):
        return sources.text, True
    return elaborated.verilog, False


def _reads(simulator: Simulator, text: str, top: str) -> bool:
    """Tell whether a simulator accepts a text, by a run of its front end alone."""
    program = str(simulator.executable)
    if simulator.name == "icarus":
        command = [program, ICARUS_LANGUAGE, "-s", top, "-t", "null", "design.v"]
    else:
        command = [program, "--lint-only", "--timing", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
        command += ["--top-module", top, "design.v"]
    with work_folder("read") as folder:
        (folder / "design.v").write_text(text)
        environment = simulator.environment()
        run = run_tool(
            simulator.name, command, _READ_LIMITS, folder=folder, environment=environment
        )
    return run.succeeded


def _without(unit: Unit, layout: Layout, ignored: Collection[str]) -> Unit:
    """Return a unit whose results hold 0 in some fields, for a design that does not have them."""
    golden = unit.golden

    def vectors(config: Any, seed: int) -> Stimulus:
        stimulus = unit.vectors(config, seed)
        return replace(stimulus, expected=_zeroed(stimulus.expected, layout, ignored))

    def partly(config: Any, accepted: Accepted) -> Results:
        assert golden is not None
        results = golden(config, accepted)
        beats = {
            name: np.zeros_like(values) if name in ignored else values
            for name, values in results.beats.items()
        }
        return replace(results, beats=beats)

    return replace(unit, vectors=vectors, golden=None if golden is None else partly)


def _zeroed(rows: NDArray[np.uint8], layout: Layout, ignored: Collection[str]) -> NDArray[np.uint8]:
    values = layout.unpack(rows)
    return layout.pack(
        {name: np.zeros_like(part) if name in ignored else part for name, part in values.items()}
    )
