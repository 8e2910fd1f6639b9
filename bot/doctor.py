"""What may be wrong with an installation, and how to mend it.

`quick_checks` look at settings and the data folder only and import nothing heavy; those of
`bot.doctor_parts` open every part. A check returns findings and changes nothing but what opening a
part changes.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from bot.doctor_sources import sources
from bot.findings import Check, Finding, Level
from bot.settings import ANY_TEAM, Settings, SlackSettings
from bot.source_names import known_names
from training.cron import cron_trigger

GIB = 1024**3
# The packaged model is 0.54 GB when it is converted, beside its parts; the rest is headroom.
_DISK_FOR_MODEL = 1.5 * GIB
_DISK_HEADROOM = 0.5 * GIB
_NEWEST_TESTED = (3, 13)
_CHANNEL_ID = r"[CG][A-Z0-9]{8,}"
_CHANNEL = re.compile(rf"#[\w.-]+|{_CHANNEL_ID}")
_PERSON = re.compile(r"[UWS][A-Z0-9]{8,}")
_TEAM = re.compile(r"T[A-Z0-9]{8,}")
_HANDLE = re.compile(r"@?\w[\w.-]*")
# Ids of a channel, a workspace or a bot; and what is too short for an id, though the bot takes it
# for one and looks for no handle of that name.
_OTHER_ID = re.compile(r"@?([BCDEGT](?=[A-Z]*\d)[A-Z0-9]{8,}|[UWS][A-Z0-9]{6,7})")
_DIGIT = re.compile(r"\d")
_ALL_SOURCES = "*"
_TOKEN_FORMS = {
    "bot_token": (re.compile(r"xoxb-[\w-]{10,}"), "xoxb-…, from OAuth & Permissions"),
    "app_token": (re.compile(r"xapp-[\w-]{10,}"), "xapp-…, from Basic Information"),
    "signing_secret": (re.compile(r"[0-9a-f]{32}"), "32 hex digits, from Basic Information"),
}


def quick_checks(settings: Settings) -> list[tuple[str, Check]]:
    """Return the checks of settings, data folder and disk."""
    return [
        ("Python", lambda: [python_version(sys.version_info[:2])]),
        ("data folder", lambda: [data_folder(settings.data_dir)]),
        ("disk", lambda: [disk_space(settings)]),
        ("sources", lambda: sources(settings)),
        ("model endpoint", lambda: endpoint_form(settings)),
        ("Slack", lambda: slack_tokens(settings.slack)),
        ("Slack's names", lambda: slack_names(settings)),
        ("schedule", lambda: [schedule(settings)]),
    ]


def python_version(version: tuple[int, int]) -> Finding:
    """Judge the version of Python."""
    text = f"Python {version[0]}.{version[1]}"
    if version < (3, 11):
        return Finding("Python", Level.PROBLEM, f"{text} is too old.", "Install Python 3.11.")
    if version > _NEWEST_TESTED:
        return Finding("Python", Level.NOTE, f"{text} hasn't been tested yet.")
    return Finding("Python", Level.OK, text)


def data_folder(folder: Path) -> Finding:
    """Say whether the data folder can be written; one that isn't there yet is not made."""
    place = _existing(folder)
    mend = "Give yourself the right to write there, or choose another --data-dir."
    if not place.is_dir():
        return Finding("data folder", Level.PROBLEM, f"{place} is no folder.", mend)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        text = f"{place} can't be written: {error.strerror}."
        return Finding("data folder", Level.PROBLEM, text, mend)
    later = "" if folder.exists() else ", made at first use"
    return Finding("data folder", Level.OK, f"{folder}{later}")


def disk_space(settings: Settings) -> Finding:
    """Say whether the disk has room for the model and what grows."""
    converted = any((settings.data_dir / "models").glob("smollm2-*"))
    to_convert = settings.model.name == "smollm2" and not converted
    needed = _DISK_FOR_MODEL if to_convert else _DISK_HEADROOM
    free = shutil.disk_usage(_existing(settings.data_dir)).free
    text = f"{free / GIB:.1f} GB free, {needed / GIB:.1f} GB needed"
    if free < needed:
        return Finding(
            "disk", Level.PROBLEM, f"{text}.", "Make room, or choose another --data-dir."
        )
    return Finding("disk", Level.OK, text)


def endpoint_form(settings: Settings) -> Iterator[Finding]:
    """Judge the form of the model endpoint's address, where there is one."""
    if not settings.model.base_url:
        return
    if is_web_address(settings.model.base_url):
        yield Finding("model endpoint", Level.OK, "model.base_url is a web address")
    else:
        yield Finding(
            "model endpoint",
            Level.PROBLEM,
            "model.base_url is no web address.",
            "Write for example http://localhost:8000/v1.",
        )


def is_web_address(url: str) -> bool:
    """Return whether a URL has a host and is reached by HTTP."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def slack_tokens(slack: SlackSettings) -> Iterator[Finding]:
    """Judge the tokens by their form; they are never shown."""
    given = {
        name: getattr(slack, name).get_secret_value()
        for name in _TOKEN_FORMS
        if getattr(slack, name).get_secret_value()
    }
    if not given and not slack.client_id:
        yield Finding("Slack", Level.NOTE, "No tokens: the bot answers in the terminal only.")
    for name, value in given.items():
        form, meaning = _TOKEN_FORMS[name]
        variable = f"SLACK_{name.upper()}"
        if form.fullmatch(value):
            yield Finding("Slack", Level.OK, f"{variable} has the right form")
        else:
            text = f"{variable} hasn't the form of one."
            yield Finding("Slack", Level.PROBLEM, text, f"Copy it anew: {meaning}.")
    missing = slack.missing()
    wanted = bool(given or slack.client_id)
    if wanted and missing:
        text = f"Slack needs {' and '.join(missing)} too (slack.mode = '{slack.mode}')."
        mend = "Set what is missing: nightshift serve runs without Slack until then."
        yield Finding("Slack", Level.PROBLEM, text, mend)
    if wanted and not slack.admins:
        text = "No slack.admins: nobody may use the admin commands."
        yield Finding("Slack", Level.NOTE, text, "Write user ids or user groups there.")
    if slack.client_id:
        yield _teams(slack)
    yield from _admin_channel(slack, wanted)


def _teams(slack: SlackSettings) -> Finding:
    named = sorted({slack.admin_team, *slack.teams} - {""})
    if not named:
        text = "slack.client_id lets workspaces install the bot, but none is named."
        mend = "Write their ids (T…) into slack.teams, or that of one into slack.admin_team."
        return Finding("Slack", Level.PROBLEM, text, mend)
    if ANY_TEAM in named:
        text = "Any workspace of Slack may install the bot, and reads what everyone may read."
        return Finding("Slack", Level.NOTE, text, "Unless you mean that, name them in slack.teams.")
    return Finding("Slack", Level.OK, f"{', '.join(named)} may install the bot")


def _admin_channel(slack: SlackSettings, wanted: bool) -> Iterator[Finding]:
    if slack.admin_channel and not _CHANNEL.fullmatch(slack.admin_channel):
        text = "slack.admin_channel is no channel."
        yield Finding("Slack", Level.PROBLEM, text, "Write its name (#bot-admins) or its id (C…).")
    elif slack.admin_channel and slack.client_id and not slack.admin_team:
        text = "slack.admin_channel needs slack.admin_team with several workspaces."
        yield Finding("Slack", Level.PROBLEM, text, "Write the id of the workspace (T…).")
    elif slack.admin_channel:
        yield Finding("Slack", Level.OK, f"nights are reported in {slack.admin_channel}")
    elif wanted:
        yield Finding("Slack", Level.NOTE, "No slack.admin_channel: nobody is told of the nights.")


def slack_names(settings: Settings) -> Iterator[Finding]:
    """Judge by their form whom and what Slack's settings name; Slack itself isn't asked.

    Raises:
        SettingsError: The memory of folders' names is damaged.
    """
    slack = settings.slack
    named = {"slack.experts": slack.experts, "slack.admins": slack.admins}
    named |= {f"slack.channels ({c.channel}).experts": c.experts or [] for c in slack.channels}
    for where, names in named.items():
        for name in names:
            yield from _person(name, where)
    teams = [name for name in slack.teams if name != ANY_TEAM and not _TEAM.fullmatch(name)]
    wrong = [f"'{name}' in slack.teams" for name in teams]
    if slack.expert_channel and not _CHANNEL.fullmatch(slack.expert_channel):
        wrong.append(f"'{slack.expert_channel}' in slack.expert_channel")
    ids = [channel.channel for channel in slack.channels]
    wrong += [f"'{name}' in slack.channels" for name in ids if not re.fullmatch(_CHANNEL_ID, name)]
    for text in wrong:
        mend = "Write ids: C… of a channel, T… of a workspace."
        yield Finding("Slack", Level.PROBLEM, f"{text} is no id of Slack.", mend)
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        text = f"slack.channels names {name} more than once; the first one holds."
        yield Finding("Slack", Level.PROBLEM, text, "Make one block of them.")
    yield from _channels_sources(settings)


def _person(name: str, where: str) -> Iterator[Finding]:
    """Judge the name of a person or a user group, which may also be the group's handle."""
    if _PERSON.fullmatch(name):
        return
    in_capitals = name.removeprefix("@").upper()
    # With a digit, since words may begin with u, w or s too: "webmasters".
    if _PERSON.fullmatch(in_capitals) and _DIGIT.search(name):
        text = f"'{name}' in {where} names nobody: ids are in capitals."
        mend = f"Write {in_capitals}. If it is a user group's handle, write the group's id (S…)."
        yield Finding("Slack", Level.PROBLEM, text, mend)
    elif not _HANDLE.fullmatch(name) or _OTHER_ID.fullmatch(name):
        text = f"'{name}' in {where} is no id of a person or user group, and no handle of one."
        mend = "Write U… of a person, S… of a user group, or its handle, as in it-admins."
        yield Finding("Slack", Level.PROBLEM, text, mend)


def _channels_sources(settings: Settings) -> Iterator[Finding]:
    given = [
        source.name or (source.path.name if source.path else "") for source in settings.sources
    ]
    known = {*given, *known_names(settings.data_dir)} - {""}
    for channel in settings.slack.channels:
        for name in channel.sources or []:
            if known and name not in known | {_ALL_SOURCES}:
                text = f"slack.channels ({channel.channel}) names '{name}', which is no source."
                mend = f"There are: {', '.join(sorted(known))}."
                yield Finding("Slack", Level.PROBLEM, text, mend)


def schedule(settings: Settings) -> Finding:
    """Say when the next night begins.

    Raises:
        ScheduleError: The schedule or the time zone can't be understood.
    """
    trigger = cron_trigger(settings.training.schedule, settings.training.timezone)
    if not settings.training.enabled:
        return Finding("schedule", Level.NOTE, "Nights are switched off (training.enabled).")
    moment = trigger.get_next_fire_time(None, datetime.now(UTC))
    return Finding("schedule", Level.OK, f"the next night begins on {moment:%A at %H:%M %Z}")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))
