"""The public MobileNet-thin pose network, from a frozen TensorFlow graph to ONNX."""
