"""trt_pose's networks: published names, sizes and counts, since the weights cannot be downloaded here."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper
from scipy.ndimage import maximum_filter

from edge.cli.command_line import run_command_line
from edge.contract.errors import ConfigError, DataError
from edge.pose.heatmap_peaks import find_peaks
from train.__main__ import COMMANDS
from train.export.configuration import PoseExportConfig
from train.export.pose import export_pose
from train.networks.trt_pose import DEVIATION, MEAN, BackboneName, trt_pose_network

# PyTorch 2.13's exporter calls a deprecated function of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


def published(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """A state dict as trt_pose saves it, with ImageNet's classifier."""
    torch.manual_seed(1)
    state = trt_pose_network().state_dict()
    state["0.resnet.fc.weight"], state["0.resnet.fc.bias"] = torch.zeros(1000, 512), torch.zeros(1000)
    return {**state, **changes}


def test_the_network_has_the_published_number_of_parameters() -> None:
    # ResNet-18 without classifier 11,176,512; two heads of 4x4 transposed convolutions 512-256-256-256 with
    # bias and BatchNorm, 3x3 attention, and 1x1 convolutions to 18 and 42 channels.
    up = (512 + 256 + 256) * 256 * 16 + 3 * 256 + 3 * 2 * 256
    attention = 256 * 256 * 9 + 256
    heads = 2 * (up + attention) + (256 + 1) * (18 + 42)
    assert sum(p.numel() for p in trt_pose_network().parameters()) == 11_176_512 + heads


@cache
def shapes(backbone: BackboneName) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in trt_pose_network(backbone).state_dict().items()}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("0.resnet.conv1.weight", (64, 3, 7, 7)),
        ("0.resnet.bn1.running_mean", (64,)),
        ("0.resnet.layer1.0.conv1.weight", (64, 64, 3, 3)),
        ("0.resnet.layer2.0.downsample.0.weight", (128, 64, 1, 1)),
        ("0.resnet.layer2.0.downsample.1.running_var", (128,)),
        ("0.resnet.layer4.1.bn2.num_batches_tracked", ()),
        ("1.cmap_up.0.weight", (512, 256, 4, 4)),
        ("1.cmap_up.3.bias", (256,)),
        ("1.paf_up.7.running_mean", (256,)),
        ("1.cmap_att.weight", (256, 256, 3, 3)),
        ("1.paf_att.bias", (256,)),
        ("1.cmap_conv.weight", (18, 256, 1, 1)),
        ("1.paf_conv.bias", (42,)),
    ],
)
def test_parameters_have_their_published_names(name: str, shape: tuple[int, ...]) -> None:
    assert shapes("resnet18")[name] == shape


def dense(features: int, layers: int) -> int:
    """Parameters of a dense block by the paper's table: growth 32, bottleneck 128, BatchNorm before each."""
    widths = [features + 32 * i for i in range(layers)]
    return sum(2 * w + w * 128 + 2 * 128 + 128 * 9 * 32 for w in widths)


def test_densenet_has_the_published_number_of_parameters() -> None:
    # torchvision states 7,978,856 with ImageNet's classifier (1024 * 1000 + 1000).
    transitions = sum(2 * w + w * w // 2 for w in (256, 512, 1024))
    by_hand = 3 * 64 * 49 + 2 * 64 + dense(64, 6) + dense(128, 12) + dense(256, 24) + dense(512, 16)
    assert by_hand + transitions + 2 * 1024 == 7_978_856 - 1_025_000
    assert sum(p.numel() for p in trt_pose_network("densenet121")[0].parameters()) == 7_978_856 - 1_025_000


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("0.densenet.features.conv0.weight", (64, 3, 7, 7)),
        ("0.densenet.features.norm0.running_var", (64,)),
        ("0.densenet.features.denseblock1.denselayer1.norm1.weight", (64,)),
        ("0.densenet.features.denseblock3.denselayer24.conv1.weight", (128, 992, 1, 1)),
        ("0.densenet.features.denseblock4.denselayer16.conv2.weight", (32, 128, 3, 3)),
        ("0.densenet.features.transition2.norm.running_mean", (512,)),
        ("0.densenet.features.transition3.conv.weight", (512, 1024, 1, 1)),
        ("0.densenet.features.norm5.bias", (1024,)),
        ("1.cmap_up.0.weight", (1024, 256, 4, 4)),
        ("1.paf_conv.bias", (42,)),
    ],
)
def test_densenet_parameters_have_their_published_names(name: str, shape: tuple[int, ...]) -> None:
    assert shapes("densenet121")[name] == shape


def test_densenet_loads_weights_with_a_classifier_and_exports(tmp_path: Path) -> None:
    weights, out = tmp_path / "weights.pth", tmp_path / "pose.onnx"
    state = trt_pose_network("densenet121").state_dict()
    state |= {"0.densenet.classifier.weight": torch.zeros(1000, 1024), "0.densenet.classifier.bias": torch.zeros(1000)}
    torch.save(state, weights)
    command = ["pose", "--backbone", "densenet121", "--weights", str(weights), "--out", str(out)]
    # The command compares it with PyTorch.
    run_command_line("train", "", COMMANDS, command)
    session = ort.InferenceSession(str(out))
    assert session.get_inputs()[0].shape == [1, 256, 256, 3], "the size that it was trained with"
    assert [o.shape for o in session.get_outputs()] == [[1, 18, 64, 64], [1, 42, 64, 64], [1, 18, 64, 64]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Weights of a ResNet-18, and their ONNX file."""
    folder = tmp_path_factory.mktemp("resnet18")
    weights, out = folder / "weights.pth", folder / "pose.onnx"
    torch.save(published(), weights)
    export_pose(PoseExportConfig(out, weights))
    return weights, out


def test_the_onnx_takes_camera_pixels_and_agrees_with_pytorch(exported: tuple[Path, Path]) -> None:
    weights, out = exported
    bgr = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    session = ort.InferenceSession(str(out))
    assert (session.get_inputs()[0].name, session.get_inputs()[0].type) == ("image", "tensor(uint8)")
    cmap, paf, peaks = session.run(["cmap", "paf", "peaks"], {"image": bgr})
    assert (cmap.shape, paf.shape, peaks.shape) == ((1, 18, 56, 56), (1, 42, 56, 56), (1, 18, 56, 56))
    rgb = torch.from_numpy(bgr[..., ::-1].copy())
    picture = rgb.permute(0, 3, 1, 2).float() / 255
    picture = (picture - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    with torch.inference_mode():
        wanted = trt_pose_network("resnet18", weights).eval()(picture)
    np.testing.assert_allclose(cmap, wanted[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(paf, wanted[1].numpy(), atol=1e-4)
    largest = maximum_filter(cmap, size=(1, 1, 5, 5), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(peaks, np.where(cmap >= np.float32(1 - 2**-9) * largest, cmap, 0))
    assert (peaks[(cmap == largest) & (cmap > 0)] > 0).all()
    assert 0 < np.count_nonzero(peaks) < peaks.size / 10
    assert [o.version for o in onnx.load(out).opset_import if o.domain == ""] == [17]
    # jetson-inference ships the same network as ONNX: 83,063,243 bytes.
    assert out.stat().st_size == pytest.approx(83_063_243, rel=1e-3)


def test_peaks_are_found_if_an_engine_pools_in_fp16_and_compares_in_fp32(
    exported: tuple[Path, Path],
) -> None:
    model = onnx.load(exported[1])
    (pool,) = [node for node in model.graph.node if node.op_type == "MaxPool" and "cmap" in node.input]
    place = list(model.graph.node).index(pool)
    pool.input[0] = "rounded"
    for name, source, kind in (("rounded", "half", TensorProto.FLOAT), ("half", "cmap", TensorProto.FLOAT16)):
        model.graph.node.insert(place, helper.make_node("Cast", [source], [name], to=kind))
    session = ort.InferenceSession(model.SerializeToString())
    bgr = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    cmap, peaks = (array[0] for array in session.run(["cmap", "peaks"], {"image": bgr}))
    largest = maximum_filter(cmap, size=(1, 5, 5), mode="constant", cval=-np.inf)
    rounded = maximum_filter(cmap.astype(np.float16).astype(np.float32), size=(1, 5, 5), mode="constant")
    own, tolerant, asked_for_equality = (
        find_peaks(cmap, threshold=1e-3, max_per_map=cmap[0].size, maxima=maxima)
        for maxima in (None, peaks, np.where(cmap == rounded, cmap, 0))
    )
    assert len(own.value) == np.count_nonzero((cmap == largest) & (cmap > 1e-3)) > 100
    np.testing.assert_array_equal(tolerant.xy, own.xy)
    assert len(asked_for_equality.value) < len(own.value) / 10


def test_tensorrt_takes_bytes_and_peaks(exported: tuple[Path, Path]) -> None:
    # It cannot transpose uint8, for example.
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse(exported[1].read_bytes())
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    assert network.get_input(0).dtype == trt.DataType.UINT8
    assert [network.get_output(i).dtype for i in range(network.num_outputs)] == [trt.DataType.FLOAT] * 3


def test_a_wrong_export_is_detected_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.export.pose.MEAN", (0.9, 0.1, 0.5))
    right = torch.tensor(MEAN).view(3, 1, 1)
    monkeypatch.setattr(
        "train.export.pose._FromPixels.forward",
        lambda self, x: (*self.network(x.permute(0, 3, 1, 2).float() / 255 - right), torch.zeros(1, 18, 8, 8)),
    )
    with pytest.raises(DataError, match=r"cmap differs from PyTorch by"):
        export_pose(PoseExportConfig(tmp_path / "pose.onnx", size=32))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ({"1.cmap_conv.weight": torch.zeros(17, 256, 1, 1)}, "weights: size mismatch for 1.cmap_conv.weight"),
        ({"1.extra": torch.zeros(1)}, "Unexpected key.+1.extra"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, state: dict[str, torch.Tensor], what: str) -> None:
    torch.save(published(**state), tmp_path / "other.pth")
    with pytest.raises(DataError, match=what):
        trt_pose_network("resnet18", tmp_path / "other.pth")


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"1.cmap_conv.bias": torch.zeros(18)}, tmp_path / "few.pth")
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({7: torch.zeros(18), "epoch": 249}, tmp_path / "training.pth")
    for name, what in (
        ("few", "another network's weights: Missing key"),
        ("text", "cannot be read"),
        ("empty", "cannot be read"),
        ("list", "contains a list, not a state dict"),
        ("training", "entry epoch is not a tensor"),
    ):
        with pytest.raises(DataError, match=what):
            trt_pose_network("resnet18", tmp_path / f"{name}.pth")
    with pytest.raises(DataError, match="the file is missing"):
        trt_pose_network("resnet18", tmp_path / "absent.pth")


@pytest.mark.parametrize("size", [200, -32])
def test_an_impossible_input_size_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        export_pose(PoseExportConfig(tmp_path / "pose.onnx", size=size))
