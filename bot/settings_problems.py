"""What pydantic finds wrong with settings, told as nightshift.toml is written."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_Place = tuple[int | str, ...]


def told_problems(error: ValidationError, settings: type[BaseModel]) -> str:
    """Say each problem in a sentence with its mend, never the value (a secret?)."""
    problems = error.errors(include_input=False, include_url=False)
    return " ".join(_told(problem, settings) for problem in problems)


def _told(problem: ErrorDetails, settings: type[BaseModel]) -> str:
    place, kind = problem["loc"], problem["type"]
    where = ".".join(str(part) for part in place)
    if kind == "extra_forbidden":
        if around := _place_around(place, settings):
            meant = ".".join(map(str, around))
            above = _head(place[:-1]) if around[1:] else "all sections"
            return f"'{where}' is no setting, but '{meant}' is: write it above {above}."
        known = list(_section_at(place[:-1], settings).model_fields)
        guess = difflib.get_close_matches(str(place[-1]), known, n=1)
        hint = f" Did you mean '{guess[0]}'?" if guess else ""
        return f"'{where}' is no setting.{hint}"
    if kind == "model_type" or (kind == "list_type" and _section_at(place, settings)):
        head = _head(place, many=kind == "list_type")
        return f"{head} is a section: write it as {head} with its settings below."
    if kind == "list_type":
        return f"""'{where}' is a list: write it as ["…"]."""
    return f"'{where}': {problem['msg'].removeprefix('Value error, ')}."


def _place_around(place: _Place, settings: type[BaseModel]) -> _Place:
    """Return where a setting would be known one section further out, written too far below."""
    *section, name = place
    if section and isinstance(section[-1], int):
        del section[-1]
    around = (*section[:-1], name)
    known = section and name in _section_at(around[:-1], settings).model_fields
    return around if known and not _section_at(around, settings) else ()


def _head(place: _Place, *, many: bool = False) -> str:
    """Return how a section's first line is written."""
    name = ".".join(part for part in place if isinstance(part, str))
    return f"[[{name}]]" if many or isinstance(place[-1], int) else f"[{name}]"


def _section_at(place: _Place, settings: type[BaseModel]) -> Any:
    """Return the model of a section, or of each entry of a list of sections; else None."""
    model: Any = settings
    for part in place:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = getattr(annotation, "__args__", (annotation,))[0]
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None
