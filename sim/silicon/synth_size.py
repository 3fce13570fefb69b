"""Sizing of a mapped netlist: single moves on critical paths until the clock period is met."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from sim.silicon.liberty import Library, read_liberty
from sim.silicon.pdk import Kit, Role
from sim.silicon.synth_cells import SizingLibrary
from sim.silicon.synth_moves import Move, moves
from sim.silicon.synth_netlist import CellNetlist
from sim.silicon.synth_timing import Timer

__all__ = ["cell_areas", "mapping_library", "size"]

_MOST_ROUNDS = 400
_MOST_CELLS = 400  # looked at in one round
_SHARE = 0.1  # of them, at most, that change in one round
_WINDOW = 0.3  # part of the worst violation that counts as just as bad
_FAILURES = 12  # rounds without gain, one after the other, that end it


@cache
def _library(path: Path) -> Library:
    return read_liberty([path])


@cache
def _sizing_library(path: Path) -> SizingLibrary:
    return SizingLibrary(_library(path).cells)


def mapping_library(kit: Kit) -> Library:
    """The kit's cells that mapping may use."""
    return _library(kit.mapping_liberty)


def cell_areas(kit: Kit) -> dict[str, float]:
    """Area in um² of each cell that mapping may use."""
    return {name: cell.area_um2 for name, cell in mapping_library(kit).cells.items()}


def size(netlist: CellNetlist, kit: Kit, clock: str, target_ns: float) -> float:
    """Make a netlist meet a clock period, as far as single moves can.

    Args:
        netlist: Changed in place.
        kit: Its process kit.
        clock: Name of the clock port.
        target_ns: Clock period to aim for.

    Returns:
        Worst slack in ns at that period; negative where it is not met.
    """
    library = _sizing_library(kit.mapping_liberty)
    timer = Timer(netlist, library, clock, target_ns * 1e-9)
    buffer = kit.roles["buffer"]
    grain_um2 = library[buffer.cell].area_um2 / 4  # so that free moves do not always win
    refused: set[tuple[str, str, tuple[str, ...]]] = set()
    failures, rounds = 0, 0
    best = timer.worst()
    while best[0] < 0 and failures < _FAILURES and rounds < _MOST_ROUNDS:
        rounds += 1
        chosen = _choose(timer, best[0], buffer, grain_um2, refused)
        if not chosen:
            break
        if failures:
            chosen = chosen[:1]
        undo = [_apply(timer, move, buffer, f"sized{rounds}_{i}") for i, move in enumerate(chosen)]
        now = timer.worst()
        if now[1] > best[1] + 1e-15 and now[0] >= best[0] - 1e-13:
            best, failures = now, 0
            continue
        for back in reversed(undo):
            back(timer)
        failures += 1
        if len(chosen) == 1:
            refused.add(chosen[0].key)
    return best[0] * 1e9


def _choose(
    timer: Timer,
    worst_s: float,
    buffer: Role,
    grain_um2: float,
    refused: set[tuple[str, str, tuple[str, ...]]],
) -> list[Move]:
    """The best moves of a round, by gain for area, no two of which touch the same nets."""
    limit = worst_s * (1 - _WINDOW)
    critical = sorted(
        (slack, net)
        for net in timer.required
        if net in timer.drivers and (slack := timer.slack(net)) <= limit
    )
    names = list(dict.fromkeys(timer.drivers[net][0] for _, net in critical))[:_MOST_CELLS]
    found: list[tuple[float, Move]] = []
    for name in names:
        for move in moves(timer, name, buffer):
            if move.key not in refused:
                found.append((move.gain_s / (move.area_um2 + grain_um2), move))
    found.sort(key=lambda pair: (-pair[0], pair[1].key))
    chosen: list[Move] = []
    taken: set[str] = set()
    for _, move in found:
        if len(chosen) >= max(1, round(_SHARE * len(names))):
            break
        if not move.nets & taken:
            taken |= move.nets
            chosen.append(move)
    return chosen


Undo = Callable[[Timer], None]


def _apply(timer: Timer, move: Move, buffer: Role, name: str) -> Undo:
    """Make a move; returns what takes it back."""
    if move.kind == "swap":
        return _swap(timer, move.instance, move.detail[0])
    if move.kind == "exchange":
        return _exchange(timer, move.instance, *move.detail)
    net, *sinks = move.detail
    return _buffer(timer, name, buffer, net, sinks)


def _swap(timer: Timer, instance: str, cell: str) -> Undo:
    before = timer.models[instance].name
    timer.netlist.swap(instance, cell)
    timer.models[instance] = timer.library[cell]
    _refresh(timer, instance)
    return lambda timer: void(_swap(timer, instance, before))


def _exchange(timer: Timer, instance: str, one: str, two: str) -> Undo:
    pins = timer.pins(instance)
    for net, old, new in ((pins[one], one, two), (pins[two], two, one)):
        sinks = timer.sinks[net]
        sinks[sinks.index((instance, old))] = (instance, new)
    pins[one], pins[two] = pins[two], pins[one]
    _refresh(timer, instance)
    return lambda timer: void(_exchange(timer, instance, one, two))


def void(_: object) -> None:
    """Drop a result."""


def _refresh(timer: Timer, instance: str) -> None:
    """Bring a timer up to date after an instance's loads or delays have changed."""
    stale = {instance}
    for net in timer.pins(instance).values():
        timer.touch(net)
        if net in timer.drivers:
            stale.add(timer.drivers[net][0])
    timer.update(stale)


def _buffer(timer: Timer, name: str, buffer: Role, net: str, sinks: list[str]) -> Undo:
    pins = (buffer.pins["input"], buffer.pins["output"])
    made = timer.netlist.buffer(name, buffer.cell, pins, net, sinks)
    moved = [(sink.partition("/")[0], sink.partition("/")[2]) for sink in sinks]
    timer.models[name] = timer.library[buffer.cell]
    timer.drivers[made] = (name, pins[1])
    timer.sinks[made] = moved
    timer.sinks[net] = [(name, pins[0]), *(s for s in timer.sinks[net] if s not in set(moved))]
    low = timer.rank[timer.drivers[net][0]]
    later = [timer.rank[sink] for sink, _ in moved if timer.rank[sink] > low]
    timer.rank[name] = (low + min(later, default=low + 1)) / 2
    timer.touch(net)
    timer.update({name, timer.drivers[net][0]})

    def undo(timer: Timer) -> None:
        timer.netlist.unbuffer(name, net, sinks)
        timer.sinks[net] = [s for s in timer.sinks[net] if s[0] != name] + moved
        for table in (timer.drivers, timer.sinks, timer.state, timer.required):
            table.pop(made)
        for own in (timer.models, timer.rank):
            own.pop(name)
        timer.touch(net)
        timer.touch(made)
        timer.update({timer.drivers[net][0], *(sink for sink, _ in moved)})

    return undo
