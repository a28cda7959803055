"""Prometheus metrics of one server process, in a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """What is counted; names begin with `yongzhi_`. No label holds anything about a person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.submissions = Counter(
            "yongzhi_submissions_total",
            "Submissions by outcome (a problem code otherwise)",
            ["outcome"],
            registry=self.registry,
        )
        self.events = Counter(
            "yongzhi_events_total", "Events appended by this process", ["region"], registry=self.registry
        )
        self.requests = Counter(
            "yongzhi_requests_total",
            "Requests by route and status",
            ["route", "status"],
            registry=self.registry,
        )
        self.waiting_bytes = Gauge(
            "yongzhi_waiting_bytes",
            "Bytes of submissions and messages read and not yet answered",
            registry=self.registry,
        )
        self.log_size = Gauge("yongzhi_log_size", "Events in the log", ["region"], registry=self.registry)
        self.published_size = Gauge(
            "yongzhi_published_size", "Events under the last checkpoint", ["region"], registry=self.registry
        )
        self.projection_position = Gauge(
            "yongzhi_projection_events",
            "Events a projection has seen",
            ["region", "projection"],
            registry=self.registry,
        )
        self.messages = Gauge(
            "yongzhi_messages",
            "Messages between regions that are not settled, by box (outbox, inbox) and state (waiting, aside)",
            ["region", "box", "state"],
            registry=self.registry,
        )
        self.message_age = Gauge(
            "yongzhi_message_age_seconds",
            "How long the oldest of these messages is there; 0 for none",
            ["region", "box", "state"],
            registry=self.registry,
        )
        self.failed = Gauge(
            "yongzhi_failed",
            "1 while a part has stopped and needs an operator",
            ["region", "part"],
            registry=self.registry,
        )

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
