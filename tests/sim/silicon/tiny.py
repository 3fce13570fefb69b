"""A hand-made library, and value change dumps written from lists of values."""

from pathlib import Path

LIBRARY = Path(__file__).parent / "tiny.lib"
"""Cells INV, AND2, DFF, LATCH, CG and RAM with round figures."""

Waves = dict[str, list[tuple[int, str]]]
"""Changes by signal: time in ns and value, a vector's with as many digits as it has bits."""


def write_vcd(path: Path, waves: Waves, end_ns: int) -> Path:
    """Write a dump with the signals in the scope ``tb.dut``; names may have ranges."""
    lines = ["$timescale 1ns $end", "$scope module tb $end", "$scope module dut $end"]
    codes = {name: chr(33 + index) for index, name in enumerate(waves)}
    for name, changes in waves.items():
        lines.append(f"$var wire {len(changes[0][1])} {codes[name]} {name} $end")
    lines += ["$upscope $end", "$upscope $end", "$enddefinitions $end"]
    times = sorted({time for changes in waves.values() for time, _ in changes} | {end_ns})
    for time in times:
        lines.append(f"#{time}")
        for name, changes in waves.items():
            for at, value in changes:
                if at == time:
                    lines.append(
                        f"{value}{codes[name]}" if len(value) == 1 else f"b{value} {codes[name]}"
                    )
    path.write_text("\n".join(lines) + "\n")
    return path
