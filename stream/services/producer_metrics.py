"""The producer's metrics (`docs/metrics.md`)."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from stream.services.dispatch import Dispatcher, Stage
from stream.services.held import HeldBatches


class ProducerMetrics:
    """Counters of what was made, and gauges read from what waits.

    Attributes:
        produced: crossings.
        resent: batches.
    """

    def __init__(self, registry: CollectorRegistry, dispatcher: Dispatcher, held: HeldBatches) -> None:
        self.produced = Counter("l1chain_crossings_produced", "Crossings sent out for decision.", registry=registry)
        self.resent = Counter("l1chain_batches_resent", "Batches sent again.", registry=registry)
        queue = Gauge("l1chain_queue_batches", "Batches waiting, by queue.", ["queue"], registry=registry)
        queue.labels("window").set_function(lambda: dispatcher.undecided)
        queue.labels("held").set_function(lambda: len(held))
        for name, stage in dispatcher.stages.items():
            queue.labels(name).set_function(partial(_waiting, stage))
        in_flight = Gauge("l1chain_crossings_in_flight", "Crossings sent out, not decided.", registry=registry)
        in_flight.set_function(lambda: held.crossings(dispatcher.sequences))
        shelf = Gauge("l1chain_shelf_bytes", "Memory shared with the stages of the host.", registry=registry)
        shelf.set_function(lambda: held.carrier.used_bytes)
        age = Gauge("l1chain_queue_age_seconds", "Age of the oldest batch.", ["queue"], registry=registry)
        age.labels("window").set_function(lambda: held.age_s(dispatcher.sequences))
        age.labels("held").set_function(lambda: held.age_s(held))


def _waiting(stage: Stage) -> int:
    return len(stage.waiting)
