"""Anyone's design: how its ports serve a unit's streams, and whether it is right.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.api.catalogue import configured
from consilico.api.silicon import planned
from consilico.extras import needing

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.base.progress import Progress
    from consilico.sim.rtlsim.foreign.design import ForeignDesign
    from consilico.sim.rtlsim.foreign.mapping import Mapping as PortMap
    from consilico.sim.rtlsim.foreign.propose import Proposal
    from consilico.sim.rtlsim.mutation.score import MutationScore
    from consilico.sim.rtlsim.proofs.prove import Proofs
    from consilico.sim.rtlsim.verify import Verification
    from consilico.sim.silicon.implementation import Implementation
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.silicon.layout.place import PlacementOptions
    from consilico.sim.units.unit import Unit

__all__ = ["implement_rtl", "mutate_rtl", "propose_mapping", "prove_rtl", "verify_rtl"]


def propose_mapping(
    files: Sequence[Path],
    top: str,
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> "Proposal":
    """Propose a mapping file for anyone's design, from the names and widths of its ports.

    Args:
        files: Verilog or SystemVerilog files.
        top: Name of the top module.
        unit: The unit that it shall be, or its name.
        config: From :func:`configure`; None is the default configuration.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name.

    Returns:
        ``text`` of the file, and in ``open`` what has to be filled in.

    Raises:
        UserError: If the design cannot be read.
    """
    with needing("map"):
        from consilico.sim.rtlsim.foreign.design import read_design
        from consilico.sim.rtlsim.foreign.propose import propose

        found, chosen = configured(unit, config)
        design = read_design(files, top, include=include, defines=defines, parameters=parameters)
        return propose(design.form(), found.layouts(chosen), found.name, parameters or {})


def verify_rtl(
    files: Sequence[Path],
    top: str,
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    mapping: Path | None = None,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    simulators: Sequence[str] = ("icarus", "verilator"),
    seed: int = 1,
    failures: Path | None = None,
    replay: Path | None = None,
    golden: str | None = None,
    trust: bool = False,
    progress: "Progress | None" = None,
) -> "Verification":
    """Compare anyone's design with the golden model of a unit, as :func:`verify` does a unit.

    Args:
        files: Verilog or SystemVerilog files.
        top: Name of the top module.
        unit: The unit that it shall be, or its name.
        config: From :func:`configure`; None is the default configuration.
        mapping: File that says how its ports serve the unit's streams; None where they are them.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name; they replace the mapping's.
        simulators: ``"icarus"``, ``"verilator"`` or both.
        seed: Of the stimuli and the stalls.
        failures: Folder for stimuli and waveforms of failures; the cache if None.
        replay: Stimulus file of a failure, to be replayed instead of verifying the design.
        golden: ``"FILE.py:FUNCTION"`` of a golden model to compare with instead of the unit's;
            docs/your-own-design.md says what the function is given and returns.
        trust: Whether the design may call what reaches files and programs.
        progress: Called with a description, steps done and steps in total.

    Returns:
        The verdict. That tools understand the text differently is one of its problems.

    Raises:
        UserError: If the design, the mapping or the golden model cannot be read, they do not fit,
            the golden model fails, or a simulator is missing.
    """
    with needing("verify", "torch"):
        from consilico.sim.rtlsim.foreign.own_model import read_model
        from consilico.sim.rtlsim.foreign.verify import verify_design

        found, chosen = configured(unit, config)
        model = None if golden is None else read_model(golden)
        macros, own = defines or {}, parameters or {}
        design, port_map = _read(files, top, mapping, include, macros, own)
        options = [f"--rtl {shlex.quote(str(file))}" for file in files]
        options += [f"--top {top} --as {found.name}"]
        options += [f"--map {shlex.quote(str(mapping))}"] if mapping else []
        options += [f"--golden {shlex.quote(golden)}"] if golden else []
        options += [f"--include {shlex.quote(str(folder))}" for folder in include]
        options += [f"--define {shlex.quote(f'{name}={text}')}" for name, text in macros.items()]
        options += [f"--param {shlex.quote(f'{name}={text}')}" for name, text in own.items()]
        options += ["--trust"] if trust else []
        return verify_design(
            design, port_map, found, chosen, [*dict.fromkeys(simulators)], seed, progress,
            failures=failures, replay=replay, golden=model, trust=trust, command=" ".join(options),
        )  # fmt: skip


def mutate_rtl(
    files: Sequence[Path],
    top: str,
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    mapping: Path | None = None,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    count: int = 200,
    seed: int = 1,
    trust: bool = False,
    progress: "Progress | None" = None,
) -> "MutationScore":
    """Put single faults into anyone's design, and return how many its verification would notice.

    Args:
        files: Verilog or SystemVerilog files.
        top: Name of the top module.
        unit: The unit that it shall be, or its name.
        config: From :func:`configure`; None is the default configuration.
        mapping: File that says how its ports serve the unit's streams; None where they are them.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name; they replace the mapping's.
        count: Mutants wanted.
        seed: Of the stimuli, the stalls and the choice of mutants.
        trust: Whether the design may call what reaches files and programs.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the design or the mapping cannot be read, they do not fit, or a tool is
            missing.
        CheckFailed: If the design fails without a fault.
    """
    with needing("mutate", "torch"):
        from consilico.sim.rtlsim.foreign.mutate import mutate_design

        found, chosen = configured(unit, config)
        design, port_map = _read(files, top, mapping, include, defines, parameters)
        return mutate_design(design, port_map, found, chosen, count, seed, progress, trust=trust)


def prove_rtl(
    files: Sequence[Path],
    top: str,
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    mapping: Path | None = None,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    limit_s: int = 120,
    only: Collection[str] = (),
    failures: Path | None = None,
    trust: bool = False,
    progress: "Progress | None" = None,
) -> "Proofs":
    """Prove what anyone's design promises about a unit's streams, as :func:`prove` does a unit.

    Args:
        files: Verilog or SystemVerilog files.
        top: Name of the top module.
        unit: The unit that it shall be, or its name.
        config: From :func:`configure`; None is the default configuration.
        mapping: File that says how its ports serve the unit's streams; None where they are them.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name; they replace the mapping's.
        limit_s: As in :func:`prove`.
        only: As in :func:`prove`.
        failures: As in :func:`prove`.
        trust: Whether the design may call what reaches files and programs.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the design or the mapping cannot be read, they do not fit, or a tool is
            missing.
    """
    with needing("prove"):
        from consilico.sim.rtlsim.foreign.prove import prove_design

        found, chosen = configured(unit, config)
        design, port_map = _read(files, top, mapping, include, defines, parameters)
        return prove_design(
            design, port_map, found, chosen, limit_s, progress,
            only=only, failures=failures, trust=trust,
        )  # fmt: skip


def implement_rtl(
    files: Sequence[Path],
    top: str,
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    mapping: Path | None = None,
    golden: str | None = None,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    pdk: "str | Kit" = "nangate45",
    liberty: Sequence[Path] = (),
    clock_ns: float | None = None,
    traffic: str | None = None,
    prove: bool | None = None,
    rung: str | None = None,
    placement: "PlacementOptions | None" = None,
    placed: Path | None = None,
    check_with: str | None = None,
    sdc: Path | None = None,
    output: Path | None = None,
    progress: "Progress | None" = None,
) -> "Implementation":
    """Implement anyone's design, as :func:`implement` does a unit, on that unit's traffic.

    The traffic reaches the netlist through the mapping; area and power are those of the design
    alone, without the wrapper.

    Args:
        files: Verilog or SystemVerilog files.
        top: Name of the top module.
        unit: The unit that it is, or its name.
        config: From :func:`configure`; None is the default configuration.
        mapping: File that says how its ports serve the unit's streams; None where they are them.
        golden: ``"FILE.py:FUNCTION"`` of a golden model to compare with instead of the unit's.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name; they replace the mapping's.
        pdk: As in :func:`implement`.
        liberty: As in :func:`implement`.
        clock_ns: As in :func:`implement`.
        traffic: As in :func:`implement`.
        prove: As in :func:`implement`.
        rung: As in :func:`implement`.
        placement: As in :func:`implement`.
        placed: As in :func:`implement`.
        check_with: As in :func:`implement`.
        sdc: As in :func:`implement`.
        output: As in :func:`implement`.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the design or the mapping cannot be read, they do not fit, or the kit, a tool
            or the traffic is not there.
        ToolError: If a tool fails.
        CheckFailed: If the netlist does not do what the RTL does, or not what the golden model
            says.
    """
    with needing("implement", "torch"):
        from consilico.sim.rtlsim.foreign.own_model import read_model
        from consilico.sim.silicon.circuit import design_circuit
        from consilico.sim.silicon.implement import implement

        found, chosen = configured(unit, config)
        role = found if golden is None else read_model(golden).instead(found)
        design, port_map = _read(files, top, mapping, include, defines, parameters)
        circuit = design_circuit(design, port_map, role, chosen)
        flow, kit, period_ns = planned(
            pdk, liberty, clock_ns, rung, placement, placed, check_with, sdc
        )
        return implement(
            found, chosen, kit, period_ns,
            source=traffic, progress=progress, prove=prove, circuit=circuit, flow=flow,
            output=output,
        )  # fmt: skip


def _read(
    files: Sequence[Path],
    top: str,
    mapping: Path | None,
    include: Sequence[Path],
    defines: Mapping[str, str] | None,
    parameters: Mapping[str, str] | None,
) -> "tuple[ForeignDesign, PortMap | None]":
    """Return a design and its mapping; parameters that are given replace those of the mapping."""
    from consilico.sim.rtlsim.foreign.design import read_design
    from consilico.sim.rtlsim.foreign.mapping import read_mapping

    port_map = None if mapping is None else read_mapping(mapping)
    mapped = {} if port_map is None else port_map.parameters
    settings = {**mapped, **(parameters or {})}
    design = read_design(files, top, include=include, defines=defines, parameters=settings)
    return design, port_map
