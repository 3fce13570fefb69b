"""The catalogue of GPUs, and amounts of memory read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilico.sim.base.errors import UserError
from consilico.sim.memory import gpus as module
from consilico.sim.memory.gpus import find_gpu, format_bytes, gpu_names, parse_memory

MIB, GIB = 2**20, 2**30


@pytest.mark.parametrize(
    ("name", "mib"),
    [
        ("rtx4060ti-16gb", 16380),
        ("rtx4090-24gb", 24564),
        ("h100-80gb", 81559),
        ("h200-141gb", 143771),
        ("b200-180gb", 183359),
        ("rtx5070ti-16gb", 16303),
    ],
)
def test_memory_is_what_the_driver_reports(name: str, mib: int) -> None:
    gpu = find_gpu(name)
    assert gpu.memory_bytes == mib * MIB
    assert not gpu.nominal


def test_memory_stated_by_the_maker_only_is_marked() -> None:
    gpu = find_gpu("rtx3080-10gb")
    assert gpu.memory_bytes == 10 * GIB
    assert gpu.nominal


@pytest.mark.parametrize("name", gpu_names())
def test_every_gpu_is_plausible(name: str) -> None:
    gpu = find_gpu(name)
    size = float(name.rpartition("-")[2].removesuffix("gb"))
    assert gpu.name == name
    assert gpu.source
    assert size * 0.89 < gpu.memory_bytes / GIB <= size  # ECC takes a sixteenth
    assert 0.003 < gpu.context.value / gpu.memory_bytes < 0.13
    assert gpu.fp32_tflops < gpu.tensor_tflops
    assert gpu.host_gb_s < gpu.bandwidth_gb_s


@pytest.mark.parametrize("name", [n for n in gpu_names() if n.startswith("rtx") and "ada" not in n])
def test_geforce_cards_have_their_rate_with_float32_accumulation(name: str) -> None:
    gpu = find_gpu(name)
    assert "half" in gpu.note
    if "2080" not in name:  # since Ampere: 2 x float32, where workstation cards have 4 x
        assert gpu.tensor_tflops == pytest.approx(2 * gpu.fp32_tflops, rel=0.01)


def test_context_is_the_driver_s_part_and_that_of_a_process() -> None:
    gpu = find_gpu("a100-80gb")
    assert gpu.context.value == (698 + 300) * MIB
    assert (gpu.context.low, gpu.context.high) == ((698 + 141) * MIB, (698 + 543) * MIB)
    assert not gpu.reserved_assumed


def test_a_driver_s_part_that_is_not_known_is_between_those_that_are() -> None:
    known = [gpu.reserved.value for gpu in map(find_gpu, gpu_names()) if not gpu.reserved_assumed]
    assumed = find_gpu("h100-80gb")
    assert assumed.reserved_assumed
    assert assumed.reserved.value == 512 * MIB
    assert (assumed.reserved.low, assumed.reserved.high) == (min(known), max(known))


def test_name_in_capitals_is_found() -> None:
    assert find_gpu("H100-80GB") is not None


@pytest.mark.parametrize("name", ["h100", "assumed", "", "rtx4090-24gb-"])
def test_unknown_gpu_is_refused_with_those_known(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown GPU .*t4-16gb.*rtx5090-32gb") as error:
        find_gpu(name)
    assert "\n" not in str(error.value)
    assert "assumed," not in str(error.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1 B", 1),
        ("2KB", 2000),
        ("3 MB", 3_000_000),
        ("16 GB", 16_000_000_000),
        ("1 TB", 10**12),
        ("2 KiB", 2048),
        ("3MiB", 3 * MIB),
        ("16 GiB", 16 * GIB),
        ("1 TiB", 2**40),
        (" 1.5 gib ", 3 * GIB // 2),
        ("0.1 KB", 100),
    ],
)
def test_amount_of_memory_is_read(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "16GBB", "-16 GB", "0 GB", "0.1 B", "nan", "NaN GB", "inf GB", "16", "GB", "", "16 G",
        "1e3 GB", "16 GB 2", "1,5 GB", "16.GB", "1 iB", "1 PB", "9" * 5000 + " GB",
        "\uff11\uff16 GB",
    ],
)  # fmt: skip
def test_no_amount_of_memory_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"16 GiB or 24 GB \(B, KB, MB, GB, TB, KiB") as error:
        parse_memory(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (15.08e9, "15.08 GB (14.04 GiB)"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 KB (0.98 KiB)"),
        (-2 * GIB, "-2.15 GB (-2.00 GiB)"),
        (999_999_999, "1.00 GB (0.93 GiB)"),
        (5 * 10**15, "5000.00 TB (4547.47 TiB)"),
    ],
)
def test_amount_of_memory_is_written_in_both_units(size: float, text: str) -> None:
    assert format_bytes(size) == text


@given(st.integers(1, 10**15))
def test_written_amount_is_read_back_to_its_digits(size: int) -> None:
    decimal, _, binary = format_bytes(size).partition(" (")
    half = 0.005 * 1000 ** module._PREFIXES.index(decimal.rpartition(" ")[2].rstrip("B"))
    assert abs(parse_memory(decimal) - size) <= half + 1
    if binary:
        assert parse_memory(binary.rstrip(")")) == pytest.approx(size, abs=1.1 * half + 1)
