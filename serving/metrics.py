"""What the server measures of itself: request counts and latencies by route; nothing about customers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry for each app, so that several silos in one process do not mix."""

    def __init__(self, *, silo: str, model_version: str) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "thousandfaces_requests_total",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "thousandfaces_request_seconds",
            "Time to answer, in seconds.",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._degraded = Counter(
            "thousandfaces_degraded_total",
            "Answers given with less than what was asked for, by reasons that are no customer's.",
            ("code",),
            registry=self.registry,
        )
        model = Gauge(
            "thousandfaces_model_info",
            "The model that is served; always 1.",
            ("silo", "model_version"),
            registry=self.registry,
        )
        model.labels(silo, model_version).set(1)

    def observe(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def degraded(self, code: str) -> None:
        """Count one degraded answer. code: a reason of the silo, the model or the request."""
        self._degraded.labels(code).inc()

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
