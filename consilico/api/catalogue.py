"""The catalogue: which units there are, their Verilog, whether it is right, and the report on them.

See :mod:`consilico.api` for what all functions of the interface have in common.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consilico.extras import needing
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.reports.build import ReportAnswer
    from consilico.sim.base.progress import Progress
    from consilico.sim.rtlsim.mutation.score import MutationScore
    from consilico.sim.rtlsim.proofs.prove import Proofs
    from consilico.sim.rtlsim.verify import Verification
    from consilico.sim.units.unit import Unit

__all__ = [
    "configure",
    "configured",
    "generate",
    "mutate",
    "prove",
    "report",
    "unit",
    "unit_of",
    "units",
    "verify",
]


def units() -> "Mapping[str, Unit]":
    """Return the units of the catalogue by name, those of installed packages among them."""
    from consilico.sim.units.catalogue import catalogue

    return catalogue()


def unit(name: str) -> "Unit":
    """Return the unit of that name, such as ``"consmax/log2"``.

    Raises:
        UserError: If there is none; the message lists those there are.
    """
    from consilico.sim.units.catalogue import find_unit

    return find_unit(name)


def configure(unit: "str | Unit", **settings: int | str | bool) -> "Config":
    """Return a configuration of a unit.

    Args:
        unit: The unit or its name.
        settings: Field values; fields that are not given keep their defaults.

    Raises:
        UserError: If a field is unknown or its value is not accepted; the message says what is.
    """
    found = unit_of(unit)
    try:
        known = found.config.__dataclass_fields__
        for name in settings:
            if name not in known:
                raise UserError(
                    f"{found.name}: unknown field {name!r}; accepted: {', '.join(known)}"
                )
        return found.config(**settings)
    except ValueError as error:
        raise UserError(f"{found.name}: {error}") from error


def generate(unit: "str | Unit", config: "Config | None" = None) -> str:
    """Return the synthesizable Verilog of a unit, byte for byte the same each time.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
    """
    from consilico.sim.units.catalogue import verilog_file

    return verilog_file(*configured(unit, config))


def mutate(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    count: int = 200,
    seed: int = 1,
    progress: "Progress | None" = None,
) -> "MutationScore":
    """Put single faults into a unit, and return how many its verification would notice.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        count: Mutants wanted.
        seed: Of the stimuli, the stalls and the choice of mutants.
        progress: Called after each replay with a label, replays done and replays in all.

    Raises:
        UserError: If Yosys, ABC or Verilator is missing, or ``count`` is below 1.
        CheckFailed: If the unit fails without a fault.
    """
    with needing("mutate", "torch"):
        from consilico.sim.rtlsim.mutation.score import mutation_score

        found, chosen = configured(unit, config)
        return mutation_score(found, chosen, count, seed, progress)


def prove(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    limit_s: int = 120,
    only: Collection[str] = (),
    failures: Path | None = None,
    progress: "Progress | None" = None,
) -> "Proofs":
    """Prove what a unit's streams promise, for runs of any length.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        limit_s: Processor seconds per property.
        only: Names of properties, such as ``"nothing_lost"``; all if none is given.
        failures: Folder for testbench and waveform of what fails; the cache if None.
        progress: Called after each property with a label, properties done and properties in all.
    """
    with needing("prove"):
        from consilico.sim.rtlsim.proofs.prove import prove as run

        found, chosen = configured(unit, config)
        return run(found, chosen, limit_s, progress, only, failures)


def verify(
    unit: "str | Unit",
    config: "Config | None" = None,
    *,
    simulators: Sequence[str] = ("icarus", "verilator"),
    seed: int = 1,
    failures: Path | None = None,
    replay: Path | None = None,
    progress: "Progress | None" = None,
) -> "Verification":
    """Compare a unit's Verilog with its golden model, bit for bit, under stalls and resets.

    Each distinct failure is explained: the fields that differ, the shortest stimulus that shows it,
    and a waveform of that.

    Args:
        unit: The unit or its name.
        config: From :func:`configure`; None is the default configuration.
        simulators: ``"icarus"``, ``"verilator"`` or both.
        seed: Of the stimuli and the stalls.
        failures: Folder for stimuli and waveforms of failures, made where it is missing; the cache
            if None.
        replay: Stimulus file of a failure, to be replayed instead of verifying the unit.
        progress: Called with a description, steps done and steps in total.

    Returns:
        The verdict, with its problems and what was run. A unit that is wrong is a result, not an
        exception.

    Raises:
        UserError: If a simulator is unknown, missing or too old, the seed is negative, or
            ``replay`` is no stimulus file of this unit and configuration.
    """
    if seed < 0:
        raise UserError(f"the seed must be 0 or more, not {seed}")
    with needing("verify", "torch"):
        from consilico.sim.rtlsim import verify as module
        from consilico.sim.units.catalogue import verilog

        found, chosen = configured(unit, config)
        names = [*dict.fromkeys(simulators)]
        if replay is not None:
            text = verilog(found, chosen)
            return module.replay_file(found, chosen, text, names, replay, failures)
        return module.verify(found, chosen, names, seed, progress, failures)


def report(
    output: Path,
    units: Sequence[str] = (),
    kits: Sequence[str] = (),
    settings: Sequence[str] = (),
    *,
    full: bool = False,
    jobs: int | None = None,
    progress: "Progress | None" = None,
) -> "ReportAnswer":
    """Verify and implement units and write a report about them, a page in ``output``.

    The page is written as soon as there is something to show, and grows.

    Args:
        output: Folder, made where it is missing.
        units: Names of units; the whole product if empty.
        kits: Process kits, as ``kit`` or ``kit:corner``; nangate45 if empty.
        settings: ``field=value``, for the units named.
        full: Whether to measure all there is; else what takes long is named with its command.
        jobs: Measurements at a time; as many as there are processors if not given.
        progress: Called with a description, steps done and steps in total.

    Raises:
        UserError: If a unit, kit or setting is unknown, a tool is missing or the folder cannot be
            written; an earlier report stays.
    """
    with needing("report", "torch"):
        from consilico.reports.build import build_report, request_of

        request = request_of(units, kits, settings, full=full)
        return build_report(output, request, workers=jobs, progress=progress)


def unit_of(unit: "str | Unit") -> "Unit":
    """Return the unit of that name; a unit is returned as it is.

    Raises:
        UserError: If there is no unit of that name; the message lists those there are.
    """
    from consilico.sim.units.catalogue import find_unit

    return find_unit(unit) if isinstance(unit, str) else unit


def configured(unit: "str | Unit", config: "Config | None") -> "tuple[Unit, Config]":
    """Return a unit and its configuration, the default one where none is given.

    Raises:
        UserError: If there is no such unit, or the configuration is another unit's.
    """
    found = unit_of(unit)
    if config is None:
        return found, found.config()
    if not isinstance(config, found.config):
        raise UserError(
            f"{found.name} takes a {found.config.__name__}, not a {type(config).__name__}"
        )
    return found, config
