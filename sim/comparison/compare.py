"""Run units that normalize the same rows of scores alike, and set what they cost side by side.

A unit is taken at every length of row, number of lanes and kind of row buffer that is asked for,
with the same traffic, kit, clock and rung. What the comparison means hangs on the buffer more than
on anything else, so its area stands apart, and ratios are given for each definition:

``none``
    the logic alone, as where a row lies in a memory that is there anyway;
``flop``, ``latch``
    a buffer of standard cells, implemented with the logic;
``sram``
    the logic, and a memory as the model of :mod:`consilico.sim.estimate.memories` has it.

Energies include what leaks in the cycles that a row takes when rows follow one another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.base.parallel import in_parallel
from consilico.sim.base.progress import Progress
from consilico.sim.comparison.facts import (
    BUFFERS,
    Compared,
    Comparison,
    Conditions,
    LeftOutCombination,
    PartAreas,
    rows_named,
)
from consilico.sim.comparison.row_errors import RowErrors, row_errors
from consilico.sim.estimate.memories.cost import BufferCost, buffer_cost
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.synthesis.outside_memories import OutsideMemory
from consilico.sim.units.accepted import Accepted
from consilico.sim.units.catalogue import configure, find_unit, split_settings
from consilico.sim.units.row_traffic import traffic_rows
from consilico.sim.units.unit import Unit

__all__ = [
    "Candidate",
    "candidate",
    "compare",
    "implement_alike",
]

_ROWS_OF_ERRORS = 24  # drawn ones, that errors are of
_STEADY_ROWS = 6  # of which the last but one and the two before count


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A unit to compare, with settings that stay the same."""

    name: str  # as it was asked for, such as "online_softmax:slack=8"
    unit: str
    settings: tuple[str, ...] = ()  # "field=value"
    front: tuple["Candidate", ...] = ()  # what stands in front of it

    @property
    def parts(self) -> tuple["Candidate", ...]:
        """Return the unit alone, and what stands in front of it."""
        return (replace(self, name=self.name.partition("+")[0], front=()), *self.front)


class _Case(NamedTuple):
    """A unit as it is built for some rows of a comparison."""

    candidate: Candidate
    config: Config
    lanes: int
    row: int
    buffer: str | None


def candidate(text: str) -> Candidate:
    """Return what ``UNIT``, ``UNIT:FIELD=VALUE,...`` or ``UNIT+FRONT`` asks for.

    Raises:
        UserError: If there is no such unit or setting, or a comparison varies the setting, or what
            is to stand in front normalizes rows itself.
    """
    if "+" in text:
        own, *front = map(candidate, text.split("+"))
        for each in front:
            if find_unit(each.unit).normalize is not None:
                raise UserError(f"{text}: {each.name} normalizes rows, and stands in front of none")
        return replace(own, name=text, front=tuple(front))
    name, settings = split_settings(text)
    configure(find_unit(name), settings)
    for varied in ("lanes", "row", "buffer"):
        if any(setting.startswith(f"{varied}=") for setting in settings):
            raise UserError(f"{text}: {varied} is varied; accepted: --{varied}")
    return Candidate(name=text, unit=name, settings=tuple(settings))


def compare(
    candidates: Sequence[Candidate],
    *,
    lanes: Sequence[int] = (1,),
    rows: Sequence[int] = (256,),
    buffers: Sequence[str] = ("none", "latch"),
    pdk: str = "nangate45",
    clock_ns: float = 4.0,
    traffic: str = "normal",
    rung: str = "layout",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Implement units under the same conditions, and compare them with the first.

    Args:
        candidates: Two or more.
        lanes: Numbers of lanes.
        rows: Lengths of rows in scores.
        buffers: Kinds of row buffers, of :data:`BUFFERS`.
        pdk: Process kit.
        clock_ns: Clock period.
        traffic: Source of traffic, which all of them need to have.
        rung: How far implementations go.
        workers: Processes; as many as there are processors if not given.
        progress: Called with a label, implementations done and in all.

    Raises:
        UserError: If a unit is asked for twice or alone, takes no attention scores, has not this
            traffic, or is built in none of the combinations; if a buffer, kit or rung is unknown.
        ToolError: If a tool fails.
        CheckFailed: If a netlist's results are wrong.
    """
    names = [each.name for each in candidates]
    if len(set(names)) < 2:
        raise UserError(f"a comparison needs two units, not {', '.join(names) or 'none'}")
    conditions, compared, left_out = implement_alike(
        candidates, lanes=lanes, rows=rows, buffers=buffers, pdk=pdk, clock_ns=clock_ns,
        traffic=traffic, rung=rung, workers=workers, progress=progress,
    )  # fmt: skip
    return Comparison.of(conditions, compared, left_out)


def implement_alike(
    candidates: Sequence[Candidate],
    *,
    lanes: Sequence[int],
    rows: Sequence[int],
    buffers: Sequence[str],
    pdk: str,
    clock_ns: float,
    traffic: str,
    rung: str,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[Conditions, list[Compared], list[LeftOutCombination]]:
    """Implement one or more units as :func:`compare` does, whose arguments these are.

    Returns:
        The conditions, what each unit takes in each combination that it is built in, and the
        combinations that it is not built in.
    """
    parts = list({part.name: part for each in candidates for part in each.parts}.values())
    _check(candidates, parts, buffers, traffic)
    left_out: list[LeftOutCombination] = []
    cases = list(_cases(parts, lanes, rows, buffers, left_out))
    for each in parts:
        if not any(case.candidate == each for case in cases):
            raise UserError(next(left.why for left in left_out if left.unit == each.name))
    flow = Flow(rung=rung)
    # the logic alone is what a memory is put beside, and what a buffer of cells is more than
    needed = {case: _built(case) for case in cases}
    todo = list(dict.fromkeys(needed.values()))
    todo += [alone for case in cases if (alone := _logic_alone(case)) not in todo]
    work = partial(_implemented, pdk=pdk, clock_ns=clock_ns, traffic=traffic, flow=flow)
    found = dict(zip(todo, in_parallel(work, todo, "compare", workers, progress), strict=True))
    compared = [
        _compared(case, found[needed[case]], found[_logic_alone(case)], pdk, traffic)
        for case in cases
    ]
    memories = (_sram(found[needed[case]], pdk) for case in cases if case.buffer == "sram")
    memory = next(memories, None)
    kit = find_kit(pdk)
    conditions = Conditions(
        pdk=pdk,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=clock_ns,
        traffic=traffic,
        rung=rung,
        sram=None if memory is None else memory.source,
    )
    named = [row for each in candidates for row in rows_named(each.name, compared)]
    return conditions, named, left_out


def _check(
    candidates: Sequence[Candidate],
    parts: Sequence[Candidate],
    buffers: Sequence[str],
    traffic: str,
) -> None:
    names = [each.name for each in candidates]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{min(twice)} is named twice; accepted: once")
    for buffer in buffers:
        if buffer not in BUFFERS:
            raise UserError(f"--buffer must be of {', '.join(BUFFERS)}, not {buffer!r}")
    for each in parts:
        unit = find_unit(each.unit)
        if unit.family != "attention" or "lanes" not in unit.config.__dataclass_fields__:
            raise UserError(
                f"{unit.name} takes no attention scores; accepted: the family attention, with lanes"
            )
        if traffic not in unit.sources:
            known = ", ".join(unit.sources)
            raise UserError(f"{unit.name} has no traffic {traffic!r}; it has: {known}")


def _cases(
    candidates: Sequence[Candidate],
    lanes: Sequence[int],
    rows: Sequence[int],
    buffers: Sequence[str],
    left_out: list[LeftOutCombination],
) -> Iterator[_Case]:
    """Yield what is to be compared; what a unit is not built in is noted."""
    for each in candidates:
        unit = find_unit(each.unit)
        fields = unit.config.__dataclass_fields__
        for row in rows:
            for count in lanes:
                for buffer in buffers if "buffer" in fields else (None,):
                    # the memory stands outside: what is built for it is the logic alone
                    built = "sram" if buffer == "none" else buffer
                    given = {"lanes": count, "row": row, "buffer": built}
                    settings = [
                        f"{name}={value}" for name, value in given.items() if name in fields
                    ]
                    try:
                        config = configure(unit, [*each.settings, *settings])
                    except UserError as error:
                        left_out.append(
                            LeftOutCombination(each.name, count, row, buffer, str(error))
                        )
                        continue
                    yield _Case(each, config, count, row, buffer)


class _Build(NamedTuple):
    """Circuit to implement, and the length of the rows that drive it."""

    unit: str
    config: Config


def _built(case: _Case) -> _Build:
    return _Build(case.candidate.unit, case.config)


def _logic_alone(case: _Case) -> _Build:
    if case.buffer is None:
        return _built(case)
    return _Build(case.candidate.unit, replace(case.config, buffer="sram"))  # type: ignore[call-arg]


def _implemented(
    build: _Build, *, pdk: str, clock_ns: float, traffic: str, flow: Flow
) -> Implementation:
    unit = find_unit(build.unit)
    return implement(unit, build.config, pdk, clock_ns, traffic, flow=flow)


def _compared(
    case: _Case, built: Implementation, logic: Implementation, pdk: str, traffic: str
) -> Compared:
    unit = find_unit(case.candidate.unit)
    cycles = _cycles_row(unit, case)
    energy = exactly(_energy_pj_score(built, cycles / case.row))
    buffer: Interval | None = None
    if case.buffer in ("latch", "flop"):
        buffer = exactly(built.area_um2 - logic.area_um2)
    elif case.buffer == "sram":
        memory = _sram(built, pdk)
        buffer = memory.area_um2
        leaks = memory.leakage_w * (built.clock_ns * 1e3 * cycles / case.row)
        energy = energy + (memory.read_pj + memory.write_pj) * (1 / case.lanes) + leaks
    total = logic.area_um2 + (buffer.value if buffer is not None else 0.0)
    return Compared(
        unit=case.candidate.name,
        lanes=case.lanes,
        row=case.row,
        buffer=case.buffer,
        config=case.config.to_json(),
        area_um2=PartAreas(logic=logic.area_um2, buffer=buffer),
        path_ns=built.path_ns,
        meets_clock=built.meets_clock,
        energy_pj_score=energy,
        energy_pj_row=energy * case.row,
        leakage_pj_cycle=_leakage_pj_cycle(built),
        cycles_row=cycles,
        latency_cycles=unit.latency(case.config),
        scores_per_s_mm2=case.row / (cycles * built.clock_ns * 1e-9) / (total * 1e-6),
        error=_error(unit, case, traffic),
        verilog_sha256=built.verilog_sha256,
    )


def _energy_pj_score(found: Implementation, cycles: float) -> float:
    """Return the energy of a score with what leaks in its own cycles.

    The recording begins with an empty unit and ends with one: its cycles are more than the rows
    take that follow one another, most where there are few.
    """
    recorded = found.activity.cycles / found.activity.results
    return found.energy_pj + _leakage_pj_cycle(found) * (cycles - recorded)


def _leakage_pj_cycle(found: Implementation) -> float:
    return found.power.leakage_w * found.clock_ns * 1e3


def _cycles_row(unit: Unit, case: _Case) -> float:
    """Return the cycles per row at full speed, of whole rows that follow one another."""
    beats = case.row // case.lanes
    stimulus = unit.traffic(case.config, "normal", _STEADY_ROWS * beats)
    accepted = Accepted(stimulus.kind, stimulus.bits, unit.layouts(case.config))
    cycles = unit.item_cycles(case.config, accepted)[accepted.is_beat]
    return float(cycles[2 * beats : 5 * beats].sum()) / 3


def _sram(built: Implementation, pdk: str) -> BufferCost:
    """Return the cost of the memory that stands outside."""
    memory: OutsideMemory = built.memories[0]
    return buffer_cost(memory.words, memory.bits, "sram", pdk, "1r1w")


def _error(unit: Unit, case: _Case, traffic: str) -> RowErrors | None:
    if unit.normalize is None:
        return None
    rows = traffic_rows(traffic, case.row, _ROWS_OF_ERRORS * case.row)
    return row_errors(partial(unit.normalize, case.config), rows)
