"""skd-edge on the device: pose estimator, tracker and action recogniser in a camera loop.

The packages, in the order in which a frame passes them::

    capture      cameras, videos, streams: frames with the times at which they were taken
    pose         pose estimators: the bodies in a frame
    tracking     who is who from frame to frame, and who is followed
    recognition  each person's last seconds, the student that reads them, and its decisions
    drawing      skeletons, labels and panels on frames
    sinks        windows, files, web page, broker
    loop         runs all of these, each stage on a thread of its own; begin with loop/pipeline.py

Below them are contract (what training and device agree on), engines (inference runtimes) and cli (the command line);
above them the commands: run, demo, check, threshold, doctor, bench, soak.
"""

__version__ = "0.1.0"
