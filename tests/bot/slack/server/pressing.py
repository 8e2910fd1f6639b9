"""What people press and fill in: commands, buttons, menus, modals, shortcuts, the Home tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bot.slack.server.interactions import (
    Interaction,
    action_of,
    channel_in,
    command_body,
    envelope,
    message_context,
    state_values,
)
from tests.bot.slack.server.limits import check_view
from tests.bot.slack.server.modals import push_on, replace
from tests.bot.slack.server.model import (
    Json,
    Message,
    SlackFailure,
    Team,
    View,
    elements_in,
    plain,
)
from tests.bot.slack.server.responses import show_response
from tests.bot.slack.server.service import Service
from tests.bot.slack.server.shapes import message_shape, view_shape
from tests.bot.slack.server.workspace import ResponseUrl, Workspace

_RESPONSE_FIELDS = {"text", "blocks", "attachments", "response_type", "delete_original"}


class Pressing:
    """The part of the other side that sends commands and interactions."""

    workspace: Workspace
    service: Service
    team: Team
    wait_for: Callable[..., Any]

    def command(self, user: str, channel: str, command: str, text: str = "") -> Interaction:
        """Send a slash command."""
        with self.workspace.changed:
            room = self.workspace.channels[channel]
            url = self.workspace.new_response_url(user, room)
            body = command_body(self.workspace, user, room, command, text, url)
            return self._send("slash_commands", body, self._ticket(url))

    def click(
        self, user: str, where: Message | View, action_id: str, value: Any = None
    ) -> Interaction:
        """Press a button: in a message, a modal or the Home tab.

        Args:
            user: Who presses.
            where: The message or view.
            action_id: The button's.
            value: Which one, if several have the id; "positive" or "negative" for feedback.
        """
        with self.workspace.changed:
            element = self._element(where, action_id, value)
            return self._act(user, where, element, value)

    def choose(self, user: str, where: Message | View, action_id: str, value: Any) -> Interaction:
        """Choose in a menu: an option's value or words, a user's or channel's id, or a list."""
        with self.workspace.changed:
            return self._act(user, where, self._element(where, action_id, None), value)

    def _act(self, user: str, where: Message | View, element: Json, value: Any) -> Interaction:
        stamp = self.workspace.next_ts()
        action = action_of(element, value, stamp)
        ticket: ResponseUrl | None = None
        if isinstance(where, View):
            body = envelope(self.workspace, "block_actions", user, where.team)
            body |= {"container": {"type": "view", "view_id": where.id}, "view": view_shape(where)}
        else:
            room = self.workspace.channels[where.channel]
            assert user in room.members, f"{user} can't see the message"
            assert where.ephemeral_to in {"", user}, "only its reader can press there"
            url = self.workspace.new_response_url(user, room, where)
            ticket = self._ticket(url)
            body = envelope(self.workspace, "block_actions", user, room.team)
            body |= message_context(self.workspace, where, url)
        return self._send("interactive", body | {"actions": [action]}, ticket)

    def _element(self, where: Message | View, action_id: str, value: Any) -> Json:
        blocks = view_shape(where)["blocks"] if isinstance(where, View) else where.blocks
        known = elements_in(blocks)
        for element in known:
            if element.get("action_id") != action_id:
                continue
            if element["type"] == "button" and value not in (None, element.get("value")):
                continue
            return element
        shown = [(e.get("action_id"), e.get("value"), plain(e.get("text"))) for e in known]
        raise AssertionError(f"nothing to press: {action_id!r} {value!r} among {shown}")

    def shortcut(self, user: str, callback_id: str, message: Message | None = None) -> Interaction:
        """Start a message shortcut, or a global one without a message."""
        with self.workspace.changed:
            if message is None:
                body = envelope(self.workspace, "shortcut", user, self.team.id)
                body |= {"callback_id": callback_id, "action_ts": self.workspace.next_ts()}
                return self._send("interactive", body, None)
            room = self.workspace.channels[message.channel]
            url = self.workspace.new_response_url(user, room, message)
            body = envelope(self.workspace, "message_action", user, room.team)
            body |= {
                "callback_id": callback_id,
                "action_ts": self.workspace.next_ts(),
                "channel": channel_in(self.workspace, room),
                "message_ts": message.ts,
                "message": message_shape(self.workspace, message),
                "response_url": url,
            }
            return self._send("interactive", body, self._ticket(url))

    # Modals

    def view_of(self, user: str) -> View | None:
        """Return the modal that lies on top, if one is open."""
        for view in reversed(self.workspace.views.values()):
            if view.open and view.user == user and view.payload["type"] == "modal":
                return view
        return None

    def wait_for_view(self, user: str, callback_id: str = "") -> View:
        """Wait for an open modal, and return it."""

        def shown() -> View | None:
            view = self.view_of(user)
            return view if view and callback_id in {"", view.callback_id} else None

        view: View = self.wait_for(shown, f"a modal {callback_id} for {user}")
        return view

    def submit(self, user: str, view: View, values: Json | None = None) -> Json | None:
        """Fill in a modal and send it: {block_id: {action_id: value}}.

        Returns:
            The `response_action` of the acknowledgement, or None if the modal just closed;
            {"response_action": "timeout"} if the app didn't answer in time.
        """
        with self.workspace.changed:
            assert view.open, "the modal is closed"
            shape = view_shape(view, state_values(view, values or {}))
            body = envelope(self.workspace, "view_submission", user, view.team)
            run = self._send("interactive", body | {"view": shape, "response_urls": []}, None)
        if run.error:
            return {"response_action": "timeout"}
        with self.workspace.changed:
            self._follow(view, run.sent.ack)
            self.workspace.changed.notify_all()
        return run.sent.ack or None

    def _follow(self, view: View, ack: Json) -> None:
        """Do with a modal what the acknowledgement says."""
        kind = ack.get("response_action")
        if kind == "errors":
            inputs = {b["block_id"] for b in view_shape(view)["blocks"] if b["type"] == "input"}
            unknown = set(ack["errors"]) - inputs
            assert not unknown, f"errors for blocks that aren't inputs: {unknown}"
            view.errors = ack["errors"]
        elif kind in {"update", "push"}:
            check_view(ack["view"])
            if kind == "update":
                replace(self.workspace, view, ack["view"])
            else:
                push_on(self.workspace, view, ack["view"])
        elif kind == "clear":
            for each in self.workspace.views.values():
                each.open = each.open and each.root != view.root
        else:
            view.open = False

    def close_view(self, user: str, view: View) -> Interaction | None:
        """Close a modal; the app hears of it only if it asked with `notify_on_close`."""
        with self.workspace.changed:
            view.open = False
            if not view.payload.get("notify_on_close"):
                return None
            body = envelope(self.workspace, "view_closed", user, view.team, trigger=False)
            body |= {"view": view_shape(view), "is_cleared": False}
            return self._send("interactive", body, None)

    # Home tab and agent surface

    def open_home(self, user: str, tab: str = "home") -> None:
        """Open the app's Home (or `messages`) tab."""
        with self.workspace.changed:
            person = self.workspace.people[user]
            team = self.workspace.teams.get(person.team, self.team)
            event: Json = {
                "type": "app_home_opened",
                "user": user,
                "channel": self.workspace.direct(user, team).id,
                "tab": tab,
                "event_ts": self.workspace.next_ts(),
            }
            home = self.workspace.homes.get((team.id, user))
            if home is not None and tab == "home":
                event["view"] = view_shape(home)
            self.service.events.emit(event, team)

    def stop_button(self, user: str, channel: str, thread_ts: str) -> list[str]:
        """Press Stop: open streams of the thread end. Returns their timestamps."""
        with self.workspace.changed:
            room = self.workspace.channels[channel]
            streams = [
                m
                for m in self.workspace.messages[channel]
                if m.thread_ts == thread_ts and m.streaming and m.stream is not None
            ]
            for message in streams:
                assert message.stream is not None
                message.stream.open, message.stream.stopped_by_user = False, True
            stopped = [message.ts for message in streams]
            event = {
                "type": "agent_session_stopped",
                "user": user,
                "channel": channel,
                "thread_ts": thread_ts,
                "streaming_message_ts": stopped,
                "event_ts": self.workspace.next_ts(),
            }
            self.workspace.changed.notify_all()
            self.service.events.emit(event, self.workspace.teams[room.team], room)
            return stopped

    def _ticket(self, url: str) -> ResponseUrl:
        return self.workspace.response_urls[url.partition("/actions/")[2]]

    def _send(self, kind: str, body: Json, ticket: ResponseUrl | None) -> Interaction:
        sent = self.service.deliver(kind, body)
        if ticket is not None:
            sent.on_ack = self._shower(ticket)
        return Interaction(sent, ticket, self.workspace)

    def _shower(self, ticket: ResponseUrl) -> Callable[[Json], None]:
        """Show what an acknowledgement says, as Slack does for commands."""

        def show(ack: Json) -> None:
            if not _RESPONSE_FIELDS & ack.keys():
                return
            try:
                show_response(self.workspace, self.service.events, ticket, ack)
            except SlackFailure as failure:
                ack["error"] = failure.error

        return show
