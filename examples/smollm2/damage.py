"""Damage two dictionaries as a faulty export would: python examples/smollm2/damage.py --out DIR

Writes DIR/damaged: DIR/saes with the decoder of one SAE scaled by 0.9, and the skip term of the
transcoder lost.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

SCALED, WITHOUT_SKIP = "blocks.12.hook_resid_pre", "blocks.13.mlp_transcoder"


def damage(saes: Path, damaged: Path) -> None:
    """Copy a release, with two of its dictionaries damaged."""
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(saes, damaged)
    for name, weight, factor in ((SCALED, "W_dec", 0.9), (WITHOUT_SKIP, "W_skip", 0.0)):
        path = damaged / name / "sae_weights.safetensors"
        weights = load_file(path)
        weights[weight] *= factor
        save_file(weights, path)


def main() -> None:
    """Damage the release in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder that train.py wrote to")
    out = parser.parse_args().out
    damage(out / "saes", out / "damaged")


if __name__ == "__main__":
    main()
