"""What people see: skeletons, labels and one line about speed, drawn on a copy of the picture."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.contract.layouts import JointLayout
from edge.contract.types import UNKNOWN, Action, Float32, Frame, FrameResult, Image, Person
from edge.label_placement import Rectangle, head, place
from edge.latency import DECISION

Colour = tuple[int, int, int]
"""Blue, green, red."""

LEFT, RIGHT, TRUNK = (61, 138, 255), (255, 184, 64), (238, 240, 242)
OUTLINE, PANEL, TEXT, FAINT = (26, 22, 20), (34, 28, 24), (250, 250, 250), (120, 112, 106)
QUIET = (190, 182, 176)
ACCENTS: tuple[Colour, ...] = (
    (150, 214, 64),
    (180, 105, 255),
    (77, 211, 255),
    (255, 144, 158),
    (84, 132, 250),
    (226, 208, 72),
)
"""One a person, by track id."""

THIN_PARTS = ("eye", "ear", "mouth", "nose", "pinky", "index", "thumb", "heel", "foot", "hand")
SHIFT = 4
"""Coordinates are given to OpenCV in sixteenths of a pixel, so that slow movements do not jerk."""
NOTABLE = 0.05
"""Part of the time that a joint is unseen from which on it is worth a word."""
KEPT = 4
"""Drawn pictures that are kept, because outputs on threads of their own ask for the same one at different times."""
SMOOTHING = 0.1
"""Weight of the newest frame in the figures of the speed line."""


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels that grow with the picture, so that text is legible at any resolution."""

    text: float
    stroke: float

    @classmethod
    def of(cls, image: Image) -> _Style:
        side = float(np.sqrt(image.shape[0] * image.shape[1]))
        return cls(text=max(10.0, side / 46), stroke=max(1.0, side / 240))


class Overlay:
    """Draws each result once, however many sinks show it, on whatever threads."""

    def __init__(self, layout: JointLayout) -> None:
        self._layout = layout
        self._drawn: deque[tuple[Frame, Image]] = deque(maxlen=KEPT)
        self._drawing = threading.Lock()
        self._at: float | None = None
        self._between_s = self._latency_ms = 0.0

    def picture(self, result: FrameResult) -> Image:
        """The annotated picture (H, W, 3) uint8 BGR; it is shared, so not to be drawn on."""
        with self._drawing:
            return self._find(result) if self._is_drawn(result) else self._draw(result)

    def draw(self, result: FrameResult) -> bool:
        """Draw it now; False where it was drawn already."""
        with self._drawing:
            if self._is_drawn(result):
                return False
            self._draw(result)
            return True

    def _is_drawn(self, result: FrameResult) -> bool:
        return any(frame is result.frame for frame, _ in self._drawn)

    def _find(self, result: FrameResult) -> Image:
        return next(image for frame, image in self._drawn if frame is result.frame)

    def _draw(self, result: FrameResult) -> Image:
        image = result.frame.image.copy()
        draw_people(image, result.people, self._layout)
        draw_note(image, result.failure or self._speed(result))
        self._drawn.append((result.frame, image))
        return image

    def _speed(self, result: FrameResult) -> str:
        now, latency_ms = time.perf_counter(), result.latency_ms.get(DECISION, 0.0)
        people = f"{len(result.people)} {'person' if len(result.people) == 1 else 'people'}"
        if self._at is None:
            self._at, self._latency_ms = now, latency_ms
            return people
        between_s, self._at = now - self._at, now
        self._between_s += (between_s - self._between_s) * (SMOOTHING if self._between_s else 1)
        self._latency_ms += (latency_ms - self._latency_ms) * SMOOTHING
        return f"{1 / self._between_s:.1f} fps   {self._latency_ms:.0f} ms   {people}{self._missed(result)}"

    def _missed(self, result: FrameResult) -> str:
        """The joint that is missed most, where one is."""
        if result.joint_dropout is None or not result.people or result.joint_dropout.max() < NOTABLE:
            return ""
        worst = int(result.joint_dropout.argmax())
        mean, most = (100 * float(part) for part in (result.joint_dropout.mean(), result.joint_dropout[worst]))
        return f"   unseen {mean:.0f} %, {self._layout.joints[worst].replace('_', ' ')} {most:.0f} %"


def draw_people(image: Image, people: Sequence[Person], layout: JointLayout) -> None:
    """Skeletons first, then the labels, so that no bone crosses a text."""
    style = _Style.of(image)
    for person in people:
        _draw_skeleton(image, person.pose.keypoints, layout, style)
    heads = [head(_box(person.pose.keypoints)) for person in people]
    taken: list[Rectangle] = []
    for person in sorted(people, key=lambda person: float(_box(person.pose.keypoints)[1])):
        _draw_label(image, person, style, heads, taken)


def draw_note(image: Image, text: str) -> None:
    """One small line in the lower left corner."""
    style = _Style.of(image)
    size = 0.72 * style.text
    pad = round(0.6 * size)
    width, height = _text_size(text, size)
    x, y = round(style.text * 0.7), image.shape[0] - round(style.text * 0.7) - height - 2 * pad
    _panel(image, x, y, x + width + 2 * pad, y + height + 2 * pad, alpha=0.6)
    _write(image, text, x + pad, y + pad + height, size, TEXT)


def _draw_skeleton(image: Image, keypoints: Float32, layout: JointLayout, style: _Style) -> None:
    left, top, right, bottom = _box(keypoints)
    # Distant people get finer lines than near ones.
    stroke = float(np.clip(0.014 * max(bottom - top, right - left), 0.5 * style.stroke, 1.3 * style.stroke))
    bones = [edge for edge in layout.edges if keypoints[list(edge), 2].min() > 0]
    for outline in (True, False):
        for a, b in bones:
            names = (layout.joints[a], layout.joints[b])
            width = stroke * (0.5 if _is_thin(*names) else 1.0)
            colour, thickness = (OUTLINE, width + 0.8 * stroke) if outline else (_side(*names), width)
            ends = (_fixed(*keypoints[a, :2]), _fixed(*keypoints[b, :2]))
            cv2.line(image, *ends, colour, max(1, round(thickness)), cv2.LINE_AA, SHIFT)
    for (x, y, score), name in zip(keypoints.tolist(), layout.joints, strict=True):
        if score > 0:
            colour = _side(name, name)
            dots = ((colour, 0.5),) if _is_thin(name) else ((OUTLINE, 1.5), (colour, 1.05), (TRUNK, 0.45))
            for fill, radius in dots:
                cv2.circle(image, _fixed(x, y), round(radius * stroke * (1 << SHIFT)), fill, -1, cv2.LINE_AA, SHIFT)


def _draw_label(
    image: Image, person: Person, style: _Style, heads: Sequence[Rectangle], taken: list[Rectangle]
) -> None:
    """A pill above the head: the action with its probability as a bar, or a ring that fills while waiting."""
    accent, size = ACCENTS[(person.track_id - 1) % len(ACCENTS)], style.text
    name, value = _words(person.action)
    number, small = f"#{person.track_id}", 0.75 * size
    pad, ring, gap = round(0.55 * size), round(0.95 * size), round(0.45 * size)
    (name_width, height), (number_width, _) = _text_size(name, size), _text_size(number, small)
    value_width = gap + _text_size(value, small)[0] if value else 0
    width = pad + ring + gap + name_width + gap + number_width + value_width + pad
    tall = 2 * pad + height + (round(0.55 * size) if value else 0)
    picture = (image.shape[1], image.shape[0])
    x, y = place((width, tall), _box(person.pose.keypoints), picture, round(0.3 * size), heads, taken)
    taken.append((x, y, width, tall))
    _panel(image, x, y, x + width, y + tall, alpha=0.78)

    baseline = y + pad + height
    _ring(image, x + pad + ring / 2, baseline - height / 2, ring / 2, person.clip_fill, accent)
    name_x = x + pad + ring + gap
    _write(image, name, name_x, baseline, size, TEXT)
    _write(image, number, name_x + name_width + gap, baseline, small, QUIET)
    if value and person.action:
        _write(image, value, x + width - pad - value_width + gap, baseline, small, accent)
        _bar(image, x + pad, x + width - pad, y + tall - 0.55 * pad, person.action.score, accent, size)


def _words(action: Action | None) -> tuple[str, str]:
    if action is None:
        return "watching", ""
    if not action.known:
        return UNKNOWN, ""
    return action.label.replace("_", " "), f"{100 * action.score:.0f} %"


def _side(a: str, b: str) -> Colour:
    # From shoulder to hip is trunk, though both are on one side.
    if {a.partition("_")[2], b.partition("_")[2]} == {"shoulder", "hip"}:
        return TRUNK
    sides = {a.partition("_")[0], b.partition("_")[0]}
    return LEFT if sides == {"left"} else RIGHT if sides == {"right"} else TRUNK


def _box(keypoints: Float32) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the seen joints."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _is_thin(*joints: str) -> bool:
    return any(part in joint for part in THIN_PARTS for joint in joints)


def _fixed(x: float, y: float) -> tuple[int, int]:
    return round(float(x) * (1 << SHIFT)), round(float(y) * (1 << SHIFT))


def _panel(image: Image, x0: int, y0: int, x1: int, y1: int, *, alpha: float) -> None:
    """A translucent dark rectangle with round corners."""
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, image.shape[1]), min(y1, image.shape[0])
    below = image[y0:y1, x0:x1]
    if below.size == 0:
        return
    layer, height, width = below.copy(), y1 - y0, x1 - x0
    radius = min(height, width) // 3
    cv2.rectangle(layer, (radius, 0), (width - radius, height), PANEL, -1)
    cv2.rectangle(layer, (0, radius), (width, height - radius), PANEL, -1)
    for centre in ((radius, radius), (width - 1 - radius, radius)):
        cv2.circle(layer, centre, radius, PANEL, -1, cv2.LINE_AA)
        cv2.circle(layer, (centre[0], height - 1 - radius), radius, PANEL, -1, cv2.LINE_AA)
    image[y0:y1, x0:x1] = cv2.addWeighted(layer, alpha, below, 1 - alpha, 0)


def _ring(image: Image, x: float, y: float, radius: float, fill: float, colour: Colour) -> None:
    """A circle of which the observed part of the clip is coloured, clockwise from the top."""
    centre, axes = _fixed(x, y), (round(0.78 * radius * (1 << SHIFT)),) * 2
    thickness = max(1, round(0.4 * radius))
    cv2.ellipse(image, centre, axes, -90, 0, 360, FAINT, thickness, cv2.LINE_AA, SHIFT)
    if fill > 0:
        cv2.ellipse(image, centre, axes, -90, 0, 360 * fill, colour, thickness, cv2.LINE_AA, SHIFT)


def _bar(image: Image, x0: float, x1: float, y: float, score: float, colour: Colour, size: float) -> None:
    thickness = max(2, round(0.2 * size))
    for end, c in ((x1, FAINT), (x0 + (x1 - x0) * score, colour)):
        ends = (_fixed(x0, y), _fixed(end, y))
        cv2.line(image, *ends, c, thickness, cv2.LINE_AA, SHIFT)


def _text_size(text: str, size: float) -> tuple[int, int]:
    """Width, and height above the baseline, of a text whose capitals are about ``size`` * 0.8 tall."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 28, _weight(size))
    return int(width), min(int(height), round(0.8 * size))


def _write(image: Image, text: str, x: float, y: float, size: float, colour: Colour) -> None:
    font, weight = cv2.FONT_HERSHEY_SIMPLEX, _weight(size)
    cv2.putText(image, text, (round(x), round(y)), font, size / 28, colour, weight, cv2.LINE_AA)


def _weight(size: float) -> int:
    return max(1, round(size / 12))
