"""FP32 ONNX to INT8 ONNX: one step per file, their order in quantise.py, and the choice of ranges and float layers."""
