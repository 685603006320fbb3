"""Whatever a user gives that cannot work: one line with what, where and what to do, exit code 2, nothing left behind.

Each case is a function that prepares a folder and returns the command line; its docstring is what the line must say.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import networks
import numpy as np
import onnx
import pytest
import tiny_bundle
import yaml

import calibrate.__main__
import edge.__main__
import train.__main__
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, fetch
from edge.command_line import run_command_line
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import DownloadError
from edge.engines.engine_manifest import EngineManifest, write_engine_manifest

ROOMS = {"edge": edge.__main__.COMMANDS, "train": train.__main__.COMMANDS, "calibrate": calibrate.__main__.COMMANDS}
Argv = list[str | Path]
CASES: dict[str, Callable[[Path], Argv]] = {}
NEEDS_BLAZEPOSE: set[str] = set()


def case(function: Callable[[Path], Argv]) -> Callable[[Path], Argv]:
    CASES[function.__name__] = function
    return function


def needs_blazepose(function: Callable[[Path], Argv]) -> Callable[[Path], Argv]:
    NEEDS_BLAZEPOSE.add(function.__name__)
    return case(function)


def video(folder: Path, frames: int = 30, codec: str = "mp4v", name: str = "clip.mp4") -> Path:
    """Grey noise, in which nobody is."""
    path, rng = folder / name, np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, (160, 120))
    for _ in range(frames):
        writer.write(rng.integers(90, 160, (120, 160, 3), dtype=np.uint8))
    writer.release()
    return path


def run(folder: Path, *, source: str | Path | None = None, bundle: Path | None = None, more: Argv = ()) -> Argv:
    """edge run with every output below ``folder / "out"``, on a good bundle and video unless given."""
    out = folder / "out"
    return [
        *(
            "edge",
            "run",
            "--source",
            source or video(folder),
            "--bundle",
            bundle or tiny_bundle.make(folder / "bundle"),
        ),
        *("--sinks.video", out / "a.mp4", "--sinks.json", out / "a.jsonl", "--sinks.picture", out / "a.png"),
        *("--report", out / "latency.json", *more),
    ]


def rewrite(bundle: Path, **changes: object) -> Path:
    """Change keys of bundle.yaml; a value of None removes the key."""
    path = bundle / "bundle.yaml"
    raw = yaml.safe_load(path.read_text())
    raw.update(changes)
    path.write_text(yaml.safe_dump({key: value for key, value in raw.items() if value is not None}))
    return bundle


def relist(bundle: Path) -> Path:
    """List the files of an altered bundle anew, so that its checksums are right."""
    write_manifest(bundle, read_bundle(bundle).manifest)
    return bundle


# Sources


@case
def a_video_that_is_not_there(folder: Path) -> Argv:
    """no such video file; check the path"""
    return run(folder, source=folder / "nowhere.mp4")


@case
def a_video_of_random_bytes(folder: Path) -> Argv:
    """clip.mp4: not a video that can be read"""
    (folder / "clip.mp4").write_bytes(np.random.default_rng(0).bytes(40_000))
    return run(folder, source=folder / "clip.mp4")


@case
def a_video_of_which_the_end_is_missing(folder: Path) -> Argv:
    """clip.mp4: not a video that can be read"""
    path = video(folder)
    path.write_bytes(path.read_bytes()[:-2000])
    return run(folder, source=path)


@needs_blazepose
def a_video_that_breaks_off_while_it_is_read(folder: Path) -> Argv:
    """the video breaks off"""
    path = video(folder, frames=80, codec="MJPG", name="clip.avi")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4])
    return run(folder, source=path)


@needs_blazepose
def a_video_with_nobody_in_it(folder: Path) -> Argv:
    """clip.mp4: no person in view in 30 pictures; give a recording"""
    return run(folder)


@case
def a_folder_without_images(folder: Path) -> Argv:
    """no images in this folder"""
    (folder / "frames").mkdir()
    return run(folder, source=folder / "frames")


@case
def a_camera_that_is_not_there(folder: Path) -> Argv:
    """/dev/video97: no picture comes from it; there is"""
    return run(folder, source="/dev/video97")


@case
def a_kind_of_source_that_is_not_known(folder: Path) -> Argv:
    """unknown kind of source rtmp://; known: file://"""
    return run(folder, source="rtmp://host/stream")


@case
def a_rate_of_zero(folder: Path) -> Argv:
    """capture.fps is 0.0; give a rate above 0"""
    return run(folder, more=["--capture.fps", "0"])


@case
def decisions_at_no_rate(folder: Path) -> Argv:
    """decisions.hz is -1.0"""
    return run(folder, more=["--decisions.hz", "-1"])


# Bundles


@case
def a_bundle_that_is_not_there(folder: Path) -> Argv:
    """nowhere: no bundle here: bundle.yaml is missing"""
    return run(folder, bundle=folder / "nowhere")


@case
def a_bundle_with_one_byte_changed(folder: Path) -> Argv:
    """student.int8.onnx: the file is not the one bundle.yaml lists (size or sha256 differs)"""
    bundle = tiny_bundle.make(folder / "bundle")
    data = bytearray((bundle / "student.int8.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "student.int8.onnx").write_bytes(data)
    return run(folder, bundle=bundle)


@case
def a_bundle_checked_with_one_byte_changed(folder: Path) -> Argv:
    """student.onnx: the file is not the one"""
    bundle = tiny_bundle.make(folder / "bundle")
    with (bundle / "student.onnx").open("ab") as stream:
        stream.write(b"\0")
    return ["edge", "check", "--bundle", bundle]


@case
def a_manifest_with_a_misspelt_key(folder: Path) -> Argv:
    """bundle.yaml: unknown key 'clases'"""
    return run(folder, bundle=rewrite(tiny_bundle.make(folder / "bundle"), clases=["a"]))


@case
def a_manifest_without_a_key(folder: Path) -> Argv:
    """bundle.yaml: key 'layout' is missing"""
    return run(folder, bundle=rewrite(tiny_bundle.make(folder / "bundle"), layout=None))


@case
def a_manifest_of_a_later_release(folder: Path) -> Argv:
    """format version 2 is not 1"""
    return run(folder, bundle=rewrite(tiny_bundle.make(folder / "bundle"), format_version=2))


@case
def a_manifest_that_is_not_yaml(folder: Path) -> Argv:
    """not readable as YAML"""
    bundle = tiny_bundle.make(folder / "bundle")
    (bundle / "bundle.yaml").write_text("classes: [a, b")
    return run(folder, bundle=bundle)


@case
def a_truncated_network(folder: Path) -> Argv:
    """student.int8.onnx: ONNX Runtime cannot load it"""
    bundle = tiny_bundle.make(folder / "bundle")
    path = bundle / "student.int8.onnx"
    path.write_bytes(path.read_bytes()[:3000])
    return run(folder, bundle=relist(bundle))


@case
def a_network_for_other_joints_than_the_manifests(folder: Path) -> Argv:
    """the network takes float32 (None, 3, 32, 17, 1), the manifest says (1, 3, 32, 13, 1)"""
    bundle = tiny_bundle.make(folder / "bundle")
    networks.student(bundle / "student.int8.onnx", frames=32, joints=17)
    return run(folder, bundle=relist(bundle))


@case
def a_network_that_answers_nan(folder: Path) -> Argv:
    """the network answered with NaN or infinite values"""
    bundle = tiny_bundle.make(folder / "bundle")
    model = onnx.load(bundle / "student.int8.onnx")
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "b4"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(4, np.nan, np.float32), "b4"))
    onnx.save(model, bundle / "student.int8.onnx")
    return run(folder, bundle=relist(bundle))


@case
def a_network_that_is_another_students(folder: Path) -> Argv:
    """the network decides as the bundle says on"""
    bundle = tiny_bundle.make(folder / "bundle")
    networks.student(bundle / "student.int8.onnx", seed=4, frames=32, joints=13)
    return run(folder, bundle=relist(bundle))


@needs_blazepose
def an_estimator_that_lacks_the_bundles_joints(folder: Path) -> Argv:
    """the bundle reads kinect-22, and the estimator's blazepose-33 gives no head_top, left_collar, right_collar"""
    return run(folder, bundle=tiny_bundle.make(folder / "bundle", joints="kinect-22"))


@case
def an_engine_without_tensorrt(folder: Path) -> Argv:
    """needs the package tensorrt; install it with"""
    bundle = tiny_bundle.make(folder / "bundle")
    (bundle / "student.int8.engine").write_bytes(b"engine")
    return run(folder, bundle=bundle)


# Pose estimators and outputs


@case
def a_pose_estimator_that_is_not_known(folder: Path) -> Argv:
    """unknown pose estimator 'openpose'; known: blazepose, trt_pose, tf_pose"""
    return run(folder, more=["--pose.name", "openpose"])


@case
def a_pose_estimator_without_its_network(folder: Path) -> Argv:
    """trt_pose needs a network file"""
    return run(folder, more=["--pose.name", "trt_pose"])


@case
def a_pose_network_that_is_none(folder: Path) -> Argv:
    """not a trt_pose network"""
    network = networks.separable(folder / "pose.onnx")
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", network])


@needs_blazepose
def a_codec_that_is_not_known(folder: Path) -> Argv:
    """OpenCV cannot encode zzzz here"""
    return run(folder, more=["--sinks.codec", "zzzz"])


@needs_blazepose
def an_output_folder_that_is_a_file(folder: Path) -> Argv:
    """cannot be written: File exists"""
    (folder / "out").write_text("")
    return run(folder)


@needs_blazepose
def an_output_that_is_a_folder(folder: Path) -> Argv:
    """a.jsonl: cannot be written: a folder has this name"""
    (folder / "out" / "a.jsonl").mkdir(parents=True)
    return run(folder)


@needs_blazepose
def a_disk_that_is_full(folder: Path) -> Argv:
    """cannot be written: File too large"""
    argv = run(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@case
def two_outputs_of_one_name(folder: Path) -> Argv:
    """two outputs have the same name"""
    return run(folder, more=["--report", folder / "out" / "a.jsonl"])


@needs_blazepose
def a_window_without_a_screen(folder: Path) -> Argv:
    """there is no screen to show a window on"""
    return run(folder, more=["--sinks.show", "true"])


# Configuration


def configured(folder: Path, text: str) -> Argv:
    path = folder / "run.yaml"
    path.write_text(text)
    return run(folder, more=["--config", path])


@case
def a_configuration_with_a_misspelt_key(folder: Path) -> Argv:
    """trakcer"""
    return configured(folder, "trakcer:\n  birth_hits: 3\n")


@case
def a_configuration_with_a_misspelt_key_further_in(folder: Path) -> Argv:
    """recogniser.smoothign"""
    return configured(folder, "recogniser:\n  smoothign: 3\n")


@case
def a_configuration_value_of_the_wrong_type(folder: Path) -> Argv:
    """tracker.birth_hits"""
    return configured(folder, "tracker:\n  birth_hits: often\n")


@case
def a_configuration_value_out_of_range(folder: Path) -> Argv:
    """min_fill, min_score, hold and lead are in 0..1"""
    return configured(folder, "decisions:\n  min_score: 40\n")


# Training


def teach(folder: Path, dataset: str, *more: str | Path) -> Argv:
    short = ("--optimiser.epochs", "1", "--width", "8", "--hardware.threads", "1")
    return ["train", "teacher", "--out", folder / "run", "--data.dataset", dataset, *short, *more]


@case
def a_dataset_that_is_not_known(folder: Path) -> Argv:
    """unknown dataset 'imagenet'; known datasets: penn_action"""
    return teach(folder, "imagenet", "--data.folder", folder)


@case
def a_method_that_is_not_known(folder: Path) -> Argv:
    """unknown method 'papers'; known methods: alone"""
    return ["train", "student", "--out", folder / "run", "--teacher", folder, "--method", "papers"]


@case
def hardware_that_cannot_be(folder: Path) -> Argv:
    """0 devices on 1 machines with 1 threads and 0 workers cannot train; give at least one device"""
    return teach(folder, "kinematic", "--hardware.devices", "0")


@case
def an_ablation_without_a_baseline(folder: Path) -> Argv:
    """an ablation needs seeds, and the method alone"""
    return ["train", "ablation", "--out", folder / "run", "--methods", "[paper]"]


@case
def a_dataset_in_another_folder(folder: Path) -> Argv:
    """penn_action.npz: no such dataset file"""
    return teach(folder, "penn_action", "--data.folder", folder / "nowhere")


@case
def a_dataset_without_its_folder(folder: Path) -> Argv:
    """dataset utd_mhad needs a folder; give it with --data.folder"""
    return teach(folder, "utd_mhad")


@case
def a_dataset_that_is_damaged(folder: Path) -> Argv:
    """penn_action.npz: not a readable .npz file"""
    (folder / "penn_action.npz").write_bytes(b"PK\x03\x04 and no more")
    return teach(folder, "penn_action", "--data.folder", folder)


@case
def skeletons_that_are_not_numbers(folder: Path) -> Argv:
    """no joint is ever seen"""
    frames = 40
    arrays = {
        "xyz": np.full((4 * frames, 20, 3), np.nan, np.float32),
        "length": np.full(4, frames),
        "meta": np.array([[1, 1, 1], [2, 1, 1], [1, 2, 1], [2, 2, 1]]),
    }
    np.savez(folder / "utd_mhad.npz", **arrays)
    return teach(folder, "utd_mhad", "--data.folder", folder)


@case
def a_split_that_the_dataset_does_not_have(folder: Path) -> Argv:
    """dataset ntu60 has no split 'xset'; give --data.split xsub or xview"""
    return teach(folder, "ntu60", "--data.folder", folder, "--data.split", "xset")


@case
def a_skeleton_file_of_which_the_end_is_missing(folder: Path) -> Argv:
    """S001C001P001R001A001.skeleton: line 2: the file ends where a body's state should follow; copy the file again"""
    (folder / "S001C001P001R001A001.skeleton").write_text("70\n1\n")
    return teach(folder, "ntu60", "--data.folder", folder)


@case
def annotations_that_would_run_a_program(folder: Path) -> Argv:
    """set.pkl: the pickle asks for posix.system, and a pickle can run any program; only arrays of numpy"""
    (folder / "set.pkl").write_bytes(b"cposix\nsystem\n(S'touch ran'\ntR.")
    return teach(folder, "pyskl", "--data.folder", folder)


def videos(folder: Path, *names: str) -> Argv:
    """train pairs over files of these names, none of which need be a video to get as far as these cases do."""
    for name in names:
        (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "videos" / name).write_text("no video")
    return ["train", "pairs", "--videos", folder / "videos", "--out", folder / "out"]


@case
def a_folder_of_videos_that_is_not_there(folder: Path) -> Argv:
    """videos: no such folder; give the folder of your videos"""
    return videos(folder)


@case
def videos_without_a_subfolder_a_class(folder: Path) -> Argv:
    """videos: no subfolders here; put the videos into one subfolder a class"""
    return videos(folder, "a.mp4", "b.mp4")


@case
def classes_of_text_files(folder: Path) -> Argv:
    """videos: no videos in its subfolders; known endings are mp4"""
    return videos(folder, "walk/a.txt", "walk/b.txt")


@case
def classes_of_one_video_each(folder: Path) -> Argv:
    """no class has two videos, one to train and one to test"""
    return videos(folder, "walk/a.mp4", "run/b.mp4")


@case
def videos_for_an_estimator_that_is_not_known(folder: Path) -> Argv:
    """unknown pose estimator 'openpose'"""
    return [*videos(folder, "walk/a.mp4", "walk/b.mp4"), "--high.name", "openpose"]


@case
def videos_for_a_cheap_estimator_without_its_network(folder: Path) -> Argv:
    """trt_pose needs a network file"""
    return [*videos(folder, "walk/a.mp4", "walk/b.mp4"), "--high.name", "trt_pose", "--low.name", "trt_pose"]


@case
def errors_to_fit_to_no_pairs(folder: Path) -> Argv:
    """nowhere: no pairs of videos here: pairs.yaml is missing; give the folder that make pairs wrote"""
    return ["train", "fit-errors", "--pairs", folder / "nowhere", "--out", folder / "errors.yaml"]


@case
def a_network_that_is_not_known(folder: Path) -> Argv:
    """transformer"""
    return teach(folder, "kinematic", "--data.clips_per_class", "2", "--network", "transformer")


@case
def a_student_without_its_teacher(folder: Path) -> Argv:
    """nowhere"""
    return ["train", "student", "--out", folder / "run", "--teacher", folder / "nowhere"]


@case
def an_export_of_no_run(folder: Path) -> Argv:
    """nowhere"""
    out = ("--bundle", folder / "bundle", "--workdir", folder / "work")
    return ["train", "export", "--run", folder / "nowhere", *out]


# Calibration


def quantised(folder: Path, clips: np.ndarray, *more: str) -> Argv:
    np.savez(folder / "clips.npz", clips=clips.astype(np.float32), labels=np.arange(len(clips)) % 4)
    return [
        "calibrate",
        "student",
        "--bundle",
        tiny_bundle.make(folder / "bundle"),
        "--clips",
        folder / "clips.npz",
        *more,
    ]


@case
def calibration_clips_that_are_not_numbers(folder: Path) -> Argv:
    """holds NaN or infinite values"""
    clips = np.random.default_rng(0).standard_normal((8, 3, 32, 13, 1))
    clips[5, 0, 3] = np.nan
    return quantised(folder, clips)


@case
def calibration_clips_of_other_joints(folder: Path) -> Argv:
    """do not fit the student's input (N, 3, 32, 13, 1)"""
    return quantised(folder, np.zeros((8, 3, 32, 17, 1)))


@case
def calibration_clips_that_are_not_there(folder: Path) -> Argv:
    """nowhere.npz"""
    return ["calibrate", "student", "--bundle", tiny_bundle.make(folder / "bundle"), "--clips", folder / "nowhere.npz"]


@case
def a_truncated_network_to_quantise(folder: Path) -> Argv:
    """student.onnx: ONNX Runtime cannot load it"""
    argv = quantised(folder, np.random.default_rng(0).standard_normal((8, 3, 32, 13, 1)))
    path = folder / "bundle" / "student.onnx"
    path.write_bytes(path.read_bytes()[:3000])
    relist(folder / "bundle")
    return argv


@case
def an_engine_to_build_without_tensorrt(folder: Path) -> Argv:
    """needs the package tensorrt"""
    return ["calibrate", "engine", "--onnx", tiny_bundle.make(folder / "bundle") / "student.onnx"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def blazepose() -> bool:
    try:
        fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)
    except DownloadError:
        return False
    return True


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop: no TensorRT, no screen."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def refused(argv: Argv, folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """The error line of a command that must fail as users' mistakes do."""
    before = files(folder)
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        run_command_line(str(argv[0]), "", ROOMS[str(argv[0])], [str(a) for a in argv[1:]])
    said = capfd.readouterr()
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert left.value.code == 2 and said.out == ""
    assert len(errors) == 1 and said.err.endswith(errors[0] + "\n"), said.err
    assert "Traceback" not in said.err
    assert files(folder) == before
    return errors[0]


@pytest.mark.parametrize("name", CASES)
def test_one_line_says_what_where_and_what_to_do(name, tmp_path, capfd, machine, request):
    if name in NEEDS_BLAZEPOSE and not request.getfixturevalue("blazepose"):
        pytest.skip("BlazePose cannot be fetched")
    prepare = CASES[name]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        line = refused(prepare(tmp_path), tmp_path, capfd)
    finally:
        # Before pytest reports, for its report may go to a file too.
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(prepare.__doc__) in line


def test_an_engine_built_for_another_gpu(tmp_path, capfd, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "calibrate"))
    import fake_tensorrt

    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt.tensorrt("10.3.0"))
    for name, module in fake_tensorrt.pycuda("Orin").items():
        monkeypatch.setitem(sys.modules, name, module)
    argv = run(tmp_path)
    engine = tmp_path / "bundle" / "student.int8.engine"
    engine.write_bytes(b"engine")
    write_engine_manifest(
        engine, EngineManifest("10.3.0", "Xavier", "7.2", "student.int8.onnx", "0" * 64, "0" * 64, "INT8", {})
    )
    line = refused(argv, tmp_path, capfd)
    assert "built for gpu Xavier, this machine has Orin" in line and "python -m calibrate engine --onnx" in line
