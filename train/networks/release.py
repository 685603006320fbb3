"""Load weights of the public releases of Shift-GCN.

Supported are state dicts of kchengiva/Shift-GCN (CVPR 2020) and of xiaochehe/SKD (structural knowledge distillation,
IEEE TIP 2021). Teacher and student of the latter both have the inter-body unit and are ``shift_gcn_student`` here; its
training-only adapter (``adaption``) is ignored. The weights expect NTU clips preprocessed as in their release: those of
Shift-GCN have 300 frames, the spine at the origin, and spine and shoulders rotated to the axes; those of SKD have 100
frames, as the sensor sees them. On other clips they only initialise a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from edge.contract.errors import ConfigError, DataError
from train.networks.shift_gcn import ShiftGcn
from train.torch_file import load_published_weights, read_published_weights

ADAPTER, HINT = "adaption.", "give a release's .pt file as --weights"
UNLEARNED = 1e-6
"""Largest xpos that counts as zero; the releases initialise it within 1e-8 and never train it."""

_FIRST, _MASK, _FC, _ENTRANCE = "l1.gcn1.Linear_weight", "l1.gcn1.Feature_Mask", "fc.weight", "data_bn.weight"
_HINTS = {
    "joints": "give --data.pairs.layout a layout with as many joints",
    "classes": "train on the classes that the weights were trained for",
    "bodies": "train on clips with as many bodies",
    "channels in the first unit": "give --width",
    "coordinates": "networks take three: x, y and how far a joint was seen",
    "inter-body units": "shift_gcn_teacher has none, shift_gcn_student has ten: give --network",
}


def load_release(network: nn.Module, path: Path) -> None:
    """Load a release's checkpoint into a Shift-GCN of the same joints, classes, bodies and width.

    Raises DataError if the file is no such checkpoint, if entries are missing, unknown or not finite, or if it shifts
    joints by another permutation; ConfigError if its network has other sizes.
    """
    if not isinstance(network, ShiftGcn):
        raise ConfigError("weights of a Shift-GCN release fit only shift_gcn_teacher and shift_gcn_student", where=path)
    given = read_published_weights(path, ADAPTER, HINT)
    for name, axes in ((_FIRST, 2), (_MASK, 3), (_FC, 2), (_ENTRANCE, 1)):
        if name not in given or given[name].dim() != axes:
            raise DataError(f"not a checkpoint of Shift-GCN: it has no {name} of {axes} axes", where=path)
    own = _sizes(network.state_dict())
    for what, count in _sizes(given).items():
        if count != own[what]:
            raise ConfigError(
                f"the weights are for a network with {count} {what}, this one has {own[what]}",
                where=path,
                hint=_HINTS[what],
            )
    shifts = {name: value.clone() for name, value in network.named_buffers() if ".gcn1.shift_" in name}
    load_published_weights(network, given, path, HINT)
    for name, value in shifts.items():
        if not torch.equal(network.get_buffer(name), value):
            raise DataError(f"{name} is another permutation of joints", where=path)
    for name, value in given.items():
        if not torch.isfinite(value).all():
            raise DataError(f"{name} is not finite", where=path)
        if name.endswith(".xpos") and float(value.abs().max()) > UNLEARNED:
            raise DataError(f"{name} shifts over joints by up to {float(value.abs().max()):g}, not by 0", where=path)


def _sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    coordinates, width = state[_FIRST].shape
    joints = state[_MASK].shape[1]
    return {
        "coordinates": coordinates,
        "inter-body units": sum(name.endswith("graphsage.linear.weight") for name in state),
        "joints": joints,
        "bodies": state[_ENTRANCE].shape[0] // (coordinates * joints),
        "classes": state[_FC].shape[0],
        "channels in the first unit": width,
    }
