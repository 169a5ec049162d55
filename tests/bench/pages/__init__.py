"""Latency and weight of the pages on a large store."""
