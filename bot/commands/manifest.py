"""`nightshift manifest`: what Slack needs to know to make the app."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.doctor import is_web_address
from bot.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("manifest")(print_manifest)


def print_manifest(
    http: Annotated[
        str, typer.Option(help="Where Slack reaches the bot, as in https://bot.example.com.")
    ] = "",
) -> None:
    """Print the Slack app's manifest: for Socket Mode, or with --http URL for HTTP.

    On Slack's page of your apps choose 'Create New App', 'From a manifest', and paste it.
    """
    from bot.slack.manifest import manifest_yaml

    if http and not (is_web_address(http) and http.startswith("https://")):
        raise SettingsError(
            f"'{http}' is no https address.",
            "Write where Slack reaches the bot, as in https://bot.example.com.",
        )
    typer.echo(manifest_yaml(http), nl=False)
