from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ingestion.documents import EVERYONE
from ingestion.errors import IngestionError, UnreadableDocumentError
from ingestion.parsers import formats
from ingestion.settings import SourceSettings
from ingestion.sources.configured import build_sources
from ingestion.sources.folder import FolderSource
from ingestion.sources.source import FailedItem, SourceItem

ALL = frozenset({EVERYONE})


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def items_of(root: Path, **settings: Any) -> dict[str, SourceItem | FailedItem]:
    source = FolderSource(SourceSettings(path=root, **settings), max_file_mb=1)
    return {item.path: item for item in source.items()}


def acls_of(root: Path, **settings: Any) -> dict[str, frozenset[str] | None]:
    """The ACLs by path; None for what is withheld because access is unknown."""
    found: dict[str, frozenset[str] | None] = {}
    for path, item in items_of(root, **settings).items():
        if isinstance(item, FailedItem):
            assert item.access_unknown, item.problem
            found[path] = None
        else:
            found[path] = item.acl
    return found


def urls_of(root: Path, **settings: Any) -> dict[str, str]:
    found = {}
    for path, item in items_of(root, **settings).items():
        assert isinstance(item, SourceItem)
        found[path] = item.read().url
    return found


def test_supported_files_are_found_in_order_and_others_counted(tmp_path: Path) -> None:
    names = ["b.md", "a/z.txt", "a/b/c.HTML", ".git/x.md", "a/.hidden.md", "pic.png", "x.csv"]
    write(tmp_path, dict.fromkeys(names, "text"))
    source = FolderSource(SourceSettings(path=tmp_path, name="wiki"), 1)
    found = list(source.items())
    assert [item.document_id for item in found] == ["wiki:a/b/c.HTML", "wiki:a/z.txt", "wiki:b.md"]
    assert source.skipped == 2


def test_reading_gives_the_document(tmp_path: Path) -> None:
    write(tmp_path, {"hr/leave.md": "---\nallow: hr\n---\n# Leave\n\nTwenty days."})
    item = items_of(tmp_path, name="wiki")["hr/leave.md"]
    assert isinstance(item, SourceItem)
    document = item.read()
    assert (document.id, document.title, document.acl) == (
        "wiki:hr/leave.md",
        "Leave",
        frozenset({"hr"}),
    )
    assert document.sections[0].text == "Twenty days."
    assert (document.content_hash, document.acl) == (item.content_hash, item.acl)


def test_the_nearest_rule_wins(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "open.md": "x",
            "hr/.access.toml": 'allow = ["hr"]',
            "hr/a.md": "x",
            "hr/deep/er/b.txt": "x",
            "hr/public.md": "---\nallow: everyone\n---\nx",
            "hr/nobody.md": "---\nallow: []\n---\nx",
            "hr/page.html": '<meta name="nightshift:allow" content="hr, @Alice"><p>x',
            "hr/board/.access.toml": 'allow = "Board"',
            "hr/board/c.pdf": "x",
        },
    )
    assert acls_of(tmp_path) == {
        "open.md": ALL,
        "hr/a.md": frozenset({"hr"}),
        "hr/deep/er/b.txt": frozenset({"hr"}),
        "hr/public.md": ALL,
        "hr/nobody.md": frozenset(),
        "hr/page.html": frozenset({"hr", "alice"}),
        "hr/board/c.pdf": frozenset({"board"}),
    }
    assert acls_of(tmp_path, allow=["staff"])["open.md"] == frozenset({"staff"})


@pytest.mark.parametrize(
    "rule",
    ['alow = ["hr"]', "allow = hr", "", 'allow = ["hr"]\nextra = 1', "allow = 3", "allow = [[1]]"],
)
def test_a_broken_rule_withholds_everything_below_it(tmp_path: Path, rule: str) -> None:
    write(
        tmp_path,
        {
            "open.md": "x",
            "hr/.access.toml": rule,
            "hr/a.md": "x",
            "hr/public.md": "---\nallow: everyone\n---\nx",
            "hr/deep/.access.toml": 'allow = ["hr"]',
            "hr/deep/b.md": "x",
        },
    )
    assert acls_of(tmp_path) == {
        "open.md": ALL,
        "hr/a.md": None,
        "hr/public.md": None,
        "hr/deep/b.md": None,
    }


def test_rules_above_the_root_hold_for_a_part_of_the_tree(tmp_path: Path) -> None:
    write(tmp_path, {"hr/.access.toml": 'allow = ["hr"]', "hr/pay/a.md": "x"})
    assert acls_of(tmp_path / "hr/pay") == {"a.md": frozenset({"hr"})}
    assert acls_of(tmp_path / "hr/pay/a.md") == {"a.md": frozenset({"hr"})}


def test_plain_text_may_have_front_matter_too(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "---\nallow: hr\n---\nsecret", "b.txt": "---\nno rule\n\nopen"})
    assert acls_of(tmp_path) == {"a.txt": frozenset({"hr"}), "b.txt": ALL}
    item = items_of(tmp_path)["a.txt"]
    assert isinstance(item, SourceItem)
    assert [section.text for section in item.read().sections] == ["secret"]


def test_broken_front_matter_withholds_the_page(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "---\nallow: [hr\n---\nx", "b.md": "---\nallow: hr\nx"})
    assert acls_of(tmp_path) == {"a.md": None, "b.md": None}


def test_links_that_leave_the_root_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"out/secret.md": "x", "in/a.md": "x", "in/..data/b.md": "x"})
    write(tmp_path, {"in/..data/.access.toml": 'allow = ["hr"]'})
    (tmp_path / "in/link.md").symlink_to(tmp_path / "out/secret.md")
    (tmp_path / "in/folder").symlink_to(tmp_path / "out")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/twice.md").symlink_to("a.md")
    (tmp_path / "in/dangling.md").symlink_to("nowhere.md")
    (tmp_path / "in/mounted.md").symlink_to("..data/b.md")
    assert acls_of(tmp_path / "in") == {"a.md": ALL, "mounted.md": frozenset({"hr"})}
    source = FolderSource(SourceSettings(path=tmp_path / "in"), 50)
    list(source.items())
    assert source.links == ["dangling.md", "folder", "link.md"]


def test_faults_are_reported_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "x", "empty.md": "", "c.pdf": "no pdf"})
    with (tmp_path / "huge.md").open("wb") as huge:
        huge.truncate(200 * 2**20)  # sparse: takes no room, and must not be read
    found = items_of(tmp_path)
    failed = found["huge.md"]
    assert isinstance(failed, FailedItem)
    assert failed.problem == "huge.md: the file is too large: 200 MB, the limit is 1 MB"
    assert failed.mend
    assert failed.access_unknown  # its front matter may name readers
    for path in ("empty.md", "c.pdf"):
        item = found[path]
        assert isinstance(item, SourceItem)
        with pytest.raises(UnreadableDocumentError, match=path):
            item.read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "x", "dark/b.md": "x", "hr/.access.toml": "x", "hr/c.md": "x"})
    (tmp_path / "a.md").chmod(0)
    (tmp_path / "dark").chmod(0)
    (tmp_path / "hr/.access.toml").chmod(0)
    try:
        found = items_of(tmp_path)
        unknown = {i.path: i.access_unknown for i in found.values() if isinstance(i, FailedItem)}
        assert unknown == {"a.md": True, "dark/": True, "hr/c.md": True}
    finally:
        (tmp_path / "dark").chmod(0o700)


def test_a_file_that_changes_between_is_not_read_under_its_old_rule(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "x"})
    item = items_of(tmp_path)["a.md"]
    write(tmp_path, {"a.md": "---\nallow: hr\n---\nsecret"})
    assert isinstance(item, SourceItem)
    with pytest.raises(UnreadableDocumentError, match="changed"):
        item.read()


def test_links_back_to_the_original(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "index.md": "x",
            "hr/index.md": "x",
            "hr/my page.md": "x",
            "hr/a.pdf.md": "---\nurl: https://wiki/x\n---\nx",
            "b.html": "<p>x",
            "r.md": "---\nurl: /moved/\n---\nx",
            "n.txt": "x",
        },
    )
    assert urls_of(tmp_path, base_url="https://h.example/docs/", strip_suffix=True) == {
        "index.md": "https://h.example/docs/",
        "hr/index.md": "https://h.example/docs/hr",
        "hr/my page.md": "https://h.example/docs/hr/my%20page",
        "hr/a.pdf.md": "https://wiki/x",
        "b.html": "https://h.example/docs/b",
        "r.md": "https://h.example/docs/moved/",
        "n.txt": "https://h.example/docs/n.txt",
    }
    assert urls_of(tmp_path, base_url="https://h.example")["index.md"] == (
        "https://h.example/index.md"
    )
    assert urls_of(tmp_path)["hr/my page.md"] == (tmp_path / "hr/my page.md").as_uri()


def test_the_hash_covers_what_a_document_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content_hash(**settings: Any) -> str:
        item = items_of(tmp_path, **settings)["a.md"]
        assert isinstance(item, SourceItem)
        return item.content_hash

    write(tmp_path, {"a.md": "x"})
    before = content_hash()
    assert content_hash() == before
    assert content_hash(allow=["hr"]) == before
    assert content_hash(base_url="https://h.example") != before
    write(tmp_path, {"a.md": "y"})
    assert content_hash() != before
    write(tmp_path, {"a.md": "x"})
    monkeypatch.setattr("ingestion.sources.folder.PARSER_VERSION", formats.PARSER_VERSION + 1)
    assert content_hash() != before


def test_one_single_file_is_a_source(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "x", "b.md": "x", "c.xyz": "x"})
    assert list(items_of(tmp_path / "a.md")) == ["a.md"]
    other = items_of(tmp_path / "c.xyz")["c.xyz"]
    assert isinstance(other, SourceItem)
    with pytest.raises(UnreadableDocumentError, match="no parser"):
        other.read()


def test_a_root_that_is_not_there_is_an_error_not_an_empty_source(tmp_path: Path) -> None:
    with pytest.raises(IngestionError, match="isn't there"):
        list(FolderSource(SourceSettings(path=tmp_path / "gone"), 1).items())


def test_names_are_distinct_and_do_not_hang_on_the_order(tmp_path: Path) -> None:
    entries = [SourceSettings(path=tmp_path / name) for name in ("a/docs", "b/docs", "wiki")]
    names = [source.name for source in build_sources(entries, 1)]
    assert len(set(names)) == 3
    assert names[2] == "wiki"
    assert all(name.startswith("docs-") for name in names[:2])
    assert [source.name for source in build_sources(entries[::-1], 1)] == names[::-1]


def test_entries_that_name_no_source_are_refused(tmp_path: Path) -> None:
    twice = [SourceSettings(path=tmp_path / "a", name="x"), SourceSettings(path=tmp_path, name="x")]
    both = SourceSettings(path=tmp_path, loader="a:B")
    named = [[SourceSettings(name="x")], [both.model_copy(update={"name": "x"})]]
    for entries in ([SourceSettings()], [both], twice, *named):
        with pytest.raises(IngestionError) as told:
            build_sources(entries, 1)
        assert told.value.mend
