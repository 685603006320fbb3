"""DenseGCN that reads motions beside positions, and its form that streams; see :mod:`train.networks.motion_stem`.

Motions alone are added: bones, motions over two frames and a stem of three free frames gained nothing more on training
clips of Penn Action that were held out.
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
