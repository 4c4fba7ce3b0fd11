"""Fills in a form of a page the way a browser does. Comes in: HTML. Goes out: where to post, and what."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

Fields = list[tuple[str, str]]


@dataclass
class HtmlForm:
    """The first form of a page that posts, with what a browser would submit if nothing was touched."""

    action: str = ""
    fields: Fields = field(default_factory=list)

    def filled(self, **wishes: str | list[str]) -> dict[str, list[str]]:
        """The fields to submit, with `wishes` in place of the page's own values."""
        result: dict[str, list[str]] = {}
        for name, value in self.fields:
            result.setdefault(name, []).append(value)
        return result | {name: [value] if isinstance(value, str) else value for name, value in wishes.items()}


def first_form(html: str) -> HtmlForm | None:
    """The first form with method POST in `html`, None without one."""
    reader = _Reader()
    reader.feed(html)
    return reader.form


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: HtmlForm | None = None
        self._inside = False
        self._select = ""
        self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None and given.get("method", "").lower() == "post":
            self.form, self._inside = HtmlForm(given.get("action", "")), True
        elif self._inside:
            self._field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._inside and self._textarea:
            self._add(self._textarea, data)

    def _field(self, tag: str, given: dict[str, str]) -> None:
        if tag == "input":
            self._input(given)
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self._select and "selected" in given:
            self._add(self._select, given.get("value", ""))
        elif tag == "textarea":
            self._textarea = given.get("name", "")

    def _input(self, given: dict[str, str]) -> None:
        kind = given.get("type", "text").lower()
        if kind in ("checkbox", "radio") and "checked" not in given:
            return
        if kind not in ("submit", "button", "reset") and given.get("name"):
            self._add(given["name"], given.get("value", "on" if kind == "checkbox" else ""))

    def _add(self, name: str, value: str) -> None:
        if self.form is not None:
            self.form.fields.append((name, value))
