"""Power over time: windows by hand, their mean, the peak, what cannot be done."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity import counting
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.activity.recording import Activity
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import PowerProfile, PowerReport
from tests.sim.silicon.libraries import SHARED, nangate45
from tests.sim.silicon.tiny import LIBRARY, Waves, write_vcd

NETLIST = """
module top(input clk, a, output q);
  wire n;
  INV u (.A(a), .Y(n));
  DFF r (.CK(clk), .D(n), .R(1'b0), .Q(q));
endmodule
"""
WAVES: Waves = {
    "a": [(10, "0"), (20, "1"), (32, "0"), (34, "1"), (36, "0"), (50, "1"), (90, "0")],
    "n": [(10, "1"), (20, "0"), (32, "1"), (34, "0"), (36, "1"), (50, "0"), (90, "1")],
    "q": [(10, "0"), (40, "1"), (50, "0")],
}


def run(tmp_path: Path, waves: Waves = WAVES, end_ns: int = 100, **changes: Any) -> PowerReport:
    path = tmp_path / "n.v"
    path.write_text(NETLIST)
    settings: dict[str, Any] = {
        "netlist": path,
        "top": "top",
        "liberty": [LIBRARY],
        "activity": write_vcd(tmp_path / "a.vcd", waves, end_ns),
        "scope": "tb/dut",
        "clock": "clk",
        "period_ns": 10.0,
        "window_ns": 10.0,
    }
    return analyze_power(**settings | changes)


def mean_w(report: PowerReport) -> float:
    profile = report.profile
    assert profile is not None
    return float(np.average(profile.power_w, weights=profile.recorded_s))


def test_windows_by_hand(tmp_path: Path) -> None:
    report = run(tmp_path)
    assert report.profile is not None
    found = report.profile.to_json()
    assert found["start_s"] == pytest.approx([n * 10e-9 for n in range(1, 10)])
    duty_n = (10 + 2 + 14 + 10) / 90
    steady = 2e-15 * duty_n * 2e8 + report.total.leakage_w  # the clock's pin, where D is high
    # A toggle of a: 2 fJ in the input, and one of n: the mean of 4.4 fJ (rise with a load of 1 fF)
    # and 2 fJ (fall), and 1 fF at 2 V. Of q: 10 fJ.
    inverter = 2e-15 + 3.2e-15 + 0.5 * 1e-15 * 4
    toggles = [0, 1, 3, 0, 1, 0, 0, 0, 1]  # of a and n by window, 50 ns counts to the fifth
    register = [0, 0, 0, 1, 1, 0, 0, 0, 0]
    expected = [
        steady + (inverter * count + 10e-15 * edges) / 10e-9
        for count, edges in zip(toggles, register, strict=True)
    ]
    assert found["power_w"] == pytest.approx(expected)
    assert found["peak"] == {"start_s": pytest.approx(30e-9), "power_w": pytest.approx(expected[2])}
    assert mean_w(report) == pytest.approx(report.total.total_w)


@pytest.mark.parametrize("window_ns", [1.0, 7.0, 13.0, 90.0, 1000.0])
def test_the_mean_of_the_windows_is_the_total(tmp_path: Path, window_ns: float) -> None:
    report = run(tmp_path, window_ns=window_ns)
    assert mean_w(report) == pytest.approx(report.total.total_w, rel=1e-12)
    assert report.profile is not None
    assert report.profile.recorded_s.sum() == pytest.approx(report.duration_s)


def test_a_short_last_window_is_no_peak(tmp_path: Path) -> None:
    waves: Waves = WAVES | {"q": [(10, "0"), (100, "1"), (101, "0")]}
    report = run(tmp_path, waves, end_ns=101, window_ns=30.0)
    assert report.profile is not None
    assert report.profile.recorded_s[-1] == pytest.approx(1e-9)
    assert int(np.argmax(report.profile.power_w)) == 3
    assert report.profile.peak == 0
    assert mean_w(report) == pytest.approx(report.total.total_w)


def test_time_that_is_not_recorded_is_left_out(tmp_path: Path) -> None:
    path = write_vcd(tmp_path / "b.vcd", WAVES, 100)
    text = path.read_text().replace(
        "#50", "#45\n$dumpoff\nx!\nx#\n$end\n#65\n$dumpon\n1!\n1#\n$end\n#70"
    )
    path.write_text(text)
    report = run(tmp_path, activity=path)
    assert report.profile is not None
    recorded = [round(s * 1e9) for s in report.profile.recorded_s]
    assert recorded == [10, 10, 10, 5, 0, 5, 10, 10, 10]
    assert report.profile.power_w[4] == 0
    assert mean_w(report) == pytest.approx(report.total.total_w)


def test_the_profile_hangs_neither_on_blocks_nor_on_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path).profile
    monkeypatch.setattr("consilico.sim.silicon.activity.vcd._BLOCK", 23)
    monkeypatch.setattr(counting, "_IN_MEMORY", 1)  # everything goes to disk
    monkeypatch.setattr(counting, "_CHUNK", 2)
    parts = run(tmp_path).profile
    assert whole is not None
    assert parts is not None
    np.testing.assert_allclose(parts.power_w, whole.power_w, rtol=1e-12)


def test_vcd_and_fst_have_one_profile() -> None:
    folder = Path(__file__).parents[1] / "activity" / "fst"
    sums = []
    for name in ("waves.vcd", "lz4.fst", "fastlz.fst"):
        activity: Activity = read_activity(folder / name, "tb/dut", window_s=1e-9)
        assert activity.windows is not None
        weights = np.zeros(len(activity.toggles))
        for signal, row in activity.signals.items():
            weights[row] = 1 + sum(map(ord, signal)) % 7
        sums.append(activity.windows.sums(weights))
        assert sums[-1].sum() == pytest.approx(float(activity.toggles @ weights))
    np.testing.assert_allclose(sums[1], sums[0])
    np.testing.assert_allclose(sums[2], sums[0])
    assert len(sums[0]) == 31  # 10 ps ticks from 5 to 3010


def test_a_real_netlist(tmp_path: Path) -> None:
    folder = SHARED / "reference/power/e2_nangate45"
    if not folder.is_dir():
        pytest.skip("no reference netlists beside the repository (../shared/reference/power)")
    report = run(
        tmp_path, netlist=folder / "netlist.v", top="e2", liberty=nangate45(),
        activity=folder / "activity.vcd.gz", period_ns=2.0, window_ns=8.0,
    )  # fmt: skip
    assert report.profile is not None
    assert mean_w(report) == pytest.approx(report.total.total_w, rel=1e-9)
    peak = report.profile.power_w[report.profile.peak]
    assert report.total.total_w < peak < 2 * report.total.total_w


@pytest.mark.parametrize(
    ("window_ns", "message"),
    [
        (0.0, "window_ns must be 0.001 to 1,000,000,000 ns, not 0"),
        (float("nan"), "window_ns must be 0.001 to 1,000,000,000 ns, not nan"),
        (0.5, "the window of 0.5 ns is no whole number of the time unit of .*, 1 ns"),
        (2.5, "the window of 2.5 ns is no whole number"),
    ],
)
def test_a_window_that_cannot_be_is_refused(tmp_path: Path, window_ns: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, window_ns=window_ns)


def test_too_many_windows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_MOST_WINDOWS", 20)
    with pytest.raises(UserError, match=r"90 windows of that width; at most 20 .* 5 times as wide"):
        run(tmp_path, window_ns=1.0)


def test_saif_has_no_windows(tmp_path: Path) -> None:
    path = tmp_path / "a.saif"
    path.write_text("(SAIFILE (DURATION 5) (INSTANCE tb (INSTANCE dut)))")
    with pytest.raises(UserError, match="a SAIF file holds totals only"):
        run(tmp_path, activity=path)


def profile(*power_w: float, last_s: float = 1.0) -> PowerProfile:
    """Windows of a second; the last one may be shorter."""
    recorded = np.array([1.0] * (len(power_w) - 1) + [last_s])
    return PowerProfile(
        window_s=1.0,
        start_s=np.arange(len(power_w), dtype=np.float64),
        recorded_s=recorded,
        power_w=np.array(power_w),
    )


def test_the_sampling_error_is_the_spread_of_the_means_of_equal_parts() -> None:
    # parts 2, 4, 4, 6: their standard deviation is sqrt(8 / 3), of four of them half, over 4
    found = profile(1, 3, 4, 4, 3, 5, 6, 6).sampling_error(parts=4)
    assert found == pytest.approx(np.sqrt(8 / 3) / 2 / 4)


def test_a_short_last_window_is_no_part_of_the_sampling_error() -> None:
    assert profile(3, 3, 3, 3, 50, last_s=0.1).sampling_error() == 0.0


@pytest.mark.parametrize("power_w", [(1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 0.0, 0.0)])
def test_what_is_too_short_or_still_has_no_sampling_error(power_w: tuple[float, ...]) -> None:
    assert profile(*power_w).sampling_error() is None
