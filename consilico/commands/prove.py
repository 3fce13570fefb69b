"""Define ``consilico prove``: what streams promise, for runs of any length."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    OptionalUnitArgument,
    SetOption,
    emit,
    print_table,
    working,
)
from consilico.commands.rtl import (
    DefineOption,
    IncludeOption,
    MapOption,
    ParameterOption,
    RoleOption,
    RtlOption,
    TopOption,
    TrustOption,
    settings_of,
    unit_asked_for,
)
from consilico.sim.base.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from consilico.sim.rtlsim.proofs.prove import Proof, Proofs

__all__ = ["prove"]

_SHOWN = 16  # last cycles of a counterexample


def prove(
    settings: SetOption,
    unit: OptionalUnitArgument = None,
    limit_s: Annotated[
        int, typer.Option("--limit", min=1, help="Processor seconds per property.")
    ] = 120,
    only: Annotated[
        list[str] | None, typer.Option(metavar="PROPERTY", help="Property to prove; repeatable.")
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for testbenches and waveforms of failures. By default in the cache.",
        ),
    ] = None,
    rtl: RtlOption = None,
    top: TopOption = None,
    role: RoleOption = None,
    mapping: MapOption = None,
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
    trust: TrustOption = False,
    json_path: JsonOption = None,
) -> None:
    """Prove that streams of a unit, or of anyone's RTL, keep their promises; status 1 if one fails.

    A proof holds for runs of any length. What is not decided in time is not proved, and no failure.
    """
    from consilico.sim.units.catalogue import configure

    name = unit_asked_for(unit, rtl, top, role)
    if not rtl and (mapping or include or define or parameter or trust):
        raise UserError(
            "--map, --include, --define, --param and --trust are for --rtl, not for units"
        )
    found = api.unit(name)
    config = configure(found, settings)
    with working() as progress:
        if rtl:
            defines, parameters = settings_of(define, parameter)
            result = api.prove_rtl(
                rtl, str(top), found, config, mapping=mapping, include=include or (),
                defines=defines, parameters=parameters, limit_s=limit_s, only=only or (),
                failures=failures, trust=trust, progress=progress,
            )  # fmt: skip
        else:
            result = api.prove(
                found, config, limit_s=limit_s, only=only or (), failures=failures,
                progress=progress,
            )  # fmt: skip
    emit("prove/1", result.to_json(), json_path, lambda: _show(result))
    if not result.passed:
        first, *others = [proof for proof in result.proofs if proof.verdict == "failed"]
        more = f" (and {len(others)} more)" if others else ""
        what = f"{top} as {found.name}" if rtl else found.name
        raise CheckFailed(f"{what} breaks a promise: {_told(first)}{more}")


def _show(result: "Proofs") -> None:
    rows = [
        (proof.name, _verdict(proof), proof.engine or "", f"{proof.seconds:.1f}", proof.statement)
        for proof in result.proofs
    ]
    title = f"{result.unit}: {result.proved} of {len(rows)} properties proved"
    print_table(title, ("property", "verdict", "engine", "seconds", "what it says"), rows, (3,))
    for proof in result.proofs:
        if proof.note:
            print(f"{proof.name}: {proof.note}")
        if proof.trace is not None:
            _explain(proof)


def _explain(proof: "Proof") -> None:
    """Print the end of a counterexample, and how to see it again."""
    trace = proof.trace
    if trace is None:
        return
    seen = "so does a simulation" if trace.confirmed else "a simulation does not show it"
    title = f"{proof.name} breaks; {seen}"
    print_table(title, trace.columns, trace.rows[-_SHOWN:], range(len(trace.columns)))
    for name in ("testbench", "waveform", "replay"):
        print(f"{name + ':':<10} {getattr(trace, name)}")


def _verdict(proof: "Proof") -> str:
    if proof.verdict == "not proved" and proof.depth_cycles is not None:
        return f"not proved (holds for {proof.depth_cycles} cycles)"
    if proof.verdict == "failed" and proof.depth_cycles is not None:
        return f"FAILED in cycle {proof.depth_cycles}"
    return proof.verdict


def _told(proof: "Proof") -> str:
    where = "" if proof.depth_cycles is None else f" (in cycle {proof.depth_cycles})"
    return f"{proof.name}: {proof.statement}{where}"
