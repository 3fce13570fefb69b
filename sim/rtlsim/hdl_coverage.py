"""Count how often the lines of a unit's Verilog, and the toggles of its bits, are reached.

Verilator counts while the cocotb testbench replays the beginning of the verification stimulus. Its
files have a line per point, ``C 'key' count``, whose key is made of pairs of a name and a value.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from consilico.golden.config import Config
from consilico.sim.base.errors import ToolError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.processes import work_folder
from consilico.sim.rtlsim.cocotb_replay import build_cocotb, run_cocotb
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.stimulus import prefix
from consilico.sim.units.unit import Unit

__all__ = ["hits_of", "measured_hits", "read_hits", "write_hits"]

_ITEMS = 1200  # a Python step per cycle
_HEAD = "# SystemC::Coverage-3\n"
_LINE = re.compile(r"C '(.*)' (\d+)")
_FILE = re.compile("\x01f\x02[^\x01]*")  # a build folder that is gone


def measured_hits(unit: Unit, config: Config, seed: int) -> Counter[str]:
    """Return the hits of each of Verilator's points in one replay of a unit.

    Args:
        unit: The unit.
        config: Its configuration.
        seed: Of the stimulus and the stalls.

    Raises:
        UserError: If there is no Verilator.
        ToolError: If the replay did not end with counts, or the Verilog does not compile.
    """
    simulator = find_simulator("verilator")
    top = unit.module_name
    build = build_cocotb(simulator, [verilog(unit, config)], top, coverage=True)
    stimulus = prefix(unit.vectors(config, seed), _ITEMS)
    replay = Replay(stall_in=64, stall_out=96, seed=seed)
    with work_folder("coverage") as folder:
        file = folder / "coverage.dat"
        done = run_cocotb(
            simulator, build, top, unit.ports(config), stimulus, replay, coverage=file
        )
        if not file.exists():
            why = "; ".join(done.problems) or "the simulation wrote none"
            raise ToolError(f"verilator counts no coverage of {unit.name}: {why}")
        return read_hits(file.read_text(errors="replace"), f"{top}.v")


def read_hits(text: str, source: str) -> Counter[str]:
    """Return the hits in one of Verilator's files, by the key of the point.

    Args:
        text: The file's text.
        source: Name of the Verilog file that keys get.
    """
    hits: Counter[str] = Counter()
    for line in text.splitlines():
        if (found := _LINE.fullmatch(line)) is not None:
            hits[_FILE.sub(f"\x01f\x02{source}", found[1])] += int(found[2])
    return hits


def write_hits(path: Path, hits: Mapping[str, int]) -> None:
    """Write hits as ``verilator_coverage`` reads them."""
    lines = [f"C '{key}' {count}\n" for key, count in sorted(hits.items())]
    write_atomic(path, _HEAD + "".join(lines))


def hits_of(hits: Mapping[str, int], kind: str) -> tuple[int, int]:
    """Return how many points of a kind, ``line`` or ``toggle``, were hit, and how many there are.

    A branch is a point of its kind ``branch``, and counts among the lines.
    """
    kinds = ("line", "branch") if kind == "line" else (kind,)
    counts = [
        count
        for key, count in hits.items()
        if any(f"\x01page\x02v_{each}/" in key for each in kinds)
    ]
    return sum(count > 0 for count in counts), len(counts)
