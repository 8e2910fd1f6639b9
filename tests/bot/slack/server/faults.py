"""What goes wrong on demand: errors, statuses, slowness, dropped connections, rate limits.

Sources: docs.slack.dev/apis/web-api/rate-limits (429 with Retry-After; about one message a second
for a channel, short bursts allowed; tiers by method).
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

# Calls a minute, as each method's page names its tier.
TIERS = {
    "chat.startStream": 20,
    "chat.stopStream": 20,
    "chat.appendStream": 100,
    "chat.update": 50,
    "chat.delete": 50,
    "chat.postEphemeral": 100,
    "conversations.info": 50,
    "conversations.members": 100,
    "conversations.open": 50,
    "conversations.history": 50,
    "conversations.replies": 50,
    "reactions.add": 50,
    "users.info": 100,
    "users.list": 20,
    "users.lookupByEmail": 50,
    "usergroups.list": 20,
    "views.open": 100,
    "views.publish": 100,
    "views.update": 100,
    "views.push": 100,
}


@dataclass
class Fault:
    """One thing that goes wrong, so many times.

    Attributes:
        error: Answered with `"ok": false`; "" for none.
        status: The HTTP status; 200 for a usual answer.
        hang: Seconds before the answer.
        drop: Close the connection without an answer.
        after: Do the work first, so that only the answer is lost.
    """

    method: str
    error: str = ""
    status: int = 200
    retry_after: float = 1
    hang: float = 0.0
    drop: bool = False
    times: int = 1
    channel: str = ""
    after: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def only_slow(self) -> bool:
        return not self.error and self.status == 200 and not self.drop


class Faults:
    """The faults that wait for their calls. The workspace's lock guards it."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.hit: list[Fault] = []

    def fail(self, method: str, **what: Any) -> Fault:
        """Let the next calls of a method fail; "*" stands for all methods.

        Args:
            method: Its name.
            what: The fields of `Fault`; other names go into the answer.
        """
        known = {k: what.pop(k) for k in list(what) if k in Fault.__dataclass_fields__}
        fault = Fault(method, **known, more=what)
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Let all work again."""
        self._waiting.clear()

    def take(self, method: str, channel: str) -> Fault | None:
        """Return the fault for a call, if one waits, and count it."""
        for fault in self._waiting:
            if fault.method not in {method, "*"} or fault.channel not in {"", channel}:
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
            self.hit.append(fault)
            return fault
        return None


class RateLimits:
    """Answers 429 as Slack would; switched off until a test asks for it."""

    def __init__(self) -> None:
        self.per_channel = 0.0
        self.burst = 3
        self.tiers: dict[str, int] = {}
        self._posts: dict[str, deque[float]] = defaultdict(deque)
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def on(self, per_channel: float = 1.0, burst: int = 3, tiers: bool = False) -> None:
        """Limit posts.

        Args:
            per_channel: Posts a second in one channel, on average.
            burst: How many may come at once.
            tiers: Also limit each method by its tier.
        """
        self.per_channel, self.burst = per_channel, burst
        self.tiers = dict(TIERS) if tiers else {}

    def seconds_to_wait(self, method: str, channel: str, team: str, now: float) -> float:
        """Count a call, or return how long it must wait."""
        if method == "chat.postMessage" and self.per_channel:
            window = self.burst / self.per_channel
            wait = _count(self._posts[channel], self.burst, window, now)
            if wait:
                return wait
        if method in self.tiers:
            return _count(self._calls[method, team], self.tiers[method], 60.0, now)
        return 0.0


def _count(times: deque[float], most: int, window: float, now: float) -> float:
    while times and times[0] <= now - window:
        times.popleft()
    if len(times) >= most:
        return times[0] + window - now
    times.append(now)
    return 0.0
