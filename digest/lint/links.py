"""Rules of links: targets, texts, tap areas, and the unsubscribe link in the footer."""

import re
from collections.abc import Iterator
from email.utils import getaddresses
from urllib.parse import SplitResult, urlsplit

from digest.lint.html import is_pixel
from digest.lint.message import ALL, BULK, ParsedMessage, Rule, Scope, excerpt, is_unsubscribe_link, loose
from digest.lint.tree import Element, line_height_of, pixels, size_of

_SAYS_NOTHING = re.compile(
    r"(please )?((click|tap|press|follow|open) )?(on )?(here|this|(the |this )?(link|button|page))|click|tap|go|"
    r"pdf|url|web ?site|((read|learn|see|find out|show|view) )?more|read( on)?|continue( reading)?|details|"
    r"info(rmation)?|(请)?(点击|点|单击)?(这里|此处|链接|此链接)|点击|(查看|阅读|了解)?(更多|详情)|"
    r"(klicken sie )?hier|mehr|(cliquez )?ici|(haga clic )?aquí",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(https?://|www\.)\S+", re.IGNORECASE)
_CAMPAIGN = re.compile(r"[?&](utm_[a-z]+|mc_[ce]id|_hsenc|fbclid|gclid)=", re.IGNORECASE)
_REDIRECTS = re.compile(
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


def _https(message: ParsedMessage) -> Iterator[str]:
    for link in dict.fromkeys(message.web_links):
        url = _split(link)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            yield f"{'a link within the message' if link.startswith('#') else 'not https'}: {link[:80]}"


def _split(link: str) -> SplitResult:
    """Parse the address; an invalid one has no scheme and no host."""
    try:
        return urlsplit(link)
    except ValueError:
        return urlsplit("")


def _tracking(message: ParsedMessage) -> Iterator[str]:
    links = dict.fromkeys(message.web_links)
    tracking = (link for link in links if _CAMPAIGN.search(link) or _REDIRECTS.search(_split(link).hostname or ""))
    yield from (f"a tracking link: {link[:80]}" for link in tracking)
    pixels_in_body = filter(is_pixel, message.body.all("img"))
    yield from (f"an invisible image: {image.attributes.get('src', '')[:60]}" for image in pixels_in_body)


def _link_words(message: ParsedMessage) -> Iterator[str]:
    for link in message.links:
        words = loose(link.text) or " ".join(image.attributes.get("alt", "") for image in link.all("img"))
        if not words.strip() or _SAYS_NOTHING.fullmatch(words.strip(" .!:›»→")) or _ADDRESS.fullmatch(words.strip()):
            yield f"{words!r} to {link.attributes['href'][:60]}"


def _link_marks(message: ParsedMessage) -> Iterator[str]:
    plain = (link for link in message.links if not (_is_marked(link) or _fills_heading(link) or _is_button(link)))
    return (f"differs from text by colour only: {excerpt(link.text)}" for link in plain)


def _is_marked(link: Element) -> bool:
    line = link.style.get("border-bottom", "none").lower()
    is_underlined = "underline" in link.style.get("text-decoration", "underline").lower()
    return is_underlined or not re.search(r"none|hidden|\b0(px)?\b", line)


def _fills_heading(link: Element) -> bool:
    """Tell whether a link is all of a heading, so that no text is next to it."""
    heading = next((above for above in link.ancestry() if above.tag in ("h1", "h2", "h3")), None)
    return heading is not None and loose(heading.text) == loose(link.text)


def _targets(message: ParsedMessage) -> Iterator[str]:
    for block in message.light.all("p", "td", "div", "li"):
        links = [part for part in block.content if isinstance(part, Element) and part.tag == "a"]
        others = sum(c.isalnum() for c in block.words)
        height = line_height_of(block) * size_of(block)
        if len(links) > 1 and others < sum(len(link.text) for link in links) and height < _LOWEST_TARGET - 0.1:
            yield f"lines of {height:.0f} px: {excerpt(block.text)}"


def _buttons(message: ParsedMessage) -> Iterator[str]:
    for link in filter(_is_button, message.links):
        if link.parent is None or link.parent.tag != "td" or not _is_coloured(link.parent):
            yield f"no coloured cell around it, so that Outlook shows no button: {excerpt(link.text)}"
        height = _padding(link) + line_height_of(link) * size_of(link)
        if height < _LOWEST_BUTTON - 0.1:
            yield f"{height:.0f} px high: {excerpt(link.text)}"


def _is_button(link: Element) -> bool:
    """Tell whether a link has a coloured area of its own."""
    cell = link.parent
    alone = cell is not None and cell.tag == "td" and len(cell.content) == 1
    return _padding(link) > 0 and (_is_coloured(link) or (alone and _is_coloured(cell)))


def _is_coloured(element: Element | None) -> bool:
    return element is not None and ("background-color" in element.style or "bgcolor" in element.attributes)


def _padding(element: Element) -> float:
    """Add up the padding above and below, in px."""
    sides = element.style.get("padding", "").split() or ["0"]
    above, below = sides[0], sides[2] if len(sides) > 2 else sides[0]
    return pixels(element.style.get("padding-top", above)) + pixels(element.style.get("padding-bottom", below))


def _reason(message: ParsedMessage) -> Iterator[str]:
    address = next((address for _, address in getaddresses([message.field("To")])), "")
    for name, text in (("HTML", message.light.text), ("text", message.text)):
        if text and not (_REASON.search(text) and address.casefold() in text.casefold()):
            yield f"the {name} does not say why the message was sent, and to which address"


def _ways_out(message: ParsedMessage) -> Iterator[str]:
    if message.footer is None:
        yield "there is no unsubscribe link"
        return
    links = message.footer.all("a")
    if message.unsubscribe_urls and not any(link.attributes.get("href") in message.unsubscribe_urls for link in links):
        yield "the address in List-Unsubscribe is not linked"
    texts = [link.text for link in links if not is_unsubscribe_link(link)]
    for words, target in ((_PREFERENCES, "the preferences"), (_ON_THE_WEB, "the web version")):
        if not any(map(words.search, texts)):
            yield f"no link to {target}"


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
        'Link the title, not "here", "PDF" or an address: screen readers list links without the text around them.',
        _link_words,
    ),
    Rule(
        "link-marks",
        ALL,
        Scope.HTML,
        "Links differ from the text around them by more than colour.",
        "Underline it (WCAG 2.2, 1.4.1).",
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
