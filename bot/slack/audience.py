"""Whose rights an answer may use, and whether the bot answers there at all. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.settings import SlackSettings
from bot.slack.channels import ChannelPolicy
from bot.slack.people import Person
from bot.slack.places import Place, PlaceKind
from bot.slack.request import SlackRequest
from training.records import Audience


@dataclass(frozen=True, slots=True)
class Decision:
    """What an answer may be made of.

    Attributes:
        refusal: Why the bot doesn't answer here, for people; "" where it does.
        with_own_rights: The answer may use what the asker may read; else what everyone may.
        audience: Whether the answer may train.
        only_asker: It is shown to the asker only.
    """

    refusal: str = ""
    with_own_rights: bool = False
    audience: Audience = Audience.PRIVATE
    only_asker: bool = False


def decide(
    request: SlackRequest,
    person: Person,
    place: Place,
    policy: ChannelPolicy,
    settings: SlackSettings,
) -> Decision:
    """Return what the answer to a question may use: the rights of all who will see it.

    A public channel sees what everyone may read; so do private channels and group messages, whose
    members have different rights. Only what the asker alone sees uses the asker's rights.
    """
    shared = request.shared or place.shared
    if shared and not settings.allow_shared_channels:
        return Decision(
            "People of another company can read this channel, so I don't answer here. "
            "Ask me in a direct message."
        )
    if person.outsider and not (person.known and settings.allow_guests):
        if not person.known:
            return Decision("I couldn't find out who you are, so I don't answer. Try again soon.")
        return Decision("I answer members of this workspace only, not guests.")
    if not policy.on:
        return Decision("I'm switched off in this channel. Ask me in a direct message.")
    alone = place.kind is PlaceKind.DIRECT or request.only_asker
    only_asker = request.only_asker
    if place.kind is not PlaceKind.DIRECT and policy.visibility == "asker":
        alone = only_asker = True
    public = place.kind is PlaceKind.PUBLIC and not alone
    return Decision(
        with_own_rights=alone and not shared,
        audience=Audience.PUBLIC if public else Audience.PRIVATE,
        only_asker=only_asker,
    )
