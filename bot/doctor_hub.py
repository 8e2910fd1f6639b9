"""The doctor's question to the model hub, before parts wait for it for minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx

from bot.findings import Finding, Level
from bot.settings import Settings
from training.settings import ModelSettings

_SECONDS = 5.0
_HUB = "https://huggingface.co"
_PACKAGED = ModelSettings().name
_YES = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads its variables


def hub(settings: Settings) -> Iterator[Finding]:
    """Ask whether the hub answers, where a model is named that isn't a folder.

    Where it doesn't, this process asks it nothing more: so the parts tell at once what isn't on
    this machine. To be called before `huggingface_hub` is imported, which then reads its variables.
    """
    named = [settings.embedding.model, settings.model.name]
    of_the_hub = [
        name
        for name in named
        if name not in {"", _PACKAGED} and ":" not in name and not Path(name).is_dir()
    ]
    if not of_the_hub or os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES:
        return
    try:
        httpx.head(os.environ.get("HF_ENDPOINT") or _HUB, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        os.environ["HF_HUB_OFFLINE"] = "1"
        names, why = " and ".join(of_the_hub), type(error).__name__
        text = f"It can't be reached ({why}): {names} must be on this machine."
        mend = "Give a folder instead, or set HF_HUB_OFFLINE=1 if nothing is to be downloaded."
        yield Finding("model hub", Level.NOTE, text, mend)
    else:
        yield Finding("model hub", Level.OK, "it answers")
