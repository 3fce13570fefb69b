"""Define ``consilico prove``: what a unit's streams promise, for runs of any length."""

from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    SetOption,
    UnitArgument,
    emit,
    print_table,
    working,
)
from consilico.sim.base.errors import CheckFailed

if TYPE_CHECKING:
    from consilico.sim.rtlsim.proofs.prove import Proof, Proofs

__all__ = ["prove"]


def prove(
    unit: UnitArgument,
    settings: SetOption,
    limit_s: Annotated[
        int, typer.Option("--limit", min=1, help="Processor seconds per property.")
    ] = 120,
    json_path: JsonOption = None,
) -> None:
    """Prove that a unit's streams keep their promises, in runs of any length; status 1 if not."""
    from consilico.sim.units.catalogue import configure

    found = api.unit(unit)
    config = configure(found, settings)
    with working() as progress:
        result = api.prove(found, config, limit_s=limit_s, progress=progress)
    emit("prove/1", result.to_json(), json_path, lambda: _show(result))
    if not result.passed:
        first, *others = [proof for proof in result.proofs if proof.verdict == "failed"]
        more = f" (and {len(others)} more)" if others else ""
        raise CheckFailed(f"{found.name} breaks a promise: {_told(first)}{more}")


def _show(result: "Proofs") -> None:
    rows = [
        (proof.name, _verdict(proof), proof.engine or "", f"{proof.seconds:.1f}", proof.statement)
        for proof in result.proofs
    ]
    title = f"{result.unit}: {result.proved} of {len(rows)} properties proved"
    print_table(title, ("property", "verdict", "engine", "seconds", "what it says"), rows, (3,))


def _verdict(proof: "Proof") -> str:
    if proof.verdict == "not proved" and proof.depth_cycles is not None:
        return f"not proved (holds for {proof.depth_cycles} cycles)"
    if proof.verdict == "failed" and proof.depth_cycles is not None:
        return f"FAILED in cycle {proof.depth_cycles}"
    return proof.verdict


def _told(proof: "Proof") -> str:
    where = "" if proof.depth_cycles is None else f" (in cycle {proof.depth_cycles})"
    return f"{proof.name}: {proof.statement}{where}"
