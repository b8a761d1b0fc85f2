"""The run's Prometheus endpoint: what the services report, merged (`docs/metrics.md`)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from stream.errors import AddressInUse
from stream.run.memory_curves import MemoryCurve

SETTING = "metrics.address"


class Telemetry:
    """The latest report of each service.

    Args:
        facts: families that say what does not change in the course of the run.

    Attributes:
        restarts: how often each service was started again.
        memory: of each process, in the course of the run.
    """

    def __init__(self, facts: Iterable[Metric] = ()) -> None:
        self.facts = tuple(facts)
        self._heard: dict[str, float] = {}
        self._payloads: dict[str, dict[str, Any]] = {}
        self._metrics: dict[str, str] = {}
        self._spent_before_ns: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self.memory: dict[str, MemoryCurve] = {}

    def retire(self, service: str) -> None:
        """A service is replaced: what it spent stays spent."""
        self._settle(service)
        self.restarts[service] = self.restarts.get(service, 0) + 1

    def release(self, service: str, has_left: bool) -> None:
        """A service is done without: what it exported, such as its model version, holds no more.

        Args:
            service: its name.
            has_left: whether it said goodbye; one that is lost stays silent, which is alerted.
        """
        self._settle(service)
        self._metrics.pop(service, None)
        if has_left:
            self._heard.pop(service, None)

    def _settle(self, service: str) -> None:
        self._spent_before_ns[service] = self.cpu_ns().get(service, 0)
        self._payloads[service] = {**self.payload(service), "cpu_ns": 0}

    def update(self, service: str, payload: dict[str, Any], metrics: str) -> None:
        """Take a service's report, its metrics in the Prometheus text format."""
        self._payloads[service] = payload
        if metrics:  # not every report brings them
            self._metrics[service] = metrics
        self._heard[service] = time.monotonic()
        if isinstance(resident := payload.get("resident_bytes"), int):
            self.sample(service, resident)

    def sample(self, service: str, resident_bytes: int) -> None:
        """Take the memory of a process as it is now."""
        self.memory.setdefault(service, MemoryCurve()).add(time.monotonic(), resident_bytes)

    def note(self, service: str, metrics: str) -> None:
        """Take the metrics of somebody who reports nothing else."""
        self._metrics[service] = metrics

    def payload(self, service: str) -> dict[str, Any]:
        """What the service told last; empty before its first report."""
        return self._payloads.get(service, {})

    def payloads(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every service with what it told last."""
        yield from self._payloads.items()

    def cpu_ns(self) -> dict[str, int]:
        """CPU time of each service since its start."""
        return {
            service: int(payload.get("cpu_ns", 0)) + self._spent_before_ns.get(service, 0)
            for service, payload in self._payloads.items()
        }

    def silence_s(self) -> dict[str, float]:
        """How long ago each service reported last."""
        now = time.monotonic()
        return {service: now - heard for service, heard in list(self._heard.items())}

    def text(self) -> str:
        """All that is served, in the Prometheus text format."""
        registry = CollectorRegistry()
        registry.register(_TelemetryCollector(self))
        return generate_latest(registry).decode()

    def families(self) -> Iterator[Metric]:
        """All services' metrics; the samples of one family stand together and tell their service."""
        merged: dict[str, Metric] = {}
        for service, text in list(self._metrics.items()):
            for family in _families_in(text):
                if family.name.endswith("_created"):
                    continue
                into = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "service": service}, sample.value)
        yield from merged.values()


def _families_in(text: str) -> list[Metric]:
    """The families of a service's report; none if it is not in the text format, so that others are still served."""
    try:
        return list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError):
        return []


class _TelemetryCollector(Collector):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        yield from self._telemetry.families()
        cpu = CounterMetricFamily("l1chain_cpu_seconds", "CPU time of a service.", labels=["service"])
        for service, spent_ns in self._telemetry.cpu_ns().items():
            cpu.add_metric([service], spent_ns / 1e9)
        yield cpu
        silence = GaugeMetricFamily(
            "l1chain_service_silence_seconds", "Time since a service reported last.", labels=["service"]
        )
        restarts = CounterMetricFamily(
            "l1chain_service_restarts", "How often a service was started again.", labels=["service"]
        )
        for service, seconds in self._telemetry.silence_s().items():
            silence.add_metric([service], seconds)
            restarts.add_metric([service], self._telemetry.restarts.get(service, 0))
        yield silence
        yield restarts
        yield from self._telemetry.facts


class MetricsServer:
    """Serves the metrics while it is entered.

    Args:
        address: `HOST:PORT`, port 0 for a free one; None serves nothing.
        telemetry: what is served.

    Attributes:
        address: where it serves; None if it does not.

    Raises:
        AddressInUse: on entering, if the address cannot be listened on.
    """

    def __init__(self, address: str | None, telemetry: Telemetry) -> None:
        self._wanted = address
        self._registry = CollectorRegistry()
        self._registry.register(_TelemetryCollector(telemetry))
        self.address: str | None = None

    def __enter__(self) -> Self:
        """Start serving."""
        if self._wanted is not None:
            host, _, port = self._wanted.rpartition(":")
            self._refuse_used(host, int(port))
            try:
                self._server, self._thread = start_http_server(int(port), host, self._registry)
            except (OSError, OverflowError) as error:
                raise AddressInUse(SETTING, self._wanted, str(error)) from None
            self.address = f"{host}:{self._server.server_port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        if self.address is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _refuse_used(self, host: str, port: int) -> None:
        # The library's server sets SO_REUSEADDR, with which a bind beside a listener may succeed elsewhere.
        try:
            with socket.create_server((host, port)):
                return
        except (OSError, OverflowError) as error:
            raise AddressInUse(SETTING, f"{host}:{port}", str(error)) from None
