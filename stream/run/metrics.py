"""The run's Prometheus endpoint: what the services report, merged (`docs/metrics.md`)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from stream.errors import AddressInUse

SETTING = "metrics.address"


class Telemetry:
    """The latest report of each service.

    Args:
        models: name, version and digest of each model in use.

    Attributes:
        restarts: how often each service was started again.
    """

    def __init__(self, models: tuple[tuple[str, str, str], ...] = ()) -> None:
        self.models = models
        self._payloads: dict[str, dict[str, Any]] = {}
        self._metrics: dict[str, str] = {}
        self._spent_before_ns: dict[str, int] = {}
        self.restarts: dict[str, int] = {}

    def retire(self, service: str) -> None:
        """A service is replaced: what it spent stays spent."""
        self._spent_before_ns[service] = self.cpu_ns().get(service, 0)
        self.restarts[service] = self.restarts.get(service, 0) + 1
        self._payloads[service] = {**self.payload(service), "cpu_ns": 0}

    def update(self, service: str, payload: dict[str, Any], metrics: str) -> None:
        """Take a service's report, its metrics in the Prometheus text format."""
        self._payloads[service] = payload
        self._metrics[service] = metrics

    def note(self, service: str, metrics: str) -> None:
        """Take the metrics of somebody who reports nothing else."""
        self._metrics[service] = metrics

    def payload(self, service: str) -> dict[str, Any]:
        """What the service told last; empty before its first report."""
        return self._payloads.get(service, {})

    def cpu_ns(self) -> dict[str, int]:
        """CPU time of each service since its start."""
        return {
            service: int(payload.get("cpu_ns", 0)) + self._spent_before_ns.get(service, 0)
            for service, payload in self._payloads.items()
        }

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
        info = GaugeMetricFamily("l1chain_model_info", "A model version in use.", labels=["model", "version", "digest"])
        for labels in self._telemetry.models:
            info.add_metric(labels, 1.0)
        yield info


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
