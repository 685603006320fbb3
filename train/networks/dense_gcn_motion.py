"""DenseGCN with motion as additional input, and its streaming form; see :mod:`train.networks.motion_stem`.

Only motion is added: on held-out training clips of Penn Action, bones, motion over two frames and an unconstrained
three-frame stem gained nothing more.
"""

from __future__ import annotations

from train.networks.dense_gcn import DenseGcn
from train.networks.dense_gcn_stream import DenseGcnStream
from train.networks.motion_stem import MotionStem
from train.networks.network import Network

NETWORKS = {
    "dense_gcn_motion": Network(lambda k, layout, m, w: DenseGcn(k, layout, m, w, MotionStem(w)), width=48),
    "dense_gcn_motion_stream": Network(
        lambda k, layout, m, w: DenseGcnStream(k, layout, m, w, MotionStem(w)), width=48
    ),
}
