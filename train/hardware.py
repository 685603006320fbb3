"""Where a training runs: one CPU, one GPU, or many processes on many machines, by the same command."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric

from edge.contract.errors import ConfigError


@dataclass(frozen=True)
class Hardware:
    """What to train on. ``torchrun`` and SLURM are understood as well."""

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where there is one."""
    devices: int = 1
    """Processes on each machine: one for each GPU, or for each share of the CPU."""
    nodes: int = 1
    """Machines."""
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"
    """bf16-mixed: the networks compute in bfloat16; weights, losses and gradients stay in float32. 64-true: double
    precision, to tell an error from rounding."""
    threads: int = 0
    """CPU threads of each process; 0 shares the cores among them."""
    workers: int = 0
    """Processes that prepare batches; 0 prepares them between the steps, which is enough for a CPU."""

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1 or min(self.threads, self.workers) < 0:
            raise ConfigError(
                f"{self.devices} devices on {self.nodes} machines with {self.threads} threads and {self.workers} "
                "workers cannot train",
                hint="give at least one device and one machine, and no negative number",
            )

    @property
    def dtype(self) -> torch.dtype:
        """Of weights, clips, losses and gradients."""
        return torch.float64 if self.precision == "64-true" else torch.float32


def launch(hardware: Hardware) -> Fabric:
    """Start the processes; returns what each of them talks to the others through.

    With more than one device the command is run once for each. Raises ConfigError where there is no such device.
    """
    together = hardware.devices * hardware.nodes > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if hardware.accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "no GPU that PyTorch can use", hint="give --hardware.accelerator cpu, or install PyTorch for your GPU"
        )
    # What it says at the start is in the command line already.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            precision=hardware.precision,
            strategy="ddp" if together else "auto",
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot start on this hardware: {error}", hint="see --hardware.devices") from error
    torch.set_num_threads(hardware.threads or max(1, (os.cpu_count() or 1) // hardware.devices))
    return fabric
