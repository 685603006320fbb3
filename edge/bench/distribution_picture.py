"""How the times of each stage are spread, as a picture: a hump a stage over milliseconds, with its percentiles."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from edge.contract.types import Float32, Image
from edge.latency import percentiles

WIDTH, ROW, MARGIN, RIGHT, FOOT = 1000, 62, 200, 40, 44
FONT, SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
BINS = 200
SMALLEST_MS = 0.01
BLACK, GREY, FILL = (0, 0, 0), (225, 225, 225), (214, 160, 90)
MARKS = {50: (60, 60, 60), 90: (0, 140, 255), 99: (0, 0, 220)}
"""Percentile and colour."""


def distribution_picture(values_ms: Mapping[str, Float32]) -> Image:
    """values_ms: by stage, at least one value each. Time from left to right is logarithmic, as tails are long."""
    everything = np.maximum(np.concatenate(list(values_ms.values())), SMALLEST_MS)
    low = np.floor(np.log10(everything.min()))
    high = max(np.ceil(np.log10(everything.max()) - 1e-6), low + 1)
    picture: Image = np.full((len(values_ms) * ROW + FOOT, WIDTH, 3), 255, np.uint8)

    def column(ms: float) -> int:
        part = (np.log10(max(ms, SMALLEST_MS)) - low) / (high - low)
        return MARGIN + round(float(part) * (WIDTH - MARGIN - RIGHT))

    for power in range(int(low), int(high) + 1):
        for digit in range(1, 10 if power < high else 2):
            x = column(digit * 10.0**power)
            cv2.line(picture, (x, 0), (x, len(values_ms) * ROW), GREY, 2 if digit == 1 else 1)
        cv2.putText(
            picture, f"{10.0**power:g}", (column(10.0**power) - 8, len(values_ms) * ROW + 18), FONT, SIZE, BLACK
        )
    for row, (name, values) in enumerate(values_ms.items()):
        foot = (row + 1) * ROW - 8
        cv2.putText(picture, name, (8, foot - 12), FONT, SIZE, BLACK, 1, cv2.LINE_AA)
        edges = np.logspace(low, high, BINS + 1)
        counts = np.histogram(np.maximum(values, SMALLEST_MS), edges)[0]
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
            if count:
                tall = max(1, round((ROW - 14) * count / counts.max()))
                cv2.rectangle(
                    picture, (column(left), foot - tall), (max(column(right) - 1, column(left)), foot), FILL, -1
                )
        for ms, colour in zip(percentiles(values, [p / 100 for p in MARKS]), MARKS.values(), strict=True):
            x = column(ms)
            cv2.line(picture, (x, foot - ROW + 14), (x, foot + 4), colour, 2)
    legend = f"milliseconds; lines: {', '.join(f'p{percent}' for percent in MARKS)}"
    cv2.putText(picture, legend, (MARGIN, picture.shape[0] - 8), FONT, SIZE, BLACK, 1, cv2.LINE_AA)
    return picture
