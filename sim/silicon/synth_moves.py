"""Single changes of a netlist that make it faster: larger cells, buffers, exchanged pins.

A move's gain is estimated on the nets it touches: the new slack of what the cell drives, and of
what feeds it, whose load changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from sim.silicon.pdk import Role
from sim.silicon.synth_cells import Model
from sim.silicon.synth_timing import Pair, State, Timer

__all__ = ["Move", "moves", "swap_move"]

_STEPS = 3  # sizes up that are tried
_MOST_SINKS = 64  # of nets that buffers are tried on


@dataclass(frozen=True, kw_only=True)
class Move:
    """One change."""

    kind: str  # "swap", "buffer" or "exchange"
    instance: str  # what is swapped or exchanged; the driver of a buffered net
    detail: tuple[str, ...]  # new cell; or net and sinks to move; or two pins
    gain_s: float  # of the worst slack nearby
    area_um2: float
    nets: frozenset[str]  # whose timing it changes directly

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What tells moves apart."""
        return self.kind, self.instance, self.detail


def moves(timer: Timer, name: str, buffer: Role) -> Iterator[Move]:
    """Moves on one instance that promise to gain time."""
    model = timer.models[name]
    place = model.sizes.index(model)
    for other in model.sizes[place + 1 : place + 1 + _STEPS]:
        move = swap_move(timer, name, other)
        if move.gain_s > 0:
            yield move
    yield from _exchanges(timer, name)
    for net in timer.outputs(name):
        if 1 < len(timer.sinks.get(net, ())) <= _MOST_SINKS and net in timer.required:
            yield from _buffers(timer, name, net, buffer)


def _fed(timer: Timer, name: str) -> list[tuple[str, str]]:
    """Input pins and nets of an instance, clocks left out."""
    loads = timer.models[name].load_f
    pins = timer.pins(name).items()
    return [(pin, net) for pin, net in pins if pin in loads and net not in timer.clocked]


def _slack(need: Pair, state: State) -> float:
    return min(need[0] - state[0][0], need[1] - state[0][1])


def _worst(timer: Timer, nets: frozenset[str]) -> float:
    return min((timer.slack(net) for net in nets if net in timer.required), default=inf)


def swap_move(timer: Timer, name: str, other: Model) -> Move:
    """Another size of an instance's cell."""
    model, pins = timer.models[name], timer.pins(name)
    changed: dict[str, State] = {}
    own: dict[str, set[tuple[str, str]]] = {}
    extra: dict[str, list[float]] = {}
    for pin, net in _fed(timer, name):
        own.setdefault(net, set()).add((name, pin))
        more = extra.setdefault(net, [0.0, 0.0])
        for edge in (0, 1):
            more[edge] += other.load_f[pin][edge] - model.load_f[pin][edge]
    for net, more in extra.items():
        driver = timer.drivers.get(net)
        if driver is not None and more != [0.0, 0.0]:
            load = timer.load(net)
            heavier = (load[0] + more[0], load[1] + more[1])
            changed[net] = timer.arrival(*driver, load=heavier)
    slack = inf
    for net, state in changed.items():
        need = timer.net_required(net, state[1], frozenset(own[net]))
        slack = min(slack, _slack(need, state))
    driven = []
    for output in model.through:
        net = pins.get(output, "")
        if net in timer.required and net not in timer.clocked:
            state = timer.arrival(name, output, model=other, changed=changed)
            slack = min(slack, _slack(timer.net_required(net, state[1]), state))
            driven.append(net)
    touched = frozenset([*driven, *changed])
    for pin, net in _fed(timer, name):
        if pin in model.checks:  # a register's input: its set-up time changes
            limits = [timer.period_s] * 2
            state = changed.get(net) or timer.state[net]
            for check in other.checks[pin]:
                setup = check.setup.at(state[1][check.before])
                limits[check.before] = min(limits[check.before], timer.period_s - setup)
            slack = min(slack, _slack((limits[0], limits[1]), state))
            touched |= {net}
    return Move(
        kind="swap",
        instance=name,
        detail=(other.name,),
        gain_s=slack - _worst(timer, touched),
        area_um2=other.area_um2 - model.area_um2,
        nets=touched,
    )


def _exchanges(timer: Timer, name: str) -> Iterator[Move]:
    """Equal inputs with their nets exchanged: the late one on the quick pin."""
    pins = timer.pins(name)
    driven = frozenset(net for net in timer.outputs(name) if net in timer.required)
    for group in timer.models[name].alike:
        ordered = sorted(group)
        for index, one in enumerate(ordered):
            for two in ordered[index + 1 :]:
                if pins[one] == pins[two]:
                    continue
                trial = pins | {one: pins[two], two: pins[one]}
                slack = inf
                for output in timer.models[name].through:
                    net = pins.get(output, "")
                    if net in driven:
                        state = timer.arrival(name, output, pins=trial)
                        slack = min(slack, _slack(timer.net_required(net, state[1]), state))
                gain = slack - _worst(timer, driven)
                if gain > 0:
                    yield Move(
                        kind="exchange",
                        instance=name,
                        detail=(one, two),
                        gain_s=gain,
                        area_um2=0.0,
                        nets=driven | {pins[one], pins[two]},
                    )


def _buffers(timer: Timer, name: str, net: str, buffer: Role) -> Iterator[Move]:
    """The less urgent sinks of a net behind a buffer."""
    state = timer.state[net]
    urgency = sorted(
        (_slack(timer.sink_required(*sink, state[1]), state), sink) for sink in timer.sinks[net]
    )
    sinks = [sink for _, sink in urgency]
    driver = timer.drivers[net]
    load = timer.load(net)
    model = timer.library[buffer.cell]
    own = model.load_f[buffer.pins["input"]]
    for kept in {1, len(sinks) // 4, len(sinks) // 2}:
        moved = sinks[kept:]
        if kept < 1 or len(moved) < 1 or net in timer.due:
            continue
        parts = [timer.models[sink].load_f[pin] for sink, pin in moved]
        away = (sum(part[0] for part in parts), sum(part[1] for part in parts))
        lighter = (load[0] - away[0] + own[0], load[1] - away[1] + own[1])
        near = timer.arrival(*driver, load=lighter)
        wiring = {buffer.pins["input"]: net, buffer.pins["output"]: net}
        far = timer.arrival(
            name, buffer.pins["output"], model=model, load=away, changed={net: near}, pins=wiring
        )
        slack = min(
            _slack(timer.net_required(net, near[1], frozenset(moved)), near),
            _slack(timer.net_required(net, far[1], frozenset(sinks[:kept])), far),
        )
        gain = slack - timer.slack(net)
        if gain > 0:
            yield Move(
                kind="buffer",
                instance=name,
                detail=(net, *(f"{sink}/{pin}" for sink, pin in moved)),
                gain_s=gain,
                area_um2=model.area_um2,
                nets=frozenset([net]),
            )
