"""Every text that readers see is in the catalogues, and every language has all of them."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from digest.language import Languages
from digest.resources import resource
from tests.languages.untranslated import untranslated

ROOT = Path(__file__).parents[2]
LOCALE = resource("locale")
TEMPLATES = resource("templates")
CONSOLE = TEMPLATES / "web" / "console"  # in English: for operators, like the command line
CODES = Languages(LOCALE).codes[1:]
# Files and folders whose texts are all translated; a new template must be.
TRANSLATED = (
    "web",
    "email",
)

Key = tuple[str | None, str | tuple[str, ...]]


def catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def keys(found: Catalog) -> set[Key]:
    return {(message.context, message.id) for message in found if message.id}


def extracted(to: Path) -> set[Key]:
    """The catalogue that the command of `make messages` collects."""
    command = re.search(r"\$\(BABEL\) (extract .*?) -o locale/digest\.pot", (ROOT / "Makefile").read_text())
    assert command is not None
    CommandLineInterface().run(["pybabel", "--quiet", *command[1].split(), "-o", str(to), "digest", "templates"])
    return keys(catalogue(to))


def test_the_catalogues_hold_what_is_in_the_code_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    wanted = extracted(tmp_path / "now.pot")
    assert len(wanted) > 20
    for path in (LOCALE / "digest.pot", *LOCALE.glob("*/LC_MESSAGES/digest.po")):
        assert keys(catalogue(path)) == wanted, f"{path.name}: run make messages"


@pytest.mark.parametrize("code", CODES)
def test_every_text_is_translated_and_keeps_its_values(code):
    for message in catalogue(LOCALE / code.replace("-", "_") / "LC_MESSAGES" / "digest.po"):
        if not message.id:
            continue
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(said), f"{message.id} is not translated"
        assert not message.fuzzy, f"{message.id} is only guessed"
        key = message.id if isinstance(message.id, str) else message.id[-1]
        for one in said:
            assert fields(one) == fields(key), message.id
            assert one[:1].isspace() == key[:1].isspace(), message.id


def fields(text: str) -> set[str]:
    """The placeholders and tags of a text."""
    return set(re.findall(r"%\(\w+\)[sd]|\{\w+\}|</?\w+>", text))


def templates() -> list[Path]:
    every = [
        path for path in sorted(TEMPLATES.rglob("*")) if path.suffix in (".html", ".txt") and "static" not in path.parts
    ]
    return [
        path
        for path in every
        if f"{path.relative_to(TEMPLATES).as_posix()}/".startswith(covered()) and CONSOLE not in path.parents
    ]


def covered() -> tuple[str, ...]:
    return tuple(f"{name}/" for name in TRANSLATED)


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_a_template_holds_no_words_outside_of_a_translation(path):
    assert untranslated(path.read_text(encoding="utf-8"), path.suffix == ".html") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ _('Hello') }} · {{ name }}</p>", []),
        ("<p>{% trans %}Hello{% endtrans %}</p>", []),
        ("<p>{% trans n=count %}One{% pluralize %}{{ n }} many{% endtrans %}</p>", []),
        ("{% if x %}<b>yes</b>{% else %}<b>{{ y }} no</b>{% endif %}", ["yes", "\ufffc no"]),
        ('<input placeholder="Your name" id="name">', ["Your name"]),
        ('<input aria-label="{{ _("Your name") }}" class="a b">', []),
        ('<meta name="viewport" content="width=device-width"><meta charset="utf-8">', []),
        ('<meta name="description" content="Papers by mail">', ["Papers by mail"]),
        ("{{ button('Save it', '/save') }}", ["Save it"]),
        ("{{ button(_('Save it'), '/save') }}", []),
        ("{% for value, words in [('daily', 'Every day')] %}{{ words }}{% endfor %}", ["Every day"]),
        ("{{ _('From %(day)s', day=day or 'Monday') }}", ["Monday"]),
        ("<style>.card { color: red }</style><script>let word</script>", []),
        ("{% macro m(a) %}<p>Lost</p>{% endmacro %}", ["Lost"]),
    ],
)
def test_words_outside_of_a_translation_are_found(source, found):
    assert untranslated(source, is_html=True) == found


def test_words_of_a_text_part_are_found_line_by_line():
    assert untranslated("{{ _('Hello') }},\nit is {{ day }}\n{{ '-' * 72 }}\n", is_html=False) == ["it is \ufffc"]
