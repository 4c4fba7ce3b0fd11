"""Which language a page is in: `?lang=` if it is there, else what the browser asks for, else the operator's."""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from starlette.datastructures import URL

from digest.language import Language, Languages
from digest.web.guard import PERSONAL

PARAMETER = "lang"


class Translation(NamedTuple):
    """The same page in another language: the tag, what the language calls itself, and the query, such as `?lang=en`."""

    code: str
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """The language of one answer. `explicit`: it was chosen by address, so the links of the page keep it."""

    language: Language
    explicit: bool = False
    translations: tuple[Translation, ...] = ()
    path: str = ""  # of a page that search engines may know in every language

    def kept(self, path: str) -> str:
        """`path`, a link of this site, with the language that was chosen."""
        if not self.explicit:
            return path
        return str(URL(path).include_query_params(**{PARAMETER: self.language.code}))


def choose_language(request: Request, languages: Languages, default: str) -> LanguageChoice:
    """The language for `request`. `default` is the tag of the operator's language."""
    code = request.query_params.get(PARAMETER, "")
    explicit = code in languages.codes
    if not explicit:
        code = languages.negotiate(request.headers.get("accept-language", ""), default)
    if request.method not in ("GET", "HEAD"):  # the answer to a form has no address of its own
        return LanguageChoice(languages.get(code), explicit)
    query = [pair for pair in request.query_params.multi_items() if pair[0] != PARAMETER]
    translations = tuple(
        Translation(tag, languages.get(tag).name, f"?{urlencode([*query, (PARAMETER, tag)])}")
        for tag in languages.codes
    )
    path = "" if PERSONAL.match(request.url.path) else request.url.path
    return LanguageChoice(languages.get(code), explicit, translations, path)
