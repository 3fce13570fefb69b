"""Timing of a netlist while it is being sized: arrival, slew and required time, kept up to date.

NLDM tables, ideal clock and wires, as OpenSTA has it, but incremental in every change: a move costs
what lies behind it, not the netlist. OpenSTA has the last word on the result. Latches pass through
and are due like registers, without borrowing: enough to find what to improve.
"""

from heapq import heappop, heappush
from math import inf

from sim.silicon.synth_cells import Model, SizingLibrary, interpolate
from sim.silicon.synth_netlist import CellNetlist

__all__ = ["Pair", "Timer"]

Pair = tuple[float, float]  # rise, fall
State = tuple[Pair, Pair]  # arrival, slew
_NEVER: State = ((-inf, -inf), (0.0, 0.0))
_START: State = ((0.0, 0.0), (0.0, 0.0))


class Timer:
    """Arrival and required times of a netlist, in seconds."""

    def __init__(
        self, netlist: CellNetlist, library: SizingLibrary, clock: str, period_s: float
    ) -> None:
        self.netlist = netlist
        self.library = library
        self.period_s = period_s
        self.models: dict[str, Model] = {}
        self.drivers: dict[str, tuple[str, str]] = {}
        self.sinks: dict[str, list[tuple[str, str]]] = {}
        for name, cell, pins in netlist.instances():
            self.models[name] = library[cell]
            for pin, net in pins.items():
                if pin in self.models[name].load_f:
                    self.sinks.setdefault(net, []).append((name, pin))
                else:
                    self.drivers[net] = (name, pin)
        self.due = netlist.output_nets()
        self.ports = netlist.input_nets()
        self.clocked = self._clock_network(clock)
        self.rank: dict[str, float] = self._ranks()
        self.state: dict[str, State] = {}
        self.required: dict[str, Pair] = {}
        self._load: dict[str, Pair] = {}
        self.update(self.models)

    # ---------------------------------------------------------------------------- structure

    def pins(self, name: str) -> dict[str, str]:
        """Nets of an instance by pin."""
        return self.netlist.pins(name)

    def outputs(self, name: str) -> list[str]:
        """Nets that an instance drives."""
        pins = self.pins(name)
        return [pins[pin] for pin in self.models[name].through if pin in pins]

    def _clock_network(self, clock: str) -> set[str]:
        seen = {clock}
        stack = [clock]
        while stack:
            for name, pin in self.sinks.get(stack.pop(), []):
                model = self.models[name]
                if pin in model.clocks and not model.gate:
                    continue
                for net in self.outputs(name):
                    if net not in seen:
                        seen.add(net)
                        stack.append(net)
        return seen

    def _feeds(self, name: str) -> list[str]:
        """Nets that an instance's outputs depend on."""
        model, pins = self.models[name], self.pins(name)
        used = {arc.pin for arcs in model.through.values() for arc in arcs}
        return [pins[pin] for pin in used if pin in pins and pins[pin] not in self.clocked]

    def _ranks(self) -> dict[str, float]:
        """Topological order of the instances; loops, through latches, are opened anywhere."""
        rank: dict[str, float] = {}
        waiting: set[str] = set()
        for root in self.models:
            stack = [(root, False)]
            while stack:
                name, done = stack.pop()
                if done:
                    rank[name] = len(rank)
                elif name not in rank and name not in waiting:
                    waiting.add(name)
                    stack.append((name, True))
                    for net in self._feeds(name):
                        if net in self.drivers and self.drivers[net][0] not in waiting:
                            stack.append((self.drivers[net][0], False))
        return rank

    def load(self, net: str) -> Pair:
        """Load of a net in farads, rising and falling."""
        if net not in self._load:
            rise = fall = 0.0
            for name, pin in self.sinks.get(net, []):
                own = self.models[name].load_f[pin]
                rise += own[0]
                fall += own[1]
            self._load[net] = (rise, fall)
        return self._load[net]

    # ------------------------------------------------------------------------------- forward

    def arrival(
        self,
        name: str,
        output: str,
        model: Model | None = None,
        load: Pair | None = None,
        changed: dict[str, State] | None = None,
        pins: dict[str, str] | None = None,
    ) -> State:
        """Arrival and slew at an output, as things are or as they would be.

        Args:
            name: The instance.
            output: Its output pin.
            model: Another cell in its place.
            load: Another load.
            changed: Other states of some nets.
            pins: Other nets on its pins.
        """
        model = model or self.models[name]
        pins = pins or self.pins(name)
        load = load or self.load(pins[output])
        at, slew = [-inf, -inf], [-inf, -inf]
        for arc in model.launch[output]:
            after = arc.after
            at[after] = max(at[after], interpolate(arc.delay.curve(load[after]), 0.0))
            slew[after] = max(slew[after], interpolate(arc.slew.curve(load[after]), 0.0))
        for step in model.through[output]:
            net = pins.get(step.pin)
            if net is None:
                continue
            state = changed.get(net) if changed else None
            arrivals, slews = state or self.state.get(net, _NEVER)
            start = arrivals[step.before]
            if start == -inf:
                continue
            after, edge = step.after, slews[step.before]
            end = start + interpolate(step.delay.curve(load[after]), edge)
            if end > at[after]:
                at[after] = end
            end = interpolate(step.slew.curve(load[after]), edge)
            if end > slew[after]:
                slew[after] = end
        return (at[0], at[1]), (slew[0], slew[1])

    # ------------------------------------------------------------------------------ backward

    def sink_required(self, name: str, pin: str, slew: Pair) -> Pair:
        """When an input must be there, given its slews."""
        model = self.models[name]
        need = [inf, inf]
        for check in model.checks.get(pin, ()):
            limit = self.period_s - check.setup.at(slew[check.before])
            need[check.before] = min(need[check.before], limit)
        pins = self.pins(name)
        for output, arcs in model.through.items():
            net = pins.get(output)
            if net is None or net in self.clocked:
                continue
            limits = self.required.get(net)
            if limits is None:
                continue
            load = self.load(net)
            for arc in arcs:
                if arc.pin == pin:
                    curve = arc.delay.curve(load[arc.after])
                    limit = limits[arc.after] - interpolate(curve, slew[arc.before])
                    if limit < need[arc.before]:
                        need[arc.before] = limit
        return need[0], need[1]

    def net_required(
        self, net: str, slew: Pair, without: frozenset[tuple[str, str]] = frozenset()
    ) -> Pair:
        """When a net must be there, given its slews; some sinks may be left out."""
        rise, fall = (self.period_s,) * 2 if net in self.due else (inf, inf)
        for sink in self.sinks.get(net, []):
            if sink not in without:
                need = self.sink_required(*sink, slew)
                rise, fall = min(rise, need[0]), min(fall, need[1])
        return rise, fall

    def slack(self, net: str) -> float:
        """Slack of a net in seconds."""
        at, need = self.state[net][0], self.required[net]
        return min(need[0] - at[0], need[1] - at[1])

    # ------------------------------------------------------------------------------- updates

    def touch(self, net: str) -> None:
        """Forget the load of a net whose sinks have changed."""
        self._load.pop(net, None)

    def update(self, names: "dict[str, Model] | set[str]") -> None:
        """Bring times up to date after a change of some instances or of the loads they drive."""
        for net in self.ports:
            self.state.setdefault(net, _START)
        queue = sorted((self.rank[name], name) for name in names)
        queued = set(names)
        stale: set[str] = set()
        while queue:
            _, name = heappop(queue)
            queued.discard(name)
            pins = self.pins(name)
            stale.update(net for net in self._feeds(name))
            stale.update(pins[pin] for pin in self.models[name].checks if pin in pins)
            for output in self.models[name].through:
                net = pins.get(output)
                if net is None or net in self.clocked:
                    continue
                state = self.arrival(name, output)
                if state != self.state.get(net):
                    self.state[net] = state
                    stale.add(net)
                    for sink, _ in self.sinks.get(net, []):
                        if sink not in queued:
                            queued.add(sink)
                            heappush(queue, (self.rank[sink], sink))
        self._update_required(stale)

    def _update_required(self, stale: set[str]) -> None:
        def place(net: str) -> float:
            return -self.rank[self.drivers[net][0]] if net in self.drivers else 1

        queue = sorted((place(net), net) for net in stale if net in self.state)
        queued = {net for _, net in queue}
        while queue:
            _, net = heappop(queue)
            queued.discard(net)
            need = self.net_required(net, self.state[net][1])
            if need == self.required.get(net):
                continue
            self.required[net] = need
            if net in self.drivers:
                for source in self._feeds(self.drivers[net][0]):
                    if source not in queued and source in self.state:
                        queued.add(source)
                        heappush(queue, (place(source), source))

    def worst(self) -> tuple[float, float]:
        """Worst slack and total negative slack, over the ends of the paths, in seconds."""
        slacks = [self.slack(net) for net in self.required if self._is_end(net)]
        return min(slacks, default=inf), sum(min(0.0, slack) for slack in slacks)

    def _is_end(self, net: str) -> bool:
        return net in self.due or any(
            pin in self.models[name].checks for name, pin in self.sinks.get(net, ())
        )
