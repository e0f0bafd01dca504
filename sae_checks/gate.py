"""The gate: from options to verdicts, stage by stage; no pytest, and no torch before measuring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from sae_checks.checking import BUNDLED_THRESHOLDS, CellRef, Check, bundled_checks
from sae_checks.errors import CorpusError, ReleaseError, UserError
from sae_checks.judge.cells import Cell, ReleaseCell
from sae_checks.judge.ranges import PositionRanges, place_ranges, position_ranges
from sae_checks.judge.thresholds import CheckLimits, Thresholds
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.verdict import Verdict, judge
from sae_checks.measure.progress import Progress
from sae_checks.options import DEFAULT_CONTEXT, Options
from sae_checks.records import Measurement, PositionRange, Release, SaeRef
from sae_checks.store import Provenance, Store, read_measurement

# Checks of a whole release ask how a quantity goes with the layer; two layers have no trend.
LAYERS_OF_A_TREND = 3
# Checks of what lies past the training context are asked where at least half as much again was
# measured: how far an SAE is usable cannot be told from less.
BEYOND_TRAINING = 1.5


class UnmeasuredError(UserError):
    """What a check needs could not be measured."""


@dataclass(frozen=True)
class Setting:
    """A release as it will be measured: resolved and described, nothing loaded."""

    release: Release
    context: int
    provenance: Provenance


class Gate:
    """One run of the suite on one release.

    Args:
        options: what the run is asked to do.

    Raises:
        UserError: the release, the model or the corpus cannot be made out, or the thresholds are
            malformed; nothing has been loaded then.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stored: Measurement | None = None
        self.measurement: Measurement | None = None
        self._provenance: Provenance | None = None
        if options.measurements is not None:
            _refuse_measuring_options(options)
            self.stored = _choose_stored(read_measurement(options.measurements), options.ids)
            self.release, self.context = self.stored.release, self.stored.context
            if options.release not in (None, self.release.name):
                raise UserError(
                    f"--sae {options.release} is not what --sae-measurements "
                    f"{options.measurements} holds, which is {self.release.name}; leave --sae out"
                )
        else:
            setting = _resolve(options)
            self.release, self.context = setting.release, setting.context
            self._provenance = setting.provenance

    @cached_property
    def ranges(self) -> dict[str, PositionRanges]:
        """The position ranges of each SAE."""
        made: dict[str, PositionRanges] = {}
        for sae in self.release.saes:
            if self.options.ranges:
                made[sae.sae_id] = place_ranges(
                    self.options.ranges, sae.training_context, self.context
                )
            else:
                made[sae.sae_id] = position_ranges(sae.training_context, self.context)
        for positions in self.options.ranges:
            if not any(_meets(positions, ranges) for ranges in made.values()):
                raise UserError(
                    f"--sae-ranges {positions} holds no position that is measured: they are 1 to "
                    f"{self.context - 2} at a context of {self.context:,} tokens"
                )
        return made

    def cells(self, check: Check) -> list[CellRef]:
        """The cells a check is asked about, one test each."""
        name = self.release.name
        if check.cells in ("in_context", "past_context"):
            return [
                CellRef(check.cells, name, sae, positions)
                for sae in self.release.saes
                for positions in getattr(self.ranges[sae.sae_id], check.cells)
            ]
        saes = [
            sae
            for sae in self.release.saes
            if not check.beyond_training or self.context >= BEYOND_TRAINING * sae.training_context
        ]
        if check.cells == "sae":
            return [CellRef("sae", name, sae, None) for sae in saes]
        enough = len({sae.layer for sae in saes}) >= LAYERS_OF_A_TREND
        return [CellRef("release", name, None, None)] if enough else []

    def read_thresholds(self, collected: Iterable[Check]) -> Thresholds:
        """The limits for the suite's checks and for those collected beside it."""
        bundled, own = bundled_checks(), {check.name: check for check in collected}
        checks = {**bundled, **own}
        rules = {name: CheckRules(c.unit, c.parameters) for name, c in checks.items()}
        read = read_thresholds(self.options.thresholds or BUNDLED_THRESHOLDS, rules)
        # The suite's own checks have no limits but those of the file: one that is left out there
        # must be noticed, not reported without a limit.
        defaults = {
            name: CheckLimits(check.default)
            for name, check in own.items()
            if name not in bundled and check.default is not None
        }
        return replace(read, checks={**defaults, **read.checks})

    @property
    def corpus(self) -> str:
        """The name of the corpus measured on."""
        if self._provenance is not None:
            return self._provenance.corpus
        texts = self.stored.manifest.get("texts") if self.stored else None
        return str(texts.get("corpus")) if isinstance(texts, Mapping) else "unknown"

    @property
    def store(self) -> Store | None:
        """Where this run's measurements are kept; None when it judges stored ones."""
        if self._provenance is None:
            return None
        return Store(self.options.store, self.release, self._provenance)

    def measure(self, wanted: Iterable[CellRef], needs: frozenset[str], progress: Progress) -> None:
        """Measure what the wanted cells need and is not stored yet.

        Raises:
            UserError: the model, the device or the corpus is not to be had.
        """
        if self.stored is not None:
            self.measurement = self.stored
            return
        from sae_checks.measure.run import measure_release

        cells = list(wanted)
        ids = {cell.sae.sae_id for cell in cells if cell.sae is not None}
        whole = any(cell.sae is None for cell in cells)
        saes = tuple(s for s in self.release.saes if whole or s.sae_id in ids)
        assert self._provenance is not None, "what is not stored has a provenance"
        assert self.store is not None, "what is not stored has a store"
        self.measurement = measure_release(
            self.release, saes, needs, self._provenance, self.store, self.options, progress
        )

    def verdict(self, check: Check, ref: CellRef, thresholds: Thresholds) -> Verdict:
        """Judge one cell.

        Raises:
            UnmeasuredError: the cell's SAE (any SAE, for a cell of the whole release) could not be
                measured.
        """
        cell = self.cell(check, ref, thresholds)
        estimate = check.function(cell)
        return judge(estimate, cell.limit(), thresholds.gate.undecided)

    def cell(self, check: Check, ref: CellRef, thresholds: Thresholds) -> Cell | ReleaseCell:
        """What the check's function gets to see."""
        if ref.sae is not None:
            return self._sae_cell(check, ref, ref.sae, thresholds)
        cells = (self._sae_cell(check, ref, sae, thresholds) for sae in self.release.saes)
        return ReleaseCell(tuple(cells))

    def _sae_cell(self, check: Check, ref: CellRef, sae: SaeRef, thresholds: Thresholds) -> Cell:
        if self.measurement is None:
            raise UnmeasuredError("nothing has been measured yet")
        table = self.measurement.tables.get(sae.sae_id)
        if table is None:
            reason = self.measurement.failures.get(sae.sae_id)
            raise UnmeasuredError(reason or f"SAE {sae.sae_id!r} was not measured")
        missing = check.needs - table.columns.keys() - {"position_sums"}
        if "position_sums" in check.needs and table.position_sums is None:
            missing |= {"position_sums"}
        if missing:
            raise UnmeasuredError(
                f"{check.name} needs {', '.join(sorted(missing))}, which the stored tables of "
                f"{sae.sae_id!r} lack; measure again without --sae-measurements"
            )
        positions = ref.positions or PositionRange(1, self.context - 2)
        kind = "sae" if ref.kind == "release" else ref.kind
        return Cell(self.release.name, table, kind, positions, check.name, thresholds)


def _meets(positions: PositionRange, ranges: PositionRanges) -> bool:
    """Whether any of an SAE's ranges was cut from the one that was asked for."""
    cut = (*ranges.in_context, *ranges.past_context)
    return any(positions.first <= each.first and each.last <= positions.last for each in cut)


def _refuse_measuring_options(options: Options) -> None:
    """What was measured is past changing: an option that says how to measure is a mistake."""
    how = ["model", "corpus", "tokens", "context", "training_context", "seed", "packing"]
    how += ["special_tokens", "device", "dtype"]
    given = [
        f"--sae-{n.replace('_', '-')}" for n in how if getattr(options, n) != getattr(Options(), n)
    ]
    if given:
        raise UserError(
            f"--sae-measurements judges tables as they were measured; {', '.join(given)} cannot "
            "change that, leave it out or measure again"
        )


def _resolve(options: Options) -> Setting:
    from sae_checks import resolve
    from sae_checks.load.documents import default_packing
    from sae_checks.resolve.model_config import read_model_config

    listing = resolve.choose(resolve.find(options.release), options.ids)
    release = resolve.describe(
        listing, model=options.model, training_context=options.training_context
    )
    model = read_model_config(release.loading)
    context = _context(options.context, model.context)
    corpus = options.corpus or _own_dataset(release)
    provenance = Provenance(
        loading=release.loading,
        model_version=model.version,
        corpus=corpus,
        corpus_version=_corpus_version(corpus, options),
        packing=options.packing or default_packing(corpus),
        seed=options.seed,
        tokens=options.tokens,
        context=context,
        replace_special=options.special_tokens == "replace",
        device=options.device,
        dtype=options.dtype,
    )
    return Setting(release, context, provenance)


def _context(asked: int | None, of_model: int | None) -> int:
    if asked is None:
        return min(of_model or DEFAULT_CONTEXT, DEFAULT_CONTEXT)
    if asked < 4:
        raise UserError(
            f"--sae-context {asked} is too short to measure anything; give 4 tokens or more"
        )
    if of_model is not None and asked > of_model:
        raise UserError(
            f"--sae-context {asked:,} is beyond the model's context of {of_model:,} tokens; "
            f"give {of_model:,} or less"
        )
    return asked


def _own_dataset(release: Release) -> str:
    names = sorted({sae.dataset for sae in release.saes if sae.dataset})
    if len(names) == 1:
        return names[0]
    said = (
        f"name {len(names)} data sets ({', '.join(names)})"
        if names
        else "do not say on what they were trained"
    )
    raise ReleaseError(f"the SAEs of {release.name!r} {said}; choose one with --sae-corpus")


def _corpus_version(corpus: str, options: Options) -> str:
    from sae_checks.load.documents import corpus_version, is_local
    from sae_checks.resolve import hub

    if is_local(corpus):
        return corpus_version(corpus)
    remembered = options.store / "revisions" / corpus.replace("/", "--")
    instead = "name a local .parquet, .jsonl or .txt file, or pydoc, with --sae-corpus"
    try:
        return hub.HubRepo(corpus, "dataset", instead).commit(remembered)
    except ReleaseError as error:
        raise CorpusError(str(error)) from error


def _choose_stored(measurement: Measurement, globs: tuple[str, ...]) -> Measurement:
    from fnmatch import fnmatchcase

    if not globs:
        return measurement
    saes = measurement.release.saes
    chosen = tuple(s for s in saes if any(fnmatchcase(s.sae_id, glob) for glob in globs))
    if not chosen:
        raise ReleaseError(
            f"--sae-ids {','.join(globs)} matches no SAE of the stored measurement; it has "
            f"{', '.join(s.sae_id for s in saes)}"
        )
    return replace(measurement, release=replace(measurement.release, saes=chosen))
