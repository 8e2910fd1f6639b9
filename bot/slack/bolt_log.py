"""What Slack's library says of errors, without their messages."""

from __future__ import annotations

import logging
import sys

from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped

from training.errors import where_raised

_LOGGER = logging.getLogger("bot.slack.bolt")


class _WithoutMessages(logging.Filter):
    """Bolt logs an error of ours with its message, which may hold a question or a page's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say of an error its kind and its place only; pass over what is no news."""
        if record.msg == warning_client_prioritized_and_token_skipped():
            return False  # at each start where the token is in the environment, as it should be
        error = sys.exc_info()[1]
        if error is not None and not _LOGGER.isEnabledFor(logging.DEBUG):
            record.msg, record.args = "A listener failed: %s", (where_raised(error),)
            record.exc_info = record.exc_text = None
        return True


_FILTER = _WithoutMessages()


def bolt_logger() -> logging.Logger:
    """Return the logger for Bolt; with ``--verbose`` it says everything."""
    _LOGGER.addFilter(_FILTER)
    return _LOGGER
