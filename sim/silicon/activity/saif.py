"""Switching activity interchange files (backward SAIF, IEEE 1801 annex): totals by signal."""

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.recording import SECONDS, Activity, Signals

__all__ = ["read_saif", "saif_text"]

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"[^"]*"|[()]|[^\s()]+', re.S)
_NUMBER = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?")
_SIGNALS = {"NET", "PORT"}
_TIMES = {"T0", "T1", "TX", "TZ", "TB"}  # which together are the duration
_TOLERANCE = 1e-3  # of the duration: counts may be rounded
_MOST_BYTES = 1 << 28


def read_saif(file: io.BufferedReader, path: Path, scope: str) -> Activity:
    """Read a SAIF file: toggle counts (TC) and high times (T1) of nets and ports.

    Args:
        file: The file, uncompressed.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.

    Raises:
        UserError: If the file is damaged or cut, is a forward SAIF file, contradicts itself, or
            has no such scope.
    """
    raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise UserError(f"{path}: the SAIF file is larger than {_MOST_BYTES:,} bytes")
    words = _TOKEN.findall(raw.decode("latin-1"))
    words = [word for word in words if not word.startswith(("//", "/*"))]
    reader = _Reader(Signals(path, scope), words)
    try:
        reader.read()
    except IndexError as error:
        raise UserError(f"{path}: the SAIF file is damaged or cut: it ends early") from error
    except ValueError as error:
        problem = " ".join(str(error).split())  # a string in the file may hold line ends
        raise UserError(f"{path}: the SAIF file is damaged or cut: {problem}") from error
    return Activity(
        source="saif",
        tick_s=reader.tick_s,
        duration_s=reader.duration * reader.tick_s,
        signals=reader.signals.found(),
        toggles=np.array(reader.toggles, dtype=np.float64),
        high_s=np.array(reader.high, dtype=np.float64) * reader.tick_s,
    )


class _Reader:
    """Walks through the nested lists of a file.

    Args:
        signals: Collects the signals of the wanted scope.
        words: Words and parentheses of the file.
    """

    def __init__(self, signals: Signals, words: list[str]) -> None:
        self.signals = signals
        self.words = words
        self.duration = 0.0  # ticks
        self.tick_s = 1e-9
        self.around: tuple[str, ...] = ()
        self.toggles: list[float] = []
        self.high: list[float] = []  # ticks
        self._said: dict[str, tuple[float, float]] = {}  # by signal: toggles and high time
        self._once: dict[str, float] = {}

    def read(self) -> None:
        """Read the whole file into the attributes.

        Raises:
            ValueError: If it is not SAIF, or contradicts itself.
            IndexError: If it ends early.
        """
        words = self.words
        if words[:2] != ["(", "SAIFILE"]:
            raise ValueError("it does not begin with (SAIFILE")
        groups: list[str] = []
        at = 0
        while at < len(words):
            if words[at] == "(":
                if groups and groups[-1] in _SIGNALS:
                    at = self._signal(at + 1)
                else:
                    groups.append(words[at + 1])
                    at = self._open(at + 1)
                continue
            if words[at] == ")":
                if groups.pop() == "INSTANCE":
                    self.around = self.around[:-1]
                if not groups and at + 1 < len(words):
                    raise ValueError(f"{words[at + 1][:40]!r} after its end")
            at += 1
        if groups:
            raise ValueError(f"({groups[-1][:40]} is not closed")
        if self.high and max(self.high) > self.duration * (1 + _TOLERANCE) + 2:
            raise ValueError("a signal is high for longer than DURATION")

    def _open(self, at: int) -> int:
        """Begin a group at its keyword; return the position behind what has been read of it."""
        words = self.words
        if words[at] == "INSTANCE":
            # The module's name may stand before the instance's.
            if words[at + 1] in ("(", ")"):
                raise ValueError("INSTANCE without a name")
            at += 2 if words[at + 2] not in ("(", ")") else 1
            self.around = (*self.around, words[at].strip('"').replace("\\", ""))
            self.signals.enter(self.around)
        elif words[at] == "DURATION":
            at += 1
            self.duration = self._same("DURATION", _number(words[at], "DURATION"))
        elif words[at] == "TIMESCALE":
            text = words[at + 1] if words[at + 2] == ")" else words[at + 1] + words[at + 2]
            match = re.fullmatch(r"(1|10|100)([munpf]?s)", text)
            if match is None:
                raise ValueError(f"TIMESCALE is {text[:40]!r}; accepted: such as 1 ns, 10 ps")
            self.tick_s = self._same("TIMESCALE", int(match[1]) * SECONDS[match[2]])
        elif words[at] == "DIRECTION" and words[at + 1].strip('"').lower() != "backward":
            raise ValueError(f"DIRECTION is {words[at + 1][:40]}; accepted: backward")
        return at + 1

    def _same(self, what: str, value: float) -> float:
        if self._once.setdefault(what, value) != value:
            raise ValueError(f"{what} is given twice, and differently")
        return value

    def _signal(self, at: int) -> int:
        """Read ``name (T0 n) (T1 n) ... )``; return the position behind it."""
        words = self.words
        name = words[at].replace("\\", "")
        values: dict[str, float] = {}
        at += 1
        while words[at] == "(":
            key = words[at + 1]
            if key in values:
                raise ValueError(f"{name[:40]} gives {key[:40]} twice")
            values[key] = _number(words[at + 2], f"{key[:40]} of {name[:40]}")
            if words[at + 3] != ")":
                raise ValueError(f"{name[:40]} holds more than a number")
            at += 4
        if words[at] != ")":
            raise ValueError(f"{name[:40]} is not closed")
        if self.signals.covers(self.around):
            self._note(name, values)
        return at + 1

    def _note(self, name: str, values: dict[str, float]) -> None:
        """Keep the values of a signal; one that is both a net and a port is given twice."""
        if missing := [key for key in ("TC", "T1") if key not in values]:
            raise ValueError(f"{name[:40]} has no {missing[0]}")
        times = [key for key in values if key in _TIMES]
        total = sum(values[key] for key in times)
        known = "T0" in values and "DURATION" in self._once
        if known and abs(total - self.duration) > _TOLERANCE * self.duration + 2:
            raise ValueError(
                f"{' + '.join(times)} of {name[:40]} is {total:.10g}, not the DURATION of"
                f" {self.duration:.10g}"
            )
        path = "/".join((*self.around, name))
        said = values["TC"], values["T1"]
        if path not in self._said:
            self._said[path] = said
            self.signals.declare(self.around, name, 1, len(self.toggles))
            self.toggles.append(values["TC"])
            self.high.append(values["T1"])
        elif self._said[path] != said:
            raise ValueError(f"{path[:80]} is given twice, and differently")


def _number(text: str, what: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise ValueError(f"{what} is {text[:40]!r}, not a number of at least 0")
    return value


def saif_text(activity: Activity, scope: str) -> str:
    """Return an activity as a backward SAIF file, its signals as nets of the instances around them.

    Counts are whole numbers there: half a toggle (to or from x) is rounded up. Time at x counts
    as time at 0.

    Args:
        activity: The activity of the signals below a scope.
        scope: Path of that scope, such as ``tb/dut``.
    """
    whole = round(activity.duration_s / activity.tick_s)
    tree: dict[str, Any] = {}
    for name, row in activity.signals.items():
        *around, net = name.split("/")
        inside = tree
        for part in around:
            inside = inside.setdefault(part + "/", {})
        high = round(float(activity.high_s[row]) / activity.tick_s)
        count = math.ceil(float(activity.toggles[row]))
        inside[net] = f"(T0 {whole - high}) (T1 {high}) (TC {count})"
    for part in reversed(scope.strip("/").split("/")):
        tree = {part + "/": tree}
    unit, seconds = next(
        (unit, size) for unit, size in SECONDS.items() if activity.tick_s > size * 0.999
    )
    lines = [
        "(SAIFILE",
        '(SAIFVERSION "2.0")',
        '(DIRECTION "backward")',
        "(DESIGN )",
        "(DIVIDER / )",
        f"(TIMESCALE {round(activity.tick_s / seconds)} {unit})",
        f"(DURATION {whole})",
        *_instances(tree),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _instances(tree: dict[str, Any]) -> Iterator[str]:
    nets = {name: counts for name, counts in tree.items() if isinstance(counts, str)}
    if nets:
        yield "(NET"
        yield from (f"({_escaped(name)} {counts})" for name, counts in nets.items())
        yield ")"
    for name, inside in tree.items():
        if isinstance(inside, dict):
            yield f"(INSTANCE {_escaped(name[:-1])}"
            yield from _instances(inside)
            yield ")"


def _escaped(name: str) -> str:
    """Return a name with a backslash before each character that SAIF gives a meaning."""
    return re.sub(r"([^\w$\\])", r"\\\1", name)
