"""The stage after the L1 accept as it is configured (`docs/hlt.md`)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from models.backends.registry import open_backend
from models.repository import LoadedVersion, Repository
from stream.run.config import HltSection, RunSection
from stream.run.versions import run_version
from stream.services.hlt import Hlt, HltSettings
from stream.services.scorers import Scorers
from triggers.errors import BadValue, UnknownName
from triggers.events import schema
from triggers.events.source import SourceInfo

_WHERE = "hlt"


class HltStage:
    """The stage with its model version; every attribute may raise an `L1ChainError` about the input behind it."""

    def __init__(self, section: HltSection, repository: Repository) -> None:
        self._section, self._repository = section, repository

    @cached_property
    def version(self) -> LoadedVersion:
        """The version that scores."""
        return self._repository.load(self._section.name, self._section.version)

    @cached_property
    def threshold(self) -> int:
        """The least score that passes."""
        if self._section.threshold is not None:
            return self._section.threshold
        points, name = self.version.manifest.working_points, self._section.working_point or ""
        if name not in points:
            raise UnknownName(_WHERE, f"working point of {self.version.label}", name, points)
        return points[name].threshold

    @property
    def pinned(self) -> HltSection:
        """The configuration with the version that an alias stands for."""
        return self._section.model_copy(update={"version": self.version.manifest.version})

    def check(self, source: SourceInfo) -> None:
        """Check that the version can score the crossings of a source.

        Raises:
            L1ChainError: it cannot.
        """
        needed = set(open_backend(self._section.backend, self.version).needed_columns)
        lacking = sorted(needed - set(schema.REQUIRED.names) - set(source.optional_columns))
        if lacking:
            what = f"{self.version.label} reads {', '.join(lacking)}, which {source.name} does not have"
            raise BadValue(_WHERE, what, "choose another version, or a source that has it")
        _ = self.threshold

    def service(self, run: RunSection) -> Hlt:
        """The stage at the start of a run, its version held against its own reference scores."""
        section = self._section
        scorer = Scorers(lambda: self._repository).prepare(run_version(self.version, section.backend))
        settings = HltSettings(
            self.threshold, section.rate_hz, section.burst, run.colliding_bunches, run.crossings_per_lumi_section
        )
        return Hlt(scorer, settings)

    def as_json(self) -> dict[str, Any]:
        """What the run record says of it."""
        manifest = self.version.manifest
        return {
            "name": manifest.name,
            "version": manifest.version,
            "digest": self.version.digest,
            "backend": self._section.backend,
            "threshold": self.threshold,
            "rate_hz": self._section.rate_hz,
            "burst": self._section.burst,
        }
