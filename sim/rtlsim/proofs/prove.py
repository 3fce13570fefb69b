"""Prove what a unit promises about its streams, for runs of any length.

The properties are those of ``stream_properties.v``, the same for every unit. How they are made
small enough to be proved whatever the unit computes says :mod:`.slicing`.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.files import write_atomic
from consilico.sim.base.processes import work_folder
from consilico.sim.base.progress import Progress, silent
from consilico.sim.base.results import cached_file, computed_anew, digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.rtlsim.proofs.accumulators import overflow_told
from consilico.sim.rtlsim.proofs.aiger import output_number, port_values
from consilico.sim.rtlsim.proofs.clocking import UnknownClock
from consilico.sim.rtlsim.proofs.engines import (
    ProverAnswer,
    abc_program,
    decide,
    follow,
    induct,
    refute,
)
from consilico.sim.rtlsim.proofs.model import build_exact_model, build_model
from consilico.sim.rtlsim.proofs.promises import (
    NO_OVERFLOW,
    PROPERTIES,
    VALID_FIRST,
    Model,
    Property,
    StreamPromises,
)
from consilico.sim.rtlsim.proofs.slicing import Slice
from consilico.sim.rtlsim.proofs.trace import Trace, play
from consilico.sim.units.catalogue import verilog
from consilico.sim.units.unit import Unit

__all__ = ["LIMIT_S", "Proof", "Proofs", "proofs_key", "prove", "prove_verilog"]

LIMIT_S = 120  # processor seconds per property
QUICK_S = 5  # for which a property is tried without lemmas, which have to be proved as well
_ALL = (VALID_FIRST, *PROPERTIES, NO_OVERFLOW)
_NAMES = tuple(each.name for each in _ALL)
_LEMMAS = "with the lemmas of the unit's contract"
_POWER = "only from registers that hold something else when power comes than the Verilog says"
_TOO_COARSE = "data decide whether other data count, which the proof does not follow"


@dataclass(frozen=True, kw_only=True)
class Proof(Facts):
    """State of knowledge about one property."""

    name: str
    statement: str
    verdict: str  # "proved", "failed", "not proved" (in time) or "not stated" (by the unit)
    engine: str | None
    depth_cycles: int | None  # of the counterexample, or without one; None: of any length
    seconds: float
    note: str = ""
    trace: Trace | None = None  # of a run that breaks it


@dataclass(frozen=True, kw_only=True)
class Proofs(Facts):
    """The properties of one configuration of a unit."""

    derived: ClassVar[tuple[str, ...]] = ("passed", "proved")

    unit: str
    config: dict[str, Any]  # field values by name
    verilog_sha256: str
    proofs: tuple[Proof, ...]

    @property
    def traces(self) -> dict[str, Trace]:
        """Return runs that break properties, by the names of these."""
        return {proof.name: proof.trace for proof in self.proofs if proof.trace is not None}

    @property
    def passed(self) -> bool:
        """Tell whether no property failed; one may be neither proved nor refuted."""
        return all(proof.verdict != "failed" for proof in self.proofs)

    @property
    def proved(self) -> int:
        """Return the number of properties that are proved."""
        return sum(proof.verdict == "proved" for proof in self.proofs)


def prove(
    unit: Unit,
    config: Config,
    limit_s: int = LIMIT_S,
    progress: Progress | None = None,
    only: Collection[str] = (),
    failures: Path | None = None,
) -> Proofs:
    """Prove the promises of a unit; what is known after the time given is cached.

    Args:
        unit: From the catalogue.
        config: Its configuration.
        limit_s: Processor seconds per property.
        progress: Called after each property with a label, properties done and properties in all.
        only: Names of the properties to decide; all if none is given.
        failures: Folder for the traces of what fails; the cache if not given.

    Raises:
        UserError: If Yosys or ABC is missing, or there is no such property.
        ToolError: If one of them fails, or the design has cells that are not known here.
    """
    return prove_verilog(unit, config, verilog(unit, config), limit_s, progress, only, failures)


def prove_verilog(
    unit: Unit,
    config: Config,
    text: str,
    limit_s: int = LIMIT_S,
    progress: Progress | None = None,
    only: Collection[str] = (),
    failures: Path | None = None,
    *,
    powered: bool = False,
) -> Proofs:
    """Prove the promises of Verilog that claims to be a unit, such as one that was edited.

    Args:
        unit: The unit that the Verilog claims to be.
        config: Its configuration.
        text: The Verilog.
        limit_s: As for :func:`prove`.
        progress: As for :func:`prove`.
        only: As for :func:`prove`.
        failures: As for :func:`prove`.
        powered: Whether registers hold their initial values when power comes; else anything.

    Raises:
        UserError: If Yosys or ABC is missing, or there is no such property.
        ToolError: If one of them fails, or the design has cells that are not known here.
    """
    claim = replace(_claim(unit, config, text), powered=powered)
    for name in only:
        if name not in _NAMES:
            raise UserError(f"no property is called {name}: {', '.join(_NAMES)}")
    abc_program()

    def compute() -> Proofs:
        return Proofs(
            unit=unit.name,
            config=config.to_json(),
            verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
            proofs=tuple(_proofs(claim, limit_s, only, progress or silent)),
        )

    key = _key(unit, config, claim, limit_s, only)
    result = cached_facts(Proofs, "prove", key, compute)
    if not all(Path(trace.waveform).exists() for trace in result.traces.values()):
        with computed_anew("prove"):  # the cache of files was cleared
            result = cached_facts(Proofs, "prove", key, compute)
    return result if failures is None else _moved(result, failures)


def _moved(result: Proofs, folder: Path) -> Proofs:
    """Return the proofs with copies of the traces' files in a folder."""
    stem = result.unit.replace("/", "_")

    def moved(proof: Proof) -> Proof:
        if proof.trace is None:
            return proof
        testbench = folder / f"{stem}-{proof.name}.v"
        waveform = testbench.with_suffix(".vcd")
        write_atomic(testbench, Path(proof.trace.testbench).read_text())
        write_atomic(waveform, Path(proof.trace.waveform).read_bytes())
        return replace(proof, trace=proof.trace.at(testbench, waveform))

    return replace(result, proofs=tuple(map(moved, result.proofs)))


def proofs_key(unit: Unit, config: Config, text: str, limit_s: int = LIMIT_S) -> str:
    """Return the key under which the cache holds a unit's proofs (``prove``), once tried.

    Args:
        unit: The unit.
        config: Its configuration.
        text: Its Verilog, as :func:`.verilog` writes it.
        limit_s: Time limit of a property, in s.
    """
    return _key(unit, config, _claim(unit, config, text), limit_s, ())


def _claim(unit: Unit, config: Config, text: str) -> StreamPromises:
    return StreamPromises(
        text=text,
        top=unit.module_name,
        layouts=unit.layouts(config),
        contract=None if unit.contract is None else unit.contract(config),
        latency_cycles=unit.latency(config),
    )


def _key(
    unit: Unit, config: Config, claim: StreamPromises, limit_s: int, only: Collection[str]
) -> str:
    return digest(
        [unit.name, config.to_json(), limit_s, sorted(only)],
        asdict(claim),
        tool_versions(["yosys"]),
        code_digest(__name__),
    )


def _proofs(
    claim: StreamPromises, limit_s: int, only: Collection[str], progress: Progress
) -> Iterator[Proof]:
    try:
        model = build_model(claim)
    except UnknownClock as error:
        for each in _ALL:
            if not only or each.name in only:
                yield _undecided(each, "not proved", str(error))
        return
    wanted = [
        each for each in _ALL if each.applies(claim, model) and (not only or each.name in only)
    ]
    with work_folder("prove") as folder:
        (folder / "model.aig").write_bytes(model.aiger)
        (folder / "overflow.aig").write_bytes(model.overflow or b"")
        for done, each in enumerate(wanted):
            progress(f"prove {claim.top}", done, len(wanted))
            yield _proof(each, claim, model, folder, limit_s)
    progress(f"prove {claim.top}", len(wanted), len(wanted))


def _proof(
    wanted: Property, claim: StreamPromises, model: Model, folder: Path, limit_s: int
) -> Proof:
    if wanted is VALID_FIRST:
        waits = model.slice.waits_for_ready
        verdict = "failed" if waits else "proved"
        answer = ProverAnswer(verdict=verdict, engine="structure", steps=None, seconds=0.0)
        return _decided(wanted, answer, note="o ready leads to o valid by gates" if waits else "")
    promised = claim.contract
    if (promised is None and wanted.needs_contract) or (
        wanted.of_results and (promised is None or promised.completes is None)
    ):
        return _undecided(wanted, "not stated", "the unit does not state what completes results")
    if wanted.of_data and not model.slice.i_data:
        return _undecided(wanted, "not proved", "every bit of i decides when something happens")
    if wanted is NO_OVERFLOW:
        answer = decide(folder / "overflow.aig", 0, limit_s)
        note = overflow_told(model.overflow or b"", answer.inputs) if answer.inputs else ""
        return _decided(wanted, answer, note=note)
    number = PROPERTIES.index(wanted)
    for engine, output, most_s in _with_lemmas(number, model, folder, limit_s):
        answer = engine(folder / "model.aig", output, most_s)
        if answer.verdict == "proved":
            return _decided(wanted, answer, note=_LEMMAS if output != number else "")
    answer = decide(folder / "model.aig", number, limit_s)
    if answer.verdict != "failed":
        return _decided(wanted, answer)
    # a model errs on one side: is there a run of the unit itself?
    exact = folder / "exact.aig"
    if not exact.exists():
        exact.write_bytes(build_exact_model(claim, model.slice))
    found = refute(exact, number, limit_s)
    if found.verdict == "failed":
        try:
            return _decided(wanted, found, trace=_trace(claim, model.slice, number, exact, found))
        except UserError as error:
            return _decided(wanted, found, note=f"no waveform: {error}")
    if wanted.coarse:
        return _undecided(wanted, "not proved", _TOO_COARSE, found)
    return _decided(wanted, answer, note=_POWER)


def _with_lemmas(
    number: int, model: Model, folder: Path, limit_s: int
) -> Iterator[tuple[Callable[[Path, int, int], ProverAnswer], int, int]]:
    """Yield what to prove in place of a property if there are lemmas: how, and for how long.

    Lemmas that follow by themselves are taken as given then: a search for an invariant has to find
    what they do not say, and nothing else. Others are proved along with the property.
    """
    unlike, helped, given = (
        output_number(model.aiger, name)
        for name in ("unlike", f"helped[{number}]", f"given[{number}]")
    )
    if unlike is None or helped is None or given is None:
        return
    yield follow, helped, limit_s
    yield induct, number, min(QUICK_S, limit_s)
    sound = follow(folder / "model.aig", unlike, limit_s).verdict == "proved"
    yield induct, given if sound else helped, limit_s


def _trace(
    claim: StreamPromises, found: Slice, number: int, exact: Path, answer: ProverAnswer
) -> Trace:
    """Return what a simulation of a counterexample shows; its files are kept in the cache."""
    raw = exact.read_bytes()
    steps = [
        {name: value for name, (value, _) in port_values(raw, digits).items()}
        for digits in answer.inputs
    ]
    played = play(claim, found, number, steps)
    key = digest(played.testbench)
    testbench = cached_file("failures", key, ".v", lambda: played.testbench)
    waveform = cached_file("failures", key, ".vcd", lambda: played.waveform)
    return Trace(
        columns=played.columns, rows=played.rows, confirmed=played.confirmed,
        testbench="", waveform="", replay="",
    ).at(testbench, waveform)  # fmt: skip


def _decided(
    wanted: Property, answer: ProverAnswer, *, note: str = "", trace: Trace | None = None
) -> Proof:
    return Proof(
        name=wanted.name, statement=wanted.statement, verdict=answer.verdict,
        engine=answer.engine, depth_cycles=answer.steps, seconds=answer.seconds, note=note,
        trace=trace,
    )  # fmt: skip


def _undecided(
    wanted: Property, verdict: str, note: str, answer: ProverAnswer | None = None
) -> Proof:
    known = answer or ProverAnswer(verdict=verdict, engine=None, steps=None, seconds=0.0)
    return _decided(wanted, replace(known, verdict=verdict), note=note)
