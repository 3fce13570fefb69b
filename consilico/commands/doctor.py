"""``consilico doctor``."""

from pathlib import Path
from typing import TYPE_CHECKING

from consilico.commands.output import JsonOption, emit, print_table
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.reports.doctor import Check

__all__ = ["doctor"]


def doctor(json_path: JsonOption = None) -> None:
    """Say which tools were found, their versions, what is missing and how to get it."""
    from consilico.reports.doctor import examine

    checks = examine()
    missing = [check for check in checks if check.required and not check.usable]
    result = {"passed": not missing, "checks": [check.to_json() for check in checks]}
    emit("doctor/1", result, json_path, lambda: _show(checks))
    if missing:
        raise UserError("; ".join(f"{check.name} {check.advice}" for check in missing))


def _show(checks: "list[Check]") -> None:
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


def _where(check: "Check") -> str:
    """Path, from the current folder where it lies below; packages all lie in one place."""
    if check.path is None or check.kind == "package":
        return ""
    here = Path.cwd()
    path = Path(check.path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
