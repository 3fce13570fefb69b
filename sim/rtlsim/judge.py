"""Replays what is planned on one simulator, and says what each replay means."""

import contextlib
import json
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import numpy as np

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.processes import work_folder
from consilico.sim.base.results import cached_file, digest
from consilico.sim.rtlsim.acceptance import Comparison
from consilico.sim.rtlsim.bulk_replay import Transcript, build_bulk, run_script
from consilico.sim.rtlsim.clock_gates import clock_problems, gate_of
from consilico.sim.rtlsim.failures import Failure, Files, explain
from consilico.sim.rtlsim.plan import Planned
from consilico.sim.rtlsim.points import events_of
from consilico.sim.rtlsim.replay import Mismatch, ReplayOutcome, problems_of
from consilico.sim.rtlsim.script import Script
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.rtlsim.stimulus_file import script_json
from consilico.sim.rtlsim.symptoms import Observed, observe
from consilico.sim.units.accepted import Accepted
from consilico.sim.units.stimulus import Kind
from consilico.sim.units.unit import Unit

__all__ = ["Found", "Judge", "Rate"]

_PATIENT_CYCLES = 10_000  # without a handshake, until a unit counts as hung
_QUICK_CYCLES = 256  # likewise where no consumer stalls for long, to find a shorter stimulus
_LIMIT_S = 600.0  # wall clock of a replay: a combinational loop never reaches the next cycle


@dataclass(frozen=True, kw_only=True)
class Rate(Facts):
    """How quickly a unit took data at full speed, over whole stimuli."""

    beats: int  # of data, each right after another one
    cycles: int  # that they took
    declared_cycles: int


@dataclass(kw_only=True)
class Found:
    """What the replays on one simulator have found so far."""

    outcomes: list[ReplayOutcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    rate: Rate | None = None


class Judge:
    """Compile a unit for one simulator, replay scripts on it, and judge them.

    Args:
        unit: The unit.
        config: Its configuration.
        text: Its Verilog.
        simulator: Where it runs.
        seed: Of what registers hold before the reset.
        known: Symptoms that are explained already, on whatever simulator; explained ones are added.
        folder: Where stimuli and waveforms of failures go; the cache if None.

    Raises:
        BuildError: If the Verilog does not compile.
    """

    def __init__(
        self,
        unit: Unit,
        config: Config,
        text: str,
        simulator: Simulator,
        seed: int,
        known: set[str],
        folder: Path | None,
    ) -> None:
        self._unit, self._config, self._text = unit, config, text
        self._simulator, self._seed = simulator, seed
        self._known, self._folder = known, folder
        self._layouts = unit.layouts(config)
        self._golden = partial(unit.expect, config)
        self._build = build_bulk(simulator, [text], unit.module_name, self._layouts.ports)
        self.found = Found()

    def replay(self, plan: Planned) -> bool:
        """Replay a script, and return whether the simulation came to its end."""
        script = plan.script()
        seen = observe(script, self._simulated(script), plan.expect, self._layouts.o)
        outcome = _outcome(plan, seen)
        self.found.outcomes.append(outcome)
        where = f"{self._simulator.name}, {plan.name}"
        self.found.problems += [f"{where}: {problem}" for problem in outcome.problems]
        if not outcome.checked:
            self.found.problems.append(f"{where}: nothing was checked")
        most = self._most_ticks(seen)
        problems = clock_problems(seen.transcript.ticks, most)
        self.found.problems += [f"{where}: {problem}" for problem in problems]
        if plan.full_speed and seen.comparison is not None:
            self._measure_rate(where, seen.comparison, script)
        if seen.symptoms:
            self.found.failures += explain(
                seen,
                where,
                self._golden,
                self._layouts.o,
                self._quickly,
                self._keep,
                self._known,
            )
        return seen.transcript.ended

    def _simulated(self, script: Script) -> Transcript:
        return run_script(
            self._simulator,
            self._build,
            self._layouts.ports,
            script,
            seed=self._seed,
            hang_cycles=_PATIENT_CYCLES,
            limit_s=_LIMIT_S,
        )

    def _quickly(self, script: Script) -> Transcript:
        quick = self._quick_cycles(script)
        return run_script(
            self._simulator,
            self._build,
            self._layouts.ports,
            script,
            seed=self._seed,
            hang_cycles=quick,
            quiet_cycles=quick,
            limit_s=_LIMIT_S,
        )

    def _quick_cycles(self, script: Script) -> int:
        """Return the cycles after which nothing more is awaited where a stimulus is shortened."""
        longest = max(int(script.consumer.delays.max()), int(script.gap.max(initial=0)))
        return _QUICK_CYCLES + 2 * longest + 8 * self._unit.latency(self._config)

    def _most_ticks(self, seen: Observed) -> dict[str, int]:
        """Return how often the clocks that rest for masked beats may have ticked, by gate."""
        comparison, contract = seen.comparison, self._unit.contract
        if comparison is None or contract is None:
            return {}
        kind = seen.script.kind[comparison.order]
        accepted = Accepted(kind, seen.script.bits[comparison.order], self._layouts)
        fields = {field.label: field for field in self._layouts.i.fields}
        most = {}
        for label, clock in contract(self._config).masked_clocks.items():
            values = accepted.data[fields[label].name]
            lane = fields[label].lane
            masked = values if lane is None else values[:, lane]
            most[gate_of(clock)] = int((masked == 0).sum())
        return most

    def _measure_rate(self, where: str, comparison: Comparison, script: Script) -> None:
        """Compare the cycles that beats of data took with those declared."""
        kind = script.kind[comparison.order]
        accepted = Accepted(kind, script.bits[comparison.order], self._layouts)
        declared = np.asarray(self._unit.item_cycles(self._config, accepted))[1:]
        took = np.diff(comparison.cycles)
        beats = (kind[1:] == Kind.DATA) & (kind[:-1] == Kind.DATA)
        rate = Rate(
            beats=int(beats.sum()),
            cycles=int(took[beats].sum()),
            declared_cycles=int(declared[beats].sum()),
        )
        before = self.found.rate or Rate(beats=0, cycles=0, declared_cycles=0)
        self.found.rate = Rate(
            beats=before.beats + rate.beats,
            cycles=before.cycles + rate.cycles,
            declared_cycles=before.declared_cycles + rate.declared_cycles,
        )
        wrong = np.flatnonzero(beats & (took != declared))
        if len(wrong):
            at = int(np.cumsum(beats)[wrong[0]])
            self.found.problems.append(
                f"{where}: {rate.beats} beats of data took {rate.cycles} cycles, declared "
                f"{rate.declared_cycles}; beat {at} is the first to differ"
            )

    def _keep(self, script: Script, what: str) -> Files:
        """Write a stimulus file and a waveform of its replay."""
        unit, config = self._unit, self._config
        text = script_json(script, self._layouts, unit.name, config, what)
        wave = self._waveform(script, what)
        if self._folder is None:
            key = digest(self._text, text)
            stimulus = cached_file("failures", key, ".json", lambda: text)
            waveform = cached_file("failures", key, ".vcd", lambda: wave) if wave else None
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
            stimulus = self._folder / f"{unit.module_name}-{len(self._known)}.json"
            stimulus.write_text(text)
            waveform = stimulus.with_suffix(".vcd") if wave else None
            if waveform is not None:
                waveform.write_bytes(wave)
        default = type(config)()
        settings = [
            f" --set {item.name}={json.dumps(getattr(config, item.name)).strip(chr(34))}"
            for item in fields(config)
            if getattr(config, item.name) != getattr(default, item.name)
        ]
        command = (
            f"consilico verify {unit.name}{''.join(settings)} --sim {self._simulator.name} "
            f"--replay {stimulus}"
        )
        return Files(stimulus=stimulus, waveform=waveform, command=command)

    def _waveform(self, script: Script, what: str) -> bytes:
        """Return a VCD of a replay, from Icarus if it shows the symptom, too: it builds at once."""
        simulators: list[Simulator] = []
        with contextlib.suppress(UserError):
            simulators.append(find_simulator("icarus"))
        if self._simulator.name not in [each.name for each in simulators]:
            simulators.append(self._simulator)
        ports = self._layouts.ports
        for simulator in simulators:
            build = build_bulk(
                simulator, [self._text], self._unit.module_name, ports, simulator.name != "icarus"
            )
            with work_folder("waveform") as folder:
                path = folder / "failure.vcd"
                transcript = run_script(
                    simulator,
                    build,
                    ports,
                    script,
                    seed=self._seed,
                    hang_cycles=self._quick_cycles(script),
                    quiet_cycles=self._quick_cycles(script),
                    limit_s=_LIMIT_S,
                    waveform=path,
                )
                shown = observe(script, transcript, self._golden, self._layouts.o).symptoms
                if path.exists() and (what in shown or simulator is simulators[-1]):
                    return path.read_bytes()
        return b""


def _outcome(plan: Planned, seen: Observed) -> ReplayOutcome:
    transcript, comparison = seen.transcript, seen.comparison
    problems = list(transcript.problems)
    if comparison is None:
        problems.append("the golden model promises nothing for the order that the unit accepted")
        return ReplayOutcome(
            bench=plan.name, checked=0, beats_checked=0, beats_dropped=0, beats_wrong=0,
            beats_missing=0, violations=transcript.violations, problems=tuple(problems),
            first_mismatch=None, cycles=transcript.last_cycle, seconds=transcript.seconds,
            events=events_of(transcript, None),
        )  # fmt: skip
    beats, wrong = len(comparison.due), int(comparison.wrong.sum())
    problems += problems_of(
        beats=beats, due=len(comparison.expected), missing=comparison.missing, wrong=wrong
    )
    if len(comparison.extra):
        problems.append(f"{len(comparison.extra)} results that nothing was due for")
    if comparison.early:
        problems.append(f"{comparison.early} results came before their input was accepted")
    latency = None
    if beats:
        taken = comparison.cycles[comparison.source[comparison.due[0]]]
        latency = int(comparison.delivered_cycles[comparison.delivered[0]] - taken)
    return ReplayOutcome(
        bench=plan.name,
        checked=round(plan.results_per_beat * beats),
        beats_checked=beats,
        beats_dropped=comparison.dropped,
        beats_wrong=wrong,
        beats_missing=comparison.missing,
        violations=transcript.violations + len(comparison.extra) + comparison.early,
        problems=tuple(problems),
        first_mismatch=_first_mismatch(seen),
        cycles=transcript.last_cycle,
        seconds=transcript.seconds,
        latency_cycles=latency,
        events=events_of(transcript, comparison),
    )


def _first_mismatch(seen: Observed) -> Mismatch | None:
    comparison = seen.comparison
    if comparison is None or not comparison.wrong.any():
        return None
    first = int(np.flatnonzero(comparison.wrong)[0])
    delivered, due = comparison.delivered[first], comparison.due[first]
    unknown = seen.transcript.unknown[np.flatnonzero(seen.transcript.delivers)]
    got = comparison.got[delivered][::-1].tobytes().hex()
    if unknown[delivered] and seen.transcript.unknown_hex:
        got = seen.transcript.unknown_hex[0]
    return Mismatch(
        index=int(due), got=got, expected=comparison.expected[due][::-1].tobytes().hex()
    )
