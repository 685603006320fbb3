"""Plot the latency distribution of each stage: a histogram per stage, with its percentiles."""

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
"""Percentile -> colour."""


def distribution_plot(values_ms: Mapping[str, Float32]) -> Image:
    """values_ms: by stage, at least one value each. The time axis is logarithmic, because the tails are long."""
    all_ms = np.maximum(np.concatenate(list(values_ms.values())), SMALLEST_MS)
    low = np.floor(np.log10(all_ms.min()))
    high = max(np.ceil(np.log10(all_ms.max()) - 1e-6), low + 1)
    image: Image = np.full((len(values_ms) * ROW + FOOT, WIDTH, 3), 255, np.uint8)

    def column(ms: float) -> int:
        part = (np.log10(max(ms, SMALLEST_MS)) - low) / (high - low)
        return MARGIN + round(float(part) * (WIDTH - MARGIN - RIGHT))

    for power in range(int(low), int(high) + 1):
        for digit in range(1, 10 if power < high else 2):
            x = column(digit * 10.0**power)
            cv2.line(image, (x, 0), (x, len(values_ms) * ROW), GREY, 2 if digit == 1 else 1)
        cv2.putText(image, f"{10.0**power:g}", (column(10.0**power) - 8, len(values_ms) * ROW + 18), FONT, SIZE, BLACK)
    for row, (name, values) in enumerate(values_ms.items()):
        foot = (row + 1) * ROW - 8
        cv2.putText(image, name, (8, foot - 12), FONT, SIZE, BLACK, 1, cv2.LINE_AA)
        edges = np.logspace(low, high, BINS + 1)
        counts = np.histogram(np.maximum(values, SMALLEST_MS), edges)[0]
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
            if count:
                tall = max(1, round((ROW - 14) * count / counts.max()))
                cv2.rectangle(
                    image, (column(left), foot - tall), (max(column(right) - 1, column(left)), foot), FILL, -1
                )
        for ms, colour in zip(percentiles(values, [p / 100 for p in MARKS]), MARKS.values(), strict=True):
            x = column(ms)
            cv2.line(image, (x, foot - ROW + 14), (x, foot + 4), colour, 2)
    legend = f"milliseconds; lines: {', '.join(f'p{percent}' for percent in MARKS)}"
    cv2.putText(image, legend, (MARGIN, image.shape[0] - 8), FONT, SIZE, BLACK, 1, cv2.LINE_AA)
    return image
