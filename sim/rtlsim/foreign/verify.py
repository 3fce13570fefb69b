"""Anyone's design against a unit's golden model, through the wrapper that its mapping gives."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from consilico.golden.config import Config
from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.base.progress import Progress
from consilico.sim.base.reach import NOT_CONFINED, Reach, reads_are_confined
from consilico.sim.rtlsim.foreign.design import ForeignDesign
from consilico.sim.rtlsim.foreign.fit import fit
from consilico.sim.rtlsim.foreign.mapping import Mapping as PortMap
from consilico.sim.rtlsim.foreign.own_model import OwnModel
from consilico.sim.rtlsim.foreign.sources import check_tasks
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.simulators import ICARUS_LANGUAGE, Simulator, find_simulator
from consilico.sim.rtlsim.verify import Verification, check, replay_file
from consilico.sim.units.unit import Unit

__all__ = ["verify_design"]

_READ_LIMITS = Limits(wall_s=300, cpu_s=60, memory_bytes=2 << 30)


def verify_design(
    design: ForeignDesign,
    port_map: PortMap | None,
    unit: Unit,
    config: Config,
    simulators: Sequence[str],
    seed: int,
    progress: Progress | None = None,
    *,
    failures: Path | None = None,
    replay: Path | None = None,
    golden: OwnModel | None = None,
    trust: bool = False,
    command: str = "",
) -> Verification:
    """Verify anyone's design against a unit's golden model.

    A simulator runs the text as it was given where it reads that, and its elaborated form
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
        golden: What says what is right instead of the unit's golden model.
        trust: Whether the text may call what reaches files and programs.
        command: What stands for the unit's name in commands that replay a failure.

    Raises:
        UserError: If a simulator is missing, the mapping does not fit the design or the unit, the
            text is not trusted and calls what reaches files or programs, ``golden`` fails, or
            ``replay`` is no stimulus file of this unit and configuration.
    """
    found = [find_simulator(name) for name in simulators]
    if not trust:
        check_tasks(design.sources.text, design.source)
    texts, left_out = _texts(design, found)
    if not (trust or reads_are_confined()):
        left_out.append(Exemption(point="reads", why=NOT_CONFINED))
    given = unit
    if golden is not None:
        exhaustive = "verilator" in simulators and replay is None
        given = golden.replacing(unit, config, seed, exhaustive=exhaustive)
    fitted = fit(design, port_map, given, config)
    mapped = fitted.unit
    wrapped = {name: fitted.wrapped(text) for name, text in texts.items()}
    left_out += fitted.left_out
    if replay is not None:
        judged = replay_file(mapped, config, wrapped, simulators, replay, failures, trusted=trust)
    else:
        # what else a model of one's own depends on is not known, so no earlier verdict is taken
        judged = check(
            mapped, config, wrapped, simulators, seed, progress, failures,
            fresh=golden is not None, trusted=trust, powered=True,
        )  # fmt: skip
    front_ends = design.front_ends()
    problems = front_ends.lines() if front_ends.differences else []
    if front_ends.not_compared and len(set(wrapped.values())) == 1:
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


def _texts(
    design: ForeignDesign, simulators: Sequence[Simulator]
) -> tuple[dict[str, str], list[Exemption]]:
    """Return the text that each simulator runs, and where that is not the one that was given.

    Where simulators run different ones, what they find in them is judged by one golden model: that
    compares what the simulator and the front end make of the text.
    """
    sources, elaborated = design.sources, design.elaborated
    texts = {each.name: sources.text for each in simulators}
    if elaborated is None:
        return texts, []
    why = ""
    refused = [*texts]
    if design.parameters:
        why = "parameters are set"
    elif sources.beside:
        why = "memories are loaded from files"
    else:
        refused = [each.name for each in simulators if not _reads(each, sources.text, design.top)]
        why = f"{' and '.join(refused)} cannot read it" if refused else ""
    if not why:
        return texts, []
    texts |= dict.fromkeys(refused, elaborated.verilog)
    as_given = [name for name in texts if name not in refused]
    where = f"; {' and '.join(as_given)} simulates the text as given" if as_given else ""
    what = f"{why}: what {elaborated.reader} made of it is simulated{where}"
    return texts, [Exemption(point="the text as given", why=what)]


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
            simulator.name, command, _READ_LIMITS,
            folder=folder, environment=environment, reach=Reach(),
        )  # fmt: skip
    return run.succeeded
