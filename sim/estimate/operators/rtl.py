"""Operator census of Verilog: the kinds of :mod:`consilico.hw.census`."""

from collections import Counter

from consilico.hw.census import KINDS
from consilico.sim.estimate.operators.expressions import Expression, shortened
from consilico.sim.estimate.operators.rtl_reader import Design
from consilico.sim.estimate.operators.significance import significant_bits

__all__ = ["rtl_census"]


def rtl_census(design: Design) -> dict[str, int]:
    """Bits of operators by kind that outputs and registers depend on.

    Equal expressions count once, whatever the wires in them are called.
    """
    totals: Counter[str] = Counter()
    unnamed = _Unnamed(design)
    seen: set[str] = set()
    done: set[str] = set()
    pending = list(design.outputs)
    while pending:
        name = pending.pop()
        if name in done:
            continue
        done.add(name)
        if name in design.registers:
            totals["flop"] += design.registers[name]
        if name in design.latches:
            totals["latch"] += design.latches[name]
        if name in design.clock_gates:
            totals["clock_gate"] += 1
        stack = [expression for _, _, expression in design.drivers.get(name, ())]
        while stack:
            item = stack.pop()
            if item.signal:
                pending.append(item.signal)
                continue
            text = unnamed.text(item)
            if text in seen:
                continue
            seen.add(text)
            if item.bits:
                totals[item.kind] += item.bits
                if item.kind == "shift":  # what is known to be 0 needs no stage
                    filled = significant_bits(design, item.operands[0])
                    excess = item.width - filled if item.name.startswith("Srl") else 0
                    totals[item.kind] -= excess * item.operands[1].width
            stack.extend(item.operands)
    return {kind: totals[kind] for kind in KINDS if totals[kind]}


class _Unnamed:
    """Texts of expressions with what drives a wire in place of its name."""

    def __init__(self, design: Design) -> None:
        keeps = {*design.registers, *design.latches, *design.clock_gates}
        self._sources = {
            name: drivers[0][2]
            for name, drivers in design.drivers.items()
            if name not in keeps
            and [(low, high) for low, high, _ in drivers] == [(0, design.widths[name] - 1)]
            and drivers[0][2].width == design.widths[name]
        }
        self._texts: dict[Expression, str] = {}

    def text(self, root: Expression) -> str:
        """Equal for expressions that are equal down to registers and inputs."""
        stack, open_ = [root], set()
        while stack:
            item = stack[-1]
            source = self._sources.get(item.signal)
            below = item.operands if source is None else (source,)
            missing = [each for each in below if each not in self._texts and each not in open_]
            if missing and item not in self._texts:
                open_.add(item)  # a loop of wires ends where it closes
                stack.extend(missing)
                continue
            stack.pop()
            if item not in self._texts:
                self._texts[item] = self._composed(item, below, whole=source)
        return self._texts[root]

    def _composed(
        self, item: Expression, below: tuple[Expression, ...], whole: Expression | None
    ) -> str:
        parts = [self._texts.get(each, each.text) for each in below]
        if whole is not None:
            place = f"[{item.low}+:{item.width}]" if item.width != whole.width else ""
            return parts[0] + place
        if not (item.name and parts):
            return item.text
        return shortened(f"{item.name}({','.join(parts)})", item.name)
