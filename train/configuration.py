"""The flags of every command of ``python -m train``. `--help` shows them without PyTorch, which takes seconds to load.

No annotation here is a name of PyTorch's, not even for type checkers alone: what makes `--help` imports them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge.contract.errors import ConfigError
from train.data.registry import DataConfig
from train.distillation.methods import METHODS, method
from train.optimiser import Optimiser


@dataclass(frozen=True)
class Hardware:
    """What to train on. ``torchrun`` and SLURM are supported as well."""

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if there is one."""
    devices: int = 1
    """Processes per machine: one per GPU, or per share of the CPU."""
    nodes: int = 1
    """Number of machines."""
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"
    """bf16-mixed: networks compute in bfloat16; weights, losses and gradients stay in float32. 64-true: double
    precision, to tell errors from rounding."""
    threads: int = 0
    """CPU threads of each process; 0 shares the cores among them."""
    workers: int = 0
    """Processes that prepare batches; 0 prepares them between the steps, which is enough on a CPU; a GPU would
    wait for them: give it four or more."""

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1 or min(self.threads, self.workers) < 0:
            raise ConfigError(
                f"{self.devices} devices on {self.nodes} machines with {self.threads} threads and {self.workers} "
                "workers cannot train",
                hint="give at least one device and one machine, and no negative number",
            )

    @property
    def dtype(self) -> Any:
        """PyTorch's, of weights, clips, losses and gradients."""
        import torch

        return torch.float64 if self.precision == "64-true" else torch.float32


def refuse_impossible(seeds: Iterable[int], *widths: int | None) -> None:
    """ConfigError for a seed below 0, or a network without channels."""
    if min(seeds, default=0) < 0 or min((width for width in widths if width is not None), default=1) < 1:
        raise ConfigError("a seed is below 0, or a width below 1", hint="give a seed from 0, and leave out the width")


@dataclass(frozen=True)
class TeacherConfig:
    """Train a network on one quality of skeletons with cross entropy alone."""

    out: Path
    """Folder of the run: checkpoint and report. An interrupted run is continued there."""
    data: DataConfig = field(default_factory=DataConfig)
    """What to train on."""
    network: str = "shift_gcn_teacher"
    """shift_gcn_teacher, shift_gcn_student, dense_gcn, dense_gcn_s, _m, _l or _motion; of other papers st_gcn,
    st_gcn_pp, efficient_gcn_b0, dd_net, dd_net_m or dd_net_s."""
    width: int | None = None
    """Channels of the first units; by default the network's own."""
    see: Literal["hq", "lq"] = "hq"
    """Quality of the skeletons; lq gives the baseline for a distilled student."""
    weights: Path | None = None
    """Start from a checkpoint of a public Shift-GCN release (.pt)."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and learning rate of the training."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: a CPU, GPUs, several machines."""
    seed: int = 0
    """Seed of weights, order and corruption."""

    def __post_init__(self) -> None:
        refuse_impossible([self.seed], self.width)


@dataclass(frozen=True)
class StudentConfig:
    """Distil a student that reads LQ clips from a teacher that reads HQ clips."""

    out: Path
    """Folder of the run: checkpoint and report. An interrupted run is continued there."""
    teacher: Path
    """Folder of the teacher's run."""
    baseline: Path | None = None
    """Folder of an LQ-only run, for the plot of each class's gain; by default the teacher reading LQ clips."""
    data: DataConfig = field(default_factory=DataConfig)
    """What to train on: the data of the teacher."""
    network: str = "dense_gcn"
    """dense_gcn and its sizes _s, _m, _l (made for INT8 and TensorRT), dense_gcn_motion (reads motions too) or
    shift_gcn_student (the paper's)."""
    width: int | None = None
    """Channels of the first units; by default the network's own."""
    method: str = "paper"
    """Distillation method: the paper's losses with gradient revision, or another of train/distillation/methods.py."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and learning rate of the training."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: a CPU, GPUs, several machines."""
    seed: int = 0
    """Seed of weights, order and corruption."""

    def __post_init__(self) -> None:
        refuse_impossible([self.seed], self.width)


@dataclass(frozen=True)
class ExportConfig:
    """Write a trained student as a bundle folder."""

    run: Path
    """Folder of the student's run."""
    bundle: Path
    """Folder to write: bundle.yaml, student.onnx, reference.npz."""
    workdir: Path
    """Folder for calibration.npz and test.npz, which `python -m calibrate` reads."""
    data: Path | None = None
    """Folder of the dataset the run was trained on, if it needs one."""
    cache: Path | None = None
    """As --data.cache of the training: where ntu60, ntu120 and kinetics keep what was parsed."""
    name: str | None = None
    """Name of the bundle; by default the folder's."""
    reference_clips: int = 256
    """Generated clips in reference.npz, by which `make verify` and `make engine` judge without labelled clips."""

    def __post_init__(self) -> None:
        if self.reference_clips < 1:
            raise ConfigError("a bundle needs reference clips, for its self-test", hint="leave out --reference_clips")


@dataclass(frozen=True)
class StreamExportConfig:
    """Add the networks of a streaming student to a bundle."""

    run: Path
    """Folder of a run of dense_gcn_stream, with --data.pairs.preprocessing.centre trailing."""
    bundle: Path
    """Bundle folder with a student of the same classes, joints, clip length and rate."""
    workdir: Path
    """Folder for stream_calibration.npz and stream_test.npz, which `python -m calibrate stream` reads."""
    data: Path | None = None
    """Folder of the dataset the run was trained on, if it needs one."""
    cache: Path | None = None
    """As --data.cache of the training: where ntu60, ntu120 and kinetics keep what was parsed."""
    frames: Literal[1, 2, 4] = 4
    """New frames in a step. 4 costs least. With 1 or 2 there are more networks and steps, a step is shorter, and the
    answers are the same, at the same moments."""


@dataclass(frozen=True)
class FineTuning(Optimiser):
    """Adam, a few epochs at a small learning rate, because the weights are nearly where they belong."""

    epochs: int = 5
    """Passes over the training clips."""
    learning_rate: float = 3e-4
    """Learning rate at the start, relative to the largest weight of a channel, whose INT8 steps are 1/127 of it."""
    weight_decay: float = 0.0
    """L2 penalty."""
    schedule: Literal["release", "cosine"] = "cosine"
    """release: x0.1 at 30/55, 40/55 and 50/55 of the epochs. cosine: half a cosine down to 0 after a short warm-up."""

    def descent(self, parameters: Iterable[Any]) -> Any:
        import torch

        return torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class QuantiseAwareConfig:
    """Fine-tune a bundle's INT8 student (quantisation-aware training), with its teacher."""

    run: Path
    """Folder of the run that the bundle was exported from; its data, method and losses are used."""
    teacher: Path
    """Folder of the teacher's run."""
    bundle: Path
    """Bundle folder with student.int8.onnx, as `python -m calibrate student` wrote it; the file is rewritten."""
    out: Path
    """Folder of this run: checkpoint and report. An interrupted run is continued there."""
    data: Path | None = None
    """Folder of the dataset the student was trained on, where it needs one."""
    cache: Path | None = None
    """As --data.cache of the training: where ntu60, ntu120 and kinetics keep what was parsed."""
    keep: float = 30.0
    """Weight of the distance from the FP32 student's logits; 0 leaves it out. It is large because the distance is
    small: with less, the other losses move the student away from its FP32 decisions."""
    optimiser: FineTuning = field(default_factory=FineTuning)
    """Length and learning rate of the training."""
    hardware: Hardware = field(default_factory=lambda: Hardware(threads=1))
    """What to train on: a CPU, GPUs, several machines. On a CPU one thread by default: a student is small, and
    beside other work threads that wait for each other crawl."""
    seed: int = 0
    """Seed of the order of clips."""

    def __post_init__(self) -> None:
        refuse_impossible([self.seed])
        if self.hardware.precision == "bf16-mixed":
            # It keeps eight bits of its own, and every step would be rounded twice.
            raise ConfigError("eight bits are not trained in bfloat16", hint="give --hardware.precision 32-true")
        if self.optimiser.patience:
            raise ConfigError("no clips are held out to stop early by", hint="leave out --optimiser.patience")


@dataclass(frozen=True)
class PoseFineTuningConfig:
    """Fine-tune an INT8 pose network towards the maps of its FP32 network (quantisation-aware training)."""

    network: Path
    """pose.onnx, in FP32, which reads a camera's bytes."""
    int8: Path
    """pose.int8.onnx, as `python -m calibrate pose` wrote it; the file is rewritten."""
    frames: Path
    """Video, or folder with videos and images of people, subfolders included, of scenes such as the device will see."""
    pictures: int = 400
    """Images kept of each video, and of the images of each folder, evenly spread."""
    steps: int = 1000
    """Training steps. An interrupted training is continued by the same command."""
    batch: int = 4
    """Images per step."""
    learning_rate: float = 2e-4
    """Largest learning rate, relative to the largest weight of a channel, whose INT8 steps are 1/127 of it; it falls
    to 0."""
    elsewhere: float = 0.3
    """Weight of the maps' distance where neither network sees anybody, against 1 where one does."""
    minutes: float = 0.0
    """Stop after so many minutes, with the learning rate falling as if that were the end; 0 for never."""
    pause_after: float = 0.0
    """Pause after so many minutes; the same command continues. 0 for never."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: one CPU or one GPU. bf16-mixed: the forward pass stays what the device runs; gradients of
    convolutions are computed in bfloat16, in half the time where the processor can."""
    seed: int = 0
    """Seed of the crops and their order."""

    def __post_init__(self) -> None:
        refuse_impossible([self.seed])
        if min(self.pictures, self.steps, self.batch) < 1 or self.learning_rate <= 0 or self.minutes < 0:
            raise ConfigError("pictures, steps, batch and learning_rate start above 0", hint="leave them out")
        if not 0 < self.elsewhere <= 1 or self.pause_after < 0:
            raise ConfigError("elsewhere lies above 0 and up to 1, and pause_after is no negative time")
        if self.hardware.devices * self.hardware.nodes > 1 or self.hardware.precision == "64-true":
            raise ConfigError(
                "a pose network is trained on one device in single precision", hint="leave out --hardware"
            )


@dataclass(frozen=True)
class PoseExportConfig:
    """Write one of trt_pose's networks, with its published weights, as ONNX."""

    out: Path
    """ONNX file to write, for instance pose.onnx."""
    weights: Path | None = None
    """trt_pose's .pth. Without it the network is untrained: useful for timing only."""
    backbone: Literal["resnet18", "densenet121"] = "resnet18"
    """resnet18 (224x224) or densenet121 (256x256; slower, and finds more)."""
    size: int = 0
    """Side of the square input in pixels, a multiple of 32; 0 for what the weights were trained with."""


@dataclass(frozen=True)
class AblationConfig:
    """Train every method over several seeds, and write the table and the plot."""

    out: Path
    """Folder for all runs; finished runs are kept and not trained again."""
    data: DataConfig = field(default_factory=DataConfig)
    """The dataset."""
    drops: tuple[float, ...] = ()
    """Probabilities that a joint of a frame is unseen, one table each; by default data.pairs as it is."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds; for each, every method is trained once."""
    methods: tuple[str, ...] = tuple(METHODS)
    """Methods of train/distillation/methods.py to compare; alone is the baseline of every difference."""
    teacher: str = "dense_gcn"
    """Network of the teacher."""
    teacher_width: int = 48
    """Channels of the teacher's first units."""
    network: str = "dense_gcn"
    """Network of the students."""
    width: int = 24
    """Channels of the students' first units."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and learning rate of every training."""
    hardware: Hardware = field(default_factory=lambda: Hardware(threads=1))
    """What each training runs on."""
    jobs: int = 0
    """Trainings in parallel; 0 for one per core, or one alone where a GPU trains."""
    page: Path | None = None
    """Markdown page in which this dataset's section is rewritten."""

    def __post_init__(self) -> None:
        refuse_impossible(self.seeds, self.teacher_width, self.width)
        if self.jobs < 0:
            raise ConfigError(f"jobs is {self.jobs}", hint="give 0 or more")
        if not self.seeds or "alone" not in self.methods:
            raise ConfigError(
                "an ablation needs seeds, and the method alone, which the others are compared with",
                hint="give --seeds, such as [0, 1, 2], and --methods with alone among them",
            )
        for name in self.methods:
            method(name)
