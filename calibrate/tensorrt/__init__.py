"""TensorRT: what its parser takes, and engines built on the device that will run them."""
