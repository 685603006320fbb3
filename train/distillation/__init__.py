"""Distillation: losses, gradient revision, and the methods that combine them."""
