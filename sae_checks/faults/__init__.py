"""Faults to plant into a good SAE, so that a gate can be asked whether it notices.

`CATALOGUE` lists them. Each is what goes wrong when SAEs are trained, converted and published, at
the strengths that a gate has to catch and at weaker ones that show where it stops.
"""

from sae_checks.faults.catalogue import CATALOGUE, OF_CHECKS, Fault, Strength, sample_of
from sae_checks.faults.plant import Sample

__all__ = ["CATALOGUE", "OF_CHECKS", "Fault", "Sample", "Strength", "sample_of"]
