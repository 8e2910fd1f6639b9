"""What a run over the documents did, as a message for admins. Pure.

It names documents, so it goes only where admins read.
"""

from __future__ import annotations

from bot.plural import counted
from bot.reindex import passed_over
from bot.slack.blocks import Reply
from bot.slack.mrkdwn import escape
from bot.slack.reports import build_report, duration
from ingestion.sources.source import FailedItem
from ingestion.sync import SyncReport


def build_index_report(what: str, report: SyncReport, seconds: float) -> Reply:
    """Return the report of a run that came to its end.

    Args:
        what: What was indexed, for people.
        report: What it did.
        seconds: How long it took in all.
    """
    counts = [
        (report.added, "new"),
        (report.updated, "changed"),
        (report.acl_changed, "with other rights"),
        (report.deleted, "gone"),
        (report.unchanged, "unchanged"),
        (len(report.failed), "not readable"),
    ]
    said = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    lines = [
        f"*Indexed {escape(what)}* in {duration(seconds)}",
        f"Documents: {said or 'none'}. {counted(report.chunks_embedded, 'chunk')} embedded.",
    ]
    lines += map(escape, passed_over(report))
    if report.failed:
        lines += ["", "*Not readable:*"]
    lines += [f"• {escape(_failure(failed))}" for failed in report.failed]
    return build_report(lines)


def _failure(failed: FailedItem) -> str:
    name = failed.path or failed.source
    problem = failed.problem.removeprefix(f"{name}: ")
    if failed.mend and not problem.endswith("."):
        problem += "."
    return f"{name}: {problem} {failed.mend}".strip()
