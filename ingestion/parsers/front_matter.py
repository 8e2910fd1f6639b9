"""What stands between ``---`` lines (YAML) or ``+++`` lines (TOML) at the head of a page.

An access rule may stand there, so whatever can't be understood withholds the page.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import partial

import yaml

from ingestion.errors import AccessRuleError
from ingestion.parsers.outline import one_line

# A licence in a comment may stand above it. Taken one by one: a pattern that repeats them would
# try every way to part a row of comments.
# Byte order marks stand in the middle of files that were joined.
_ABOVE = re.compile(r"[\s\ufeff\u200b\u2060]+|<!--(?s:.*?)-->")
_OPENING = re.compile(r"(?:\A|(?<=[\n\ufeff\u200b\u2060]))(---|\+\+\+)[^\S\n]*(?:\n|\Z)")
# What somebody wrote for an opening: indented, another number of signs, a word behind it.
_NEARLY_OPENING = re.compile(r"[-+=~;–—]{2,}[^\n]*\n")
_ALLOW_LINE = re.compile(
    r"^[^\S\n]*(?:-[^\S\n]+)?[\"']?allow[\"']?[^\S\n]*[:=]", re.MULTILINE | re.IGNORECASE
)
_LONGEST = 64_000  # characters; YAML is slow, and no page needs more
_LONGEST_NUMBER = 128  # bits; Python refuses to write out numbers of thousands of digits


def split_front_matter(text: str, where: str) -> tuple[Mapping[str, object], str]:
    """Return the front matter, its keys in lower case, and the text after it.

    A page may begin with a rule (``---``) that opens nothing: it then has no front matter.

    Raises:
        AccessRuleError: Something that looks like front matter can't be understood.
    """
    at = 0
    while above := _ABOVE.match(text, at):
        at = above.end()
    opening = _OPENING.match(text, at)
    if opening is None:
        _refuse_nearly_opened(text, at, where)
        return {}, text
    closing = _closing(text, opening)
    if closing is None:
        if _ALLOW_LINE.search(text, opening.end()):
            raise _broken(where, "it is opened, but never closed")
        return {}, text
    inside = text[opening.end() : closing.start()]
    values = _values(inside, opening[1], where)
    return (values, text[closing.end() :]) if values is not None else ({}, text)


def _refuse_nearly_opened(text: str, at: int, where: str) -> None:
    """A rule below something like an opening was meant as one, and must not be overlooked."""
    nearly = _NEARLY_OPENING.match(text, at)
    if nearly:
        blank = text.find("\n\n", nearly.end())
        if _ALLOW_LINE.search(text, nearly.end(), blank if blank >= 0 else len(text)):
            raise _broken(where, "the line above it is not --- alone")


def named_title(front_matter: Mapping[str, object]) -> str:
    """Return the page's title as its front matter names it, or ""."""
    named = front_matter.get("title")
    return one_line(str(named)) if isinstance(named, str | int | float) else ""


class _Loader(yaml.SafeLoader):
    """YAML without merges, which a few lines can make take for ever, and with one rule only."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse what would be taken in, or overlooked."""
        keys = [key for key, _ in node.value]
        rules = [key for key in keys if str(key.value).strip().casefold() == "allow"]
        if len(rules) > 1 or any(key.tag == "tag:yaml.org,2002:merge" for key in keys):
            raise yaml.constructor.ConstructorError(problem="a merge, or a second rule")


def _closing(text: str, opening: re.Match[str]) -> re.Match[str] | None:
    fence = r"(?:---|\.\.\.)" if opening[1] == "---" else r"\+\+\+"
    return re.compile(rf"^{fence}[^\S\n]*(?:\n|\Z)", re.MULTILINE).search(text, opening.end())


def _values(inside: str, fence: str, where: str) -> Mapping[str, object] | None:
    """Return the values, or None where the text is none of a front matter's and holds no rule."""
    if len(inside) > _LONGEST:
        if _ALLOW_LINE.search(inside):
            raise _broken(where, f"it is longer than {_LONGEST} characters")
        return None
    try:
        read_yaml = partial(yaml.load, Loader=_Loader)  # a SafeLoader
        loaded = read_yaml(inside) if fence == "---" else tomllib.loads(inside)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(where, "it isn't valid " + ("YAML" if fence == "---" else "TOML")) from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        if _ALLOW_LINE.search(inside):
            raise _broken(where, "it holds no 'name: value' lines")
        return None
    values = {str(name).strip().casefold(): value for name, value in loaded.items()}
    if any(map(_is_huge, values.values())):
        raise _broken(where, "it holds a number of thousands of digits")
    rules = _ALLOW_LINE.findall(inside)
    if len(values) < len(loaded) or len([r for r in rules if r[0] not in " \t-"]) > 1:
        raise _broken(where, "it holds a name twice")
    if "allow" not in values and _allows_below(values):
        raise _broken(where, "'allow' stands below another name, not at the left margin")
    return values


def _allows_below(values: Mapping[str, object]) -> bool:
    """Whether a rule stands where none is looked for, as below Hugo's ``params``."""
    # By what was seen: aliases of YAML may lead in a circle, or to the same place a thousand times.
    seen: set[int] = set()
    left: list[object] = list(values.values())
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            if any(str(name).strip().casefold() == "allow" for name in value):
                return True
            left += value.values()
        elif isinstance(value, list):
            left += value
    return False


def _is_huge(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(each, int) and _is_huge(each) for each in value)
    return isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER


def _broken(where: str, reason: str) -> AccessRuleError:
    return AccessRuleError(
        f"{where}: the front matter can't be understood: {reason}",
        "Mend the lines between the --- lines at the head of the file. "
        "Until then nobody can read it.",
    )
