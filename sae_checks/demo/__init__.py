"""The bundled demo release `tales`: a small language model, and five SAEs trained on it.

Only paths live here, so importing this package costs nothing; `stories` makes the texts and
`train` rebuilds the release from them.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "tales"
MODEL_FOLDER = FOLDER / "model"
SAES_FOLDER = FOLDER / "saes"
