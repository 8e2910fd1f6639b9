from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.access import normalise_name, parse_allow, reader_named
from ingestion.documents import EVERYONE
from ingestion.errors import AccessRuleError


@pytest.mark.parametrize(
    ("value", "acl"),
    [
        ("hr", {"hr"}),
        (" @Alice , HR ,", {"alice", "hr"}),
        (["Straße", "ＨＲ", 42], {"strasse", "hr", "42"}),
        ("everyone", {EVERYONE}),
        (["hr", "Public"], {EVERYONE}),
        ("*", {EVERYONE}),
        ([], set()),
        ("", set()),
    ],
)
def test_rules_people_write(value: object, acl: set[str]) -> None:
    assert parse_allow(value, "a.md") == acl


@pytest.mark.parametrize("value", [None, 3, 1.5, {"hr": True}, [["hr"]], [None], {"hr"}, True])
def test_a_rule_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(AccessRuleError, match=r"a\.md"):
        parse_allow(value, "a.md")


@given(st.text())
@example("@@hr")
@example("@ @hr")
@example("\u0345\u0390")
def test_names_are_compared_by_one_form(name: str) -> None:
    normalised = normalise_name(name)
    assert normalise_name(normalised) == normalised


@given(st.lists(st.sampled_from(["hr", "@HR", "alice", "everyone", "*", "public", "", "ops"])))
def test_a_reader_gets_in_by_a_name_or_where_everyone_does(names: list[str]) -> None:
    reader = reader_named(names)
    assert reader.may_read(parse_allow("everyone", "x"))
    assert not reader.may_read(parse_allow([], "x"))
    assert reader.may_read(parse_allow("HR", "x")) == bool({"hr", "@HR"} & set(names))
    assert EVERYONE not in reader.names
