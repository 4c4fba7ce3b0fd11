"""The questions of `digest init`: what real email needs, asked in a terminal or answered by a file."""

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

# In the order of an installation: the setting and its question.
_QUESTIONS = {
    "PUBLIC_URL": "Address of the pages, as in https://papers.example.org",
    "TITLE": "Name of the digest, on pages and in emails",
    "MAIL_FROM": "Sender, as in Daily Papers <papers@example.org>",
    "SMTP_URL": "Mail server, as in smtp.example.org or smtps://mail.example.org:465",
    "BOUNCE_ADDRESS": "Address for delivery failure reports (leave empty for that of the sender)",
    "POSTAL_ADDRESS": "Your postal address, which many countries require in every email",
    "CONTACT": "Email address or page for questions",
    "ALARM_TO": "Email address that is told when something is wrong",
}


def answers_in(file: Path) -> dict[str, str]:
    """The variables in a file of answers, which is written like a settings file. Raises SettingsError."""
    return values_in(read_file(file, "name a file of lines such as DIGEST_TITLE='Daily Papers'"), str(file))


def ask(missing: Callable[[str], bool], answer: Ask, check: Check, complain: Callable[[str], None]) -> dict[str, str]:
    """The answers to all questions about settings that are `missing`, each asked until it fits or is left out."""
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
    """The problem with the value of `variable`; for the mail server, with all values so far."""
    try:
        check(values)
    except SettingsError as error:
        is_server = variable == f"{PREFIX}SMTP_URL"  # which the sender has to fit
        lines = [line for line in str(error).splitlines() if is_server or line.startswith(variable)]
        return "; ".join(lines)
    return ""


def _server_url(server: str, answer: Ask) -> str:
    """The URL of a server that was given by its name."""
    user = answer("User there (leave empty if it takes email without a login)", False).strip()
    password = answer("Password", True) if user else ""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    is_tls = re.search(r":465$", server) is not None
    is_local = re.fullmatch(r"(localhost|127\.0\.0\.1)(:\d+)?", server) is not None
    scheme = "smtps" if is_tls else "smtp" if is_local else "smtp+starttls"
    return f"{scheme}://{login}{server}"
