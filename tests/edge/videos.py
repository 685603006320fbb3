"""Generated videos and images; the brightness of an image encodes its number."""

from pathlib import Path

import cv2
import numpy as np


def image(n: int, width: int = 320, height: int = 240) -> np.ndarray:
    """Grey of brightness 10 (n modulo 22) + 20, with a white 60x40 upper left corner."""
    grey = np.full((height, width, 3), 10 * (n % 22) + 20, np.uint8)
    grey[:40, :60] = 255
    return grey


def number(image: np.ndarray) -> int:
    """The image's number modulo 22, also after lossy encoding."""
    return round((float(image[100:140, 100:140].mean()) - 20) / 10)


def write(path: Path, frames: int = 20, fps: float = 25.0, codec: str = "mp4v", width: int = 320) -> Path:
    """A video of the images 0, 1, 2, ..."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, 240))
    assert writer.isOpened()
    for n in range(frames):
        writer.write(image(n, width))
    writer.release()
    return path


def read(path: Path) -> list[np.ndarray]:
    """All frames of a video, by OpenCV alone."""
    capture = cv2.VideoCapture(str(path))
    images = []
    while True:
        ok, image = capture.read()
        if not ok:
            return images
        images.append(image)


def turn(path: Path) -> None:
    """Set the rotation flag of an MP4 to 90 degrees, as phones do: the matrix in its track header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # past version, times, id, duration, layer and volume
    matrix = (0, 0x00010000, 0, -0x00010000, 0, 0, 240 << 16, 0, 0x40000000)
    data[at : at + 36] = np.array(matrix, ">i4").tobytes()
    path.write_bytes(data)
