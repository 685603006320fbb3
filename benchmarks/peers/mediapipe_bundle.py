"""Two networks as one .task file, which MediaPipe's newer interface wants; runs in the environment of MediaPipe 0.10.

    python mediapipe_bundle.py DETECTOR LANDMARKS BUNDLE

Newer packages bring neither networks nor the part that writes metadata. Weights stay as they are; what is added is how
pictures are scaled, which the older interface has in its graphs: the detector reads -1..1, the landmarks' network 0..1.
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
"""File, and what is subtracted from its pixels before they are divided by the last."""

with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as members:
    for name, (network, mean, deviation) in MEMBERS.items():
        writer = MetadataWriter.create(bytearray(network.read_bytes()))
        writer.add_image_input([mean], [deviation])
        members.writestr(name, bytes(writer.populate()[0]))
