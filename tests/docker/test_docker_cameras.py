"""docker/run on fake board roots: cameras and screens."""

from flashed_board import R35, flashed, pairs, run

# Not the fixture of the same name in other tests, which has a TensorRT.
board = flashed


def node(board, number, name, index="0"):
    """Add a Video4Linux camera node."""
    (board / f"root/dev/video{number}").write_text("")
    about = board / f"root/sys/class/video4linux/video{number}"
    about.mkdir(parents=True)
    (about / "name").write_text(f"{name}\n")
    (about / "index").write_text(f"{index}\n")


def test_a_csi_sensor_is_opened_through_argus(board):
    node(board, 0, "vi-output, imx219 9-0010")
    _, (_, start) = run(board, "--dry-run")
    assert pairs(start, "--source") == ["csi://0"] and pairs(start, "--device") == ["/dev/video0"]
    (board / "root/tmp/argus_socket").unlink()
    done, _ = run(board, "--dry-run")
    assert done.returncode == 2 and "systemctl restart nvargus-daemon" in done.stderr


def test_the_cpu_image_leaves_a_csi_sensor_out_because_only_the_nvidia_runtime_brings_argus(board):
    node(board, 0, "vi-output, imx219 9-0010")
    (board / "root/etc/nv_tegra_release").write_text(R35)
    done, (_, start) = run(board, "--dry-run")
    assert start[-4:] == ["edge", "demo", "--bundle", "bundle"] and "docker/run --engines" in done.stderr
    assert not any("argus" in volume for volume in pairs(start, "--volume"))
    assert pairs(run(board, "--dry-run", "--engines")[1][1], "--source") == ["csi://0"]


def test_a_metadata_node_is_not_a_camera(board):
    node(board, 0, "UVC Camera: metadata", index="1")
    node(board, 2, "UVC Camera")
    _, (_, start) = run(board, "--dry-run")
    assert pairs(start, "--source") == ["/dev/video2"] and pairs(start, "--device") == ["/dev/video0", "/dev/video2"]


def test_without_a_camera_the_demo_plays_its_clip(board):
    (board / "root/dev/video0").unlink()
    done, (_, start) = run(board, "--dry-run")
    assert start[-4:] == ["edge", "demo", "--bundle", "bundle"] and "no camera" in done.stderr
    assert "--device" not in start


def test_the_display_is_shared_if_there_is_one(board):
    (board / "root/tmp/.X11-unix").mkdir()
    _, (_, with_screen) = run(board, "--dry-run", DISPLAY=":0")
    _, (_, without) = run(board, "--dry-run")
    assert "DISPLAY=:0" in with_screen and "/tmp/.X11-unix:/tmp/.X11-unix" in with_screen
    assert not any("X11" in word for word in without)
