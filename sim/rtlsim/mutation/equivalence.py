"""Prove that a mutant behaves as the design does, whatever it is given.

Both are cut at their registers and latches: every stored bit becomes an input, and what it is fed
with an output. If all outputs are equal for all inputs, ABC's ``cec`` says so, and both behave
alike from any common state. A mutant that differs only in states which are never reached is not
proved.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.rtlsim.mutation.mutants import SELECT, Mutants
from consilico.sim.rtlsim.proofs.design import STATE
from consilico.sim.rtlsim.proofs.engines import abc_program

__all__ = ["equivalent_mutants"]

_GRAPH = """\
read_json cut.json
setundef -zero
opt_expr
opt_merge
opt_clean
techmap
simplemap
opt_expr
opt_merge
opt_clean
aigmap
write_aiger -symbols cut.aig
"""
_LIMITS = Limits(wall_s=1800, cpu_s=300)


def equivalent_mutants(
    mutants: Mutants, numbers: Iterable[int], top: str, limit_s: int = 10
) -> set[int]:
    """Return the numbers of the mutants that are proved to behave as the design does.

    Args:
        mutants: The design with its faults.
        numbers: Which mutants to look at.
        top: Name of the design's module.
        limit_s: Processor seconds per mutant.

    Raises:
        UserError: If Yosys or ABC is missing.
        ToolError: If Yosys fails.
    """
    wanted = list(numbers)
    if not wanted:
        return set()
    with work_folder("equivalence") as folder:
        (folder / "cut.json").write_text(_cut(mutants.json, f"{top}_mutants"))
        (folder / "graph.ys").write_text(_GRAPH)
        run_tool("yosys", ["yosys", "-q", "graph.ys"], _LIMITS, folder=folder).check()
        graph = _read_aiger((folder / "cut.aig").read_bytes())
        (folder / "original.aig").write_bytes(graph.with_mutant(0))
        found = set()
        for number in wanted:
            (folder / "changed.aig").write_bytes(graph.with_mutant(number))
            if _same(folder, limit_s):
                found.add(number)
        return found


def _same(folder: Path, limit_s: int) -> bool:
    command = "cec -n original.aig changed.aig"
    limits = Limits(wall_s=20.0 * limit_s, cpu_s=limit_s)
    run = run_tool("abc", [abc_program(), "-c", command], limits, folder=folder)
    return "Networks are equivalent" in run.stdout


def _cut(text: str, top: str) -> str:
    """Return a netlist whose registers and latches have become ports."""
    whole: dict[str, Any] = json.loads(text)
    module = whole["modules"][top]
    ports, cells = module["ports"], module["cells"]
    for number, name in enumerate([each for each in cells if cells[each]["type"] in STATE]):
        cell = cells.pop(name)
        for port, bits in cell["connections"].items():
            stored = cell["port_directions"][port] == "output"
            ports[f"cut{number}_{port}"] = {
                "direction": "input" if stored else "output", "bits": bits,
            }  # fmt: skip
            module["netnames"][f"cut{number}_{port}"] = {
                "hide_name": 0, "bits": bits, "attributes": {},
            }  # fmt: skip
    return json.dumps(whole)


@dataclass(frozen=True, kw_only=True)
class _Graph:
    """A combinational AIGER file (A. Biere, http://fmv.jku.at/aiger/).

    Gate ``n`` has the literal ``2 * (inputs + 1 + n)``.
    """

    inputs: int
    outputs: tuple[int, ...]  # literals
    gates: tuple[tuple[int, int], ...]  # literals of the inputs, the greater first
    select: dict[int, int]  # literals of the input that chooses, and which bit of it each is

    def with_mutant(self, number: int) -> bytes:
        """Return the file with the input that chooses held at a number."""
        held = {literal: number >> bit & 1 for literal, bit in self.select.items()}

        def value(literal: int) -> int:
            return held[literal & ~1] ^ (literal & 1) if literal & ~1 in held else literal

        most = self.inputs + len(self.gates)
        head = f"aig {most} {self.inputs} 0 {len(self.outputs)} {len(self.gates)}\n"
        raw = bytearray(head.encode())
        for literal in self.outputs:
            raw += f"{value(literal)}\n".encode()
        for index, gate in enumerate(self.gates):
            high, low = sorted(map(value, gate), reverse=True)
            raw += _delta(2 * (self.inputs + 1 + index) - high) + _delta(high - low)
        return bytes(raw)


def _delta(number: int) -> bytes:
    """Return a number in AIGER's code: 7 bits per byte, lowest first."""
    raw = bytearray()
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    raw.append(number)
    return bytes(raw)


def _read_aiger(raw: bytes) -> _Graph:
    head, _, rest = raw.partition(b"\n")
    _, _, inputs, latches, outputs, gates = (
        int(word) if word.isdigit() else -1 for word in head.split()
    )
    assert latches == 0
    literals = []
    for _ in range(outputs):
        line, _, rest = rest.partition(b"\n")
        literals.append(int(line))
    at, found = 0, []

    def number() -> int:
        nonlocal at
        total, shift = 0, 0
        while True:
            byte = rest[at]
            at += 1
            total |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return total

    for index in range(gates):
        high = 2 * (inputs + 1 + index) - number()
        found.append((high, high - number()))
    select = {
        2 * (int(index) + 1): int(bit or 0)
        for index, bit in re.findall(
            rf"^i(\d+) {SELECT}(?:\[(\d+)\])?$", rest[at:].decode(errors="replace"), re.M
        )
    }
    return _Graph(inputs=inputs, outputs=tuple(literals), gates=tuple(found), select=select)
