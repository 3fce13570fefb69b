"""Measure what verification of units notices and what is proved, and write the table of it.

``python scripts/evidence.py UNIT... [--set FIELD=VALUE] [--mutants] [--proofs] [--only PROPERTY]``
measures one configuration of each unit and puts it into ``docs/evidence.json``, which
``docs/verification.md`` quotes. What was measured with other Verilog is dropped then; what is not
asked for is kept. Results come from the cache where ``consilico mutate`` and ``prove`` have them.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as a file, Python looks next to it only
    sys.path.insert(0, str(ROOT))
from scripts.document_text import DOCS, paragraph, read_table, table  # noqa: E402

EVIDENCE = DOCS / "evidence.json"


def measured(
    name: str,
    settings: Sequence[str],
    *,
    mutants: bool,
    proofs: bool,
    only: Sequence[str] = (),
    limit_s: int | None = None,
) -> dict[str, Any]:
    """Return what was measured of a configuration: only what is asked for.

    Args:
        name: Of a unit.
        settings: Fields of its configuration that are not the default, as ``FIELD=VALUE``.
        mutants: Whether to count mutants.
        proofs: Whether to prove properties.
        only: Names of properties; all if none is given.
        limit_s: Processor seconds per property; the default of ``prove`` if not given.
    """
    from consilico.sim.estimate.operators.calibration_state import sha256_of_verilog
    from consilico.sim.rtlsim.mutation.score import mutation_score
    from consilico.sim.rtlsim.proofs.prove import LIMIT_S, prove
    from consilico.sim.units.catalogue import configure, find_unit

    unit = find_unit(name)
    config = configure(unit, list(settings))
    found: dict[str, Any] = {
        "unit": name,
        "settings": list(settings),
        "verilog_sha256": sha256_of_verilog(unit, config),
        "date": date.today().isoformat(),
    }
    if mutants:
        score = mutation_score(unit, config)
        found["mutants"] = {
            "seed": score.seed,
            "mutants": score.mutants,
            "killed": score.killed,
            "equivalent": score.equivalent,
            "survived": [
                {"line": each.line, "change": each.change, "differs": each.differs_after_cycles}
                for each in score.survived
            ],
        }
    if proofs:
        decided = prove(unit, config, limit_s or LIMIT_S, only=only)
        found["proofs"] = {
            each.name: {"verdict": each.verdict, "depth_cycles": each.depth_cycles}
            for each in decided.proofs
        }
    return found


def put(rows: Sequence[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows with a new one, which keeps what the old one knows of the same Verilog."""
    place = new["unit"], new["settings"]
    old = next((row for row in rows if (row["unit"], row["settings"]) == place), {})
    if old.get("verilog_sha256") == new["verilog_sha256"]:
        known = old.get("proofs", {}) | new.get("proofs", {})
        new = old | new | ({"proofs": known} if known else {})
    others = [row for row in rows if row is not old]
    return sorted([*others, new], key=lambda row: (row["unit"], row["settings"]))


def evidence_part() -> str:
    """Return the table of mutants and proofs."""
    rows = read_table(EVIDENCE)["rows"]
    lines = []
    for row in rows:
        mutants, proofs = row.get("mutants"), row.get("proofs")
        score = ["-"] * 4
        if mutants:
            counts = (mutants[key] for key in ("mutants", "killed", "equivalent"))
            score = [*map(str, counts), str(len(mutants["survived"]))]
        lines.append([
            f"`{row['unit']}`", ", ".join(row["settings"]) or "default", *score,
            *(_proved(proofs) if proofs else ("-", "-")),
        ])  # fmt: skip
    head = (
        "unit", "configuration", "mutants", "killed", "equivalent", "left", "proved",
        "neither proved nor refuted",
    )  # fmt: skip
    dates = sorted({row["date"] for row in rows})
    words = f"""Measured from {dates[0]} to {dates[-1]}; what is not listed was not
        measured then. What is left of mutants is neither noticed nor proved equivalent. A
        property that is not proved for runs of any length stands with the number of cycles after a
        reset in which it holds."""
    if other := sorted({f"`{row['unit']}`" for row in rows if not _is_current(row)}):
        words += f" Since then the Verilog of {', '.join(other)} has changed."
    return f"{paragraph(words)}\n\n{table(head, lines)}"


def _is_current(row: dict[str, Any]) -> bool:
    """Return whether a configuration was measured with the Verilog of this tree."""
    from consilico.sim.estimate.operators.calibration_state import sha256_of_verilog
    from consilico.sim.units.catalogue import configure, find_unit

    unit = find_unit(row["unit"])
    return bool(row["verilog_sha256"] == sha256_of_verilog(unit, configure(unit, row["settings"])))


def _proved(proofs: dict[str, Any]) -> tuple[str, str]:
    """Return the properties that are proved, and what is known of the others."""
    proved = [f"`{name}`" for name, each in proofs.items() if each["verdict"] == "proved"]
    other = [
        f"`{name}` ({each['verdict'] if each['depth_cycles'] is None else each['depth_cycles']})"
        for name, each in proofs.items()
        if each["verdict"] != "proved"
    ]
    return ", ".join(proved), ", ".join(other)


PARTS: dict[str, Callable[[], str]] = {"evidence": evidence_part}


def main(argv: list[str] | None = None) -> int:
    """Measure units and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("units", nargs="+")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--proofs", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args(argv)
    for name in asked.units:
        found = measured(
            name, asked.settings, mutants=asked.mutants, proofs=asked.proofs, only=asked.only,
            limit_s=asked.limit,
        )  # fmt: skip
        rows = read_table(EVIDENCE)["rows"] if EVIDENCE.exists() else []
        kept = {"schema": "consilico.evidence/1", "rows": put(rows, found)}
        EVIDENCE.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
