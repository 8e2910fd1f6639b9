"""Which rated answers may teach the model: rules that a person can read, in their order.

The first rule that applies decides. Each gives its reason as a sentence that is shown to people.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from training.records import Audience, Pair, PairStatus, RatedAnswer
from training.settings import PairSettings

CountTokens = Callable[[str], int]

_PERSONAL = re.compile(
    r"""
      [\w.+-]+@[\w-]+(?:\.[\w-]+)+                   # e-mail address
    | (?<![\w.])(?:\+|00)\d[\d\ ().\-/]{6,}\d         # telephone, international
    | (?<![\w.])\(?0\d[\d\ ()./-]{6,}\d               # telephone, national
    | (?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w) # telephone, North America
    | \b(?:sk|pk|rk)[-_][\w-]{16,}                    # keys of payment and model services
    | \bxox[abeprs]-[\w-]{10,} | \bxapp-[\w-]{10,}    # Slack
    | \bgh[opsur]_\w{20,} | \bgithub_pat_\w{20,}      # GitHub
    | \bA[KS]IA[A-Z0-9]{16}\b                         # AWS
    | \beyJ[\w-]{10,}\.[\w-]{10,}\.                   # JSON web token
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----
    | \b[A-Z]{2}\d{2}(?:\ ?[A-Z0-9]{4}){3,7}\b        # IBAN
    """,
    re.VERBOSE,
)

# Marks of chat templates, in any language, and the classic sentence in English.
_INJECTION = re.compile(
    r"<\|\w+\|>|\[/?INST\]|<</?SYS>>|^\s*(?:system|assistant)\s*:"
    r"|\b(?:ignore|disregard|forget)\b.{0,30}\b(?:previous|prior|above|earlier)\b.{0,20}"
    r"\b(?:instructions?|prompts?|rules|messages?)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one rated answer.

    Attributes:
        rule: Name of the rule that decided.
        reason: Why, as a sentence.
        answer: The text that would be taught: the answer, or the correction of it.
    """

    rule: str
    status: PairStatus
    reason: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Case:
    rated: RatedAnswer
    answer: str
    settings: PairSettings
    tokens: int

    @property
    def corrected(self) -> bool:
        return self.status_of_correction == PairStatus.APPROVED

    @property
    def status_of_correction(self) -> PairStatus | None:
        return self.rated.correction.status if self.rated.correction else None


# A rule returns the reason when it applies, else "".
_Rule = Callable[[_Case], str]


def judge(rated: RatedAnswer, settings: PairSettings, count_tokens: CountTokens) -> Verdict:
    """Return what becomes of a rated answer, and by which rule.

    Args:
        rated: The answer with its votes and the correction that stands.
        settings: The thresholds.
        count_tokens: Length of a text in the model's tokens.
    """
    answer = (rated.correction.text if rated.correction else rated.record.answer).strip()
    case = _Case(rated, answer, settings, count_tokens(answer))
    for name, status, rule in RULES:
        reason = rule(case)
        if reason:
            return Verdict(name, status, reason, answer)
    return Verdict("approved", PairStatus.APPROVED, _approval(case), answer)


def is_private(pair: Pair) -> bool:
    """Return whether not everyone may see a pair: its audience or one of its sources."""
    return pair.audience != Audience.PUBLIC or any(source.restricted for source in pair.sources)


def personal_data(text: str, known: str) -> bool:
    """Return whether a text holds an address, number or key that the sources don't hold."""
    return any(found.group().strip() not in known for found in _PERSONAL.finditer(text))


def _opted_out(case: _Case) -> str:
    if not case.rated.opted_out:
        return ""
    return "Somebody whose words are in it doesn't want to be learnt from."


def _private(case: _Case) -> str:
    if case.settings.include_private:
        return ""
    if case.rated.record.audience != Audience.PUBLIC:
        return "It was asked in private, and weights know no access rights."
    if any(source.restricted for source in case.rated.record.sources):
        return "A page it rests on isn't open to everyone, and weights know no access rights."
    return ""


def _refused(case: _Case) -> str:
    if not case.rated.record.refused:
        return ""
    return "The documents didn't say it: add it to them, not to the model."


def _unsupported(case: _Case) -> str:
    record = case.rated.record
    return "" if record.sources and record.messages else "It names no source."


def _empty(case: _Case) -> str:
    return "" if case.answer else "It is empty."


def _too_long(case: _Case) -> str:
    limit = case.settings.max_answer_tokens
    return f"It has {case.tokens} tokens; {limit} are allowed." if case.tokens > limit else ""


def _too_few_up(case: _Case) -> str:
    needed, up = case.settings.min_up, case.rated.up
    if case.rated.correction or up >= needed:
        return ""
    return f"It has {up} of the {needed} thumbs-up that it needs."


def _disputed(case: _Case) -> str:
    up, down = case.rated.up, case.rated.down
    if case.rated.correction or not down or down / (up + down) <= case.settings.max_down_ratio:
        return ""
    return f"{down} of {up + down} people thumbed it down."


def _correction_waits(case: _Case) -> str:
    waits = case.status_of_correction == PairStatus.PENDING
    return "A correction waits for a review." if waits else ""


def _holds_personal_data(case: _Case) -> str:
    known = "\n".join(source.text for source in case.rated.record.sources)
    text = f"{case.rated.record.standalone}\n{case.answer}"
    if not personal_data(text, known):
        return ""
    return "It seems to hold an address, a number or a key that isn't in the sources."


def _holds_instructions(case: _Case) -> str:
    found = _INJECTION.search(f"{case.rated.record.standalone}\n{case.answer}")
    return "It seems to hold instructions to a model." if found else ""


def _review_asked(case: _Case) -> str:
    return "A person must approve each pair (pairs.review)." if case.settings.review else ""


def _approval(case: _Case) -> str:
    if case.rated.correction:
        return f"A correction approved by {case.rated.correction.reviewer}."
    return f"{case.rated.up} thumbs-up, {case.rated.down} down."


RULES: tuple[tuple[str, PairStatus, _Rule], ...] = (
    ("opted out", PairStatus.REJECTED, _opted_out),
    ("private", PairStatus.REJECTED, _private),
    ("refused", PairStatus.REJECTED, _refused),
    ("unsupported", PairStatus.REJECTED, _unsupported),
    ("empty", PairStatus.REJECTED, _empty),
    ("too long", PairStatus.REJECTED, _too_long),
    ("too few thumbs-up", PairStatus.REJECTED, _too_few_up),
    ("disputed", PairStatus.REJECTED, _disputed),
    ("correction waits", PairStatus.PENDING, _correction_waits),
    ("personal data", PairStatus.PENDING, _holds_personal_data),
    ("instructions", PairStatus.PENDING, _holds_instructions),
    ("review", PairStatus.PENDING, _review_asked),
)
