"""The questions of `digest init` about real email, asked in a terminal or answered by a file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from digest.settings.environment import PREFIX, SettingsError, read_file, values_in

if TYPE_CHECKING:
    from digest.settings import Settings

Check = Callable[[Mapping[str, str]], "Settings"]  # the settings with these values. Raises SettingsError
Ask = Callable[[str, bool], str]  # a question, and whether its answer is hidden; "" for no answer

# Each setting and its question, in the order of an installation.
_QUESTIONS = {
    "PUBLIC_URL": "URL of the pages, such as https://papers.example.org",
    "TITLE": "Name of the digest, on pages and in emails",
    "MAIL_FROM": "Sender, such as Daily Papers <papers@example.org>",
    "SMTP_URL": "Mail server, such as smtp.example.org or smtps://mail.example.org:465",
    "BOUNCE_ADDRESS": "Address for delivery failure reports (empty: the sender's)",
    "POSTAL_ADDRESS": "Your postal address, which many countries require in every email",
    "CONTACT": "Email address or page for questions",
    "ALARM_TO": "Email address for alarms, when something is wrong",
}


def answers_in(file: Path) -> dict[str, str]:
    """Return the variables in a file of answers, in the format of a settings file. Raises SettingsError."""
    return values_in(read_file(file, "name a file of lines such as DIGEST_TITLE='Daily Papers'"), str(file))


def ask(missing: Callable[[str], bool], answer: Ask, check: Check, complain: Callable[[str], None]) -> dict[str, str]:
    """Ask for each `missing` setting until the answer is valid or empty, and return the answers."""
    given: dict[str, str] = {}
    for name, question in _QUESTIONS.items():
        variable = PREFIX + name
        while missing(variable):
            text = answer(question, False).strip()
            if name == "SMTP_URL" and text and "://" not in text:
                text = _server_url(text, answer)
            if not text:
                break
            if problem := _problem(check, given | {variable: text}, variable):
                complain(problem)
                continue
            given[variable] = text
            break
    return given


def _problem(check: Check, values: Mapping[str, str], variable: str) -> str:
    """Return the problem with the value of `variable`; for the mail server, with any value so far."""
    try:
        check(values)
    except SettingsError as error:
        is_server = variable == f"{PREFIX}SMTP_URL"  # the sender has to match it
        lines = [line for line in str(error).splitlines() if is_server or line.startswith(variable)]
        return "; ".join(lines)
    return ""


def _server_url(server: str, answer: Ask) -> str:
    """Ask for a login, and return the URL of a server that was given by its name."""
    user = answer("User name on that server (empty: no login needed)", False).strip()
    password = answer("Password", True) if user else ""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    is_tls = re.search(r":465$", server) is not None
    is_local = re.fullmatch(r"(localhost|127\.0\.0\.1)(:\d+)?", server) is not None
    scheme = "smtps" if is_tls else "smtp" if is_local else "smtp+starttls"
    return f"{scheme}://{login}{server}"
