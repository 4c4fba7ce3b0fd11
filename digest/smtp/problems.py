"""Why a connection could not be opened, and what to do about it, in one line."""

import errno
import re

from aiosmtplib import SMTPAuthenticationError, SMTPConnectResponseError, SMTPHeloError, SMTPResponseException

from digest.smtp.relay import Relay

# To be found in the type and text of an error, the first that fits.
_CAUSES = [
    ("Malformed|Response too long|ConnectResponse", "this is not a mail server; check the port"),
    ("gaierror.*(again|temporary)", "the DNS does not answer; check this machine's network"),
    ("gaierror|UnicodeError", "there is no host of this name; check its spelling"),
    (rf"Errno {errno.ECONNREFUSED}\b|Refused", "it refuses connections; check host and port"),
    (
        rf"Errno ({errno.ENETUNREACH}|{errno.EHOSTUNREACH}|{errno.EADDRNOTAVAIL})\b",
        "this machine has no route to it; check the network, and IPv6 if the host has only such addresses",
    ),
    ("mismatch", "its certificate is for another name; use the host name in the certificate"),
    ("certificate has expired", "its certificate has expired; the server's operator has to renew it"),
    ("not yet valid", "its certificate is not valid yet; check this machine's clock"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        (
            "its certificate is signed by an authority that this machine does not trust; set DIGEST_SMTP_CA_FILE to "
            "that authority's certificate"
        ),
    ),
    (
        "WRONG_VERSION_NUMBER|RECORD_LAYER",
        "it does not begin with TLS; use smtp+starttls://, usually with port 587, instead of smtps://",
    ),
    ("SSLError", "it offers no TLS that this machine accepts; an older server has to be updated"),
    ("STARTTLS extension not", "it does not offer STARTTLS; use smtps://, usually with port 465"),
    (
        "AUTH extension|suitable authentication",
        "it offers no login here; use smtp+starttls:// or smtps://, or remove user and password",
    ),
    ("Timed out connecting", "nothing answers; a firewall may be in the way, or host, port or smtps:// may be wrong"),
    (
        "server ready",
        "it sent no SMTP greeting in time; the port may be wrong, or expect TLS at once: then use smtps://",
    ),
    ("Timed out|TimeoutError", "it greeted, and then did not answer in time; try again later"),
    (
        "EOF|Connection lost|ConnectionReset|Errno 104|ConnectionAborted",
        "it closed the connection before it was ready; it may block this machine, or smtps:// may be needed or wrong",
    ),
]
_AT = {  # the command that was refused
    SMTPConnectResponseError: ("in the greeting", "it accepts no email from this machine"),
    SMTPHeloError: ("at EHLO", "check the name that this machine gives itself"),
    SMTPAuthenticationError: ("at the login", "check user and password; some providers need an app password"),
    SMTPResponseException: ("at STARTTLS", "use smtps://, usually with port 465"),
}
_LATER = "try again later"


class NotConnected(Exception):
    """A connection that could not be opened. `code`: of the server's reply, if it refused."""

    def __init__(self, relay: Relay, error: Exception) -> None:
        server = f"{relay.host}:{relay.port}"
        if isinstance(error, SMTPResponseException) and error.code >= 200:
            at, remedy = next(_AT[kind] for kind in type(error).__mro__ if kind in _AT)
            self.code: int | None = error.code
            self.remedy = remedy if error.code >= 500 else _LATER
            self.problem = f"{error.message} ({at} of {server})"
            super().__init__(f"{error.message} ({at} of {server}: {self.remedy})")
        else:
            self.code = None
            cause = _cause(error)
            problem, _, self.remedy = cause.partition("; ")
            self.problem = f"{server}: {problem}"
            super().__init__(f"{server}: {cause}")


def _cause(error: BaseException) -> str:
    text = " ".join(f"{type(each).__name__}: {each}" for each in (error, error.__cause__) if each)
    causes = (cause for pattern, cause in _CAUSES if re.search(pattern, text, re.IGNORECASE | re.DOTALL))
    return next(causes, str(error) or type(error).__name__)
