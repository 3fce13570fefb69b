"""Ways in which the frozen matrices of a model are stored, and what each keeps for a matrix.

Counted from the libraries that store them: bitsandbytes 0.50.2 and gptqmodel 7.7.0.
"""

from collections.abc import Callable

from consilico.sim.memory.holdings import CONSTANTS, Elements, Holding, weight

__all__ = ["BASES", "BITSANDBYTES", "base_of"]

BITSANDBYTES = ("nf4", "nf4-double", "int8")
"""Bases that are layers of bitsandbytes, which leave all else of the model as it is loaded."""


def _code_books(numbers: int) -> Holding:
    """Return the numbers that codes stand for, in float32: each matrix has its own copy."""
    return Holding(
        name="code books", kind=CONSTANTS, elements=lambda d: d.matrices * numbers, dtype="float32"
    )


def _nf4(elements: Elements) -> tuple[Holding, ...]:
    """Return a weight in NF4: blocks of 64 with a float32 scale each, and the 16 numbers."""
    return weight("nf4", 64, 4.0, elements), _code_books(16)


def _nf4_double(elements: Elements) -> tuple[Holding, ...]:
    """Return a weight in NF4 whose scales are 8-bit, in blocks of 256 with a float32 scale each.

    That is 1 + 4 / 256 bytes for a block of 64 (arXiv 2305.14314, section 3). The scales are codes
    of 256 numbers, from which their mean was taken off.
    """
    return weight("nf4", 64, 1 + 4 / 256, elements), _code_books(16 + 256 + 1)


def _int8(elements: Elements) -> tuple[Holding, ...]:
    """Return a weight in INT8 with a float32 scale per row (LLM.int8(), arXiv 2208.07339)."""
    scales = Holding(
        name="scales of rows", kind=CONSTANTS, elements=lambda d: d.full // d.columns,
        dtype="float32",
    )  # fmt: skip
    return weight("int8", elements=elements), scales


def _gptq4(elements: Elements) -> tuple[Holding, ...]:
    """Return a weight in INT4 as GPTQ files have it.

    Groups of 128 inputs have a float16 scale and a 4-bit zero each, and every input has the 32-bit
    number of its group.
    """
    numbers = Holding(
        name="groups of inputs", kind=CONSTANTS, elements=lambda d: d.full // d.rows,
        dtype="int32",
    )  # fmt: skip
    return weight("int4", 128, 2.5, elements), numbers


def _awq4(elements: Elements) -> tuple[Holding, ...]:
    """Return a weight in INT4 as AWQ files have it: as GPTQ's, without the numbers of groups."""
    return (weight("int4", 128, 2.5, elements),)


BASES: dict[str, Callable[[Elements], tuple[Holding, ...]]] = {
    "nf4": _nf4, "nf4-double": _nf4_double, "int8": _int8, "gptq4": _gptq4,
    "awq4": _awq4,
}  # fmt: skip
"""The holdings of a matrix by how it is stored; they are given the elements that are kept."""

_CONFIGURED = {
    "gptq 4 bits": "gptq4",
    "awq 4 bits": "awq4",
    "bitsandbytes 8 bits": "int8",
    "bitsandbytes 4 bits": "nf4",
    "bitsandbytes 4 bits, scales too": "nf4-double",
}


def base_of(quantization: str) -> str:
    """Return the base that a model's configuration asks for, or no text if it is none of them.

    Args:
        quantization: As :class:`~consilico.sim.memory.architecture.Architecture` has it.
    """
    return _CONFIGURED.get(quantization, "")
