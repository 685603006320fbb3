"""The panel that lists the joints that were not seen lately."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.contract.layouts import JointLayout
from edge.contract.types import Float32, Image
from edge.drawing.label_placement import Rectangle, corner
from edge.drawing.shapes import LEFT, QUIET, TEXT, Style, bar, panel, text_size, write

NOTABLE = 0.05
"""Part of the time that a joint is unseen from which on it is worth a line."""
MOST_JOINTS = 8
"""Lines of joints that are unseen; there are layouts of 33."""


def draw_dropout(image: Image, dropout: Float32, layout: JointLayout, occupied: Sequence[Rectangle] = ()) -> None:
    """In a corner, how often each joint was not seen lately: those that are worth it, the worst first.

    A small image has no room for it. dropout: (V,) parts of the time, 0..1. occupied: where people and labels are,
    which the panel steps aside for.
    """
    style = Style.of(image)
    worst = [v for v in np.argsort(-dropout, kind="stable").tolist() if dropout[v] >= NOTABLE][:MOST_JOINTS]
    if not worst or style.is_cramped:
        return
    size = style.small(0.6)
    pad, line = round(0.6 * size), round(1.5 * size)
    names = ["not seen lately", *(layout.joints[v].replace("_", " ") for v in worst)]
    parts = ["", *(f"{100 * dropout[v]:.0f} %" for v in worst)]
    bar_width = round(3.5 * style.text)
    name_width, part_width = (max(text_size(text, size)[0] for text in texts) for texts in (names, [*parts, "100 %"]))
    width, height = name_width + bar_width + part_width + 4 * pad, len(names) * line + pad
    left, top = corner((width, height), (image.shape[1], image.shape[0]), round(0.7 * style.text), occupied)
    right, bottom = left + width, top + height
    panel(image, left, top, right, bottom, alpha=0.6, corner=pad)
    for n, (name, part) in enumerate(zip(names, parts, strict=True)):
        baseline = top + pad + n * line + round(0.8 * size)
        write(image, name, left + pad, baseline, size, TEXT if part else QUIET)
        if part:
            bar_x = left + 2 * pad + name_width
            score = float(dropout[worst[n - 1]])
            bar(image, bar_x, bar_x + bar_width, baseline - 0.3 * size, score, LEFT, size)
            write(image, part, right - pad - text_size(part, size)[0], baseline, size, QUIET)
