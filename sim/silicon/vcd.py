"""Value change dumps (IEEE 1364-2005, clause 18): toggles and high time of every signal.

The file is taken in blocks. Within a block all changes are handled at once in arrays; only what
happens a few times a file (``$dumpoff``, comments) is looked at one by one.
"""

import io
import re
from pathlib import Path

from sim.errors import UserError
from sim.silicon.activity import SECONDS, Activity, scope_error
from sim.silicon.vcd_codes import Codes
from sim.silicon.vcd_events import Tally

__all__ = ["read_vcd"]

_BLOCK = 1 << 23
_COMMAND = re.compile(rb"\$(\w+)\s(.*?)\$end(?=\s|$)", re.S)
_RANGE = re.compile(r"\[(-?\d+)(?::(-?\d+))?\]$")
_NO_BITS = {"real", "realtime", "string", "event"}


def read_vcd(file: io.BufferedReader, path: Path, scope: str) -> Activity:
    """Read a value change dump.

    The first value of a signal is no toggle. Time counts from the first time stamp to the last,
    without the spans between ``$dumpoff`` and ``$dumpon``. A change to or from x or z counts as
    half a toggle, as OpenSTA counts it.

    Args:
        file: The dump, uncompressed.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.

    Raises:
        UserError: If the dump is damaged, or has no such scope.
    """
    header, rest = _header(file, path)
    signals, codes, tick = _declarations(header, path, scope)
    tally = Tally(codes, path)
    while block := file.read(_BLOCK):
        block = rest + block
        # A vector's value and its code stand in one line, a comment may take several: cut at
        # the end of a line outside comments.
        end = block.rfind(b"\n") + 1
        comment = block.rfind(b"$comment", 0, end)
        if comment >= 0 and b"$end" not in block[comment:end]:
            end = comment
        tally.add(block[:end])
        rest = block[end:]
    tally.add(rest)
    toggles, high, ticks = tally.totals()
    return Activity(
        source="vcd",
        duration_s=ticks * tick,
        signals=signals,
        toggles=toggles,
        high_s=high * tick,
    )


def _header(file: io.BufferedReader, path: Path) -> tuple[bytes, bytes]:
    """Declarations up to ``$enddefinitions $end``, and what of the rest has been read already."""
    data = bytearray()
    while block := file.read(_BLOCK):
        data += block
        if (found := re.search(rb"\$enddefinitions\s+\$end\s", data)) is not None:
            return bytes(data[: found.start()]), bytes(data[found.end() :])
    raise UserError(f"{path}: not a VCD file, or cut: it has no $enddefinitions")


def _declarations(header: bytes, path: Path, scope: str) -> tuple[dict[str, int], Codes, float]:
    """Rows of the signals below the scope, their codes in the dump, the time unit in seconds."""
    tick = 0.0
    around: list[str] = []
    scopes: dict[str, None] = {}
    signals: dict[str, int] = {}
    codes = Codes()
    wanted = scope.strip("/").split("/")
    depth = len(wanted)
    for command, body in _COMMAND.findall(header):
        if command == b"var":
            words = body.decode("latin-1").split(None, 3)
            if len(words) < 4 or not words[1].isdigit():
                raise UserError(f"{path}: damaged declaration in the VCD: $var {' '.join(words)}")
            kind, width, code, name = words[0], int(words[1]), words[2], words[3]
            inside = around[:depth] == wanted and kind not in (
                "real",
                "realtime",
                "string",
                "event",
            )
            first = codes.add(code, width, kept=inside)
            if inside:
                inner = "".join(f"{part}/" for part in around[depth:])
                for bit, bit_name in enumerate(_bit_names(name, width)):
                    signals[inner + bit_name] = first + bit
        elif command == b"scope":
            around.append(body.decode("latin-1").split()[-1].removeprefix("\\"))
            if len(around) <= depth:
                scopes["/".join(around)] = None
        elif command == b"upscope":
            around = around[:-1]
        elif command == b"timescale":
            match = re.fullmatch(r"(1|10|100)\s*([munpf]?s)", body.decode("latin-1").strip())
            if match is None:
                raise UserError(f"{path}: unknown $timescale {body.decode('latin-1').strip()!r}")
            tick = int(match[1]) * SECONDS[match[2]]
    if not tick:
        raise UserError(f"{path}: the VCD has no $timescale")
    if "/".join(wanted) not in scopes:
        raise scope_error(path, scope, scopes)
    codes.freeze()
    return signals, codes, tick


def _bit_names(name: str, width: int) -> list[str]:
    """Names of the bits of a variable, the lowest (rightmost) first."""
    name = name.strip()
    if name.startswith("\\"):  # an escaped name may hold brackets: its range is set off
        base, _, tail = name[1:].partition(" ")
    else:
        base, bracket, tail = name.replace(" ", "").partition("[")
        tail = bracket + tail
    match = _RANGE.match(tail.strip())
    if match is None:
        return [base] if width == 1 else [f"{base}[{bit}]" for bit in range(width)]
    high, low = int(match[1]), int(match[2] if match[2] is not None else match[1])
    step = 1 if high >= low else -1
    return [f"{base}[{low + step * bit}]" for bit in range(width)]
