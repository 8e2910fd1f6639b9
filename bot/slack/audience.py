"""Whose rights an answer may use, and whether the bot answers there at all. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.settings import SlackSettings
from bot.slack.channels import ChannelPolicy
from bot.slack.people import Person
from bot.slack.places import Place, PlaceKind
from bot.slack.request import RequestKind, SlackRequest
from training.records import Audience

_IN_THREADS = frozenset({RequestKind.MENTION, RequestKind.FOLLOW_UP})
_NEW_THREAD = "In this channel I answer one question a thread. Please ask in a new message."
_SHARED = (
    "People of another company can read this channel, so I don't answer here. "
    "Ask me in a direct message."
)
_UNKNOWN_PLACE = (
    "I couldn't find out who can read this channel, so I don't answer here. "
    "Try again soon, or ask me in a direct message."
)


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
    *,
    goes_on: bool = False,
) -> Decision:
    """Return what the answer to a question may use: the rights of all who will see it.

    A public channel sees what everyone may read; so do private channels and group messages, whose
    members have different rights. Only what the asker alone sees uses the asker's rights. Where
    Slack doesn't say what a place is, only what everyone may read is used, and only the asker of a
    command sees it.

    Args:
        request: The question.
        person: Who asks.
        place: Where.
        policy: What holds there.
        settings: What holds everywhere.
        goes_on: The bot answered in this thread before.
    """
    refusal = _refusal(request, person, place, policy, settings)
    if refusal:
        return Decision(refusal)
    in_channel = place.kind is not PlaceKind.DIRECT
    only_asker = request.only_asker or (in_channel and policy.visibility == "asker")
    if goes_on and in_channel and policy.follow_up == "never" and request.kind in _IN_THREADS:
        return Decision(_NEW_THREAD, only_asker=True)
    alone = only_asker or not in_channel
    public = place.kind is PlaceKind.PUBLIC and not alone
    known = place.kind is not PlaceKind.UNKNOWN and not (request.shared or place.shared)
    return Decision(
        with_own_rights=alone and known,
        audience=Audience.PUBLIC if public else Audience.PRIVATE,
        only_asker=only_asker,
    )


def _refusal(
    request: SlackRequest,
    person: Person,
    place: Place,
    policy: ChannelPolicy,
    settings: SlackSettings,
) -> str:
    """Return why the bot doesn't answer, or ""."""
    unknown = place.kind is PlaceKind.UNKNOWN
    # Of a place that Slack says nothing of, an answer that only its asker sees tells nobody else.
    shared = request.shared or (place.shared and not (unknown and request.only_asker))
    if shared and not settings.allow_shared_channels:
        return _UNKNOWN_PLACE if unknown and not request.shared else _SHARED
    if not person.known:
        return "I couldn't find out who you are, so I don't answer. Try again soon."
    if person.outsider and not settings.allow_guests:
        return "I answer members of this workspace only, not guests."
    return "" if policy.on else "I'm switched off in this channel. Ask me in a direct message."
