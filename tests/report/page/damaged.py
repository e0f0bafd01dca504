"""A worse candidate of the demo's release, for the picture of a regression: `make pictures`.

python -m tests.report.page.damaged build/pictures/candidate
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from sae_checks import demo

SAE = "blocks.2.hook_resid_pre"
NOISE = 0.25  # of what a decoder weight is on average: the reconstruction gets worse, not broken


def main(folder: Path) -> None:
    """A copy of the demo's SAEs, with noise in the decoder of one of them."""
    shutil.copytree(Path(demo.__path__[0]) / "tales" / "saes", folder)
    file = folder / SAE / "sae_weights.safetensors"
    weights = load_file(file)
    decoder = weights["W_dec"]
    noise = np.random.default_rng(0).normal(0, NOISE * np.abs(decoder).mean(), decoder.shape)
    save_file({**weights, "W_dec": decoder + noise.astype(decoder.dtype)}, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
