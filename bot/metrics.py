"""What Prometheus can ask: answers and their times as they happen, the rest from the database.

Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.engine import Engine

from bot.activity import last_runs
from bot.tables import questions
from training.adapters import AdapterRegistry
from training.database import reading
from training.errors import TrainingError
from training.tables import votes

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ANSWERS = Counter("nightshift_answers", "Answers given.", ["style", "refused"])
ANSWER_SECONDS = Histogram(
    "nightshift_answer_seconds", "From question to whole answer.", ["style"], buckets=_SECONDS
)
FIRST_TEXT_SECONDS = Histogram(
    "nightshift_first_text_seconds", "From question to first text.", ["style"], buckets=_SECONDS
)
SLACK_ERRORS = Counter("nightshift_slack_errors", "Calls that Slack refused or lost.", ["error"])
QUESTIONS = Counter("nightshift_slack_questions", "Questions from Slack, by their end.", ["status"])


def count_answer(style: str, refused: bool, timings: Mapping[str, float]) -> None:
    """Count an answer that was given."""
    ANSWERS.labels(style, str(refused).lower()).inc()
    ANSWER_SECONDS.labels(style).observe(timings["total"])
    FIRST_TEXT_SECONDS.labels(style).observe(timings["first"])


class DatabaseCollector(Collector):
    """What all processes share: the queue, the votes, the sources, the live adapter."""

    def __init__(self, engine: Engine, registry: AdapterRegistry) -> None:
        self._engine = engine
        self._registry = registry

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask now; a database that is down is told by the readiness page, not here."""
        try:
            with reading(self._engine) as connection:
                n = sa.func.count().label("n")
                by_status = sa.select(questions.c.status, n).group_by(questions.c.status)
                queue = {row.status: row.n for row in connection.execute(by_status)}
                by_value = sa.select(votes.c.value, n).group_by(votes.c.value)
                voted = {row.value: row.n for row in connection.execute(by_value)}
            runs = last_runs(self._engine)
            live = self._registry.current()
        except TrainingError:
            return
        waiting = GaugeMetricFamily(
            "nightshift_queue_questions", "Questions in the queue.", labels=["status"]
        )
        for status in ("waiting", "running"):
            waiting.add_metric([status], queue.get(status, 0))
        yield waiting
        standing = GaugeMetricFamily("nightshift_votes", "Votes that stand.", labels=["value"])
        for value, name in ((1, "up"), (-1, "down")):
            standing.add_metric([name], voted.get(value, 0))
        yield standing
        read = GaugeMetricFamily(
            "nightshift_source_read_timestamp_seconds",
            "When a source was last read (Unix time).",
            labels=["source"],
        )
        failed = GaugeMetricFamily(
            "nightshift_source_failed_documents",
            "Documents of a source that couldn't be had then.",
            labels=["source"],
        )
        for name, run in runs.items():
            read.add_metric([name], run.finished_at.timestamp())
            failed.add_metric([name], run.failed)
        yield from (read, failed)
        adapter = GaugeMetricFamily(
            "nightshift_live_adapter_info", "1 for the adapter that is live.", labels=["version"]
        )
        adapter.add_metric([live.version if live else "none"], 1)
        yield adapter
