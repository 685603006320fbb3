"""Where a training runs: one CPU, one GPU, or many processes on many machines, by the same command."""

from __future__ import annotations

import logging
import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from edge.contract.errors import ConfigError
from train.configuration import Hardware


def on_gpu(hardware: Hardware) -> bool:
    """Whether a training on this hardware takes a GPU."""
    return hardware.accelerator == "cuda" or (hardware.accelerator == "auto" and torch.cuda.is_available())


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
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise ConfigError(f"cannot start on this hardware: {error}", hint="see --hardware.devices") from error
    # A resumed training ends with the weights of one that never stopped; cuDNN's other convolutions add in any order.
    torch.backends.cudnn.deterministic = True
    torch.set_num_threads(hardware.threads or max(1, (os.cpu_count() or 1) // hardware.devices))
    return fabric
