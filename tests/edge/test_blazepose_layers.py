"""BlazePose's networks with added layers, against slow references and the published files."""

from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tflite_by_hand import without_layers

from edge.contract.errors import EngineError
from edge.engines.registry import open_engine
from edge.engines.tflite_network import TfliteNetwork
from edge.pose.blazepose_layers import JOINTS, POINTS, USED, detector_layers, landmark_layers, refine_points
from edge.pose.region import Region

SIZE, MIN_SCORE = 256, 0.5


def reference_refined(points, heatmaps):
    """MediaPipe's refinement, point by point. points: (K, 2) in 0..1. heatmaps: (H, W, >=K) logits."""
    height, width, _ = heatmaps.shape
    moved = points.astype(float)
    for k, (x, y) in enumerate(points):
        if not (0 <= x < 1 and 0 <= y < 1):
            continue
        cells = [
            (row, column, 1 / (1 + np.exp(-float(heatmaps[row, column, k]))))
            for row in range(max(int(y * height) - 3, 0), min(int(y * height) + 4, height))
            for column in range(max(int(x * width) - 3, 0), min(int(x * width) + 4, width))
        ]
        total = sum(w for _, _, w in cells)
        if max(w for _, _, w in cells) >= 0.5:
            moved[k] = sum(c * w for _, c, w in cells) / total / width, sum(r * w for r, _, w in cells) / total / height
    return moved


@pytest.fixture(scope="module")
def refinement(tmp_path_factory):
    """The layers alone, on heatmaps of 16 rows and 20 columns: points (35, 2) and heatmaps in, points out."""
    path = without_layers(tmp_path_factory.mktemp("layers") / "none.tflite", (USED, 2, 1), (1, 16, 20, POINTS))

    def layers(path):
        network = TfliteNetwork(path)
        return network.packed({"refined": refine_points(network, *network.inputs)})

    engine = open_engine(path, threads=1, rewrite=layers)
    points, heatmaps = (spec.name for spec in engine.inputs)
    return lambda given, logits: engine.run({points: given[..., None], heatmaps: logits[None]})["refined"][..., 0]


# As parts of the image, up to a quarter beyond it.
parts = arrays(np.int16, (USED, 2), elements=st.integers(-512, 2560)).map(lambda n: n.astype(np.float32) / 2048)


@given(parts, st.integers(0, 2**32 - 1))
def test_points_move_to_the_mean_of_their_heatmap_in_the_window(refinement, points, seed):
    heatmaps = np.random.default_rng(seed).normal(-1, 1.5, (16, 20, POINTS)).astype(np.float32)
    np.testing.assert_allclose(refinement(points, heatmaps), reference_refined(points, heatmaps), atol=1e-5)


@pytest.mark.parametrize("peak", [0.45, 0.55])
def test_a_point_stays_if_its_heatmap_is_below_the_threshold_in_the_window(refinement, peak):
    points, heatmaps = np.full((USED, 2), 0.5, np.float32), np.full((16, 20, POINTS), -30, np.float32)
    heatmaps[9, 12] = np.log(peak / (1 - peak))
    x, y = (0.5, 0.5) if peak < 0.5 else (12 / 20, 9 / 16)
    np.testing.assert_allclose(refinement(points, heatmaps), [[x, y]] * USED, atol=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_pass_through_the_layers(refinement, broken):
    points, heatmaps = np.full((USED, 2), 0.5, np.float32), np.full((16, 20, POINTS), 1, np.float32)
    points[7, 0] = broken
    found = refinement(points, heatmaps)
    assert not np.isfinite(found[7, 0])
    assert np.isfinite(np.delete(found, 7, axis=0)).all()


@pytest.fixture(scope="module")
def shown(shared_data):
    """(256, 256, 3) squares of real images with whole people, halves of them and none."""
    squares = []
    for clip, indices in (("streamposeml_example.webm", (0, 150)), ("felixchenfy_exercise.avi", (20,))):
        video = cv2.VideoCapture(str(shared_data / "media" / clip))
        images = [video.read()[1] for _ in range(max(indices) + 1)]
        for n in indices:
            side = min(images[n].shape[:2])
            for left in (0, (images[n].shape[1] - side) // 2, images[n].shape[1] - side):
                squares.append(cv2.resize(images[n][:side, left : left + side], (SIZE, SIZE)))
    return squares


def as_published(image, scale, offset):
    """What the file reads: red-green-blue floats."""
    return (image[None, :, :, ::-1] * np.float32(scale) + np.float32(offset)).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "runtime"), [("lite", "auto"), ("full", "auto"), ("heavy", "auto"), ("lite", "openvino")]
)
def test_joints_in_real_images_equal_the_published_network_with_reference_refinement(shared_data, shown, size, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'skd-edge[openvino]'")
    path = shared_data / "models" / f"blazepose_{size}.tflite"
    published = open_engine(path, threads=1, runtime=runtime)
    ours = open_engine(path, threads=1, runtime=runtime, rewrite=partial(landmark_layers, min_score=MIN_SCORE))
    assert [(s.shape, s.dtype) for s in ours.inputs] == [((1, SIZE, SIZE, 3), np.uint8), ((1, 3, 2), np.float32)]
    region = Region(700, 400, SIZE, 0.6)  # one pixel of the region is one pixel of the image
    for image in shown:
        outputs = published.run({published.inputs[0].name: as_published(image, 1 / 255, 0)}).values()
        by_shape = {array.shape: array for array in outputs}
        table, heatmaps = by_shape[1, POINTS * 5].reshape(POINTS, 5)[:USED], by_shape[1, 64, 64, POINTS][0]
        axes = np.array(region.axes, np.float32).reshape(1, 3, 2)
        found = ours.run({"image": image[None], "axes": axes})
        points = region.to_image(reference_refined(table[:, :2] / SIZE, heatmaps))
        pixels = np.abs(np.concatenate([found["joints"][0, :, :2], found["body"][0, 1:].reshape(2, 2)]) - points)
        # Where nobody is, points lie between cells of a map that is sure of nothing.
        assert pixels.max() < (1e-3 if by_shape[1, 1] > 0.5 else 1e-2)
        scores = 1 / (1 + np.exp(-table[:JOINTS, 3]))
        np.testing.assert_allclose(found["joints"][0, :, 2], np.where(scores >= MIN_SCORE, scores, 0), atol=1e-4)
        np.testing.assert_allclose(found["body"][0, :1], by_shape[1, 1][0], atol=1e-4)


def test_the_detector_equals_the_published_network(blazepose_files, shown):
    path, _ = blazepose_files
    published, ours = open_engine(path, threads=1), open_engine(path, threads=1, rewrite=detector_layers)
    for image in shown:
        image = cv2.resize(image, (224, 224))
        given = as_published(image, 2 / 255, -1)
        expected = {array.shape: array for array in published.run({published.inputs[0].name: given}).values()}
        for array in ours.run({"image": image[None]}).values():
            wanted = expected[array.shape]
            np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_another_network_is_refused_in_one_line(blazepose_files, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'skd-edge[openvino]'")
    detector, landmarks = blazepose_files
    with pytest.raises(EngineError, match=r"blazepose_detector\.tflite: not a BlazePose landmark network: its outputs"):
        open_engine(detector, runtime=runtime, rewrite=landmark_layers)
    with pytest.raises(EngineError, match=r"blazepose_full\.tflite: not a BlazePose body detector: its outputs"):
        open_engine(landmarks, runtime=runtime, rewrite=detector_layers)
