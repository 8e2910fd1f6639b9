"""What `nightshift ingest` tells a person."""

from io import StringIO

from rich.console import Console

from bot.commands.ingest import show_report
from ingestion.sync import FailedItem, SyncReport


def test_a_bad_file_is_named_once_with_the_reason_and_the_mend() -> None:
    failed = FailedItem(
        "docs", "docs/a.pdf", "a.pdf", "a.pdf: the PDF is damaged", "Export it.", False
    )
    report = SyncReport(1, 0, 0, 0, 0, (failed,), 1, {"read": 0.26})
    told = StringIO()
    show_report(report, Console(file=told, width=100))
    assert told.getvalue().splitlines() == [
        "✗ a.pdf: the PDF is damaged",
        "  Export it.",
        "✓ Documents: 1 new, 1 not readable. 1 chunk embedded in 0.3 s.",
    ]
