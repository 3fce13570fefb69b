"""A mapping file for a design, guessed from the names and widths of its ports."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consilico.sim.rtlsim.foreign.elaborate import Elaborated, Port
from consilico.sim.rtlsim.foreign.expressions import identifier
from consilico.sim.rtlsim.foreign.front_ends import active_high, is_reset
from consilico.sim.units.layout import Layout, Layouts

__all__ = ["Proposal", "propose"]

_VALID = re.compile(r"(?:^|_)\w*(?:valid|vld|en|enable|req|start|stb|we|wr|write|tw)(?:_|$)", re.I)
_READY = re.compile(r"(?:^|_)\w*(?:ready|rdy)(?:_|$)", re.I)
_CONFIG = re.compile(
    r"(?:^|_)(?:cfg|conf\w*|prog\w*|load|ld|lut|tbl|tab\w*|coef\w*|const\w*|param\w*|wr|we|write|t[awd])"
    r"(?:_|$|\d)", re.I
)  # fmt: skip
_AFFIX = re.compile(r"^[iosm]_|^(?:in|out|axis|s_axis|m_axis)_|_[io]$|_(?:in|out)$", re.I)
_CLOCK = re.compile(r"cl?k|clock", re.I)
_SAME = 0.55  # likeness of two names from which on they are taken for one


@dataclass(kw_only=True)
class Proposal:
    """A proposed mapping file, and what in it has to be filled in."""

    lines: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)  # keys that nothing fits, in words

    @property
    def text(self) -> str:
        """Return the proposed mapping as the text of a file."""
        return "\n".join(self.lines) + "\n"


def propose(
    design: Elaborated, layouts: Layouts, unit: str, parameters: Mapping[str, str]
) -> Proposal:
    """Propose how the ports of a design serve the streams of a unit.

    A field is given the port of the same name, or else the only one of the same width. What nothing
    fits is left as ``"?"``, which is refused when the file is read.

    Args:
        design: The elaborated design.
        layouts: The payloads of the unit's streams.
        unit: The unit's name.
        parameters: Values of the top module's parameters, which the file sets again.
    """
    return _Guess(design, layouts, unit, parameters).proposal()


class _Guess:
    def __init__(
        self, design: Elaborated, layouts: Layouts, unit: str, parameters: Mapping[str, str]
    ) -> None:
        self._design, self._layouts, self._unit = design, layouts, unit
        self._parameters = parameters
        self._left = list(design.ports)
        self._made = Proposal()

    def proposal(self) -> Proposal:
        say = self._made.lines.append
        say(f"# How the ports of {self._design.top} serve the streams of {self._unit}.")
        say("# Proposed from names and widths: read it before you use it.")
        clocks = [each for each in self._inputs(1) if each.name in self._design.clocks]
        clock = self._take(clocks[:1]) or self._one(self._inputs(1), _CLOCK, None)
        say(f"clock = {self._quoted(clock, 'clock')}")
        for each in clocks[1:]:
            self._left.remove(each)
            line = f'clocks.{_key(each.name)} = "?" # periods of clock'
            self._open(line, f"clocks.{each.name}")
        reset = self._take([each for each in self._inputs(1) if is_reset(each.name)][:1])
        # handshakes first: what is left are operands and results
        configures = self._layouts.cfg.width > 0
        config_valid = self._one(self._inputs(1), _VALID, configures and _CONFIG)
        config_ready = self._one(self._outputs(1), _READY, configures and _CONFIG)
        in_valid = self._one(self._inputs(1), _VALID, None)
        in_ready = self._one(self._outputs(1), _READY, None, in_valid)
        out_valid = self._one(self._outputs(1), _VALID, None)
        out_ready = self._one(self._inputs(1), _READY, None, out_valid)
        if config_ready is None and config_valid is not None:
            left = [each for each in self._outputs(1) if _READY.search(each.name)]
            config_ready = self._take([each for each in left if _kin(each, config_valid)][:1])
        config_inputs = [
            each
            for each in self._inputs()
            if configures and (_CONFIG.search(each.name) or _kin(each, config_valid))
        ]
        self._left = [each for each in self._left if each not in config_inputs]
        if reset is not None:
            level = "high" if active_high(self._design, reset.name) else "low"
            self._made.lines += [
                "",
                "[reset]",
                f"port = {_text(reset.name)}",
                f'active = "{level}"',
            ]
        drive = self._matched(self._layouts.i, self._inputs())
        fields = self._matched(self._layouts.o, self._outputs())
        source = in_valid or next(iter(drive.values()), None)
        end = out_valid or next(iter(fields.values()), None)
        self._made.lines += ["", "[input] # stream i: " + ", ".join(self._layouts.i.by_name)]
        self._port("valid", in_valid)
        self._port("ready", in_ready)
        for name in self._layouts.i.by_name:
            found = drive.get(name)
            if found is None:
                self._open(f"# drive.PORT = {name!r}: no input fits", f"input.drive of {name}")
            else:
                say(f'drive.{_key(found.name)} = "{name}"')
        self._made.lines += ["", "[output] # stream o: " + ", ".join(self._layouts.o.by_name)]
        self._port("valid", out_valid)
        self._port("ready", out_ready)
        say(f"latency_cycles = {self._latency(source, end)} # registers on the way")
        for name in self._layouts.o.by_name:
            found = fields.get(name)
            if found is None:
                self._open(f'fields.{name} = "?" # or name it in ignore', f"output.fields.{name}")
            else:
                say(f"fields.{name} = {_text(identifier(found.name))}")
        if configures:
            self._config(config_valid, config_ready, config_inputs)
        if self._parameters:
            self._made.lines += ["", "[parameters]"]
            self._made.lines += [f'{name} = "{text}"' for name, text in self._parameters.items()]
        if rest := self._inputs():
            self._made.lines += ["", "[constants]"]
            for port in rest:
                line = f'{_key(port.name)} = "?" # {port.width} bits'
                self._open(line, f"constants.{port.name}")
        return self._made

    def _config(self, valid: Port | None, ready: Port | None, inputs: Sequence[Port]) -> None:
        cfg = self._layouts.cfg
        lines = self._made.lines
        lines += ["", "[config] # stream cfg: " + ", ".join(cfg.by_name)]
        if valid is None and not inputs:
            self._open("# no port was found that takes it", "config")
        elif valid is None:
            lines.append("[config.hold]")
        else:
            self._port("valid", valid)
            self._port("ready", ready)
            lines.append("[[config.writes]]")
        matched = {port.name: name for name, port in _match(cfg, inputs).items()}
        for port in inputs:
            name = matched.get(port.name)
            if name is not None:
                lines.append(f'{_key(port.name)} = "{name}"')
            else:
                what = f"config of {port.name}"
                self._open(f'{_key(port.name)} = "?" # {port.width} bits', what)

    def _matched(self, layout: Layout, ports: Sequence[Port]) -> dict[str, Port]:
        found = _match(layout, ports)
        self._left = [each for each in self._left if each not in found.values()]
        return found

    def _inputs(self, width: int | None = None) -> list[Port]:
        return self._ports("input", width)

    def _outputs(self, width: int | None = None) -> list[Port]:
        return self._ports("output", width)

    def _ports(self, direction: str, width: int | None) -> list[Port]:
        return [
            each
            for each in self._left
            if each.direction == direction and width in (None, each.width)
        ]

    def _one(
        self,
        ports: Sequence[Port],
        kind: re.Pattern[str],
        also: re.Pattern[str] | bool | None,
        near: Port | None = None,
    ) -> Port | None:
        """Take the first port of a kind, if there is one; rather one that is named like another."""
        if also is False:
            return None
        found = [
            each
            for each in ports
            if kind.search(each.name)
            and (not isinstance(also, re.Pattern) or also.search(each.name))
        ]
        found.sort(key=lambda each: not _kin(each, near))
        return self._take(found[:1])

    def _take(self, ports: Sequence[Port]) -> Port | None:
        for port in ports:
            self._left.remove(port)
            return port
        return None

    def _port(self, key: str, port: Port | None) -> None:
        if port is not None:
            self._made.lines.append(f"{key} = {_text(port.name)}")

    def _quoted(self, port: Port | None, key: str) -> str:
        if port is None:
            self._made.open.append(key)
            return '"?"'
        return _text(port.name)

    def _open(self, line: str, what: str) -> None:
        self._made.lines.append(line)
        self._made.open.append(what)

    def _latency(self, start: Port | None, end: Port | None) -> int:
        if start is None or end is None:
            return 0
        return self._design.registers.get(end.name, {}).get(start.name, 0)


def _kin(port: Port, other: Port | None) -> bool:
    """Tell whether the names of two ports differ only in their last part, as those of a bus."""
    stem = port.name.rpartition("_")[0]
    return other is not None and stem != "" and stem == other.name.rpartition("_")[0]


def _match(layout: Layout, ports: Sequence[Port]) -> dict[str, Port]:
    """Pair fields with ports: by name, then what is alone in having its width."""
    widths = {name: sum(each.width for each in fields) for name, fields in layout.by_name.items()}
    found: dict[str, Port] = {}
    pairs = sorted(
        (
            (-_likeness(name, port.name), name, port)
            for name in widths
            for port in ports
            if port.width == widths[name]
        ),
        key=lambda pair: pair[:2],
    )
    for likeness, name, port in pairs:
        if -likeness >= _SAME and name not in found and port not in found.values():
            found[name] = port
    for name, width in widths.items():
        free = [port for port in ports if port.width == width and port not in found.values()]
        rivals = [each for each in widths if each not in found and widths[each] == width]
        if name not in found and len(free) == len(rivals) == 1:
            found[name] = free[0]
    return found


def _key(name: str) -> str:
    """Return a name as a key of TOML."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _text(name)


def _text(value: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)


def _likeness(name: str, port: str) -> float:
    bare = _AFFIX.sub("", port).lower()
    last = name.rpartition(".")[2].lower()
    if last in bare.split("_"):
        return 1.0
    if bare and last.startswith(bare):
        return _SAME
    return difflib.SequenceMatcher(None, last, bare).ratio()
