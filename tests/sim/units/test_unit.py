"""What a unit needs, and what follows where it says no more."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.sim.base.errors import UserError
from consilico.sim.units.layout import stream_layouts
from consilico.sim.units.stimulus import Kind, Ports, Stimulus
from consilico.sim.units.unit import Unit
from tests.sim.rtlsim import toy

UNIT = toy.unit()


def test_ports_are_those_of_the_components_streams() -> None:
    assert UNIT.ports(toy.ToyConfig()) == toy.PORTS


class NoStream(wiring.Component):
    """Its input is a plain signal."""

    def __init__(self, **members: Any) -> None:
        super().__init__({"o": Out(stream.Signature(4)), **members})


def test_a_component_without_a_configuration_stream_has_no_width_for_it() -> None:
    component = NoStream(i=In(stream.Signature(3)))
    assert stream_layouts(component).ports == Ports(i_width=3, o_width=4, cfg_width=0)


@pytest.mark.parametrize(
    ("members", "message"),
    [({}, "NoStream has no stream 'i'"), ({"i": In(8)}, "NoStream.i is no stream")],
)
def test_a_component_without_streams_is_refused(members: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        stream_layouts(NoStream(**members))


def test_a_source_that_a_unit_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match=r"^toy/multiply has no traffic 'model'; it has: verifi"):
        UNIT.traffic(UNIT.config(), "model", 10)


def test_a_source_that_a_configuration_does_not_fit_is_named() -> None:
    def narrow(config: Any, beats: int) -> Stimulus:
        raise ValueError("lanes must divide by 7")

    unit = replace(UNIT, sources={"narrow": narrow}, measured_with=())
    with pytest.raises(UserError, match=r"^traffic narrow: lanes must divide by 7$"):
        unit.traffic(unit.config(), "narrow", 10)


def test_without_sources_the_verification_stimulus_is_driven_and_named() -> None:
    whole = UNIT.vectors(UNIT.config(), 1)
    cut = UNIT.traffic(UNIT.config(), "verification", 100)
    assert UNIT.measured_with == ("verification",)
    assert int((cut.kind == Kind.DATA).sum()) == cut.results == cut.operations == 100
    assert np.array_equal(cut.bits, whole.bits[: len(cut.bits)])
    assert np.array_equal(cut.expected, whole.expected[: len(cut.expected)])
    longer = UNIT.traffic(UNIT.config(), "verification", 10**6)
    assert len(longer.kind) == len(whole.kind)


def test_operations_are_counted_where_no_rate_is_stated() -> None:
    def pairs(config: Any, seed: int) -> Stimulus:
        whole = toy.stimulus(seed)
        return replace(whole, operations=6 * whole.operations)

    unit = replace(UNIT, vectors=pairs)
    assert unit.operations_per_beat(unit.config()) == 6
    assert unit.operations_per_result(unit.config(), "verification") == 6
    assert UNIT.operations_per_beat(UNIT.config()) == 1


def test_the_family_is_the_names_first_part_unless_stated() -> None:
    assert UNIT.family == "toy"
    assert replace(UNIT, family="matmul").family == "matmul"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Multiply"}, "must be operator or family/operator in lower case, not 'Multiply'"),
        ({"name": "toy/multi-ply"}, "must be operator or family/operator"),
        ({"measured_with": ("text",)}, "measured with 'text', which is no source"),
        ({"sources": {"verification": lambda config, beats: None}}, "no name for a source"),
    ],
)
def test_a_unit_that_contradicts_itself_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(UNIT, **changes)


def test_a_unit_lacks_nothing_but_what_it_cannot_do_without() -> None:
    with pytest.raises(TypeError, match=r"missing 1 required keyword-only argument: 'latency'"):
        Unit(  # type: ignore[call-arg]
            name="toy/multiply", summary="", config=UNIT.config, component=UNIT.component,
            golden=UNIT.golden, vectors=UNIT.vectors, coverage=(),
        )  # fmt: skip
