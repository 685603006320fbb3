"""Training on a workstation: from skeleton data to a distilled student in a bundle.

The modules in this folder are the training loop; start reading at teach.py. The packages::

    data            datasets: readers, generated clips, corruption, pairs of HQ and LQ clips
    networks        teachers, students and pose networks, by name
    distillation    losses, gradient revision, and the methods that combine them
    export          bundles, streaming students and pose networks as ONNX
    quantise_aware  quantisation-aware training of INT8 networks
    video_pairs     pairs from the user's own videos, by two pose estimators
    error_fit       fits the errors of the cheaper estimator
"""
