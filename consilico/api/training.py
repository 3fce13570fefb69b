"""Training runs: whether one fits a GPU, and what a step costs on an accelerator.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from consilico.extras import needing
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.accelerator.accelerator import Accelerator
    from consilico.sim.accelerator.step_cost import StepCost
    from consilico.sim.memory.answer import MemoryAnswer
    from consilico.sim.memory.sweep import MemorySweep
    from consilico.sim.memory.training_run import TrainedModel, TrainingRun

__all__ = ["accelerator", "memory", "memory_sweep", "training_hw", "training_run"]


def training_run(
    model: str,
    method: str | None = None,
    *,
    recipe: str | None = None,
    engine: str = "ledger",
    **settings: float | str | bool,
) -> "TrainingRun":
    """Return the description of a training run, as :func:`memory` and :func:`training_hw` take it.

    Args:
        model: Name of a built-in model such as ``"llama-7b"``, or path of a Hugging Face
            ``config.json``.
        method: Training method, such as ``"q-galore"``; ``adamw`` or that of the recipe if none
            is given.
        recipe: What a framework does when its documentation is followed, such as ``"hf-qlora"``;
            settings that are given come before its own.
        engine: What is to give its account, as :func:`memory` takes it: ``"execute"`` accepts a
            ``config.json`` of any family that ``transformers`` knows.
        settings: Further fields of :class:`~consilico.sim.memory.training_run.TrainingRun`, such
            as ``batch``, ``sequence``, ``rank`` and ``checkpointing``.

    Raises:
        UserError: If a field is unknown, a value is not accepted, or a setting does nothing for the
            method.
    """
    from consilico.sim.memory.presets import find_model
    from consilico.sim.memory.settings import Settings
    from consilico.sim.memory.training_run import TrainingRun, run_by_recipe

    known = list(Settings.__dataclass_fields__)
    for name in settings:
        if name not in known:
            raise UserError(f"unknown field {name!r} of a run; accepted: {', '.join(known)}")
    values: dict[str, Any] = settings  # checked by TrainingRun, one by one
    shape: TrainedModel
    if _executes(engine):
        with needing(_EXECUTION, *_EXECUTING):
            from consilico.sim.memory.execution.hf_config import executable_model
        shape = executable_model(model)
    else:
        shape = find_model(model)
    if recipe is not None:
        return run_by_recipe(shape, recipe, method, **values)
    return TrainingRun(model=shape, method=method or "adamw", **values)


_EXECUTION = "memory --engine execute"
_EXECUTING = ("transformers", "peft", "bitsandbytes")
_ENGINES = ("ledger", "execute")


def _executes(engine: str) -> bool:
    """Tell whether an engine is the one that executes.

    Raises:
        UserError: If it is none.
    """
    if engine not in _ENGINES:
        raise UserError(f"engine must be {' or '.join(_ENGINES)}, not {engine!r}")
    return engine == "execute"


def memory(
    run: "TrainingRun",
    *,
    gpu: str | None = None,
    memory: str | None = None,
    engine: str = "ledger",
) -> "MemoryAnswer":
    """Account for the memory of a training run, tensor by tensor: does it fit, what would help.

    Args:
        run: What is trained and how.
        gpu: Name of the GPU that it is to fit; its speed gives an estimate of time too.
        memory: Memory that it is to fit instead, such as ``"16 GiB"``.
        engine: What gives the account of a step: the ``"ledger"``, which counts it, or
            ``"execute"``, which runs it with the real Hugging Face model on tensors without data.

    Returns:
        The ledger, its peak and, where something is to be fitted, whether it fits and what would
        make it fit.

    Raises:
        UserError: If the GPU is unknown, the amount is none, both are given, or the libraries do
            not execute the run as it is asked for.
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
    executed = None
    if _executes(engine):
        with needing(_EXECUTION, *_EXECUTING):
            from consilico.sim.memory.execution.execute import execute
            from consilico.sim.memory.execution.hf_config import hugging_face_config
        executed = execute(run, hugging_face_config(run.model))
    return answer(run, space, card, executed)


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
        dram: Kind of DRAM, such as ``"hbm2"``, ``"hbm3e"``, ``"gddr7"`` or ``"lpddr5"``;
            an unknown one is refused with the list of all.

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
    rung: str | None = None,
) -> "StepCost":
    """Estimate what a training step costs on an accelerator: traffic, area, energy, time.

    Args:
        run: What is trained and how.
        accelerator: Arrays, SRAM, lanes and DRAM.
        pdk: Process kit.
        svd: How new subspaces are found: ``"full"`` or ``"randomised"``.
        gap: Steps between two of them.
        prices: Of the units: ``"measured"``, ``"calibrated"``, or ``"best"``: measured if known.
        rung: Of the units: ``"cells"``, or ``"layout"``: with wires, clock tree and glitches; None:
            of a layout, where the kit was laid out.

    Raises:
        UserError: If something is not counted, not priced or not accepted.
    """
    from consilico.sim.accelerator.step_cost import step_cost

    return step_cost(run, accelerator, pdk, svd, gap, prices=prices, rung=rung)
