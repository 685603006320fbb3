"""Start a training on one CPU, one GPU, or several processes on several machines."""

from __future__ import annotations

import logging
import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from edge.contract.errors import ConfigError
from train.configuration import Hardware


def on_gpu(hardware: Hardware) -> bool:
    """Whether a training on this hardware uses a GPU."""
    return hardware.accelerator == "cuda" or (hardware.accelerator == "auto" and torch.cuda.is_available())


def launch(hardware: Hardware) -> Fabric:
    """Start the processes and return the Fabric through which they communicate.

    With more than one device the command runs once per device. Raises ConfigError if the hardware is not there.
    """
    distributed = hardware.devices * hardware.nodes > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if hardware.accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "PyTorch finds no GPU", hint="give --hardware.accelerator cpu, or install PyTorch for your GPU"
        )
    # Its start-up messages only repeat the command line.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            precision=hardware.precision,
            strategy="ddp" if distributed else "auto",
        )
        fabric.launch()
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise ConfigError(f"cannot start on this hardware: {error}", hint="see --hardware.devices") from error
    # A resumed training must end with the same weights; cuDNN's non-deterministic algorithms sum in any order.
    torch.backends.cudnn.deterministic = True
    torch.set_num_threads(hardware.threads or max(1, (os.cpu_count() or 1) // hardware.devices))
    return fabric
