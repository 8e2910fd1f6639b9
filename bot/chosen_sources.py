"""Which folders a run reads, and that none of them opens what another one's ``allow`` closes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from bot.errors import SettingsError
from ingestion.settings import SourceSettings


def chosen_sources(
    paths: Sequence[Path], configured: Sequence[SourceSettings]
) -> list[SourceSettings]:
    """Return what a run by hand reads: the settings' sources, or those at these paths.

    A path of the settings keeps its name, its links and, above all, who may read it. No path may
    take in a part of such a source, or more than it: what ``allow`` closes would be open there.

    Raises:
        SettingsError: There is nothing to read, or a path overlaps with a source of the settings.
    """
    if not paths and not configured:
        raise SettingsError(
            "There is nothing to index.",
            "Name a folder (nightshift ingest DOCS) or add [[sources]] to nightshift.toml.",
        )
    if not paths:
        return list(configured)
    return [source for path in paths for source in _at(path, configured)]


def contradiction(sources: Sequence[SourceSettings]) -> str:
    """Return how two sources give one page different readers; empty where none do."""
    for one, other in combinations(sources, 2):
        if one.path is None or other.path is None or set(one.allow) == set(other.allow):
            continue
        if _overlap(one.path, other.path):
            return (
                f"{one.path} and {other.path} overlap and have different readers (allow), so that "
                "one would open what the other closes; keep the outer one, and write a file "
                ".access.toml with the other's allow into the inner folder"
            )
    return ""


def _at(path: Path, configured: Sequence[SourceSettings]) -> list[SourceSettings]:
    folders = [(source.path, source) for source in configured if source.path is not None]
    same = [source for place, source in folders if _real(place) == _real(path)]
    if same:
        return same
    for place, _ in folders:
        if _overlap(place, path):
            raise SettingsError(
                f"{path} overlaps with {place}, a source of nightshift.toml, "
                "which says who may read it.",
                f"Read that one, which costs time only for what changed: nightshift ingest {place}",
            )
    return [SourceSettings(path=path)]


def _overlap(one: Path, other: Path) -> bool:
    first, second = _real(one), _real(other)
    return first.is_relative_to(second) or second.is_relative_to(first)


def _real(path: Path) -> Path:
    """Return where a path leads; unlike `Path.resolve` no loop of links makes it fail."""
    return Path(os.path.realpath(path))
