"""The modals with channels' settings: one channel, and the list of those that differ. Pure.

Limits: https://docs.slack.dev/reference/block-kit/blocks and .../surfaces/modals
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.slack.channel_form import (
    ALL,
    DEFAULT,
    FOLLOW_UPS,
    GROUP,
    NOBODY,
    OFF,
    ON,
    THESE,
    VISIBILITIES,
)
from bot.slack.channels import FIELDS, ChannelPolicy
from bot.slack.elements import (
    Block,
    button,
    context,
    divider,
    input_block,
    mrkdwn,
    option,
    plain,
    section,
)
from bot.slack.mrkdwn import escape

CHANNEL_VIEW = "nightshift_channel"
LIST_VIEW = "nightshift_channels"
EDIT = "nightshift_channel_edit"
PICK = "nightshift_channel_pick"

_USER = re.compile(r"[UW][A-Z0-9]{5,}")
_OPTION, _OPTION_VALUE, _OPTIONS = 75, 150, 100
_MOST_ROWS = 90
_SHOWN_NAMES = 6

_LABELS = {
    "on": "Answers here",
    "follow_up": "Follow-ups in threads",
    "visibility": "Who sees an answer",
    "sources": "Sources",
    "experts": "Experts",
}


def build_channel_modal(
    channel: str,
    policy: ChannelPolicy,
    beneath: ChannelPolicy,
    sources: Sequence[str],
    metadata: str,
) -> Block:
    """Return the modal in which an admin sets what holds in a channel.

    Args:
        channel: Its id.
        policy: What holds now.
        beneath: What would hold if nothing were chosen in Slack.
        sources: Names of all sources that are known.
        metadata: Comes back with the submission.
    """
    experts = policy.experts if policy.origins["experts"] == "Slack" else ()
    blocks: list[Block] = [
        section(f"*What holds in <#{channel}> now*"),
        {"type": "section", "fields": [mrkdwn(line) for line in _lines(policy, FIELDS)]},
        divider(),
        _menu("on", policy, beneath, {ON: "Yes", OFF: "No"}),
        _menu("follow_up", policy, beneath, FOLLOW_UPS),
        _menu("visibility", policy, beneath, VISIBILITIES),
        _menu("sources", policy, beneath, {ALL: "All sources", THESE: "Only those below"}),
        *_source_picker(policy, sources),
        _menu("experts", policy, beneath, {THESE: "Those below", NOBODY: "Nobody"}),
        _people(tuple(name for name in experts if _USER.fullmatch(name))),
        _groups(tuple(name for name in experts if not _USER.fullmatch(name))),
    ]
    return {
        "type": "modal",
        "callback_id": CHANNEL_VIEW,
        "private_metadata": metadata,
        "title": plain("Channel settings"),
        "submit": plain("Save"),
        "close": plain("Cancel"),
        "blocks": blocks,
    }


def build_channel_list(rows: Sequence[tuple[str, ChannelPolicy]]) -> Block:
    """Return the modal with the channels that differ from the default, and a way to any other."""
    blocks: list[Block] = [
        {
            **section("Set what holds in one channel:"),
            "accessory": {
                "type": "conversations_select",
                "action_id": PICK,
                "placeholder": plain("Choose a channel"),
                "filter": {"include": ["public", "private"], "exclude_bot_users": True},
            },
        },
        divider(),
    ]
    differing = [row for row in rows if _differing(row[1])]
    if not differing:
        blocks.append(section("No channel differs from the default."))
    for channel, policy in differing[:_MOST_ROWS]:
        text = "\n".join([f"*<#{channel}>*", *_lines(policy, _differing(policy))])
        change = {
            **button("Change", EDIT, channel),
            "accessibility_label": "Change this channel's settings",
        }
        blocks.append({**section(text), "accessory": change})
    left = len(differing) - _MOST_ROWS
    if left > 0:
        blocks.append(context(escape(f"{left} more channels differ; choose them by name above.")))
    return {
        "type": "modal",
        "callback_id": LIST_VIEW,
        "title": plain("Channels"),
        "close": plain("Close"),
        "blocks": blocks,
    }


def _menu(
    name: str, policy: ChannelPolicy, beneath: ChannelPolicy, choices: Mapping[str, str]
) -> Block:
    """Return the choice of one value; its first line goes back to what holds beneath."""
    origin = beneath.origins[name]
    where = "the default" if origin == "default" else origin
    default = _short(f"Use {where}: {_said(name, beneath, mentions=False)}", _OPTION)
    options = [option(default, DEFAULT), *(option(t, value) for value, t in choices.items())]
    current = _current(name, policy) if policy.origins[name] == "Slack" else DEFAULT
    element = {
        "type": "static_select",
        "action_id": "value",
        "options": options,
        "initial_option": next(o for o in options if o["value"] == current),
    }
    return input_block(name, _LABELS[name], element)


def _current(name: str, policy: ChannelPolicy) -> str:
    """Return the line of a menu that stands for what was chosen in Slack."""
    if name == "on":
        return ON if policy.on else OFF
    if name == "sources":
        return ALL if policy.sources is None else THESE
    if name == "experts":
        return THESE if policy.experts else NOBODY
    return str(getattr(policy, name))


def _source_picker(policy: ChannelPolicy, sources: Sequence[str]) -> list[Block]:
    chosen = policy.sources if policy.origins["sources"] == "Slack" and policy.sources else ()
    names = list(dict.fromkeys([*chosen, *sorted(sources)]))
    fitting = [name for name in names if 0 < len(name) <= _OPTION_VALUE][:_OPTIONS]
    if not fitting:
        return [context(escape("No sources are known yet. Run /reindex first."))]
    options = [option(_short(name, _OPTION), name) for name in fitting]
    element: Block = {
        "type": "multi_static_select",
        "action_id": "value",
        "placeholder": plain("Choose sources"),
        "options": options,
    }
    initial = [each for each in options if each["value"] in chosen]
    if initial:
        element["initial_options"] = initial
    picker = input_block("source_names", "Sources that answers may use", element, optional=True)
    left = len(names) - len(fitting)
    note = f"{left} more sources can be named in nightshift.toml only."
    return [picker, *([context(escape(note))] if left else [])]


def _people(users: Sequence[str]) -> Block:
    element: Block = {
        "type": "multi_users_select",
        "action_id": "value",
        "placeholder": plain("Choose people"),
    }
    if users:
        element["initial_users"] = list(users)
    return input_block("expert_users", "People who can help", element, optional=True)


def _groups(groups: Sequence[str]) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": "value",
        "placeholder": plain("S0123456789, S0123456780"),
    }
    if groups:
        element["initial_value"] = ", ".join(groups)
    label = "User groups that can help"
    hint = "Their ids. In Slack: a group's page, the three dots, “Copy group ID”."
    return input_block("expert_groups", label, element, optional=True, hint=hint)


def _differing(policy: ChannelPolicy) -> list[str]:
    return [name for name in FIELDS if policy.origins[name] != "default"]


def _lines(policy: ChannelPolicy, names: Sequence[str]) -> list[str]:
    return [
        f"*{_LABELS[name]}:* {_said(name, policy)} _({policy.origins[name]})_" for name in names
    ]


def _said(name: str, policy: ChannelPolicy, *, mentions: bool = True) -> str:
    """Return a value in words; where `mentions` are wanted, in mrkdwn."""
    if name == "on":
        return "yes" if policy.on else "no"
    if name == "follow_up":
        return _lower(FOLLOW_UPS[policy.follow_up])
    if name == "visibility":
        return _lower(VISIBILITIES[policy.visibility])
    if name == "sources":
        if policy.sources is None:
            return "all"
        return _listed(policy.sources, escape if mentions else str, "none")
    return _listed(policy.experts, _mention if mentions else str, "nobody")


def _listed(names: Sequence[str], show: Any, nothing: str) -> str:
    shown = ", ".join(show(_short(name, _OPTION)) for name in names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return (shown + (f" and {more} more" if more > 0 else "")) or nothing


def _mention(name: str) -> str:
    if _USER.fullmatch(name):
        return f"<@{name}>"
    # In a modal a group's mention notifies nobody; Slack shows its handle.
    return f"<!subteam^{name}>" if GROUP.fullmatch(name) else escape(name)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
