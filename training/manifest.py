"""What an adapter is and how it came about, and how that is written down. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AdapterManifest:
    """What an adapter is and how it came about.

    Attributes:
        base_model: Identity of the base model that it fits, and no other.
        parent: The version that its training started from, or None for the bare base model.
        trained_on: Ids of all pairs that it or its parents were given to learn from.
        pair_counts: Pairs by use, as in ``{"used": 28, "replayed": 2, "held_out": 12}``.
        inputs: The run's settings, to repeat it.
        scores: Figures of the gate's evaluation by name.
        writes_better: Whether its written answers beat quoting, with a lower bound above 0.
        decision: Why it was promoted or kept, for people.
        files: SHA-256 by file name; filled in by ``AdapterRegistry.publish``.
    """

    version: str
    base_model: str
    parent: str | None
    created_at: datetime
    trained_on: tuple[str, ...] = ()
    pair_counts: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    writes_better: bool = False
    decision: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def manifest_json(manifest: AdapterManifest) -> str:
    """Return the manifest as it is written beside the weights."""
    values = asdict(manifest) | {"created_at": manifest.created_at.isoformat()}
    return json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True)


def manifest_from(values: Mapping[str, Any]) -> AdapterManifest:
    """Return the manifest that was written.

    Raises:
        KeyError, TypeError, ValueError: It was written by another release, or is damaged.
    """
    read = {
        "created_at": datetime.fromisoformat(values["created_at"]),
        "trained_on": tuple(values["trained_on"]),
    }
    return AdapterManifest(**{**values, **read})
