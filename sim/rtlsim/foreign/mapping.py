"""Mapping file: how the ports of anyone's design serve the streams of a unit.

A mapping file is TOML (docs/your-own-design.md has one with every key). Its values are Verilog
expressions over the fields of the unit's payloads, or over the ports of the design.
"""

import tomllib
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text

__all__ = ["ConfigMap", "InputMap", "Mapping", "OutputMap", "Reset", "read_mapping"]

_PERIODS = 0.01, 100.0  # of a further clock
_MOST_LATENCY = 4096  # cycles; the wrapper keeps as many results


@dataclass(frozen=True, kw_only=True)
class Reset:
    """The reset of the design."""

    port: str
    active: str = "high"  # level that resets: "high" or "low"
    cycles: int = 1  # for which it has to last
    settle_cycles: int = 0  # after it, in which the design takes and gives nothing yet
    # True: the design is reset at power-up only, because its reset would clear its configuration;
    # later resets drop what is in flight
    once: bool = False


@dataclass(frozen=True, kw_only=True)
class InputMap:
    """Way in which the design takes the data of stream ``i``."""

    drive: dict[str, str]  # input port: expression over the fields of the payload
    valid: str = ""  # input port that is 1 with a beat; without one every cycle's data are taken
    ready: str = ""  # output port that is 1 where the design takes a beat; without one it always is


@dataclass(frozen=True, kw_only=True)
class OutputMap:
    """Way in which the design delivers the results of stream ``o``."""

    fields: dict[str, str]  # field of the payload: expression over output ports
    latency_cycles: int  # from the acceptance of a beat to its result, nothing stalling
    valid: str = ""  # output port that is 1 with a result; without one the latency is fixed
    ready: str = ""  # input port that takes a result; without one the design never waits
    ignore: tuple[str, ...] = ()  # fields that the design does not have: not compared


@dataclass(frozen=True, kw_only=True)
class ConfigMap:
    """Way in which the design takes the beats of stream ``cfg``."""

    writes: tuple[dict[str, str], ...] = ()  # per write: input port and expression over fields
    valid: str = ""  # input port that is 1 in a cycle of a write
    ready: str = ""  # output port that is 1 where the design takes a write
    hold: dict[str, str] = field(default_factory=dict)  # input ports that keep a value
    drain: bool = True  # whether what is in flight has to come out before
    settle_cycles: int = 0  # after the last write, before data


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """Content of a mapping file: ports of a design and the streams that they serve."""

    source: str  # name of the file, for messages
    clock: str  # input port
    reset: Reset | None
    input: InputMap
    output: OutputMap
    config: ConfigMap | None = None
    # input port: period of a further clock, in periods of ``clock``
    clocks: dict[str, float] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)  # input port: Verilog constant
    parameters: dict[str, str] = field(default_factory=dict)  # of the top module

    def __post_init__(self) -> None:
        latency = self.output.latency_cycles
        self._check(0 <= latency <= _MOST_LATENCY, "output.latency_cycles", latency,
                    f"0 to {_MOST_LATENCY}")  # fmt: skip
        self._check(not self.output.ready or self.output.valid != "", "output.ready",
                    self.output.ready, "with output.valid only")  # fmt: skip
        if self.reset is not None:
            active, cycles = self.reset.active, self.reset.cycles
            settle = self.reset.settle_cycles
            self._check(active in ("high", "low"), "reset.active", active, '"high" or "low"')
            self._check(1 <= cycles <= _MOST_LATENCY, "reset.cycles", cycles,
                        f"1 to {_MOST_LATENCY}")  # fmt: skip
            self._check(0 <= settle <= _MOST_LATENCY, "reset.settle_cycles", settle,
                        f"0 to {_MOST_LATENCY}")  # fmt: skip
        elif self.output.valid:
            raise UserError(
                f"{self.source}: a design with output.valid needs a reset, or results that were in"
                " flight before one would come after it; accepted: [reset], or no output.valid"
            )
        least, most = _PERIODS
        for port, periods in self.clocks.items():
            accepted = f"{least} to {most:g} periods of {self.clock}"
            self._check(least <= periods <= most, f"clocks.{port}", periods, accepted)
        config = self.config
        if config is not None:
            what = "at least one, or config.hold"
            self._check(bool(config.writes or config.hold), "config.writes", "none", what)
            self._check(not config.writes or config.valid != "", "config.valid", "none",
                        "a port that is 1 in a cycle of a write")  # fmt: skip
            self._check(0 <= config.settle_cycles <= _MOST_LATENCY, "config.settle_cycles",
                        config.settle_cycles, f"0 to {_MOST_LATENCY}")  # fmt: skip
        twice = [name for name in self.output.ignore if name in self.output.fields]
        self._check(not twice, "output.ignore", ", ".join(twice), "what is not in output.fields")

    def _check(self, right: bool, name: str, value: object, accepted: str) -> None:
        if not right:
            raise UserError(f"{self.source}: {name} is {value}; accepted: {accepted}")


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        UserError: If it cannot be read, is no TOML, has an unknown key or a value of another type,
            or lacks one that it needs; the message names the key.
    """
    text = read_input_text(path, "mapping", limit_bytes=1 << 20)
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path}: {error}") from error
    reader = _Reader(str(path))
    known = ("clock", "clocks", "reset", "input", "output", "config", "constants", "parameters")
    reader.only(whole, "", known)
    for name in ("clock", "input", "output"):
        if name not in whole:
            raise UserError(f"{path}: {name} is missing")
    return Mapping(
        source=str(path),
        clock=reader.text(whole, "", "clock"),
        clocks=reader.numbers(whole, "", "clocks"),
        reset=reader.reset(whole["reset"]) if "reset" in whole else None,
        input=reader.input(whole["input"]),
        output=reader.output(whole["output"]),
        config=reader.config(whole["config"]) if "config" in whole else None,
        constants=reader.texts(whole, "", "constants"),
        parameters=reader.texts(whole, "", "parameters"),
    )


class _Reader:
    """Reads the tables of a mapping file; messages name the key."""

    def __init__(self, source: str) -> None:
        self._source = source

    def reset(self, table: Any) -> Reset:
        self.only(table, "reset", ("port", "active", "cycles", "settle_cycles", "once"))
        return Reset(
            port=self.text(table, "reset", "port"),
            active=self.text(table, "reset", "active", "high"),
            cycles=self.number(table, "reset", "cycles", 1),
            settle_cycles=self.number(table, "reset", "settle_cycles", 0),
            once=self.flag(table, "reset", "once", False),
        )

    def input(self, table: Any) -> InputMap:
        self.only(table, "input", ("drive", "valid", "ready"))
        return InputMap(
            drive=self.texts(table, "input", "drive"),
            valid=self.text(table, "input", "valid", ""),
            ready=self.text(table, "input", "ready", ""),
        )

    def output(self, table: Any) -> OutputMap:
        self.only(table, "output", ("fields", "latency_cycles", "valid", "ready", "ignore"))
        ignore = table.get("ignore", [])
        if not isinstance(ignore, list) or not all(isinstance(each, str) for each in ignore):
            raise self._wrong("output.ignore", ignore, "a list of fields")
        return OutputMap(
            fields=self.texts(table, "output", "fields"),
            latency_cycles=self.number(table, "output", "latency_cycles"),
            valid=self.text(table, "output", "valid", ""),
            ready=self.text(table, "output", "ready", ""),
            ignore=tuple(ignore),
        )

    def config(self, table: Any) -> ConfigMap:
        known = ("writes", "valid", "ready", "hold", "drain", "settle_cycles")
        self.only(table, "config", known)
        writes = table.get("writes", [])
        if not isinstance(writes, list):
            raise self._wrong("config.writes", writes, "a list of tables")
        return ConfigMap(
            writes=tuple(self.texts({"writes": each}, "config", "writes") for each in writes),
            valid=self.text(table, "config", "valid", ""),
            ready=self.text(table, "config", "ready", ""),
            hold=self.texts(table, "config", "hold"),
            drain=self.flag(table, "config", "drain", True),
            settle_cycles=self.number(table, "config", "settle_cycles", 0),
        )

    def only(self, table: Any, where: str, known: tuple[str, ...]) -> None:
        """Refuse what is no table, and unknown keys."""
        if not isinstance(table, dict):
            raise self._wrong(where, table, "a table")
        for name in table:
            if name not in known:
                raise UserError(
                    f"{self._source}: unknown key {self._key(where, name)};"
                    f" accepted: {', '.join(known)}"
                )

    def text(
        self, table: Table[str, Any], where: str, name: str, default: str | None = None
    ) -> str:
        value = self._value(table, where, name, default)
        if not isinstance(value, str):
            raise self._wrong(self._key(where, name), value, "a text")
        return value

    def number(
        self, table: Table[str, Any], where: str, name: str, default: int | None = None
    ) -> int:
        value = self._value(table, where, name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(self._key(where, name), value, "a whole number")
        return value

    def flag(self, table: Table[str, Any], where: str, name: str, default: bool) -> bool:
        value = self._value(table, where, name, default)
        if not isinstance(value, bool):
            raise self._wrong(self._key(where, name), value, "true or false")
        return value

    def texts(self, table: Table[str, Any], where: str, name: str) -> dict[str, str]:
        """Return a table of texts; numbers count as texts."""
        value = table.get(name, {})
        if not isinstance(value, dict):
            raise self._wrong(self._key(where, name), value, "a table")
        for key, each in value.items():
            if not isinstance(each, str | int) or isinstance(each, bool):
                raise self._wrong(f"{self._key(where, name)}.{key}", each, "a text")
        return {key: str(each) for key, each in value.items()}

    def numbers(self, table: Table[str, Any], where: str, name: str) -> dict[str, float]:
        """Return a table of numbers."""
        value = table.get(name, {})
        if not isinstance(value, dict):
            raise self._wrong(self._key(where, name), value, "a table")
        for key, each in value.items():
            if not isinstance(each, int | float) or isinstance(each, bool):
                raise self._wrong(f"{self._key(where, name)}.{key}", each, "a number")
        return {key: float(each) for key, each in value.items()}

    def _value(self, table: Table[str, Any], where: str, name: str, default: Any) -> Any:
        if name in table:
            return table[name]
        if default is None:
            raise UserError(f"{self._source}: {self._key(where, name)} is missing")
        return default

    def _wrong(self, key: str, value: object, accepted: str) -> UserError:
        return UserError(f"{self._source}: {key} is {str(value)[:80]!r}; accepted: {accepted}")

    @staticmethod
    def _key(where: str, name: str) -> str:
        return f"{where}.{name}" if where else name
