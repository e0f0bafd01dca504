"""The direction of each SAE's mean error, learnt on a few texts before it is measured on all.

The mean of ê·(x − x̂) over tokens is the part of the mean error that lies along ê: with ê learnt on
a few of the texts, it is all but unbiased and has an interval like any other mean, while the length
of a mean vector is neither. It is at most ‖E[x − x̂]‖, and near it where the mean error stands out
of the noise of a few hundred tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from sae_checks.errors import SaeError
from sae_checks.load.texts import Texts
from sae_checks.measure import metrics
from sae_checks.measure.calibration import Calibration, calibration_texts
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.splice import reconstruct
from sae_checks.measure.texts import TextDataset
from sae_checks.records import SaeRef


@torch.inference_mode()
def error_directions(
    measuring: Measuring, calibrations: Mapping[str, Calibration]
) -> dict[str, Tensor]:
    """Unit vectors (d,) along the mean error x − x̂ of each SAE that can be read, by its id.

    Over the tokens of the calibration texts that are measured, within the training context and not
    massive; 0 where that mean is 0.

    Args:
        measuring: on texts, SAEs one at a time.
        calibrations: by hook point.
    """
    assert isinstance(measuring.dataset, TextDataset), "the context evaluation reads texts"
    model, dataset = measuring.model, measuring.dataset
    saes = {i.saes[0].sae_id: i.saes[0] for i in measuring.interventions}
    if not saes:  # none of those that lack something can be read
        return {}
    hook_points = sorted({at for sae in saes.values() for at in (sae.hook_point, sae.writes)})
    sums = dict[str, Tensor]()
    # Nothing past a position changes what is seen there: the training context is all that is read.
    longest = max(sae.training_context or dataset.texts.tokens.shape[1] for sae in saes.values())
    within = _beginnings(dataset.texts, longest)
    for batch in within.batches(np.arange(within.size), model, measuring.settings):
        clean = model.clean(batch.tokens, hook_points)
        for sae in saes.values():
            x, y = clean.taps[sae.hook_point], clean.taps[sae.writes]
            with suppress(SaeError):  # which the source remembers: it fails its own tests
                reconstruction = reconstruct(measuring.saes.get(sae), x, batch, (), y)
                keep = batch.measured & _ordinary(sae, y, calibrations[sae.writes])
                error = torch.where(keep.unsqueeze(-1), y.double() - reconstruction.double(), 0.0)
                sums[sae.sae_id] = sums.get(sae.sae_id, 0.0) + error.sum(dim=(0, 1))  # (d,)
    return {name: torch.nn.functional.normalize(sums[name], dim=0).float() for name in sums}


def _beginnings(texts: Texts, length: int) -> TextDataset:
    """The first tokens of the calibration texts."""
    rows, here = calibration_texts(texts), slice(length)
    return TextDataset(
        Texts(
            tokens=texts.tokens[rows, here],
            special=texts.special[rows, here],
            documents=texts.documents[rows, here],
            description={},
        )
    )


def _ordinary(sae: SaeRef, x: Tensor, calibration: Calibration) -> Tensor:
    """(B, T) whether a token lies in the training context and is not massive."""
    training_context = sae.training_context or x.shape[1]
    inside = torch.arange(x.shape[1], device=x.device) < training_context
    return inside & (metrics.norm(x) <= calibration.massive_norm)
