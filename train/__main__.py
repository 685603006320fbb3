"""``python -m train``: the training commands."""

from __future__ import annotations

if __name__ == "__main__":
    from edge.cli.sigint import exit_silently_on_sigint

    exit_silently_on_sigint()

from edge.cli.command_line import Command, importing_commands, lazy, run_command_line

with importing_commands("train"):
    from train.configuration import AblationConfig, StudentConfig, TeacherConfig
    from train.error_fit.configuration import FitErrorsConfig
    from train.export.configuration import ExportConfig, PoseExportConfig, StreamExportConfig
    from train.quantise_aware.configuration import PoseFineTuningConfig, QuantiseAwareConfig
    from train.video_pairs.command import PairsConfig, make_pairs


COMMANDS = {
    "pairs": Command(
        PairsConfig,
        make_pairs,
        (
            "python -m train pairs --videos VIDEOS --out runs/pairs",
            "python -m train pairs --videos VIDEOS --out runs/pairs --high.network blazepose_heavy.tflite "
            "--low.name trt_pose --low.network pose.onnx",
        ),
    ),
    "fit-errors": Command(
        FitErrorsConfig,
        lazy("train.error_fit.command", "fit"),
        ("python -m train fit-errors --pairs runs/pairs --out runs/errors.yaml --layout penn-13",),
    ),
    "teacher": Command(
        TeacherConfig,
        lazy("train.teach", "train_teacher"),
        (
            "python -m train teacher --out runs/teacher",
            "python -m train teacher --out runs/teacher --data.dataset penn_action --data.folder DATA",
        ),
    ),
    "student": Command(
        StudentConfig,
        lazy("train.teach", "train_student"),
        (
            "python -m train student --out runs/student --teacher runs/teacher",
            "python -m train student --out runs/student --teacher runs/teacher "
            "--data.dataset penn_action --data.folder DATA",
        ),
    ),
    "export": Command(
        ExportConfig,
        lazy("train.export.bundle", "export"),
        (
            "python -m train export --run runs/student --bundle runs/bundle --workdir runs",
            "python -m train export --run runs/student --bundle runs/bundle --workdir runs --data DATA",
        ),
    ),
    "export-stream": Command(
        StreamExportConfig,
        lazy("train.export.stream", "export_stream"),
        ("python -m train export-stream --run runs/stream --bundle runs/bundle --workdir runs",),
    ),
    "quantise-aware": Command(
        QuantiseAwareConfig,
        lazy("train.quantise_aware.student", "quantise_aware"),
        (
            "python -m train quantise-aware --run runs/student --teacher runs/teacher --bundle runs/bundle "
            "--out runs/student-int8 --data DATA",
        ),
    ),
    "quantise-aware-pose": Command(
        PoseFineTuningConfig,
        lazy("train.quantise_aware.pose", "quantise_aware_pose"),
        ("python -m train quantise-aware-pose --network pose.onnx --int8 pose.int8.onnx --frames videos",),
    ),
    "pose": Command(
        PoseExportConfig,
        lazy("train.export.pose", "export_pose"),
        (
            "python -m train pose --weights resnet18_baseline_att_224x224_A_epoch_249.pth --out pose.onnx",
            "python -m train pose --backbone densenet121 --weights densenet121.pth --out pose.onnx",
        ),
    ),
    "ablation": Command(
        AblationConfig,
        lazy("train.ablation", "ablation"),
        ("python -m train ablation --config configs/ablation/penn_action.yaml --data.folder DATA",),
    ),
}


def main() -> None:
    run_command_line("train", "From skeleton data to a distilled student in a bundle.", COMMANDS)


if __name__ == "__main__":
    main()
