"""A page as the Tab key finds it: every stop is reached, in the order of the page, and shows that it has the focus."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Numbers all below `start` that a keyboard should reach, of a group of radio buttons the one that is chosen, else the
# first; then notes each stop that gets the focus, and whether it is on the screen with an outline.
_WATCH = """([start, known]) => {
  const top = document.querySelector(start)
  const all = [...top.querySelectorAll("a[href], button, input, select, textarea, summary")]
  const first = e => {
    const group = all.filter(other => other.type === "radio" && other.name === e.name && other.form === e.form)
    return group.find(other => other.checked) ?? group[0]
  }
  const stops = all.filter(e => e.tabIndex >= 0 && e.type !== "hidden" && e.checkVisibility()
    && (e.type !== "radio" || first(e) === e))
  const kinds = stops.map(e => [e.localName, e.type, e.name, e.id, e.className, e.tabIndex].join())
  if (kinds.every(kind => known.includes(kind))) return [0, 0, known]
  const ringed = e => [e, ...e.parentElement.querySelectorAll(":scope > span")].some(one => {
    const style = getComputedStyle(one)
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
  })
  window.passed = []
  window.watch?.abort()
  window.watch = new AbortController()
  document.addEventListener("focusin", ({target: e}) => {
    if (e === top || window.passed.at(-1)?.[0] === stops.indexOf(e)) return
    const box = e.getBoundingClientRect()
    const seen = box.bottom > 0 && box.top < innerHeight && ringed(e)
    window.passed.push([stops.indexOf(e), e.outerHTML.slice(0, 120), seen])
  }, {signal: window.watch.signal})
  top.tabIndex = -1
  top.focus({preventScroll: true})
  top.removeAttribute("tabindex")
  return [stops.length, stops.filter(e => e.type === "date").length, kinds]
}"""
_WITHIN_A_DATE = 3  # more stops: day, month, year and the calendar


def faults_of_tab(page: "Page", known: set[str], start: str = "main") -> list[str]:
    """Walk through what is below `start`, and return what is not reached in order, or not to be seen.

    Nothing is done where all stops are of `known` kinds, to which those of the page are added.
    """
    if page.locator("iframe").count():
        return []  # the stops within are the email's
    stops, dates, kinds = page.evaluate(_WATCH, [start, list(known)])
    known.update(kinds)
    if not stops:
        return []
    for _ in range(stops + _WITHIN_A_DATE * dates):
        page.keyboard.down("Tab")  # as if it were held, which takes two thirds of the work
    page.keyboard.up("Tab")
    passed = page.evaluate("passed")[:stops]  # what comes after the last one is not below it
    found = [f"no focus to be seen: {what}" for _, what, seen in passed if not seen]
    if [stop for stop, *_ in passed] != list(range(stops)):
        found.append(f"{stops} stops, reached: {passed}")
    return found
