"""What Nightshift reads from nightshift.toml and the environment."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError as EnvironmentValueError

from bot.chosen_sources import contradiction
from bot.errors import SettingsError
from bot.settings_problems import told_problems
from ingestion.settings import (
    ChunkingSettings,
    EmbeddingSettings,
    IndexSettings,
    IngestSettings,
    RetrievalSettings,
    SourceSettings,
)
from training.settings import DatabaseSettings, ModelSettings, PairSettings, TrainingSettings

SETTINGS_FILE = "nightshift.toml"
ENV_PREFIX = "NIGHTSHIFT_"

FollowUp = Literal["always", "mentioned", "never"]
Visibility = Literal["thread", "asker"]
ANY_TEAM = "*"
"""In `slack.teams`: every workspace."""

_MAY_BE_PATHS = {"index": "ca_file", "embedding": "model", "model": "name"}
_OF_KUBERNETES = re.compile(rf"{ENV_PREFIX}(SERVICE_HOST|(SERVICE_)?PORT(_.*)?)")
_SLACKS_VARIABLES = {
    f"SLACK_{name.upper()}": name
    for name in ("bot_token", "app_token", "signing_secret", "client_secret", "api_url")
}


def at_home(path: str | Path) -> Path:
    """Return a path with the person's home in place of ``~``, which only a shell would replace."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises where nobody lives


class AnswerSettings(BaseModel):
    """How answers look."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    style: Literal["auto", "written", "quoted"] = Field(
        "auto",
        description="auto: quote until the gate has shown that the model writes better.",
    )
    passages: int = Field(
        3, ge=1, le=10, description="Passages quoted or shown to the model, at most."
    )
    quote_words: int = Field(160, ge=20, le=2000, description="Words quoted in all, about.")
    min_support: float = Field(
        0.0, ge=0, le=1, description="0: what was measured for the packaged embedder."
    )
    human: str = Field(
        "", description="Whom to ask when the documents don't say, as in '#help-people'."
    )


class ChannelSettings(BaseModel):
    """What holds in one Slack channel; what isn't given is the default of all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str = Field(description="The channel's id, as in 'C0123456789'.")
    on: bool | None = Field(None, description="Whether the bot answers there.")
    follow_up: FollowUp | None = Field(None, description="always, mentioned or never.")
    sources: list[str] | None = Field(
        None, description="Names of the sources that it may use; '*': all."
    )
    experts: list[str] | None = Field(
        None, description="User or user group ids, or user group handles."
    )
    visibility: Visibility | None = Field(None, description="thread, or asker (ephemeral).")


class SlackSettings(BaseModel):
    """The Slack side. Tokens belong in the environment, also under Slack's usual names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_token: SecretStr = Field(SecretStr(""), description="Bot token (xoxb-…).")
    app_token: SecretStr = Field(SecretStr(""), description="App token (xapp-…), for Socket Mode.")
    signing_secret: SecretStr = Field(
        SecretStr(""), description="For HTTP: who signs the requests."
    )
    client_id: str = Field("", description="With several workspaces (OAuth), instead of bot_token.")
    client_secret: SecretStr = Field(SecretStr(""), description="Of the same.")
    mode: Literal["socket", "http"] = Field("socket", description="How Slack's events come in.")
    api_url: str = Field("https://slack.com/api/", description="Where every client calls Slack.")
    admins: list[str] = Field(
        default_factory=list, description="User or user group ids, or user group handles."
    )
    admin_channel: str = Field("", description="Where reports of the nights are posted.")
    admin_team: str = Field(
        "",
        description="With several workspaces: the id of the one that has this channel. Only there "
        "do user groups' handles and addresses open pages; elsewhere ids do.",
    )
    teams: list[str] = Field(
        default_factory=list,
        description="With several workspaces: ids of those that may install it and are served, "
        "besides admin_team; '*': any that finds the page.",
    )
    experts: list[str] = Field(
        default_factory=list,
        description="Who is asked where a channel names nobody: ids or handles, as for admins.",
    )
    expert_channel: str = Field(
        "", description="Where experts are asked about a question from a direct message."
    )
    email_domains: list[str] = Field(
        default_factory=list,
        description="In these, alice@… may read what names 'alice'. Elsewhere only the whole "
        "address, the user's id and the user groups' handles count.",
    )
    follow_up: FollowUp = Field("mentioned", description="In threads that it takes part in.")
    visibility: Visibility = Field("thread", description="thread, or asker (ephemeral).")
    channels: list[ChannelSettings] = Field(default_factory=list)
    up_emoji: list[str] = Field(["+1", "thumbsup"], description="Reactions that are a thumbs-up.")
    down_emoji: list[str] = Field(["-1", "thumbsdown"], description="And a thumbs-down.")
    allow_guests: bool = Field(False, description="Also answer guests of the workspace.")
    allow_shared_channels: bool = Field(False, description="Also answer in Slack Connect channels.")
    rights_seconds: float = Field(
        60, ge=0, le=3600, description="How long a person's groups are remembered."
    )
    workers: int = Field(2, ge=1, le=32, description="Questions answered at the same time.")
    waiting_per_person: int = Field(5, ge=0, description="Waiting questions of one person; 0: any.")
    per_person_and_day: int = Field(200, ge=0, description="Questions in 24 hours; 0: any number.")
    per_day: int = Field(0, ge=0, description="Questions of all in 24 hours; 0: any number.")

    def serves(self, team: str) -> bool:
        """Return whether a workspace may install the bot, and is answered where it has (OAuth)."""
        return ANY_TEAM in self.teams or team in {self.admin_team, *self.teams} - {""}

    def missing(self) -> list[str]:
        """Return the variables that this way of reaching Slack needs and that aren't set."""
        several = {"CLIENT_SECRET": self.client_secret}
        needed = several if self.client_id else {"BOT_TOKEN": self.bot_token}
        if self.mode == "http":
            needed["SIGNING_SECRET"] = self.signing_secret
        else:
            needed["APP_TOKEN"] = self.app_token
        missing = [name for name, value in needed.items() if not value.get_secret_value()]
        return [f"SLACK_{name}" for name in missing]

    @model_validator(mode="after")
    def _one_vote_an_emoji(self) -> Self:
        both = set(self.up_emoji) & set(self.down_emoji)
        if both:
            raise ValueError(f"'{min(both)}' can't be both in up_emoji and in down_emoji")
        return self


class Settings(BaseSettings):
    """All settings. Environment variables win over the file: NIGHTSHIFT_MODEL__NAME=…"""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path(".nightshift"), description="Everything that a run writes.")
    sources: list[SourceSettings] = Field(default_factory=list)
    ingest: IngestSettings = IngestSettings()
    index: IndexSettings = IndexSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answer: AnswerSettings = AnswerSettings()
    model: ModelSettings = ModelSettings()
    database: DatabaseSettings = DatabaseSettings()
    pairs: PairSettings = PairSettings()
    training: TrainingSettings = TrainingSettings()
    slack: SlackSettings = SlackSettings()

    @field_validator("data_dir")
    @classmethod
    def _data_dir_at_home(cls, folder: Path) -> Path:
        return at_home(folder)

    @field_validator("sources")
    @classmethod
    def _sources_at_home(cls, sources: list[SourceSettings]) -> list[SourceSettings]:
        placed = [
            source.model_copy(update={"path": at_home(source.path)}) if source.path else source
            for source in sources
        ]
        if problem := contradiction(placed):
            raise ValueError(problem)
        return placed

    @field_validator(*_MAY_BE_PATHS)
    @classmethod
    def _section_at_home(cls, section: BaseModel, info: ValidationInfo) -> BaseModel:
        key = _MAY_BE_PATHS[str(info.field_name)]
        value = getattr(section, key)
        if not value.startswith("~"):  # a model's name is no path
            return section
        return section.model_copy(update={key: str(at_home(value))})

    @property
    def database_url(self) -> str:
        """The database's URL, SQLite in the data folder by default."""
        return self.database.url or f"sqlite:///{self.data_dir / 'nightshift.db'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose values come as arguments."""
        return env_settings, init_settings


def load_settings(file: Path | None = None, data_dir: Path | None = None) -> Settings:
    """Return the settings from the file, the environment, then the command line.

    Of two variables for the same, as SLACK_BOT_TOKEN and NIGHTSHIFT_SLACK__BOT_TOKEN, ours wins.

    Args:
        file: The settings file; by default nightshift.toml here, if there is one.
        data_dir: Wins over both.

    Raises:
        SettingsError: A file that isn't there or isn't TOML, an unknown key, a wrong value.
    """
    path = file or Path(SETTINGS_FILE)
    if file is not None and not file.is_file():
        raise SettingsError(f"The settings file {file} isn't there.", "Check --config.")
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            # Windows' Notepad puts a mark of its own before the first line.
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path} isn't in UTF-8.", "Save it as UTF-8.") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path} isn't valid TOML: {error}", "Mend that line.") from error
        except OSError as error:
            raise SettingsError(
                f"{path} can't be read: {error.strerror}", "Check its rights."
            ) from error
    _refuse_unknown_environment()
    try:
        settings = Settings(**_with_slacks_variables(values))
    except EnvironmentValueError as error:
        raise SettingsError(
            f"The environment variable {_unreadable_variable()} can't be understood.",
            """A list is written as JSON, as in '["U0123456789"]', and so is a whole section; """
            "one value as NIGHTSHIFT_MODEL__NAME=…",
        ) from error
    except ValidationError as error:
        problems = f"In {path} or the environment: {told_problems(error, Settings)}"
        raise SettingsError(problems, f"Mend {path} or the environment.") from error
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": at_home(data_dir)})
    return settings


def _with_slacks_variables(values: dict[str, Any]) -> dict[str, Any]:
    """Put Slack's usual variables over the file's values; an empty one counts as not set."""
    given = {
        name: value
        for variable, name in _SLACKS_VARIABLES.items()
        if (value := os.environ.get(variable))
    }
    section = values.get("slack", {})
    if not given or not isinstance(section, dict):  # what is no section is told later
        return values
    return {**values, "slack": {**section, **given}}


def _refuse_unknown_environment() -> None:
    """A misspelt NIGHTSHIFT_ variable would otherwise be ignored in silence."""
    known = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in os.environ:
        # Kubernetes tells each pod where a Service called "nightshift" is, in names like these.
        if _OF_KUBERNETES.fullmatch(name):
            continue
        if name.upper().startswith(ENV_PREFIX) and name.upper().split("__")[0] not in known:
            guess = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            mend = f"Did you mean {guess[0]}?" if guess else "Unset it."
            raise SettingsError(f"The environment variable {name} names no setting.", mend)


def _unreadable_variable() -> str:
    """Return the first that can't be read when it is alone; pydantic names only its section."""
    source = EnvSettingsSource(Settings)
    for name, value in source.env_vars.items():
        source.env_vars = {name: value}
        try:
            source()
        except EnvironmentValueError:
            return name.upper()
    return f"{ENV_PREFIX}…"
