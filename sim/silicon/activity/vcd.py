"""Value change dumps (IEEE 1364-2005, clause 18): toggles and high time of every signal.

The file is taken in blocks. Within a block all changes are handled at once in arrays; only what
happens a few times a file (``$dumpoff``, comments) is looked at one by one.
"""

import io
import re
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.activity import (
    SECONDS,
    Activity,
    Select,
    bit_names,
    scope_error,
    select_rows,
    window_counts,
)
from consilico.sim.silicon.activity.count import Counter
from consilico.sim.silicon.activity.vcd_codes import Codes
from consilico.sim.silicon.activity.vcd_events import Events

__all__ = ["read_vcd"]

_BLOCK = 1 << 21  # bytes: the arrays of a block stay in the cache
_COMMAND = re.compile(rb"\$(\w+)\s(.*?)\$end(?=\s|$)", re.S)
_END = re.compile(rb"\$enddefinitions\s+\$end\s")
_NO_BITS = {"real", "realtime", "string", "event"}


def read_vcd(
    file: io.BufferedReader,
    path: Path,
    scope: str,
    select: Select | None = None,
    window_s: float | None = None,
) -> Activity:
    """Read a value change dump.

    The first value of a signal is no toggle. Time counts from the first time stamp to the last,
    without the spans between ``$dumpoff`` and ``$dumpon``. A change to or from x or z counts as
    half a toggle, as OpenSTA counts it.

    Args:
        file: The dump, uncompressed.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.
        select: See :func:`consilico.sim.silicon.activity.activity.read_activity`.
        window_s: Width of the windows in which toggles are counted, too.

    Raises:
        UserError: If the dump is damaged, or has no such scope.
    """
    header, rest = _header(file, path)
    signals, codes, tick = _declarations(header, path, scope)
    codes.freeze(select_rows(signals, codes.rows, select))
    windows = window_counts(window_s, tick, path)
    counter = Counter(codes.rows, windows)
    events = Events(codes, counter, path)
    while block := file.read(_BLOCK):
        block = rest + block
        # A vector's value and its code stand in one line, a comment may take several: cut at
        # the end of a line outside comments.
        end = block.rfind(b"\n") + 1
        comment = block.rfind(b"$comment", 0, end)
        if comment >= 0 and b"$end" not in block[comment:end]:
            end = comment
        events.add(block[:end])
        rest = block[end:]
    events.add(rest)
    toggles, high, ticks = counter.totals(events.now)
    return Activity(
        source="vcd",
        tick_s=tick,
        duration_s=ticks * tick,
        signals=signals,
        toggles=toggles,
        high_s=high * tick,
        windows=windows,
    )


def _header(file: io.BufferedReader, path: Path) -> tuple[bytes, bytes]:
    """Declarations up to ``$enddefinitions $end``, and what of the rest has been read already."""
    data = bytearray()
    while block := file.read(_BLOCK):
        seen = max(len(data) - _BLOCK, 0)  # the end may stand across two blocks
        data += block
        if (found := _END.search(data, seen)) is not None:
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
            inside = around[:depth] == wanted and kind not in _NO_BITS
            first = codes.add(code, width, kept=inside)
            if inside:
                inner = "".join(f"{part}/" for part in around[depth:])
                for bit, bit_name in enumerate(bit_names(name, width)):
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
    return signals, codes, tick
