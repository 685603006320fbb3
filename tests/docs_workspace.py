"""The files that commands in README and docs use, in small: videos, networks, datasets, clips; and a fake camera."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import cv2
import networks
import numpy as np
import onnx
import onnxruntime
import torch
from documented import ROOT
from onnx import TensorProto, helper

from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.layouts import layout
from train.data.generated.kinematic import make_kinematic
from train.data.readers.penn_action import CLASSES as PENN_CLASSES
from train.data.readers.ui_prmd import MOVEMENTS
from train.networks.trt_pose import trt_pose_network

SIZE = (640, 360)
CAMERA_FPS = 25.0
CHANNELS = 16
"""Of the pose network's upsampling layers, which have 256."""
KINDS = {TensorProto.FLOAT: "FLOAT", TensorProto.UINT8: "UINT8", TensorProto.INT64: "INT64"}


def walking_people(clip: Path) -> list[np.ndarray]:
    """Images of two people from the demo's video."""
    capture = cv2.VideoCapture(str(clip))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 90)
    images = [cv2.resize(capture.read()[1], SIZE, interpolation=cv2.INTER_AREA) for _ in range(48)]
    capture.release()
    return images


def fill(folder: Path, images: Sequence[np.ndarray]) -> None:
    """Create every file that the commands use, under the names used there."""
    for name in ("bundles", "configs"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "bundle").symlink_to("bundles/everyday")
    for name in ("clip.mp4", "street.mp4", "another.mp4", "recordings/street.mp4"):
        _film(folder / name, images)
    for label in ("walk", "stand"):
        for number, start in enumerate((0, 16)):
            _film(folder / "videos" / label / f"0{number}.mp4", images[start : start + 16])
    (folder / "runs").mkdir()
    bundle = read_bundle(folder / "bundle")
    clips, logits = (bundle.reference()[name][:8] for name in ("clips", "logits"))
    for name in ("test.npz", "calibration.npz"):
        np.savez(folder / "runs" / name, clips=clips, labels=logits.argmax(1))
    np.savez(folder / "bundle/reference.npz", clips=clips, logits=logits)
    write_manifest(folder / "bundle", bundle.manifest)
    torch.manual_seed(0)
    with patch("train.networks.trt_pose.UPSAMPLED", CHANNELS):
        torch.save(trt_pose_network().state_dict(), folder / "resnet18.pth")
    _one_pose(folder / "movenet.onnx")
    _datasets(folder / "data")


def _film(path: Path, images: Sequence[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), CAMERA_FPS, SIZE)
    for image in images:
        writer.write(image)
    writer.release()


def _one_pose(path: Path) -> None:
    """A pose network that finds the same standing person in every image."""
    joints = np.linspace(0.2, 0.8, 17)
    body = np.stack([joints, np.where(np.arange(17) % 2, 0.45, 0.55), np.full(17, 0.9)], 1).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["none"]),
        helper.make_node("Add", ["none", "body"], ["joints"]),
    ]
    weights = {"zero": np.zeros((), np.float32), "body": body[None, None]}
    networks.save(path, nodes, weights, (("image", [1, 48, 48, 3]), ("joints", [1, 1, 17, 3])))


def _datasets(folder: Path) -> None:
    """Penn Action, UTD-MHAD and UI-PRMD as packed files of generated clips: two per class, one of them for testing."""
    folder.mkdir()
    made = [clip.joints[0, :40] for clip in make_kinematic(6, seed=0).clips]
    clips = [made[n % len(made)] for n in range(2 * 27)]
    meta = [(1 + n // 2, 1 + n % 2, 1) for n in range(len(clips))]
    np.savez(folder / "utd_mhad.npz", xyz=np.concatenate(clips), length=[len(c) for c in clips], meta=meta)
    joints = list(layout("kinect-20").index(*layout("penn-13").joints))
    clips = [clip[:, joints, :2] * (100, -100) + (320, 240) for clip in clips[: 2 * len(PENN_CLASSES)]]
    np.savez(
        folder / "penn_action.npz",
        xy=np.concatenate(clips).astype(np.float32),
        vis=np.ones((sum(map(len, clips)), 13), np.uint8),
        length=[len(clip) for clip in clips],
        label=[n // 2 for n in range(len(clips))],
        train=[n % 2 == 0 for n in range(len(clips))],
        classes=PENN_CLASSES,
    )
    exercises = [clip[:32] for clip in made[: 2 * len(MOVEMENTS)]]
    np.savez(
        folder / "ui_prmd.npz",
        vicon_mm=np.stack([_in_mm(clip, "vicon-39") for clip in exercises]),
        kinect_mm=np.stack([_in_mm(clip, "kinect-22") for clip in exercises]),
        length=[60] * len(exercises),
        meta=[(1 + n // 2, 1 + n % 2, 1, 0) for n in range(len(exercises))],
    )


def _in_mm(joints: np.ndarray, name: str) -> np.ndarray:
    """Convert a kinect-20 body (S, 20, 3) in metres to another layout; joints it lacks are put at the spine."""
    source = layout("kinect-20")
    taken = [source.joints.index(joint if joint in source.joints else "spine") for joint in layout(name).joints]
    return np.round(1000 * joints[:, taken]).astype(np.int16)


class Camera:
    """Fake ``cv2.VideoCapture`` of a camera that shows these people walking, without end."""

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self._images, self._start, self._given = images, time.monotonic(), 0

    def read(self) -> tuple[bool, np.ndarray]:
        self._given += 1
        time.sleep(max(0.0, self._start + self._given / CAMERA_FPS - time.monotonic()))
        return True, self._images[self._given % len(self._images)].copy()

    def get(self, what: int) -> float:
        return CAMERA_FPS if what == cv2.CAP_PROP_FPS else 0.0

    def set(self, what: int, value: float) -> bool:
        return True

    def release(self) -> None:
        pass


def camera_or_file(images: Sequence[np.ndarray]) -> Callable[..., object]:
    """Replacement for ``cv2.VideoCapture``: opens files; a device, URL or pipeline is the fake camera."""
    opened = cv2.VideoCapture
    return lambda *what: Camera(images) if what and not Path(str(what[0])).is_file() else opened(*what)


def engine_of(path: Path) -> dict[str, object]:
    """Options for :func:`conftest.board` so that its engine computes what this ONNX file does."""
    graph, session = onnx.load(path).graph, onnxruntime.InferenceSession(path)
    names = [i.name for i in session.get_inputs()]
    return {
        "inputs": {i.name: tuple(n if isinstance(n, int) else -1 for n in i.shape) for i in session.get_inputs()},
        "outputs": tuple(o.name for o in session.get_outputs()),
        "kinds": {v.name: KINDS[v.type.tensor_type.elem_type] for v in (*graph.input, *graph.output)},
        "compute": lambda flags, *given: tuple(session.run(None, dict(zip(names, given, strict=True)))),
        "dla_cores": 2,
    }
