"""Define ``consilico training-hw``: what a training step costs on an accelerator."""

import re
from typing import Annotated, Any

import typer

from consilico import api
from consilico.commands.output import (
    RUNG_HELP,
    RUNGS,
    JsonOption,
    PlotOption,
    emit,
    print_table,
)
from consilico.sim.base.errors import UserError

__all__ = ["training_hw"]


def _hardware(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="The accelerator")


def training_hw(
    model: Annotated[
        str, typer.Option(help="Name of a built-in model, or path of a Hugging Face config.json.")
    ],
    method: Annotated[str, typer.Option(help="Training method.")] = "q-galore",
    batch: Annotated[int, typer.Option(help="Sequences per micro-batch.")] = 1,
    seq: Annotated[int, typer.Option(help="Tokens per sequence.")] = 256,
    rank: Annotated[int, typer.Option(help="Rank; 0 stands for the method's usual rank.")] = 0,
    group: Annotated[int, typer.Option(help="Elements per quantization group.")] = 256,
    accumulation: Annotated[int, typer.Option(help="Micro-batches per step.")] = 1,
    checkpointing: Annotated[str, typer.Option(help="none, full or selective.")] = "none",
    attention: Annotated[
        str, typer.Option(help="fused, or eager, which keeps the scores in DRAM.")
    ] = "fused",
    svd: Annotated[
        str, typer.Option(help="How new subspaces are found: full or randomised.")
    ] = "full",
    gap: Annotated[int, typer.Option(help="Steps between two subspaces.")] = 200,
    pdk: Annotated[str, _hardware("Process kit.")] = "nangate45",
    prices: Annotated[
        str,
        _hardware("Of the units: measured, calibrated, or best: measured if known."),
    ] = "best",
    rung: Annotated[
        str | None,
        _hardware(f"Of the units: {RUNG_HELP}"),
    ] = None,
    array: Annotated[str, _hardware("Rows x columns of a systolic array, up to 64x64.")] = "64x64",
    arrays: Annotated[int, _hardware("How many of them.")] = 1,
    dataflow: Annotated[
        str, _hardware("weight_stationary or output_stationary.")
    ] = "weight_stationary",
    precision: Annotated[
        str, _hardware("Products: int8, int4 (weights) or bf16; the first two are assumptions.")
    ] = "int8",
    clock_ns: Annotated[float, _hardware("Clock period in ns.")] = 2.0,
    sram_kib: Annotated[int, _hardware("SRAM in KiB.")] = 8192,
    lanes: Annotated[int, _hardware("Lanes of element-wise units.")] = 64,
    dram: Annotated[
        str, _hardware("hbm2 to hbm3e, gddr5 to gddr7, lpddr4 or 5, ddr3 to ddr5.")
    ] = "hbm2",
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Estimate what a training step costs on an accelerator: traffic, area, energy and time."""
    run = api.training_run(
        model, method, batch=batch, sequence=seq, rank=rank, group=group,
        accumulation=accumulation, checkpointing=checkpointing, attention=attention,
    )  # fmt: skip
    rows, columns = _size(array)
    accelerator = api.accelerator(
        rows=rows, columns=columns, arrays=arrays, dataflow=dataflow, dram=dram,
        precision=precision, clock_ns=clock_ns, sram_kib=sram_kib, lanes=lanes,
    )  # fmt: skip
    result = api.training_hw(
        run, accelerator, pdk=pdk, svd=svd, gap=gap, prices=prices, rung=rung
    ).to_json()
    if plot is not None:
        from consilico.reports.plots import save_plot, training_hw_plot

        save_plot(training_hw_plot(result), plot)
    emit("training-hw/1", result, json_path, lambda: _show(result))


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text.strip().lower())
    if not found:
        raise UserError(f"--array takes rows x columns such as 64x64, not {text!r}")
    return int(found[1]), int(found[2])


def _show(result: dict[str, Any]) -> None:
    s, kit = result["settings"], result["kit"]
    title = (
        f"{result['model']}, {result['method']}, {s['batch']} x {s['sequence']} tokens on"
        f" {s['arrays']} array{'s' if s['arrays'] > 1 else ''} of {s['array']}, {s['precision']},"
        f" {kit['pdk']} {kit['corner']}, {1 / s['clock_ns']:.3g} GHz"
    )
    columns = ("phase", "GFLOP", "DRAM read, GB", "written, GB", "SRAM, GB", "time, s")
    rows = [
        (
            p["phase"],
            f"{p['flops'] / 1e9:,.0f}",
            f"{sum(p['dram_read_bytes'].values()) / 1e9:.2f}",
            f"{sum(p['dram_written_bytes'].values()) / 1e9:.2f}",
            f"{(p['sram_read_bytes'] + p['sram_written_bytes']) / 1e9:,.0f}",
            f"{p['time_s']['value']:.3g}",
        )
        for p in result["phases"]
    ]
    print_table(title, columns, rows, range(1, len(columns)))
    causes = list(result["phases"][0]["energy_j"])
    rows = [
        (
            p["phase"],
            *(f"{p['energy_j'][cause]['value']:.3g}" for cause in causes),
            f"{p['total_j']['value']:.3g}",
        )
        for p in result["phases"]
    ]
    print_table("Energy, J: estimated", ("phase", *causes, "all"), rows, range(1, len(causes) + 2))
    print_table(
        "Area, mm2: estimated",
        ("part", "area", "basis"),
        [
            (name, _range(a, 1e-6), result["basis"].get(name, ""))
            for name, a in result["area_um2"].items()
        ],
        (1,),
    )
    print(f"Energy     {_range(result['energy_j'])} J (estimated)")
    print(f"Time       {_range(result['time_s'])} s (estimated)")
    print(f"Power      {_range(result['power_w'])} W, mean of a step (estimated)")
    print(f"Precision  {s['precision_means']}")
    print(f"DRAM       {result['dram']['title']}: {result['dram']['source']}")
    print(f"Units      {kit['pdk']}, {kit['activity']}, {kit['dated']}")
    print(f"           {RUNGS[kit['rung']]}")
    for doubt in result["doubts"]:
        print(f"Assumed    {doubt}")


def _range(interval: dict[str, float], unit: float = 1.0) -> str:
    value, low, high = (interval[name] * unit for name in ("value", "low", "high"))
    if high - low < 0.005 * value:
        return f"{value:.3g}"
    return f"{value:.3g} ({low:.3g} to {high:.3g})"
