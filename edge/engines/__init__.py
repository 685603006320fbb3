"""Inference runtimes behind one boundary: named arrays in, named arrays out."""
