"""Define ``consilico system``: what a prompt or a token costs on a chip of our units."""

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

__all__ = ["system"]


def _hardware(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="The chip")


def system(
    model: Annotated[
        str, typer.Option(help="Name of a built-in model, or path of a Hugging Face config.json.")
    ],
    transform: Annotated[
        list[str],
        typer.Option(
            metavar="NAME:ARGS",
            help="A way to compute less, such as ffn-skip:0.25, welore:512, eora:128, 2:4, owl:0.7,"
            " scatterbrain:0.1,64; repeatable.",
            default_factory=list,
            show_default=False,
        ),
    ],
    phase: Annotated[
        str, typer.Option(help="prefill: a prompt; decode: tokens whose context is in a cache.")
    ] = "decode",
    context: Annotated[
        int, typer.Option(help="Tokens that the last new token sees, itself included.")
    ] = 4096,
    new: Annotated[
        int, typer.Option(help="New tokens of a sequence; 0: a whole prompt, or one in decoding.")
    ] = 0,
    batch: Annotated[int, typer.Option(help="Sequences.")] = 1,
    normaliser: Annotated[
        str, _hardware("Unit that normalizes scores, such as consmax/log2 or softermax.")
    ] = "consmax/log2",
    weights: Annotated[
        str, _hardware("Format of weights: int8, int4-g32 to int4-g256 (groups), or 2:4.")
    ] = "int8",
    p_format: Annotated[
        str, _hardware("Form of a normalized score: int7, 2xint7 (two slices of it) or uint8.")
    ] = "int7",
    tile: Annotated[str, _hardware("Queries x keys of an attention tile, up to 64x64.")] = "64x64",
    tiles: Annotated[int, _hardware("How many; their arrays multiply with weights, too.")] = 4,
    gemv_lanes: Annotated[
        int, _hardware("Products per cycle of dot-product units; 0: none.")
    ] = 512,
    lanes: Annotated[int, _hardware("Lanes of element-wise units.")] = 256,
    sram_kib: Annotated[int, _hardware("SRAM in KiB.")] = 8192,
    dram: Annotated[
        str, _hardware("hbm2 to hbm3e, gddr5 to gddr7, lpddr4 or 5, ddr3 to ddr5.")
    ] = "hbm2",
    pdk: Annotated[str, _hardware("Process kit.")] = "nangate45",
    rung: Annotated[str | None, _hardware(f"Of the units: {RUNG_HELP}")] = None,
    clock_ns: Annotated[float, _hardware("Clock period in ns.")] = 2.0,
    compare_normalisers: Annotated[
        bool,
        typer.Option(
            "--compare-normalisers", help="Show what every other normalizer would change."
        ),
    ] = False,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Estimate what a prompt or a token of a model costs on a chip: latency, energy, area."""
    from consilico.sim.system.chip import tile_size

    rows, columns = tile_size(tile, "--tile")
    chip = api.chip(
        rows=rows, columns=columns, tiles=tiles, gemv_lanes=gemv_lanes, lanes=lanes,
        weights=weights, sram_kib=sram_kib, dram=dram, clock_ns=clock_ns,
    )  # fmt: skip
    result = api.system(
        model, chip, phase=phase, context=context, new=new, batch=batch, normaliser=normaliser,
        p_format=p_format, pdk=pdk, rung=rung, compare_normalisers=compare_normalisers,
        transforms=transform,
    ).to_json()  # fmt: skip
    if plot is not None:
        from consilico.reports.plots import save_plot, system_plot

        save_plot(system_plot(result), plot)
    emit("system/1", result, json_path, lambda: _show(result))


def _show(result: dict[str, Any]) -> None:
    s, kit, own = result["settings"], result["kit"], result["normaliser"]
    title = (
        f"{result['model']}, {result['phase']} at {s['context']:,} tokens, batch {s['batch']},"
        f" weights {s['weights']}: {s['tiles']} tile{'s' if s['tiles'] > 1 else ''} of {s['tile']},"
        f" {s['gemv_lanes']} dot-product lanes, {s['dram']}, {kit['pdk']} {kit['corner']},"
        f" {1 / s['clock_ns']:.3g} GHz"
    )
    columns = (
        "operator",
        "m x k x n",
        "times",
        "engine",
        "cycles",
        "DRAM, GB",
        "mJ",
        "ms",
        "cycles are",
    )
    print_table(
        title,
        columns,
        [
            (
                o["name"], f"{o['m']} x {o['k']} x {o['n']}", o["count"], o["engine"],
                f"{o['cycles']['value']:,.0f}", f"{o['dram_bytes'] / 1e9:.3g}",
                _range(o["energy_j"], 1e3), f"{1e3 * o['time_s']['value']:.3g}", o["basis"],
            )
            for o in result["operators"]
        ],
        (2, 4, 5, 6, 7),
    )  # fmt: skip
    for name, title, factor in (("energy_j", "Energy", 1e3), ("area_um2", "Area", 1e-6)):
        unit = "mJ" if name == "energy_j" else "mm2"
        rows = [(part, _range(value, factor)) for part, value in result[name].items()]
        print_table(f"{title}: estimated", ("of", unit), rows, (1,))
    if own["against"]:
        _show_rivals(own)
    if result["transforms"]:
        _show_transforms(result["transforms"])
    used = ", ".join(f"{name} {value:.1%}" for name, value in result["utilisation"].items())
    print(f"Latency      {_range(result['latency_s'], 1e3)} ms per {result['per']} (estimated)")
    print(f"Bound        {result['bound']}: {_limits(result['limits_s'])}")
    print(f"Utilization  {used} (useful operations over capacity times latency)")
    print(
        f"Normalizer   {own['name']}: {own['share_of_latency']:.2%} of the latency,"
        f" {own['share_of_energy']:.2%} of the energy, {_range(own['area_um2'], 1e-6)} mm2 with"
        f" {own['buffer_kib']:,.0f} KiB of buffers"
    )
    print(f"Accuracy     {_accuracy(result['accuracy'], s['p_format'])}")
    print(
        f"Memory       weights {result['weight_bytes'] / 1e9:.3g} GB, keys and values"
        f" {result['kv_cache_bytes'] / 1e9:.3g} GB"
    )
    print(f"Units        {kit['pdk']}, {kit['activity']}, {kit['dated']}; {RUNGS[kit['rung']]}")
    for doubt in result["doubts"]:
        print(f"Assumed      {doubt}")


def _accuracy(known: dict[str, Any], p_format: str) -> str:
    if known["change_pct"] is None:
        return str(known["note"])
    changes = ", ".join(f"{each['change_pct']:+.3g} % on {each['text']}" for each in known["texts"])
    return f"perplexity {changes}, P as {p_format} ({known['note']})"


def _show_rivals(own: dict[str, Any]) -> None:
    """Print what other normalizers would make of the chip."""
    rows = [
        (name, r["kind"], f"{r['latency_ratio']:.3f}", f"{r['attention_energy_ratio']:.3f}",
         f"{r['energy_ratio']:.3f}", f"{r['area_ratio']:.3f}", f"{r['buffer_kib']:,.0f}")
        for name, r in own["against"].items()
        if not r["refused"]
    ]  # fmt: skip
    print_table(
        f"Other normalizers, as ratios to {own['name']}",
        ("unit", "kind", "latency", "energy of attention", "energy", "area", "buffers, KiB"),
        rows,
        range(2, 7),
    )
    for name, r in own["against"].items():
        if r["refused"]:
            print(f"Left out     {name}: {r['refused']}")
        if r["doubt"]:
            print(f"Assumed      {r['doubt']}")
    if own["nothing_gained"]:
        print(f"No gain      in {', '.join(own['nothing_gained'])}: all are within 1 %")


def _show_transforms(effects: list[dict[str, Any]]) -> None:
    """Print what each transform changes, after those before it."""
    print_table(
        "Transforms, as ratios to none of them",
        ("transform", "is", "MACs", "bytes of weights", "latency", "energy"),
        [
            (
                e["name"], e["kind"], f"{e['macs_ratio']:.3f}", f"{e['weight_bytes_ratio']:.3f}",
                *(
                    f"{e[name]:.3f}" if e["in_cycles"] else "refused"
                    for name in ("latency_ratio", "energy_ratio")
                ),
            )
            for e in effects
        ],
        (2, 3, 4, 5),
    )  # fmt: skip
    for e in effects:
        if e["needs"]:
            print(f"Needs        {e['name']}: {e['needs']}")
        for note in e["notes"]:
            print(f"Note         {e['name']}: {note}")


def _limits(limits: dict[str, float]) -> str:
    total = sum(limits.values())
    ordered = sorted(limits.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {value / total:.1%}" for name, value in ordered if value)


def _range(interval: dict[str, float], unit: float = 1.0) -> str:
    value, low, high = (interval[name] * unit for name in ("value", "low", "high"))
    if high - low < 0.005 * value:
        return f"{value:.3g}"
    return f"{value:.3g} ({low:.3g} to {high:.3g})"
