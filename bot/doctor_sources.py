"""The doctor's look at [[sources]]: can they be read, and do their links lead anywhere?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bot.findings import Finding, Level
from bot.settings import Settings

_CHECK = "sources"


def sources(settings: Settings) -> Iterator[Finding]:
    """Say of each source whether it is there; a loader is believed, since loading it takes long."""
    slack = settings.slack
    in_slack = bool(slack.bot_token.get_secret_value() or slack.client_id)
    for number, source in enumerate(settings.sources, start=1):
        called = f"'{source.name}'" if source.name else f"[[sources]] number {number}"
        if source.path and source.loader:
            text = f"{called} has both path and loader."
            yield Finding(_CHECK, Level.PROBLEM, text, "Leave one of them out.")
        elif source.path:
            yield _place(called, source.path)
            if in_slack and not source.base_url:
                yield _without_links(called)
        elif source.loader:
            yield Finding(_CHECK, Level.OK, f"{called} is read by {source.loader}")
        else:
            text = f"{called} has neither path nor loader."
            yield Finding(_CHECK, Level.PROBLEM, text, "Give it the path of a folder, or a loader.")


def _place(called: str, path: Path) -> Finding:
    try:
        if path.is_dir():
            with os.scandir(path):
                pass
        elif path.is_file():
            with path.open("rb"):
                pass
        elif path.exists():
            text = f"{called} is neither a folder nor a file: {path}"
            return Finding(_CHECK, Level.PROBLEM, text, "Give it the path of a folder.")
        else:
            text = f"{called} isn't there: {path.absolute()}"
            return Finding(_CHECK, Level.PROBLEM, text, "Check its path, and what is mounted.")
    except OSError as error:
        text = f"{called} can't be read: {path}: {error.strerror}."
        return Finding(_CHECK, Level.PROBLEM, text, "Check its rights.")
    return Finding(_CHECK, Level.OK, f"{called} is there: {path}")


def _without_links(called: str) -> Finding:
    text = f"{called} has no base_url: in Slack its sources are text, since file:// opens nothing."
    return Finding(_CHECK, Level.NOTE, text, "Set base_url to where people read these pages.")
