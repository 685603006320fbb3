"""MediaPipe's own pose pipeline over a clip; runs in MediaPipe's environment and imports nothing of ours.

    python mediapipe_pose.py CLIP

As its documentation has it: OpenCV reads, colours are turned, ``Pose.process`` takes every picture. Prints one line of
JSON: wall milliseconds of every picture, from one answer to the next; processor seconds of all threads from the
first answer on; in how many pictures it saw somebody.
"""

import json
import sys
import time
from importlib.metadata import version

import cv2
import mediapipe

clip = sys.argv[1]
took_ms, seen = [], 0
# model_complexity 1 is pose_landmark_full.tflite, the network our loop runs.
with mediapipe.solutions.pose.Pose(static_image_mode=False, model_complexity=1) as pose:
    capture = cv2.VideoCapture(clip)
    # The first picture makes the networks ready, and is left out.
    pose.process(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
    begun = last = time.perf_counter()
    processor = time.process_time()
    while True:
        there, picture = capture.read()
        if not there:
            break
        found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        seen += found.pose_landmarks is not None
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
