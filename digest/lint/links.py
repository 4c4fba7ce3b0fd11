"""Rules of links: where they lead, what they say, how they are hit, and the ways out in the footer."""

import re
from collections.abc import Iterator
from email.utils import getaddresses
from urllib.parse import urlsplit

from digest.lint.html import is_pixel
from digest.lint.message import ALL, BULK, ParsedMessage, Rule, Scope, excerpt, is_way_out, loose
from digest.lint.tree import Element, line_height_of, pixels, size_of

_SAYS_NOTHING = re.compile(
    r"(click |tap )?here|pdf|link|this|more|read more|learn more|details|这里|此处|点击这里|链接|更多|hier|ici|aquí",
    re.IGNORECASE,
)
_CAMPAIGN = re.compile(r"[?&](utm_[a-z]+|mc_[ce]id|_hsenc|fbclid|gclid)=", re.IGNORECASE)
_DETOURS = re.compile(
    r"(^|\.)(list-manage\.com|mailchi\.mp|sendgrid\.net|mandrillapp\.com|awstrack\.me|hubspotlinks\.com|mailgun\.org|"
    r"cmail\d+\.com|createsend\d*\.com|mjt\.lu|sparkpostmail\.com|bit\.ly|t\.co|lnkd\.in|tinyurl\.com|goo\.gl)$"
)
_PREFERENCES = re.compile("preferences|settings|manage|偏好|设置|einstellungen|préférences|preferencias", re.IGNORECASE)
_ON_THE_WEB = re.compile(r"\bweb\b|browser|online|网页|浏览器|网上|im netz|en ligne|en línea", re.IGNORECASE)
_REASON = re.compile(
    "because|you (subscribed|signed up|asked)|因为|订阅了|[您你]收到|weil sie|parce que|porque", re.IGNORECASE
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOWEST_TARGET, _LOWEST_BUTTON = 24, 44  # px; WCAG 2.2, 2.5.8 and 2.5.5


def _https(mail: ParsedMessage) -> Iterator[str]:
    for link in dict.fromkeys(mail.web_links()):
        scheme, host = _place(link)
        if scheme != "https" and not (scheme == "http" and host in _LOOPBACK):
            yield f"{'a place in the mail itself' if link.startswith('#') else 'not https'}: {link[:80]}"


def _place(link: str) -> tuple[str, str]:
    """Scheme and host, empty for what is no address."""
    try:
        parts = urlsplit(link)
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""


def _tracking(mail: ParsedMessage) -> Iterator[str]:
    for link in dict.fromkeys(mail.web_links()):
        if _CAMPAIGN.search(link) or _DETOURS.search(_place(link)[1]):
            yield f"a link that follows its reader: {link[:80]}"
    for image in mail.body.all("img"):
        if is_pixel(image):
            yield f"an image that nobody sees: {image.attributes.get('src', '')[:60]}"


def _link_words(mail: ParsedMessage) -> Iterator[str]:
    for link in mail.links():
        said = loose(link.text) or " ".join(image.attributes.get("alt", "") for image in link.all("img"))
        if not said.strip() or _SAYS_NOTHING.fullmatch(said.strip(" .›»→")):
            yield f"{said!r} to {link.attributes['href'][:60]}"


def _link_marks(mail: ParsedMessage) -> Iterator[str]:
    for link in mail.links():
        in_heading = any(above.tag in ("h1", "h2", "h3") for above in link.ancestry())
        decoration = link.style.get("text-decoration", "underline")
        if (
            "underline" not in decoration
            and not in_heading
            and not _is_button(link)
            and "border-bottom" not in link.style
        ):
            yield f"told from text by its colour alone: {excerpt(link.text)}"


def _targets(mail: ParsedMessage) -> Iterator[str]:
    for block in mail.light.all("p", "td", "div", "li"):
        links = [part for part in block.content if isinstance(part, Element) and part.tag == "a"]
        others = sum(c.isalnum() for c in block.words)
        if len(links) > 1 and others < sum(len(link.text) for link in links):
            high = line_height_of(block) * size_of(block)
            if high < _LOWEST_TARGET - 0.1:
                yield f"lines of {high:.0f} px: {excerpt(block.text)}"


def _buttons(mail: ParsedMessage) -> Iterator[str]:
    for link in mail.links():
        if _is_button(link):
            if link.parent is None or link.parent.tag != "td" or not _is_coloured(link.parent):
                yield f"no coloured cell around it, so that Outlook shows no button: {excerpt(link.text)}"
            high = sum(_padding(link)) + line_height_of(link) * size_of(link)
            if high < _LOWEST_BUTTON - 0.1:
                yield f"{high:.0f} px high: {excerpt(link.text)}"


def _is_button(link: Element) -> bool:
    """Whether a link has a field of colour of its own."""
    cell = link.parent
    alone = cell is not None and cell.tag == "td" and len(cell.content) == 1
    return sum(_padding(link)) > 0 and (_is_coloured(link) or (alone and _is_coloured(cell)))


def _is_coloured(element: Element | None) -> bool:
    return element is not None and ("background-color" in element.style or "bgcolor" in element.attributes)


def _padding(element: Element) -> tuple[float, float]:
    """Above and below, in px."""
    sides = element.style.get("padding", "").split() or ["0"]
    above, below = sides[0], sides[2] if len(sides) > 2 else sides[0]
    return pixels(element.style.get("padding-top", above)), pixels(element.style.get("padding-bottom", below))


def _reason(mail: ParsedMessage) -> Iterator[str]:
    address = next((address for _, address in getaddresses([mail.field("To")])), "")
    for name, said in (("HTML", mail.light.text), ("text", mail.text)):
        if said and not (_REASON.search(said) and address.casefold() in said.casefold()):
            yield f"the {name} does not say why the reader gets it, and at which address"


def _ways_out(mail: ParsedMessage) -> Iterator[str]:
    if mail.footer is None:
        yield "no link ends the mails"
        return
    links = mail.footer.all("a")
    if mail.ways_out() and not any(link.attributes.get("href") in mail.ways_out() for link in links):
        yield "the way out of List-Unsubscribe is not linked"
    said = [link.text for link in links if not is_way_out(link)]
    for words, missing in ((_PREFERENCES, "to the preferences"), (_ON_THE_WEB, "to the mail on the web")):
        if not any(words.search(one) for one in said):
            yield f"no link {missing}"


RULES = (
    Rule(
        "https",
        ALL,
        Scope.HTML,
        "Every link is https (http only to the same machine).",
        "Use absolute https addresses; links within a message work in few email programs.",
        _https,
    ),
    Rule(
        "tracking",
        ALL,
        Scope.HTML,
        "No tracking: no campaign parameters, no redirects, no pixels.",
        "Link to the page itself.",
        _tracking,
    ),
    Rule(
        "link-words",
        ALL,
        Scope.HTML,
        "Link texts say where they lead.",
        'Link the title instead of "here" or "PDF": screen readers list links without the text around them.',
        _link_words,
    ),
    Rule(
        "link-marks",
        ALL,
        Scope.HTML,
        "Links differ from text by more than colour.",
        "Underline it.",
        _link_marks,
    ),
    Rule(
        "targets",
        ALL,
        Scope.HTML,
        "Links next to each other are on lines of at least 24 px.",
        "Set a line height of 24 px or more for rows of links (WCAG 2.2, 2.5.8).",
        _targets,
    ),
    Rule(
        "buttons",
        ALL,
        Scope.HTML,
        "A button is a link in a coloured cell, at least 44 px high.",
        "Put the colour on the <td> and padding on the link.",
        _buttons,
    ),
    Rule(
        "reason",
        BULK,
        Scope.ANY,
        "The message says why it was sent, and to which address.",
        'Write "You’re receiving this because …" and the address into the footer, in HTML and text.',
        _reason,
    ),
    Rule(
        "ways-out",
        BULK,
        Scope.HTML,
        "The footer links to unsubscribing, the preferences and the web version.",
        "Add these links to the footer, including the one in List-Unsubscribe.",
        _ways_out,
    ),
)
