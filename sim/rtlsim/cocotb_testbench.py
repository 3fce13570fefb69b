"""cocotb testbench of any unit, replaying a stimulus from a file.

Runs inside the simulator. The environment's ``CONSILICO_BENCH`` names a folder with ``plan.json``
(payload widths, stall probabilities, seed) and ``stimulus.npz``; the verdict is written there as
``report.json``. The code shares nothing with the bulk testbench on purpose: a mistake in one shows
in the other. It is made of what :mod:`consilico.testing` gives to anyone.
"""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from consilico.sim.rtlsim.testing.bench import Bench, Hang
from consilico.sim.rtlsim.testing.scoreboard import Mismatch
from consilico.sim.rtlsim.testing.streams import random_pauses
from consilico.sim.units.accepted import Expected
from consilico.sim.units.layout import Layout, Layouts

__all__ = ["replays_stimulus"]


@cocotb.test()
async def replays_stimulus(dut: Any) -> None:
    """Check that every result equals the expected one, in order, whatever stalls."""
    folder = Path(os.environ["CONSILICO_BENCH"])
    plan = json.loads((folder / "plan.json").read_text())
    data = dict(np.load(folder / "stimulus.npz"))

    def expect(kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
        """Return what the stimulus expects: its items are accepted in its own order."""
        completes = data["completes"][: len(kind)]
        return Expected(completes, data["expected"][: int(completes.sum())], {})

    bench = Bench(
        dut,
        Layouts(
            i=Layout.plain(plan["i_width"]),
            o=Layout.plain(plan["o_width"]),
            cfg=Layout.plain(plan["cfg_width"]),
        ),
        expect,
        source_pauses=random_pauses(plan["stall_in"], plan["seed"]),
        sink_pauses=random_pauses(plan["stall_out"], plan["seed"] + 1),
        hang_cycles=plan["hang_cycles"],
    )
    problems: list[str] = []
    await bench.run()
    try:
        await bench.replay(data["kind"], data["bits"])
        await bench.drain()
    except Hang as hang:
        problems.append(str(hang))
    compared = bench.scoreboard.compare()
    violations = len(compared.unexpected)
    for monitor in bench.monitors.values():
        problems += monitor.problems
        violations += monitor.violations
    problems += [line for line in compared.problems if "without an accepted input" in line]
    report = {
        "checked": compared.checked,
        "wrong": len(compared.mismatches),
        "dropped": compared.dropped,
        "violations": violations,
        "problems": problems,
        "first_mismatch": _first(compared.mismatches),
        "cycles": bench.cycles,
    }
    (folder / "report.json").write_text(json.dumps(report))
    assert not problems, report
    assert not compared.mismatches, report


def _first(mismatches: tuple[Mismatch, ...]) -> dict[str, Any] | None:
    if not mismatches:
        return None
    first = mismatches[0]
    digits = -(-len(first.bits) // 4)
    return {
        "index": first.index,
        "got": _hex(first.bits),
        "expected": format(first.expected, f"0{digits}x"),
    }


def _hex(bits: str) -> str:
    """Return hexadecimal digits; four bits with an unknown one become ``x``, as in Verilog."""
    padded = bits.rjust(-(-len(bits) // 4) * 4, "0")
    groups = [padded[at : at + 4] for at in range(0, len(padded), 4)]
    return "".join(f"{int(group, 2):x}" if set(group) <= {"0", "1"} else "x" for group in groups)
