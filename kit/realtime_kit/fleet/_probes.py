"""Probes of a worker for supervisors and Prometheus: `/live`, `/ready` and `/metrics`, in a thread beside it.

In a thread, because a blocked event loop is what `/live` has to notice.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from .._core.extras import install

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

Answer = tuple[bool, str]


class Probed(Protocol):
    """A worker, as it is asked."""

    def is_live(self) -> Answer:
        """Whether its event loop runs, and what is wrong."""

    def is_ready(self) -> Answer:
        """Whether it owns calls and gets more, and what is wrong."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Its calls, slots, and seconds for which it may act."""

    @property
    def tenants(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Its calls of each tenant, and those that the fleet holds back."""


class Metrics:
    """A worker's metrics.

    Args:
        worker: The worker.

    Attributes:
        registry: Where they are.
    """

    def __init__(self, worker: Probed) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError as error:
            raise ImportError(f"probes: {install('fleet')}") from error
        self.registry: CollectorRegistry = CollectorRegistry()
        self._events = Counter(
            "realtime_fleet_events",
            "What happened, by the observer's names",
            ["event"],
            registry=self.registry,
        )
        self._renewals = Histogram(
            "realtime_fleet_renewal_seconds",
            "How long renewals of ownership take",
            registry=self.registry,
            buckets=(0.005, 0.02, 0.1, 0.5, 1.0, 2.0),
        )
        for name, text in (
            ("calls", "Calls that the worker has"),
            ("slots", "Calls that it accepts at most"),
            ("lease_seconds", "Seconds for which it may act without a renewal"),
        ):
            gauge = Gauge(f"realtime_fleet_{name}", text, registry=self.registry)
            gauge.set_function(lambda name=name: worker.figures[name])  # type: ignore[misc]
        self.registry.register(_Tenants(worker))

    def count(self, event: str) -> None:
        """Count what happened."""
        self._events.labels(event).inc()

    def renewed(self, seconds: float) -> None:
        """Record how long a renewal took."""
        self._renewals.observe(seconds)


class _Tenants:
    """The metrics of tenants, which come and go."""

    def __init__(self, worker: Probed) -> None:
        self._worker = worker

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield them, as Prometheus' client asks."""
        from prometheus_client.core import GaugeMetricFamily

        texts = ("Calls of a tenant that the worker has", "Calls of a tenant that the fleet holds back")
        for name, text, counts in zip(("calls", "held_back"), texts, self._worker.tenants, strict=True):
            gauge = GaugeMetricFamily(f"realtime_fleet_tenant_{name}", text, labels=["tenant"])
            for tenant, count in counts.items():
                gauge.add_metric([tenant], count)
            yield gauge


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""


@contextlib.contextmanager
def serving(worker: Probed, metrics: Metrics, host: str, port: int) -> Iterator[None]:
    """Answer probes while the block runs.

    Args:
        worker: The worker.
        metrics: Its metrics.
        host: Where to listen.
        port: The port.

    Raises:
        OSError: The port is in use, or not usable.
    """
    from prometheus_client import make_wsgi_app

    export = make_wsgi_app(metrics.registry)
    probes: dict[str, Callable[[], Answer]] = {"/live": worker.is_live, "/ready": worker.is_ready}

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            exported: Iterable[bytes] = export(environ, start_response)
            return exported
        probe = probes.get(path)
        is_well, text = (False, "expected /live, /ready or /metrics") if probe is None else probe()
        status = "404 Not Found" if probe is None else "200 OK" if is_well else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    server = make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="fleet probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
