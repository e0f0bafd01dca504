"""What a run is asked to do: the --sae options, each with an ini key, parsed before all else."""

from sae_checks.options.declared import FLAGS, OPTIONS, STRICT, given
from sae_checks.options.option import Option, Stage
from sae_checks.options.record import (
    DEFAULT_CONTEXT,
    DEFAULT_ITEMS,
    DEFAULT_TOKENS,
    Options,
    options_of,
)

__all__ = [
    "DEFAULT_CONTEXT",
    "DEFAULT_ITEMS",
    "DEFAULT_TOKENS",
    "FLAGS",
    "OPTIONS",
    "STRICT",
    "Option",
    "Options",
    "Stage",
    "given",
    "options_of",
]
