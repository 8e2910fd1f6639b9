"""Who may read a document: the rules people write, and the names they are compared by. Pure."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable

from ingestion.documents import EVERYONE, Reader
from ingestion.errors import AccessRuleError

_BEFORE_NAMES = "@" + string.whitespace
_EVERYONE_WORDS = frozenset({EVERYONE, "everyone", "all", "public"})


def normalise_name(name: str) -> str:
    """Return the form in which names of people and groups are compared.

    Unicode NFKC, case folded, without surrounding space and without the ``@`` people type. A
    normalised name stays as it is.
    """
    for _ in range(2):  # folding may undo the normal form of a few letters, and the other way
        name = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", name).lstrip(_BEFORE_NAMES).rstrip()


def reader_named(names: Iterable[str]) -> Reader:
    """Return the reader with these names; names that mean everyone add nothing."""
    normalised = {normalise_name(name) for name in names}
    return Reader(frozenset(normalised - _EVERYONE_WORDS - {""}))


def parse_allow(value: object, where: str) -> frozenset[str]:
    """Return the ACL that an ``allow`` entry means.

    Args:
        value: A name, several in one string separated by commas, or a list of names. An empty
            list means nobody.
        where: The file that holds the entry, for the error.

    Raises:
        AccessRuleError: The entry is of another kind; the document is then withheld from all.
    """
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise AccessRuleError(
            f"{where}: 'allow' is neither a name nor a list of names",
            "Write for example: allow: [hr, alice] - or allow: everyone.",
        )
    normalised = {normalise_name(str(name)) for name in names} - {""}
    if normalised & _EVERYONE_WORDS:
        return frozenset({EVERYONE})
    return frozenset(normalised)
