"""Define ``consilico cache``: where results are kept, how large they are, and removing them."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from consilico.commands.output import JsonOption, emit, print_table
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.base.results import CacheEntry

__all__ = ["cache"]

_DAY_S = 24 * 3600


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove the cached results.")] = False,
    unused_days: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="With --clear: only what was not used for so long."),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Show where results are cached and how much they take, or clear them.

    The cache lies in the folder that CONSILICO_CACHE names, or else where the platform keeps
    caches. Nothing is lost by clearing it but the time to measure anew. Files in that folder that
    are not the cache's own stay.
    """
    from consilico.sim.base.results import cache_entries, cache_root, clear_cache

    if unused_days is not None and not clear:
        raise UserError("--unused-days goes with --clear")
    if unused_days is not None and not (math.isfinite(unused_days) and unused_days >= 0):
        raise UserError(f"--unused-days must be a number of days, 0 or more, not {unused_days}")
    removed = clear_cache((unused_days or 0.0) * _DAY_S) if clear else []
    entries = cache_entries()
    kinds = {
        kind: [entry for entry in entries if entry.kind == kind]
        for kind in sorted({entry.kind for entry in entries})
    }
    result = {
        "path": str(cache_root()),
        **_count(entries),
        "kinds": {kind: _count(of_kind) for kind, of_kind in kinds.items()},
        "removed": _count(removed),
    }

    def show() -> None:
        if clear:
            print(f"removed {len(removed)} entries, {_size(_count(removed)['bytes'])}")
        rows = [
            (kind, len(of_kind), _size(_count(of_kind)["bytes"]), _last_used(of_kind))
            for kind, of_kind in kinds.items()
        ]
        rows.append(("all", len(entries), _size(_count(entries)["bytes"]), _last_used(entries)))
        columns = ("results", "entries", "size", "last used")
        print_table(f"Cache in {cache_root()}", columns, rows, numbers=(1, 2))

    emit("cache/1", result, json_path, show)


def _count(entries: "list[CacheEntry]") -> dict[str, int]:
    return {"bytes": sum(entry.size_bytes for entry in entries), "entries": len(entries)}


def _size(count: int) -> str:
    """Format a number of bytes, for example ``12.3 MB``."""
    return f"{count / 1e6:,.1f} MB"


def _last_used(entries: "list[CacheEntry]") -> str:
    """Format the day of the last use; a dash where there is nothing."""
    from datetime import datetime

    if not entries:
        return "-"
    return datetime.fromtimestamp(max(entry.used_at for entry in entries)).date().isoformat()
