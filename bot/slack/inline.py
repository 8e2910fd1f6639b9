"""A run of Markdown as Slack shows it, in both of its languages. Pure.

What acts in Slack is built here alone: the text of pages and models is taken apart and put together
again, so that nothing in it pings anybody, and no link leads where no source leads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.slack.mrkdwn import escape

LinkRule = Callable[[str], bool]
"""Whether a link to an address, or a bare address, may be shown as a link."""

JOINER = "\u2060"
"""Word joiner: invisible, it takes two signs apart that would act together."""
_BOUNDARY = "\u200b"  # Slack's emphasis begins and ends beside something that is no letter
# A lone backtick could pair with that of an address that must not be a link; behind an address that
# may be one, a letter that looks like it would lengthen it.
_NO_TICK = f"{JOINER}ˋ"
_SCHEMES = frozenset({"http", "https", "mailto"})

_PARSER = MarkdownIt("commonmark").enable("strikethrough").disable("text_join")
_PARSER.normalizeLink = lambda url: url  # type: ignore[method-assign]  # as the source has it

_COMMAND = re.compile(r"(<|&lt;|&#0*60;|&#x0*3c;)(?=[!@#])", re.IGNORECASE)
_EVERYBODY = re.compile(r"@(?=(?:here|channel|everyone)\b)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#?\w{1,40};)")
_BRACKET = re.compile(r"\](?=[(\[:])")
_TAG = re.compile(r"<(?=[!/?@#A-Za-z])")
_BARE = re.compile(r"(?:https?://|www\.|mailto:)[^\s<>|\"`\u2060]+", re.IGNORECASE)
_TRAILING = ".,;:!?'*_~"
_AFTER_URL = re.compile(r"\Z|[\s)>\]\"'|<`\\]|[.,;:!?](?:\Z|[\s)\]\"'])|[*_~]{1,3}(?:\Z|\s)")
# What stood in another mark must not become part of it: a command, a link, an escaped fence.
_OPEN_END = re.compile(r"(?:<|&lt;|&#0*60;|&#x0*3c;|[@\]\\])\Z", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# Markdown takes a line's end for a space, Slack for a new line; after a short one it may be meant.
_WRAPPED = 60
_BREAK = re.compile(r"<br\s*/?>\Z", re.IGNORECASE)

_MARKS = {"strong": ("**", "*"), "em": ("*", "_"), "s": ("~~", "~")}
# Signs whose escape in the source is kept: without it they would mark something up.
_ESCAPES = frozenset(f"\\{sign}" for sign in "*_~`#+-.|\\")


@dataclass(frozen=True, slots=True)
class Shown:
    """A text in four forms.

    Attributes:
        markdown: For `markdown` blocks and streams.
        mrkdwn: For `text`, sections and contexts.
        flat: mrkdwn without emphasis and link targets, for within an emphasis.
        plain: Without any marks, not escaped.
    """

    markdown: str
    mrkdwn: str
    flat: str
    plain: str


def links_in(texts: Iterable[str]) -> LinkRule:
    """Return the rule that lets a link pass where one of the texts has its whole address."""
    known = tuple(texts)

    def allowed(url: str) -> bool:
        if scheme_of(url) not in _SCHEMES:
            return False
        pattern = re.compile(re.escape(url))
        return any(
            _AFTER_URL.match(text, found.end())
            for text in known
            for found in pattern.finditer(text)
        )

    return allowed


def no_links(_url: str) -> bool:
    """Let no link pass."""
    return False


def render(text: str, links: LinkRule) -> Shown:
    """Return a run of inline Markdown as Slack shows it.

    Args:
        text: Of one block; it may have several lines.
        links: Which links stay links; of others the words stay.
    """
    pen = _Pen(links)
    pen.write(_PARSER.parseInline(text)[0].children or [])
    return Shown(*map("".join, (pen.markdown, pen.mrkdwn, pen.flat, pen.plain)))


def calm(text: str) -> str:
    """Return a text in which nothing pings, for where escapes would be shown: code."""
    text = _COMMAND.sub(rf"\1{JOINER}", text)
    return _EVERYBODY.sub(f"@{JOINER}", text)


def scheme_of(url: str) -> str:
    """Return an address's scheme in lower case, or ""; any text will do."""
    found = _SCHEME.match(url)
    return found[1].casefold() if found else ""


def safe_url(url: str) -> str:
    """Return an address that can't break out of a link in either language."""
    return quote(url, safe=":/?#[]@!$&'*+,;=%~-._").replace("[", "%5B").replace("]", "%5D")


def mrkdwn_link(url: str, words: str) -> str:
    """Return a link in mrkdwn; the words are escaped already."""
    return f"<{escape(safe_url(url))}|{words.replace('|', '¦').replace(chr(10), ' ')}>"


def markdown_link(url: str, words: str) -> str:
    """Return a link in Markdown; the words are of a page or a person."""
    label = _markdown_text(words).replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"[{label}]({safe_url(url).replace('(', '%28').replace(')', '%29')})"


def _markdown_text(text: str) -> str:
    """Return words that stay words: no tag, no entity, no link, no ping comes out of them."""
    text = _ENTITY.sub("&amp;", text.replace("`", _NO_TICK))
    text = _TAG.sub("&lt;", text)
    return _BRACKET.sub(f"]{JOINER}", calm(text))


def mrkdwn_text(text: str) -> str:
    """Return words as mrkdwn shows them: nothing in them acts."""
    return escape(_EVERYBODY.sub(f"@{JOINER}", text.replace("`", _NO_TICK)))


@dataclass(slots=True)
class _Pen:
    """Writes the four forms at once."""

    links: LinkRule
    markdown: list[str] = field(default_factory=list)
    mrkdwn: list[str] = field(default_factory=list)
    flat: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    begun: int = 0
    line_at: int = 0
    ends_in_address: bool = False
    seam: bool = False
    flat_seam: bool = False

    def write(self, tokens: Sequence[Token]) -> None:
        at = 0
        while at < len(tokens):
            end = at
            while end < len(tokens) and tokens[end].type in {"text", "text_special"}:
                end += 1
            if end > at:
                self.words(tokens[at:end])
                at = end
            else:
                self.token(tokens[at])
                at += 1

    def token(self, token: Token) -> None:
        name, _, part = token.type.rpartition("_")
        if name in _MARKS:
            self.style(name, opens=part == "open")
        elif token.type == "link_open":
            self.open_link(str(token.attrs["href"]))
        elif token.type == "link_close":
            self.close_link()
        elif token.type == "image":
            self.seam = True
            self.text(_plain_of(token.children or []))
            self.seam = True
        elif token.type == "code_inline":
            self.code(token.content)
        elif token.type == "softbreak" and self.is_wrapped():
            self.put(" ", " ")
            self.line_at = len(self.plain)
        elif token.type in {"softbreak", "hardbreak"} or _BREAK.match(token.content):
            self.line_break()
        else:
            self.text(token.content)

    def words(self, tokens: Sequence[Token]) -> None:
        """Write words; escapes of the source are kept where they are no part of an address."""
        text = "".join(token.content for token in tokens)
        if _BARE.search(text):
            self.text(text)
            return
        self.part(text)
        raw = "".join(t.markup if t.markup in _ESCAPES else t.content for t in tokens)
        self.put(text, raw)

    def text(self, text: str) -> None:
        self.part(text)
        at = 0
        if not any(self.targets):
            for found in _BARE.finditer(text):
                url = found[0].rstrip(_TRAILING)
                before = text[at : found.start()]
                self.put(before, before)
                self.address(url)
                at = found.start() + len(url)
        self.put(text[at:], text[at:])

    def put(self, text: str, source: str) -> None:
        """Write words that are no address; `source` is how they are written in Markdown."""
        if text:
            self.boundary(text[0])
            shown = text.replace("|", "¦") if any(self.targets) else text
            self.markdown.append(_markdown_text(source))
            self.mrkdwn.append(mrkdwn_text(shown))
            # Without its link, an address among a link's words would act by itself.
            bare = any(self.targets) and _BARE.search(text)
            self.flat.append(_as_code(text) if bare else mrkdwn_text(text))
            self.plain.append(text)
            self.ends_in_address &= not any(map(str.isspace, text))

    def part(self, following: str) -> None:
        """Part what comes from what stands before it, where together they could act.

        That is where a mark was left out between them (a seam), behind an address, and behind what
        is open.
        """
        after_address = self.ends_in_address and not following[:1].isspace()
        flat_seam = self.seam or self.flat_seam
        for written, seam in (
            (self.markdown, self.seam),
            (self.mrkdwn, self.seam),
            (self.flat, flat_seam),
        ):
            before = written[-1] if written else " "
            joined = seam and not (before[-1:].isspace() or following[:1].isspace())
            if after_address or joined or _OPEN_END.search(before):
                written.append(JOINER)
        self.ends_in_address = self.seam = self.flat_seam = False

    def boundary(self, following: str) -> None:
        """Part an emphasis that just ended from a letter after it."""
        if self.mrkdwn and self.marks and self.marks[-1] == len(self.mrkdwn):
            if following.isalnum():
                self.mrkdwn.append(_BOUNDARY)
            self.marks.pop()

    def address(self, url: str) -> None:
        """Write a bare address; one that no source has can't be clicked."""
        if self.links(url):
            self.part(url)
            shown = f"<{escape(safe_url(url))}>" if "|" in url else escape(url)
            self.markdown.append(url.replace("<", "&lt;"))
            self.mrkdwn.append(shown)
            self.flat.append(shown)
            self.plain.append(url)
            self.ends_in_address = True
        else:
            self.code(url)

    def code(self, text: str) -> None:
        self.part("`")
        shown = calm(text.replace("\n", " ")).replace("`", _NO_TICK)  # a fence could end elsewhere
        self.markdown.append(f"`{shown}`")
        self.mrkdwn.append(_as_code(text))
        self.flat.append(_as_code(text))
        self.plain.append(text)

    def style(self, name: str, *, opens: bool) -> None:
        markdown, mrkdwn = _MARKS[name]
        self.flat_seam = True
        self.markdown.append(markdown)
        if opens:
            self.styles.append(name)
            before = self.mrkdwn[-1][-1:] if self.mrkdwn else ""
            self.mrkdwn.append(f"{_BOUNDARY if before.isalnum() else ''}{mrkdwn}")
        else:
            self.styles.remove(name)
            self.mrkdwn.append(mrkdwn)
            self.marks = [len(self.mrkdwn)]

    def is_wrapped(self) -> bool:
        """Whether the line is so long that its end is where an editor wrapped it."""
        return sum(map(len, self.plain[self.line_at :])) >= _WRAPPED

    def line_break(self) -> None:
        """Break the line; mrkdwn's emphasis ends with it and begins again."""
        marks = [_MARKS[name][1] for name in self.styles]
        if any(self.targets):
            self.put(" ", " ")
            return
        self.ends_in_address = False
        self.mrkdwn.append(f"{''.join(reversed(marks))}\n{''.join(marks)}")
        self.flat.append("\n")
        self.markdown.append("\n")
        self.plain.append("\n")
        self.line_at = len(self.plain)

    def open_link(self, url: str) -> None:
        kept = url if self.links(url) else ""
        self.targets.append(kept)
        self.seam |= not kept
        if kept:
            self.part("[")
            self.flat_seam = True
            self.markdown.append("[")
            self.mrkdwn.append(f"<{escape(safe_url(kept))}|")
            self.begun = len(self.plain)

    def close_link(self) -> None:
        url = self.targets[-1]
        if url and len(self.plain) == self.begun:
            self.put(url, url)
        self.targets.pop()
        self.seam |= not url
        if url:
            self.flat_seam = True
            self.markdown.append(f"]({safe_url(url).replace('(', '%28').replace(')', '%29')})")
            self.mrkdwn.append(">")


def _as_code(text: str) -> str:
    return f"`{escape(calm(text.replace(chr(10), ' ')).replace('`', _NO_TICK))}`"


def _plain_of(tokens: Sequence[Token]) -> str:
    return "".join(_plain_of(t.children) if t.children else t.content for t in tokens)
