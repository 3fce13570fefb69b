"""A regression runs what it is asked for, and reports what went wrong as what it is."""

import errno
import gc
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cocotb_coverage.coverage import merge_coverage

from consilico.cli import main
from consilico.golden.config import Config, choice, integer
from consilico.sim.base.errors import UserError
from consilico.sim.base.processes import Ending, Limits, ToolFailed, ToolRun
from consilico.sim.rtlsim import regress as module
from consilico.sim.rtlsim.builds import BuildError
from consilico.sim.rtlsim.coverage_xml import coverage_xml
from consilico.sim.rtlsim.edges import edges, settings
from consilico.sim.rtlsim.hdl_coverage import hits_of, measured_hits, read_hits, write_hits
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.regress import Regression, regress
from consilico.sim.rtlsim.verify import Verification
from consilico.sim.units.catalogue import find_unit, own_units, verilog
from consilico.sim.units.unit import Unit

UNIT = "training/stochastic_round"
Verify = Callable[[Unit, Config, str, list[str], int], Verification]


@dataclass(frozen=True, kw_only=True)
class Small(Config):
    """A configuration whose fields depend on each other."""

    lanes: int = integer(4, 1, 16, "lanes")
    bits: int = integer(8, 2, 9, "bits, at most lanes + 4")
    mode: str = choice("a", ("a", "b"), "mode")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bits > self.lanes + 4:
            raise ValueError(f"bits must be at most {self.lanes + 4}, not {self.bits}")


def small(config: type[Config] = Small) -> Unit:
    nothing: Any = None
    return Unit(
        name="toy/small", summary="", config=config, component=nothing, vectors=nothing,
        latency=nothing, coverage=(), golden=nothing,
    )  # fmt: skip


def test_each_edge_of_each_field_has_a_configuration() -> None:
    found = edges(small())
    assert found.left_out == ()
    assert found.configs[0] == Small()
    values = {(name, getattr(each, name)) for each in found.configs for name in ("lanes", "bits")}
    assert {("lanes", 1), ("lanes", 16), ("bits", 2), ("bits", 9)} <= values
    assert any(each.to_json()["mode"] == "b" for each in found.configs)


def test_an_edge_that_does_not_go_with_the_defaults_changes_another_field() -> None:
    (least,) = [each for each in edges(small()).configs if each.to_json()["lanes"] == 1]
    assert settings(least) == ["lanes=1", "bits=2"]


def test_a_field_is_at_its_edge_where_it_matters() -> None:
    unit = find_unit("consmax/log2")
    chosen = [
        each.to_json() for each in edges(unit).configs if each.to_json()["fixed_width"] in (2, 24)
    ]
    assert [each["output"] for each in chosen] == ["fixed", "fixed"]


def test_an_edge_that_no_configuration_has_is_named_with_the_reason() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Narrow(Small):
        """A configuration that accepts less than it says."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.mode == "b":
                raise ValueError("mode b is not there yet")

    assert edges(small(Narrow)).left_out == (("mode=b", "mode b is not there yet"),)


@pytest.mark.parametrize("name", sorted(own_units()))
def test_every_unit_has_configurations_at_its_edges(name: str) -> None:
    found = edges(find_unit(name))
    assert len(found.configs) > 2
    assert len(set(found.configs)) == len(found.configs)


def verdict(unit: Unit, config: Config, *problems: str) -> Verification:
    return Verification(
        unit=unit.name, config=config.to_json(), seed=1, verilog_sha256="", runs=(),
        coverage={unit.coverage[0]: 2}, uncovered=(), latency_cycles={}, problems=problems,
        exempt=(
            Exemption(point="verification", why="this is a stand-in"),
            Exemption(point="verilator", why="not asked for"),
        ),
    )  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, verify: Verify, **options: Any) -> Regression:
    """Run a regression whose verifications are made by a function."""
    monkeypatch.setattr(module, "check", verify)
    monkeypatch.setattr(module, "verilog", lambda unit, config: "")
    asked: dict[str, Any] = {"configurations": "default", "simulators": ["icarus"], "jobs": 1}
    return regress([UNIT], **(asked | options))


def test_every_combination_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        seen.append((config, *simulators, seed))
        return verdict(unit, config)

    found = run(
        monkeypatch, verify, configurations="edges", simulators=["icarus", "verilator"],
        seeds=[1, 7],
    )  # fmt: skip
    configs = edges(find_unit(UNIT)).configs
    assert len(seen) == len(set(seen)) == 4 * len(configs) == found.passed
    assert found.coverage[0].hits[find_unit(UNIT).coverage[0]] == 2 * len(seen)
    assert found.coverage[0].never == find_unit(UNIT).coverage[1:]
    assert found.coverage[0].exempt == {"verification: this is a stand-in": len(seen)}
    icarus = run(monkeypatch, verify)  # of both, each run lacks the other, and together none
    assert "verilator: not asked for" in icarus.coverage[0].exempt
    assert [edge.setting for edge in found.left_out] == ["width=6"]


def test_what_is_too_large_for_a_simulator_is_named_and_no_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        return verdict(unit, config)

    monkeypatch.setattr(module, "check", verify)
    sizes = {1: 10**7, 16: 400_000}
    monkeypatch.setattr(
        module, "verilog", lambda unit, config: " " * sizes.get(config.to_json()["lanes"], 1)
    )
    found = regress([UNIT], simulators=["icarus", "verilator"], seeds=[1, 2], jobs=1)
    named = {(edge.setting, edge.why) for edge in found.left_out}
    assert {
        ("lanes=1 on icarus", "its Verilog has 10,000,000 characters; accepted: 300,000"),
        ("lanes=1 on verilator", "its Verilog has 10,000,000 characters; accepted: 600,000"),
        ("lanes=16 on icarus", "its Verilog has 400,000 characters; accepted: 300,000"),
    } <= named
    assert len(found.left_out) == 4  # and width=6, whatever the seed
    assert not any(run.config["lanes"] == 1 for run in found.runs)
    assert {run.simulator for run in found.runs if run.config["lanes"] == 16} == {"verilator"}


def test_a_unit_that_is_wrong_failed_and_can_be_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        return verdict(unit, config, *(["wrong"] if config.to_json()["lanes"] == 1 else []))

    found = run(monkeypatch, verify, configurations="edges", seeds=[5])
    assert found.failed == 1
    (failed,) = [each for each in found.runs if each.verdict == "failed"]
    assert failed.replay == f"consilico verify {UNIT} --set lanes=1 --sim icarus --seed 5"


def tool(ending: Ending, status: int) -> ToolFailed:
    """Return the exception of a compiler that ended in some way."""
    limits = Limits(wall_s=60)
    return ToolFailed(
        ToolRun(
            tool="icarus", ending=ending, status=status, stdout="", stderr="", seconds=1.0,
            peak_bytes=0, limits=limits,
        )
    )  # fmt: skip


def full_disk() -> UserError:
    """Return what comes of a cache that cannot be written."""
    error = UserError("cannot write the cache")
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return error


@pytest.mark.parametrize(
    ("error", "ending", "says"),
    [
        (tool(Ending.KILLED, 9), "killed", "icarus was killed by SIGKILL"),
        (tool(Ending.TIMED_OUT, 9), "timed out", "icarus took more than 60 s"),
        (tool(Ending.OUT_OF_MEMORY, 1), "out of memory", "needed more than 4 GiB of memory"),
        (tool(Ending.OUT_OF_DISK, 1), "out of disk", "icarus failed with status 1"),
        (tool(Ending.EXITED, 1), "tool failed", "icarus failed with status 1"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "out of disk", "No space left"),
        (full_disk(), "out of disk", "cannot write the cache"),
        (BuildError("icarus does not compile t:\nerror: x"), "build failed", "compile t: error: x"),
        (UserError("no Icarus here"), "error", "no Icarus here"),
        (ZeroDivisionError("division by zero"), "error", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_keeps_a_run_from_its_end_is_an_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, ending: str, says: str
) -> None:
    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        if seed == 1:
            raise error
        return verdict(unit, config)

    found = run(monkeypatch, verify, seeds=[1, 2])
    assert (found.passed, found.failed, found.errors) == (1, 0, 1)
    assert found.runs[0].ending == ending
    assert says in found.runs[0].problems[0]
    assert found.coverage[0].runs == 1
    assert found.endings == {ending: 1, "passed": 1}


REAL = 'exec "$REAL_IVERILOG" "$@"'
BROKEN = {  # a simulator that breaks: its two programs
    "killed": (REAL, "kill -9 $$"),
    "out of disk": (REAL, "echo No space left on device; exit 1"),
    "tool failed": (REAL, "exit 3"),
    "no verdict": (REAL, "exit 0"),
    "build failed": ("echo x.v:1: syntax error; exit 2", "exit 1"),
}
# Its second program in the cocotb testbench alone
BROKEN |= {
    f"{ending} in cocotb": (REAL, f'case "$*" in *-m*) {what};; esac; exec "$REAL_VVP" "$@"')
    for ending, what in (("killed", "kill -9 $$"), ("tool failed", "exit 3"))
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_simulator_that_breaks_is_an_error(
    what: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("iverilog", "vvp"):
        real = shutil.which(name)
        assert real is not None
        monkeypatch.setenv(f"REAL_{name.upper()}", real)
    compiler, simulator = BROKEN[what]
    version = '[ "$1" = -V ] && exec "$REAL_IVERILOG" -V'
    for name, body in (("iverilog", f"{version}\n{compiler}"), ("vvp", simulator)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = regress([UNIT], configurations="default", simulators=["icarus"], jobs=1)
    assert (found.passed, found.failed, found.errors) == (0, 0, 1)
    assert found.runs[0].ending == what.partition(" in ")[0], found.runs[0].problems


def test_a_run_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        try:
            time.sleep(60)
        except Exception:
            return verdict(unit, config)
        return verdict(unit, config)

    found = run(monkeypatch, verify, limit_s=0.2)
    assert found.endings == {"timed out": 1}
    assert found.runs[0].problems == ("it took more than 0.2 s",)
    assert found.seconds < 30


def test_a_run_that_is_cut_off_while_it_is_elaborated_leaves_no_warnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []

    def elaborate(unit: Unit, config: Config) -> str:
        component = unit.component(config)
        begun.append(unit.name)
        time.sleep(30)
        return str(component)

    verilog(find_unit(UNIT), find_unit(UNIT).config())  # imports what the generator needs
    monkeypatch.setattr("consilico.sim.rtlsim.regress.verilog", elaborate)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = regress(
            [UNIT], configurations="default", simulators=["icarus"], jobs=1, limit_s=0.5
        )
        gc.collect()
    assert (begun, found.endings) == ([UNIT], {"timed out": 1})
    assert [str(each.message) for each in said] == []


def test_runs_are_done_anew_unless_resumed(cache: Path) -> None:
    asked: dict[str, Any] = {"configurations": "default", "simulators": ["icarus"], "jobs": 1}
    calls: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consilico.sim.rtlsim.verify._judged", _noted(calls))
        regress([UNIT], **asked)
        assert len(calls) == 1
        regress([UNIT], **asked)
        assert len(calls) == 2
        regress([UNIT], **asked, resume=True)
        assert len(calls) == 2


def _noted(calls: list[str]) -> Callable[..., Verification]:
    def judged(unit: Unit, config: Config, *rest: Any, **options: Any) -> Verification:
        calls.append(unit.name)
        return verdict(unit, config)

    return judged


def test_the_command_writes_its_files_and_fails_with_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        return verdict(unit, config, *(["results are wrong"] if seed == 3 else []))

    monkeypatch.setattr(module, "check", verify)
    monkeypatch.setattr(module, "verilog", lambda unit, config: "")
    junit, coverage = tmp_path / "junit.xml", tmp_path / "coverage.xml"
    arguments = ["regress", "--units", UNIT, "--configs", "default", "--seeds", "1..3"]
    files = ["--junit", str(junit), "--coverage", str(coverage), "--json", "-"]
    assert main([*arguments, "--sim", "icarus", "--jobs", "1", *files]) == 1
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert (answer["passed"], answer["failed"], answer["errors"]) == (2, 1, 0)
    assert "consilico: 1 of 3 runs did not pass; the first: consilico verify" in captured.err
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (UNIT, "3", "1")
    point = ElementTree.parse(coverage).getroot()[0]
    assert point.tag == "training_stochastic_round"
    assert point[0].get("hits") == "6"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "1-8"], "--seeds must be numbers by commas, or first..last, not '1-8'"),
        (["--seeds", "8..1"], "--seeds 8..1 names no seed"),
        (["--units", "none"], "unknown unit 'none'"),
        (["--limit", "0"], "--limit must be a number of seconds above 0, not 0"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["regress", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_coverage_goes_together_with_that_of_cocotb_coverage(tmp_path: Path) -> None:
    one, two, merged = (str(tmp_path / name) for name in ("one.xml", "two.xml", "merged.xml"))
    Path(one).write_text(coverage_xml([("a/b", {"x": 2, "y": 0})]))
    Path(two).write_text(coverage_xml([("a/b", {"x": 3, "y": 0}), ("c/d", {"z": 1})]))
    merge_coverage(print, merged, one, two)
    root = ElementTree.parse(merged).getroot()
    bins = {item.get("bin"): item.get("hits") for item in root.iter() if item.get("bin")}
    assert bins == {"x": "5", "y": "0", "z": "1"}


POINT = "C '\x01f\x02/tmp/b1/source0.v\x01l\x02{line}\x01page\x02v_{kind}/t\x01h\x02t' {count}\n"
COUNTS = "# SystemC::Coverage-3\n" + "".join(
    POINT.format(line=line, kind=kind, count=count)
    for line, kind, count in ((1, "line", 3), (2, "branch", 0), (3, "toggle", 1), (4, "toggle", 0))
)


def test_counts_of_verilator_are_read_added_and_written(tmp_path: Path) -> None:
    hits = read_hits(COUNTS, "unit.v")
    hits.update(read_hits(COUNTS.replace("/b1/", "/b2/"), "unit.v"))
    assert (hits_of(hits, "line"), hits_of(hits, "toggle")) == ((1, 2), (1, 2))
    write_hits(tmp_path / "all.dat", hits)
    text = (tmp_path / "all.dat").read_text()
    assert text.startswith("# SystemC::Coverage-3\nC '\x01f\x02unit.v\x01l\x021\x01page")
    assert read_hits(text, "unit.v") == hits
    assert sorted(hits.values()) == [0, 0, 2, 6]


def test_counts_of_all_seeds_are_written_with_the_verilog(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def verify(
        unit: Unit, config: Config, text: str, simulators: list[str], seed: int
    ) -> Verification:
        return verdict(unit, config)

    def counted(unit: Unit, config: Config, seed: int) -> Any:
        return read_hits(COUNTS, "unit.v")

    monkeypatch.setattr(module, "measured_hits", counted)
    found = run(
        monkeypatch, verify, simulators=["icarus", "verilator"], seeds=[1, 2],
        hdl_coverage=tmp_path,
    )  # fmt: skip
    (counts,) = found.hdl_coverage
    assert (counts.lines_hit, counts.lines, counts.toggles_hit, counts.toggles) == (1, 2, 1, 2)
    assert {path.name for path in tmp_path.iterdir()} == {
        "training_stochastic_round.v",
        "training_stochastic_round.dat",
    }
    assert sorted(read_hits(Path(counts.file).read_text(), "x").values()) == [0, 0, 2, 6]


@pytest.mark.exhaustive
def test_verilator_counts_the_lines_and_toggles_of_a_unit() -> None:
    unit = find_unit(UNIT)
    hits = measured_hits(unit, unit.config(), 1)
    for kind in ("line", "toggle"):
        hit, there = hits_of(hits, kind)
        assert 0 < hit <= there
