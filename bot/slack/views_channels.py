"""The modals with channels' settings: one channel, and the list of those that differ. Pure.

Limits: https://docs.slack.dev/reference/block-kit/blocks and .../surfaces/modals
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.slack.blocks import Block
from bot.slack.channels import ALL_SOURCES, FIELDS, ChannelPolicy
from bot.slack.mrkdwn import escape

CHANNEL_VIEW = "nightshift_channel"
LIST_VIEW = "nightshift_channels"
EDIT = "nightshift_channel_edit"
PICK = "nightshift_channel_pick"

_DEFAULT, _ON, _OFF, _ALL, _THESE, _NOBODY = "default", "on", "off", "all", "these", "nobody"
_USER = re.compile(r"[UW][A-Z0-9]{5,}")
_GROUP = re.compile(r"S[A-Z0-9]{5,}")
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
_FOLLOW_UPS = {
    "always": "Always, without a mention",
    "mentioned": "When it is mentioned",
    "never": "Never: one question a thread",
}
_VISIBILITIES = {"thread": "Everyone in the channel", "asker": "Only who asks"}


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """What an admin filled in.

    Attributes:
        values: For `Channels.choose`; None goes back to nightshift.toml or the default.
        errors: What is wrong, by block.
    """

    values: Mapping[str, Any]
    errors: Mapping[str, str]


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
        _section(f"*What holds in <#{channel}> now*"),
        {"type": "section", "fields": [_mrkdwn(line) for line in _lines(policy, FIELDS)]},
        {"type": "divider"},
        _menu("on", policy, beneath, {_ON: "Yes", _OFF: "No"}),
        _menu("follow_up", policy, beneath, _FOLLOW_UPS),
        _menu("visibility", policy, beneath, _VISIBILITIES),
        _menu("sources", policy, beneath, {_ALL: "All sources", _THESE: "Only those below"}),
        *_source_picker(policy, sources),
        _menu("experts", policy, beneath, {_THESE: "Those below", _NOBODY: "Nobody"}),
        _people(tuple(name for name in experts if _USER.fullmatch(name))),
        _groups(tuple(name for name in experts if not _USER.fullmatch(name))),
    ]
    return {
        "type": "modal",
        "callback_id": CHANNEL_VIEW,
        "private_metadata": metadata,
        "title": _plain("Channel settings"),
        "submit": _plain("Save"),
        "close": _plain("Cancel"),
        "blocks": blocks,
    }


def build_channel_list(rows: Sequence[tuple[str, ChannelPolicy]]) -> Block:
    """Return the modal with the channels that differ from the default, and a way to any other."""
    blocks: list[Block] = [
        {
            "type": "section",
            "text": _mrkdwn("Set what holds in one channel:"),
            "accessory": {
                "type": "conversations_select",
                "action_id": PICK,
                "placeholder": _plain("Choose a channel"),
                "filter": {"include": ["public", "private"], "exclude_bot_users": True},
            },
        },
        {"type": "divider"},
    ]
    differing = [row for row in rows if _differing(row[1])]
    if not differing:
        blocks.append(_section("No channel differs from the default."))
    for channel, policy in differing[:_MOST_ROWS]:
        text = "\n".join([f"*<#{channel}>*", *_lines(policy, _differing(policy))])
        button = {
            "type": "button",
            "action_id": EDIT,
            "text": _plain("Change"),
            "value": channel,
            "accessibility_label": "Change this channel's settings",
        }
        blocks.append({"type": "section", "text": _mrkdwn(text), "accessory": button})
    left = len(differing) - _MOST_ROWS
    if left > 0:
        blocks.append(_note(f"{left} more channels differ; choose them by name above."))
    return {
        "type": "modal",
        "callback_id": LIST_VIEW,
        "title": _plain("Channels"),
        "close": _plain("Close"),
        "blocks": blocks,
    }


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
            "on": None if on == _DEFAULT else on == _ON,
            "follow_up": _named(values, "follow_up", _FOLLOW_UPS),
            "visibility": _named(values, "visibility", _VISIBILITIES),
            "sources": sources,
            "experts": experts,
        },
        {**source_errors, **expert_errors},
    )


def _read_sources(values: Mapping[str, Any]) -> tuple[list[str] | None, dict[str, str]]:
    mode = _chosen(values, "sources")
    options = _state(values, "source_names").get("selected_options") or []
    names = [str(option["value"]) for option in options]
    if mode == _THESE:
        return names, ({} if names else {"sources": "Choose sources below, or another line here."})
    if names:
        return None, {"sources": "Sources are chosen below: choose “Only those below”, or none."}
    return ([ALL_SOURCES] if mode == _ALL else None), {}


def _read_experts(values: Mapping[str, Any]) -> tuple[list[str] | None, dict[str, str]]:
    mode = _chosen(values, "experts")
    users = [str(user) for user in _state(values, "expert_users").get("selected_users") or []]
    words = re.split(r"[\s,;]+", str(_state(values, "expert_groups").get("value") or ""))
    groups = [word for word in words if word]
    wrong = [word for word in groups if not _GROUP.fullmatch(word)]
    if wrong:
        text = f"{wrong[0][:40]} is no id of a user group: it begins with S, as in S0123456789."
        return None, {"expert_groups": text}
    if mode == _THESE:
        problem = "Choose people or groups below, or another line here."
        return users + groups, ({} if users or groups else {"experts": problem})
    if users or groups:
        return None, {"experts": "Experts are chosen below: choose “Those below”, or clear them."}
    return ([] if mode == _NOBODY else None), {}


def _state(values: Mapping[str, Any], block: str) -> Mapping[str, Any]:
    state: Mapping[str, Any] = (values.get(block) or {}).get("value") or {}
    return state


def _chosen(values: Mapping[str, Any], block: str) -> str:
    option = _state(values, block).get("selected_option") or {}
    return str(option.get("value") or _DEFAULT)


def _named(values: Mapping[str, Any], block: str, known: Mapping[str, str]) -> str | None:
    chosen = _chosen(values, block)
    return chosen if chosen in known else None


def _menu(
    name: str, policy: ChannelPolicy, beneath: ChannelPolicy, choices: Mapping[str, str]
) -> Block:
    """Return the choice of one value; its first line goes back to what holds beneath."""
    origin = beneath.origins[name]
    where = "the default" if origin == "default" else origin
    default = _short(f"Use {where}: {_said(name, beneath, mentions=False)}", _OPTION)
    options = [_option(default, _DEFAULT), *(_option(t, value) for value, t in choices.items())]
    current = _current(name, policy) if policy.origins[name] == "Slack" else _DEFAULT
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(_LABELS[name]),
        "element": {
            "type": "static_select",
            "action_id": "value",
            "options": options,
            "initial_option": next(o for o in options if o["value"] == current),
        },
    }


def _current(name: str, policy: ChannelPolicy) -> str:
    """Return the line of a menu that stands for what was chosen in Slack."""
    if name == "on":
        return _ON if policy.on else _OFF
    if name == "sources":
        return _ALL if policy.sources is None else _THESE
    if name == "experts":
        return _THESE if policy.experts else _NOBODY
    return str(getattr(policy, name))


def _source_picker(policy: ChannelPolicy, sources: Sequence[str]) -> list[Block]:
    chosen = policy.sources if policy.origins["sources"] == "Slack" and policy.sources else ()
    names = list(dict.fromkeys([*chosen, *sorted(sources)]))
    fitting = [name for name in names if 0 < len(name) <= _OPTION_VALUE][:_OPTIONS]
    if not fitting:
        return [_note("No sources are known yet. Run /reindex first.")]
    options = [_option(_short(name, _OPTION), name) for name in fitting]
    element: Block = {
        "type": "multi_static_select",
        "action_id": "value",
        "placeholder": _plain("Choose sources"),
        "options": options,
    }
    initial = [option for option in options if option["value"] in chosen]
    if initial:
        element["initial_options"] = initial
    picker = _input("source_names", "Sources that answers may use", element)
    left = len(names) - len(fitting)
    note = f"{left} more sources can be named in nightshift.toml only."
    return [picker, *([_note(note)] if left else [])]


def _people(users: Sequence[str]) -> Block:
    element: Block = {
        "type": "multi_users_select",
        "action_id": "value",
        "placeholder": _plain("Choose people"),
    }
    if users:
        element["initial_users"] = list(users)
    return _input("expert_users", "People who can help", element)


def _groups(groups: Sequence[str]) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": "value",
        "placeholder": _plain("S0123456789, S0123456780"),
    }
    if groups:
        element["initial_value"] = ", ".join(groups)
    block = _input("expert_groups", "User groups that can help", element)
    hint = "Their ids. In Slack: a group's page, the three dots, “Copy group ID”."
    return {**block, "hint": _plain(hint)}


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
        return _lower(_FOLLOW_UPS[policy.follow_up])
    if name == "visibility":
        return _lower(_VISIBILITIES[policy.visibility])
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
    return f"<!subteam^{name}>" if _GROUP.fullmatch(name) else escape(name)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _input(name: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": _plain(label),
        "element": element,
    }


def _option(text: str, value: str) -> Block:
    return {"text": _plain(text), "value": value}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _note(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(escape(text))]}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
