"""How many bits of a value can be other than 0, as far as shifts by constants tell."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilico.sim.estimate.operators.expressions import Expression
    from consilico.sim.estimate.operators.rtl_reader import Design

__all__ = ["significant_bits"]


def significant_bits(design: "Design", item: "Expression") -> int:
    """Bits of a value up to the highest that is not known to be 0."""
    if item.kind == "constant":
        return item.value.bit_length()
    if item.signal:
        drivers = design.drivers.get(item.signal, [])
        if item.signal in design.registers or not drivers:
            return item.width
        parts = ((low, significant_bits(design, driver)) for low, _, driver in drivers)
        highest = max(low + bits if bits else 0 for low, bits in parts)
        return max(0, min(item.width, highest - item.low))
    operator = item.name.partition(":")[0]
    if operator == "cat":
        width = item.width
        for part in item.operands:  # highest first
            if significant := significant_bits(design, part):
                return width - part.width + significant
            width -= part.width
        return 0
    if operator in ("Sll", "Srl") and item.operands[1].kind == "constant":
        places = item.operands[1].value * (1 if operator == "Sll" else -1)
        return max(0, min(item.width, significant_bits(design, item.operands[0]) + places))
    return item.width
