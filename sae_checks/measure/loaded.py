"""The model and the SAEs of a run: the model once, SAEs when their turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sae_checks.errors import ModelError, SaeError
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.progress import Progress
from sae_checks.measure.request import Request
from sae_checks.records import Release, SaeRef
from sae_checks.wording import counted

if TYPE_CHECKING:
    from sae_checks.load.language_model import LanguageModel
    from sae_checks.load.sae import LoadedSae

# SAEs stay loaded while they are small: all of a toy release, none but two of a real one, which
# are read again for every batch (a per cent or two of what is computed with them).
KEPT_BYTES = 64 * 2**20


class SaeSource:
    """Gives SAEs out one at a time, and lets go of them, so that memory does not grow with them.

    While one is in use the one that was asked for after it the last time is read beside it: two are
    loaded at most, beside the small ones that stay. What was wrong with one is raised by `get`.

    Args:
        load: reads an SAE.
        kept_bytes: how many bytes of weights may stay loaded.
    """

    def __init__(self, load: Callable[[SaeRef], LoadedSae], kept_bytes: int = KEPT_BYTES) -> None:
        self._load, self._left = load, kept_bytes
        self._kept: dict[str, LoadedSae] = {}
        self._last: LoadedSae | None = None
        self._after: dict[str, SaeRef] = {}  # by SAE id, which one was asked for next
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-sae")
        self._reading: tuple[str, Future[LoadedSae]] | None = None
        self.failures: dict[str, str] = {}  # by SAE id, why one could not be read

    @classmethod
    def of(cls, saes: Iterable[LoadedSae]) -> SaeSource:
        """SAEs that are loaded already, and stay so."""
        source = cls(_never)
        source._kept = {sae.ref.sae_id: sae for sae in saes}
        return source

    def get(self, ref: SaeRef) -> LoadedSae:
        """An SAE, loaded.

        Raises:
            SaeError: it cannot be read, which `failures` remembers.
        """
        if ref.sae_id in self._kept:
            return self._kept[ref.sae_id]
        if self._last is not None and self._last.ref.sae_id == ref.sae_id:
            return self._last
        previous = None if self._last is None else self._last.ref.sae_id
        self._last = None  # let go before another one is read
        sae = self._read(ref)
        if previous is not None:
            self._after[previous] = ref
        if sae.size_in_bytes <= self._left:
            self._left -= sae.size_in_bytes
            self._kept[ref.sae_id] = sae
            return sae
        self._last = sae
        following = self._after.get(ref.sae_id)
        if following is not None and following.sae_id not in self._kept:
            self._reading = following.sae_id, self._reader.submit(self._load, following)
        return sae

    def close(self) -> None:
        """Let go of all that may be read again, once nothing is being read any more."""
        self._last = self._reading = None
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _read(self, ref: SaeRef) -> LoadedSae:
        reading, self._reading = self._reading, None
        try:
            if reading is not None and reading[0] == ref.sae_id:
                return reading[1].result()
            if reading is not None:
                reading[1].cancel()
            return self._load(ref)
        except SaeError as error:
            self.failures[ref.sae_id] = str(error)
            raise


@dataclass(frozen=True)
class LoadedModels:
    """What measuring is done with.

    Attributes:
        model: None where no SAE can be measured.
        settings: how it is measured.
        saes: gives out those that fit the model.
        fitting: their ids.
        failures: why the others do not, by SAE id.
    """

    model: LanguageModel | None
    settings: PassOptions
    saes: SaeSource
    fitting: frozenset[str] = frozenset()
    failures: dict[str, str] = field(default_factory=dict)

    def of(self, refs: Iterable[SaeRef]) -> tuple[SaeRef, ...]:
        """Those of some SAEs that can be measured, as far as is known."""
        fitting = self.fitting - self.saes.failures.keys()
        return tuple(ref for ref in refs if ref.sae_id in fitting)


def load_models(request: Request, refs: tuple[SaeRef, ...], progress: Progress) -> LoadedModels:
    """Load the model of a release, and read some of its SAEs once to see that they fit.

    Raises:
        UserError: the model or the device is not available.
    """
    progress.phase("loading torch and sae_lens")
    from sae_checks.load.model import load_model, torch_device

    options, release = request.options, request.release
    device = request.provenance.device  # "auto" of the options was settled there
    settings = PassOptions(request.provenance.replace_special, options.batch_tokens)
    torch_device(device)
    progress.phase(f"loading {counted(len(refs), 'SAE')}")
    source = SaeSource(_reader(release, device, options.dtype))
    failures = _unreadable(source, refs)
    readable = [ref for ref in refs if ref.sae_id not in failures]
    if not readable:
        return LoadedModels(None, settings, source, failures=failures)
    progress.phase(f"loading model {release.loading.model_name}")
    model = load_model(
        release.loading,
        revision=request.provenance.model_revision,
        device=device,
        dtype=options.dtype,
    )
    failures |= bind_saes(model, readable)
    fitting = frozenset(ref.sae_id for ref in readable if ref.sae_id not in failures)
    return LoadedModels(model, settings, source, fitting, failures)


def bind_saes(model: LanguageModel, refs: Iterable[SaeRef]) -> dict[str, str]:
    """Bind every SAE's hook point; returns, by SAE id, why an SAE does not fit the model."""
    failures: dict[str, str] = {}
    for ref in refs:
        try:
            failure = _misfit(model, ref)
        except ModelError as error:
            failure = f": {error}"
        if failure:
            failures[ref.sae_id] = f"SAE {ref.sae_id!r}{failure}"
    return failures


def _misfit(model: LanguageModel, ref: SaeRef) -> str:
    """Why an SAE does not fit the model, or "".

    Raises:
        ModelError: the model lacks one of its hook points.
    """
    ends = {ref.hook_point: ("takes", ref.d_in)}
    if ref.is_transcoder:
        ends[ref.writes] = ("writes", ref.d_out)
    for hook_point, (does, expected) in ends.items():
        width = model.bind(hook_point)
        if width != expected:
            return (
                f" {does} activations of width {expected}, but {hook_point!r} of the model is "
                f"{width} wide; is it the right model (--sae-model)?"
            )
    if model.depth(ref.writes) < model.depth(ref.hook_point):
        return (
            f" writes at {ref.writes!r}, which lies before {ref.hook_point!r} where it reads; what "
            "is put there cannot depend on it"
        )
    return ""


def _never(ref: SaeRef) -> LoadedSae:
    raise KeyError(f"{ref.sae_id} is not among the SAEs that were loaded")


def _reader(release: Release, device: str, dtype: str) -> Callable[[SaeRef], LoadedSae]:
    from sae_checks.load.sae import load_sae

    return lambda ref: load_sae(release, ref, device=device, dtype=dtype)


def _unreadable(source: SaeSource, refs: Iterable[SaeRef]) -> dict[str, str]:
    """By SAE id, why an SAE cannot be read, or what is wrong with its weights."""
    for ref in refs:
        with suppress(SaeError):  # which the source remembers
            source.get(ref)
    return dict(source.failures)
