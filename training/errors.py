"""Errors of feedback and training that a person may see.

TrainingError
├── DatabaseError         the state can't be reached, or is of another version
├── FeedbackError         a vote, reason or correction that can't be taken
├── BaseModelError        the base model can't be had or loaded
├── ScheduleError         a schedule that can't be understood
├── FinetuneError         the fine-tune can't run or did not converge
└── AdapterError          an adapter that isn't there, is damaged, or fits another base model
"""

from __future__ import annotations

import traceback
from pathlib import PurePath

_FRAMES = 3


def where_raised(error: BaseException) -> str:
    """Return an error's kind and where it arose, for a log.

    Its message stays out: what others' code says there may hold a document's text or a secret.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{PurePath(each.filename).name}:{each.lineno}" for each in reversed(frames)]
    return f"{type(error).__name__} at {', called from '.join(places)}"


class TrainingError(Exception):
    """What went wrong, and what the reader can do about it.

    The problem and the mend are shown to people: they never hold document text or a secret.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend


class DatabaseError(TrainingError):
    """The state can't be reached, or is of another version."""


class FeedbackError(TrainingError):
    """A vote, reason or correction that can't be taken."""


class ScheduleError(TrainingError):
    """A schedule or time zone that can't be understood."""


class BaseModelError(TrainingError):
    """The base model can't be had or loaded."""


class FinetuneError(TrainingError):
    """The fine-tune can't run, or its loss is not a number."""


class AdapterError(TrainingError):
    """An adapter that isn't there, is damaged, or was made for another base model."""
