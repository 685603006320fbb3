"""Pack two networks into the .task file that MediaPipe's newer interface reads; runs in MediaPipe 0.10's environment.

    python mediapipe_bundle.py DETECTOR LANDMARKS BUNDLE

Newer packages include neither networks nor the metadata writer. Weights are unchanged. The metadata adds the scaling of
images, which the older interface has in its graphs: the detector reads -1..1, the landmark network 0..1.
"""

import sys
import zipfile
from pathlib import Path

from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

detector, landmarks, bundle = map(Path, sys.argv[1:])
MEMBERS = {
    "pose_detector.tflite": (detector, 127.5, 127.5),
    "pose_landmarks_detector.tflite": (landmarks, 0.0, 255.0),
}
"""File, mean and standard deviation: pixels are scaled as (pixel - mean) / deviation."""

with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as members:
    for name, (network, mean, deviation) in MEMBERS.items():
        writer = MetadataWriter.create(bytearray(network.read_bytes()))
        writer.add_image_input([mean], [deviation])
        members.writestr(name, bytes(writer.populate()[0]))
