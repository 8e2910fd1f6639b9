"""Questions whose answers are known: the lines of ``questions.jsonl``. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import QuestionError

FORMAT = "One JSON object a line, as in examples/questions.jsonl."


class KnownQuestion(BaseModel):
    """A question with what a good answer is known by.

    Attributes:
        sources: Paths of the pages that answer it; none: the documents don't say.
        must_contain: What an answer must hold, each of them.
        evidence: Verbatim sentences of those pages.
    """

    model_config = ConfigDict(frozen=True)

    question: str = Field(min_length=1)
    answer: str = ""
    sources: tuple[str, ...] = ()
    must_contain: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether the documents say it."""
        return bool(self.sources)


def read_known_questions(file: Path) -> list[KnownQuestion]:
    """Return the questions of a file.

    Raises:
        QuestionError: The file can't be read, a line can't be understood, or there is none.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise QuestionError(f"{file} isn't UTF-8 text.", FORMAT) from error
    except OSError as error:
        raise QuestionError(f"{file} can't be read: {error.strerror}.", FORMAT) from error
    questions = parse_known_questions(lines, str(file))
    if not questions:
        raise QuestionError(f"There is no question in {file}.", FORMAT)
    return questions


def parse_known_questions(lines: Iterable[str], where: str) -> list[KnownQuestion]:
    """Return one question a line; empty lines are passed over.

    Raises:
        QuestionError: A line can't be understood; the error names its number.
    """
    questions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            questions.append(KnownQuestion.model_validate(json.loads(line)))
        except (ValidationError, ValueError, RecursionError) as error:
            problem = f"Line {number} of {where} can't be understood."
            raise QuestionError(problem, FORMAT) from error
    return questions
