"""One run on several processes, as torchrun starts them: who am I, and what do all of us have together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pneumoscope.errors import UsageError
from pneumoscope.models import PooledClassifier

__all__ = ["Processes", "process_group"]


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a run, seen from one of them.

    Attributes:
        rank: of this process; 0 alone writes files.
        count: how many there are.
        device: where this process computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def synchronised(self, network: PooledClassifier) -> PooledClassifier:
        """Let batch normalisation see the whole batch, where torch can: on CUDA.

        On the CPU each process normalises by its own share of the batch, and rank 0's running statistics
        count. Networks without batch normalisation train alike on any number of processes.
        """
        if self.count > 1 and self.device.type == "cuda":
            converted = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return cast(PooledClassifier, converted)
        return network

    def averaging(self, network: nn.Module) -> nn.Module:
        """The same network, whose gradients are averaged over all processes in backward."""
        if self.count == 1:
            return network
        return DistributedDataParallel(
            network, device_ids=[self.device.index] if self.device.type == "cuda" else None
        )

    def total(self, values: Tensor) -> Tensor:
        """Sum over all processes of a tensor of any shape, the same on each; `values` may be overwritten."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def same_buffers(self, network: nn.Module) -> None:
        """Give every process rank 0's buffers: running statistics differ between them on the CPU."""
        if self.count > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def process_group(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started, or be alone.

    Args:
        device: "auto" for a graphics card where there is one, "cpu", or "cuda".

    Raises:
        UsageError: "cuda" where torch finds no graphics card.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch finds no graphics card that it can use; leave it out to train on the CPU"
        )
    if count == 1:
        yield Processes(0, 1, torch.device(device))
        return
    chosen = torch.device(device)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), chosen)
    finally:
        distributed.destroy_process_group()
