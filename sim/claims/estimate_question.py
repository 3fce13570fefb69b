"""Questions that a unit of the catalogue answers: measured here, or estimated, at any node."""

from dataclasses import dataclass

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.base.toml_tables import TomlTable
from consilico.sim.claims.figure import FORMS, UNITS, ClaimAnswer, Figure
from consilico.sim.estimate.nodes.measure import MeasuredUnit, measured_table
from consilico.sim.estimate.nodes.prediction import scale_figures
from consilico.sim.estimate.nodes.scaling import Technology, technology
from consilico.sim.units.catalogue import configure, find_unit

__all__ = ["QUANTITIES", "EstimateQuestion"]

QUANTITIES = {"area": "area_um2", "delay": "delay_ns", "energy": "energy_pj", "power": "power_w"}
"""What may be asked for, and its name and unit where figures are scaled."""


@dataclass(frozen=True, kw_only=True)
class EstimateQuestion:
    """Area, delay, energy or power of a unit in a kit, or at another node; or two units compared.

    A unit in its default configuration that was measured in the kit answers with what was measured,
    any other with its estimate. At another node that is scaled, with the errors that our own units
    have when they are scaled.
    """

    quantity: str  # one of QUANTITIES
    unit: str
    settings: tuple[str, ...]  # field=value
    against: str  # another unit, in its default configuration; empty where nothing is compared
    form: str  # one of FORMS
    pdk: str
    node: str  # that figures are scaled to; empty: those of the kit
    voltage_v: float | None  # supply there; None: the node's nominal one
    clock_ns: float | None  # that power is given at
    place: str  # in the claim file, for messages

    @classmethod
    def read(cls, table: TomlTable) -> "EstimateQuestion":
        """Return the question of a table of a claim file.

        Raises:
            UserError: If a field is not accepted.
        """
        quantity = table.choice("quantity", (*QUANTITIES,))
        against, form = table.text("against", ""), table.choice("form", FORMS, "amount")
        if (form == "amount") == bool(against):
            raise table.error(
                "form", f"must be amount without against, and one of the others with it, not {form}"
            )
        node, voltage_v = table.text("node", ""), table.number("voltage_v", optional=True)
        if voltage_v is not None and not node:
            raise table.error("voltage_v", "must be left out without node")
        clock_ns = table.number("clock_ns", optional=True)
        if (clock_ns is None) == (quantity == "power"):
            raise table.error("clock_ns", "must be given with quantity power, and only with it")
        if node:
            try:
                technology(node, voltage_v)
            except UserError as error:
                raise table.error("node", f"is not accepted: {error}") from None
        return cls(
            quantity=quantity,
            unit=table.text("unit"),
            settings=table.texts("settings", ()),
            against=against,
            form=form,
            pdk=table.text("pdk", "") or "nangate45",
            node=node,
            voltage_v=voltage_v,
            clock_ns=clock_ns,
            place=f"{table.path}: {table.place}",
        )

    @property
    def dimension(self) -> str:
        """Return what the answer measures."""
        return "ratio" if self.form not in ("amount", "less") else self.quantity

    def answer(self, unit: str) -> ClaimAnswer:
        """Look the unit up or estimate it; the figure is in the unit that is named.

        Raises:
            UserError: If unit, setting or kit is unknown; the message names the claim file.
        """
        try:
            amount, command = self._amount(self.unit, self.settings)
            against = None
            if self.against:
                against, other = self._amount(self.against, ())
                command = f"{command} && {other}"
        except UserError as error:
            raise UserError(f"{self.place} is not accepted: {error}") from None
        return ClaimAnswer(
            figure=Figure.of(amount, against, self.form, UNITS[unit]), command=command
        )

    def _amount(self, name: str, settings: tuple[str, ...]) -> tuple[Interval, str]:
        """Return the quantity of one unit, and the command that gives it."""
        rows = [row for row in measured_table() if (row.unit, row.pdk) == (name, self.pdk)]
        if rows and not settings:
            found = exactly(self._measured(rows[0]))
            command = f"consilico implement {name} --pdk {self.pdk} --rung cells"
        elif self.quantity == "power":
            raise UserError(f"power is known of measured units only, not of {name} in {self.pdk}")
        else:
            found = self._estimated(name, settings)
            command = (
                " ".join((f"consilico estimate {name}", *(f"--set {s}" for s in settings)))
                + f" --pdk {self.pdk}"
            )
        if not self.node:
            return found, command
        return self._scaled(found), f"{command} && {self._scale_command(found)}"

    def _measured(self, row: MeasuredUnit) -> float:
        """Return the quantity of a measured unit; dynamic power follows the clock."""
        if self.clock_ns is not None:
            dynamic_w = (row.internal_w + row.switching_w) * row.clock_ns / self.clock_ns
            return dynamic_w + row.leakage_w
        return {"area": row.area_um2, "delay": row.path_ns, "energy": row.energy_pj}[self.quantity]

    def _estimated(self, name: str, settings: tuple[str, ...]) -> Interval:
        """Return the quantity of a unit as it is estimated."""
        from consilico.sim.estimate.operators.estimate import estimate

        unit = find_unit(name)
        found = estimate(unit, configure(unit, [*settings]), self.pdk)
        return {
            "area": found.area_um2, "delay": found.path_ns, "energy": found.energy_pj,
        }[self.quantity]  # fmt: skip

    def _technologies(self) -> tuple[Technology, Technology]:
        return technology(self.pdk), technology(self.node, self.voltage_v)

    def _scaled(self, found: Interval) -> Interval:
        """Return a figure at the node, with the error that our own units have when scaled."""
        name = QUANTITIES[self.quantity]
        scaled = scale_figures(*self._technologies(), {name: found.value}).figures[name]
        there = found * scaled.factor
        if scaled.by_our_units is None:
            return there
        bar = scaled.by_our_units.bar
        return Interval(
            there.value,
            min(there.low, there.low * bar.low_ratio),
            max(there.high, there.high * bar.high_ratio),
        )

    def _scale_command(self, found: Interval) -> str:
        """Return the command that scales a figure to the node."""
        option = QUANTITIES[self.quantity].replace("_", "-")
        supply = "" if self.voltage_v is None else f" --voltage-to {self.voltage_v:g}"
        return (
            f"consilico scale --from {self.pdk} --to {self.node}{supply} --{option}"
            f" {found.value:.6g}"
        )
