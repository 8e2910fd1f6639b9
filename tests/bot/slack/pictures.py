"""Block Kit as a picture: messages, ephemeral ones and Home tabs drawn in Slack's look.

paint(message_page([Shown(text, blocks)]), Path("docs/pictures/answer.png"))

Chromium draws them; without one `find_browser` returns None. For the pictures in docs/pictures run
``python -m tests.bot.slack.pictures_of_messages``.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

Json = Mapping[str, Any]

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--force-device-scale-factor=1.5"
).split()
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WIDTH = 720
_TALLEST = 4_000

_CSS = """
body { margin: 0; background: #fff; font: 15px/1.46668 Lato, 'Noto Sans', Arial, sans-serif;
  color: #1d1c1d; -webkit-font-smoothing: antialiased; }
#page { padding: 14px 20px; width: 680px; box-sizing: border-box; }
.message { display: flex; gap: 8px; padding: 6px 0; }
.face { width: 36px; height: 36px; border-radius: 8px; flex: none; display: flex; color: #fff;
  align-items: center; justify-content: center; font-weight: 900; background: #7c6f9b; }
.face.bot { background: #1f2a52; }
.body { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.name { font-weight: 900; } .time { font-size: 12px; color: #616061; margin-left: 4px; }
.app { font-size: 10px; background: #ececec; color: #454447; border-radius: 2px; padding: 1px 3px;
  margin-left: 4px; font-weight: 700; }
.only { font-size: 13px; color: #616061; margin-bottom: 2px; }
.ephemeral { background: #f8f8f8; margin: 0 -20px; padding: 6px 20px; }
p { margin: 0 0 8px; } p:last-child { margin-bottom: 0; }
.block { margin: 4px 0 8px; }
h1, h2, h3, h4, h5, h6 { font-size: 18px; line-height: 1.33; font-weight: 900; margin: 10px 0 4px; }
.header { font-size: 18px; font-weight: 900; margin: 12px 0 4px; }
a { color: #1264a3; text-decoration: none; }
ul, ol { margin: 0 0 8px; padding-left: 26px; } ul ul, ol ol, ul ol, ol ul { margin: 0; }
code { font: 12px/1.5 'DejaVu Sans Mono', monospace; background: #f8f8f8; color: #c01343;
  border: 1px solid #dddddd; border-radius: 3px; padding: 2px 3px 1px; }
pre { font: 12px/1.5 'DejaVu Sans Mono', monospace; background: #f8f8f8; border: 1px solid #ddd;
  border-radius: 4px; padding: 8px; margin: 4px 0 8px; white-space: pre-wrap; }
pre code { all: unset; }
blockquote { margin: 4px 0; padding-left: 12px; border-left: 4px solid #ddd; }
table { border-collapse: collapse; margin: 4px 0 10px; font-size: 14px; }
td, th { border: 1px solid #ddd; padding: 5px 12px; text-align: left; vertical-align: top; }
th { background: #f8f8f8; font-weight: 700; }
hr { border: 0; border-top: 1px solid #ddd; margin: 12px 0; }
.context { font-size: 13px; color: #616061; line-height: 1.4; white-space: pre-wrap; }
.context img { height: 20px; vertical-align: middle; border-radius: 2px; }
.mrkdwn { white-space: pre-wrap; }
.mrkdwn pre { white-space: pre-wrap; }
.actions { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; }
.button { display: inline-block; white-space: nowrap; }
.button { border: 1px solid #bbb; border-radius: 4px; padding: 0 12px; font-weight: 700;
  height: 34px;
  line-height: 34px; font-size: 14px; background: #fff; }
.button.primary { background: #007a5a; border-color: #007a5a; color: #fff; }
.button.danger { background: #e01e5a; border-color: #e01e5a; color: #fff; }
.menu { font-weight: 400; color: #616061; } .menu::after { content: '  ⌄'; }
.feedback { display: inline-flex; gap: 2px; } .feedback span { padding: 2px 8px; font-size: 16px;
  border-radius: 6px; filter: grayscale(1); opacity: .75; }
.section { display: flex; gap: 16px; justify-content: space-between; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin-top: 4px; }
img.full { max-width: 100%; border-radius: 8px; display: block; }
img.accessory { width: 88px; height: 88px; object-fit: cover; border-radius: 8px; }
.mention { background: #f2c74433; color: #1264a3; padding: 0 2px; border-radius: 3px; }
.home { border: 1px solid #ddd; border-radius: 8px; padding: 16px 20px; }
.input label { font-weight: 700; display: block; margin-bottom: 4px; }
.input .field { border: 1px solid #868686; border-radius: 4px; padding: 8px 12px; color: #616061; }
"""


@dataclass(frozen=True)
class Shown:
    """A message to be drawn.

    Attributes:
        who: Whose message; "" for the bot's own.
        only_you: Drawn as what only its reader sees.
    """

    text: str = ""
    blocks: Sequence[Json] = ()
    who: str = ""
    only_you: bool = False
    time: str = "9:41 AM"


def message_page(messages: Sequence[Shown]) -> str:
    """Return a page with messages, one under the other."""
    return _page("".join(map(_message, messages)))


def home_page(blocks: Sequence[Json], images: Mapping[str, bytes] | None = None) -> str:
    """Return a page with a Home tab or a modal's blocks.

    Args:
        blocks: Block Kit.
        images: Contents of images by `image_url` or `slack_file` id, to be drawn inline.
    """
    return _page(f'<div class="home">{blocks_html(blocks, images)}</div>')


def blocks_html(blocks: Sequence[Json], images: Mapping[str, bytes] | None = None) -> str:
    """Return blocks as HTML."""
    return "".join(f'<div class="block">{_block(block, images or {})}</div>' for block in blocks)


def find_browser() -> str | None:
    """Return a Chromium of this machine, if it has one."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def paint(page: str, file: Path, width: int = _WIDTH) -> None:
    """Draw a page into a PNG file, cut to what it shows.

    Raises:
        RuntimeError: There is no browser, or it drew nothing.
    """
    browser = find_browser()
    if browser is None:
        raise RuntimeError("no Chromium on this machine")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nightshift-picture-") as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        shot = Path(folder) / "shot.png"
        subprocess.run(
            [
                browser,
                *_FLAGS,
                f"--user-data-dir={folder}/profile",
                f"--window-size={width},{_TALLEST}",
                f"--screenshot={shot}",
                source.as_uri(),
            ],
            check=False,
            capture_output=True,
            timeout=120,
        )
        if not shot.is_file():
            raise RuntimeError("Chromium drew nothing")
        _crop(shot, file)


def _crop(shot: Path, file: Path) -> None:
    """Cut the white rest below, and save with few colours: the file stays small."""
    from PIL import Image, ImageChops

    with Image.open(shot) as opened:
        image = opened.convert("RGB")
    empty = Image.new("RGB", image.size, (255, 255, 255))
    box = ImageChops.difference(image, empty).getbbox()
    bottom = min(image.height, (box[3] if box else 40) + 20)
    cut = image.crop((0, 0, image.width, bottom))
    cut.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)


def _page(inside: str) -> str:
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><style>{_CSS}</style></head>'
        f'<body><div id="page">{inside}</div></body></html>'
    )


def _message(message: Shown) -> str:
    name = message.who or "Nightshift"
    app = "" if message.who else '<span class="app">APP</span>'
    face = f'<div class="face {"" if message.who else "bot"}">{html.escape(name[:1])}</div>'
    only = '<div class="only">Only visible to you</div>' if message.only_you else ""
    time = f'<span class="time">{message.time}</span>'
    head = f'<span class="name">{html.escape(name)}</span>{app}{time}'
    inside = (
        blocks_html(message.blocks) if message.blocks else f"<p>{mrkdwn_html(message.text)}</p>"
    )
    kind = "message ephemeral" if message.only_you else "message"
    return f'<div class="{kind}">{face}<div class="body">{only}{head}{inside}</div></div>'


def _block(block: Json, images: Mapping[str, bytes]) -> str:
    kind = block["type"]
    if kind == "markdown":
        return _MARKDOWN.render(block["text"])
    if kind == "header":
        return f'<div class="header">{html.escape(block["text"]["text"])}</div>'
    if kind == "divider":
        return "<hr>"
    if kind == "section":
        return _section(block, images)
    if kind == "context":
        inside = " ".join(_element(each, images) for each in block["elements"])
        return f'<div class="context">{inside}</div>'
    if kind in {"actions", "context_actions"}:
        inside = "".join(_element(each, images) for each in block["elements"])
        return f'<div class="actions">{inside}</div>'
    if kind == "image":
        title = (
            f"<p><b>{html.escape(_words(block.get('title')))}</b></p>" if block.get("title") else ""
        )
        return title + _image(block, images, "full")
    if kind == "input":
        field = _element(block["element"], images)
        return (
            f'<div class="input"><label>{html.escape(_words(block["label"]))}</label>{field}</div>'
        )
    if kind == "table":
        rows = "".join(
            "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>"
            for row in block["rows"]
        )
        return f"<table>{rows}</table>"
    if kind == "rich_text":
        return "".join(_rich(each) for each in block["elements"])
    return f"<p>[{html.escape(kind)}]</p>"


def _section(block: Json, images: Mapping[str, bytes]) -> str:
    text = f"<div>{_text(block['text'])}</div>" if block.get("text") else "<div></div>"
    fields = "".join(f"<div>{_text(each)}</div>" for each in block.get("fields") or ())
    left = f'<div>{text}<div class="fields">{fields}</div></div>' if fields else text
    right = _element(block["accessory"], images) if block.get("accessory") else ""
    return f'<div class="section">{left}<div>{right}</div></div>'


def _element(element: Json, images: Mapping[str, bytes]) -> str:
    kind = element["type"]
    if kind in {"mrkdwn", "plain_text"}:
        return _text(element)
    if kind == "image":
        return _image(element, images, "accessory")
    if kind == "feedback_buttons":
        sides = (element["positive_button"], element["negative_button"])
        signs = "".join(f"<span>{html.escape(_words(side['text']))}</span>" for side in sides)
        return f'<span class="feedback">{signs}</span>'
    if kind == "button":
        style = str(element.get("style") or "")
        return f'<span class="button {style}">{html.escape(_words(element["text"]))}</span>'
    if kind == "plain_text_input":
        words = element.get("initial_value") or _words(element.get("placeholder")) or " "
        return f'<div class="field">{html.escape(str(words))}</div>'
    if kind in {"checkboxes", "radio_buttons"}:
        options = (html.escape(_words(option["text"])) for option in element["options"])
        return "<br>".join(f"☐ {option}" for option in options)
    chosen = element.get("initial_option") or {}
    words = _words(chosen.get("text")) or _words(element.get("placeholder")) or "⋯"
    return f'<span class="button menu">{html.escape(words)}</span>'


def _image(block: Json, images: Mapping[str, bytes], kind: str) -> str:
    import base64

    file = block.get("slack_file") or {}
    name = str(block.get("image_url") or file.get("id") or file.get("url") or "")
    content = images.get(name)
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}" if content else ""
    return (
        f'<img class="{kind}" src="{source}" alt="{html.escape(str(block.get("alt_text", "")))}">'
    )


def _text(text: Json) -> str:
    if text["type"] == "plain_text":
        return html.escape(text["text"])
    return f'<span class="mrkdwn">{mrkdwn_html(text["text"])}</span>'


def _words(text: Any) -> str:
    return str(text.get("text", "")) if isinstance(text, Mapping) else str(text or "")


def _cell(cell: Json) -> str:
    if cell["type"] == "rich_text":
        return "".join(_rich(each) for each in cell["elements"])
    return html.escape(str(cell.get("text", "")))


def _rich(node: Json) -> str:
    kind = node["type"]
    if kind == "text":
        words = html.escape(node["text"])
        style = node.get("style") or {}
        return f"<b>{words}</b>" if style.get("bold") else words
    if kind == "link":
        return f"<a>{html.escape(node.get('text') or node['url'])}</a>"
    inside = "".join(_rich(each) for each in node.get("elements") or ())
    if kind == "rich_text_list":
        items = "".join(f"<li>{_rich(each)}</li>" for each in node["elements"])
        return f"<ul>{items}</ul>"
    wrap = {"rich_text_preformatted": "pre", "rich_text_quote": "blockquote"}.get(kind, "div")
    return f"<{wrap}>{inside}</{wrap}>"


def mrkdwn_html(text: str) -> str:
    """Return mrkdwn as Slack draws it; what it would do with `<...>` is shown as a mention."""
    held: list[str] = []

    def hold(shown: str) -> str:
        held.append(shown)
        return f"\x00{len(held) - 1}\x00"

    text = re.sub(r"```\n?(.*?)\n?```", lambda m: hold(f"<pre>{m[1]}</pre>"), text, flags=re.DOTALL)
    text = re.sub(r"`([^`\n]+)`", lambda m: hold(f"<code>{m[1]}</code>"), text)
    text = re.sub(r"<!date\^(\d+)\^[^|>]*\|[^>]*>", lambda m: hold(_moment(int(m[1]))), text)
    text = text.replace(":+1:", "👍").replace(":-1:", "👎")
    text = re.sub(r"<([@#!][^>]*)>", lambda m: hold(f'<span class="mention">{m[1]}</span>'), text)
    text = re.sub(r"<([^>|]+)\|([^>]*)>", lambda m: hold("<a>") + m[2] + hold("</a>"), text)
    text = re.sub(r"<([^>]+)>", lambda m: hold(f"<a>{m[1]}</a>"), text)
    for sign, tag in (("*", "b"), ("_", "i"), ("~", "s")):
        mark = re.escape(sign)
        pattern = rf"(?<![\w{mark}]){mark}(?=\S)([^\n{mark}]*[^\s{mark}]){mark}(?![\w{mark}])"
        text = re.sub(pattern, rf"<{tag}>\1</{tag}>", text)
    quoted = re.sub(r"(?:^(?:&gt;|>) ?.*(?:\n|\Z))+", _quoted, text, flags=re.MULTILINE)
    return re.sub(r"\x00(\d+)\x00", lambda m: held[int(m[1])], quoted)


def _moment(stamp: int) -> str:
    at = datetime.fromtimestamp(stamp, UTC)
    return f"{at:%b} {at.day} at {at:%H:%M}"


def _quoted(found: re.Match[str]) -> str:
    lines = (re.sub(r"^(?:&gt;|>) ?", "", line) for line in found[0].rstrip("\n").split("\n"))
    return f"<blockquote>{chr(10).join(lines)}</blockquote>"
