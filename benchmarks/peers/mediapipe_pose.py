"""Run MediaPipe's own pose pipeline over a clip; runs in MediaPipe's environment and imports none of our code.

    python mediapipe_pose.py CLIP [BUNDLE]

As its documentation describes: OpenCV reads, colours are converted to RGB, and ``Pose.process`` gets every frame or,
with the .task file of mediapipe_bundle.py, ``PoseLandmarker.detect_for_video`` of the newer interface. Prints one line
of JSON: wall milliseconds per frame, from one result to the next; processor seconds of all threads since the first
result; number of frames with somebody in view.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import cv2
import mediapipe

clip, bundle = sys.argv[1], sys.argv[2:]
took_ms: list[float] = []
seen = 0
if bundle:
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=bundle[0]), running_mode=vision.RunningMode.VIDEO, num_poses=1
    )
    pipeline = vision.PoseLandmarker.create_from_options(options)
else:
    # model_complexity 1 is pose_landmark_full.tflite, the network our loop runs.
    pipeline = mediapipe.solutions.pose.Pose(static_image_mode=False, model_complexity=1)


def is_somebody_in(image: Any, time_ms: int) -> bool:
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    if not bundle:
        return pipeline.process(rgb).pose_landmarks is not None
    wrapped = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
    return bool(pipeline.detect_for_video(wrapped, time_ms).pose_landmarks)


with pipeline:
    capture = cv2.VideoCapture(clip)
    ms_each = 1000 / capture.get(cv2.CAP_PROP_FPS)
    # The first frame initialises the networks, and is left out.
    is_somebody_in(capture.read()[1], 0)
    begun = last = time.perf_counter()
    processor = time.process_time()
    while True:
        ok, image = capture.read()
        if not ok:
            break
        seen += is_somebody_in(image, int((len(took_ms) + 1) * ms_each))
        now = time.perf_counter()
        took_ms.append(1000 * (now - last))
        last = now
    seconds, processor = last - begun, time.process_time() - processor
print(
    json.dumps(
        {
            "version": f"mediapipe {version('mediapipe')}, OpenCV {cv2.__version__}",
            "took_ms": took_ms,
            "seconds": seconds,
            "processor_s": processor,
            "seen": seen,
        }
    )
)
