"""Is this mail fit to send? One function a rule, which gives what it found wrong, in words.

They look at the exact bytes, with no help from the code that made them.
"""

import re
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32, default

from tests.mail.htmltree import Element, contrast_of, parse, rules_of

# What 16 mail programs show, or leave out without harm (caniemail).
ELEMENTS = re.compile("html|head|meta|title|style|body|div|table|tbody|tr|td|h1|h2|p|a|span|strong|ul|ol|li|hr")
PROPERTIES = re.compile(
    "background-color|border|border-(top|left|color|collapse|radius)|color|(supported-)?color-schemes?|display|"
    "font-(family|size|weight)|letter-spacing|line-height|margin|max-(height|width)|mso-hide|opacity|overflow|padding|"
    "text-(align|decoration)|vertical-align|width"
)
FORBIDDEN_CSS = re.compile(r"/\*|@import|url\(|var\(|calc\(|rgba?\(|\brem\b|position|float|flex|grid", re.IGNORECASE)
GENERIC_FAMILIES = ("serif", "sans-serif", "monospace")
LEFT_OVER = re.compile(r"\\[a-zA-Z]{2,}|\$[^$\n]*[\\^_][^$\n]*\$|&(#\d+|[a-z]+);")  # LaTeX, entities
URL = re.compile(r"https?://\S+")

Rule = Callable[["Mail"], Iterator[str]]


class Mail:
    """The parts of a message, as a reader's program finds them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.head = raw.partition(b"\r\n\r\n")[0]
        self.message: Message = BytesParser(policy=compat32).parsebytes(raw)
        readable = BytesParser(policy=default).parsebytes(raw)
        self.subject = str(readable["Subject"])
        text, html = (part for part in readable.walk() if not part.is_multipart())
        self.text, self.html = text.get_content(), html.get_content()
        self.html_on_the_wire = str(self.message.get_payload()[1].get_payload())  # type: ignore[index,union-attr]
        self.tree = parse(self.html)
        self.css = "".join(style.words for style in self.tree.all("style"))
        self.body = self.tree.all("body")[0]

    @property
    def is_digest(self) -> bool:
        return bool(self.message["Precedence"])

    def links(self) -> list[str]:
        return [a.attributes["href"] for a in self.body.all("a")]


def broken(raw: bytes) -> list[str]:
    """What is wrong with a message; empty for one that is fit to send."""
    mail = Mail(raw)
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(mail)]


def document(mail: Mail) -> Iterator[str]:
    if not mail.html.lower().startswith("<!doctype html>"):
        yield "no doctype"
    if not (mail.tree.attributes.get("lang") and mail.tree.attributes.get("dir")):
        yield "html without lang or dir"
    metas = {meta.attributes.get("name", "charset"): meta.attributes for meta in mail.tree.all("meta")}
    needed = "viewport x-apple-disable-message-reformatting format-detection color-scheme supported-color-schemes"
    yield from (f"no meta {name}" for name in needed.split() if name not in metas)
    charset, title = mail.html.find('<meta charset="utf-8">'), mail.html.find("<title>")
    if not 0 < charset < min(title, 1024):
        yield "the charset does not stand before all text"
    if mail.tree.all("title")[0].words != mail.subject:
        yield f"the title is not the subject: {mail.tree.all('title')[0].words!r} {mail.subject!r}"


def preheader(mail: Mail) -> Iterator[str]:
    first = next(element for element in mail.body.everything() if element.words.strip())
    said = first.words.split("\u034f")[0].strip()
    if first.style.get("display") != "none":
        yield "the first text is not a hidden preheader"
    if not 40 <= len(said) <= 130:
        yield f"{len(said)} characters: {said}"
    if said == mail.subject or "\u034f" not in first.words:
        yield "it repeats the subject or has no spacer"


def elements_and_styles(mail: Mail) -> Iterator[str]:
    for element in mail.tree.everything():
        if not ELEMENTS.fullmatch(element.tag):
            yield f"element {element.tag}"
        if "id" in element.attributes or any(name.startswith("on") for name in element.attributes):
            yield f"attribute on {element.tag}: {element.attributes}"
        yield from _styles_of(element.style)
    for _, style in rules_of(re.sub(r"@media[^{]*\{", "", mail.css)):
        yield from _styles_of(style)
    everything = mail.css + " ".join(element.attributes.get("style", "") for element in mail.tree.everything())
    yield from (f"CSS {found}" for found in FORBIDDEN_CSS.findall(everything))
    if len(mail.css) > 8192 or len(mail.tree.all("style")) != 1:
        yield "more than one style element, or more than 8 kB of it"


def _styles_of(style: dict[str, str]) -> Iterator[str]:
    for name, value in style.items():
        if not PROPERTIES.fullmatch(name):
            yield f"property {name}"
        for colour in re.findall(r"#[0-9a-zA-Z]+", value):
            if not re.fullmatch(r"#[0-9a-f]{6}", colour) or colour in ("#ffffff", "#000000"):
                yield f"colour {colour}"
        if name == "font-family" and value.rpartition(",")[2].strip() not in GENERIC_FAMILIES:
            yield f"font without a generic family: {value}"


def layout(mail: Mail) -> Iterator[str]:
    for table in mail.body.all("table"):
        wanted = {"role": "presentation", "border": "0", "cellpadding": "0", "cellspacing": "0"}
        if not wanted.items() <= table.attributes.items():
            yield f"a table that is read aloud: {table.attributes}"
        # One more in Outlook, which reads the table in the comments.
        if sum(element.tag == "table" for element in table.ancestry()) > 2:
            yield "tables nested deeper than three"
    widths = [table.style.get("max-width", "") for table in mail.body.all("table")]
    if "640px" not in widths or '<!--[if mso]><table role="presentation" width="640"' not in mail.html:
        yield "no column of 640 px, or none for Outlook"


def headings(mail: Mail) -> Iterator[str]:
    order = [element.tag for element in mail.body.everything() if element.tag in ("h1", "h2")]
    if order.count("h1") != 1 or order[0] != "h1":
        yield f"headings {order}"
    yield from (f"h2 without dir: {h2.words}" for h2 in mail.body.all("h2") if h2.attributes.get("dir") != "auto")


def legible(mail: Mail) -> Iterator[str]:
    for element in _shown(mail):
        size = _pixels(element.inherited("font-size"))
        in_footer = any("foot" in above.classes for above in element.ancestry())
        if size < (13 if in_footer else 14):
            yield f"{size} px: {element.words.strip()[:40]}"
        height = element.inherited("line-height")
        lines = _pixels(height) / size if height.endswith("px") else float(height)
        if lines < 1.4 and not any(above.tag in ("h1", "h2") for above in element.ancestry()):
            yield f"line-height {height}: {element.words.strip()[:40]}"


def contrast(mail: Mail) -> Iterator[str]:
    dark = _dark_palette(mail)
    for element in _shown(mail):
        for scheme in ({}, dark):
            ink, paper = _colour(element, "color", scheme), _colour(element, "background-color", scheme)
            if (ratio := contrast_of(ink, paper)) < 4.5:
                yield f"{ratio:.1f}, {ink} on {paper}: {element.words.strip()[:40]}"


def dark_mode(mail: Mail) -> Iterator[str]:
    if ":root" not in mail.css or not _dark_palette(mail):
        yield "no :root, or no dark palette"
    for selector, style in rules_of(re.sub(r"@media[^{]*\{", "", mail.css)):
        yield from (
            f"{selector} {name} is not !important"
            for name, value in style.items()
            if selector != ":root" and not value.endswith("!important")
        )


def links(mail: Mail) -> Iterator[str]:
    web = [link for link in mail.links() if not link.startswith("mailto:")]
    yield from (f"not https: {link}" for link in web if not link.startswith("https://"))
    if web != URL.findall(mail.text):
        yield f"text and HTML differ: {set(web) ^ set(URL.findall(mail.text)) or 'in order'}"
    for a in mail.body.all("a"):
        marked = a.style.get("text-decoration") == "underline" or "button-link" in a.classes
        if not marked and not (a.parent and a.parent.tag == "h2"):
            yield f"told by its colour only: {a.words}"
        if a.words.strip().lower() in ("here", "pdf", "link", "click here", ""):
            yield f"a link that does not say where it leads: {a.words!r}"


def button(mail: Mail) -> Iterator[str]:
    found = [a for a in mail.body.all("a") if "button-link" in a.classes]
    if len(found) != 1:
        yield f"{len(found)} buttons"
    for a in found:
        above, _ = (_pixels(part) for part in a.style["padding"].split())
        cell = a.parent
        if not (cell and cell.tag == "td" and "background-color" in cell.style):
            yield "a button without a coloured cell"
        if 2 * above + _pixels(a.style["line-height"]) < 44:
            yield "lower than 44 px"


def text_part(mail: Mail) -> Iterator[str]:
    for line in mail.text.splitlines():
        if len(line) > 76 and not URL.fullmatch(line):
            yield f"{len(line)} columns: {line[:40]}…"
        if "http" in line and not URL.fullmatch(line):
            yield f"an address not alone on its line: {line}"
    yield from (f"left over: {found.group()}" for found in LEFT_OVER.finditer(mail.text))


def subject(mail: Mail) -> Iterator[str]:
    if len(mail.subject) > 60 or "!!" in mail.subject or (mail.is_digest and not re.search(r"\d", mail.subject)):
        yield mail.subject


def footer(mail: Mail) -> Iterator[str]:
    foot = next(element for element in mail.body.all("td") if "foot" in element.classes)
    said = " ".join(element.words for element in foot.everything())
    for part in (said, mail.text):
        if "You get this because" not in part or str(mail.message["To"]) not in part:
            yield "it does not say why and where to"
    if mail.message["List-Unsubscribe"].split(">")[0][1:] not in [a.attributes["href"] for a in foot.all("a")]:
        yield "no way out"
    if mail.is_digest and not {"Preferences", "Unsubscribe", "View on the web"} <= {a.words for a in foot.all("a")}:
        yield f"links of a digest are missing: {said}"


def size(mail: Mail) -> Iterator[str]:
    if len(mail.html_on_the_wire) > 100_000:
        yield f"{len(mail.html_on_the_wire)} bytes of HTML: Gmail would clip it"


def on_the_wire(mail: Mail) -> Iterator[str]:
    lines = mail.raw.split(b"\r\n")
    if not mail.raw.isascii() or any(b"\n" in line or b"\r" in line for line in lines):
        yield "8 bit, or a line that does not end in CRLF"
    if any(len(line) > 998 for line in mail.head.split(b"\r\n")):
        yield "a header line over 998"
    if any(len(line) > 76 for line in lines[mail.head.count(b"\r\n") + 2 :]):
        yield "a body line over 76"
    if b"?==?" in mail.head or any(len(word) > 75 for word in re.findall(rb"=\?\S*\?=", mail.head)):
        yield "encoded-words that are too long or touch"
    if any(b"=?" in line and len(line) > 76 for line in mail.head.split(b"\r\n")):
        yield "a line with encoded-words over 76"


def header_fields(mail: Mail) -> Iterator[str]:
    names = mail.message.keys()
    needed = """From To Subject Date Message-ID List-Id List-Unsubscribe List-Unsubscribe-Post Feedback-ID
    Auto-Submitted MIME-Version Content-Type"""
    yield from (f"no {name}" for name in needed.split() if name not in names)
    yield from (f"{name} twice" for name in set(names) if names.count(name) > 1)
    if not re.fullmatch(r"<https://[!-~]+>(,\s+<mailto:[!-~]+>)?", mail.message["List-Unsubscribe"]):
        yield f"List-Unsubscribe {mail.message['List-Unsubscribe']}"
    if mail.message["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        yield "List-Unsubscribe-Post"


RULES: tuple[Rule, ...] = (
    document,
    preheader,
    elements_and_styles,
    layout,
    headings,
    legible,
    contrast,
    dark_mode,
    links,
    button,
    text_part,
    subject,
    footer,
    size,
    on_the_wire,
    header_fields,
)


def _shown(mail: Mail) -> Iterator[Element]:
    for element in mail.body.everything():
        hidden = any(above.style.get("display") == "none" for above in element.ancestry())
        if element.words.strip() and not hidden:
            yield element


def _pixels(value: str) -> float:
    return float(value.removesuffix("px"))


def _dark_palette(mail: Mail) -> dict[str, dict[str, str]]:
    _, _, dark = mail.css.partition("@media (prefers-color-scheme: dark) {")
    return dict(rules_of(dark))


def _colour(element: Element, name: str, scheme: dict[str, dict[str, str]]) -> str:
    for above in element.ancestry():
        # A class wins over an element's name; both win over the inline style by !important.
        for selector in (*(f".{said}" for said in above.classes), above.tag):
            if value := scheme.get(selector, {}).get(name):
                return value.split()[0]
        if name in above.style:
            return above.style[name]
    raise AssertionError(f"no {name} for {element.words!r}")
