"""A subscriber's life in chapters: each yields the name of a step whenever there is a page to judge."""

import json
import re

from digest.clock import now
from digest.database.engine import read_only
from digest.ledger.kinds import Status
from digest.subscribers.address_change.change import Side
from digest.subscribers.address_change.store import open_change
from digest.subscribers.paper_feedback import FeedbackKind
from digest.subscribers.subscriber import Balance, Frequency
from digest.subscribers.tokens import Purpose, sign
from tests.web.conftest import SECRET, START
from tests.web.personal.test_library import BIB
from tests.web.rendered_pages import send_list

PAPER = "2603.00000"


def subscribing(visitor):
    visitor.open("/")
    yield "front page"
    visitor.press("main a[href*='/sample-email']")
    yield "sample email"
    visitor.open("/")
    visitor.write({"email": "not an address"})
    visitor.press()
    visitor.is_told_at("email")
    yield "wrong address"
    visitor.sends_address(visitor.address)
    yield "check your inbox"
    visitor.follow(Purpose.CONFIRM)
    yield "confirm"
    visitor.unfold()
    visitor.write({"papers": "99"})
    visitor.press()
    visitor.is_told_at("papers")
    assert visitor.subscriber.status is Status.PENDING
    yield "wrong number of papers"
    visitor.write({"papers": "5"})
    visitor.press()
    chosen = visitor.subscriber.preferences
    assert (visitor.subscriber.status, chosen.papers, chosen.language) == (Status.CONFIRMED, 5, visitor.way.language)
    assert visitor.page.locator(".card .why").count() == 5
    yield "first papers"
    visitor.choose("[name=topics][value=efficiency]")
    visitor.press()
    visitor.is_told()
    assert visitor.subscriber.preferences.topics == ("efficiency",)
    assert visitor.page.locator(".card .why").count() == 5
    yield "topics chosen"
    visitor.open("/manage")
    visitor.write({"email": "nobody"})
    visitor.press()
    visitor.is_told_at("email")
    yield "wrong address for a link"
    visitor.sends_address(visitor.address)
    assert visitor.visit.queued().count("link") >= 1
    yield "link on its way"


def preferring(visitor):
    visitor.signs_up()
    visitor.follow(Purpose.MANAGE)
    yield "preferences"
    wrong = {"keywords": "x" * 100, "zone": "Nowhere", "papers": "0"}
    visitor.write(wrong)
    visitor.press()
    for field, value in wrong.items():
        visitor.is_told_at(field)
        assert visitor.page.input_value(f"#{field}") == value
    yield "wrong preferences"
    before = visitor.page.inner_text("[data-forecast]")
    visitor.write({"keywords": "quantization", "zone": "Asia/Tokyo", "papers": "7"})
    visitor.choose("[name=balance][value=only]")
    if visitor.way.scripts:
        visitor.page.wait_for_function("old => document.querySelector('[data-forecast]').innerText !== old", arg=before)
        yield "the number as they type"
        counted = visitor.page.inner_text("[data-forecast]")
    visitor.press("main form button:not([name])")
    visitor.is_told()
    if visitor.way.scripts:
        assert visitor.page.inner_text("[data-forecast]") == counted
    kept = visitor.subscriber.preferences
    assert (kept.keywords, kept.zone, kept.papers) == (("quantization",), "Asia/Tokyo", 7)
    assert kept.balance is Balance.ONLY
    yield "preferences saved"
    visitor.press("main a[href*='/next-email']")
    visitor.page.frame_locator("iframe").locator("h1").first.wait_for()
    yield "next email"
    visitor.press("main a[href*='/preferences/']")
    visitor.choose("[name=pause][value=until]")
    visitor.press()
    visitor.is_told_at("pause")
    yield "a pause without a date"
    visitor.page.fill("[name=pause_until]", START.date().replace(day=30).isoformat())
    visitor.press()
    assert visitor.subscriber.preferences.paused_until == START.date().replace(day=30)
    yield "paused"
    visitor.choose("[name=pause][value='0']")
    visitor.press()
    assert visitor.subscriber.preferences.paused_until == START.date()  # kept for the catch-up
    visitor.press("[value=link]")
    visitor.is_told()
    yield "link in the inbox"


def judging_papers(visitor):
    visitor.signs_up()
    visitor.follow(Purpose.FEEDBACK, f"/more/{PAPER}")
    assert visitor.feedback == []
    assert visitor.page.locator("[aria-pressed]").count() == 0
    yield "feedback"
    for kind in (FeedbackKind.MORE, FeedbackKind.LESS):
        visitor.press(f"[name=say][value={kind}]")
        assert visitor.feedback == [(PAPER, kind)]
        assert visitor.page.locator("[aria-pressed=true]").count() == 1
        yield f"said {kind}"
    visitor.press("[name=save]")
    yield "saved for later"
    visitor.follow(Purpose.FEEDBACK, f"/issues/{send_list(visitor.visit, subscriber=visitor.subscriber)}")
    assert visitor.page.locator(".card .why").count() == 3
    yield "the list that was sent"
    visitor.follow(Purpose.FRESH)
    visitor.press("main a[href*='/list/']:not([href*=feed])")
    yield "saved list"
    assert "@misc" in visitor.download("a[href$='.bib']")
    assert "TY  - " in visitor.download("a[href$='.ris']")
    feed = visitor.page.locator("a[href*='feed.atom']").get_attribute("href")
    assert PAPER in visitor.visit.browser.get(feed).text
    visitor.press("[name=remove]")
    visitor.is_told()
    yield "removed from the saved list"
    visitor.open(f"/feedback/{visitor.visit.token(Purpose.FRESH, visitor.subscriber)}")
    yield "all feedback"
    visitor.press("[name=action][value=reset]")
    visitor.is_told_at("sure")
    yield "clear all, really?"
    visitor.press("[name=forget]")
    assert visitor.feedback == []
    yield "feedback undone"


def bringing_a_library(visitor):
    visitor.signs_up()
    visitor.follow(Purpose.FRESH)
    visitor.press("main a[href*='/library/']")
    address = visitor.page.url
    yield "empty library"
    visitor.page.set_input_files("#file", {"name": "my.bib", "mimeType": "text/plain", "buffer": BIB.encode()})
    visitor.press("button[value=add]")
    assert visitor.page.locator("progress").get_attribute("max") == "6"
    yield "uploaded"
    visitor.look_up()
    visitor.page.goto(address)
    assert visitor.page.locator("progress").get_attribute("value") == "6"
    yield "looked up: found and not found"
    visitor.press("button[name=remove]")
    assert visitor.page.locator("button[name=remove]").count() == 5
    visitor.press("button[value=clear]")
    visitor.is_told_at("sure")
    yield "remove all, really?"
    visitor.choose("#sure")
    visitor.press("button[value=clear]")
    visitor.is_told()
    assert visitor.page.locator("button[name=remove]").count() == 0
    yield "taken back"
    visitor.press("button[value=zotero]")
    visitor.is_told_at("zotero")
    yield "no number of a library"


def changing_the_address(visitor):
    visitor.signs_up()
    new, number = f"new-{visitor.address}", visitor.subscriber.id
    visitor.follow(Purpose.FRESH)
    visitor.press("main a[href*='/address/']")
    yield "change my address"
    visitor.write({"email": "nonsense"})
    visitor.press()
    visitor.is_told_at("email")
    yield "wrong new address"
    visitor.sends_address(new)
    assert new in visitor.page.inner_text("main")
    yield "check both inboxes"
    with read_only(visitor.visit.engine) as connection:
        change = open_change(connection, number)
    assert change is not None
    for side in Side:
        visitor.open(f"/address/{side}/{sign(side.purpose, change.id, now(), [SECRET.encode()])}")
        assert new in visitor.page.inner_text("main")
        yield f"at the {side} address"
        visitor.press()
        assert visitor.page.locator("h1.done").count() == 1
        yield f"confirmed at the {side} address"
    assert visitor.visit.subscriber(new).id == number


def leaving(visitor):
    visitor.signs_up()
    for instead in ("weekly", "pause"):
        visitor.follow(Purpose.UNSUBSCRIBE)
        assert visitor.subscriber.status is Status.CONFIRMED
        yield "unsubscribe"
        visitor.press(f"[name=instead][value={instead}]")
        assert visitor.subscriber.status is Status.CONFIRMED
        yield f"{instead} instead"
    assert visitor.subscriber.preferences.frequency is Frequency.WEEKLY
    assert visitor.subscriber.preferences.paused_until
    visitor.follow(Purpose.UNSUBSCRIBE)
    visitor.press()
    assert visitor.subscriber.status is Status.UNSUBSCRIBED
    yield "unsubscribed"
    visitor.press("[name=tell]")
    visitor.is_told_at("why")
    yield "no reason"
    visitor.choose("[name=why][value='no time']")
    visitor.press("[name=tell]")
    assert "no time" in str(visitor.visit.everything()["events"])
    yield "told why"
    visitor.follow(Purpose.UNSUBSCRIBE)
    visitor.press()  # a second time: it was so already
    assert visitor.page.locator("[name=undo]").count() == 0
    yield "unsubscribed already"
    visitor.follow(Purpose.MANAGE)
    yield "preferences of somebody unsubscribed"
    visitor.press("[value=resubscribe]")
    assert visitor.subscriber.status is Status.CONFIRMED
    visitor.follow(Purpose.UNSUBSCRIBE)
    visitor.press()
    visitor.press("[name=undo]")
    assert visitor.subscriber.status is Status.CONFIRMED
    yield "undone"
    path = f"/u/{visitor.visit.token(Purpose.UNSUBSCRIBE, visitor.subscriber)}"
    visitor.visit.browser.post(path, data={"List-Unsubscribe": "One-Click"})  # as mail programs do
    assert visitor.subscriber.status is Status.UNSUBSCRIBED


def taking_data_along(visitor):
    visitor.signs_up()
    old = f"/preferences/{visitor.visit.token(Purpose.MANAGE, visitor.subscriber)}"
    visitor.follow(Purpose.FRESH)
    yield "fresh link"
    assert visitor.address in json.dumps(json.loads(visitor.download("[value=export]")))
    visitor.press("[value=revoke]")
    yield "old links turned off"
    visitor.open(old)
    yield "an old link"
    visitor.follow(Purpose.FRESH)
    visitor.press("[value=erase]")
    visitor.is_told_at("sure")
    assert visitor.subscriber.email == visitor.address
    yield "delete, really?"
    visitor.choose("#sure")
    visitor.press("[value=erase]")
    yield "deleted"
    assert not re.search(visitor.address, json.dumps(visitor.visit.everything(), default=str))


def reading(visitor):
    visitor.open("/latest")
    visitor.press("a[rel=prev]")
    visitor.press("a[rel=next]")
    assert visitor.page.url.split("?")[0].endswith(str(START.date()))
    yield "newest issue"
    assert "@misc" in visitor.download("main a[href$='.bib']")
    visitor.press(".card .title a")
    assert "TY  - " in visitor.download("main a[href$='.ris']")
    visitor.unfold("details summary")
    yield "the numbers behind a rank"
    visitor.open("/")
    visitor.page.fill("[type=search]", f"arXiv:{PAPER}")
    with visitor.page.expect_navigation():
        visitor.page.press("[type=search]", "Enter")
    assert f"/papers/{PAPER}" in visitor.page.url
    yield "an exact id leads to its paper"
    visitor.open("/search")
    visitor.unfold()
    yield "all fields of the search"


CHAPTERS = (
    subscribing, preferring, judging_papers, bringing_a_library, changing_the_address, leaving, taking_data_along,
    reading,
)  # fmt: skip
