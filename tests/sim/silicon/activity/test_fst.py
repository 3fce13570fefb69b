"""FST waveforms: the same as the VCD of one simulation, in every packing; damaged files.

The files in ``fst/`` were written by GTKWave's own writer (libfst, by way of pylibfst 0.2.1) from
the changes that are in ``fst/waves.vcd``: LZ4, FastLZ and zlib, one and three blocks, the whole
file compressed, aliases, real numbers, strings, attributes, vectors with x and z, an escaped name.
"""

import gzip
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.fst_file import lz4, signed, unpack, varint, varints, walk
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.activity.recording import Activity

FOLDER = Path(__file__).parent / "fst"
PACKINGS = ["zlib", "fastlz", "lz4", "wrapped"]

BENCH = """
`timescale 1ns/100ps
module sub(input clk, input [7:0] d, output reg [7:0] q, output [79:0] wide);
  always @(posedge clk) q <= d;
  assign wide = {10{q}};
  wire [0:3] \\esc[3] = d[3:0];
endmodule
module tb;
  reg clk = 0; reg [7:0] d; wire [7:0] q; wire [79:0] w; real r = 0; integer i; reg [15:0] xx;
  wire z = d[0] ? 1'bz : d[1];
  reg never;
  sub dut(.clk(clk), .d(d), .q(q), .wide(w));
  genvar g;
  generate for (g = 0; g < 3; g = g + 1) begin : gg
    reg [3:0] k;
    always @(posedge clk) k <= d + g;
  end endgenerate
  always #5 clk = ~clk;
  initial begin
    $dumpfile("FILE"); $dumpvars(0, tb);
    for (i = 0; i < 500; i = i + 1) begin
      @(negedge clk); d = $random; xx = $random; r = r + 0.5;
      if (i % 7 == 0) d[3:0] = 4'bxz01;
      if (i % 5 == 0) begin xx = 16'bx; #0 xx = 16'hz; #1 xx = 7; end
      if (i == 50) $dumpoff;
      if (i == 60) $dumpon;
    end
    $finish;
  end
endmodule
"""


def same(one: Activity, other: Activity) -> None:
    """Assert that two files say the same of every bit."""
    assert one.signals.keys() == other.signals.keys()
    assert one.duration_s == other.duration_s
    for name, row in one.signals.items():
        found = other.signals[name]
        assert (name, other.toggles[found]) == (name, one.toggles[row])
        assert (name, other.high_s[found]) == (name, one.high_s[row])


@pytest.mark.parametrize("packing", PACKINGS)
def test_equals_the_vcd(packing: str) -> None:
    whole = read_activity(FOLDER / f"{packing}.fst", "tb/dut")
    assert whole.source == "fst"
    assert whole.toggles.sum() > 10_000
    same(read_activity(FOLDER / "waves.vcd", "tb/dut"), whole)
    same(
        read_activity(FOLDER / "waves.vcd", "tb/dut/sub"),
        read_activity(FOLDER / f"{packing}.fst", "tb/dut/sub"),
    )


def test_what_verilator_writes_equals_its_vcd() -> None:
    """``verilator.fst`` and the VCD are of one bench, run with Verilator 5.048."""
    vcd = read_activity(FOLDER / "verilator.vcd.gz", "tb")
    assert vcd.toggles.sum() > 30_000
    same(vcd, read_activity(FOLDER / "verilator.fst", "tb"))


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.fst.gz"
    path.write_bytes(gzip.compress((FOLDER / "lz4.fst").read_bytes()))
    same(read_activity(FOLDER / "waves.vcd", "tb/dut"), read_activity(path, "tb/dut"))


@pytest.mark.parametrize("option", ["-fst", "-fst-space", "-fst-speed"])
def test_equals_the_vcd_of_the_same_simulation(tmp_path: Path, option: str) -> None:
    """With x, z, changes at the same time, ``$dumpoff`` and ``$dumpon``."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    found = {}
    for name, options in (("a.vcd", []), ("a.fst", [option])):
        (tmp_path / "t.v").write_text(BENCH.replace("FILE", name))
        subprocess.run(["iverilog", "-g2012", "-o", "t", "t.v"], cwd=tmp_path, check=True)
        command = ["vvp", "t", *options]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        found[name] = read_activity(tmp_path / name, "tb")
    assert found["a.vcd"].toggles.sum() > 50_000
    same(found["a.vcd"], found["a.fst"])


def blocks(path: Path) -> list[tuple[int, bytes]]:
    """Types and contents of the blocks of a file, in order."""
    with path.open("rb") as file, walk(file) as found:
        places = sorted(
            (at, kind, size) for kind, list_ in found.blocks.items() for at, size in list_
        )
        return [(kind, found.content(at, size)) for at, kind, size in places]


def write(path: Path, content: list[tuple[int, bytes]]) -> Path:
    path.write_bytes(
        b"".join(struct.pack(">BQ", kind, len(data) + 8) + data for kind, data in content)
    )
    return path


def number(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def older(data: bytes, kind: int) -> bytes:
    """A block of type 8 with its table of signals as types 1 and 5 have it."""
    *_, packed, _ = struct.unpack(">QQQ", data[-24:])
    tail = len(data) - 24 - packed
    (size,) = struct.unpack(">Q", data[tail - 8 : tail])
    table, at, out, previous = data[tail - 8 - size : tail - 8], 0, b"", 0
    while at < len(table):
        if table[at] & 1:
            step, at = signed(table, at)
            step >>= 1
            if step > 0:
                out += number(step << 1 | 1)
            else:
                assert kind == 5
                previous = step or previous
                out += b"\0" + number(-previous)
        else:
            count, at = varint(table, at)
            out += number(count)
    return data[: tail - 8 - size] + out + struct.pack(">Q", len(out)) + data[tail:]


@pytest.mark.parametrize("kind", [1, 5])
def test_older_tables_of_signals(tmp_path: Path, kind: int) -> None:
    content = [
        (kind, older(data, kind)) if found == 8 else (found, data)
        for found, data in blocks(FOLDER / "zlib.fst")
    ]
    path = write(tmp_path / "a.fst", content)
    same(read_activity(FOLDER / "zlib.fst", "tb/dut"), read_activity(path, "tb/dut"))


@pytest.mark.parametrize("kind", [4, 6, 7])
def test_the_hierarchy_may_be_packed_in_three_ways(tmp_path: Path, kind: int) -> None:
    from lz4.block import compress

    content = []
    for found, data in blocks(FOLDER / "lz4.fst"):
        if found == 6:
            (size,) = struct.unpack(">Q", data[:8])
            plain = lz4(data[8:], size)
            once = compress(plain, store_size=False)
            packed = {
                4: gzip.compress(plain),
                6: once,
                7: number(len(once)) + compress(once, store_size=False),
            }[kind]
            found, data = kind, data[:8] + packed
        content.append((found, data))
    path = write(tmp_path / "a.fst", content)
    same(read_activity(FOLDER / "lz4.fst", "tb/dut"), read_activity(path, "tb/dut"))


def test_fastlz_of_both_levels() -> None:
    # 3 literals, then a match of 5 at distance 3 (level 1: length 3 to 8 in three bits)
    assert unpack(b"F", b"\x02abc" + bytes([3 << 5 | 0, 2]), 8) == b"abcabcab"
    # level 2: a match of 9 + 255 + 1 at the far distance of 8191 + 8 + 1
    literals = bytes(range(256)) * 33
    data = b"".join(bytes([31]) + literals[at : at + 32] for at in range(0, len(literals), 32))
    data = bytes([data[0] | 0x20]) + data[1:] + bytes([7 << 5 | 31, 255, 1, 255, 0, 8])
    start = len(literals) - 8200
    expected = literals + literals[start : start + 265]
    assert unpack(b"F", data, len(expected)) == expected


def test_numbers() -> None:
    values = [0, 1, 127, 128, 300, 1 << 40]
    data = b"".join(map(number, values))
    assert varints(np.frombuffer(data, dtype=np.uint8)).tolist() == values
    assert signed(b"\x7f", 0) == (-1, 1)
    assert signed(b"\x80\x7f", 0) == (-128, 2)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_cut_file_is_refused(tmp_path: Path, packing: str) -> None:
    whole = (FOLDER / f"{packing}.fst").read_bytes()
    path = tmp_path / "cut.fst"
    for size in (1, 9, 200, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"cut\.fst.*(damaged or cut|cannot read)"):
            read_activity(path, "tb/dut")


@pytest.mark.parametrize("packing", ["zlib", "fastlz", "lz4"])
def test_a_damaged_byte_gives_an_error_or_a_result(tmp_path: Path, packing: str) -> None:
    """Never another exception, and never memory without end."""
    whole = bytearray((FOLDER / f"{packing}.fst").read_bytes())
    path = tmp_path / "bad.fst"
    messages = []
    for at in range(1, len(whole), 89):
        for flip in (0x80, 0xFF):
            bad = whole.copy()
            bad[at] ^= flip
            path.write_bytes(bad)
            try:
                read_activity(path, "tb/dut")
            except UserError as error:
                messages.append(str(error))
    assert len(messages) > 20
    assert not any("\n" in message for message in messages)


def test_a_file_without_hierarchy_says_why(tmp_path: Path) -> None:
    content = [item for item in blocks(FOLDER / "zlib.fst") if item[0] != 4]
    with pytest.raises(UserError, match="it has no hierarchy: was the simulation ended"):
        read_activity(write(tmp_path / "a.fst", content), "tb")


def test_an_unknown_scope_lists_those_there_are() -> None:
    with pytest.raises(UserError, match=r"has no scope 'tb/cpu'; there are: tb, tb/dut$"):
        read_activity(FOLDER / "lz4.fst", "tb/cpu")


def test_a_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="2 bytes where 3 should be"):
        unpack(b"Z", zlib.compress(b"ab"), 3)
