"""skd-edge on the workstation: from skeleton data to a distilled student in a bundle.

The modules here are the training loop; begin with teach.py. The packages::

    data            clips: read or generated, corrupted, and drawn as pairs of two qualities
    networks        teachers, students and pose networks, by name
    distillation    losses, gradient revision, and the methods made of them
    export          bundles, streams and pose networks as ONNX
    quantise_aware  INT8 networks trained on in eight bits
    video_pairs     the user's own videos as a good and a cheap pose estimator see them
    error_fit       what the cheap one does wrong, as numbers
"""
