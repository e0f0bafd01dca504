"""Stacks on the items of tasks."""
