"""Estimated costs, without synthesis: of units, of anyone's Verilog, of buffers, at other nodes.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.api.catalogue import configured
from consilico.extras import needing
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.estimate.memories.cost import BufferCost, BufferCosts
    from consilico.sim.estimate.nodes.prediction import ScaledFigures
    from consilico.sim.estimate.operators.answers import RtlEstimate, UnitEstimate
    from consilico.sim.units.unit import Unit

_SCALED = ("area_um2", "delay_ns", "energy_pj", "power_w")

__all__ = ["buffer", "buffers", "estimate", "estimate_rtl", "scale"]


def estimate(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    pdk: str = "nangate45",
    traffic: str | None = None,
    operands: Mapping[str, Mapping[str, float]] | None = None,
    rung: str | None = None,
) -> "UnitEstimate":
    """Estimate area, longest path, energy and leakage of a unit, without synthesis.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        pdk: Name of a process kit that is calibrated.
        traffic: Traffic whose statistics hold; None: the unit's own first one.
        operands: ``toggle_rate`` and ``sign_correlation`` by field of the input payload, in place
            of those of the traffic.
        rung: ``"cells"``: figures of mapped cells; ``"layout"``: of a layout, with wires, clock
            tree and glitches; None: of a layout, where the kit was laid out.

    Returns:
        Each quantity as an interval, with ``value``, ``low`` and ``high``, and what they hold for.

    Raises:
        UserError: If the kit is not calibrated, or the traffic, an operand or the rung is unknown,
            or a layout is asked for in a kit that was not laid out.
    """
    with needing("estimate"):
        from consilico.sim.estimate.operators.estimate import estimate as run

        found, chosen = configured(unit, config)
        return run(found, chosen, pdk, traffic, operands, rung)


def estimate_rtl(
    files: Sequence[Path],
    top: str,
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    pdk: str = "nangate45",
    toggle_rate: float = 0.5,
    rung: str | None = None,
) -> "RtlEstimate":
    """Estimate anyone's Verilog or SystemVerilog, as :func:`estimate` does a unit.

    Args:
        files: Its files.
        top: Name of the top module.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name.
        pdk: Name of a process kit that is calibrated.
        toggle_rate: Toggles per bit and cycle, assumed everywhere.
        rung: As :func:`estimate` takes it.

    Returns:
        As :func:`estimate`; ``front_ends`` says whether a simulator understands the text as the
        front end does that the estimate is made from.

    Raises:
        UserError: If the design cannot be read, or the kit is not calibrated.
    """
    with needing("estimate"):
        from consilico.sim.estimate.operators.estimate import estimate_rtl as run
        from consilico.sim.rtlsim.foreign.design import read_design

        design = read_design(files, top, include=include, defines=defines, parameters=parameters)
        result = run(design.verilog, top, pdk, toggle_rate, design.source, rung)
        return replace(result, front_ends=design.front_ends())


def buffer(
    words: int,
    bits: int,
    kind: str,
    *,
    pdk: str = "nangate45",
    ports: str = "1rw",
    clock_ns: float = 4.0,
    measure: bool = False,
) -> "BufferCost":
    """Return area, energies, leakage and times of a buffer.

    ``per_cycle`` of the result is what a clock cycle takes with a read, a write, both or neither,
    leakage included; ``read_pj``, ``write_pj`` and ``rest_pj`` are without leakage.

    Args:
        words: Number of words.
        bits: Bits per word.
        kind: ``"flop"``, ``"latch"`` or ``"sram"``.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        ports: ``"1rw"``: one access per cycle, or ``"1r1w"``: a read and a write.
        clock_ns: Clock period of ``per_cycle`` in ns.
        measure: Synthesize and simulate this very buffer (flip-flops and latches only).

    Raises:
        UserError: If an argument is not accepted, or with ``measure`` a tool is missing.
    """
    with needing("buffer"):
        from consilico.sim.estimate.memories.cost import buffer_cost

        return buffer_cost(words, bits, kind, pdk, ports, clock_ns=clock_ns, measure=measure)


def buffers(
    words: int, bits: int, *, pdk: str = "nangate45", ports: str = "1rw", clock_ns: float = 4.0
) -> "BufferCosts":
    """Return the cost of a buffer in each of its kinds, as :func:`buffer` gives one.

    Args:
        words: Number of words.
        bits: Bits per word.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        ports: ``"1rw"``: one access per cycle, or ``"1r1w"``: a read and a write.
        clock_ns: Clock period of ``per_cycle`` in ns.

    Returns:
        ``buffers``, one per kind, and ``refused``: why a kind is not among them.

    Raises:
        UserError: If an argument is not accepted, or no kind is known at this size.
    """
    from consilico.sim.estimate.memories.cost import buffer_costs

    return buffer_costs(words, bits, pdk, ports, clock_ns=clock_ns)


def scale(
    source: str,
    target: str,
    figures: Mapping[str, float],
    *,
    voltage_from: float | None = None,
    voltage_to: float | None = None,
    variant_from: str = "hp",
    variant_to: str = "hp",
) -> "ScaledFigures":
    """Estimate what figures that are known at one node would be at another.

    Args:
        source: Where they are known: a process kit, or a node such as ``"45nm"``.
        target: Where they are asked for.
        figures: Values by name: ``area_um2``, ``delay_ns``, ``energy_pj``, ``power_w``.
        voltage_from: Supply in V there; None: the kit's, or the node's nominal one.
        voltage_to: The same at the other end.
        variant_from: Transistors below 65 nm: ``"hp"`` or ``"lp"`` (low power).
        variant_to: The same at the other end.

    Raises:
        UserError: If a node is not covered, a figure is unknown or not above 0, or a supply is
            beyond what the method covers.
    """
    for name in figures:
        if name not in _SCALED:
            raise UserError(f"unknown figure {name!r}; accepted: {', '.join(_SCALED)}")
    for name, value in {
        **figures, "voltage_from": voltage_from, "voltage_to": voltage_to,
    }.items():  # fmt: skip
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UserError(f"{name} must be above 0, not {value:g}")
    from consilico.sim.estimate.nodes.prediction import scale_figures
    from consilico.sim.estimate.nodes.scaling import technology

    return scale_figures(
        technology(source, voltage_from, variant_from, "--from"),
        technology(target, voltage_to, variant_to, "--to"),
        dict(figures),
    )
