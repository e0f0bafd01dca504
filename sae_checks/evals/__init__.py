"""Evaluations: what is measured of interventions on datasets, and the cells cut from it."""
