"""Rules of the HTML as a document: language, title, preheader, elements, tables, headings, images."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from digest.lint.message import ALL, BULK, SPACERS, ParsedMessage, Rule, Scope, excerpt, loose
from digest.lint.tree import Element, pixels

# Shown by 16 email programs (caniemail.com, 2026-05).
_ELEMENTS = re.compile(
    "html|head|meta|title|style|body|div|span|p|a|strong|b|em|i|sub|sup|small|code|pre|blockquote|del|address|"
    "h[1-6]|ul|ol|li|table|tbody|tr|td|hr|br|img"
)
_ACTIVE = re.compile(
    "script|noscript|form|input|button|select|textarea|iframe|frame|object|embed|applet|svg|math|canvas|video|audio|"
    "source|link|base|template|dialog"
)
_CONTAINERS = ("html", "body", "div", "table", "tbody", "tr")  # their direction is that of the page
_METAS = ("viewport", "x-apple-disable-message-reformatting", "format-detection")
_LONGEST_HTML = 100_000  # encoded; Gmail clips at about 102 kB
_LAYOUT = {"role": "presentation", "border": "0", "cellpadding": "0", "cellspacing": "0"}
_MOST_IMAGES = 3
_SHORTEST_PREHEADER, _LONGEST_PREHEADER = 40, 130
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")  # BCP 47, the usual ones
_GHOST = re.compile(r"<!--\[if [^\]]*mso[^\]]*\]>.*?<table[^>]*\bwidth=\"?6[0-4]\d\b", re.IGNORECASE | re.DOTALL)
_NARROWEST = 320  # px, a small phone


def _doctype(message: ParsedMessage) -> Iterator[str]:
    if not re.match(r"\s*<!doctype html>", message.html, re.IGNORECASE):
        yield f"the HTML begins with {excerpt(message.html)!r}"


def _language(message: ParsedMessage) -> Iterator[str]:
    for element in (message.tree, message.body):
        language, direction = (element.attributes.get(name, "") for name in ("lang", "dir"))
        if not _LANGUAGE.fullmatch(language):
            yield f"<{element.tag}> has the language {language!r}"
        if direction not in ("ltr", "rtl"):
            yield f"<{element.tag}> has the direction {direction!r}"


def _direction(message: ParsedMessage) -> Iterator[str]:
    is_rtl = message.tree.attributes.get("dir") == "rtl"
    for element in message.shown(message.body):
        first = next((unicodedata.bidirectional(c) for c in element.words if unicodedata.category(c)[0] == "L"), "")
        is_marked = any("dir" in above.attributes and above.tag not in _CONTAINERS for above in element.ancestry())
        if first and (first in ("R", "AL")) != is_rtl and not is_marked:
            yield f"written in the other direction: {excerpt(element.words)}"


def _charset(message: ParsedMessage) -> Iterator[str]:
    declared = re.search(r"<meta\s+charset=\"?utf-8\"?|<meta[^>]*charset=utf-8", message.html, re.IGNORECASE)
    title = message.html.lower().find("<title")
    if declared is None or declared.start() > 1024 or 0 <= title < declared.start():
        yield "<meta charset> does not come before all text"


def missing_metas(message: ParsedMessage, *names: str) -> Iterator[str]:
    present = {meta.attributes.get("name", "").lower() for meta in message.tree.all("meta")}
    yield from (f'no <meta name="{name}">' for name in names if name not in present)


def _title(message: ParsedMessage) -> Iterator[str]:
    titles = [loose(title.text) for title in message.tree.all("title")]
    if titles != [loose(message.subject)]:
        yield f"the title is {excerpt(' '.join(titles))!r}, the subject {excerpt(message.subject)!r}"


def _preheader(message: ParsedMessage) -> Iterator[str]:
    first = next((e for e in message.body.everything() if e.words.strip() and e.tag != "style"), None)
    if first is None or not first.is_hidden:
        yield "the first text of the body is not a hidden preheader"
        return
    text = loose(first.words)
    columns = sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
    if columns < _SHORTEST_PREHEADER or len(text) > _LONGEST_PREHEADER:
        yield f"the preheader has {len(text)} characters: {excerpt(text)}"
    if text == loose(message.subject):
        yield "the preheader repeats the subject"
    if sum(c in SPACERS for c in first.words) < 20:
        yield "no spacer follows the preheader, so that the first words of the message do"


def _tables(message: ParsedMessage) -> Iterator[str]:
    tables = message.body.all("table")
    stated = [{name: table.attributes.get(name) for name in _LAYOUT} for table in tables]
    wrong = (attributes for attributes in stated if attributes != _LAYOUT)
    yield from (f"a table that is read aloud, or has borders or padding: {attributes}" for attributes in wrong)
    if any(sum(above.tag == "table" for above in table.ancestry()) > 3 for table in tables):
        yield "tables are nested deeper than three"
    if message.body.all("th"):
        yield "<th> in a layout table"


def _column(message: ParsedMessage) -> Iterator[str]:
    widths = [pixels(e.style.get("max-width", "")) for e in message.light.all("table", "div", "td")]
    if not any(600 <= width <= 640 for width in widths):
        yield "no column of 600 to 640 px"
    if not _GHOST.search(message.html):
        yield "no table of that width for Outlook, which does not support max-width"


def _narrow(message: ParsedMessage) -> Iterator[str]:
    for element in message.light.everything():
        widths = (element.attributes.get("width", ""), element.style.get("width", ""))
        wide = [width for width in widths if not width.endswith("%") and pixels(width) > _NARROWEST]
        limit = element.style.get("max-width", "")
        if wide and not limit.endswith("%") and not 0 < pixels(limit) <= _NARROWEST:
            yield f"<{element.tag}> is {wide[0]} wide, more than a phone"


def _elements(message: ParsedMessage) -> Iterator[str]:
    tags = sorted({element.tag for element in message.tree.everything()} - {"th"})
    yield from (f"<{tag}>" for tag in tags if not _ELEMENTS.fullmatch(tag) and not _ACTIVE.fullmatch(tag))


def _active(message: ParsedMessage) -> Iterator[str]:
    for element in message.tree.everything():
        if _ACTIVE.fullmatch(element.tag):
            yield f"<{element.tag}>"
        yield from (f"{name} on <{element.tag}>" for name in element.attributes if name.startswith("on"))


def _images(message: ParsedMessage) -> Iterator[str]:
    images = [image for image in message.body.all("img") if not is_pixel(image)]
    for image in images:
        source = image.attributes.get("src", "")
        if missing := [name for name in ("alt", "width", "height") if name not in image.attributes]:
            yield f"an image without {' and '.join(missing)}: {source[:60]}"
        if not re.match(r"https?://[^/]", source):
            yield f"an image without a web address: {source[:60]}"
    if len(images) > _MOST_IMAGES:
        yield f"{len(images)} images"


def is_pixel(image: Element) -> bool:
    """Tell whether an image cannot be seen, so that it only reports that it was loaded."""
    sizes = [image.attributes.get(name) or image.style.get(name, "") for name in ("width", "height")]
    return image.is_hidden or any(re.fullmatch(r"[01](px)?", size.strip()) for size in sizes)


def _size(message: ParsedMessage) -> Iterator[str]:
    if len(message.html_on_the_wire) > _LONGEST_HTML:
        yield f"{len(message.html_on_the_wire):,} bytes of encoded HTML"


def _headings(message: ParsedMessage) -> Iterator[str]:
    order = [element.tag for element in message.body.all("h1", "h2", "h3", "h4", "h5", "h6")]
    if order.count("h1") != 1 or order[0] != "h1":
        yield f"the headings are {' '.join(order) or 'none'}"
    elif any(int(after[1]) > int(before[1]) + 1 for before, after in pairwise(order)):
        yield f"a level is skipped: {' '.join(order)}"


def _item_headings(message: ParsedMessage) -> Iterator[str]:
    if not message.body.all("h2"):
        yield "no <h2>: the items have no headings"


def _paragraphs(message: ParsedMessage) -> Iterator[str]:
    if re.search(r"<br\s*/?>\s*<br\s*/?>", message.html, re.IGNORECASE):
        yield "<br><br> separates paragraphs"


RULES = (
    Rule("doctype", ALL, Scope.HTML, "The HTML begins with <!doctype html>.", "Put it first.", _doctype),
    Rule(
        "language",
        ALL,
        Scope.HTML,
        "<html> and <body> state language and direction.",
        'Write lang="en" dir="ltr" on both: screen readers choose their voice by it, and some programs drop <html>.',
        _language,
    ),
    Rule(
        "direction",
        ALL,
        Scope.HTML,
        "Text that runs in the other direction is marked.",
        'Add dir="auto" to the paragraph or heading.',
        _direction,
    ),
    Rule(
        "charset",
        ALL,
        Scope.HTML,
        "<meta charset> comes before any text.",
        'Put <meta charset="utf-8"> first in <head>.',
        _charset,
    ),
    Rule(
        "metas",
        ALL,
        Scope.HTML,
        "The head keeps phones from shrinking text and from turning dates into links.",
        "Add the missing <meta>.",
        lambda message: missing_metas(message, *_METAS),
    ),
    Rule("title", ALL, Scope.HTML, "<title> is the subject.", "Put the subject into <title>.", _title),
    Rule(
        "preheader",
        ALL,
        Scope.HTML,
        "A hidden preheader comes first: 40 to 130 characters, not the subject, then a spacer.",
        "Use it to say what is inside; a wide character counts as two.",
        _preheader,
    ),
    Rule(
        "tables",
        ALL,
        Scope.HTML,
        "Layout tables are marked as presentation, without borders or padding, at most three deep.",
        'Write <table role="presentation" border="0" cellpadding="0" cellspacing="0">.',
        _tables,
    ),
    Rule(
        "column",
        ALL,
        Scope.HTML,
        "There is one column of at most 600 to 640 px, for Outlook too.",
        "Set max-width on the outer table, and put a table of that width around it in <!--[if mso]>.",
        _column,
    ),
    Rule(
        "narrow",
        ALL,
        Scope.HTML,
        "Nothing is wider than a phone of 320 px.",
        "Use width 100% with a max-width.",
        _narrow,
    ),
    Rule(
        "elements",
        ALL,
        Scope.HTML,
        "Only elements that email programs show.",
        "Use <div>, <p>, <table>, headings and lists.",
        _elements,
    ),
    Rule(
        "active",
        ALL,
        Scope.HTML,
        "Nothing runs, is filled in, played or loaded as a style: no script, form, frame, SVG, video, <link>.",
        "Remove it: email programs do, or discard the message.",
        _active,
    ),
    Rule(
        "images",
        ALL,
        Scope.HTML,
        "At most three images, each with a web address, alt, width and height.",
        "Describe the image in alt, so that the message can be read with images off.",
        _images,
    ),
    Rule(
        "size",
        ALL,
        Scope.HTML,
        "The encoded HTML has at most 100,000 bytes.",
        "Shorten it: Gmail clips longer messages, and the unsubscribe link with them.",
        _size,
    ),
    Rule(
        "headings",
        ALL,
        Scope.HTML,
        "There is one <h1>, it comes first, and no level is skipped.",
        "Use <h1> for the title and <h2> for the items.",
        _headings,
    ),
    Rule(
        "item-headings",
        BULK,
        Scope.HTML,
        "Each item has a heading.",
        "Use <h2> for the title of each item: people jump from one to the next.",
        _item_headings,
    ),
    Rule(
        "paragraphs",
        ALL,
        Scope.HTML,
        "Paragraphs are <p>.",
        "Write <p> instead of <br><br>.",
        _paragraphs,
    ),
)
