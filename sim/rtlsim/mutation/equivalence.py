"""Prove that no neighbour can tell a mutant from the design.

Compared, cycle by cycle and from the first reset on: handshakes of all streams, payloads on ``o``
that are valid, and in which cycles each derived clock ticks. The neighbours are arbitrary, but for
one thing: a producer holds what it offers until it is taken. Resets come when they like.

First both are compared from any common state. If they can differ then, the question is whether
such a state is reached, in which the fault changes anything: ABC looks for registers that always
hold the same, or the constants that rule a state out, by induction (``scorr``), and decides what is
left by property directed reachability (``pdr``). There registers that a reset sets may hold
anything before the first reset. The others, whose content counts for nothing until something is
loaded, hold what design and mutant leave in them when both have run side by side for a while. So a
mutant that, say, uses the words of a memory in another order can be seen to do the same with them.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from consilico.sim.base.processes import Limits, run_tool, work_folder
from consilico.sim.rtlsim.mutation.graph import FALSE, TRUE, Builder, Graph, read_aiger
from consilico.sim.rtlsim.mutation.mutants import SELECT, Mutants
from consilico.sim.rtlsim.proofs.aiger import write_aiger
from consilico.sim.rtlsim.proofs.clocking import in_cycles
from consilico.sim.rtlsim.proofs.design import Bit, FlatModule, raw_cell
from consilico.sim.rtlsim.proofs.engines import abc_program

__all__ = ["Comparator", "MutantComparison"]

# Output ports that the design gets: the first, with the number of a fault, is 1 where that would
# change the net that it is in
_ACTIVE, _TICKS, _UNLIKE = "consilico_active", "consilico_ticks", "consilico_unlike"
_USED_CYCLES, _CONFIGURES = 200, 0.1  # before a comparison; how often a configuration is offered
_ANY_STATE = "iprove"
_REACHED = "scorr -C 200; scorr -F 2 -C 200; pdr"


@dataclass(frozen=True, kw_only=True)
class MutantComparison:
    """Verdict on how a mutant differs from the design."""

    verdict: Literal["equivalent", "differs", "not decided"]
    cycles: int | None = None  # in which a difference shows at the earliest known


class Comparator:
    """Compare mutants of a design with it.

    Args:
        mutants: The design with its faults.
        top: Name of the design's module.

    Raises:
        UserError: If Yosys or ABC is missing.
        UnknownClock: If the design stores in a way that is not followed here.
        ToolError: If Yosys fails.
    """

    def __init__(self, mutants: Mutants, top: str) -> None:
        self._abc = abc_program()
        netlist = _comparable(
            FlatModule(json.loads(mutants.json), f"{top}_mutants"), f"{top}_mutants"
        )
        with work_folder("equivalence") as folder:
            (folder / "cycles.json").write_text(netlist)
            # registers may begin with anything; nets without a value are 0
            read, options = ["read_json cycles.json"], "-symbols"
            graph = read_aiger(write_aiger(read, folder, undefined="-zero", options=options))
            self._pair = _Pair(graph, [mutation.number for mutation in mutants.mutations])

    def alike(self, number: int, limit_s: int = 2) -> bool:
        """Tell whether a mutant is proved to do as the design does in any common state.

        Args:
            number: Which mutant.
            limit_s: Processor seconds.
        """
        with self._pair.any_state(number) as differs:
            if differs == FALSE:
                return True
            model = self._pair.builder.aiger(differs, free=True)
        return "UNSATISFIABLE" in self._asked(model, _ANY_STATE, limit_s)

    def compared(self, number: int, limit_s: int = 20) -> MutantComparison:
        """Compare a mutant in the states that are reached.

        Args:
            number: Which mutant.
            limit_s: Processor seconds per question.
        """
        # a fault that never changes the net that it is in: that takes a part of the design only
        with self._pair.active(number) as active:
            model = self._pair.builder.aiger(active)
        if "Property proved" in self._asked(model, _REACHED, limit_s):
            return MutantComparison(verdict="equivalent")
        with self._pair.reached_states(number) as differs:
            model = self._pair.builder.aiger(differs)
        printed = self._asked(model, _REACHED, limit_s)
        if "Property proved" in printed:
            return MutantComparison(verdict="equivalent")
        if found := re.search(r"was asserted in frame (\d+)", printed):
            return MutantComparison(verdict="differs", cycles=int(found[1]))
        return MutantComparison(verdict="not decided")

    def _asked(self, model: bytes, command: str, limit_s: int) -> str:
        """Return what ABC prints about a model; what it printed when its time ran out is kept."""
        with work_folder("equivalence") as folder:
            (folder / "differs.aig").write_bytes(model)
            limits = Limits(wall_s=20.0 * limit_s, cpu_s=limit_s)
            script = f"read_aiger differs.aig; {command}"
            return run_tool("abc", [self._abc, "-c", script], limits, folder=folder).stdout


def _comparable(design: FlatModule, top: str) -> str:
    """Return the netlist of mutants, as Yosys' JSON, in which a cycle is a step.

    Outputs are added that say which clocks tick, in which steps the design is not followed, and
    where each fault changes something, in either half of the cycle.
    """
    select = design.port(SELECT)
    faults = _faults(design, select)
    watched = {bit for nets in faults.values() for bit in nets}
    clocked = in_cycles(design, top, switches=select, watched=watched)
    outputs = {_TICKS: list(clocked.ticks.values()), _UNLIKE: list(clocked.unlike)}

    def differ(a: Bit, b: Bit) -> Bit:
        (made,) = clocked.design.new_bits(1)
        clocked.design.add(raw_cell("$xor", {"A": [a], "B": [b]}, {"Y": [made]}))
        return made

    for number, (sound, faulty) in faults.items():
        outputs[f"{_ACTIVE}{number}"] = [
            differ(sound, faulty), differ(clocked.high[sound], clocked.high[faulty]),
        ]  # fmt: skip
    for name, bits in outputs.items():
        clocked.design.add_port(name, "output", bits or ["0"])
    module = clocked.design.module
    for net in module["netnames"].values():
        net["attributes"].pop("init", None)
    for kind in ("cells", "netnames"):  # Yosys numbers the names it makes up anew in each run
        module[kind] = {
            f"$was{name}" if name.startswith("$") else name: item
            for name, item in module[kind].items()
        }
    return json.dumps(clocked.design.whole)


def _faults(design: FlatModule, select: list[Bit]) -> dict[int, tuple[Bit, Bit]]:
    """Return the net that each fault is in, without it and with it, by its number."""
    asks: dict[Bit, int] = {}  # net that is 1 for a fault
    for cell in design.cells:
        if cell.kind == "$eq" and cell.inputs["A"] == select:
            (asked,) = cell.outputs["Y"]
            asks[asked] = sum(1 << at for at, bit in enumerate(cell.inputs["B"]) if bit == "1")
    return {
        asks[cell.inputs["S"][0]]: (cell.inputs["A"][0], cell.inputs["B"][0])
        for cell in design.cells
        if cell.kind == "$mux" and cell.inputs["S"][0] in asks
    }


def _used(graph: Graph, numbers: Sequence[int]) -> list[int]:
    """Return what each latch holds after some cycles: a bit per mutant, bit 0 of the design.

    All are given the same: offers, which the producers hold until the design takes them, and a
    consumer that is always ready.
    """
    rng = random.Random(1)
    ones = (2 << max(numbers)) - 1
    state = [0] * len(graph.next_state)
    held: dict[str, int] = {}
    values: list[int] = []

    def given(name: str, cycle: int) -> int:
        if name == SELECT or name.startswith(f"{SELECT}["):
            bit = int(name.removeprefix(SELECT).strip("[]") or 0)
            return sum(1 << number for number in numbers if number >> bit & 1)
        stream, _, part = name.partition("__")
        if name == "rst":
            return 0 if cycle else ones
        if part == "ready":
            return ones
        moves = not cycle or values[ready[stream] >> 1] ^ ready[stream] & 1
        if name not in held or moves & 1:
            often = _CONFIGURES if stream == "cfg" else 1
            held[name] = ones * (rng.random() < (often if part == "valid" else 0.5))
        return held[name]

    ready = {
        stream: graph.outputs.get(f"{stream}__ready", TRUE)
        for stream in {name.partition("__")[0] for name in graph.inputs}
    }
    for cycle in range(_USED_CYCLES):
        inputs = [given(name, cycle) for name in graph.inputs]
        values = graph.values(inputs, state, ones)
        state = [values[each >> 1] ^ (ones if each & 1 else 0) for each in graph.next_state]
    return state


class _Pair:
    """The design among its neighbours, to which a mutant is added that is given the same.

    Args:
        graph: The design, with an input that chooses a mutant.
        numbers: The mutants.
    """

    def __init__(self, graph: Graph, numbers: Sequence[int]) -> None:
        self._graph = graph
        self._content = _used(graph, numbers)
        self.builder = build = Builder()
        # a reset in the first cycle, and then at will
        settled, calm = build.latch(), build.latch()
        build.feed(settled, TRUE)
        build.feed(calm, build.input())
        self._settled, self._reset = settled, calm ^ 1
        self._on = build.both(settled, calm)  # promises hold
        self._select = {
            node: int(name.removeprefix(SELECT).strip("[]") or 0)
            for node, name in enumerate(graph.inputs, 1)
            if name == SELECT or name.startswith(f"{SELECT}[")
        }
        given: dict[int, int] = {0: FALSE} | dict.fromkeys(self._select, FALSE)
        offers: dict[str, list[int]] = {"i": [], "cfg": []}  # latches of the producers
        valid: dict[str, int] = {}
        for node, name in enumerate(graph.inputs, 1):
            stream, _, part = name.partition("__")
            if name == "rst":
                given[node] = self._reset
            elif stream in offers and part != "ready":
                given[node] = build.latch()
                offers[stream].append(given[node])
                if part == "valid":
                    valid[stream] = given[node]
            elif node not in given:
                given[node] = build.input()
        names = [name for name in graph.inputs if name.startswith(SELECT)]
        resets = graph.known_after({"rst": True} | dict.fromkeys(names, False))
        self._stored: list[int] = []  # latches, by latch of the graph
        self._first: dict[int, int] = {}  # what those that a reset sets hold in the first cycle
        for latch, is_set in enumerate(resets):
            self._stored.append(build.latch(self._content[latch] & 1))
            if is_set:
                self._first[latch] = build.input()
            given[graph.first_latch + latch] = self._seen(latch, self._stored[latch])
        for node, (a, b) in enumerate(graph.gates, graph.first_gate):
            given[node] = build.both(given[a >> 1] ^ a & 1, given[b >> 1] ^ b & 1)
        self._base = given
        for latch, literal in enumerate(graph.next_state):
            build.feed(self._stored[latch], self._value(literal, {}))
        self._valid = valid | {"o": self._output("o__valid", {})}
        for stream, latches in offers.items():
            if stream not in valid:
                continue
            moves = build.any_of(
                [valid[stream] ^ 1, self._output(f"{stream}__ready", {}), self._reset]
            )
            for latch in latches:
                build.feed(latch, build.choose(moves, build.input(), latch))

    @contextmanager
    def active(self, number: int) -> Iterator[int]:
        """Yield whether a fault changes the net that it is in.

        In the first cycle, in which registers that have a reset hold anything, it may, if they are
        set to the same all the same.
        """
        mark, build = self.builder.mark(), self.builder
        pattern = re.compile(rf"{_ACTIVE}{number}(?:\[\d+\])?")
        active = build.any_of(
            self._output(name, {}) for name in self._graph.outputs if pattern.fullmatch(name)
        )
        following = build.any_of(self._following(self._copied(number, {})))
        yield build.choose(self._settled, active, following)
        build.cut(mark)

    @contextmanager
    def any_state(self, number: int) -> Iterator[int]:
        """Add a mutant that is in the same state; yield whether it differs, then remove it."""
        mark = self.builder.mark()
        copy = self._copied(number, {})
        yield self.builder.any_of([*self._following(copy), *self._differences(copy)])
        self.builder.cut(mark)

    @contextmanager
    def reached_states(self, number: int) -> Iterator[int]:
        """Add a mutant with registers of its own; yield whether it differs, then remove it."""
        mark = self.builder.mark()
        own: dict[int, int] = {}  # latches, by latch of the graph
        while True:
            copy = self._copied(number, own)
            more = [
                latch
                for latch, literal in enumerate(self._graph.next_state)
                if latch not in own and self._value(literal, copy) != self._value(literal, {})
            ]
            if not more:
                break
            own |= {latch: self.builder.latch(self._content[latch] >> number & 1) for latch in more}
        for latch, literal in own.items():
            self.builder.feed(literal, self._value(self._graph.next_state[latch], copy))
        yield self.builder.any_of(self._differences(copy))
        self.builder.cut(mark)

    def _seen(self, latch: int, literal: int) -> int:
        """Return what a latch holds, which in the first cycle may be anything."""
        if latch not in self._first:
            return literal
        return self.builder.choose(self._settled, literal, self._first[latch])

    def _copied(self, number: int, own: Mapping[int, int]) -> dict[int, int]:
        """Return the nodes that are others in a mutant with some registers of its own."""
        both, base = self.builder.both, self._base
        copy = {node: number >> bit & 1 for node, bit in self._select.items()}
        for latch, literal in own.items():
            copy[self._graph.first_latch + latch] = self._seen(latch, literal)
        for node, (a, b) in enumerate(self._graph.gates, self._graph.first_gate):
            one, other = a >> 1, b >> 1
            if one in copy or other in copy:
                made = both(copy.get(one, base[one]) ^ a & 1, copy.get(other, base[other]) ^ b & 1)
                if made != base[node]:
                    copy[node] = made
        return copy

    def _value(self, literal: int, copy: Mapping[int, int]) -> int:
        node = literal >> 1
        return copy.get(node, self._base[node]) ^ literal & 1

    def _following(self, copy: Mapping[int, int]) -> list[int]:
        """Return literals that are 1 where a mutant stores something else than the design."""
        return [
            self.builder.differ(self._value(literal, copy), self._value(literal, {}))
            for literal in self._graph.next_state
        ]

    def _output(self, name: str, copy: Mapping[int, int]) -> int:
        return self._value(self._graph.outputs[name], copy)

    def _differences(self, copy: Mapping[int, int]) -> list[int]:
        """Return literals that are 1 where a mutant differs from the design, or from its model."""
        build = self.builder
        found = []
        for name in self._graph.outputs:
            if name.startswith(_ACTIVE):
                continue
            own, other = self._output(name, {}), self._output(name, copy)
            stream, _, part = name.partition("__")
            if name.startswith(_UNLIKE):
                found += [own, other]
                continue
            differs = build.both(self._on, build.differ(own, other))
            if part == "ready" or part.startswith("payload"):
                differs = build.both(differs, self._valid[stream])
            found.append(differs)
        return found
