"""skd-edge between workstation and device: INT8, TensorRT engines, verification."""
