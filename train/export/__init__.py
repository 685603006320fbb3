"""From trained networks to what the device reads: bundles, streams and pose networks as ONNX."""
