"""Recordings that are cut, contradict themselves or say what cannot be: refused in one line."""

import struct
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity import saif, vcd
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.activity.recording import bit_names
from tests.sim.silicon.activity.test_fst import FOLDER, blocks, write

VCD = """$timescale 1ns $end
$scope module tb $end
$scope module dut $end
$var wire 1 ! clk $end
$var wire 4 b! bus [3:0] $end
$var real 64 r volt $end
$upscope $end
$upscope $end
$enddefinitions $end
#0
0!
b0000 b!
r1.5 r
#10
1!
b0101 b!
#40
"""
SAIF = """(SAIFILE (SAIFVERSION "2.0") (DIRECTION "backward") (DESIGN ) (DIVIDER / )
(TIMESCALE 1 ns) (DURATION 40)
(INSTANCE tb (INSTANCE dut
 (NET (clk (T0 10) (T1 30) (TX 0) (TC 1) (IG 0))
      (bus\\[2\\] (T0 10) (T1 20) (TX 10) (TC 1))))))
"""


def changed(tmp_path: Path, text: str, old: str, new: str) -> Path:
    assert old in text
    path = tmp_path / "bad"
    path.write_bytes(text.replace(old, new, 1).encode("latin-1"))
    return path


@pytest.mark.parametrize("text", [VCD, SAIF])
@pytest.mark.parametrize("mark", ["", "\xef\xbb\xbf"])
def test_the_texts_of_these_tests_are_right_with_a_byte_order_mark_or_without(
    tmp_path: Path, text: str, mark: str
) -> None:
    path = changed(tmp_path, mark + text, "", "")
    activity = read_activity(path, "tb/dut")
    assert activity.duration_s == pytest.approx(40e-9)
    assert activity.high_s[activity.signals["clk"]] == pytest.approx(30e-9)
    assert activity.toggles[activity.signals["bus[2]"]] == 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("#40\n", "#40", "it ends within a line, so it was cut"),
        ("#40\n", "#4", "it ends within a line, so it was cut"),
        ("#40\n", "#40\n$comment that\nnever", "it ends within a comment, so it was cut"),
        ("$enddefinitions $end", "", "it has no \\$enddefinitions"),
        ("$upscope $end\n$upscope", "$upscope", "\\$scope tb is not closed"),
        ("$enddefinitions", "$upscope $end $enddefinitions", "closes what no \\$scope opened"),
        ("clk $end", "clk", "\\$var is not closed before \\$var"),
        ("$var wire 1 !", "hello $var wire 1 !", "damaged declaration in the VCD: cannot read 'he"),
        ("wire 4 b!", "wire 0 b!", "damaged declaration in the VCD: \\$var wire 0 b!"),
        ("wire 4 b!", "wire \xb2 b!", "damaged declaration in the VCD"),
        ("wire 4 b!", "wire 999999999 b!", "more than 4,194,304 bits below tb/dut"),
        ("wire 4 b!", "wire 4 !", "the code ! stands for 1 and for 4 bits"),
        ("real 64 r", "real 64 !", "the code ! stands for 1 and for 0 bits"),
        ("bus [3:0]", "bus [3:0] $end $var wire 1 c clk", "tb/dut/clk is declared twice"),
        ("1ns", "1ns $end $timescale 1ps", "two different \\$timescale"),
        ("1ns", "3ns", "unknown \\$timescale '3ns'; accepted: such as 1ns"),
        ("$timescale 1ns $end", "", "the VCD has no \\$timescale"),
        ("b0101 b!", "b10101 b!", "another number of bits than declared in 'b10101 b!' after"),
        ("b0101 b!", "b b!", "another number of bits than declared in 'b b!'"),
        ("b0101 b!", "b0121 b!", "no bits in 'b0121 b!'"),
        ("b0101 b!", "1b!", "one bit for a vector in '1b!'"),
        ("b0101 b!", "r0.5 b!", "no bits in 'r0.5 b!'"),
        ("r1.5 r", "r1.5 q", "undeclared signal in 'r1.5 q'"),
        ("#10", "#-10", "cannot read '#-10'"),
        ("#10", "#", "cannot read '#'"),
        ("#10", "#99999999999999999999999", "cannot read '#999"),
        ("#40", "#5", "time runs backwards at '#5'"),
        ("#10", "$upscope $end #10", "a declaration behind the others: '\\$upscope'"),
        ("#10", "\0\0\0", "a NUL byte after time 0"),
        ("$scope module tb $end", "$scope m s $end " * 1200, "nested more than 1,000 deep"),
    ],
)
def test_a_wrong_dump_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        read_activity(changed(tmp_path, VCD, old, new), "tb/dut")
    assert "\n" not in str(error.value)


def test_declarations_and_lines_without_end_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcd, "_BLOCK", 100)
    monkeypatch.setattr(vcd, "_MOST_HEADER", 1000)
    endless = changed(tmp_path, VCD, "$enddefinitions", "$comment x $end " * 200)
    with pytest.raises(UserError, match="it has no \\$enddefinitions"):
        read_activity(endless, "tb/dut")
    with pytest.raises(UserError, match="a line of more than 1,000 bytes"):
        read_activity(changed(tmp_path, VCD, "#40", "1" * 2000), "tb/dut")


def test_words_of_a_memory_keep_their_own_bits(tmp_path: Path) -> None:
    assert bit_names("mem[5] [1:0]", 2) == ["mem[5][0]", "mem[5][1]"]
    assert bit_names("mem[5][1:0]", 2) == ["mem[5][0]", "mem[5][1]"]
    assert bit_names("mem[5]", 2) == ["mem[5][0]", "mem[5][1]"]
    assert bit_names("two[1:0][3:0]", 8)[-1] == "two[1:0][3:0][7]"
    assert bit_names("a [0:1]", 2) == ["a[1]", "a[0]"]
    assert bit_names("\\e[3] [1:0]", 2) == ["e[3][0]", "e[3][1]"]
    assert bit_names("\\e[3] ", 1) == ["e[3]"]
    path = changed(
        tmp_path, VCD, "bus [3:0] $end", "mem[0] [3:0] $end\n$var wire 4 m mem[1] [3:0] $end"
    )
    rows = read_activity(path, "tb/dut").signals
    assert len({rows[f"mem[{word}][{bit}]"] for word in range(2) for bit in range(4)}) == 8


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(TC 1))))))", "(TC 1)))))", r"\(SAIFILE is not closed"),
        ("(TC 1))))))", "(TC 1", "it ends early"),
        ("(TC 1))))))", "(TC 1)))))) (SAIFILE", r"'\(' after its end"),
        ("(T0 10)", "(T0 20)", r"T0 \+ T1 \+ TX of clk is 50, not the DURATION of 40"),
        ("(T0 10)", "(T0 1)", r"T0 \+ T1 \+ TX of clk is 31, not the DURATION of 40"),
        ("(T0 10) (T1 30)", "(T1 70)", "a signal is high for longer than DURATION"),
        ("(DURATION 40)", "", "high for longer than DURATION"),
        ("(DURATION 40)", "(DURATION 40) (DURATION 41)", "DURATION is given twice, and diff"),
        ("(DURATION 40)", "(DURATION nan)", "DURATION is 'nan', not a number of at least 0"),
        ("(DURATION 40)", "(DURATION -40)", "DURATION is '-40', not a number"),
        ("(DURATION 40)", "(DURATION 1e999)", "DURATION is '1e999', not a number"),
        ("(TC 1)", "(TC -1)", "TC of clk is '-1', not a number of at least 0"),
        ("(TC 1)", "(TC 1 2)", "clk holds more than a number"),
        ("(TC 1)", "(TC 1) (TC 2)", "clk gives TC twice"),
        ("(TC 1)", "", "clk has no TC"),
        ("(T1 30)", "(TX 30)", "clk gives TX twice"),
        ("bus\\[2\\]", "clk", "tb/dut/clk is given twice, and differently"),
        ("1 ns", "0 ns", "TIMESCALE is '0ns'; accepted: such as 1 ns"),
        ("1 ns", "1 parsec", "TIMESCALE is '1parsec'"),
        ('"backward"', '"forward"', 'DIRECTION is "forward"; accepted: backward'),
        ("(SAIFILE", "(SAIF", r"does not begin with \(SAIFILE"),
        ("(INSTANCE tb", "(INSTANCE", "INSTANCE without a name"),
        ("(INSTANCE tb", "(INSTANCE x" * 1200, "nested more than 1,000 deep"),
    ],
)
def test_a_wrong_saif_file_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        read_activity(changed(tmp_path, SAIF, old, new), "tb/dut")
    assert "\n" not in str(error.value)


def test_a_net_that_is_a_port_too_counts_once(tmp_path: Path) -> None:
    port = "(PORT (clk (T0 10) (T1 30) (TX 0) (TC 1))) (NET"
    activity = read_activity(changed(tmp_path, SAIF, "(NET", port), "tb/dut")
    assert sorted(activity.signals) == ["bus[2]", "clk"]


def test_a_saif_file_beyond_all_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saif, "_MOST_BYTES", 100)
    with pytest.raises(UserError, match="the SAIF file is larger than 100 bytes"):
        read_activity(changed(tmp_path, SAIF, "", ""), "tb/dut")


def fst_with_header(tmp_path: Path, form: str, at: int, value: int) -> Path:
    """A file whose header has another number at a place; format of ``struct``."""
    content = blocks(FOLDER / "lz4.fst")
    assert content[0][0] == 0
    header = bytearray(content[0][1])
    struct.pack_into(form, header, at, value)
    return write(tmp_path / "bad.fst", [(0, bytes(header)), *content[1:]])


@pytest.mark.parametrize(
    ("form", "at", "value", "says"),
    [
        (">Q", 0, 9_000, "a recording from 9000 to 3010"),
        (">Q", 8, 1 << 63, "a recording from 5 to 9223372036854775808"),
        (">Q", 8, 4_000, "3 blocks of changes up to 3010; its header says 3 up to 4000"),
        (">Q", 56, 4, "3 blocks of changes up to 3010; its header says 4 up to 3010"),
        ("b", 64, 100, "a time unit of 1e100 s"),
    ],
)
def test_a_header_that_cannot_be_is_refused(
    tmp_path: Path, form: str, at: int, value: int, says: str
) -> None:
    with pytest.raises(UserError, match=f"damaged or cut: {says}"):
        read_activity(fst_with_header(tmp_path, form, at, value), "tb/dut")


def test_an_fst_file_without_its_last_block_of_changes_is_refused(tmp_path: Path) -> None:
    content = blocks(FOLDER / "lz4.fst")
    last = max(index for index, (kind, _) in enumerate(content) if kind == 8)
    path = write(tmp_path / "cut.fst", content[:last] + content[last + 1 :])
    with pytest.raises(UserError, match="2 blocks of changes up to 1995; its header says 3"):
        read_activity(path, "tb/dut")


def test_blocks_in_another_order_are_refused(tmp_path: Path) -> None:
    content = blocks(FOLDER / "lz4.fst")
    first, second = [index for index, (kind, _) in enumerate(content) if kind == 8][:2]
    content[first], content[second] = content[second], content[first]
    with pytest.raises(UserError, match="time runs backwards to 5"):
        read_activity(write(tmp_path / "a.fst", content), "tb/dut")
