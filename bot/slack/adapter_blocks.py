"""The adapters as messages: which is live, its scores, and buttons that ask once more. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.blocks import Part, Reply
from bot.slack.elements import Block, section
from bot.slack.mrkdwn import escape, split
from bot.slack.reports import build_report, confirmed_button
from training.manifest import AdapterManifest

ROLLBACK = "nightshift_rollback"
PROMOTE = "nightshift_promote"
BARE = "the bare base model"
# Of one message; Slack takes 50 blocks, and 4,000 characters of text when a message is changed.
_BLOCKS = 40
_CHARACTERS = 3_600
_BETWEEN = "|"
_SECTION = 1_200
_SCORES = ("correctness", "f1")


def rollback_button(live: str | None, target: str | None) -> Block:
    """Return the button that goes from what is live to what was live before; None is bare."""
    return confirmed_button(
        "Roll back",
        ROLLBACK,
        f"{live or ''}{_BETWEEN}{target or ''}",
        f"Live now: {live or BARE}. After this, {target or BARE} answers, at once and for all.",
        danger=True,
    )


def rollback_of(value: str) -> tuple[str | None, str | None]:
    """Return what was live, and what is to be, of a button's value."""
    live, _, target = value.partition(_BETWEEN)
    return live or None, target or None


def build_adapters_message(
    manifests: Sequence[AdapterManifest], live: str | None, target: Sequence[str | None]
) -> Reply:
    """Return the list, the newest first.

    Args:
        manifests: All complete adapters.
        live: The version that is live; None is the bare base model.
        target: What a rollback makes live; empty where there is nothing to go back to.
    """
    head = f"*Live:* {escape(live or BARE)}"
    if not manifests:
        return build_report([head, "No night has made an adapter yet. `/retrain` starts one."])
    blocks = [section(head)]
    for manifest in manifests:
        blocks += _adapter(manifest, live, target)
    parts = [Part("\n".join(map(_text, group)), tuple(group)) for group in _grouped(blocks)]
    if target and live not in {manifest.version for manifest in manifests}:
        last = parts[-1]
        actions = {"type": "actions", "elements": [rollback_button(live, target[0])]}
        parts[-1] = Part(last.text, (*last.blocks, actions))
    return Reply(tuple(parts))


def build_rollback_message(live: str | None, target: Sequence[str | None]) -> Reply:
    """Return what a rollback would do, with its button."""
    head = f"*Live:* {escape(live or BARE)}"
    if not target:
        return build_report([head, "There is no earlier adapter to go back to."])
    lines = [head, f"*After a rollback:* {escape(target[0] or BARE)}"]
    return build_report(lines, [rollback_button(live, target[0])])


def build_change_notice(who: str, before: str | None, after: str | None) -> Reply:
    """Return the message that says who changed the live adapter."""
    return build_report(
        [
            f"*Live now:* {escape(after or BARE)}",
            f"Changed by {escape(who)}; before, {escape(before or BARE)} was live.",
        ]
    )


def _adapter(
    manifest: AdapterManifest, live: str | None, target: Sequence[str | None]
) -> list[Block]:
    version = manifest.version
    lines = [
        f"*{escape(version)}*{' · live' if version == live else ''}",
        f"From {escape(manifest.parent or BARE)}, {manifest.created_at:%d %B %Y, %H:%M %Z}",
    ]
    if scores := _scores(manifest):
        lines.append(scores)
    if manifest.decision:
        lines.append(escape(manifest.decision))
    blocks = [section(text) for text in split("\n".join(lines), _SECTION)]
    if version != live:
        question = f"Live now: {live or BARE}. After this, {version} answers, at once and for all."
        blocks[0]["accessory"] = confirmed_button("Make live", PROMOTE, version, question)
    elif target:
        blocks[0]["accessory"] = rollback_button(live, target[0])
    return blocks


def _grouped(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return sections as messages that Slack takes."""
    groups: list[list[Block]] = [[]]
    characters = 0
    for block in blocks:
        characters += len(_text(block)) + 1
        if groups[-1] and (len(groups[-1]) == _BLOCKS or characters > _CHARACTERS):
            groups.append([])
            characters = len(_text(block)) + 1
        groups[-1].append(block)
    return groups


def _text(block: Block) -> str:
    return str(block["text"]["text"])


def _scores(manifest: AdapterManifest) -> str:
    scores = manifest.scores
    return ", ".join(
        f"{name} {scores[f'candidate {name}']:.3f} (live then: {scores[f'live {name}']:.3f})"
        for name in _SCORES
        if f"candidate {name}" in scores and f"live {name}" in scores
    )
