"""Follows every allocation of a PyTorch program, even of one that runs on fake tensors.

``torch.distributed._tools.mem_tracker.MemTracker`` was tried first and follows storages in the same
way, but keeps sums by module and not the tensors that make up a peak, knows the optimizer's part
only inside ``Optimizer.step`` (so not the update inside the backward pass) and cannot answer what
the data of a fake tensor would.
"""

import math
import weakref
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import _get_sequence_nr  # type: ignore[attr-defined]
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["UNLABELLED", "Allocation", "MemoryTracker", "tensors_in"]

UNLABELLED = "rest"

_PUT = torch.ops.aten.index_put.default
_GIVEN = "given"  # instead of an operation, for what was made before or elsewhere


@dataclass(slots=True, eq=False)
class Allocation:
    """One storage, with the operation that made it and its purpose."""

    bytes: int
    operation: str  # such as aten.mm.default
    shape: tuple[int, ...]  # of the tensor that it was made for
    dtype: str
    phase: str  # in which it was made
    module: str  # in whose forward pass, or the backward pass of that; empty where none is followed
    backward: bool  # whether it was made outside of any module's forward pass, for its backward one
    category: str
    born: int  # number of the operation that made it
    name: str = ""  # of what it holds, where the program said so
    died: int | None = None  # number of the first operation that ended without it


class MemoryTracker(TorchDispatchMode):
    """Adds up the storages that live, where they are seen: as results of operations.

    Use it as a context, inside that of ``FakeTensorMode`` if there is one. It sees what a kernel
    returns. Of what a GPU's kernel allocates and frees inside it knows two: the product that a
    softmax's backward pass makes, and the matrix of floats that a product with an NF4 matrix does.
    The workspace of a singular value decomposition, for example, is not among them.
    A storage that is resized keeps its first size.

    Attributes:
        phase: Name of what the program is doing; the program sets it.
        current_bytes: Bytes of all storages that live now.
        peak_bytes: The most since :meth:`restart`.
        peak_phase: Phase in which that was.
        peak_source: Operation and module at the end of which that was.
        phase_peaks: The most of each phase, in the order in which phases began.
    """

    def __init__(self, granule: int = 1) -> None:
        """Start with an empty record.

        Args:
            granule: Bytes that the size of a storage is rounded up to a multiple of; CUDA's
                allocator rounds to 512.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._granule = granule
        self._live: dict[int, tuple[Allocation, Any]] = {}  # by address of the C++ storage
        self._history: list[Allocation] = []
        self._operations = 0
        self._peak_operation = 0
        self._phase_operations: dict[str, int] = {}
        self._running: list[str] = []  # modules whose forward pass is under way, the inmost last
        self._modules: dict[int, str] = {}  # by the sequence number of their autograd nodes
        self.phase = "setup"
        self.current_bytes = 0
        self.peak_bytes = 0
        self.peak_phase = self.phase
        self.peak_source = ("", "")
        self.phase_peaks: dict[str, int] = {}

    def restart(self) -> None:
        """Start a new peak from the storages that are alive now."""
        self._history = [allocation for allocation, _ in self._live.values()]
        self._operations += 1  # a moment of its own, at which all of these live
        self._peak_operation = self._operations
        self.peak_bytes, self.peak_phase = self.current_bytes, self.phase
        self.peak_source = ("", "")
        self.phase_peaks, self._phase_operations = {}, {}
        self._modules = {}

    def follow(self, model: nn.Module) -> None:
        """Note from now on which module of a model makes each storage, forward and backward."""
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda *_, name=name: self._running.append(name))
            module.register_forward_hook(lambda *_: self._leave(), always_call=True)

    def _leave(self) -> None:
        self._running.pop()

    def label(self, tensors: Iterable[Tensor], category: str, name: str = "") -> None:
        """Say what tensors are for; those not seen so far begin to count.

        Category and name hold for the whole life of a storage, even for a peak before the call.
        """
        for tensor in tensors:
            allocation = self._see(tensor, _GIVEN, "", self._operations + 1)
            allocation.category, allocation.name = category, name

    def at_peak(self) -> list[Allocation]:
        """Return the storages that lived at the peak, largest first."""
        return sorted(self._alive(self._peak_operation), key=lambda a: -a.bytes)

    def at_phase_peak(self, phase: str) -> list[Allocation]:
        """Return the storages that lived when a phase held most."""
        return self._alive(self._phase_operations[phase])

    @property
    def history(self) -> list[Allocation]:
        """Return all storages that lived at :meth:`restart` or were made since."""
        return self._history

    def _alive(self, moment: int) -> list[Allocation]:
        alive = (a for a in self._history if a.died is None or a.died > moment)
        return [a for a in alive if a.born <= moment]

    def __torch_dispatch__(
        self, func: Any, types: Collection[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
            return self._answer(args[0])
        if func is _PUT and torch._C._current_autograd_node() is not None:
            # the gradient of indexing is put into zeros; that of fake tensors, into a copy of them
            # (torch/csrc/autograd/FunctionsManual.cpp, index_backward)
            func = torch.ops.aten.index_put_.default
        result = func(*args, **(kwargs or {}))
        self._operations += 1
        operation, module = str(func), self._module()
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf, operation, module, self._operations)
        held = self.current_bytes + sum(
            self._workspace(shape, dtype, operation, module)
            for shape, dtype in _made_inside(operation, args, kwargs or {})
        )
        if held > self.phase_peaks.get(self.phase, 0):
            self.phase_peaks[self.phase] = held
            self._phase_operations[self.phase] = self._operations
        if held > self.peak_bytes:
            self.peak_bytes, self.peak_phase = held, self.phase
            self.peak_source = (operation, module)
            self._peak_operation = self._operations
        return result

    def _module(self) -> str:
        """Return the module that the operation under way belongs to.

        Autograd numbers its nodes as they are made, just before the operation itself runs: so the
        module of a forward operation is known again when its node runs backward.
        """
        if self._running:
            # of operations after it that have no node the first one's holds
            self._modules.setdefault(_get_sequence_nr() - 1, self._running[-1])
            return self._running[-1]
        node = torch._C._current_autograd_node()
        return "" if node is None else self._modules.get(node._sequence_nr(), "")

    def _workspace(
        self, shape: tuple[int, ...], dtype: torch.dtype, operation: str, module: str
    ) -> int:
        """Return the bytes of a tensor that a GPU's kernel makes and frees inside an operation."""
        size = -(-math.prod(shape) * dtype.itemsize // self._granule) * self._granule
        inside = Allocation(
            bytes=size, operation=f"inside {operation}", shape=shape,
            dtype=str(dtype).removeprefix("torch."), phase=self.phase, module=module,
            backward=not self._running, category=UNLABELLED, born=self._operations,
            died=self._operations + 1,
        )  # fmt: skip
        self._history.append(inside)
        return size

    def _see(self, tensor: Tensor, operation: str, module: str, born: int) -> Allocation:
        """Return the allocation of a tensor's storage, beginning to count it if it is new."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._live:
            size = -(-storage.nbytes() // self._granule) * self._granule
            allocation = Allocation(
                bytes=size,
                operation=operation,
                shape=tuple(tensor.shape),
                dtype=str(tensor.dtype).removeprefix("torch."),
                phase=self.phase,
                module=module,
                backward=not self._running,
                category=UNLABELLED,
                born=born,
            )
            # torch keeps a storage's Python object, and so this reference, as long as its memory
            reference = weakref.ref(storage, lambda _: self._lose(key))
            self._live[key] = (allocation, reference)
            self._history.append(allocation)
            self.current_bytes += size
        return self._live[key][0]

    def _lose(self, key: int) -> None:
        """Stop counting a storage whose memory is gone."""
        allocation, _ = self._live.pop(key)
        allocation.died = self._operations + 1
        self.current_bytes -= allocation.bytes

    def _answer(self, tensor: Tensor) -> bool | int | float:
        """Return what to take the one element of a fake tensor for.

        So a program goes on as usual: ``all`` is asked whether numbers are finite and answered yes,
        ``any`` whether one is wrong and answered no; a cosine between two subspaces is 1.
        """
        operation = self._see(tensor, _GIVEN, "", self._operations + 1).operation
        if tensor.dtype == torch.bool:
            return not operation.startswith("aten.any")
        return 1.0 if tensor.is_floating_point() else 1


def _made_inside(
    operation: str, args: Any, kwargs: Any
) -> Iterator[tuple[tuple[int, ...], torch.dtype]]:
    """Yield shape and type of what CUDA's kernel of an operation makes inside, and frees.

    The backward pass of a softmax multiplies the gradient by the result first
    (aten/src/ATen/native/cuda/SoftMax.cu, ``softmax_backward_cuda_out``). The product with an NF4
    matrix makes the matrix of floats, and its scales if they are codes (bitsandbytes 0.50.2,
    ``_dequant_linear_fallback``); of up to 1,536 tokens it does without where it knows the GPU to
    be faster so, which is not counted here.
    """
    if operation == "aten._softmax_backward_data.default":
        yield tuple(args[0].shape), args[0].dtype
    if operation == "bitsandbytes.gemm_4bit.default":
        yield tuple(args[2]), args[0].dtype
        codes = args[7] if len(args) > 7 else kwargs.get("absmax_8bit")
        if codes is not None:
            yield tuple(codes.shape), torch.float32


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors that an object holds, directly or in objects of its own."""
    if isinstance(value, Tensor):
        yield value
    elif hasattr(value, "__dict__"):
        for inner in vars(value).values():
            yield from tensors_in(inner)
