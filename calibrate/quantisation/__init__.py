"""FP32 ONNX to INT8 ONNX: each step in a file, quantise.py their order, and what chooses ranges and float layers."""
