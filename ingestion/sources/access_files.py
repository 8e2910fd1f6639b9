"""The access rules of folders: the nearest ``.access.toml`` on the way up."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from ingestion.access import parse_allow
from ingestion.documents import EVERYONE
from ingestion.errors import AccessRuleError

ACCESS_FILE = ".access.toml"
_MEND = 'Write one line into it: allow = ["hr", "alice"]. Until then, all below it is withheld.'


class FolderAccess:
    """Finds the ACL that folders' rules give; each rule file is read once.

    Rules above the source's root count too: taking in a part of a tree opens nothing that the
    whole keeps closed. A rule that can't be understood withholds all below it, also where a
    nearer rule could be: no rule may open what somebody above meant to close.
    """

    def __init__(self, root: Path, default: frozenset[str]) -> None:
        """Take the source's root, an absolute path, and who may read where no rule stands."""
        self._root = root
        self._default = default
        self._known: dict[Path, frozenset[str] | AccessRuleError] = {}

    def of_file(self, file: Path) -> frozenset[str]:
        """Return who may read a file that names nobody itself.

        What a link leads to, of a file or of a folder above it, is open only to those whom the
        rules of both places let in.

        Raises:
            AccessRuleError: A rule beside it or above can't be understood.
        """
        acl = self._of_folder(file.parent)
        real = file.resolve().parent
        return acl if real == file.parent else _both(acl, self._of_folder(real))

    def _of_folder(self, folder: Path) -> frozenset[str]:
        if folder not in self._known:
            self._known[folder] = self._find(folder)
        found = self._known[folder]
        if isinstance(found, AccessRuleError):
            raise found
        return found

    def _find(self, folder: Path) -> frozenset[str] | AccessRuleError:
        try:
            above = self._default if folder == folder.parent else self._of_folder(folder.parent)
            own = self._own_rule(folder / ACCESS_FILE)
        except AccessRuleError as error:
            return error
        return above if own is None else own

    def _own_rule(self, file: Path) -> frozenset[str] | None:
        where = Path(os.path.relpath(file, self._root)).as_posix()
        try:
            rule = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            if file.is_symlink():
                raise AccessRuleError(f"{where}: the link leads nowhere", _MEND) from None
            _refuse_other_case(file, where)
            return None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise AccessRuleError(f"{where}: it isn't valid TOML", _MEND) from error
        except OSError as error:
            raise AccessRuleError(f"{where}: it can't be read: {error.strerror}", _MEND) from error
        if set(rule) != {"allow"}:
            raise AccessRuleError(f"{where}: it must hold 'allow' and nothing else", _MEND)
        return parse_allow(rule["allow"], where)


def _refuse_other_case(file: Path, where: str) -> None:
    """On most disks ``.Access.toml`` is another file, but whoever wrote it meant a rule."""
    try:
        names = [entry.name for entry in os.scandir(file.parent)]
    except OSError:
        return  # a folder that can't be listed has no files to protect
    if any(name.casefold() == file.name for name in names):
        raise AccessRuleError(f"{where}: the name must be in lower case", _MEND)


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Return those whom both ACLs let in."""
    if EVERYONE in one:
        return other
    return one if EVERYONE in other else one & other
