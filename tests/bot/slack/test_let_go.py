"""Reading what comes in its own time, and letting go of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bot.slack.let_go import read_while


class Source:
    """Numbers; before the third one it is silent until it is told to go on."""

    def __init__(self) -> None:
        self.go, self.closed = threading.Event(), threading.Event()
        self.silent = threading.Event()
        self.made = 0

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(5):
                if number == 2:
                    self.silent.set()
                    self.go.wait()
                self.made += 1
                yield number
        finally:
            self.closed.set()


def test_all_that_is_wanted_comes_in_order_and_an_error_too() -> None:
    source = Source()
    source.go.set()
    assert list(read_while(lambda: True, iter(source))) == [0, 1, 2, 3, 4]
    assert source.closed.wait(20)

    def failing() -> Iterator[int]:
        yield 0
        raise KeyError("broken")

    events = read_while(lambda: True, failing())
    assert next(events) == 0
    with pytest.raises(KeyError, match="broken"):
        next(events)


def test_what_is_silent_is_let_go_of_and_asked_for_no_more() -> None:
    source = Source()
    assert list(read_while(lambda: not source.silent.is_set(), iter(source))) == [0, 1]
    assert not source.closed.is_set()
    source.go.set()
    assert source.closed.wait(20)
    assert source.made == 3


def test_nothing_is_made_that_was_not_asked_for() -> None:
    source = Source()
    events = read_while(lambda: True, iter(source))
    assert next(events) == 0
    assert source.made == 1
    events.close()
    assert source.closed.wait(20)
    assert source.made == 1
