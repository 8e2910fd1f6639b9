"""Channels' settings: where values come from, and the modals against Slack's limits."""

from __future__ import annotations

from typing import Any

import pytest

from bot.settings import ChannelSettings, SlackSettings
from bot.slack.channel_form import read_channel_form
from bot.slack.channels import ALL_SOURCES, effective
from bot.slack.views_channels import (
    build_channel_list,
    build_channel_modal,
)
from tests.bot.slack.server.limits import check_view

CHANNEL = "C0GENERAL0"


def settings(**values: Any) -> SlackSettings:
    return SlackSettings(
        channels=[
            ChannelSettings(channel=CHANNEL, follow_up="always", sources=["handbook"]),
        ],
        experts=["U0DEFAULT0"],
        **values,
    )


def state(**chosen: Any) -> dict[str, Any]:
    """Return a view's state: menus by their option, pickers by their list."""
    shapes = {
        "source_names": lambda names: {"selected_options": [{"value": name} for name in names]},
        "expert_users": lambda users: {"selected_users": users},
        "expert_groups": lambda text: {"value": text},
    }
    menus = ("on", "follow_up", "visibility", "sources", "experts")
    values = {name: {"selected_option": {"value": "default"}} for name in menus}
    for name, value in chosen.items():
        shape = shapes.get(name, lambda option: {"selected_option": {"value": option}})
        values[name] = shape(value)
    return {name: {"value": value} for name, value in values.items()}


def test_each_value_comes_from_slack_then_the_file_then_the_default() -> None:
    policy = effective(settings(), CHANNEL, {"on": False, "experts": []})
    assert (policy.on, policy.origins["on"]) == (False, "Slack")
    assert (policy.follow_up, policy.origins["follow_up"]) == ("always", "nightshift.toml")
    assert (policy.sources, policy.origins["sources"]) == (("handbook",), "nightshift.toml")
    assert (policy.visibility, policy.origins["visibility"]) == ("thread", "default")
    assert (policy.experts, policy.origins["experts"]) == ((), "Slack")


def test_all_sources_can_be_chosen_over_those_of_the_file() -> None:
    policy = effective(settings(), CHANNEL, {"sources": [ALL_SOURCES]})
    assert (policy.sources, policy.origins["sources"]) == (None, "Slack")


def test_an_untouched_form_goes_back_to_what_is_beneath() -> None:
    form = read_channel_form(state())
    assert form.errors == {}
    assert set(form.values.values()) == {None}


def test_a_form_says_what_holds() -> None:
    form = read_channel_form(
        state(
            on="off",
            follow_up="never",
            visibility="asker",
            sources="these",
            source_names=["handbook", "wiki"],
            experts="these",
            expert_users=["U0ALICE000"],
            expert_groups="S0IT000000, S0HR000000",
        )
    )
    assert form.errors == {}
    assert form.values == {
        "on": False,
        "follow_up": "never",
        "visibility": "asker",
        "sources": ["handbook", "wiki"],
        "experts": ["U0ALICE000", "S0IT000000", "S0HR000000"],
    }
    nobody = read_channel_form(state(experts="nobody", sources="all"))
    assert (nobody.values["experts"], nobody.values["sources"]) == ([], [ALL_SOURCES])


@pytest.mark.parametrize(
    ("chosen", "block"),
    [
        ({"sources": "these"}, "sources"),
        ({"source_names": ["handbook"]}, "sources"),
        ({"sources": "all", "source_names": ["handbook"]}, "sources"),
        ({"experts": "these"}, "experts"),
        ({"expert_users": ["U0ALICE000"]}, "experts"),
        ({"experts": "these", "expert_groups": "it-help"}, "expert_groups"),
        ({"experts": "these", "expert_groups": "<!channel>"}, "expert_groups"),
    ],
)
def test_what_is_unclear_is_told_at_its_place(chosen: dict[str, Any], block: str) -> None:
    assert list(read_channel_form(state(**chosen)).errors) == [block]


def test_the_modal_shows_what_holds_and_where_from() -> None:
    chosen = {"follow_up": "never", "experts": ["U0ALICE000", "S0IT000000"]}
    policy = effective(settings(), CHANNEL, chosen)
    beneath = effective(settings(), CHANNEL, {})
    modal = build_channel_modal(CHANNEL, policy, beneath, ["handbook", "wiki"], "{}")
    check_view(modal)
    fields = "\n".join(field["text"] for field in modal["blocks"][1]["fields"])
    assert "*Follow-ups in threads:* never: one question a thread _(Slack)_" in fields
    assert "*Sources:* handbook _(nightshift.toml)_" in fields
    assert "<@U0ALICE000>, <!subteam^S0IT000000>" in fields
    menus = {block["block_id"]: block["element"] for block in modal["blocks"] if "element" in block}
    default = menus["follow_up"]["options"][0]["text"]["text"]
    assert default == "Use nightshift.toml: always, without a mention"
    assert menus["follow_up"]["initial_option"]["value"] == "never"
    assert menus["sources"]["initial_option"]["value"] == "default"
    assert menus["expert_users"]["initial_users"] == ["U0ALICE000"]
    assert menus["expert_groups"]["initial_value"] == "S0IT000000"


def test_hostile_and_many_names_keep_to_slacks_limits() -> None:
    names = [f"<!channel> & {number} {'<' * 60} {'x' * (number % 50)}" for number in range(200)]
    policy = effective(settings(), CHANNEL, {"sources": names})
    modal = build_channel_modal(CHANNEL, policy, policy, names, "{}")
    check_view(modal)
    notes = [block["elements"][0]["text"] for block in modal["blocks"] if "elements" in block]
    assert notes == ["100 more sources can be named in nightshift.toml only."]
    shown = modal["blocks"][1]["fields"]
    assert not any("<!channel>" in field["text"] for field in shown)
    check_view(build_channel_list([(f"C{number:09}", policy) for number in range(200)]))


def test_without_sources_the_modal_says_so() -> None:
    policy = effective(SlackSettings(), CHANNEL, {})
    modal = build_channel_modal(CHANNEL, policy, policy, [], "{}")
    check_view(modal)
    assert any("No sources are known yet" in str(block) for block in modal["blocks"])


def test_the_list_names_what_differs_only() -> None:
    differing = effective(settings(), CHANNEL, {"on": False})
    usual = effective(settings(), "C0OTHER000", {})
    view = build_channel_list([(CHANNEL, differing), ("C0OTHER000", usual)])
    check_view(view)
    text = str(view["blocks"])
    assert f"<#{CHANNEL}>" in text
    assert "C0OTHER000" not in text
    assert "Who sees an answer" not in text
    check_view(build_channel_list([]))
