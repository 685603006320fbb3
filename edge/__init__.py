"""skd-edge on the device: pose estimator, tracker and action recogniser in a camera loop.

The packages, in the order in which a frame passes them::

    capture      cameras, videos, streams: frames with capture times
    pose         pose estimators: the bodies in a frame
    tracking     track ids across frames, and which person is followed
    recognition  each person's clip, the student that reads it, and its decisions
    drawing      skeletons, labels and panels on frames
    sinks        windows, files, web page, MQTT
    loop         runs all of these, each stage on its own thread; start with loop/pipeline.py

Below them are contract (shared with training), engines (inference runtimes) and cli (the command line); above them the
commands: run, demo, check, threshold, doctor, bench, soak.
"""

import os

# Read when ONNX Runtime is imported. From 1.29 on it sends usage data to Microsoft, also on Linux, unless this is set.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
