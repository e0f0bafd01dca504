"""Baselines: what a release is compared with, where it comes from, and the comparison."""
