"""Text for Slack and from Slack. Pure.

Slack acts on what stands in angle brackets: ``<!channel>`` alarms everybody. So all text that comes
from pages, models and people is escaped.
Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import html
import re

# chat.postMessage cuts long texts; Slack advises 4,000 characters.
MAX_CHARACTERS = 3_800
_MENTION = re.compile(r"<[@!#][^>]*>")
_ADDRESSED = re.compile(r"<(?:@|!subteam\^|!channel|!here|!everyone)[^>]*>")
_LINK = re.compile(r"<([^>|]+)(?:\|([^>]*))?>")


def question_in(text: str) -> str:
    """Return what a message asks, without mentions and Slack's own escapes."""
    text = _MENTION.sub(" ", text)
    text = _LINK.sub(lambda link: link[2] or link[1], text)
    return html.unescape(text).strip()


def names_somebody(text: str) -> bool:
    """Return whether a message names a person, a group or all, as Slack writes it."""
    return bool(_ADDRESSED.search(text))


def escape(text: str) -> str:
    """Return the text as Slack shows it and never acts on it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def split(text: str, limit: int = MAX_CHARACTERS) -> list[str]:
    """Cut at line ends where there are any; nothing is left out but the line end at a cut."""
    parts = []
    while len(text) > limit:
        end = text.rfind("\n", 1, limit + 1)
        # A cut inside of an escape or of a link would show its pieces.
        end = end if end > 0 else text.rfind(" ", 1, limit + 1)
        end = end if end > 0 else limit
        parts.append(text[:end])
        text = text[end:].lstrip("\n")
    return [*parts, text] if text else parts
