"""Benchmarks: latency, power and accuracy, with the machine they were measured on."""
