"""What the transistors of a kit leak, read off its smallest inverter; kept in ``inverters.json``.

Checked in for all kits, so that the SRAM model needs no kit; written by
:mod:`consilico.sim.estimate.memories.calibrate` for the kits that are on the machine.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import write_atomic

__all__ = ["kit_inverter", "smallest_inverter", "write_inverters"]

_FILE = Path(__file__).with_name("inverters.json")


@cache
def _known() -> dict[str, dict[str, Any]]:
    known: dict[str, dict[str, Any]] = json.loads(_FILE.read_text())
    return known


def kit_inverter(pdk: str) -> dict[str, Any] | None:
    """``cell``, ``corner``, ``leakage_w`` (mean of its states) and ``input_f``; None: not known."""
    return _known().get(pdk)


def write_inverters() -> None:
    """Read the kits that are on this machine anew; the others keep what they have."""
    from consilico.sim.silicon.kits.kit import find_kit, kit_names

    found = dict(_known()) if _FILE.exists() else {}
    for pdk in kit_names():
        try:
            kit = find_kit(pdk)
        except UserError:
            continue  # not on this machine
        found[pdk] = {"corner": kit.corner, **smallest_inverter(kit.liberty)}
    text = json.dumps(dict(sorted(found.items())), indent=1)
    write_atomic(_FILE, text + "\n")


def smallest_inverter(liberty: Sequence[Path]) -> dict[str, Any]:
    """Name, leakage and input capacitance of a library's smallest inverter.

    Raises:
        UserError: If it has no inverter with a leakage power.
    """
    from consilico.sim.silicon.liberty.boolean import parse_function
    from consilico.sim.silicon.liberty.read import read_liberty

    found: list[tuple[float, dict[str, Any]]] = []
    for name, cell in read_liberty(liberty).cells.items():
        inputs = [pin for pin in cell.pins.values() if pin.direction == "input"]
        outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
        if len(inputs) != 1 or len(outputs) != 1 or cell.sequential or not outputs[0].function:
            continue
        function = parse_function(outputs[0].function)
        if function.sense(inputs[0].name) != "negative_unate":
            continue
        states = [leak.value_w for leak in cell.leakage if leak.value_w > 0]
        leakage = sum(states) / len(states) if states else cell.leakage_w
        if leakage:
            found.append(
                (
                    cell.area_um2,
                    {
                        "cell": name,
                        "leakage_w": leakage,
                        "input_f": inputs[0].capacitance_f,
                    },
                )
            )
    if not found:
        raise UserError(f"{liberty[0]} has no inverter with a leakage power")
    return min(found, key=lambda item: (item[0], item[1]["cell"]))[1]
