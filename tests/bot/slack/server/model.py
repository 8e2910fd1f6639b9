"""What a workspace consists of: people, channels, messages, files, views. Only data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_PINGS = re.compile(r"<(!(?:channel|here|everyone|subteam\^[A-Z0-9]+)|@[UW][A-Z0-9]+)(?:\|[^>]*)?>")
_LINKS = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|[^>]*)?>|\]\((https?://[^)\s]+)\)")


class SlackFailure(Exception):  # noqa: N818 - Slack's word for it is "error", and it is an answer
    """An answer with `"ok": false`.

    Attributes:
        error: Slack's own name, such as `channel_not_found`.
        more: What else the answer carries, such as `response_metadata`.
    """

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


@dataclass
class Team:
    """A workspace that has installed the app."""

    id: str
    name: str
    domain: str
    bot_user: str
    bot_id: str
    bot_token: str
    revoked: bool = False
    org_wide: bool = False


@dataclass
class Person:
    """A member, a bot, or somebody of another workspace."""

    id: str
    name: str
    team: str
    email: str = ""
    admin: bool = False
    guest: bool = False
    single_channel_guest: bool = False
    stranger: bool = False
    deleted: bool = False
    bot: bool = False
    real_name: str = ""


@dataclass
class Channel:
    """A conversation of any kind."""

    id: str
    name: str
    team: str
    kind: str  # channel, group, im, mpim
    members: list[str]
    shared: bool = False
    archived: bool = False

    @property
    def direct(self) -> bool:
        return self.kind == "im"


@dataclass(frozen=True)
class Version:
    """What a message said before it was changed."""

    text: str
    blocks: list[Json]
    at: float

    @property
    def visible_text(self) -> str:
        return readable(self.text, self.blocks, [])


@dataclass
class Stream:
    """The state of a message that is being streamed.

    Attributes:
        mode: "markdown_text", "chunks", or "" as long as nothing was sent: the first call decides.
    """

    started: float
    mode: str
    open: bool = True
    stopped_by_user: bool = False
    text: str = ""
    chunk_blocks: list[Json] = field(default_factory=list)
    tasks: dict[str, Json] = field(default_factory=dict)
    plan: str = ""
    appends: list[str] = field(default_factory=list)


@dataclass
class Message:
    """A message as it stands now."""

    ts: str
    channel: str
    user: str
    team: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    thread_ts: str = ""
    bot_id: str = ""
    app_id: str = ""
    ephemeral_to: str = ""
    subtype: str = ""
    files: list[str] = field(default_factory=list)
    metadata: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edits: list[Version] = field(default_factory=list)
    edited: Json | None = None
    deleted: bool = False
    stream: Stream | None = None
    client_msg_id: str = ""
    sent: Json = field(default_factory=dict)

    @property
    def streaming(self) -> bool:
        return self.stream is not None and self.stream.open

    @property
    def visible_text(self) -> str:
        """All that a person reads in the channel, block by block."""
        return readable(self.text, self.blocks, self.attachments)

    @property
    def pings(self) -> list[str]:
        """Whom the message notifies: `!channel`, `@U0ALICE`, …"""
        return _PINGS.findall("\n".join(marked_up(self.text, self.blocks, self.attachments)))

    @property
    def links(self) -> list[str]:
        """Where the message leads to, in order."""
        texts = "\n".join(marked_up(self.text, self.blocks, self.attachments))
        found = [first or second for first, second in _LINKS.findall(texts)]
        return found + [e["url"] for e in elements_in(self.blocks) if e.get("url")]

    @property
    def actions(self) -> list[str]:
        """The action ids of what can be pressed or chosen."""
        return [e["action_id"] for e in elements_in(self.blocks) if "action_id" in e]


@dataclass
class StoredFile:
    """A file, and who may fetch it."""

    id: str
    name: str
    team: str
    user: str
    content: bytes
    mimetype: str
    channels: list[str] = field(default_factory=list)
    title: str = ""
    deleted: bool = False
    complete: bool = True


@dataclass
class View:
    """A modal or a Home tab."""

    id: str
    hash: str
    user: str
    team: str
    payload: Json
    root: str = ""
    previous: str = ""
    open: bool = True
    errors: Json = field(default_factory=dict)

    @property
    def callback_id(self) -> str:
        return str(self.payload.get("callback_id", ""))

    @property
    def blocks(self) -> list[Json]:
        return list(self.payload.get("blocks", []))

    @property
    def visible_text(self) -> str:
        """All that a person reads in the view."""
        titles = [plain(self.payload[k]) for k in ("title", "submit", "close") if k in self.payload]
        return "\n".join([*titles, readable("", self.blocks, [])])

    @property
    def actions(self) -> list[str]:
        return [e["action_id"] for e in elements_in(self.blocks) if "action_id" in e]


@dataclass(frozen=True)
class Call:
    """A call of the Web API, as it was answered.

    Attributes:
        body: The arguments, without the token.
        answer: The JSON body of the answer, or {} where the connection was dropped.
        time: Unix time in seconds, by the workspace's clock.
    """

    method: str
    body: Json
    status: int
    time: float
    answer: Json
    team: str = ""


def plain(text: Any) -> str:
    """Return the words of a text object."""
    return str(text.get("text", "")) if isinstance(text, dict) else str(text or "")


def elements_in(blocks: list[Json]) -> list[Json]:
    """Return the interactive elements of blocks, each with its `block_id`."""
    found = []
    for block in blocks:
        inside = [
            block.get("accessory"),
            block.get("element"),
            *(
                block.get("elements") or []
                if block["type"] in {"actions", "context_actions"}
                else []
            ),
        ]
        found += [e | {"block_id": block.get("block_id", "")} for e in inside if e]
    return found


def marked_up(text: str, blocks: list[Json], attachments: list[Json]) -> list[str]:
    """Return the texts in which Slack looks for mentions and links."""
    texts = [text] if not blocks else []
    for block in blocks:
        texts += _marked_up_block(block)
    for attachment in attachments:
        texts += [str(attachment.get(k, "")) for k in ("pretext", "text", "fallback")]
        texts += marked_up("", attachment.get("blocks", []), [])
    return texts


def _marked_up_block(block: Json) -> list[str]:
    if block["type"] == "markdown":
        return [str(block["text"])]
    parts = [block.get("text"), *block.get("fields", [])]
    if block["type"] == "context":
        parts += block.get("elements", [])
    return [plain(p) for p in parts if isinstance(p, dict) and p.get("type") == "mrkdwn"]


def readable(text: str, blocks: list[Json], attachments: list[Json]) -> str:
    """Return what people see; `text` only counts where there are no blocks."""
    lines = [text] if not blocks else [_block_text(block) for block in blocks]
    for attachment in attachments:
        lines += [str(attachment.get(k, "")) for k in ("pretext", "title", "text", "footer")]
        lines.append(readable("", attachment.get("blocks", []), []))
    return "\n".join(line for line in lines if line)


def _block_text(block: Json) -> str:
    if block["type"] in {"rich_text", "table"}:
        return _rich_text(block)
    lines = [plain(block.get(k)) for k in ("title", "text", "label", "hint", "alt_text")]
    lines += [plain(each) for each in block.get("fields", [])]
    inside = [block.get("accessory"), block.get("element"), *block.get("elements", [])]
    lines += [_element_text(each) for each in inside if each]
    return "\n".join(line for line in lines if line)


def _element_text(element: Json) -> str:
    if element["type"] == "feedback_buttons":
        buttons = (element["positive_button"], element["negative_button"])
        return "\n".join(plain(button["text"]) for button in buttons)
    lines = [plain(element.get(k)) for k in ("text", "alt_text", "placeholder", "initial_value")]
    lines += [plain(option["text"]) for option in element.get("options", [])]
    return "\n".join(line for line in lines if line)


def _rich_text(node: Any) -> str:
    if isinstance(node, list):
        return "".join(_rich_text(each) for each in node)
    kind = node.get("type")
    known = {
        "text": lambda: node["text"],
        "link": lambda: node.get("text") or node["url"],
        "user": lambda: f"<@{node['user_id']}>",
        "emoji": lambda: f":{node['name']}:",
        "raw_text": lambda: node["text"],
    }
    if kind in known:
        return str(known[kind]())
    if kind == "table":
        return "\n".join(" | ".join(_rich_text(cell) for cell in row) for row in node["rows"])
    return _rich_text(node.get("elements", [])) + ("\n" if kind == "rich_text_section" else "")
