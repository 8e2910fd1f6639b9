"""Amounts in words as digits: "three months" is compared as "3 months". Pure."""

from __future__ import annotations

import re

# From two on: "one" and its like are mostly no amounts. Left out is what is another word in one of
# these languages (Spanish "once", Italian "due" and "sei", French "sept" and "neuf").
_ROWS = {
    2: "two zwei deux dos dois duas twee",
    3: "three drei trois tres tre três drie",
    4: "four vier quatre cuatro quattro quatro",
    5: "five fünf cinq cinco cinque vijf",
    6: "six sechs seis zes",
    7: "seven sieben siete sette sete zeven",
    8: "eight acht huit ocho otto oito",
    9: "nine neun nueve nove negen",
    10: "ten zehn dix diez dieci tien",
    11: "eleven elf onze undici",
    12: "twelve zwölf douze doce dodici doze twaalf",
    13: "thirteen dreizehn treize trece tredici dertien",
    14: "fourteen vierzehn quatorze catorce veertien",
    15: "fifteen fünfzehn quinze quince quindici vijftien",
    16: "sixteen sechzehn seize dieciséis sedici zestien",
    17: "seventeen siebzehn diecisiete diciassette zeventien",
    18: "eighteen achtzehn dieciocho diciotto achttien",
    19: "nineteen neunzehn diecinueve diciannove negentien",
    20: "twenty zwanzig vingt veinte venti vinte twintig",
    30: "thirty dreißig dreissig trente treinta trenta trinta dertig",
    40: "forty vierzig quarante cuarenta quaranta quarenta veertig",
    50: "fifty fünfzig cinquante cincuenta cinquanta cinquenta vijftig",
    60: "sixty sechzig soixante sesenta sessanta sessenta zestig",
    70: "seventy siebzig setenta settanta zeventig",
    80: "eighty achtzig ochenta ottanta oitenta tachtig",
    90: "ninety neunzig noventa novanta negentig",
}
_DIGITS = {word: str(number) for number, words in _ROWS.items() for word in words.split()}
_ANY = "|".join(
    [*_DIGITS, *"one hundred thousand million ein hundert tausend cent mille mil".split()]
)
# "Twenty-five" and "two hundred and five" are one amount, and stay words.
_RUN = re.compile(
    rf"\b(?:{_ANY})(?:(?:(?<=hundred)\s+and\s+|(?<=thousand)\s+and\s+|[\s-]+)(?:{_ANY}))*\b",
    re.IGNORECASE,
)


def in_digits(text: str) -> str:
    """Return a text with the amounts it gives in one word in digits."""
    return _RUN.sub(lambda run: _DIGITS.get(run[0].casefold(), run[0]), text)
