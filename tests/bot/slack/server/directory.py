"""Who is who: users.*, usergroups.*, team.info, bots.info, auth.*, oauth.v2.access, sockets.

Pages: docs.slack.dev/reference/methods/<name>; emails need users:read.email (…/scopes).
"""

from __future__ import annotations

from tests.bot.slack.server.model import Json, SlackFailure
from tests.bot.slack.server.rooms import page
from tests.bot.slack.server.shapes import person_shape
from tests.bot.slack.server.web_api import Asked, method
from tests.bot.slack.server.workspace import APP


def _emails(asked: Asked) -> bool:
    scopes = asked.workspace.scopes
    return scopes is None or "users:read.email" in scopes


@method("api.test")
def api_test(asked: Asked) -> Json:
    return {"args": asked.body}


@method("auth.test")
def auth_test(asked: Asked) -> Json:
    team = asked.team
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": asked.bot.name,
        "team_id": team.id,
        "user_id": team.bot_user,
        "bot_id": team.bot_id,
        "is_enterprise_install": team.org_wide,
    }


@method("auth.revoke")
def auth_revoke(asked: Asked) -> Json:
    asked.team.revoked = True
    return {"revoked": True}


@method("users.info", "users:read")
def user_info(asked: Asked) -> Json:
    person = asked.workspace.person(asked.need("user"))
    if person.team != asked.team.id and not _met(asked, person.id):
        raise SlackFailure("user_not_visible")
    return {"user": person_shape(asked.workspace, person, _emails(asked), asked.team.id)}


def _met(asked: Asked, user: str) -> bool:
    """Whether somebody of another workspace is in a channel that this one shares."""
    return any(
        user in channel.members and (channel.shared or asked.team.bot_user in channel.members)
        for channel in asked.workspace.channels.values()
        if channel.team == asked.team.id
    )


@method("users.list", "users:read")
def user_list(asked: Asked) -> Json:
    people = [p for p in asked.workspace.people.values() if p.team == asked.team.id]
    found, more = page(asked, people)
    shapes = [person_shape(asked.workspace, p, _emails(asked), asked.team.id) for p in found]
    return {"members": shapes, "cache_ts": int(asked.workspace.now())} | more


@method("users.lookupByEmail", "users:read.email")
def user_by_email(asked: Asked) -> Json:
    email = asked.need("email").lower()
    for person in asked.workspace.people.values():
        if person.team == asked.team.id and person.email.lower() == email and not person.deleted:
            return {"user": person_shape(asked.workspace, person, True, asked.team.id)}
    raise SlackFailure("users_not_found")


@method("usergroups.list", "usergroups:read")
def usergroup_list(asked: Asked) -> Json:
    groups = []
    for group, (name, team, users) in asked.workspace.usergroups.items():
        if team != asked.team.id:
            continue
        shape: Json = {
            "id": group,
            "team_id": team,
            "is_usergroup": True,
            "name": name,
            "handle": name,
            "description": "",
            "is_external": False,
            "date_delete": 0,
            "user_count": len(users),
        }
        groups.append(shape | ({"users": list(users)} if asked.flag("include_users") else {}))
    return {"usergroups": groups}


@method("usergroups.users.list", "usergroups:read")
def usergroup_users(asked: Asked) -> Json:
    group = asked.workspace.usergroups.get(asked.need("usergroup"))
    if group is None or group[1] != asked.team.id:
        raise SlackFailure("no_such_subteam")
    return {"users": list(group[2])}


@method("team.info", "team:read")
def team_info(asked: Asked) -> Json:
    team = asked.team
    return {"team": {"id": team.id, "name": team.name, "domain": team.domain, "icon": {}}}


@method("bots.info", "users:read")
def bot_info(asked: Asked) -> Json:
    bot = asked.need("bot")
    for team in asked.workspace.teams.values():
        if team.bot_id == bot and team.id == asked.team.id:
            known = {"id": bot, "name": "Nightshift", "app_id": APP, "user_id": team.bot_user}
            return {"bot": known | {"deleted": False, "icons": {}}}
    raise SlackFailure("bot_not_found")


@method("emoji.list", "emoji:read")
def emoji_list(_asked: Asked) -> Json:
    return {"emoji": {}}


@method("apps.connections.open")
def open_connection(asked: Asked) -> Json:
    if asked.token != asked.workspace.app_token:
        raise SlackFailure("invalid_auth" if asked.token else "not_authed")
    base = asked.workspace.url.removesuffix("/api/").replace("http://", "ws://")
    return {"url": f"{base}/link/?ticket={asked.workspace.next_id('t')}&app_id={APP}"}


@method("oauth.v2.access")
def oauth_access(asked: Asked) -> Json:
    workspace = asked.workspace
    given = (asked.text("client_id"), asked.text("client_secret"))
    if given[0] != workspace.client_id:
        raise SlackFailure("invalid_client_id")
    if given[1] != workspace.client_secret:
        raise SlackFailure("bad_client_secret")
    team_id, enterprise, org_wide = workspace.codes.pop(asked.need("code"), ("", "", False))
    if not team_id:
        raise SlackFailure("invalid_code")
    team = workspace.teams[team_id]
    team.revoked = False
    installer = next(p.id for p in workspace.people.values() if p.team == team_id)
    return {
        "app_id": APP,
        "authed_user": {"id": installer},
        "scope": ",".join(sorted(workspace.scopes or {"chat:write", "app_mentions:read"})),
        "token_type": "bot",
        "access_token": team.bot_token,
        "bot_user_id": team.bot_user,
        "team": None if org_wide else {"id": team.id, "name": team.name},
        "enterprise": {"id": enterprise, "name": "Harbours"} if enterprise else None,
        "is_enterprise_install": org_wide,
    }
