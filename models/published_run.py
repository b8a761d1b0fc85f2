"""Runs the comparison with published efficiencies: train, score, test, write (`docs/evaluation.md`, "Published")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.evaluation_networks import InputSample, network_scorer, read_inputs
from models.evaluation_tables import finite, write_csv
from models.network import Network, read_network
from models.published import Protocol, ScoredNetwork, SignalComparison, Threshold, Verdict, compare_signals
from triggers.errors import BadValue
from triggers.events.source import Source
from triggers.studies import html

if TYPE_CHECKING:
    from models.training.checkpoints import EpochRecord
    from models.training.settings import TrainingSettings
    from models.zoo import TrainingConfig

REGISTERED: Final = "protocol.json"
NETWORKS: Final = "networks"
_INDENT: Final = 1


@dataclass(frozen=True, eq=False)
class PublishedTask:
    """What is run.

    Attributes:
        protocol: what was fixed before.
        configs: training configuration of each system of the protocol.
        data: zero bias to train on.
        background: zero bias that rates are of.
        signals: by process.
        collisions_hz: of colliding bunches.
        out: folder; a run that was interrupted goes on in its own.
    """

    protocol: Protocol
    configs: Mapping[str, TrainingConfig]
    data: Source
    background: Source
    signals: Mapping[str, Source]
    collisions_hz: float
    out: Path


@dataclass(frozen=True)
class PublishedResult:
    """The outcome.

    Attributes:
        protocol: what was fixed before.
        registered: SHA-256 of the protocol, samples and configurations.
        thresholds: of every network.
        signals: of the protocol, as far as there are samples.
        missing: signals of the protocol without a sample.
    """

    protocol: Protocol
    registered: str
    thresholds: tuple[Threshold, ...]
    signals: tuple[SignalComparison, ...]
    missing: tuple[str, ...]

    def count(self, verdict: Verdict) -> int:
        """Signals with a verdict."""
        return sum(signal.verdict is verdict for signal in self.signals)


def run_comparison(
    task: PublishedTask,
    progress: Callable[[EpochRecord], None] = lambda _record: None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> PublishedResult:
    """Train every system with every seed, score the samples, and test the order.

    Protocol, samples and configurations are written to the folder before anything is trained; another run in the same
    folder must have the same ones. Networks that are there are not trained again.

    Args:
        task: what is run.
        progress: called after every epoch.
        on_step: called with what begins.

    Raises:
        BadValue: the folder holds a run of another protocol, or a signal is none of the protocol's.
        L1ChainError: training or a sample fails.
    """
    for name in task.signals:
        if name not in task.protocol.signals:
            known = ", ".join(task.protocol.signals)
            raise BadValue(f"signal '{name}'", "is not in the protocol", f"name it as one of {known}")
    registered = _register(task)
    networks = list(_networks(task, registered, progress, on_step))
    on_step("reading samples")
    layout = _layout(task)
    background = read_inputs(task.background, layout)
    signals = {name: read_inputs(source, layout) for name, source in task.signals.items()}
    scored = []
    for system, seed, network in networks:
        on_step(f"scoring {system}, seed {seed}")
        scored.append(_scored(system, seed, network, background, signals))
    thresholds, found = compare_signals(task.protocol, scored, background, signals, task.collisions_hz)
    missing = tuple(name for name in task.protocol.signals if name not in signals)
    return PublishedResult(task.protocol, registered, thresholds, found, missing)


def _layout(task: PublishedTask) -> Any:
    from models.zoo import recipe

    layouts = {recipe(system, task.configs[system].recipe).layout for system in task.protocol.systems}
    if len(layouts) != 1:
        raise BadValue("protocol, systems", f"have different inputs ({', '.join(sorted(layouts))})", "compare others")
    return layouts.pop()


def _settings(task: PublishedTask, system: str, seed: int) -> TrainingSettings:
    changes = {"seed": seed, "crossings": task.protocol.training_crossings}
    return task.configs[system].settings.model_copy(update=changes)


def _register(task: PublishedTask) -> str:
    """Write down what was fixed, or check that it is what is there; returns its digest."""
    fixed = {
        "protocol": task.protocol.model_dump(mode="json"),
        "configurations": {name: config.model_dump(mode="json") for name, config in task.configs.items()},
        "data": task.data.info.name,
        "background": task.background.info.name,
        "signals": {name: source.info.name for name, source in task.signals.items()},
        "collisions_hz": task.collisions_hz,
    }
    text = json.dumps(fixed, indent=_INDENT, sort_keys=True) + "\n"
    path = task.out / REGISTERED
    task.out.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise BadValue(path, "states another protocol, samples or configurations", "name another folder with --out")
    return hashlib.sha256(text.encode()).hexdigest()


def _networks(
    task: PublishedTask, registered: str, progress: Callable[[EpochRecord], None], on_step: Callable[[str], None]
) -> Iterator[tuple[str, int, Network]]:
    from models.training.train import prepared, train_on
    from models.zoo import recipe

    folder = task.out / NETWORKS / registered[:12]
    folder.mkdir(parents=True, exist_ok=True)
    for system in task.protocol.systems:
        chosen = recipe(system, task.configs[system].recipe)
        for seed in task.protocol.seeds:
            path = folder / f"{system}-{seed}.json"
            if not path.exists():
                on_step(f"training {system}, seed {seed}")
                settings = _settings(task, system, seed)
                trained = train_on(chosen, prepared(chosen, task.data, settings), settings, progress)
                partial = path.with_suffix(".partial")
                partial.write_bytes(trained.network_document)
                partial.replace(path)
            yield system, seed, read_network(path.read_bytes(), path)


def _scored(
    system: str, seed: int, network: Network, background: InputSample, signals: Mapping[str, InputSample]
) -> ScoredNetwork:
    score = network_scorer(network)
    by_signal = {name: score(sample.inputs) for name, sample in signals.items()}
    return ScoredNetwork(system, seed, score(background.inputs), by_signal)


def rows(result: PublishedResult) -> list[dict[str, Any]]:
    """One row a signal: ours and the published efficiencies, the steps, the verdict."""
    found = []
    for signal in result.signals:
        row: dict[str, Any] = {"signal": signal.signal, "crossings": signal.crossings}
        for system in signal.systems:
            row[system.system] = system.mean
            row[f"{system.system} spread"] = system.spread
            row[f"{system.system} published"] = system.published
        for step in signal.steps:
            name = f"{step.better} - {step.worse}"
            row[name], row[f"{name} error"] = step.difference, step.error
            row[f"{name} sigma"] = step.significance
        found.append(row | {"verdict": signal.verdict.value})
    return found


def write_comparison(result: PublishedResult, folder: Path) -> None:
    """Write `published.csv`, `published.json` and `report.html`."""
    found = rows(result)
    if found:
        write_csv(found, folder / "published.csv")
    text = json.dumps(finite(summary(result)), indent=_INDENT, ensure_ascii=False, allow_nan=False)
    (folder / "published.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(html.page("Published efficiencies", _report(result)), encoding="utf-8")


def summary(result: PublishedResult) -> dict[str, Any]:
    """The result as one JSON object."""
    return {
        "registered": result.registered,
        "reproduced": result.count(Verdict.REPRODUCED),
        "inverted": result.count(Verdict.INVERTED),
        "undecided": result.count(Verdict.UNDECIDED),
        "aim": result.protocol.aim,
        "missing": list(result.missing),
        "thresholds": [asdict(threshold) for threshold in result.thresholds],
        "signals": [asdict(signal) for signal in result.signals],
    }


def _report(result: PublishedResult) -> Iterator[str]:
    protocol = result.protocol
    yield html.heading("Published efficiencies and ours", 1)
    n = len(result.signals)
    verdict = (
        f"The order {' ≤ '.join(protocol.systems)} is reproduced in {result.count(Verdict.REPRODUCED)} of {n} signals "
        f"(aim: {protocol.aim} of {len(protocol.signals)}), inverted in {result.count(Verdict.INVERTED)}, undecided in "
        f"{result.count(Verdict.UNDECIDED)}."
    )
    yield html.paragraph(verdict, "verdict")
    for point in result.thresholds:
        if point.effective < protocol.least_effective_crossings:
            few = f"only {point.effective:.0f} effective crossings above the threshold"
            yield html.paragraph(f"{point.system}, seed {point.seed}: {few}.", "warning")
    header = ["signal", "verdict"]
    header += [f"{system}{what}" for system in protocol.systems for what in (" [%]", ", published")]
    cells = []
    for signal in result.signals:
        numbers = [
            text
            for system in signal.systems
            for text in (f"{100 * system.mean:.2f} ± {100 * system.spread:.2f}", f"{100 * system.published:.2f}")
        ]
        cells.append([signal.signal, signal.verdict.value, *numbers])
    yield html.table(header, cells, n_text=2)
    yield html.heading("Differences, crossing by crossing")
    yield html.table(
        ["signal", "step", "difference [%]", "paired", "seeds", "background", "σ"],
        (
            [
                signal.signal,
                f"{step.better} − {step.worse}",
                f"{100 * step.difference:+.2f} ± {100 * step.error:.2f}",
                *(f"{100 * e:.2f}" for e in (step.paired_error, step.seed_error, step.background_error)),
                f"{step.significance:+.1f}",
            ]
            for signal in result.signals
            for step in signal.steps
        ),
        n_text=2,
    )
    yield html.heading("Protocol")
    seeds = ", ".join(map(str, protocol.seeds))
    yield html.paragraph(
        f"Fixed before the comparison was run, SHA-256 {result.registered}: total rate {protocol.rate_hz:g} Hz; seeds "
        f"{seeds}; {protocol.training_crossings:,} training crossings; {protocol.significance:g} σ. After ± in the "
        "first table: standard deviation over the seeds."
    )
    yield html.paragraph(f"Published numbers: {protocol.source}", "note")
    if result.missing:
        yield html.paragraph(f"Without a sample: {', '.join(result.missing)}.", "warning")
