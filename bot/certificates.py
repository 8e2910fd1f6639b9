"""Whether a connection failed because a certificate isn't trusted, and what helps then."""

from __future__ import annotations

import ssl

TRUST_MEND = (
    "Write its authority's certificate, often a proxy's, into a PEM file beside the public ones, "
    "name that in SSL_CERT_FILE, and look at this machine's clock."
)


def is_untrusted(error: BaseException | None) -> bool:
    """Return whether an error, or what it was raised for, is of a certificate."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        reason = getattr(error, "reason", None)  # of a URLError
        nested = reason if isinstance(reason, BaseException) else None
        error = nested or error.__cause__ or error.__context__
    return False
