"""Draw skeletons, labels, missing joints and a status line on a copy of the frame."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from edge.contract.box import Box, bounding_box
from edge.contract.layouts import JointLayout
from edge.contract.types import Frame, FrameResult, Image, Person
from edge.drawing.joint_panel import draw_dropout
from edge.drawing.label_placement import HEAD_HEIGHT, Rectangle, place, rectangle
from edge.drawing.shapes import (
    ACCENTS,
    FAINT,
    LEFT,
    OUTLINE,
    QUIET,
    RIGHT,
    SHIFT,
    TEXT,
    TRUNK,
    Colour,
    Style,
    bar,
    fixed,
    panel,
    ring,
    text_size,
    write,
)
from edge.image_pool import ImagePool
from edge.latency import DECISION
from edge.recognition.label_text import label_text

THIN_PARTS = ("eye", "ear", "mouth", "nose", "pinky", "index", "thumb", "heel", "foot", "hand")
CACHED_IMAGES = 4
"""Sinks on different threads ask for the same image at different times."""
SMOOTHING = 0.1
"""Weight of the newest frame in the moving averages of the status line."""
PAUSE_S = 2.0
"""A longer gap between drawn frames restarts the averages: nothing is drawn while no sink needs it."""


class Overlay:
    """Draw each result once for all sinks that show it. Thread-safe."""

    def __init__(self, layout: JointLayout) -> None:
        self._layout = layout
        # Weak, so that the cache does not keep the frames' own images alive.
        self._drawn: deque[tuple[weakref.ref[Frame], Image]] = deque()
        self._memory = ImagePool()
        self._lock = threading.Lock()
        self._drawn_at_s = -math.inf
        self._interval_s = self._latency_ms = 0.0

    def render(self, result: FrameResult) -> Image:
        """Return the annotated image, (H, W, 3) uint8 BGR. It is shared: do not write to it."""
        with self._lock:
            drawn = self._find(result)
            return self._draw(result) if drawn is None else drawn

    def draw(self, result: FrameResult) -> bool:
        """Draw it if it is not cached; return whether it was drawn."""
        with self._lock:
            if self._find(result) is not None:
                return False
            self._draw(result)
            return True

    def _find(self, result: FrameResult) -> Image | None:
        return next((image for frame, image in self._drawn if frame() is result.frame), None)

    def _draw(self, result: FrameResult) -> Image:
        if len(self._drawn) == CACHED_IMAGES:
            self._drawn.popleft()
        image = self._memory.copy(result.frame.image)
        occupied = draw_people(image, result.people, self._layout)
        if result.people and result.joint_dropout is not None:
            draw_dropout(image, result.joint_dropout, self._layout, occupied)
        notes = (result.failure or self._speed(result), following_text(result))
        draw_note(image, "   ".join(filter(None, notes)))
        self._drawn.append((weakref.ref(result.frame), image))
        return image

    def _speed(self, result: FrameResult) -> str:
        now_s, latency_ms = time.perf_counter(), result.latency_ms.get(DECISION, 0.0)
        people = f"{len(result.people)} {'person' if len(result.people) == 1 else 'people'}"
        interval_s, self._drawn_at_s = now_s - self._drawn_at_s, now_s
        if interval_s > PAUSE_S:
            self._interval_s, self._latency_ms = 0.0, latency_ms
            return people
        self._interval_s += (interval_s - self._interval_s) * (SMOOTHING if self._interval_s else 1)
        self._latency_ms += (latency_ms - self._latency_ms) * SMOOTHING
        return f"{1 / self._interval_s:.1f} fps   {self._latency_ms:.0f} ms   {people}"


def following_text(result: FrameResult) -> str:
    """Describe who is followed, and by which rule. Empty if everybody is."""
    following = result.following
    if following is None:
        return ""
    by = "" if following.rule.isdecimal() else f" ({following.rule})"
    if following.track_id is None:
        return f"following nobody yet{by}"
    in_view = any(person.followed for person in result.people)
    return f"following #{following.track_id}{by}{'' if in_view else ', out of view'}"


def person_colour(person: Person) -> Colour:
    """A person's colour, the same in every frame and on the live page."""
    return ACCENTS[(person.track_id - 1) % len(ACCENTS)]


def draw_people(image: Image, people: Sequence[Person], layout: JointLayout) -> list[Rectangle]:
    """Draw all skeletons, then all labels, so that no bone crosses a label. Returns the rectangles of both."""
    style, boxes = Style.of(image), [bounding_box(person.pose.keypoints) for person in people]
    bodies = list(zip(people, boxes, strict=True))
    for person, box in sorted(bodies, key=lambda body: body[0].followed):
        _draw_skeleton(image, person, box, layout, style)
    heads = [rectangle(box, HEAD_HEIGHT) for box in boxes]
    taken: list[Rectangle] = []
    for person, box in sorted(bodies, key=lambda body: body[1][1]):
        _draw_label(image, person, box, style, heads, taken)
    return [*taken, *map(rectangle, boxes)]


def draw_note(image: Image, text: str) -> None:
    """Draw one small line of text in the lower left corner."""
    style = Style.of(image)
    size = style.small(0.72)
    pad = round(0.6 * size)
    width, height = text_size(text, size)
    x, y = round(style.text * 0.7), image.shape[0] - round(style.text * 0.7) - height - 2 * pad
    panel(image, x, y, x + width + 2 * pad, y + height + 2 * pad, alpha=0.6)
    write(image, text, x + pad, y + pad + height, size, TEXT)


def _draw_skeleton(image: Image, person: Person, box: Box, layout: JointLayout, style: Style) -> None:
    keypoints, (left, top, right, bottom) = person.pose.keypoints, box
    # Distant people get thinner lines; people who are not followed are grey.
    stroke = float(np.clip(0.014 * max(bottom - top, right - left), 0.5 * style.stroke, 1.3 * style.stroke))
    colour_of = _side_colour if person.followed else lambda a, b: FAINT
    bones = [edge for edge in layout.edges if keypoints[list(edge), 2].min() > 0]
    for outline in (True, False):
        for a, b in bones:
            names = (layout.joints[a], layout.joints[b])
            width = stroke * (0.5 if _is_thin(*names) else 1.0)
            colour, thickness = (OUTLINE, width + 0.8 * stroke) if outline else (colour_of(*names), width)
            ends = (fixed(*keypoints[a, :2]), fixed(*keypoints[b, :2]))
            cv2.line(image, *ends, colour, max(1, round(thickness)), cv2.LINE_AA, SHIFT)
    for (x, y, score), name in zip(keypoints.tolist(), layout.joints, strict=True):
        if score > 0:
            colour = colour_of(name, name)
            dots = ((colour, 0.5),) if _is_thin(name) else ((OUTLINE, 1.5), (colour, 1.05), (TRUNK, 0.45))
            for fill, radius in dots:
                cv2.circle(image, fixed(x, y), round(radius * stroke * (1 << SHIFT)), fill, -1, cv2.LINE_AA, SHIFT)


def _draw_label(
    image: Image, person: Person, box: Box, style: Style, heads: Sequence[Rectangle], taken: list[Rectangle]
) -> None:
    """Draw a pill above the head: a ring that fills with the clip, the label, and its probability as a bar."""
    colour, size = person_colour(person), style.text
    name, value = label_text(person)
    number, small = f"#{person.track_id}", style.small(0.75)
    pad, circle, gap = round(0.55 * size), round(0.95 * size), round(0.45 * size)
    (name_width, height), (number_width, _) = text_size(name, size), text_size(number, small)
    value_width = gap + text_size(value, small)[0] if value else 0
    width = pad + circle + gap + name_width + gap + number_width + value_width + pad
    tall = 2 * pad + height + (round(0.55 * size) if value else 0)
    extent = (image.shape[1], image.shape[0])
    x, y = place((width, tall), box, extent, round(0.3 * size), heads, taken)
    taken.append((x, y, width, tall))
    panel(image, x, y, x + width, y + tall, alpha=0.78)

    baseline = y + pad + height
    ring(image, x + pad + circle / 2, baseline - height / 2, circle / 2, person.clip_fill, colour)
    name_x = x + pad + circle + gap
    write(image, name, name_x, baseline, size, TEXT)
    write(image, number, name_x + name_width + gap, baseline, small, QUIET)
    if value and person.action:
        write(image, value, x + width - pad - value_width + gap, baseline, small, colour)
        bar(image, x + pad, x + width - pad, y + tall - 0.55 * pad, person.action.score, colour, size)


def _side_colour(a: str, b: str) -> Colour:
    # Shoulder to hip is trunk, although both are on the same side.
    if {a.partition("_")[2], b.partition("_")[2]} == {"shoulder", "hip"}:
        return TRUNK
    sides = {a.partition("_")[0], b.partition("_")[0]}
    return LEFT if sides == {"left"} else RIGHT if sides == {"right"} else TRUNK


def _is_thin(*joints: str) -> bool:
    return any(part in joint for part in THIN_PARTS for joint in joints)
