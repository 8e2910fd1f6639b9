"""What Nightshift reads from nightshift.toml and the environment."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as EnvironmentValueError

from bot.errors import SettingsError
from ingestion.settings import (
    ChunkingSettings,
    EmbeddingSettings,
    IndexSettings,
    RetrievalSettings,
    SourceSettings,
)
from training.settings import DatabaseSettings, ModelSettings, PairSettings, TrainingSettings

SETTINGS_FILE = "nightshift.toml"
ENV_PREFIX = "NIGHTSHIFT_"


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


class SlackSettings(BaseModel):
    """The Slack side; tokens belong in the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_token: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    signing_secret: SecretStr = SecretStr("")
    api_url: str = "https://slack.com/api/"
    admin_channel: str = ""


class Settings(BaseSettings):
    """All settings. Environment variables win over the file: NIGHTSHIFT_MODEL__NAME=…"""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path(".nightshift"), description="Everything that a run writes.")
    sources: list[SourceSettings] = Field(default_factory=list)
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
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} isn't valid TOML: {error}", "Mend that line.") from error
        except OSError as error:
            raise SettingsError(
                f"{path} can't be read: {error.strerror}", "Check its rights."
            ) from error
    _refuse_unknown_environment()
    try:
        settings = Settings(**values)
    except EnvironmentValueError as error:  # its text names the variable, not the value
        raise SettingsError(
            f"An environment variable can't be understood: {error}.",
            "A list or a whole section is written as JSON; one value as NIGHTSHIFT_MODEL__NAME=…",
        ) from error
    except ValidationError as error:
        raise SettingsError(_problems(error, path), f"Mend {path} or the environment.") from error
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    return settings


def _refuse_unknown_environment() -> None:
    """A misspelt NIGHTSHIFT_ variable would otherwise be ignored in silence."""
    known = {f"{ENV_PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) and name.upper().split("__")[0] not in known:
            guess = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            mend = f"Did you mean {guess[0]}?" if guess else "Unset it."
            raise SettingsError(f"The environment variable {name} names no setting.", mend)


def _problems(error: ValidationError, path: Path) -> str:
    """Say each problem in a sentence with the nearest known name, never the value (a secret?)."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            guess = difflib.get_close_matches(
                str(problem["loc"][-1]), _known_keys(problem["loc"]), n=1
            )
            hint = f" Did you mean '{guess[0]}'?" if guess else ""
            lines.append(f"'{where}' is no setting.{hint}")
        else:
            lines.append(f"'{where}': {problem['msg']}.")
    return f"In {path} or the environment: " + " ".join(lines)


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    """Return the names that are allowed where an unknown one stands."""
    fields = Settings.model_fields
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation = fields[part].annotation
        model: Any = getattr(annotation, "__args__", (annotation,))[0]
        fields = model.model_fields
    return list(fields)
