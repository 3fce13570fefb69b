"""Anyone's design against a unit's golden model, through the wrapper that its mapping gives."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
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
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, Simulator, find_simulator
from consilico.sim.rtlsim.verify import Verification, check, replay_file
from consilico.sim.units.accepted import Accepted, Results
from consilico.sim.units.layout import Layout
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["as_unit", "verify_design"]

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
    failures: Path | None = None,
    replay: Path | None = None,
    trust: bool = False,
    command: str = "",
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
        failures: Folder for the stimuli and waveforms of what fails; the cache if not given.
        replay: Stimulus file of a failure, to be replayed instead of verifying the design.
        trust: Whether the text may call what reaches files and programs.
        command: What stands for the unit's name in commands that replay a failure.

    Raises:
        UserError: If a simulator is missing, the mapping does not fit the design or the unit, the
            text is not trusted and calls what reaches files or programs, or ``replay`` is no
            stimulus file of this unit and configuration.
    """
    found = [find_simulator(name) for name in simulators]
    if not trust:
        check_tasks(design.sources.text, design.source)
    text, left_out = _text(design, found)
    mapped, text, around = as_unit(design, port_map, unit, config, text)
    text = f"{text}\n{around}"
    if port_map is not None:
        why = f"{port_map.source} ignores it: {design.top} does not have it"
        left_out += [Exemption(point=f"o/{name}", why=why) for name in port_map.output.ignore]
    if replay is not None:
        judged = replay_file(mapped, config, text, simulators, replay, failures)
    else:
        judged = check(mapped, config, text, simulators, seed, progress, failures)
    front_ends = design.front_ends()
    problems = front_ends.lines() if front_ends.differences else []
    if front_ends.not_compared:
        left_out.append(Exemption(point="front ends", why=front_ends.not_compared))
    return replace(
        judged,
        problems=(*judged.problems, *problems),
        exempt=(*judged.exempt, *left_out),
        failures=tuple(
            replace(
                each,
                replay=each.replay.replace(f"verify {unit.name}", f"verify {command}", 1)
                if command
                else each.replay,
            )
            for each in judged.failures
        ),
    )


def as_unit(
    design: Design, port_map: PortMap | None, unit: Unit, config: Config, text: str
) -> tuple[Unit, str, str]:
    """Return the unit as a design may be, the design's text, and the wrapper around it.

    Args:
        design: The design.
        port_map: How its ports serve the unit's streams; None where they are those streams.
        unit: The unit that it shall be.
        config: The unit's configuration.
        text: The design, or its elaborated form.

    Raises:
        UserError: If the mapping does not fit the design or the unit, or there is none and the
            design is not called as the unit is.
    """
    module = design.top
    if port_map is None:
        if module == unit.module_name:
            return unit, text, ""
        raise UserError(
            f"{module} has not the ports of {unit.name}: name a mapping with --map;"
            " `consilico map` proposes one (accepted without one: a module"
            f" {unit.module_name} with the unit's streams)"
        )
    if module == unit.module_name:  # the wrapper has this name
        module = f"{design.top}_design"
        text = re.sub(rf"\bmodule\s+{design.top}\b", f"module {module}", text)
    layouts = unit.layouts(config)
    around = wrapper(unit.module_name, module, design.form(), port_map, layouts)
    latency = port_map.output.latency_cycles
    mapped = replace(unit, latency=lambda config: latency)
    if ignored := port_map.output.ignore:
        mapped = _without(mapped, layouts.o, ignored)
    return mapped, text, around


def _text(design: Design, simulators: Sequence[Simulator]) -> tuple[str, list[Exemption]]:
    """Return the text to simulate, and that it is not the one that was given, if so."""
    sources, elaborated = design.sources, design.elaborated
    if elaborated is None:
        return sources.text, []
    why = ""
    if design.parameters:
        why = "parameters are set"
    elif sources.beside:
        why = "memories are loaded from files"
    else:
        refused = [each.name for each in simulators if not _reads(each, sources.text, design.top)]
        why = f"{' and '.join(refused)} cannot read it" if refused else ""
    if not why:
        return sources.text, []
    what = f"{why}: what {elaborated.reader} made of it is simulated"
    return elaborated.verilog, [Exemption(point="the text as given", why=what)]


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

    def vectors(config: Any, seed: int) -> Stimulus:
        stimulus = unit.vectors(config, seed)
        return replace(stimulus, expected=_zeroed(stimulus.expected, layout, ignored))

    def partly(config: Any, accepted: Accepted) -> Results:
        results = unit.golden(config, accepted)
        beats = {
            name: np.zeros_like(values) if name in ignored else values
            for name, values in results.beats.items()
        }
        return replace(results, beats=beats)

    return replace(unit, vectors=vectors, golden=partly)


def _zeroed(rows: NDArray[np.uint8], layout: Layout, ignored: Collection[str]) -> NDArray[np.uint8]:
    values = layout.unpack(rows)
    return layout.pack(
        {name: np.zeros_like(part) if name in ignored else part for name, part in values.items()}
    )
