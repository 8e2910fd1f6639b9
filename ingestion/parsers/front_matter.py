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

# A licence in a comment may stand above it, and above HTML what kind of document it is. Taken one
# by one: a pattern that repeats them would try every way to part a row of comments.
# Byte order marks stand in the middle of files that were joined.
_ABOVE = re.compile(
    r"[\s\ufeff\u200b\u2060]+|<!--(?:-?>|(?s:.*?)--!?>)|<\?(?s:.*?)\?>|<!doctype[^>]*>",
    re.IGNORECASE,
)
_OPENING = re.compile(r"(?:\A|(?<=[\n\ufeff\u200b\u2060]))(---|\+\+\+)[^\S\n]*(?:\n|\Z)")
# What somebody wrote for an opening: indented, another number of signs, a word behind it.
_NEARLY_OPENING = re.compile(r"[-+=~;–—]{2,}[^\n]*\n")
_INVISIBLE = "\ufeff\u200b\u2060"
_SPACE = rf"(?:[^\S\n]|[{_INVISIBLE}])*"
_ALLOW_LINE = re.compile(
    rf"^{_SPACE}(?:-[^\S\n]+)?[\"']?allow(?:{_SPACE}[\"'])?{_SPACE}[:=]",
    re.MULTILINE | re.IGNORECASE,
)
_TAG = re.compile(r"\s*</?[a-z]", re.IGNORECASE)
_FENCE_LINE = re.compile(r"^(?:---|\+\+\+|\.\.\.)[^\S\n]*$", re.MULTILINE)
_NEARBY = 2_000  # characters in which the end of something like front matter is looked for
# What YAML's and TOML's own types raise for values that are none, such as !!bool maybe.
_NOT_VALUES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
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
        _refuse_commented(above[0], where)
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
    if _TAG.match(inside) and "allow" not in _plain(inside) and not _ALLOW_LINE.search(text):
        return {}, text  # HTML between two rules
    values = _values(inside, opening[1], where)
    if values is None:
        return {}, text
    rest = text[closing.end() :]
    if "allow" not in values and _ALLOW_LINE.match(rest.lstrip()) and _FENCE_LINE.search(rest):
        raise _broken(where, "it ends before the line with 'allow'")
    return values, rest


def _refuse_nearly_opened(text: str, at: int, where: str) -> None:
    """A rule below something like an opening was meant as one, and must not be overlooked."""
    nearly = _NEARLY_OPENING.match(text, at)
    if nearly:
        closing = _FENCE_LINE.search(text, nearly.end(), nearly.end() + _NEARBY)
        blank = text.find("\n\n", nearly.end())
        end = max(closing.start() if closing else -1, blank if blank >= 0 else len(text))
        if _ALLOW_LINE.search(text, nearly.end(), end):
            raise _broken(where, "the line above it is not --- alone")


def _refuse_commented(above: str, where: str) -> None:
    """Front matter in a comment is read by nobody, and whoever wrote its rule may not know."""
    inside = above[len("<!--") : -len("-->")] if above.startswith("<!--") else ""
    if ("---" in inside or "+++" in inside) and _ALLOW_LINE.search(inside):
        raise _broken(where, "it stands in a comment")


def named_title(front_matter: Mapping[str, object]) -> str:
    """Return the page's title as its front matter names it, or ""."""
    named = front_matter.get("title")
    return one_line(str(named)) if isinstance(named, str | int | float) else ""


class _Loader(yaml.SafeLoader):
    """YAML without merges, which a few lines can make take for ever, and with one rule only."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse what would be taken in, or overlooked."""
        # Only plain names: to write out another one would follow its aliases, and theirs.
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if any(key.tag == "tag:yaml.org,2002:merge" for key in keys):
            raise yaml.constructor.ConstructorError(problem="a merge (<<) isn't read")
        if sum(_plain(key.value) == "allow" for key in keys) > 1:
            raise yaml.constructor.ConstructorError(problem="there are two lines with 'allow'")


def _plain(name: object) -> str:
    """Return a name as it is compared: in lower case, without what can't be seen."""
    return re.sub(f"[{_INVISIBLE}]", "", str(name)).strip().casefold()


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
        if loaded is None:
            return {}
        if not isinstance(loaded, dict):
            if _ALLOW_LINE.search(inside):
                raise _broken(where, "it holds no 'name: value' lines")
            return None
        values = {_plain(name): value for name, value in loaded.items()}
    except (yaml.YAMLError, *_NOT_VALUES) as error:
        kind = "YAML" if fence == "---" else "TOML"
        raise _broken(where, f"it isn't valid {kind}{_place_of(error)}") from error
    if any(map(_is_huge, values.values())):
        raise _broken(where, "it holds a number of thousands of digits")
    rules = _ALLOW_LINE.findall(inside)
    if len(values) < len(loaded) or len([r for r in rules if r[0] not in " \t-"]) > 1:
        raise _broken(where, "it holds a name twice")
    if "allow" not in values and (rules or _allows_below(values)):
        raise _broken(where, "'allow' stands below another name, not at the left margin")
    return values


def _allows_below(values: Mapping[str, object]) -> bool:
    """Whether a rule stands where none is looked for, as below Hugo's ``params``."""
    # By what was seen: aliases of YAML may lead in a circle, or to the same place a thousand times.
    seen: set[int] = set()
    left: list[object] = list(values.values())
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            if id(value) in seen:
                continue
            seen.add(id(value))
        if isinstance(value, dict):
            left += value.items()
        elif isinstance(value, tuple):  # a name and its value, also of YAML's ordered map
            name, inner = value
            if isinstance(name, str) and _plain(name) == "allow":
                return True
            left.append(inner)
        elif isinstance(value, list):
            left += value
    return False


def _place_of(error: Exception) -> str:
    """Return what a parser complains of, and in which line of the file's head."""
    if isinstance(error, tomllib.TOMLDecodeError):
        return f": {error}"
    problem = str(getattr(error, "problem", None) or "")
    mark = getattr(error, "problem_mark", None)
    line = f" (line {mark.line + 1} between the fences)" if mark else ""
    return f": {problem}{line}" if problem else ""


def _is_huge(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(each, int) and _is_huge(each) for each in value)
    return isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER


def _broken(where: str, reason: str) -> AccessRuleError:
    return AccessRuleError(
        f"{where}: the front matter can't be understood: {reason}",
        "Mend the lines at the head of the file: between two lines --- each alone, as in "
        "'allow: [hr, alice]'. Until then nobody can read it.",
    )
