"""Segment log of raw frames, and the observations that follow from it."""
