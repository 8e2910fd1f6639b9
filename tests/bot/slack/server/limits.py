"""The limits of messages, blocks and views, with the names that Slack gives to their breach.

Sources: docs.slack.dev/reference/methods/chat.postMessage (errors), …/chat.update (4,000
characters of text), …/reference/block-kit/blocks/* and …/block-elements/* (lengths), …/surfaces/
modals and …/reference/views (views). The 13,200 characters for all blocks together are not
documented: others measured them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.bot.slack.server.model import Json, SlackFailure

TEXT = 40_000
UPDATED_TEXT = 4_000
MARKDOWN = 12_000
BLOCKS = 50
VIEW_BLOCKS = 100
ALL_BLOCKS = 13_200
ATTACHMENTS = 100
SECTION = 3_000
FIELD, FIELDS = 2_000, 10
HEADER = 150
BUTTON, BUTTON_VALUE, URL = 75, 2_000, 3_000
OPTION, OPTION_VALUE, OPTIONS, OVERFLOW = 75, 150, 100, 5
ACTIONS, CONTEXT, CONTEXT_ACTIONS = 25, 10, 5
IDENTIFIER = 255
PLACEHOLDER = 150
LABEL = 2_000
INPUT_TEXT = 3_000
MODAL_TITLE, MODAL_BUTTON = 24, 24
PRIVATE_METADATA = 3_000
METADATA = 8_000

_MESSAGE_BLOCKS = {
    "actions", "context", "context_actions", "divider", "file", "header", "image", "input",
    "markdown", "rich_text", "section", "table", "video", "task_card", "plan", "card", "carousel",
    "alert", "data_table",
}  # fmt: skip
_VIEW_BLOCKS = {
    "actions", "context", "divider", "header", "image", "input", "rich_text", "section", "video",
    "table", "markdown", "alert",
}  # fmt: skip
_VIEW_TEXTS = {
    "private_metadata": PRIVATE_METADATA,
    "callback_id": IDENTIFIER,
    "external_id": IDENTIFIER,
}
_MENUS = {
    "static_select", "multi_static_select", "external_select", "multi_external_select",
    "users_select", "multi_users_select", "conversations_select", "multi_conversations_select",
    "channels_select", "multi_channels_select",
}  # fmt: skip
_PICKERS = {"overflow", "datepicker", "timepicker", "datetimepicker", "radio_buttons", "checkboxes"}
_IN_ACTIONS = {"button", "workflow_button", *_MENUS, *_PICKERS}
_INPUTS = {
    "plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input",
    "file_input", *_MENUS, *_PICKERS,
}  # fmt: skip


def check_message(body: Json, longest_text: int = TEXT) -> None:
    """Check text, blocks, attachments and metadata of a message that is sent or changed.

    Raises:
        SlackFailure: As Slack names it.
    """
    text, markdown = str(body.get("text") or ""), body.get("markdown_text")
    blocks, attachments = body.get("blocks"), body.get("attachments")
    if markdown is not None and (text or blocks):
        raise SlackFailure("markdown_text_conflict")
    if markdown is not None and len(str(markdown)) > MARKDOWN:
        raise SlackFailure("msg_too_long")
    if not (text.strip() or markdown or blocks or attachments or body.get("file_ids")):
        raise SlackFailure("no_text")
    if len(text) > longest_text:
        raise SlackFailure("msg_too_long")
    if attachments and len(attachments) > ATTACHMENTS:
        raise SlackFailure("too_many_attachments")
    if blocks is not None:
        check_blocks(blocks)
    check_metadata(body.get("metadata"))


def check_metadata(metadata: Any) -> None:
    """Check a message's metadata: docs.slack.dev/messaging/message-metadata."""
    if not metadata:
        return
    if not isinstance(metadata, dict):
        raise SlackFailure("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str):
        raise SlackFailure("invalid_metadata_schema")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackFailure("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA:
        raise SlackFailure("metadata_too_large")


def check_blocks(blocks: Any, most: int = BLOCKS, in_view: bool = False) -> None:
    """Check blocks, and say what is wrong where, as Slack does in `response_metadata`.

    Raises:
        SlackFailure: invalid_blocks_format, invalid_blocks or msg_blocks_too_long.
    """
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackFailure("invalid_blocks_format")
    problems = list(_too_many(blocks, most)) + list(_twice(blocks, "block_id", "/blocks"))
    for number, block in enumerate(blocks):
        allowed = _VIEW_BLOCKS if in_view else _MESSAGE_BLOCKS
        problems += _block_problems(block, f"/blocks/{number}", allowed)
    markdown = sum(len(str(b.get("text", ""))) for b in blocks if b.get("type") == "markdown")
    if markdown > MARKDOWN:
        problems.append(
            f"must be at most {MARKDOWN} characters in all markdown blocks [json-pointer:/blocks]"
        )
    if problems:
        raise invalid("invalid_blocks", problems)
    if not in_view and sum(map(_characters, blocks)) > ALL_BLOCKS:
        raise SlackFailure("msg_blocks_too_long")


def invalid(error: str, problems: list[str]) -> SlackFailure:
    """Return the failure with one line for each problem."""
    lines = [f"[ERROR] {problem}" for problem in problems]
    return SlackFailure(error, response_metadata={"messages": lines})


def check_view(view: Any) -> None:
    """Check a modal or Home tab: docs.slack.dev/reference/views.

    Raises:
        SlackFailure: invalid_arguments, or what `check_blocks` raises.
    """
    if not isinstance(view, dict) or view.get("type") not in {"modal", "home"}:
        raise invalid("invalid_arguments", ["invalid view type [json-pointer:/view/type]"])
    problems: list[str] = []
    if view["type"] == "modal":
        problems += _text(view.get("title"), "/view/title", MODAL_TITLE, kinds={"plain_text"})
        for key in ("submit", "close"):
            if view.get(key) is not None:
                problems += _text(view[key], f"/view/{key}", MODAL_BUTTON, kinds={"plain_text"})
        has_input = any(b.get("type") == "input" for b in view.get("blocks") or [])
        if has_input and not view.get("submit"):
            problems.append("missing required field: submit [json-pointer:/view]")
    for key, most in _VIEW_TEXTS.items():
        if len(str(view.get(key) or "")) > most:
            problems.append(f"must be less than {most + 1} characters [json-pointer:/view/{key}]")
    if not view.get("blocks") and not isinstance(view.get("blocks"), list):
        problems.append("missing required field: blocks [json-pointer:/view]")
    if problems:
        raise invalid("invalid_arguments", problems)
    try:
        check_blocks(view["blocks"], VIEW_BLOCKS, in_view=True)
    except SlackFailure as failure:
        raise SlackFailure("invalid_arguments", **failure.more) from failure


def _too_many(blocks: list[Json], most: int) -> Iterator[str]:
    if len(blocks) > most:
        yield f"no more than {most} items allowed [json-pointer:/blocks]"


def _twice(parts: list[Json], key: str, where: str) -> Iterator[str]:
    names = [part[key] for part in parts if part.get(key)]
    if len(names) != len(set(names)):
        yield f"`{key}` must be unique [json-pointer:{where}]"


def _block_problems(block: Json, where: str, allowed: set[str]) -> list[str]:
    kind = block.get("type")
    if kind not in allowed:
        return [f"unsupported type: {kind} [json-pointer:{where}/type]"]
    problems = _identifier(block.get("block_id"), f"{where}/block_id")
    check = _CHECKS.get(str(kind))
    return problems + (check(block, where) if check else [])


def _identifier(name: Any, where: str) -> list[str]:
    if name is not None and len(str(name)) > IDENTIFIER:
        return [f"must be less than {IDENTIFIER + 1} characters [json-pointer:{where}]"]
    return []


def _text(
    text: Any, where: str, most: int, kinds: set[str] | None = None, least: int = 1
) -> list[str]:
    kinds = kinds or {"plain_text", "mrkdwn"}
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return [f"must provide an object of type {'/'.join(sorted(kinds))} [json-pointer:{where}]"]
    words = text.get("text")
    if not isinstance(words, str) or len(words) < least:
        return [f"must be more than {least - 1} characters [json-pointer:{where}/text]"]
    if len(words) > most:
        return [f"must be less than {most + 1} characters [json-pointer:{where}/text]"]
    return []


def _section(block: Json, where: str) -> list[str]:
    if block.get("text") is None and not block.get("fields"):
        return [f"missing required field: text [json-pointer:{where}]"]
    problems = []
    if block.get("text") is not None:
        problems += _text(block["text"], f"{where}/text", SECTION)
    fields = block.get("fields") or []
    if len(fields) > FIELDS:
        problems.append(f"no more than {FIELDS} items allowed [json-pointer:{where}/fields]")
    for number, each in enumerate(fields):
        problems += _text(each, f"{where}/fields/{number}", FIELD)
    if block.get("accessory"):
        allowed = {*_IN_ACTIONS, "image"}
        problems += _element(block["accessory"], f"{where}/accessory", allowed)
    return problems


def _header(block: Json, where: str) -> list[str]:
    return _text(block.get("text"), f"{where}/text", HEADER, kinds={"plain_text"})


def _markdown(block: Json, where: str) -> list[str]:
    if not isinstance(block.get("text"), str) or not block["text"]:
        return [f"missing required field: text [json-pointer:{where}]"]
    return []


def _elements(most: int, allowed: set[str]) -> Callable[[Json, str], list[str]]:
    def check(block: Json, where: str) -> list[str]:
        elements = block.get("elements")
        if not elements:
            return [f"missing required field: elements [json-pointer:{where}]"]
        if len(elements) > most:
            return [f"no more than {most} items allowed [json-pointer:{where}/elements]"]
        problems = list(_twice(elements, "action_id", f"{where}/elements"))
        for number, element in enumerate(elements):
            problems += _element(element, f"{where}/elements/{number}", allowed)
        return problems

    return check


def _input(block: Json, where: str) -> list[str]:
    problems = _text(block.get("label"), f"{where}/label", LABEL, kinds={"plain_text"})
    if block.get("hint") is not None:
        problems += _text(block["hint"], f"{where}/hint", LABEL, kinds={"plain_text"})
    return problems + _element(block.get("element"), f"{where}/element", _INPUTS)


def _image(block: Json, where: str) -> list[str]:
    if not block.get("image_url") and not block.get("slack_file"):
        return [f"missing required field: image_url [json-pointer:{where}]"]
    problems = []
    if not 0 < len(str(block.get("alt_text") or "")) <= 2_000:
        problems.append(f"must be 1 to 2000 characters [json-pointer:{where}/alt_text]")
    if len(str(block.get("image_url") or "")) > URL:
        problems.append(f"must be less than {URL + 1} characters [json-pointer:{where}/image_url]")
    return problems


def _element(element: Any, where: str, allowed: set[str]) -> list[str]:
    if not isinstance(element, dict) or element.get("type") not in allowed:
        kind = element.get("type") if isinstance(element, dict) else element
        return [f"unsupported type: {kind} [json-pointer:{where}/type]"]
    kind = element["type"]
    if kind in {"mrkdwn", "plain_text"}:
        return _text(element, where, SECTION)
    if kind == "image":
        return _image(element, where)
    problems = _identifier(element.get("action_id"), f"{where}/action_id")
    if kind in {"button", "feedback_buttons", "icon_button"}:
        return problems + _button_like(element, where)
    if element.get("placeholder"):
        problems += _text(
            element["placeholder"], f"{where}/placeholder", PLACEHOLDER, kinds={"plain_text"}
        )
    if len(str(element.get("initial_value") or "")) > INPUT_TEXT:
        problems.append(f"must be less than {INPUT_TEXT + 1} characters [json-pointer:{where}]")
    if kind in {"static_select", "multi_static_select", "radio_buttons", "checkboxes", "overflow"}:
        problems += _options(element, where)
    return problems


def _button_like(element: Json, where: str) -> list[str]:
    if element["type"] == "feedback_buttons":
        problems = []
        for key in ("positive_button", "negative_button"):
            if not isinstance(element.get(key), dict) or not element[key].get("value"):
                problems.append(f"missing required field: {key} [json-pointer:{where}]")
            else:
                problems += _button(element[key], f"{where}/{key}")
        return problems
    return _button(element, where)


def _button(button: Json, where: str) -> list[str]:
    problems = _text(button.get("text"), f"{where}/text", BUTTON, kinds={"plain_text"})
    for key, most in (("value", BUTTON_VALUE), ("url", URL), ("accessibility_label", BUTTON)):
        if len(str(button.get(key) or "")) > most:
            problems.append(f"must be less than {most + 1} characters [json-pointer:{where}/{key}]")
    if button.get("style", "primary") not in {"primary", "danger"}:
        problems.append(f"must be one of primary, danger [json-pointer:{where}/style]")
    return problems


def _options(element: Json, where: str) -> list[str]:
    most = {"overflow": OVERFLOW, "radio_buttons": 10, "checkboxes": 10}.get(
        element["type"], OPTIONS
    )
    groups = element.get("option_groups")
    options = [o for g in groups for o in g["options"]] if groups else element.get("options")
    if not options:
        return [f"missing required field: options [json-pointer:{where}]"]
    if len(options) > most:
        return [f"no more than {most} items allowed [json-pointer:{where}/options]"]
    problems = []
    for number, option in enumerate(options):
        at = f"{where}/options/{number}"
        problems += _text(option.get("text"), f"{at}/text", OPTION)
        if not 0 < len(str(option.get("value") or "")) <= OPTION_VALUE:
            problems.append(f"must be 1 to {OPTION_VALUE} characters [json-pointer:{at}/value]")
        if option.get("description"):
            problems += _text(option["description"], f"{at}/description", OPTION)
    chosen = [element.get("initial_option"), *(element.get("initial_options") or [])]
    values = {str(option.get("value")) for option in options}
    for option in chosen:
        if option is not None and str(option.get("value")) not in values:
            problems.append(f"initial option isn't an option [json-pointer:{where}/initial_option]")
    return problems


def _characters(block: Any) -> int:
    """Return the characters of all texts of a block."""
    if isinstance(block, dict):
        own = len(block["text"]) if isinstance(block.get("text"), str) else 0
        return own + sum(_characters(v) for v in block.values() if isinstance(v, dict | list))
    return sum(map(_characters, block)) if isinstance(block, list) else 0


_CHECKS: dict[str, Callable[[Json, str], list[str]]] = {
    "section": _section,
    "header": _header,
    "markdown": _markdown,
    "image": _image,
    "input": _input,
    "actions": _elements(ACTIONS, _IN_ACTIONS),
    "context": _elements(CONTEXT, {"mrkdwn", "plain_text", "image"}),
    "context_actions": _elements(CONTEXT_ACTIONS, {"feedback_buttons", "icon_button"}),
}
