"""Replays what is planned on one simulator, and says what each replay means."""

import contextlib
import json
import re
import shlex
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path

from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.processes import work_folder
from consilico.sim.base.results import cached_file, digest
from consilico.sim.rtlsim.bulk_replay import Transcript, build_bulk, run_script
from consilico.sim.rtlsim.endings import Stop
from consilico.sim.rtlsim.failures import Failure, Files, explain
from consilico.sim.rtlsim.judgement import Rate, judged, quick_cycles
from consilico.sim.rtlsim.plan import Planned
from consilico.sim.rtlsim.replay import ReplayOutcome
from consilico.sim.rtlsim.script import Script
from consilico.sim.rtlsim.simulators import Simulator, find_simulator
from consilico.sim.rtlsim.stimulus_file import script_json
from consilico.sim.rtlsim.symptoms import Observed, observe
from consilico.sim.units.unit import Unit

__all__ = ["Found", "Judge", "without_power"]

_PATIENT_CYCLES = 20_000  # without a handshake, until a unit counts as hung
_LIMIT_S = 600.0  # wall clock of a replay: a combinational loop never reaches the next cycle


# An initial value in the declaration of a register, as the generators write it
_INITIAL = re.compile(r"^(\s*(?:output )?reg (?:\[[^\]\n]*\] )?(?:\\\S+|\w+) +)= [^;\n]+;", re.M)


def without_power(text: str) -> str:
    """Return generated Verilog in which no register has an initial value, as in silicon."""
    return _INITIAL.sub(r"\1;", text)


@dataclass(kw_only=True)
class Found:
    """Findings of the replays on one simulator so far."""

    outcomes: list[ReplayOutcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    rate: Rate | None = None
    stopped: Stop | None = None  # why there are no more outcomes, if the Verilog was not compiled


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
        powered: Whether registers hold their initial values when power comes; else, on Verilator,
            anything.

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
        *,
        powered: bool = True,
    ) -> None:
        self._unit, self._config, self._text = unit, config, text
        self._simulator, self._seed = simulator, seed
        self._known, self._folder = known, folder
        self._layouts = unit.layouts(config)
        self._golden = partial(unit.expect, config)
        self._ready = unit.contract(config).ready if unit.contract else {}
        self._powered = powered
        self._build = build_bulk(
            simulator,
            [self._text_for(simulator)],
            unit.module_name,
            self._layouts.ports,
            ready=self._ready,
        )
        self.found = Found()

    def replay(self, plan: Planned) -> bool:
        """Replay a script, and return whether the simulation came to its end."""
        script = plan.script()
        judgement = judged(self._unit, self._config, plan, script, self._simulated(script))
        seen = judgement.seen
        self.found.outcomes.append(judgement.outcome)
        where = f"{self._simulator.name}, {plan.name}"
        self.found.problems += [f"{where}: {problem}" for problem in judgement.problems]
        if judgement.rate is not None:
            before = self.found.rate or Rate(beats=0, cycles=0, declared_cycles=0)
            self.found.rate = before + judgement.rate
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

    def _text_for(self, simulator: Simulator) -> str:
        """Return what a simulator runs; Icarus would carry x further than any circuit does."""
        given = self._powered or simulator.name == "icarus"
        return self._text if given else without_power(self._text)

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

    def _quickly(
        self,
        script: Script,
        simulator: Simulator | None = None,
        build: Path | None = None,
        waveform: Path | None = None,
    ) -> Transcript:
        """Replay a script, and wait no longer than it can take; elsewhere if so asked."""
        quick = quick_cycles(script, self._unit.latency(self._config))
        return run_script(
            simulator or self._simulator,
            build or self._build,
            self._layouts.ports,
            script,
            seed=self._seed,
            hang_cycles=quick,
            quiet_cycles=quick,
            limit_s=_LIMIT_S,
            waveform=waveform,
        )

    def _keep(self, seen: Observed, what: str) -> Files:
        """Write the stimulus file of a replay, and a waveform of it."""
        unit, config = self._unit, self._config
        text = script_json(seen.script, self._layouts, unit.name, config, what)
        wave = self._waveform(seen, what)
        if self._folder is None:
            key = digest(self._text, text, code_digest(__name__))
            stimulus = cached_file("failures", key, ".json", lambda: text)
            waveform = cached_file("failures", key, ".vcd", lambda: wave) if wave else None
        else:
            stimulus = self._folder / f"{unit.module_name}-{len(self._known)}.json"
            write_atomic(stimulus, text)
            waveform = stimulus.with_suffix(".vcd") if wave else None
            if waveform is not None:
                write_atomic(waveform, wave)
        default = type(config)()
        words = ["consilico", "verify", unit.name]
        for item in fields(config):
            value = getattr(config, item.name)
            if value != getattr(default, item.name):
                text = value if isinstance(value, str) else json.dumps(value)
                words += ["--set", f"{item.name}={text}"]
        words += ["--sim", self._simulator.name, "--replay", str(stimulus)]
        return Files(stimulus=stimulus, waveform=waveform, command=shlex.join(words))

    def _waveform(self, seen: Observed, what: str) -> bytes:
        """Return a VCD of a replay, from Icarus if it shows the symptom, too: it builds at once."""
        simulators: list[Simulator] = []
        with contextlib.suppress(UserError):
            icarus = find_simulator("icarus")
            simulators.append(replace(icarus, trusted=self._simulator.trusted))
        if self._simulator.name not in [each.name for each in simulators]:
            simulators.append(self._simulator)
        ports = self._layouts.ports
        for simulator in simulators:
            build = build_bulk(
                simulator, [self._text_for(simulator)], self._unit.module_name, ports,
                simulator.name != "icarus", ready=self._ready,
            )  # fmt: skip
            with work_folder("waveform") as folder:
                path = folder / "failure.vcd"
                transcript = self._quickly(seen.script, simulator, build, path)
                shown = observe(
                    seen.script, transcript, self._golden, self._layouts.o, seen.apart
                ).symptoms
                if path.exists() and (what in shown or simulator is simulators[-1]):
                    return path.read_bytes()
        return b""
