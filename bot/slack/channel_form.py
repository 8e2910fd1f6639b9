"""What an admin fills in about a channel: the choices there are, and how a form is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.slack.channels import ALL_SOURCES

DEFAULT, ON, OFF, ALL, THESE, NOBODY = "default", "on", "off", "all", "these", "nobody"
GROUP = re.compile(r"S[A-Z0-9]{5,}")

FOLLOW_UPS = {
    "always": "Always, without a mention",
    "mentioned": "When it is mentioned",
    "never": "Never: one question a thread",
}
VISIBILITIES = {"thread": "Everyone in the channel", "asker": "Only who asks"}


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """What an admin filled in.

    Attributes:
        values: For `Channels.choose`; None goes back to nightshift.toml or the default.
        errors: What is wrong, by block.
    """

    values: Mapping[str, Any]
    errors: Mapping[str, str]


def read_channel_form(values: Mapping[str, Any]) -> ChannelForm:
    """Return what a submitted modal says, with what is wrong in it.

    Args:
        values: The view's `state.values`.
    """
    on = _chosen(values, "on")
    sources, source_errors = _read_sources(values)
    experts, expert_errors = _read_experts(values)
    return ChannelForm(
        {
            "on": None if on == DEFAULT else on == ON,
            "follow_up": _named(values, "follow_up", FOLLOW_UPS),
            "visibility": _named(values, "visibility", VISIBILITIES),
            "sources": sources,
            "experts": experts,
        },
        {**source_errors, **expert_errors},
    )


def _read_sources(values: Mapping[str, Any]) -> tuple[list[str] | None, dict[str, str]]:
    mode = _chosen(values, "sources")
    options = _state(values, "source_names").get("selected_options") or []
    names = [str(option["value"]) for option in options]
    if mode == THESE:
        return names, ({} if names else {"sources": "Choose sources below, or another line here."})
    if names:
        return None, {"sources": "Sources are chosen below: choose “Only those below”, or none."}
    return ([ALL_SOURCES] if mode == ALL else None), {}


def _read_experts(values: Mapping[str, Any]) -> tuple[list[str] | None, dict[str, str]]:
    mode = _chosen(values, "experts")
    users = [str(user) for user in _state(values, "expert_users").get("selected_users") or []]
    words = re.split(r"[\s,;]+", str(_state(values, "expert_groups").get("value") or ""))
    groups = [word for word in words if word]
    wrong = [word for word in groups if not GROUP.fullmatch(word)]
    if wrong:
        text = f"{wrong[0][:40]} is no id of a user group: it begins with S, as in S0123456789."
        return None, {"expert_groups": text}
    if mode == THESE:
        problem = "Choose people or groups below, or another line here."
        return users + groups, ({} if users or groups else {"experts": problem})
    if users or groups:
        return None, {"experts": "Experts are chosen below: choose “Those below”, or clear them."}
    return ([] if mode == NOBODY else None), {}


def _state(values: Mapping[str, Any], block: str) -> Mapping[str, Any]:
    state: Mapping[str, Any] = (values.get(block) or {}).get("value") or {}
    return state


def _chosen(values: Mapping[str, Any], block: str) -> str:
    option = _state(values, block).get("selected_option") or {}
    return str(option.get("value") or DEFAULT)


def _named(values: Mapping[str, Any], block: str, known: Mapping[str, str]) -> str | None:
    chosen = _chosen(values, block)
    return chosen if chosen in known else None
