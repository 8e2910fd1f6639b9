"""What people write that asks for no page: a greeting, thanks, "ok", "what can I ask?". Pure.

Only messages of nothing else count, so that no question is taken for one.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Sequence

from bot.plural import counted

_LONGEST = 7  # words
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_EMOJI_NAME = re.compile(r":[a-z0-9_+\-]+(?:::skin-tone-\d)?:", re.IGNORECASE)

_EMOJI_SIGNS = frozenset({"So", "Sk", "Mn", "Cf"})  # with skin tones, variants and joiners

_GREETINGS = frozenset(
    "hi hello hey hallo moin servus bonjour salut hola olá ola ciao hoi goedemorgen goedemiddag "
    "buongiorno".split()
)
_OPENINGS = frozenset(
    "good morning|good afternoon|good evening|guten morgen|guten tag|guten abend|buenos días|"
    "buenas tardes|bom dia|boa tarde|grüß gott".split("|")
)
_THANKS = frozenset(
    "thanks thank thx ty cheers danke dankeschön dank merci gracias obrigado obrigada grazie "
    "bedankt".split()
)
_NODS = frozenset(
    "ok okay great perfect super cool nice good fine sure awesome wow understood alright yes yep "
    "yeah got ja gut prima genau verstanden oui bien parfait sí bueno perfecto certo bene goed "
    "duidelijk".split()
)
_BESIDE_NODS = frozenset("it very much so a lot you there bot nightshift".split())
_BESIDE = _NODS | frozenset(
    "very much so a lot many you the there bot nightshift "
    "all again for that your help team everybody everyone vielen schön sehr dir euch je wel "
    "beaucoup muchas muito muita mille".split()
)
_ABOUT = frozenset(
    "help|what can i ask|what can i ask you|what can you do|what can you do for me|what do you do|"
    "what do you know|how can you help|how can you help me|how do you work|who are you|"
    "what are you|what topics do the documents cover|what topics do you cover|"
    "what do the documents cover|hilfe|was kannst du|was weißt du|was kann ich fragen|"
    "was kann ich dich fragen|wer bist du|aide|ayuda|ajuda|aiuto".split("|")
)


class SmallTalk(enum.Enum):
    """What is meant."""

    GREETING = enum.auto()
    THANKS = enum.auto()
    NOD = enum.auto()
    ABOUT = enum.auto()


def small_talk(text: str) -> SmallTalk | None:
    """Return what a message means that asks for no page; None for a question.

    Args:
        text: Without mentions and Slack's own escapes.
    """
    plain = _EMOJI_NAME.sub(" ", text)
    words = [word.casefold() for word in _WORD.findall(plain)]
    if not words:
        return SmallTalk.NOD if _has_emoji_alone(text, plain) else None
    if len(words) > _LONGEST:
        return None
    if " ".join(words) in _ABOUT:
        return SmallTalk.ABOUT
    others = [word for word in words if word not in _BESIDE]
    nods = _NODS.intersection(words)
    if nods and _BESIDE_NODS.issuperset(set(words) - nods) and "?" not in plain:
        return SmallTalk.NOD
    if others and _THANKS.issuperset(others):
        return SmallTalk.THANKS
    if (len(others) == 1 and others[0] in _GREETINGS) or " ".join(others) in _OPENINGS:
        return SmallTalk.GREETING
    return None


def _has_emoji_alone(text: str, without_names: str) -> bool:
    signs = {unicodedata.category(sign) for sign in without_names if not sign.isspace()}
    return bool(text.strip()) and signs <= _EMOJI_SIGNS and (bool(signs) or text != without_names)


def said_to(talk: SmallTalk, documents: int, titles: Sequence[str]) -> str:
    """Return what the bot says, as plain text.

    Args:
        talk: What it was told.
        documents: How many the person may read.
        titles: Of some of them.
    """
    if talk is SmallTalk.THANKS:
        return "You're welcome!"
    if talk is SmallTalk.NOD:
        return "👍"
    if talk is SmallTalk.GREETING:
        return (
            "Hello! Ask me what you want to know from our documents, in a sentence. "
            "Write “what can I ask?” to see what they are about."
        )
    if not documents:
        return "There is no document yet that I may answer from here. Please come back later."
    listed = "\n".join(f"• {title}" for title in titles)
    some = f", some of which are:\n{listed}\n" if documents > len(titles) else f":\n{listed}\n"
    return (
        f"I answer from {counted(documents, 'document')}{some}"
        "Ask me in a sentence; I name the pages, and tell you when they don't say. "
        "“/nightshift help” shows what else I do."
    )
