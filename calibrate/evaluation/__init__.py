"""What INT8 networks and engines lose against FP32, and how fast they are."""
