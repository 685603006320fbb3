"""Training images of a pose network: all below a folder, cropped and padded as on the device."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.contract.errors import DataError, SourceError
from train.quantise_aware.pose_images import load_images, random_crops


def image(path: Path, grey: int, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*reversed(size), 3), grey, np.uint8))


def video(path: Path, greys: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for grey in greys:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()


def greys(images: list[np.ndarray]) -> list[int]:
    return sorted(round(float(p.mean()) / 10) * 10 for p in images)


def test_videos_and_images_are_found_in_subfolders_and_of_any_size(tmp_path: Path) -> None:
    image(tmp_path / "a.png", 10)
    image(tmp_path / "street" / "b.png", 20, (900, 300))
    image(tmp_path / "street" / "far" / "c.JPG", 30, (30, 90))
    video(tmp_path / "street" / "walk" / "d.avi", [100, 100])
    video(tmp_path / "e.AVI", [200])
    image(tmp_path / ".thumbnails" / "a.png", 250)
    (tmp_path / "street" / "labels.txt").write_text("no image")
    found = load_images(tmp_path, 9)
    assert greys(found) == [10, 20, 30, 100, 100, 200]
    sizes = {image.shape[:2] for image in found}
    assert greys(load_images(tmp_path / ".thumbnails", 9)) == [250], "a hidden folder that is asked for"
    assert sizes == {(30, 40), (213, 640), (90, 30), (48, 64)}, "large ones are kept smaller"


def test_images_of_each_video_and_folder_are_evenly_spread(tmp_path: Path) -> None:
    video(tmp_path / "long.avi", [10 * i for i in range(20)])
    for i in range(9):
        image(tmp_path / "still" / f"{i}.png", 200 + i)
    found = load_images(tmp_path, 3)
    assert [round(float(p.mean())) for p in found[-3:]] == [200, 204, 208]
    assert greys(found[:-3]) == greys(load_images(tmp_path / "long.avi", 3)) == [0, 80, 160]


def test_a_folder_without_images_and_a_broken_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no video and no image"):
        load_images(tmp_path, 3)
    for broken in (b"none", b"P5 100000 100000 255\n"):  # the second: more pixels than OpenCV allows
        (tmp_path / "broken.png").write_bytes(broken)
        with pytest.raises(SourceError, match="not a readable image"):
            load_images(tmp_path, 3)


def test_a_crop_keeps_its_aspect_ratio_with_black_bars() -> None:
    source = partial(random_crops, [np.full((120, 480, 3), 90, np.uint8)], (64, 64), 0)
    for crop in source(0, 8):
        seen = crop.max(axis=2) > 0
        assert seen.any(axis=0).all() and not seen.any(axis=1).all()
        rows = np.flatnonzero(seen.any(axis=1))
        assert abs(rows[0] - (63 - rows[-1])) <= 1


def test_crops_are_of_any_place_size_and_brightness_and_every_other_is_mirrored() -> None:
    place = np.arange(100, dtype=np.uint8)
    # Blue tells the row, green the column, and red how bright the crop is.
    image = np.stack(np.broadcast_arrays(place[:, None], place, np.uint8(100)), axis=-1)
    found = []
    for crop in random_crops([image], (64, 64), 0, 0, 200):
        rows, columns = (np.flatnonzero(crop[..., 2].any(axis=axis)) for axis in (1, 0))
        inside = crop[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(float)
        factor = inside[..., 2].mean() / 100
        top, bottom = inside[[0, -1], :, 0].mean(axis=1) / factor
        left, right = inside[:, [0, -1], 1].mean(axis=0) / factor
        found.append((factor, bottom - top, abs(right - left), top, min(left, right), left > right))
    *extents, mirrored = zip(*found, strict=True)
    for values, lowest, highest in zip(extents, (0.7, 40, 40, 0, 0), (1.3, 100, 100, 60, 60), strict=True):
        assert (min(values), max(values)) == pytest.approx((lowest, highest), abs=highest / 10)
    assert 0.4 < np.mean(mirrored) < 0.6


def test_an_image_of_one_pixel_has_crops() -> None:
    assert random_crops([np.full((1, 1, 3), 90, np.uint8)], (8, 8), 0, 0, 4).shape == (4, 8, 8, 3)


def test_crops_depend_only_on_seed_and_step() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (50, 60, 3), np.uint8) for _ in range(4)]
    source = partial(random_crops, images, (24, 16), 3)
    third = source(3, 5)
    assert third.shape == (5, 16, 24, 3) and third.dtype == np.uint8
    source(7, 2)
    np.testing.assert_array_equal(third, source(3, 5))
    assert not np.array_equal(third, source(4, 5))
    assert not np.array_equal(third, random_crops(images, (24, 16), 4, 3, 5))
