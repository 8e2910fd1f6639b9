"""Channels' settings in Slack: a list and a modal, both for admins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.activity import last_runs
from bot.errors import PERSON_ERRORS
from bot.slack.channel_form import read_channel_form
from bot.slack.channels import effective
from bot.slack.elements import Block
from bot.slack.listeners.messages import team_of
from bot.slack.origin import Origin, action_value, late
from bot.slack.parts import Parts
from bot.slack.views_channels import (
    CHANNEL_VIEW,
    EDIT,
    PICK,
    build_channel_list,
    build_channel_modal,
)
from bot.source_names import known_names

_ADMINS_ONLY = "Only admins of Nightshift change this."


def register(app: App, parts: Parts) -> None:
    """Listen to the list's buttons and to the modal."""

    def edit(ack: Ack, body: Mapping[str, Any], client: WebClient) -> None:
        ack()
        _push(client, body, action_value(body), parts)

    def pick(ack: Ack, body: Mapping[str, Any], client: WebClient) -> None:
        ack()
        _push(client, body, str(body["actions"][0].get("selected_conversation") or ""), parts)

    def save(ack: Ack, body: Mapping[str, Any], view: Mapping[str, Any]) -> None:
        errors = store_channel_form(body, view, parts)
        if errors:
            ack(response_action="errors", errors=errors)
        else:
            ack()

    def show_list(client: WebClient, body: Mapping[str, Any], origin: Origin) -> None:
        list_below = body["view"].get("previous_view_id")
        if list_below and parts.people.is_admin(origin.team, origin.user):
            client.views_update(view_id=list_below, view=_list(origin.team, parts))

    app.action(EDIT)(edit)
    app.action(PICK)(pick)
    app.view(CHANNEL_VIEW)(ack=save, lazy=[late(parts, show_list)])


def open_channel_modal(
    client: WebClient, trigger_id: str, team: str, channel: str, parts: Parts
) -> None:
    """Open the settings of a channel, or for a direct message the list of channels.

    Whoever calls has checked that an admin asks; the submission is checked again.

    Raises:
        SlackApiError: The trigger is too old, or Slack can't be reached (`OUTSIDE_ERRORS`).
        DatabaseError: What was chosen can't be read.
    """
    view = _list(team, parts) if channel.startswith("D") else _modal(team, channel, parts)
    client.views_open(trigger_id=trigger_id, view=view)


def open_channel_list(client: WebClient, trigger_id: str, team: str, parts: Parts) -> None:
    """Open the list of channels that differ from the default; as `open_channel_modal`."""
    client.views_open(trigger_id=trigger_id, view=_list(team, parts))


def store_channel_form(
    body: Mapping[str, Any], view: Mapping[str, Any], parts: Parts
) -> dict[str, str]:
    """Store what an admin filled in, and return what is wrong, by block; then nothing is stored."""
    team, user = team_of(body), str(body["user"]["id"])
    if not parts.people.is_admin(team, user):
        return {"on": _ADMINS_ONLY}
    form = read_channel_form(view["state"]["values"])
    if form.errors:
        return dict(form.errors)
    channel = json.loads(view["private_metadata"])["channel"]
    try:
        parts.channels.choose(team, channel, form.values, user)
    except PERSON_ERRORS as error:
        return {"on": f"{error.problem} {error.mend}".strip()}
    return {}


def _push(client: WebClient, body: Mapping[str, Any], channel: str, parts: Parts) -> None:
    team = team_of(body)
    if channel and parts.people.is_admin(team, str(body["user"]["id"])):
        client.views_push(trigger_id=body["trigger_id"], view=_modal(team, channel, parts))


def _modal(team: str, channel: str, parts: Parts) -> Block:
    return build_channel_modal(
        channel,
        parts.channels.policy(team, channel),
        effective(parts.settings, channel, {}),
        _source_names(parts),
        json.dumps({"channel": channel}),
    )


def _list(team: str, parts: Parts) -> Block:
    named = [each.channel for each in parts.settings.channels]
    channels = dict.fromkeys([*parts.channels.chosen(team), *named])
    return build_channel_list([(each, parts.channels.policy(team, each)) for each in channels])


def _source_names(parts: Parts) -> list[str]:
    """Return the names of all sources; quickly, since a modal waits for them."""
    nightshift = parts.nightshift
    given = {source.name for source in nightshift.settings.sources}
    named = known_names(nightshift.data_dir)
    return sorted({*given, *named, *last_runs(nightshift.database)} - {""})
