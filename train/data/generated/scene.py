"""Synthetic scenes of several people and a moving camera, with exact ground truth.

They cover what single clips cannot: people who occlude each other or leave the image, and a camera that pans and zooms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32
from train.data.clip import SkeletonClip
from train.data.generated.body import LAYOUT, Array, random_body
from train.data.generated.kinematic import CLASSES, FPS, perform
from train.data.generated.motions import MOTIONS

WIDTH_PX, HEIGHT_PX = 1280, 720
CAMERA_HEIGHT_M = 1.6
NEAREST_M = 0.5


@dataclass(frozen=True)
class Scene:
    """P people over S frames, in layout kinect-20.

    actions: of each person. truth: (P, S, 20, 3), x and y in pixels of a 1280 x 720 image and 1 for joints that are in
    the image and not occluded by another body, else (0, 0, 0).
    """

    actions: tuple[str, ...]
    truth: Float32 = field(repr=False)


def make_scene(people: int, duration_s: float, seed: int) -> Scene:
    """Generate people who each perform one action throughout, 3.5 to 8 m from a camera that pans and zooms."""
    rng = np.random.default_rng(seed)
    frames = max(1, round(duration_s * FPS))
    actions = tuple(str(rng.choice(CLASSES)) for _ in range(people))
    world = np.stack([_place_person(action, frames, (i + 0.5) / people, rng) for i, action in enumerate(actions)])
    pixels, depth_m = _project(world, np.arange(frames) / FPS, rng)

    inside = ((pixels >= 0) & (pixels < (WIDTH_PX, HEIGHT_PX))).all(axis=-1) & (depth_m > NEAREST_M)
    seen = inside & ~_occluded(pixels, depth_m)
    truth = np.where(seen[..., None], np.concatenate([pixels, np.ones((*seen.shape, 1))], axis=-1), 0)
    return Scene(actions, truth.astype(np.float32))


def scene_clips(scenes: int) -> Iterator[SkeletonClip]:
    """2-D recordings, layout kinect-20, of all people in ``scenes`` scenes of three people and 3 s.

    People who are occluded or outside the image for half of their joints or more are left out. Every third scene is for
    testing.
    """
    for number in range(scenes):
        scene = make_scene(3, 3.0, seed=number)
        for person, action in enumerate(scene.actions):
            truth = scene.truth[person][None]
            joints, seen = np.ascontiguousarray(truth[..., :2]), truth[..., 2] > 0
            if seen.mean() > 0.5:
                name = f"kinematic-scene-{number:04d}-p{person}"
                yield SkeletonClip(name, CLASSES.index(action), joints, seen, FPS, train=number % 3 != 2)


def _place_person(action: str, frames: int, across: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A performance (S, 20, 3) with its mean position in the camera's view, at ``across`` 0..1 of the width."""
    body = perform(MOTIONS[action], random_body(rng), frames, rng)
    z = rng.uniform(3.5, 8)
    path = body[:, LAYOUT.joints.index("hip_centre")].mean(axis=0)
    return body + np.array([(across - 0.5) * 0.9 * z - path[0], 0, z - path[2]], np.float32)


def _project(world: NDArray[np.float32], times_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """World (P, S, V, 3) in metres -> pixels (P, S, V, 2) and depth (P, S, V), with random tilt, pan and zoom."""
    tilt = np.radians(rng.uniform(2, 8))
    pan = np.radians(rng.uniform(4, 12)) * np.sin(2 * np.pi * rng.uniform(0.05, 0.15) * times_s + rng.uniform(0, 6))
    zoom = 1 + rng.uniform(0, 0.25) * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * times_s + rng.uniform(0, 6))
    pan, focal_px = pan[:, None], (WIDTH_PX * 0.9 * zoom)[:, None]

    x, y, z = np.moveaxis(world, -1, 0)
    y = y - CAMERA_HEIGHT_M
    x, z = np.cos(pan) * x - np.sin(pan) * z, np.sin(pan) * x + np.cos(pan) * z
    y, z = np.cos(tilt) * y + np.sin(tilt) * z, np.cos(tilt) * z - np.sin(tilt) * y
    depth_m = np.maximum(z, NEAREST_M)
    image = np.stack([WIDTH_PX / 2 + focal_px * x / depth_m, HEIGHT_PX / 2 - focal_px * y / depth_m], axis=-1)
    return image, depth_m


def _occluded(pixels: Array, depth_m: Array) -> NDArray[np.bool_]:
    """Whether joints (P, S, V) are behind the bounding box of a nearer person's trunk."""
    corners = pixels[:, :, list(LAYOUT.index("left_shoulder", "right_shoulder", "left_hip", "right_hip"))]
    low, high = corners.min(axis=2)[:, :, None], corners.max(axis=2)[:, :, None]
    occluded = np.zeros(depth_m.shape, bool)
    for near in range(len(pixels)):
        behind = depth_m.mean(axis=2) > depth_m[near].mean(axis=1)
        within = ((pixels >= low[near]) & (pixels <= high[near])).all(axis=-1)
        occluded |= within & behind[..., None]
    return occluded
