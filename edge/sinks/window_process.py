"""The process of a window, started by edge/sinks/window.py: ``python edge/sinks/window_process.py MEMORY``.

Shows the image in MEMORY, the descriptor of a shared file, for each height and width on stdin. Writes one byte to
stdout when the window is open, and one when an image is shown; the next image comes after that. Exits with 0 when the
user presses q or Escape or closes the window, and when stdin ends, even if the screen hangs.
"""

from __future__ import annotations

import mmap
import os
import queue
import struct
import sys
import threading
from typing import Any

import cv2
import numpy as np

TITLE = "skd-edge (press q to quit)"
LARGEST = (1280, 720)
"""Largest initial size of the window, width and height in pixels; it can be resized."""
QUIT_KEYS = frozenset({ord("q"), 27})
INTERVAL_S = 0.1
"""How often a window without new images handles the user's input."""


def main() -> None:
    images: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(images,), daemon=True).start()
    answers = os.dup(1)
    os.dup2(2, 1)  # some builds of OpenCV print
    try:
        # GUI_NORMAL: without OpenCV's toolbar.
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.waitKey(1)
    except cv2.error as error:
        sys.exit(str(error))
    for unread in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), unread)
    os.write(answers, b".")
    was_open = was_sized = False
    while True:
        try:
            image = images.get(timeout=INTERVAL_S)
        except queue.Empty:
            image = None
        if image is not None:
            if not was_sized:  # by default a window is 400 pixels wide
                was_sized = True
                cv2.resizeWindow(TITLE, *_initial_size(image.shape[1], image.shape[0]))
            cv2.imshow(TITLE, image)
        is_quit = cv2.waitKey(1) & 0xFF in QUIT_KEYS
        is_open = _is_open()
        # imshow would reopen a closed window. Some OpenCV builds never report an open one.
        if is_quit or (was_open and not is_open):
            os._exit(0)
        was_open = is_open
        if image is not None:
            os.write(answers, b".")


def _read(images: queue.SimpleQueue[Any]) -> None:
    """Queue the image for each request; exit when there will be no more."""
    image = np.empty((0, 0, 3), np.uint8)
    while len(request := os.read(0, 8)) == 8:
        height, width = struct.unpack("=II", request)
        if image.shape != (height, width, 3):
            memory = mmap.mmap(int(sys.argv[1]), height * width * 3, prot=mmap.PROT_READ)
            image = np.frombuffer(memory, np.uint8).reshape(height, width, 3)
        images.put(image)
    os._exit(0)


def _initial_size(width: int, height: int) -> tuple[int, int]:
    """The image's size, scaled down to LARGEST."""
    scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    return round(scale * width), round(scale * height)


def _is_open() -> bool:
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) > 0
    except cv2.error:
        return False  # Qt, after the last window was closed


if __name__ == "__main__":
    main()
