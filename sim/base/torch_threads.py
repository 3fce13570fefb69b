"""Runs PyTorch on one thread where its results have to be the same on every machine."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_torch_thread"]


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread inside the ``with`` block, and on as many as before after.

    Several threads add floating-point numbers in an order that follows the machine's processors,
    so that sums differ in their last bits between machines.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
