"""Value change dumps and SAIF: toggles, high time, damaged files."""

import gzip
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity import vcd
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.activity.recording import Activity
from consilico.sim.silicon.activity.saif import saif_text
from tests.sim.silicon.tiny import Waves, write_vcd


def row(activity: Activity, name: str) -> tuple[float, float]:
    """Toggles and high time in ns of a signal."""
    index = activity.signals[name]
    return activity.toggles[index], round(activity.high_s[index] * 1e9, 6)


def test_toggles_and_high_time(tmp_path: Path) -> None:
    waves: Waves = {
        "a": [(10, "0"), (20, "1"), (50, "0"), (60, "1")],
        "\\q$1 [2:1]": [(10, "00"), (30, "01"), (40, "10")],
        "still": [(10, "1")],
    }
    activity = read_activity(write_vcd(tmp_path / "a.vcd", waves, 110), "tb/dut")
    assert activity.source == "vcd"
    assert activity.duration_s == pytest.approx(100e-9)  # from the first time stamp on
    assert row(activity, "a") == (3, 80)
    assert row(activity, "q$1[1]") == (2, 10)
    assert row(activity, "q$1[2]") == (1, 70)
    assert row(activity, "still") == (0, 100)
    assert activity.density[activity.signals["a"]] == pytest.approx(3e7)
    assert activity.duty[activity.signals["a"]] == pytest.approx(0.8)


def test_x_counts_half_and_is_not_high(tmp_path: Path) -> None:
    waves: Waves = {"a": [(0, "x"), (10, "1"), (30, "z"), (40, "0")], "b": [(0, "xx"), (20, "11")]}
    activity = read_activity(write_vcd(tmp_path / "a.vcd", waves, 50), "tb/dut")
    assert row(activity, "a") == (1.5, 20)
    assert row(activity, "b[1]") == (0.5, 30)


HEADER = """$date now $end $timescale 100 ps $end
$scope module tb $end $var reg 1 ! clk $end
$scope module dut $end
$var wire 1 ! clk $end
$var wire 4 b! bus [3:0] $end
$var wire 1 "# \\esc[3] $end
$var real 64 r volt $end
$scope module sub $end $var wire 1 $ n $end $upscope $end
$upscope $end $upscope $end
$enddefinitions $end
"""


def test_aliases_scopes_short_vectors_reals_and_free_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.vcd"
    path.write_text(
        HEADER
        + '#0 $dumpvars 0! bx b! 0"# r1.5 r 0$ $end\n'
        + "$comment bad 1zz b #7 $end\n"
        + '#10\nb1 b!\n1$ 1!\n#20 bz1 b! 0!\nr0 r\n#30\nb1010 b!\nr2 r\n1"#\n#40\n'
    )
    activity = read_activity(path, "tb/dut")
    assert activity.duration_s == pytest.approx(4e-9)
    assert row(activity, "clk") == (2, 1)
    assert row(activity, "sub/n") == (1, 3)
    assert row(activity, "esc[3]") == (1, 1)
    assert row(activity, "bus[0]") == (1.5, 2)  # x 1 1 0
    assert row(activity, "bus[3]") == (1.5, 1)  # x 0 z 1
    inner = read_activity(path, "tb/dut/sub")
    assert list(inner.signals) == ["n"]


def test_time_between_dumpoff_and_dumpon_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.vcd"
    path.write_text(
        HEADER
        + "#0\n$dumpvars 0! $end\n#10\n1!\n#20\n$dumpoff\nx!\n$end\n"
        + "#60\n$dumpon\n0!\n$end\n#70\n1!\n#80\n"
    )
    activity = read_activity(path, "tb/dut")
    assert activity.duration_s == pytest.approx(4e-9)
    assert row(activity, "clk") == (2, 2)


def test_small_blocks_give_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    waves: Waves = {
        name: [
            (time, "".join(rng.choice("01x") for _ in range(width))) for time in range(0, 300, step)
        ]
        for name, width, step in (("a", 1, 1), ("b [4:0]", 5, 2), ("c", 1, 7), ("d[0:2]", 3, 3))
    }
    path = write_vcd(tmp_path / "a.vcd", waves, 301)
    whole = read_activity(path, "tb/dut")
    monkeypatch.setattr(vcd, "_BLOCK", 37)
    parts = read_activity(path, "tb/dut")
    np.testing.assert_array_equal(whole.toggles, parts.toggles)
    np.testing.assert_array_equal(whole.high_s, parts.high_s)
    changes = [value for _, value in waves["a"]]
    expected = sum(
        0 if one == other else 0.5 if "x" in one + other else 1 for one, other in pairwise(changes)
    )
    assert row(whole, "a")[0] == expected


def test_gzip_and_saif_say_the_same(tmp_path: Path) -> None:
    plain = write_vcd(tmp_path / "a.vcd", {"a": [(0, "0"), (5, "1")], "b[3]": [(0, "1")]}, 20)
    packed = tmp_path / "a.vcd.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    saif = tmp_path / "a.saif"
    saif.write_text(
        """(SAIFILE (SAIFVERSION "2.0") (DIRECTION "backward") (DESIGN ) // comment
        (DIVIDER / ) (TIMESCALE 1 ns) (DURATION 20)
        (INSTANCE tb (INSTANCE "top" dut
          (NET (a (T0 5) (T1 15) (TX 0) (TC 1) (IG 0)) (b\\[3\\] (T0 0) (T1 20) (TX 0) (TC 0)))
          (INSTANCE u1 (PORT (Z (T0 1) (T1 19) (TC 7)))))))"""
    )
    for path in (plain, packed, saif):
        activity = read_activity(path, "tb/dut")
        assert activity.duration_s == pytest.approx(20e-9)
        assert row(activity, "a") == (1, 15)
        assert row(activity, "b[3]") == (0, 20)
    assert row(read_activity(saif, "tb/dut"), "u1/Z") == (7, 19)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the activity file is empty"),
        ("hello world\n", "it has no \\$enddefinitions"),
        (HEADER + "#0\n1!\n", "covers no time"),
        (HEADER + "#0\n1!\n#10\n1?\n", r"damaged VCD: undeclared signal in '1\?'"),
        (HEADER + "#0\n1!\n#10\nhm\n", "damaged VCD: cannot read 'hm'"),
        (HEADER + "#0\n1!\n#10\nb101\n", "damaged VCD: cannot read 'b101'"),
        (HEADER + "#10\n1!\n#5\n0!\n", "time runs backwards at '#5'"),
        (HEADER + "#1x\n1!\n", "cannot read '#1x'"),
        (HEADER.replace("100 ps", "5 parsec"), "unknown \\$timescale '5 parsec'"),
        (HEADER.replace("wire 4", "wire four"), "damaged declaration in the VCD"),
        (HEADER + "#0\n1!\n#10\nb101 ?\n", r"undeclared signal in 'b101 \?'"),
        (HEADER + "#0\n1!\n\n#10\nb101\n", "damaged VCD: cannot read 'b101'"),
        ("(SAIFILE (DURATION 5) (INSTANCE tb (INSTANCE dut (NET (a (T1 5)", "damaged or cut"),
        ("(SAIFILE (DURATION 5) (INSTANCE tb))", "no scope 'tb/dut'; there are: tb"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_activity(path, "tb/dut")


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.vcd.gz"
    whole = gzip.compress((HEADER + "".join(f"#{n}\n{n % 2}!\n" for n in range(999))).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cannot read the activity file .*a\.vcd\.gz"):
        read_activity(path, "tb/dut")


def test_an_unknown_scope_lists_those_there_are(tmp_path: Path) -> None:
    path = write_vcd(tmp_path / "a.vcd", {"a": [(0, "0")]}, 9)
    with pytest.raises(UserError, match=r"has no scope 'tb/cpu'; there are: tb, tb/dut$"):
        read_activity(path, "tb/cpu")


def test_layout_and_length_of_codes_do_not_matter(tmp_path: Path) -> None:
    rng = random.Random(11)
    names = [f"s{index}" for index in range(8)]
    codes = ["!", "b", "rR", "#9", "a$z", "bbbb", "b0101", "xyzxyzxyz"]  # two need the long way
    widths = [1, 3, 1, 9, 1, 2, 1, 1]
    head = "$timescale 1ns $end\n$scope module tb $end\n"
    body: list[list[str]] = []
    for time in range(0, 200, 2):
        body.append([f"#{time}"])
        for code, width in zip(codes, widths, strict=True):
            if rng.random() < 0.5:
                value = "".join(rng.choice("01xz") for _ in range(width))
                body.append([f"{value}{code}"] if width == 1 else [f"b{value}", code])
    body.append(["#200"])
    for name, code, width in zip(names, codes, widths, strict=True):
        head += f"$var wire {width} {code} {name} $end\n"
    head += "$upscope $end\n$enddefinitions $end\n"
    found = []
    for number, text in enumerate(
        (
            "\n".join(" ".join(words) for words in body) + "\n",
            "\r\n".join(" ".join(words) for words in body) + "\r\n",
            "\n\n".join(" ".join(words) for words in body) + "\n",
            " ".join(" ".join(words) for words in body) + "\n",
        )
    ):
        path = tmp_path / f"{number}.vcd"
        path.write_bytes((head + text).encode())
        found.append(read_activity(path, "tb"))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].toggles, other.toggles)
        np.testing.assert_array_equal(found[0].high_s, other.high_s)
    assert (found[0].toggles > 5).all()


def test_what_is_not_selected_is_not_read(tmp_path: Path) -> None:
    waves: Waves = {name: [(0, "0"), (5, "1")] for name in ("a", "b")}
    waves["v [2:0]"] = [(0, "000"), (5, "111")]
    path = write_vcd(tmp_path / "a.vcd", waves, 20)
    for path_, scope in ((path, "tb/dut"), (Path(__file__).parent / "fst/lz4.fst", "tb/dut")):
        whole = read_activity(path_, scope)
        names = list(whole.signals)[1::5]

        def select(rows: dict[str, int], names: list[str] = names) -> NDArray[np.int64]:
            return np.array([rows[name] for name in names])

        part = read_activity(path_, scope, select)
        for name in names:
            assert part.toggles[part.signals[name]] == whole.toggles[whole.signals[name]]
        assert part.toggles.sum() < whole.toggles.sum()


def test_saif_of_scopes_with_brackets_and_escapes(tmp_path: Path) -> None:
    waves: Waves = {"\\a.b[3] ": [(0, "0"), (5, "1")], "c [1:0]": [(0, "00"), (8, "10")]}
    activity = read_activity(write_vcd(tmp_path / "a.vcd", waves, 20), "tb/dut")
    path = tmp_path / "a.saif"
    path.write_text(saif_text(activity, "tb/dut"))
    found = read_activity(path, "tb/dut")
    assert found.signals.keys() == activity.signals.keys()
    assert row(found, "a.b[3]") == (1, 15)
    assert row(found, "c[1]") == (1, 12)
