"""Several workspaces: each installs the bot by OAuth, and its token is kept in the database.

The stores are the SDK's own, on the state's database.
Source: https://docs.slack.dev/tools/bolt-python/concepts/authenticating-oauth
"""

from __future__ import annotations

import logging

from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy.engine import Engine

from bot.settings import SlackSettings
from bot.slack.bolt_log import bolt_logger
from bot.slack.manifest import bot_scopes
from training.database import explained, writing

_STATE_SECONDS = 600

logger = logging.getLogger(__name__)


class Installations:
    """The workspaces that installed the bot. Safe in several processes.

    Args:
        settings: With the app's client id and secret.
        engine: From `training.database.open_database`.

    Raises:
        DatabaseError: The tables can't be made.
    """

    def __init__(self, settings: SlackSettings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._store = SQLAlchemyInstallationStore(settings.client_id, engine, logger=logger)
        self._states = SQLAlchemyOAuthStateStore(_STATE_SECONDS, engine, logger=logger)
        # "Create if not there" fails when two processes start together, so they take turns.
        with writing(engine, lock="oauth") as connection:
            for metadata in (self._store.metadata, self._states.metadata):
                metadata.create_all(connection)

    def token_of(self, team: str) -> str | None:
        """Return the bot's token in a workspace; None where it isn't installed.

        Raises:
            DatabaseError: The database can't be used.
        """
        with explained(self._engine.url):
            bot = self._store.find_bot(enterprise_id=None, team_id=team)
        return bot.bot_token if bot else None

    def flow_settings(self) -> OAuthSettings:
        """Return what Bolt needs to install the bot and to find its tokens."""
        return OAuthSettings(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value(),
            scopes=bot_scopes(),
            installation_store=self._store,
            installation_store_bot_only=True,
            state_store=self._states,
            logger=bolt_logger(),
        )
