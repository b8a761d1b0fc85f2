"""The configuration of a run: YAML → frozen models; unknown keys are errors (`docs/configuration.md`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from stream.run.budget_config import BudgetSection, check_budgets
from stream.run.config_overrides import apply_override
from stream.wire.security import is_loopback
from stream.wire.transport import LOOPBACK, Transport
from triggers.decision.rules import DEFAULT_RULES, MAX_ACCEPTS, MAX_RULES
from triggers.errors import FileMissing, FileUnreadable
from triggers.events.formats import SourceFormat
from triggers.events.schema import SLOTS_PER_ORBIT
from triggers.shipped import find_file
from triggers.strict_yaml import StrictModel, parse_yaml, validated

PHYSICS_ORBITS_PER_LUMI_SECTION: Final = 2**18

MOST_ALSO: Final = 8
"""Versions that a stage runs beside the one that decides."""

_Count = Annotated[int, Field(ge=1)]


class _Section(StrictModel):
    model_config = ConfigDict(strict=False)


class KeepSection(_Section):
    """How many runs stay in `run.out`, and what they may take; null: no limit (`docs/run-folder.md`)."""

    runs: _Count | None = None
    bytes: _Count | None = None


class RunSection(_Section):
    """How long a run is and where its folder goes.

    Attributes:
        out: folder in which each run makes a folder of its own.
        keep: limits within which old runs in it are kept, when a run has ended.
        lumi_sections: how many to run; null: until the source ends.
        orbits_per_lumi_section: 2^18 in the LHC; demos use short ones.
        colliding_bunches: crossings an orbit.
        filling_scheme: a file with the slots of the colliding bunches; null: trains made from their number.
        pace: live mode: crossings come at this factor of real time, and what is too late is dead time; null: as fast
            as the chain takes them, without loss.
        buffer_s: in live mode, how late a crossing may be.
        trace: write a line for each decided batch to `batches.csv` (`docs/run-folder.md`).
    """

    out: Path = Path("runs")
    keep: KeepSection = KeepSection()
    lumi_sections: _Count | None = None
    orbits_per_lumi_section: _Count = PHYSICS_ORBITS_PER_LUMI_SECTION
    colliding_bunches: Annotated[int, Field(ge=1, le=SLOTS_PER_ORBIT)] = 2544
    filling_scheme: str | None = None
    pace: Annotated[float, Field(gt=0)] | None = None
    buffer_s: Annotated[float, Field(ge=0)] = 1.0
    trace: bool = False

    @property
    def crossings_per_lumi_section(self) -> int:
        """Decided crossings in a full lumi section."""
        return self.colliding_bunches * self.orbits_per_lumi_section


class SourceSection(_Section):
    """Where crossings come from.

    Attributes:
        format: guessed from the files if not given.
        paths: files or globs, one run in this order.
        repeat: how often the source is read; `forever` needs run.lumi_sections.
        prepare: read the source into memory before the run starts, so that its own time does not count.
        crossings, seed, pileup: of the synthetic source; crossings null: as many as the run takes.
    """

    format: SourceFormat | None = None
    paths: tuple[str, ...] = ()
    repeat: _Count | Literal["forever"] = 1
    prepare: bool = False
    crossings: _Count | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    pileup: Annotated[float, Field(gt=0, le=200)] = 60.0

    @model_validator(mode="after")
    def _check(self) -> SourceSection:
        synthetic = self.format is SourceFormat.SYNTHETIC
        if synthetic and self.paths:
            raise ValueError("the synthetic source reads no paths; remove paths or format")
        if not synthetic and not self.paths:
            raise ValueError("no paths; name the files to read, or set format: synthetic")
        if synthetic and self.prepare and self.crossings is None:
            raise ValueError("synthetic crossings without an end cannot be prepared in memory; set source.crossings")
        return self


class MenuSection(_Section):
    """The menu, and algorithms left out of the final OR or vetoing it (names or groups)."""

    path: str
    masked: tuple[str, ...] = ()
    veto: tuple[str, ...] = ()


class ColumnChangeSection(_Section):
    """The prescale column from a lumi section on."""

    from_lumi_section: Annotated[int, Field(ge=2)]
    column: str


class PrescaleSection(_Section):
    """A prescale table and the columns to use.

    Attributes:
        path: the table.
        column: the column from lumi section 1 on.
        schedule: further columns, in ascending order of their lumi section.
        restart_each_lumi_section: counters start at zero in each lumi section, as in hardware before 2022.
    """

    path: str
    column: str
    schedule: tuple[ColumnChangeSection, ...] = ()
    restart_each_lumi_section: bool = False

    @model_validator(mode="after")
    def _check(self) -> PrescaleSection:
        starts = [change.from_lumi_section for change in self.schedule]
        if starts != sorted(set(starts)):
            raise ValueError("write the changes in ascending order, one for a lumi section")
        return self


class TriggerRuleSection(_Section):
    """At most `accepts` L1 accepts in `slots` consecutive 25 ns slots."""

    accepts: Annotated[int, Field(ge=1, le=MAX_ACCEPTS)]
    slots: Annotated[int, Field(ge=2)]


class CrossingMaskSection(_Section):
    """Algorithms suppressed in parts of the orbit.

    Attributes:
        path: a CSV table `algorithm,first_bx,last_bx`.
        calibration_gap: suppress all algorithms from BX 3480 to 3505.
    """

    path: str | None = None
    calibration_gap: bool = False


def require_replicas(replicas: int, external: bool) -> None:
    """Refuse a stage that could never have a replica.

    Raises:
        ValueError: it is one.
    """
    if not replicas and not external:
        raise ValueError("no replicas, and none may join; set replicas to 1 or more, or external to true")


class SeedsSection(_Section):
    """The stage that evaluates the menu's conditions.

    Attributes:
        replicas: that the run starts.
        external: whether replicas on other hosts may join and leave (`l1chain join`).
    """

    replicas: Annotated[int, Field(ge=0)] = 1
    external: bool = False

    @model_validator(mode="after")
    def _check(self) -> SeedsSection:
        require_replicas(self.replicas, self.external)
        return self


class ShadowSection(_Section):
    """A candidate beside the version that decides, and the part of the crossings that it scores."""

    version: str = "candidate"
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.1


class ScoreSection(_Section):
    """A stage that runs a model; versions may be aliases; `replicas` and `external` as for seeds.

    Attributes:
        name: of the model.
        version: that decides, until another one is swapped in.
        backend: that runs it.
        also: versions that score every crossing too, for menus that name them; null: those that the menu names, as far
            as the repository has them.
        shadow: a candidate beside it.
        aliases: what the menu may call the version that decides, whichever that is; null: the aliases that stand for
            `version` when the run starts.
    """

    name: str
    version: str = "production"
    backend: str = "onnxruntime"
    also: Annotated[tuple[str, ...], Field(max_length=MOST_ALSO)] | None = None
    shadow: ShadowSection | None = None
    aliases: tuple[str, ...] | None = None
    replicas: Annotated[int, Field(ge=0)] = 1
    external: bool = False

    @model_validator(mode="after")
    def _check(self) -> ScoreSection:
        require_replicas(self.replicas, self.external)
        return self


class HltSection(_Section):
    """A network that scores L1-accepted crossings, and the rate at which it may keep them (`docs/hlt.md`).

    Attributes:
        name, version, backend: of the model, as for scores.
        threshold: the least score that passes; or, instead:
        working_point: of the version, whose threshold is taken.
        rate_hz: of crossings that are kept, per simulated second.
        burst: the most that can be saved up.
    """

    name: str = "gelato_hlt"
    version: str = "production"
    backend: str = "onnxruntime"
    threshold: Annotated[int, Field(ge=0)] | None = None
    working_point: str | None = None
    rate_hz: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    burst: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 8.0

    @model_validator(mode="after")
    def _check(self) -> HltSection:
        if (self.threshold is None) == (self.working_point is None):
            raise ValueError("state either threshold or working_point; `l1chain runs hlt RUN` finds a threshold")
        return self


class ModelsSection(_Section):
    """Where model versions are; null: those that ship with l1chain."""

    repository: Path | None = None


class MetricsSection(_Section):
    """What Prometheus gets to know of the run (`docs/metrics.md`).

    Attributes:
        address: where it finds the metrics; port 0 takes a free one, null exports none.
        algorithms: algorithms or groups of the menu that are exported one by one, beside those on scores.
        highest: how many further algorithms are, those with the highest rates.
        l1_rate_limit_hz: L1 accepts in a simulated second above which the alert for them fires.
    """

    address: Annotated[str, Field(pattern=r"^[^:\s]+:\d{1,5}$")] | None = "127.0.0.1:0"
    algorithms: tuple[str, ...] = ()
    highest: Annotated[int, Field(ge=0, le=512)] = 50
    l1_rate_limit_hz: Annotated[float, Field(gt=0)] = 100_000.0


class PageSection(_Section):
    """The live page (`docs/page.md`).

    Attributes:
        enabled: whether the run serves it.
        address: where; port 0 takes a free one. On other addresses than loopback it is for reading only.
    """

    enabled: bool = False
    address: Annotated[str, Field(pattern=r"^[^:\s]+:\d{1,5}$")] = "127.0.0.1:0"


_HostPort = Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")]


class SecuritySection(_Section):
    """Who reaches the sockets of a run with `transport: tcp` (`docs/security.md`).

    Attributes:
        address: of this host, on which its services listen.
        keys: folder made by `l1chain keys make`; null: only this host may join.
        name: key in it with which services connect.
        commands: address `HOST:PORT` for commands from other hosts; needs keys.
        watch: address `HOST:PORT` for those who watch decisions from other hosts; needs `commands`, too.
    """

    address: str = LOOPBACK
    keys: Path | None = None
    name: str = "chain"
    commands: _HostPort | None = None
    watch: _HostPort | None = None

    @model_validator(mode="after")
    def _check(self) -> SecuritySection:
        if self.keys is None and not is_loopback(f"tcp://{self.address}:0"):
            remedy = f"use {LOOPBACK}, or set keys to a folder made by `l1chain keys make DIR`"
            raise ValueError(f"other hosts reach {self.address} and there are no keys; {remedy}")
        if self.commands is not None and self.keys is None:
            raise ValueError("commands from other hosts need keys; make some with `l1chain keys make DIR`, set keys")
        if self.watch is not None and self.commands is None:
            raise ValueError("watchers on other hosts ask the run first: set commands, too")
        return self


_Port = Annotated[int, Field(ge=1, le=65_535)]


class NetworkSection(_Section):
    """How other hosts reach a run with `transport: tcp` (`docs/scaling.md`).

    Attributes:
        control_port, data_port, results_port: of supervisor, producer and combiner; null: free ones.
        advertise: host name by which others reach `security.address`; null: by that address.
    """

    control_port: _Port | None = None
    data_port: _Port | None = None
    results_port: _Port | None = None
    advertise: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The fixed ports by socket."""
        named = {"control": self.control_port, "data": self.data_port, "results": self.results_port}
        return {name: port for name, port in named.items() if port is not None}

    @model_validator(mode="after")
    def _check(self) -> NetworkSection:
        if len(set(self.ports.values())) < len(self.ports):
            raise ValueError("two sockets have one port; give each its own")
        return self


class BatchSection(_Section):
    """How crossings travel: in batches, of which a window may be undecided at a time."""

    crossings: Annotated[int, Field(ge=16, le=1 << 20)] = 16_384
    window: Annotated[int, Field(ge=1, le=1024)] = 16


class DeliverySection(_Section):
    """How soon what is lost is noticed, and how often output and state are committed (`docs/protocol.md`).

    Attributes:
        heartbeat_s: between two heartbeats of a service.
        lost_after_s: silence after which a service counts as lost and is started again.
        resend_after_s: after which a batch without a decision is sent again.
        checkpoint_batches: batches after which the combiner commits.
        checkpoint_orbits: orbits after which it does, if that is sooner; null: batches alone count.
        restarts: how often in a row a service may be started again without a commit in between.
    """

    heartbeat_s: Annotated[float, Field(gt=0)] = 0.5
    lost_after_s: Annotated[float, Field(gt=0)] = 2.0
    resend_after_s: Annotated[float, Field(gt=0)] = 2.0
    checkpoint_batches: Annotated[int, Field(ge=1, le=1024)] = 32
    checkpoint_orbits: _Count | None = None
    restarts: Annotated[int, Field(ge=0)] = 5

    @model_validator(mode="after")
    def _check(self) -> DeliverySection:
        if self.lost_after_s < 2 * self.heartbeat_s:
            raise ValueError("lost_after_s must be at least twice heartbeat_s, or one late heartbeat is a death")
        return self


class ChainConfig(_Section):
    """A run, whole."""

    run: RunSection = RunSection()
    source: SourceSection
    menu: MenuSection
    prescales: PrescaleSection | None = None
    crossing_masks: CrossingMaskSection = CrossingMaskSection()
    trigger_rules: Annotated[tuple[TriggerRuleSection, ...], Field(max_length=MAX_RULES)] = tuple(
        TriggerRuleSection(accepts=rule.accepts, slots=rule.slots) for rule in DEFAULT_RULES
    )
    transport: Transport = Transport.INPROC
    seeds: SeedsSection = SeedsSection()
    scores: tuple[ScoreSection, ...] = ()
    hlt: HltSection | None = None
    models: ModelsSection = ModelsSection()
    budgets: tuple[BudgetSection, ...] = ()
    metrics: MetricsSection = MetricsSection()
    page: PageSection = PageSection()
    batch: BatchSection = BatchSection()
    delivery: DeliverySection = DeliverySection()
    security: SecuritySection = SecuritySection()
    network: NetworkSection = NetworkSection()

    @model_validator(mode="after")
    def _check(self) -> ChainConfig:
        if self.run.lumi_sections is None and self.is_endless:
            raise ValueError("the source has no end; set run.lumi_sections, or source.repeat or source.crossings")
        for kind, names in (("budgets", [b.name for b in self.budgets]), ("scores", [s.name for s in self.scores])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind} of one name; give each its own")
        prescales = self.prescales
        check_budgets(self.budgets, prescales is not None, bool(prescales and prescales.schedule))
        if self.transport is not Transport.TCP and (self.seeds.external or any(s.external for s in self.scores)):
            raise ValueError("external stages are reached by tcp; set transport: tcp, or leave external out")
        return self

    @property
    def is_endless(self) -> bool:
        """Whether the source alone would never end."""
        endless = self.source.format is SourceFormat.SYNTHETIC and self.source.crossings is None
        return endless or self.source.repeat == "forever"


def load_config(path: str | Path, overrides: tuple[str, ...] = ()) -> ChainConfig:
    """Read a configuration, with `KEY=VALUE` overrides; paths inside become absolute.

    Args:
        path: a YAML file, or `shipped:chains/NAME.yaml`.
        overrides: dotted keys with YAML values, e.g. `seeds.replicas=3`, `scores.0.version=v2`.

    Raises:
        FileMissing, FileUnreadable: no such file, or not YAML.
        UnknownName, BadValue: an unknown key, or a value that is not allowed.
        OverrideInvalid: an override that is not of the form, or names no place.
    """
    file = find_file(path, role="configuration")
    try:
        content = parse_yaml(file.read_bytes(), str(file))
    except OSError as error:
        raise FileUnreadable(file, f"cannot be read ({error.strerror})", "name a YAML file") from error
    if isinstance(content, dict):
        for override in overrides:
            apply_override(content, override)
    return _absolute(validated(content, str(file), ChainConfig), file.resolve().parent)


def _absolute(config: ChainConfig, folder: Path) -> ChainConfig:
    """Paths as they are meant: relative to the configuration's folder or, failing that, to the current one."""
    menu = config.menu.model_copy(update={"path": str(find_file(config.menu.path, folder, "menu").resolve())})
    changes: dict[str, Any] = {"menu": menu, "source": _absolute_source(config.source, folder)}
    if config.prescales:
        table = find_file(config.prescales.path, folder, "prescale table").resolve()
        changes["prescales"] = config.prescales.model_copy(update={"path": str(table)})
    if config.crossing_masks.path:
        masks = find_file(config.crossing_masks.path, folder, "crossing masks").resolve()
        changes["crossing_masks"] = config.crossing_masks.model_copy(update={"path": str(masks)})
    if config.models.repository:
        repository = find_file(config.models.repository, folder, "model repository").resolve()
        changes["models"] = ModelsSection(repository=repository)
    if config.security.keys:
        keys = find_file(config.security.keys, folder, "folder of keys").resolve()
        changes["security"] = config.security.model_copy(update={"keys": keys})
    run: dict[str, Any] = {"out": config.run.out.expanduser().absolute()}
    if config.run.filling_scheme:
        run["filling_scheme"] = str(find_file(config.run.filling_scheme, folder, "filling scheme").resolve())
    changes["run"] = config.run.model_copy(update=run)
    return config.model_copy(update=changes)


def _absolute_source(source: SourceSection, folder: Path) -> SourceSection:
    paths = tuple(str(_find_pattern(path, folder)) for path in source.paths)
    return source.model_copy(update={"paths": paths})


def _find_pattern(path: str, folder: Path) -> Path:
    if not any(mark in path for mark in "*?["):
        return find_file(path, folder, "source file").resolve()
    for base in (folder, Path()):
        pattern = Path(path) if Path(path).is_absolute() else base.resolve() / path
        if any(pattern.parent.glob(pattern.name)):
            return pattern
    raise FileMissing(path, "source file")
