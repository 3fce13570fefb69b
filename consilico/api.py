"""What the commands do, as functions: the flow of Consilico, one call a step.

Each function takes names or the objects behind them, imports what it needs when it is called, and
returns a typed result; the command of the same name prints that result. The names that a caller
needs are re-exported by :mod:`consilico`. What is wrong with an argument is a
:class:`~consilico.sim.base.errors.UserError` of one line; a part that is not installed is
:class:`~consilico.extras.MissingExtra`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilico.extras import needing
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.reports.build import ReportAnswer
    from consilico.sim.accelerator.accelerator import Accelerator
    from consilico.sim.accelerator.step_cost import StepCost
    from consilico.sim.base.progress import Progress
    from consilico.sim.estimate.memories.cost import BufferCost, BufferCosts
    from consilico.sim.estimate.nodes.prediction import ScaledFigures
    from consilico.sim.memory.answer import MemoryAnswer
    from consilico.sim.memory.sweep import MemorySweep
    from consilico.sim.memory.training_run import TrainingRun
    from consilico.sim.rtlsim.verify import Verification
    from consilico.sim.silicon.implement import Implementation
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.silicon.power.clock_tree import ClockTreeOptions
    from consilico.sim.silicon.power.report import PowerReport
    from consilico.sim.silicon.synthesis.sweep import ClockSweep
    from consilico.sim.units.unit import Unit

__all__ = [
    "accelerator",
    "buffer",
    "buffers",
    "configure",
    "estimate",
    "estimate_rtl",
    "generate",
    "implement",
    "kits",
    "memory",
    "memory_sweep",
    "power",
    "report",
    "scale",
    "sweep",
    "sweep_rtl",
    "training_hw",
    "training_run",
    "unit",
    "units",
    "verify",
]


# The catalogue, and what a unit is


def units() -> "Mapping[str, Unit]":
    """Return the units of the catalogue by name, those of installed packages among them."""
    from consilico.sim.units.catalogue import catalogue

    return catalogue()


def unit(name: str) -> "Unit":
    """Return the unit of that name, such as ``"consmax/log2"``.

    Raises:
        UserError: If there is none; the message lists those there are.
    """
    from consilico.sim.units.catalogue import find_unit

    return find_unit(name)


def configure(unit: "str | Unit", **settings: int | str | bool) -> "Config":
    """Return a configuration of a unit.

    Args:
        unit: The unit or its name.
        settings: Field values; fields that are not given keep their defaults.

    Raises:
        UserError: If a field is unknown or its value is not accepted; the message says what is.
    """
    found = _unit(unit)
    try:
        known = found.config.__dataclass_fields__
        for name in settings:
            if name not in known:
                raise UserError(
                    f"{found.name}: unknown field {name!r}; accepted: {', '.join(known)}"
                )
        return found.config(**settings)
    except ValueError as error:
        raise UserError(f"{found.name}: {error}") from error


def generate(unit: "str | Unit", config: "Config | None" = None) -> str:
    """Return the synthesizable Verilog of a unit, byte for byte the same each time.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
    """
    from consilico.sim.units.catalogue import verilog

    return verilog(*_configured(unit, config))


# Is it right, and what does it cost, measured


def verify(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    simulators: Sequence[str] = ("icarus", "verilator"),
    seed: int = 1,
    progress: "Progress | None" = None,
) -> "Verification":
    """Compare a unit's Verilog with its golden model, bit for bit, under stalls and resets.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        simulators: ``"icarus"``, ``"verilator"`` or both.
        seed: Of the stimuli and the stalls.
        progress: Called with a description, steps done and steps in total.

    Returns:
        The verdict, with its problems and what was run. A unit that is wrong is a result, not an
        exception.

    Raises:
        UserError: If a simulator is unknown, missing or too old.
    """
    with needing("verify", "torch"):
        from consilico.sim.rtlsim.verify import verify as run

        found, chosen = _configured(unit, config)
        return run(found, chosen, [*dict.fromkeys(simulators)], seed, progress=progress)


def implement(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    pdk: "str | Kit" = "nangate45",
    liberty: Sequence[Path] = (),
    clock_ns: float = 4.0,
    traffic: str | None = None,
    prove: bool | None = None,
    progress: "Progress | None" = None,
) -> "Implementation":
    """Synthesize a unit, time it, compare the netlist with the RTL and compute its power.

    Clock and wires are ideal, and glitches are not counted.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``, as :func:`kits` lists them.
        liberty: Liberty files in place of a kit.
        clock_ns: Clock period in ns, which synthesis aims at and power is given at.
        traffic: Source of the input that causes the switching activity, one of the unit's; None:
            the language model's where the unit has that.
        prove: Whether to prove the netlist equal to the RTL; None: where that is quick.
        progress: Called with a description, steps done and steps in total.

    Returns:
        Area, longest path, power and energy, each with the conditions it holds for. A path that
        is longer than the clock period is a result, not an exception.

    Raises:
        UserError: If the kit, a tool or the traffic is not there.
        ToolError: If a tool fails.
        CheckFailed: If the netlist does not do what the RTL does.
    """
    with needing("implement", "torch"):
        from consilico.sim.silicon.implement import implement as run
        from consilico.sim.silicon.kits.kit import liberty_kit

        found, chosen = _configured(unit, config)
        kit = liberty_kit(liberty) if liberty else pdk
        return run(found, chosen, kit, clock_ns, source=traffic, progress=progress, prove=prove)


def sweep(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    pdk: str = "nangate45",
    clocks_ns: Sequence[float] = (4.0, 2.0, 1.4, 1.1, 0.9, 0.7),
    resolution: float | None = 0.01,
    energy: bool = False,
    traffic: str | None = None,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "ClockSweep":
    """Synthesize a unit for several clock periods: area against speed.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        clocks_ns: Clock periods in ns to synthesize for.
        resolution: Relative error to which the shortest period that is met is searched for; None:
            it is not.
        energy: Whether to measure the energy of each netlist too, which takes a simulation each.
        traffic: With ``energy``: as in :func:`implement`.
        jobs: Processes to use; None for as many as there are processors.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the kit or a tool is not there.
        ToolError: If a tool fails.
    """
    with needing("sweep", "torch"):
        from consilico.sim.silicon.implement import implement as measure

        found, chosen = _configured(unit, config)
        text = generate(found, chosen)
        swept = replace(
            _swept(text, found.module_name, pdk, clocks_ns, resolution, "clk", jobs, progress),
            unit=found.name,
            config=chosen.to_json(),
        )
        if not energy:
            return swept
        points = []
        for done, point in enumerate(swept.points):
            if progress is not None:
                progress("energy", done, len(swept.points))
            made = measure(found, chosen, pdk, point.clock_ns, traffic)
            points.append(replace(point, energy_pj=made.energy_pj))
        return replace(swept, points=tuple(points))


def sweep_rtl(
    files: Sequence[Path],
    top: str,
    *,
    include: Sequence[Path] = (),
    clock: str = "clk",
    pdk: str = "nangate45",
    clocks_ns: Sequence[float] = (4.0, 2.0, 1.4, 1.1, 0.9, 0.7),
    resolution: float | None = 0.01,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "ClockSweep":
    """Synthesize anyone's Verilog for several clock periods, as :func:`sweep` does a unit.

    Args:
        files: Verilog files.
        top: Name of the top module.
        include: Further folders of included files.
        clock: Name of its clock port.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        clocks_ns: Clock periods in ns to synthesize for.
        resolution: As in :func:`sweep`.
        jobs: Processes to use; None for as many as there are processors.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If the Verilog cannot be read, or the kit or a tool is not there.
        ToolError: If a tool fails.
    """
    with needing("sweep", "torch"):
        from consilico.sim.estimate.operators.sources import module_names, read_sources

        names = ", ".join(map(str, files))
        sources = read_sources(files, include)
        if sources.beside:
            there = next(iter(sources.beside.values()))
            raise UserError(f"{names}: a sweep loads no memory from a file such as {there}")
        if top not in (modules := module_names(sources.text)):
            known = ", ".join(modules) or "none"
            raise UserError(f"{names} has no module {top!r}; there are: {known}")
        swept = _swept(sources.text, top, pdk, clocks_ns, resolution, clock, jobs, progress)
        return replace(swept, rtl=names, top=top)


def power(
    netlist: Path,
    top: str,
    *,
    liberty: Sequence[Path],
    activity: Path,
    scope: str,
    clock: str,
    period_ns: float,
    window_ns: float | None = None,
    clock_tree: "ClockTreeOptions | None" = None,
) -> "PowerReport":
    """Compute the power of any mapped netlist from Liberty tables and recorded activity.

    Args:
        netlist: Gate-level Verilog.
        top: Its top module.
        liberty: Liberty files of its cells.
        activity: VCD, FST or SAIF file of a simulation of the netlist.
        scope: Instance of the top module in the activity, such as ``"tb/dut"``.
        clock: Clock port of the top module.
        period_ns: Clock period in ns.
        window_ns: Width in ns of the windows of power over time; None: no windows.
        clock_tree: Assumptions of an estimated clock tree; None: no estimate.

    Raises:
        UserError: If a file cannot be read or is damaged, or does not hold what is named.
    """
    from consilico.sim.silicon.power.analysis import analyze_power

    return analyze_power(
        netlist, top, liberty, activity, scope, clock, period_ns,
        window_ns=window_ns, clock_tree=clock_tree,
    )  # fmt: skip


# What would it cost


def estimate(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    pdk: str = "nangate45",
    traffic: str | None = None,
    operands: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Estimate area, longest path, energy and leakage of a unit, without synthesis.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        pdk: Name of a process kit that is calibrated.
        traffic: Traffic whose statistics hold; None: the unit's own first one.
        operands: ``toggle_rate`` and ``sign_correlation`` by field of the input payload, in place
            of those of the traffic.

    Returns:
        Each quantity with ``value``, ``low`` and ``high``, and what they hold for.

    Raises:
        UserError: If the kit is not calibrated, or the traffic or an operand is unknown.
    """
    with needing("estimate"):
        from consilico.sim.estimate.operators.estimate import estimate as run

        found, chosen = _configured(unit, config)
        return run(found, chosen, pdk, traffic, operands)


def estimate_rtl(
    files: Sequence[Path],
    top: str,
    *,
    include: Sequence[Path] = (),
    pdk: str = "nangate45",
    toggle_rate: float = 0.5,
) -> dict[str, Any]:
    """Estimate anyone's Verilog, as :func:`estimate` does a unit.

    Args:
        files: Verilog files.
        top: Name of the top module.
        include: Further folders of included files.
        pdk: Name of a process kit that is calibrated.
        toggle_rate: Toggles per bit and cycle, assumed everywhere.

    Raises:
        UserError: If the Verilog cannot be read, or the kit is not calibrated.
    """
    with needing("estimate"):
        from consilico.sim.estimate.operators.estimate import estimate_rtl as run
        from consilico.sim.estimate.operators.sources import read_sources

        sources = read_sources(files, include)
        return run(sources, top, pdk, toggle_rate, ", ".join(map(str, files)))


def buffer(
    words: int,
    bits: int,
    kind: str,
    *,
    pdk: str = "nangate45",
    ports: str = "1rw",
    measure: bool = False,
) -> "BufferCost":
    """Return area, energies, leakage and times of a buffer.

    Args:
        words: Number of words.
        bits: Bits per word.
        kind: ``"flop"``, ``"latch"`` or ``"sram"``.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        ports: ``"1rw"``: one access per cycle, or ``"1r1w"``: a read and a write.
        measure: Synthesize and simulate this very buffer (flip-flops and latches only).

    Raises:
        UserError: If an argument is not accepted, or with ``measure`` a tool is missing.
    """
    with needing("buffer"):
        from consilico.sim.estimate.memories.cost import buffer_cost

        return buffer_cost(words, bits, kind, pdk, ports, measure=measure)


def buffers(words: int, bits: int, *, pdk: str = "nangate45", ports: str = "1rw") -> "BufferCosts":
    """Return the cost of a buffer in each of its kinds, as :func:`buffer` gives one.

    Args:
        words: Number of words.
        bits: Bits per word.
        pdk: Process kit, ``"kit"`` or ``"kit:corner"``.
        ports: ``"1rw"``: one access per cycle, or ``"1r1w"``: a read and a write.

    Returns:
        ``buffers``, one a kind, and ``refused``: why a kind is not among them.

    Raises:
        UserError: If an argument is not accepted, or no kind is known at this size.
    """
    from consilico.sim.estimate.memories.cost import buffer_costs

    return buffer_costs(words, bits, pdk, ports)


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
        UserError: If a node is not covered, or a supply is beyond what the method covers.
    """
    from consilico.sim.estimate.nodes.prediction import scale_figures
    from consilico.sim.estimate.nodes.scaling import technology

    return scale_figures(
        technology(source, voltage_from, variant_from, "--from"),
        technology(target, voltage_to, variant_to, "--to"),
        dict(figures),
    )


# Does the training fit, and what does it cost on an accelerator


def training_run(model: str, method: str = "adamw", **settings: int | str | bool) -> "TrainingRun":
    """Return the description of a training run, as :func:`memory` and :func:`training_hw` take it.

    Args:
        model: Name of a built-in model such as ``"llama-7b"``, or path of a Hugging Face
            ``config.json``.
        method: Training method, such as ``"q-galore"``.
        settings: Further fields of :class:`~consilico.sim.memory.training_run.TrainingRun`, such
            as ``batch``, ``sequence``, ``rank`` and ``checkpointing``.

    Raises:
        UserError: If a field is unknown or a value is not accepted; the message says what is.
    """
    from consilico.sim.memory.presets import find_model
    from consilico.sim.memory.training_run import TrainingRun

    known = [name for name in TrainingRun.__dataclass_fields__ if name not in ("model", "method")]
    for name in settings:
        if name not in known:
            raise UserError(f"unknown field {name!r} of a run; accepted: {', '.join(known)}")
    values: dict[str, Any] = settings  # checked by TrainingRun, one by one
    return TrainingRun(model=find_model(model), method=method, **values)


def memory(
    run: "TrainingRun", *, gpu: str | None = None, memory: str | None = None
) -> "MemoryAnswer":
    """Account for the memory of a training run, tensor by tensor: does it fit, what would help.

    Args:
        run: What is trained and how.
        gpu: Name of the GPU that it is to fit; its speed gives an estimate of time too.
        memory: Memory that it is to fit instead, such as ``"16 GiB"``.

    Returns:
        The ledger, its peak and, where something is to be fitted, whether it fits and what would
        make it fit.

    Raises:
        UserError: If the GPU is unknown, the amount is none, or both are given.
    """
    from consilico.sim.memory.answer import answer
    from consilico.sim.memory.gpus import GpuMemory, find_gpu, gpu_memory, parse_memory

    if gpu is not None and memory is not None:
        raise UserError("--gpu and --memory exclude each other: give one of them")
    card = None if gpu is None else find_gpu(gpu)
    space = None if card is None else GpuMemory.of(card)
    if memory is not None:
        parse_memory(memory)  # a name of a GPU is for ``gpu``
        space = gpu_memory(memory)
    return answer(run, space, card)


def memory_sweep(
    base: "TrainingRun",
    *,
    methods: Sequence[str],
    batches: Sequence[int],
    sequences: Sequence[int],
    ranks: Sequence[int] = (0,),
) -> "list[MemorySweep]":
    """Return the peaks of many runs at once, one array per method.

    Args:
        base: What all of them have in common.
        methods: Training methods.
        batches: Micro-batches.
        sequences: Tokens per sequence.
        ranks: Ranks; 0 is the method's usual one.

    Raises:
        UserError: If a value is not accepted.
    """
    from consilico.sim.memory.sweep import sweep as run

    return run(base, methods, batches, sequences, ranks)


def accelerator(
    *,
    rows: int = 64,
    columns: int = 64,
    arrays: int = 1,
    dataflow: str = "weight_stationary",
    precision: str = "int8",
    clock_ns: float = 2.0,
    sram_kib: int = 8192,
    lanes: int = 64,
    dram: str = "hbm2",
) -> "Accelerator":
    """Return the description of an accelerator, as :func:`training_hw` takes it.

    Args:
        rows: Rows of a systolic array.
        columns: Its columns.
        arrays: Number of such arrays.
        dataflow: ``"weight_stationary"`` or ``"output_stationary"``.
        precision: Of products: ``"int8"``, ``"int4"`` (weights) or ``"bf16"``.
        clock_ns: Clock period in ns.
        sram_kib: SRAM in KiB.
        lanes: Lanes of the element-wise units.
        dram: Kind of DRAM: ``"hbm2"``, ``"gddr5"``, ``"lpddr4"``, ``"ddr4"`` or ``"ddr3"``.

    Raises:
        UserError: If a value is not accepted.
    """
    from consilico.sim.accelerator.accelerator import Accelerator, SystolicArrays, find_dram

    return Accelerator(
        array=SystolicArrays(rows=rows, columns=columns, count=arrays, dataflow=dataflow),
        dram=find_dram(dram),
        precision=precision,
        clock_ns=clock_ns,
        sram_kib=sram_kib,
        lanes=lanes,
    )


def training_hw(
    run: "TrainingRun",
    accelerator: "Accelerator",
    *,
    pdk: str = "nangate45",
    svd: str = "full",
    gap: int = 200,
    prices: str = "best",
) -> "StepCost":
    """Estimate what a training step costs on an accelerator: traffic, area, energy, time.

    Args:
        run: What is trained and how.
        accelerator: Arrays, SRAM, lanes and DRAM.
        pdk: Process kit.
        svd: How new subspaces are found: ``"full"`` or ``"randomised"``.
        gap: Steps between two of them.
        prices: Of the units: ``"measured"``, ``"calibrated"``, or ``"best"``: measured if known.

    Raises:
        UserError: If something is not counted, not priced or not accepted.
    """
    from consilico.sim.accelerator.step_cost import step_cost

    return step_cost(run, accelerator, pdk, svd, gap, prices=prices)


# The page, and what there is on this machine


def report(
    output: Path,
    units: Sequence[str] = (),
    kits: Sequence[str] = (),
    settings: Sequence[str] = (),
    *,
    full: bool = False,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "ReportAnswer":
    """Verify and implement units and write a report about them, a page in ``output``.

    The page is written as soon as there is something to show, and grows.

    Args:
        output: Folder, made where it is missing.
        units: Names of units; the whole product if empty.
        kits: Process kits, as ``kit`` or ``kit:corner``; nangate45 if empty.
        settings: ``field=value``, for the units named.
        full: Whether to measure all there is; else what takes long is named with its command.
        jobs: Measurements at a time; as many as there are processors if not given.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If a unit, kit or setting is unknown, a tool is missing or the folder cannot be
            written; an earlier report stays.
    """
    with needing("report", "torch"):
        from consilico.reports.build import build_report, request_of

        request = request_of(units, kits, settings, full=full)
        return build_report(output, request, workers=jobs, progress=progress)


def kits() -> list[dict[str, Any]]:
    """Return each process kit and corner: what it is, and where it was found or how to get it."""
    from consilico.sim.silicon.kits.kit import describe_kits

    return [kit.to_json() for kit in describe_kits()]


def _unit(unit: "str | Unit") -> "Unit":
    from consilico.sim.units.catalogue import find_unit

    return find_unit(unit) if isinstance(unit, str) else unit


def _configured(unit: "str | Unit", config: "Config | None") -> "tuple[Unit, Config]":
    found = _unit(unit)
    if config is None:
        return found, found.config()
    if not isinstance(config, found.config):
        raise UserError(
            f"{found.name} takes a {found.config.__name__}, not a {type(config).__name__}"
        )
    return found, config


def _swept(
    text: str,
    top: str,
    pdk: str,
    clocks_ns: Iterable[float],
    resolution: float | None,
    clock: str,
    jobs: int | None,
    progress: "Progress | None",
) -> "ClockSweep":
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.synthesis.sweep import sweep as run

    return run(
        text, top, find_kit(pdk), [*clocks_ns], resolution=resolution, clock=clock,
        workers=jobs, progress=progress,
    )  # fmt: skip
