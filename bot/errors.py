"""Errors that a person may see, each naming its mend.

NightshiftError
├── SettingsError       a setting that is unknown or wrong
├── QuestionError       a question that can't be taken (empty, too long)
├── SlackDownError      Slack can't be heard, or nobody listens to it
└── ModelError          the language model can't answer now
    ├── ModelBusyError      too many questions wait
    └── ModelTimeoutError   it took too long

`PERSON_ERRORS` are all errors with a `problem` and a `mend`: these and the two libraries' own.
"""

from __future__ import annotations

from ingestion.errors import IngestionError
from training.errors import TrainingError


class NightshiftError(Exception):
    """What went wrong, and what the reader can do about it."""

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend


class SettingsError(NightshiftError):
    """A setting that is unknown or wrong."""


class QuestionError(NightshiftError):
    """A question that can't be taken."""


class SlackDownError(NightshiftError):
    """Slack can't be heard, or nobody listens to it."""


class ModelError(NightshiftError):
    """The language model can't answer now."""


class ModelBusyError(ModelError):
    """Too many questions wait."""


class ModelTimeoutError(ModelError):
    """The answer took too long."""


PERSON_ERRORS = (NightshiftError, IngestionError, TrainingError)
