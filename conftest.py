"""Lets `pytest checks/` run in a checkout whether or not the package's entry point is installed."""

pytest_plugins = ["sae_checks.plugin"]
