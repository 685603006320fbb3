"""Plot a confusion matrix: rows are labels, columns decisions, darker is more frequent."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Image

CELL, MARGIN = 22, 190
FONT, SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


def confusion_plot(confusion: NDArray[np.int64], classes: Sequence[str]) -> Image:
    """An image of side MARGIN + K * CELL + 8. Cells are shaded by their fraction of the row's samples."""
    count = len(classes)
    side = MARGIN + count * CELL + 8
    image: Image = np.full((side, side, 3), 255, np.uint8)
    fraction = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    for row in range(count):
        for column in range(count):
            top, left = MARGIN + row * CELL, MARGIN + column * CELL
            shade = (int(255 - 215 * fraction[row, column]),) * 2
            image[top : top + CELL - 1, left : left + CELL - 1] = (255, *shade) if row == column else (*shade, 255)
    names: Image = np.full((count * CELL, MARGIN, 3), 255, np.uint8)
    for row, name in enumerate(classes):
        cv2.putText(names, name[:24], (4, row * CELL + 15), FONT, SIZE, (0, 0, 0), 1, cv2.LINE_AA)
    image[MARGIN : MARGIN + count * CELL, :MARGIN] = names
    for line, text in enumerate(("rows: true class", "columns: answer")):
        cv2.putText(image, text, (4, 18 + line * CELL), FONT, SIZE, (0, 0, 0), 1, cv2.LINE_AA)
    image[:MARGIN, MARGIN : MARGIN + count * CELL] = cv2.rotate(names, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return image
