"""Simulations of how often verdicts are wrong; too long for every run: `make simulations`."""
