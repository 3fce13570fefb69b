"""Kit files: how kits and corners are found, a user's own, and what is wrong with one."""

import json
from pathlib import Path
from typing import Any

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import describe_kits, find_kit, kit_names
from tests.sim.silicon.small import BASE, HEAD, cell, write

OWN = """
node_nm = 28
avoid = ["SLOW*"]
[[corner]]
name = "tt_1p2"
voltage_v = 1.2
[[corner]]
name = "ss_1p1"
voltage_v = 1.1
spelling = "slow"
how_to_get = "ask for it"
[[where]]
folder = "lib"
liberty = ["cells_{corner}.lib"]
"""
LATCH_ROLE = '{ cell = "LATCH", enable = "G", data = "D", output = "Q" }'
CELLS = f"""
[cells]
driver = {{ cell = "BUF" }}
latch_high = {LATCH_ROLE}
latch_low = {{ cell = "LATCH", enable = "G", data = "D", output = "Q", inverted = ["enable"] }}
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variable, and a home without kits."""
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("PDK_ROOT", "FLOW_HOME"):
        monkeypatch.delenv(variable, raising=False)


def listed(name: str) -> list[dict[str, Any]]:
    return [kit.to_json() for kit in describe_kits() if kit.pdk == name]


def empty(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def own(tmp_path: Path, more: str = "") -> Path:
    (tmp_path / "lib").mkdir(exist_ok=True)
    cells = (*BASE, cell("SLOW_BUF", 0.5, A="", Y="A"))
    write(tmp_path / "lib" / "cells_tt_1p2.lib", *cells)
    path = tmp_path / "mine.toml"
    path.write_text(OWN + more)
    return path


def test_every_corner_of_every_kit_is_listed_found_or_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["pdk", "list", "--json", "-"]) == 0
    kits = json.loads(capsys.readouterr().out)["kits"]
    keys = {"pdk", "corner", "voltage_v", "node_nm", "found", "path", "how_to_get"}
    assert all(keys <= set(kit) for kit in kits)
    assert {kit["pdk"] for kit in kits} == set(kit_names())
    corners = {(kit["pdk"], kit["corner"]): kit for kit in kits}
    assert len(corners) == len(kits)
    assert sum(kit["default"] for kit in kits) == len(kit_names())
    nangate = corners["nangate45", "typical_1p10V_25C"]
    assert (nangate["found"], nangate["default"], nangate["voltage_v"]) == (True, True, 1.1)
    assert Path(nangate["path"]).exists()
    slow = corners["nangate45", "slow_0p95V_125C"]
    assert (slow["found"], slow["path"]) == (False, None)
    assert "FLOW_HOME" in slow["how_to_get"]
    assert "PDK_ROOT" in corners["sky130hd", "tt_025C_1v80"]["how_to_get"]


def test_people_see_what_to_type_for_a_corner(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["pdk", "list"]) == 0
    printed = capsys.readouterr().out
    assert f"\nnangate45: {find_kit('nangate45').liberty[0]}\n" in printed  # whole, on a line
    assert "sky130hd:ss_100C_1v60" in printed
    assert "sky130hd:tt_025C_1v80" not in printed  # the default


SKY = "libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__tt_025C_1v80.lib"
GF = "gf180mcu_fd_sc_mcu7t5v0"
GF_FILE = f"{GF}__tt_025C_5v00.lib"
IHP = "sg13g2_stdcell/lib/sg13g2_stdcell_typ_1p20V_25C.lib"


@pytest.mark.parametrize(
    ("kit", "variable", "file"),
    [
        ("sky130hd", "PDK_ROOT", f"sky130A/{SKY}.gz"),
        ("sky130hd", "PDK_ROOT", f"sky130B/{SKY}"),
        ("sky130hd", "PDK_ROOT", f"ciel/sky130/versions/0fe599b2/sky130A/{SKY}"),
        ("sky130hd", "PDK_ROOT", f"volare/sky130/versions/0fe599b2/sky130A/{SKY}"),
        ("sky130hd", "FLOW_HOME", f"platforms/sky130hd/lib/{Path(SKY).name}"),
        ("sky130hd", "FLOW_HOME", f"flow/platforms/sky130hd/lib/{Path(SKY).name}"),
        ("gf180mcu", "PDK_ROOT", f"gf180mcuD/libs.ref/{GF}/lib/{GF_FILE}"),
        ("gf180mcu", "PDK_ROOT", f"gf180mcuC/libs.ref/{GF}/liberty/{GF_FILE}"),
        ("gf180mcu", "FLOW_HOME", f"platforms/gf180/lib/{GF_FILE}.gz"),
        ("ihp-sg13g2", "PDK_ROOT", f"ihp-sg13g2/libs.ref/{IHP}"),
    ],
)
def test_kits_are_found_by_the_variables_that_people_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kit: str, variable: str, file: str
) -> None:
    path = empty(tmp_path / "root" / file)
    monkeypatch.setenv(variable, str(tmp_path / "root"))
    assert [entry["path"] for entry in listed(kit) if entry["found"]] == [str(path)]
    assert listed(kit)[0]["path"] == str(path)


def test_without_the_variable_the_usual_folder_is_looked_at(tmp_path: Path) -> None:
    file = "sky130A/libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__ff_n40C_1v95.lib"
    path = empty(tmp_path / "home" / ".ciel" / file)
    found = {entry["corner"]: entry["path"] for entry in listed("sky130hd") if entry["found"]}
    assert found == {"ff_n40C_1v95": str(path)}
    with pytest.raises(UserError, match="sky130hd is not on this machine"):
        find_kit("sky130hd")
    assert find_kit("sky130hd:ff_n40C_1v95").voltage_v == 1.95


def test_a_kit_in_parts_is_found_only_with_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOW_HOME", str(tmp_path))
    kinds = {"SIMPLE": 211120, "INVBUF": 220122, "AO": 211120, "OA": 211120, "SEQ": 220123}
    for kind, date in kinds.items():
        assert not listed("asap7")[1]["found"]
        name = f"asap7sc7p5t_{kind}_RVT_SS_nldm_{date}.lib.gz"
        empty(tmp_path / "platforms/asap7/lib/NLDM" / name)
    assert [entry["found"] for entry in listed("asap7")] == [False, True, False]


def test_an_unknown_corner_names_those_there_are() -> None:
    with pytest.raises(UserError, match="no corner 'hot'; it has: typical_1p10V_25C, slow_0p95V_"):
        find_kit("nangate45:hot")
    with pytest.raises(UserError, match="has no corner ''"):
        find_kit("nangate45:")
    assert find_kit("nangate45:typical_1p10V_25C").sha256 == find_kit("nangate45").sha256


def test_a_kit_file_of_ones_own_needs_no_more_than_places_and_corners(tmp_path: Path) -> None:
    kit = find_kit(str(own(tmp_path)))
    assert (kit.name, kit.node_nm, kit.corner) == ("mine", 28, "tt_1p2")
    assert kit.liberty == (tmp_path / "lib" / "cells_tt_1p2.lib",)
    assert kit.roles["driver"].cell == "BUF"  # not SLOW_BUF, which it avoids
    assert (kit.target_ns, kit.load_ff) == (2.0, 8.0)
    assert "SLOW_BUF" not in kit.mapping_liberty.read_text()


def test_a_kit_file_may_name_cells_areas_target_and_load(tmp_path: Path) -> None:
    more = "[area_um2]\nLATCH = 5\nINV = 77\nEXTRA = 4\n"
    path = own(tmp_path, more + CELLS)
    path.write_text("target_ns = 1.5\nload_ff = 6\n" + path.read_text())
    write(tmp_path / "lib" / "cells_tt_1p2.lib", *BASE, cell("EXTRA", 0, A="", Y="A"))
    kit = find_kit(str(path))
    assert (kit.target_ns, kit.load_ff) == (1.5, 6)
    assert kit.roles["latch_low"].inverted == ("enable",)
    merged = kit.mapping_liberty.read_text()
    assert "area : 4;" in merged
    assert "77" not in merged  # the Liberty has an area of its own


def test_corners_of_a_kit_file(tmp_path: Path) -> None:
    path = own(tmp_path)
    with pytest.raises(UserError, match="mine, corner ss_1p1, is not on this machine; ask for it"):
        find_kit(f"{path}:ss_1p1")
    head = HEAD.replace("1.2", "1.1")
    write(tmp_path / "lib" / "cells_slow.lib", *BASE, head=head)
    slow = find_kit(f"{path}:ss_1p1")
    assert (slow.corner, slow.voltage_v) == ("ss_1p1", 1.1)
    assert slow.sha256 != find_kit(str(path)).sha256
    assert slow.mapping_liberty.exists()
    write(tmp_path / "lib" / "cells_slow.lib", *BASE)
    with pytest.raises(UserError, match=r"ss_1p1, is for 1\.1 V, but .*slow\.lib is for 1\.2 V"):
        _ = find_kit(f"{path}:ss_1p1").mapping_liberty


def test_hold_is_checked_at_the_fast_corner_where_it_is_there(tmp_path: Path) -> None:
    path = own(tmp_path)
    fast = '[[corner]]\nname = "ff_1p2"\nvoltage_v = 1.2\n'
    path.write_text(OWN.replace("voltage_v = 1.2\n", 'voltage_v = 1.2\nfast = "ff_1p2"\n') + fast)
    alone = find_kit(str(path))
    assert alone.fast is None
    write(tmp_path / "lib" / "cells_ff_1p2.lib", *BASE)
    kit = find_kit(str(path))
    assert kit.fast is not None
    assert (kit.corner, kit.fast.corner, kit.fast.fast) == ("tt_1p2", "ff_1p2", None)
    assert kit.layout_sha256 != alone.layout_sha256


def test_a_fast_corner_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    path = own(tmp_path)
    path.write_text(OWN.replace("voltage_v = 1.1\n", 'voltage_v = 1.1\nfast = "ff"\n'))
    with pytest.raises(UserError, match=r"corner 2.fast must be one of tt_1p2, ss_1p1, not 'ff'$"):
        find_kit(str(path))


def test_a_cell_that_the_liberty_has_not_is_one_clear_line(tmp_path: Path) -> None:
    path = own(tmp_path, CELLS.replace('"BUF"', '"BUF_X4"'))
    with pytest.raises(UserError, match="kit mine: driver names the cell BUF_X4, which its Libert"):
        _ = find_kit(str(path)).mapping_liberty


def test_a_built_in_kit_whose_library_has_other_cells_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"gf180mcuD/libs.ref/{GF}/lib/{GF_FILE}"
    file.parent.mkdir(parents=True)
    write(file, *BASE, head=HEAD.replace("1.2", "5.0"))
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    kit = find_kit("gf180mcu")
    assert kit.target_ns == 2.0  # of the Liberty: the kit file leaves it out
    with pytest.raises(UserError, match=f"gf180mcu: driver names the cell {GF}__buf_1, which"):
        _ = kit.mapping_liberty


def test_prefix_is_the_python_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own(tmp_path)
    (tmp_path / "lib").rename(tmp_path / "share")
    path.write_text(path.read_text().replace('folder = "lib"', 'folder = "{prefix}/share"'))
    with pytest.raises(UserError, match="mine is not on this machine"):
        find_kit(str(path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert find_kit(str(path)).liberty == (tmp_path / "share" / "cells_tt_1p2.lib",)


def test_a_package_that_is_not_installed_is_no_place(tmp_path: Path) -> None:
    path = own(tmp_path)
    path.write_text(path.read_text().replace('folder = "lib"', 'package = "no_such.package"'))
    with pytest.raises(UserError, match=r"mine is not on this machine; .*mine\.toml says where"):
        find_kit(str(path))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("node_nm = 28", "node_nm = ", "mine.toml is not TOML: .*line 2"),
        ("node_nm = 28", 'node_nm = "28"', "mine.toml: node_nm must be a number above 0, not '28'"),
        ("node_nm = 28", f"node_nm = 1{'0' * 400}", "node_nm must be a number above 0, not 1000"),
        ("node_nm = 28", f"node_nm = 1{'0' * 5000}", "mine.toml is not TOML: "),
        ("node_nm = 28", f"node_nm = {'[' * 5000}", "mine.toml is not TOML: "),
        ("node_nm = 28", "node_nm = nan", "node_nm must be a number above 0"),
        ("node_nm = 28", "node_nm = true", "node_nm must be a number above 0, not True"),
        ("node_nm", "node", "mine.toml: node is unknown; accepted: title, node_nm, how_to_get"),
        ('["SLOW*"]', '"SLOW*"', r"avoid must be a list of texts, not 'SLOW\*'"),
        ('name = "ss_1p1"', "", "mine.toml: corner 2.name is missing"),
        ('name = "ss_1p1"', 'name = "tt_1p2"', "corner: two have the same name"),
        (
            "voltage_v = 1.1",
            "voltage_v = -1",
            "corner 2.voltage_v must be a number above 0",
        ),
        ("[[where]]", "[where]", r"where must be given as one or more \[\[where\]\] tables"),
        ('folder = "lib"', "", "where 1 must hold one of variable, package, folder"),
        ('folder = "lib"', 'folder = "lib"\npackage = "x"', "where 1 must hold one of variable"),
        ('["cells_{corner}.lib"]', "[]", "where 1.liberty must be a list of texts"),
        ('"BUF" }', '"BUF", pin = "A" }', "cells.driver.pin is unknown; accepted: cell, inverted"),
        ("driver =", "drivers =", "cells.drivers is unknown; accepted: driver, tie_high"),
        ('driver = { cell = "BUF" }', "", "cells.driver is missing"),
        ('inverted = ["enable"]', 'inverted = ["g"]', "inverted names 'g'; accepted:"),
        ('"G", data = "D", output = "Q" }', '"G", data = "D" }', "latch_high.output is missing"),
        ("[cells]", "[area_um2]\nLATCH = 0\n[cells]", "area_um2.LATCH must be a number above 0"),
    ],
)
def test_what_is_wrong_in_a_kit_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, says: str
) -> None:
    path = own(tmp_path, CELLS)
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(UserError, match=says):
        find_kit(str(path))
    assert main(["implement", "consmax/log2", "--pdk", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_kit_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"kit file .*none\.toml: No such file or directory"):
        find_kit(str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"binary\.toml:1: the kit file is not UTF-8 text"):
        find_kit(str(tmp_path / "binary.toml"))
