"""Export trained networks to what the device reads: bundles, streaming students and pose networks as ONNX."""
