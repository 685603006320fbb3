"""Measurements that say what they were taken on: how long, how much, how right."""
