"""Messages as data, against Slack's own limits (as the tests' Slack holds them)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.blocks import (
    ASK_HUMAN,
    SHARE,
    STOP,
    VOTE,
    VOTE_DOWN,
    Reply,
    build_answer_reply,
    build_growing_part,
    build_notice_reply,
    build_waiting_part,
    plain_blocks,
    reply_from_json,
    reply_json,
)
from bot.support import Confidence
from tests.bot.slack.sample_answers import passage, quoted, refusal, written
from tests.bot.slack.server.limits import UPDATED_TEXT, check_message
from tests.bot.slack.server.model import elements_in

HOTEL = passage(
    "A room in Amsterdam may cost €210, see [the list](hotels.md) or https://rail.example/book.",
    "Travel",
    "Hotels",
    url="https://docs.example/travel",
)
NOTES = passage("Notes.", "Minutes", url="file:///srv/minutes.md", path="minutes.md")


def check(reply: Reply) -> None:
    for part in reply.parts:
        for blocks in (list(part.blocks), plain_blocks(part.blocks)):
            check_message({"text": part.text, "blocks": blocks}, UPDATED_TEXT)


def actions(reply: Reply) -> list[str]:
    return [each["action_id"] for each in elements_in(list(reply.parts[-1].blocks))]


def test_an_answer_has_its_sources_and_the_votes_below_it() -> None:
    reply = build_answer_reply(quoted([HOTEL, NOTES]))
    check(reply)
    (part,) = reply.parts
    body, sources, votes = part.blocks
    assert body["text"].startswith("**Travel › Hotels** [1]\n\nA room in Amsterdam")
    assert "the list or https://rail.example/book" in body["text"]
    assert sources["elements"][0]["text"] == (
        "[1] <https://docs.example/travel|Travel › Hotels>\n[2] Minutes (minutes.md)"
    )
    assert part.text.endswith(sources["elements"][0]["text"])
    element = votes["elements"][0]
    assert element["positive_button"]["value"] == "a1:1"
    assert element["negative_button"]["value"] == "a1:-1"
    assert actions(reply) == [VOTE]
    assert reply_from_json(reply_json(reply)) == reply


def test_a_heading_that_a_page_repeats_is_said_once() -> None:
    repeated = passage("Health insurance\n\nWe pay it.", "Health insurance")
    assert quoted([repeated]).text == "**Health insurance** [1]\n\nWe pay it."
    alone = passage("Health insurance", "Health insurance")
    assert quoted([alone]).text == "**Health insurance** [1]\n\nHealth insurance"


def test_passages_of_one_place_share_a_line() -> None:
    again = passage("Book in time.", "Travel", "Hotels", url="https://docs.example/travel")
    sources = build_answer_reply(quoted([HOTEL, NOTES, again])).parts[0].blocks[1]
    assert sources["elements"][0]["text"] == (
        "[1] [3] <https://docs.example/travel|Travel › Hotels>\n[2] Minutes (minutes.md)"
    )
    (part,) = build_answer_reply(refusal([HOTEL, again, NOTES])).parts
    assert part.text.count("Hotels") == 1
    assert "• Minutes" in part.text


def test_a_refusal_has_its_nearest_pages_once_and_as_links() -> None:
    reply = build_answer_reply(refusal([HOTEL, NOTES], "#help-people"))
    check(reply)
    (part,) = reply.parts
    assert part.text == (
        "The documents don't say.\n\nThe nearest pages are:\n"
        "• <https://docs.example/travel|Travel › Hotels>\n• Minutes\n\n#help-people can help."
    )
    assert "- [Travel › Hotels](https://docs.example/travel)" in part.blocks[0]["text"]
    assert actions(reply) == [VOTE, ASK_HUMAN]


def test_a_refusal_without_any_page() -> None:
    (part,) = build_answer_reply(refusal([])).parts
    assert part.text == "The documents don't say.\n\nSomebody who knows the topic can help."


def test_an_unsure_answer_offers_a_human_and_a_private_one_to_share_it() -> None:
    assert actions(build_answer_reply(quoted([HOTEL], Confidence.UNSURE))) == [VOTE, ASK_HUMAN]
    assert actions(build_answer_reply(quoted([HOTEL]), may_share=True)) == [VOTE, SHARE]


def test_a_model_cannot_link_where_no_source_does() -> None:
    text = "[Book](https://rail.example/book) or [win](https://evil.example) <!channel> [1]"
    (part,) = build_answer_reply(written(text, [HOTEL])).parts
    assert "[Book](https://rail.example/book) or win &lt;" in part.blocks[0]["text"]
    assert "evil" not in part.text
    assert "<!channel>" not in part.text


def test_notes_come_first() -> None:
    (part,) = build_answer_reply(quoted([HOTEL]), notes=["I couldn't read *x*."]).parts
    assert part.text.startswith("I couldn't read _x_.\n\n*Travel")


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=10),
    st.integers(1, 400),
    st.sampled_from(["word. ", "<&> ", "**b** ", "x" * 90 + " ", "文字。"]),
    st.booleans(),
)
def test_any_answer_keeps_to_the_limits(
    sizes: list[int], title: int, word: str, refused: bool
) -> None:
    url = f"https://docs.example/{'p' * title}"
    pages = [passage(word * n, "T|<" * title, *["h" * title] * 3, url=url) for n in sizes]
    answer = refusal(pages) if refused else quoted(pages)
    reply = build_answer_reply(answer, may_share=True, notes=["note " * 50])
    check(reply)
    assert actions(reply)[0] == VOTE


def test_a_slack_without_the_new_blocks_gets_plain_ones() -> None:
    reply = build_answer_reply(quoted([HOTEL], Confidence.UNSURE), may_share=True)
    blocks = plain_blocks(reply.parts[-1].blocks)
    assert {block["type"] for block in blocks} == {"section", "context", "actions"}
    pressed = [(e["action_id"], e["value"]) for e in elements_in(blocks)]
    assert pressed == [(VOTE, "a1:1"), (VOTE_DOWN, "a1:-1"), (ASK_HUMAN, "a1"), (SHARE, "a1")]
    assert "*Travel › Hotels* [1]" in blocks[0]["text"]["text"]


def test_what_is_shown_before_the_answer() -> None:
    waiting = build_waiting_part("t1", 3)
    assert waiting.text.startswith("You are number 4: 3 questions are before yours.")
    assert build_waiting_part("t1", 0).text == "Looking that up …"
    growing = build_growing_part("t1", "word " * 3_000 + "<!here> https://rail.example")
    for part in (waiting, growing):
        check(Reply((part,)))
        assert [each["action_id"] for each in elements_in(list(part.blocks))] == [STOP]
    assert growing.text.endswith("`https://rail.example` …")


def test_a_notice_acts_on_nothing() -> None:
    assert build_notice_reply("Night: kept <!here>").parts[0].text == "Night: kept &lt;!here&gt;"
