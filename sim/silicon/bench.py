"""Speed of the power engine: net toggles per second, from a waveform file to the report.

The command ``python -m consilico.sim.silicon.bench`` maps a unit and simulates its netlist on its
traffic; the recording is repeated until it holds some million net toggles. The exit status is 1
below one million toggles per second.
"""

import re
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from consilico.sim.silicon.activity.gatesim import PERIOD_NS, SCOPE, simulate_gates
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import PowerReport
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.catalogue import find_unit, verilog

__all__ = ["main", "repeat"]

_UNIT, _KIT, _CLOCK_NS = "matmul/dot", "nangate45", 4.0
_BEATS = 64
_TOGGLES = 5e6
_LEAST = 1e6  # net toggles per second
_STAMP = re.compile(rb"^#(\d+)", re.M)


def repeat(source: Path, target: Path, times: int) -> None:
    """Write a VCD whose changes come several times in a row.

    Args:
        source: VCD; what comes after a ``$dumpoff`` is left out.
        target: Where the longer one goes.
        times: Copies.
    """
    whole = source.read_bytes()
    begin = whole.index(b"\n", whole.index(b"$enddefinitions")) + 1
    body = whole[begin:].partition(b"$dumpoff")[0]
    stamps = [int(stamp) for stamp in _STAMP.findall(body)]
    span = stamps[-1] - stamps[0] + 1
    with target.open("wb") as file:
        file.write(whole[:begin])
        for copy in range(times):
            file.write(_STAMP.sub(partial(_later, copy * span), body))


def _later(ticks: int, stamp: re.Match[bytes]) -> bytes:
    return b"#%d" % (int(stamp[1]) + ticks)


def main() -> int:
    """Measure and print the speed; return 1 where it is too slow."""
    unit = find_unit(_UNIT)
    config = unit.config()
    kit = find_kit(_KIT)
    netlist = synthesize(verilog(unit, config), unit.module_name, kit, _CLOCK_NS)
    stimulus = unit.traffic(config, "uniform", _BEATS)
    with tempfile.TemporaryDirectory(prefix="consilico-bench-") as name:
        short, long = Path(name, "short.vcd"), Path(name, "long.vcd")
        simulate_gates(
            netlist.netlist.read_text(), list(netlist.cells_by_type), read_liberty(kit.liberty),
            unit.module_name, unit.ports(config), stimulus, short,
        )  # fmt: skip

        def measure(waveform: Path) -> tuple[PowerReport, float]:
            begin = time.process_time()
            report = analyze_power(
                netlist.netlist, unit.module_name, kit.liberty, waveform, SCOPE, "clk", PERIOD_NS
            )
            return report, time.process_time() - begin

        once, _ = measure(short)
        repeat(short, long, round(_TOGGLES / once.toggles))
        report, seconds = measure(long)
        megabytes = long.stat().st_size / 1e6
    speed = report.toggles / seconds
    print(
        f"power of {_UNIT}: {report.toggles / 1e6:.2f} million net toggles ({megabytes:.0f} MB of "
        f"VCD) in {seconds:.2f} s of processor time: {speed / 1e6:.2f} million a second, "
        f"{speed / _LEAST:.2f} times what is asked for"
    )
    return 0 if speed >= _LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
