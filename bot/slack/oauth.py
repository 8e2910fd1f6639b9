"""Several workspaces: each installs the bot by OAuth, and its token is kept in the database.

The stores are the SDK's own, on the state's database.
Source: https://docs.slack.dev/tools/bolt-python/concepts/authenticating-oauth
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from slack_bolt.error import BoltError
from slack_bolt.oauth.callback_options import CallbackOptions, FailureArgs
from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy.engine import Engine

from bot.errors import SettingsError
from bot.settings import SlackSettings
from bot.slack.bolt_log import bolt_logger
from bot.slack.manifest import bot_scopes
from training.database import reading, writing

ORG_WIDE = "An installation for a whole organization (Enterprise Grid) can't be used."
ORG_WIDE_MEND = (
    "Install it in each workspace that is to have it: choose that workspace, not the organization, "
    "at the top right of Slack's page."
)
NO_TEAMS = "Several workspaces may be served (slack.client_id), but none is named."
NO_TEAMS_MEND = (
    "Write the ids (T…) of those that may install the bot into slack.teams, or of one into "
    "slack.admin_team; '*' in slack.teams lets any workspace of Slack in."
)
_NOT_YOURS = "This workspace isn't among those that may use this bot."
_NOT_YOURS_MEND = "Ask whoever runs the bot to write its id (T…) into slack.teams."
_STATE_SECONDS = 600
_PAGE = """<html><head><title>Nightshift</title></head><body>
<h2>Nightshift wasn't installed</h2>
<p>{} Nothing was stored.</p><p>{}</p><p><a href="install">Try again</a></p>
</body></html>"""

logger = logging.getLogger(__name__)


class _OrgWideError(BoltError):
    """Somebody installed the app for a whole organization."""


class _ForeignTeamError(BoltError):
    """Somebody installed the app in a workspace that the settings don't name."""


class _Store(SQLAlchemyInstallationStore):
    """The SDK's store, for installations in the workspaces that the settings name.

    They are asked also when a token is looked up: a workspace that is no longer named is no longer
    served.
    """

    def __init__(self, settings: SlackSettings, engine: Engine) -> None:
        super().__init__(settings.client_id, engine, logger=logger)
        self._serves = settings.serves

    def save(self, installation: Installation) -> None:
        """See the SDK's."""
        if installation.is_enterprise_install:
            raise _OrgWideError
        if not self._serves(installation.team_id or ""):
            raise _ForeignTeamError
        super().save(installation)

    def find_bot(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        is_enterprise_install: bool | None = False,
    ) -> Bot | None:
        """See the SDK's; Bolt asks this for each event."""
        if not self._serves(team_id or ""):
            return None
        return super().find_bot(
            enterprise_id=enterprise_id,
            team_id=team_id,
            is_enterprise_install=is_enterprise_install,
        )


class Installations:
    """The workspaces that installed the bot. Safe in several processes.

    Args:
        settings: With the app's client id and secret.
        engine: From `training.database.open_database`.

    Raises:
        SettingsError: No workspace may install it.
        DatabaseError: The tables can't be made.
    """

    def __init__(self, settings: SlackSettings, engine: Engine) -> None:
        if not settings.teams and not settings.admin_team:
            raise SettingsError(NO_TEAMS, NO_TEAMS_MEND)
        self._settings = settings
        self._engine = engine
        self._store = _Store(settings, engine)
        self._states = SQLAlchemyOAuthStateStore(_STATE_SECONDS, engine, logger=logger)
        # "Create if not there" fails when two processes start together, so they take turns.
        with writing(engine, lock="oauth") as connection:
            for metadata in (self._store.metadata, self._states.metadata):
                metadata.create_all(connection)

    def token_of(self, team: str) -> str | None:
        """Return the bot's token in a workspace; None where it isn't installed or not served.

        A workspace of an organization is stored with the organization's id, which isn't known here.

        Raises:
            DatabaseError: The database can't be used.
        """
        if not self._settings.serves(team):
            return None
        bots = self._store.bots.c
        ours = (bots.client_id == self._settings.client_id) & (bots.team_id == team)
        query = sa.select(bots.bot_token).where(ours, bots.bot_token.is_not(None))
        with reading(self._engine) as connection:
            token = connection.scalar(query.order_by(bots.installed_at.desc()).limit(1))
        return str(token) if token else None

    def flow_settings(self) -> OAuthSettings:
        """Return what Bolt needs to install the bot and to find its tokens."""
        return OAuthSettings(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value(),
            scopes=bot_scopes(),
            installation_store=self._store,
            installation_store_bot_only=True,
            state_store=self._states,
            callback_options=CallbackOptions(
                success=lambda done: done.default.success(done), failure=_say_why
            ),
            logger=bolt_logger(),
        )


def _say_why(failed: FailureArgs) -> BoltResponse:
    """Return the page for who installed what can't be used."""
    if isinstance(failed.error, _OrgWideError):
        problem, mend = ORG_WIDE, ORG_WIDE_MEND
    elif isinstance(failed.error, _ForeignTeamError):
        problem, mend = _NOT_YOURS, _NOT_YOURS_MEND
    else:
        return failed.default.failure(failed)
    logger.warning("%s Nothing was stored.", problem)
    headers: dict[str, str | Sequence[str]] = {"Content-Type": "text/html; charset=utf-8"}
    return BoltResponse(status=400, headers=headers, body=_PAGE.format(problem, mend))
