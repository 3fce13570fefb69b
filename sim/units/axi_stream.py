"""Give a unit's Verilog the ports of AXI-Stream, and describe it to FuseSoC."""

from collections.abc import Mapping

from consilico.golden.config import Config
from consilico.sim.units.catalogue import verilog_file
from consilico.sim.units.unit import Unit

__all__ = ["AXI_STREAMS", "axi_verilog", "fusesoc_core"]

AXI_STREAMS: Mapping[str, str] = {"i": "s_axis", "cfg": "s_axis_cfg", "o": "m_axis"}


def axi_verilog(unit: Unit, config: Config) -> tuple[str, str]:
    """Return Verilog of a unit whose ports have the names of AXI-Stream, and its top module.

    The unit's own module comes first, unchanged; a wrapper connects it. ``i`` becomes ``s_axis``,
    ``cfg`` becomes ``s_axis_cfg`` and ``o`` becomes ``m_axis``, each with ``tdata``, ``tvalid`` and
    ``tready``. As AXI-Stream asks for, the clock is ``aclk``, the reset is ``aresetn``, active low
    and synchronous, and ``tdata`` has whole bytes: bits above the payload are ignored on inputs and
    0 on the output.
    """
    ports = unit.ports(config)
    widths = {"i": ports.i_width, "cfg": ports.cfg_width, "o": ports.o_width}
    top = f"{unit.module_name}_axis"
    declared, connected, extra = [], [], []
    for name, width in widths.items():
        if not width:
            continue
        axi, output = AXI_STREAMS[name], name == "o"
        there, back = ("output", "input") if output else ("input", "output")
        high = -(-width // 8) * 8 - 1
        declared += [
            f"  {there} wire [{high}:0] {axi}_tdata",
            f"  {there} wire {axi}_tvalid",
            f"  {back} wire {axi}_tready",
        ]
        connected += [
            f"    .{name}__valid({axi}_tvalid)",
            f"    .{name}__ready({axi}_tready)",
            f"    .{name}__payload({axi}_tdata[{width - 1}:0])",
        ]
        if high >= width and output:
            extra.append(f"  assign {axi}_tdata[{high}:{width}] = {high - width + 1}'d0;")
        elif high >= width:
            extra.append(
                "  // tdata has whole bytes, the payload fewer bits\n"
                f"  wire unused_{axi} = &{{1'b0, {axi}_tdata[{high}:{width}]}};"
            )
    text = "\n".join(
        [
            f"// {unit.name} with the ports of AXI-Stream",
            f"module {top} (",
            ",\n".join(["  input wire aclk", "  input wire aresetn", *declared]),
            ");",
            f"  {unit.module_name} unit (",
            ",\n".join(["    .clk(aclk)", "    .rst(~aresetn)", *connected]),
            "  );",
            *extra,
            "endmodule",
            "",
        ]
    )
    return f"{verilog_file(unit, config)}\n{text}", top


def fusesoc_core(unit: Unit, file: str, top: str, version: str) -> str:
    """Return the text of a FuseSoC core file (CAPI2) for a unit's Verilog.

    Args:
        unit: The unit.
        file: Name of the Verilog file, which lies next to the core file.
        top: Name of its top module.
        version: Of the core.
    """
    return f"""CAPI=2:
name: consilico:{unit.family}:{top}:{version}
description: "{unit.summary.replace('"', "'")}"

filesets:
  rtl:
    files:
      - {file}
    file_type: verilogSource

targets:
  default: &default
    filesets: [rtl]
    toplevel: {top}
  lint:
    <<: *default
    flow: lint
    flow_options:
      tool: verilator
"""
