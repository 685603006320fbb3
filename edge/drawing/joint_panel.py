"""Draw the panel of joints that the pose estimator often misses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.contract.layouts import JointLayout
from edge.contract.types import Float32, Image
from edge.drawing.label_placement import Rectangle, place_in_corner
from edge.drawing.shapes import LEFT, QUIET, TEXT, Style, bar, panel, text_size, write

MIN_DROPOUT = 0.05
"""Joints missing for a smaller fraction of the time are not listed."""
MAX_ROWS = 8
"""Layouts have up to 33 joints."""


def draw_dropout(image: Image, dropout: Float32, layout: JointLayout, occupied: Sequence[Rectangle]) -> None:
    """List in a corner how often joints are missing, the worst first. Draws nothing on a small image.

    dropout: (V,) fractions of the time, 0..1. occupied: rectangles of people and labels, which the panel avoids.
    """
    style = Style.of(image)
    worst = [v for v in np.argsort(-dropout, kind="stable").tolist() if dropout[v] >= MIN_DROPOUT][:MAX_ROWS]
    if not worst or style.is_cramped:
        return
    size = style.small(0.6)
    pad, line = round(0.6 * size), round(1.5 * size)
    names = ["missing joints", *(layout.joints[v].replace("_", " ") for v in worst)]
    values = ["", *(f"{100 * dropout[v]:.0f} %" for v in worst)]
    bar_width = round(3.5 * style.text)
    name_width, value_width = (max(text_size(text, size)[0] for text in texts) for texts in (names, [*values, "100 %"]))
    width, height = name_width + bar_width + value_width + 4 * pad, len(names) * line + pad
    left, top = place_in_corner((width, height), (image.shape[1], image.shape[0]), round(0.7 * style.text), occupied)
    right, bottom = left + width, top + height
    panel(image, left, top, right, bottom, alpha=0.6, corner=pad)
    for n, (name, value) in enumerate(zip(names, values, strict=True)):
        baseline = top + pad + n * line + round(0.8 * size)
        write(image, name, left + pad, baseline, size, TEXT if value else QUIET)
        if value:
            bar_x = left + 2 * pad + name_width
            fraction = float(dropout[worst[n - 1]])
            bar(image, bar_x, bar_x + bar_width, baseline - 0.3 * size, fraction, LEFT, size)
            write(image, value, right - pad - text_size(value, size)[0], baseline, size, QUIET)
