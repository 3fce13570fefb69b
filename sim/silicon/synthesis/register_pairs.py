"""Pairs of stored bits in RTL and netlist that hold the same: a guess, for a proof to confirm.

Bits of the same name are paired first. Synthesis drops some names: those of unnamed registers, of
registers that hold the same, and of registers that are always 0. These are told apart by
simulation: all are taken for equal at first, and split where random inputs feed them differently,
until nothing more splits.

Source: C. A. J. van Eijk, "Sequential equivalence checking based on structural similarities",
IEEE Trans. CAD 19 (2000), with simulation in place of its proofs.
"""

import random
from collections import Counter
from dataclasses import dataclass

from consilico.sim.silicon.synthesis.and_graph import AndGraph, Stored, always_zero, simulate

__all__ = ["RegisterPairs", "pair_registers"]

_PATTERNS = 512  # of each kind
_QUIET = 4  # rounds without a split, after which classes count as final
_ROUNDS = 60


@dataclass(frozen=True, kw_only=True)
class RegisterPairs:
    """The pairs of stored bits, each named by its output bit."""

    of_rtl: dict[str, str]  # bit of the netlist by that of the RTL; "0" if that is always 0
    inverted: frozenset[str]  # bits of the netlist that hold the complement
    unpaired: list[str]  # stored bits of either side without a counterpart, by name
    guessed: bool  # some counterparts are one of several that simulation did not tell apart


def pair_registers(rtl: AndGraph, gates: AndGraph) -> RegisterPairs:
    """Pair the stored bits of two designs.

    Args:
        rtl: The RTL.
        gates: The netlist.
    """
    held = {stored.output: stored.kind for stored in rtl.stored}
    own = {stored.output: stored.kind for stored in gates.stored}
    of_rtl: dict[str, str] = {}
    inverted: set[str] = set()
    for wanted in (False, True):  # a name of the bit itself counts more than one of its inverse
        taken = set(of_rtl.values())
        for name, bit in gates.names.items():
            source, turned = gates.source(bit)
            target = rtl.names.get(name, "")
            free = source not in taken and target not in of_rtl
            if turned is wanted and free and source in own and own[source] == held.get(target):
                of_rtl[target] = source
                taken.add(source)
                if turned:
                    inverted.add(source)
    # a kit whose flip-flops store the complement has no others
    for kind in set(own.values()):
        outputs = {output for output, its in own.items() if its == kind}
        if 2 * len(outputs & inverted) > len(outputs & set(of_rtl.values())):
            inverted |= outputs - set(of_rtl.values())
    guessed = False
    if len(of_rtl) < len(held) or len(of_rtl) < len(own):
        guessed = _match_by_behaviour(rtl, gates, of_rtl, inverted)
    unpaired = [_name(rtl, bit) for bit in held if bit not in of_rtl]
    unpaired += [_name(gates, bit) for bit in own if bit not in of_rtl.values()]
    return RegisterPairs(
        of_rtl=of_rtl, inverted=frozenset(inverted), unpaired=unpaired, guessed=guessed
    )


def _name(graph: AndGraph, bit: str) -> str:
    return next((name for name, number in graph.names.items() if number == bit), f"bit {bit}")


def _match_by_behaviour(
    rtl: AndGraph, gates: AndGraph, of_rtl: dict[str, str], inverted: set[str]
) -> bool:
    """Add the bits without a counterpart to ``of_rtl``; tell whether one of several was chosen."""
    classes = _classes(rtl, gates, inverted)
    by_class: dict[tuple[int, str], list[str]] = {}
    for stored in gates.stored:
        place = classes["gates", stored.output], stored.kind
        by_class.setdefault(place, []).append(stored.output)
    zeros = always_zero(rtl) - of_rtl.keys()
    of_rtl |= dict.fromkeys(zeros, "0")
    sizes = Counter(
        (classes["rtl", stored.output], stored.kind)
        for stored in rtl.stored
        if stored.output not in zeros
    )
    taken = set(of_rtl.values())
    guessed = False
    for stored in rtl.stored:
        if stored.output in of_rtl:
            continue
        found = classes["rtl", stored.output], stored.kind
        candidates = by_class.get(found, [])
        free = [bit for bit in candidates if bit not in taken]
        if free or candidates:
            of_rtl[stored.output] = (free or candidates)[0]
            taken.add(of_rtl[stored.output])
            guessed |= len(candidates) > 1 or sizes[found] > 1
    return guessed


def _classes(rtl: AndGraph, gates: AndGraph, inverted: set[str]) -> dict[tuple[str, str], int]:
    """Return the class of each stored bit, by side and output; class 0 are those always 0."""
    sides = {"rtl": rtl, "gates": gates}
    generator = random.Random(1)
    random_bits = generator.getrandbits
    mask = (1 << 4 * _PATTERNS) - 1

    def draw() -> int:
        """Draw patterns that are mostly 0, mostly 1, and even.

        What depends on many bits shows in few even patterns.
        """
        words = [random_bits(_PATTERNS) for _ in range(8)]
        mixed = [words[0], words[1] & words[2] & words[3], words[4] | words[5] | words[6], words[7]]
        generator.shuffle(mixed)
        return sum(word << place * _PATTERNS for place, word in enumerate(mixed))

    classes = {(side, stored.output): 0 for side, graph in sides.items() for stored in graph.stored}
    count, quiet = 1, 0
    for _ in range(_ROUNDS):
        words = [0, *(draw() for _ in range(count))]
        ports = {name: draw() for name in sorted(rtl.inputs | gates.inputs)}
        keys: dict[tuple[str, str], tuple[object, ...]] = {}
        for side, graph in sides.items():
            given = {bit: ports[name] for name, bit in graph.inputs.items()}
            for stored in graph.stored:
                turn = mask if stored.output in inverted else 0
                given[stored.output] = words[classes[side, stored.output]] ^ turn
            values = simulate(graph, given, mask)
            for stored in graph.stored:
                turn = mask if stored.output in inverted else 0
                here = side, stored.output
                keys[here] = _key(classes[here], stored, values, turn)
        numbers: dict[tuple[object, ...], int] = {(0,): 0}
        classes = {here: numbers.setdefault(key, len(numbers)) for here, key in keys.items()}
        quiet = quiet + 1 if len(numbers) == count else 0
        count = len(numbers)
        if quiet == _QUIET:
            break
    return classes


def _key(old: int, stored: Stored, values: dict[str, int], turn: int) -> tuple[object, ...]:
    """Return what a stored bit is fed with; one that is 0 and is fed with 0 stays in class 0."""
    pins = {pin: values.get(bit, 0) for pin, bit in stored.pins.items()}
    pins["D"] ^= turn
    if old == 0 and pins["D"] == 0:
        return (0,)
    return (old, stored.kind, *sorted(pins.items()))
