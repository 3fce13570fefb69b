"""GPUs by name, amounts of memory as text, and what a GPU leaves for tensors."""

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly

__all__ = [
    "Gpu",
    "GpuMemory",
    "find_gpu",
    "format_bytes",
    "gpu_memory",
    "gpu_names",
    "parse_memory",
    "process_context",
    "usual_workspace",
    "workspace_of",
    "workspaces",
]

_MIB = 2**20
_PREFIXES = ("", "K", "M", "G", "T")
_UNITS = {
    f"{prefix}{ending}".lower(): base**power
    for power, prefix in enumerate(_PREFIXES)
    for ending, base in (("B", 1000), ("iB", 1024))
    if prefix or ending == "B"
}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """Memory, speed and bandwidth of a GPU: the maker's figures for dense arithmetic.

    ``gpus.toml`` says how each figure is meant. What is "assumed" there is the same for every GPU
    that has no figure of its own.
    """

    name: str
    title: str
    memory_bytes: int  # all of it, as nvidia-smi prints it
    nominal: bool  # memory_bytes is what the maker states instead
    reserved: Interval  # bytes, the driver's part of it
    reserved_assumed: bool
    workspace_bytes: int  # of a handle of its matrix library
    tensor_tflops: float  # bfloat16 or float16 products, accumulated in float32
    fp32_tflops: float
    bandwidth_gb_s: float  # of its memory
    host_gb_s: float  # to host memory, one direction
    source: str
    note: str

    @property
    def context(self) -> Interval:
        """Return the bytes that no tensor of a process can have: driver and CUDA context."""
        return self.reserved + process_context()


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("gpus.toml").read_text())


def gpu_names() -> list[str]:
    """Return the names that :func:`find_gpu` accepts."""
    return [name for name in _catalogue() if name != "assumed"]


def find_gpu(name: str) -> Gpu:
    """Return a GPU of the catalogue; letter case does not matter.

    Raises:
        UserError: If there is none of that name; the message names those there are.
    """
    key = name.strip().lower()
    if key not in gpu_names():
        raise UserError(f"unknown GPU {name!r}; accepted: {', '.join(gpu_names())}")
    entry = _catalogue()[key]
    nominal = "memory_gib" in entry
    return Gpu(
        name=key,
        title=entry["title"],
        memory_bytes=entry["memory_gib"] * 2**30 if nominal else entry["memory_mib"] * _MIB,
        nominal=nominal,
        reserved=exactly(entry["reserved_mib"] * _MIB)
        if "reserved_mib" in entry
        else _usual_reserved(),
        reserved_assumed="reserved_mib" not in entry,
        workspace_bytes=int(entry["workspace_mib"] * _MIB)
        if "workspace_mib" in entry
        else usual_workspace(),
        tensor_tflops=entry["tensor_tflops"],
        fp32_tflops=entry["fp32_tflops"],
        bandwidth_gb_s=entry["bandwidth_gb_s"],
        host_gb_s=entry["host_gb_s"],
        source=entry["source"],
        note=entry.get("note", ""),
    )


def workspaces(handle_bytes: int, *, forward_only: bool) -> int:
    """Return the bytes of the matrix library's workspaces that PyTorch's allocator holds.

    Each thread that multiplies matrices has a handle, and each handle a workspace for the stream
    that it works on, which stays: the thread that runs forward has one, and autograd's has one.
    """
    return handle_bytes * (1 if forward_only else 2)


def usual_workspace() -> int:
    """Return the bytes of a cuBLAS handle's workspace on GPUs before Hopper."""
    return int(_catalogue()["assumed"]["workspace_mib"] * _MIB)


def workspace_of(device: str) -> int:
    """Return the bytes of a handle's workspace on a device, by the name that PyTorch prints."""
    words = set(re.split(r"[\s-]+", device.lower()))
    known = (find_gpu(name) for name in gpu_names())
    return next(
        (gpu.workspace_bytes for gpu in known if gpu.name.partition("-")[0] in words),
        usual_workspace(),
    )


def process_context() -> Interval:
    """Return the bytes of the CUDA context of one process: reported figures and their range."""
    return Interval.of(_catalogue()["assumed"]["context_mib"]) * _MIB


@cache
def _usual_reserved() -> Interval:
    """Return the bytes that a driver keeps where it is not known: between those that are."""
    known = [
        e["reserved_mib"] for e in _catalogue().values() if "title" in e and "reserved_mib" in e
    ]
    usual = _catalogue()["assumed"]["reserved_mib"]
    return Interval(value=usual * _MIB, low=min(known) * _MIB, high=max(known) * _MIB)


def parse_memory(text: str) -> int:
    """Return the bytes of an amount such as ``16 GiB``; letter case and the space do not matter.

    KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024; parts of a byte are
    dropped.

    Raises:
        UserError: If ``text`` is no such amount or less than a byte.
    """
    found = _AMOUNT.fullmatch(text.strip())
    scale = _UNITS.get(found[2].lower()) if found else None
    size = int(Decimal(found[1]) * scale) if found and scale else 0
    if size < 1:
        raise UserError(
            f"memory must be a positive number and a unit, such as 16 GiB or 24 GB"
            f" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB), not {text!r}"
        )
    return size


def format_bytes(size: float) -> str:
    """Format bytes in both kinds of unit, ``15.08 GB (14.04 GiB)``; few ones as they are."""
    power = 0
    while power < len(_PREFIXES) - 1 and round(abs(size) / 1000**power, 2) >= 1000:
        power += 1
    if not power:
        return f"{size:.0f} B"
    prefix = _PREFIXES[power]
    return f"{size / 1000**power:.2f} {prefix}B ({size / 1024**power:.2f} {prefix}iB)"


@dataclass(frozen=True, kw_only=True)
class GpuMemory:
    """The memory of a GPU, and what of it no tensor can have."""

    name: str
    bytes: int  # all of its memory
    context: Interval  # bytes of driver and CUDA context
    workspace_bytes: int = 0  # of a handle of its matrix library

    @classmethod
    def of(cls, gpu: Gpu) -> "GpuMemory":
        """Return the memory of a GPU of the catalogue."""
        return cls(
            name=gpu.name, bytes=gpu.memory_bytes, context=gpu.context,
            workspace_bytes=gpu.workspace_bytes,
        )  # fmt: skip

    @property
    def usable_bytes(self) -> int:
        """Return the bytes that are usually left for what PyTorch's allocator holds."""
        return self.bytes - int(self.context.value)


def gpu_memory(text: str) -> GpuMemory:
    """Return the memory of a GPU by name, or an amount, with the context of a usual driver.

    Raises:
        UserError: If ``text`` is neither.
    """
    if text.lower() in gpu_names():
        return GpuMemory.of(find_gpu(text))
    context = _usual_reserved() + process_context()
    return GpuMemory(
        name=text, bytes=parse_memory(text), context=context, workspace_bytes=usual_workspace()
    )
