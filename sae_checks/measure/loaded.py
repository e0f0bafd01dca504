"""The model and the SAEs of a run, loaded once for all that is measured with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sae_checks.errors import SaeError
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.records import SaeRef
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae
    from sae_checks.measure.engine import Settings


@dataclass(frozen=True)
class LoadedModels:
    """What measuring is done with.

    Attributes:
        model: None where no SAE could be loaded.
        saes: those that fit the model, by SAE id.
        failures: why the others do not, by SAE id.
    """

    model: LanguageModel | None
    settings: Settings
    saes: dict[str, LoadedSae] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def of(self, refs: tuple[SaeRef, ...]) -> list[LoadedSae]:
        """Those of some SAEs that were loaded."""
        return [self.saes[ref.sae_id] for ref in refs if ref.sae_id in self.saes]


def load_models(request: Request, refs: tuple[SaeRef, ...], progress: Progress) -> LoadedModels:
    """Load some SAEs of a release and its model.

    Raises:
        UserError: the model or the device is not to be had.
    """
    progress.phase("loading torch and sae_lens")
    from sae_checks.load.model import load_model, torch_device
    from sae_checks.measure.engine import Settings, bind_saes

    options, release = request.options, request.release
    settings = Settings(request.provenance.replace_special, options.batch_tokens)
    torch_device(options.device)
    progress.phase(f"loading {counted(len(refs), 'SAE')}")
    loaded, failures = _load_saes(request, refs)
    if not loaded:
        return LoadedModels(None, settings, failures=failures)
    progress.phase(f"loading model {release.loading.model_name}")
    model = load_model(
        release.loading,
        revision=request.provenance.model_revision,
        device=options.device,
        dtype=options.dtype,
    )
    failures |= bind_saes(model, loaded)
    saes = {sae.ref.sae_id: sae for sae in loaded if sae.ref.sae_id not in failures}
    return LoadedModels(model, settings, saes, failures)


def _load_saes(
    request: Request, refs: tuple[SaeRef, ...]
) -> tuple[list[LoadedSae], dict[str, str]]:
    from sae_checks.load.sae import load_sae

    device, dtype = request.options.device, request.options.dtype
    loaded: list[LoadedSae] = []
    failures: dict[str, str] = {}
    for ref in refs:
        try:
            loaded.append(load_sae(request.release, ref, device=device, dtype=dtype))
        except SaeError as error:
            failures[ref.sae_id] = str(error)
    return loaded, failures
