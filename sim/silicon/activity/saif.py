"""Switching activity interchange files (backward SAIF, IEEE 1801 annex): totals by signal."""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.activity import SECONDS, Activity, scope_error

__all__ = ["read_saif", "saif_text"]

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"[^"]*"|[()]|[^\s()]+', re.S)
_SIGNALS = {"NET", "PORT"}


def read_saif(file: io.BufferedReader, path: Path, scope: str) -> Activity:
    """Read a SAIF file: toggle counts (TC) and high times (T1) of nets and ports.

    Args:
        file: The file, uncompressed.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.

    Raises:
        UserError: If the file is damaged or cut, or has no such scope.
    """
    words = _TOKEN.findall(file.read().decode("latin-1"))
    reader = _Reader(scope.strip("/").split("/"))
    try:
        reader.read([word for word in words if not word.startswith(("//", "/*"))])
    except (IndexError, ValueError, KeyError) as error:
        raise UserError(f"{path}: the SAIF file is damaged or cut: {error}") from error
    if "/".join(reader.wanted) not in reader.scopes:
        raise scope_error(path, scope, reader.scopes)
    return Activity(
        source="saif",
        tick_s=reader.tick_s,
        duration_s=reader.duration * reader.tick_s,
        signals=reader.signals,
        toggles=np.array(reader.toggles, dtype=np.float64),
        high_s=np.array(reader.high, dtype=np.float64) * reader.tick_s,
    )


@dataclass
class _Reader:
    wanted: list[str]
    duration: float = 0.0
    tick_s: float = 1e-9
    around: list[str] = field(default_factory=list)
    scopes: dict[str, None] = field(default_factory=dict)
    signals: dict[str, int] = field(default_factory=dict)
    toggles: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def read(self, words: list[str]) -> None:
        """Walk through the nested lists."""
        if words[:2] != ["(", "SAIFILE"]:
            raise ValueError("it does not begin with (SAIFILE")
        groups: list[str] = []
        at = 0
        while at < len(words):
            if words[at] == "(":
                if groups and groups[-1] in _SIGNALS:
                    at = self.signal(words, at + 1)
                    continue
                groups.append(words[at + 1])
                at = self.open(words, at + 1)
            else:
                if words[at] == ")" and groups.pop() == "INSTANCE":
                    self.around.pop()
                at += 1
        if groups:
            raise ValueError(f"({groups[-1]} is not closed")

    def open(self, words: list[str], at: int) -> int:
        """Begin a group at its keyword; the position behind what has been read of it."""
        if words[at] == "INSTANCE":
            # The module's name may stand before the instance's.
            at += 2 if words[at + 2] not in ("(", ")") else 1
            self.around.append(words[at].strip('"').replace("\\", ""))
            if len(self.around) <= len(self.wanted):
                self.scopes["/".join(self.around)] = None
        elif words[at] == "DURATION":
            at += 1
            self.duration = float(words[at])
        elif words[at] == "TIMESCALE":
            text = words[at + 1] if words[at + 2] == ")" else words[at + 1] + words[at + 2]
            match = re.fullmatch(r"(\d+)([munpf]?s)", text)
            if match is None:
                raise ValueError(f"unknown TIMESCALE {text}")
            self.tick_s = int(match[1]) * SECONDS[match[2]]
        return at + 1

    def signal(self, words: list[str], at: int) -> int:
        """Read ``name (T0 n) (T1 n) ... )``; the position behind it."""
        name = words[at].replace("\\", "")
        values: dict[str, float] = {}
        at += 1
        while words[at] == "(":
            values[words[at + 1]] = float(words[at + 2])
            if words[at + 3] != ")":
                raise ValueError(f"{name} holds more than a number")
            at += 4
        if words[at] != ")":
            raise ValueError(f"{name} is not closed")
        depth = len(self.wanted)
        if self.around[:depth] == self.wanted:
            inner = "".join(f"{part}/" for part in self.around[depth:])
            self.signals[inner + name] = len(self.toggles)
            self.toggles.append(values["TC"])
            self.high.append(values["T1"])
        return at + 1


def saif_text(activity: Activity, scope: str) -> str:
    """An activity as a backward SAIF file, its signals as nets of the instances they are in.

    Counts are whole numbers there: half a toggle (to or from x) is rounded up. Time at x counts
    as time at 0.

    Args:
        activity: Of the signals below ``scope``.
        scope: Its path.
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
    """A name with a backslash before each character that SAIF gives a meaning."""
    return re.sub(r"([^\w$\\])", r"\\\1", name)
