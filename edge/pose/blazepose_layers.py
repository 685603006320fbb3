"""Layers added to BlazePose's networks: camera images as input, joints in pixels of the frame as output.

The published networks read floats, and joints have to be refined from heatmaps after them. A network does this work in
a fraction of the time that Python and copies take. The results are the same to rounding.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from edge.contract.errors import EngineError
from edge.engines.tflite_network import TfliteNetwork

POINTS, JOINTS, USED = 39, 33, 35
"""33 joints, the mid-hip and rim of the body's circle, and four unused points of the hands. For each point the network
outputs x and y in pixels of its input, the depth, and the logits of visibility and presence."""

WINDOW = 7
"""Width, in cells of a heatmap, of the window in which a joint is refined. This and the next value are MediaPipe's."""

MIN_CONFIDENCE = 0.5
"""A joint stays where it is unless its heatmap reaches this value in the window."""


def detector_layers(path: Path) -> bytes:
    """The body detector with an input "image" (1, S, S, 3) uint8 BGR.

    Outputs are those of the published one: "points" (1, N, 12), six of x and y for each anchor, and "logits" (1, N, 1).
    Raises EngineError for another network.
    """
    network = TfliteNetwork(path)
    by_width = {network.shape(tensor)[-1]: tensor for tensor in network.outputs}
    if by_width.keys() != {12, 1}:
        raise _wrong_network(path, "body detector")
    network.take_images(2 / 255, -1)
    return network.packed({"points": by_width[12], "logits": by_width[1]})


def landmark_layers(path: Path, min_score: float = 0.0) -> bytes:
    """A landmark network with joints in pixels of the frame.

    Inputs: "image" (1, S, S, 3) uint8 BGR; "axes" (1, 3, 2) float32 of the region that it shows, in pixels of the frame
    (:attr:`Region.axes`). Outputs: "joints" (1, 33, 3), x and y in pixels of the frame and visibility 0..1, 0 where it
    is below ``min_score``; "body" (1, 5), the probability of a body, x and y of the mid-hip, x and y of the rim of the
    body's circle. The body's mask and the joints in metres, a third of the work, are removed.
    Raises EngineError for another network.
    """
    network = TfliteNetwork(path)
    by_shape = {network.shape(tensor): tensor for tensor in network.outputs}
    heatmaps = [tensor for shape, tensor in by_shape.items() if len(shape) == 4 and shape[3] == POINTS]
    if not heatmaps or not {(1, POINTS * 5), (1, 1)} <= by_shape.keys():
        raise _wrong_network(path, "landmark network")
    size = network.shape(network.inputs[0])[1]
    network.take_images(1 / 255)
    layer, number, whole = network.layer, network.constant, partial(network.constant, dtype=np.int32)

    table = layer("RESHAPE", by_shape[1, POINTS * 5], whole([POINTS, 5, 1]), shape=(POINTS, 5, 1))
    pixels = layer("SLICE", table, whole([0, 0, 0]), whole([USED, 2, 1]), shape=(USED, 2, 1))
    points = refine_points(network, layer("MUL", pixels, number(1 / size), shape=(USED, 2, 1)), heatmaps[0])

    axes = network.add_input("axes", (1, 3, 2))
    edges = layer("SLICE", axes, whole([0, 0, 0]), whole([1, 2, 2]), shape=(1, 2, 2))
    corner = layer("SLICE", axes, whole([0, 2, 0]), whole([1, 1, 2]), shape=(1, 1, 2))
    points = layer("RESHAPE", points, whole([1, USED, 2]), shape=(1, USED, 2))
    points = layer("ADD", layer("BATCH_MATMUL", points, edges, shape=(1, USED, 2)), corner, shape=(1, USED, 2))

    one = (1, JOINTS, 1)
    logits = layer("SLICE", table, whole([0, 3, 0]), whole([JOINTS, 1, 1]), shape=(JOINTS, 1, 1))
    scores = layer("LOGISTIC", layer("RESHAPE", logits, whole(one), shape=one), shape=one)
    is_seen = layer("GREATER_EQUAL", scores, number(min_score), shape=one, dtype=np.bool_)
    scores = layer("SELECT_V2", is_seen, scores, number(0), shape=one)
    joints = layer("SLICE", points, whole([0, 0, 0]), whole([1, JOINTS, 2]), shape=(1, JOINTS, 2))
    joints = layer("CONCATENATION", joints, scores, shape=(1, JOINTS, 3), axis=2)

    circle = layer("SLICE", points, whole([0, JOINTS, 0]), whole([1, 2, 2]), shape=(1, 2, 2))
    circle = layer("RESHAPE", circle, whole([1, 4]), shape=(1, 4))
    body = layer("CONCATENATION", by_shape[1, 1], circle, shape=(1, 5), axis=1)
    return network.packed({"joints": joints, "body": body})


def refine_points(network: TfliteNetwork, points: int, heatmaps: int) -> int:
    """Add layers that move points (35, 2, 1), x and y in 0..1, each to the mean of its heatmap in a window around it.

    heatmaps: (1, H, W, 39) logits; cells beyond them do not count. A point that lies outside, or whose window does not
    reach MIN_CONFIDENCE, stays. Returns the new points' tensor.
    Source: MediaPipe's refinement of landmarks from heatmaps.
    """
    layer, number, whole = network.layer, network.constant, partial(network.constant, dtype=np.int32)
    added = partial(layer, "SUM", keepDims=True)
    _, height, width, _ = network.shape(heatmaps)
    # Axes: joint; x and y, or one value for both; cell of the joint's window.
    cells = WINDOW**2
    xy, one, xy_of_cells, one_of_cells = ((USED, 2, 1), (USED, 1, 1), (USED, 2, cells), (USED, 1, cells))

    extent, reach = np.array([[[width], [height]]]), np.arange(WINDOW) - WINDOW // 2
    window = np.stack(np.meshgrid(reach, reach)).reshape(1, 2, cells)
    middle = layer("FLOOR", layer("MUL", points, number(extent), shape=xy), shape=xy)
    around = layer("ADD", middle, number(window), shape=xy_of_cells)
    within = layer("MAXIMUM", around, number(0), shape=xy_of_cells)
    within = layer("MINIMUM", within, number(extent - 1), shape=xy_of_cells)

    steps = layer("MUL", within, number([[[POINTS], [POINTS * width]]]), shape=xy_of_cells)
    place = added(steps, whole([1]), shape=one_of_cells)
    place = layer("ADD", place, number(np.arange(USED).reshape(one)), shape=one_of_cells)
    place = layer("CAST", place, shape=one_of_cells, dtype=np.int32)
    flat = layer("RESHAPE", heatmaps, whole([height * width * POINTS]), shape=[height * width * POINTS])
    confidence = layer("LOGISTIC", layer("GATHER", flat, place, shape=one_of_cells), shape=one_of_cells)

    # 1 within the map, 0 for cells outside.
    away = layer("ABS", layer("SUB", around, within, shape=xy_of_cells), shape=xy_of_cells)
    away = added(away, whole([1]), shape=one_of_cells)
    inside = layer("MAXIMUM", layer("SUB", number(1), away, shape=one_of_cells), number(0), shape=one_of_cells)
    is_inside = layer("SLICE", inside, whole([0, 0, cells // 2]), whole(one), shape=one)
    weights = layer("MUL", layer("MUL", confidence, inside, shape=one_of_cells), is_inside, shape=one_of_cells)

    total = layer("MAXIMUM", added(weights, whole([2]), shape=one), number(1e-9), shape=one)
    sums = added(layer("MUL", within, weights, shape=xy_of_cells), whole([2]), shape=xy)
    mean = layer("DIV", layer("DIV", sums, total, shape=xy), number(extent), shape=xy)
    most = layer("REDUCE_MAX", weights, whole([2]), shape=one, keepDims=True)
    is_sure = layer("GREATER_EQUAL", most, number(MIN_CONFIDENCE), shape=one, dtype=np.bool_)
    return layer("SELECT_V2", is_sure, mean, points, shape=xy)


def _wrong_network(path: Path, expected: str) -> EngineError:
    return EngineError(f"not a BlazePose {expected}: its outputs have other shapes", where=path)
