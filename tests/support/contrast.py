"""Contrast of text as judged by axe-core, once for each way of painting text, because that rule is slow."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

COLOURS = ("color-contrast", "link-in-text-block")  # the rules whose outcome depends on the colour scheme

# Everything that the outcome for an element depends on: its own text, and the paint behind it. Elements that are moved
# over others by their position have no such key, so they are judged each time.
_KEYS = """() => {
  const grounds = new Map([[null, ""]])
  const ground = e => {
    if (!grounds.has(e)) {
      const {position, backgroundColor, backgroundImage, opacity, filter, mixBlendMode, transform} = getComputedStyle(e)
      const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode, transform].join()
      const below = ground(e.parentElement)
      const moved = position !== "static" || below === null
      grounds.set(e, moved ? null : own === "rgba(0, 0, 0, 0),none,1,none,normal,none" ? below : `${below}|${own}`)
    }
    return grounds.get(e)
  }
  const around = link => {
    let block = link.parentElement
    while (getComputedStyle(block).display === "inline") block = block.parentElement
    const style = getComputedStyle(block)
    return [block.textContent.trim() !== link.textContent.trim(), style.color, style.fontWeight, style.fontStyle]
  }
  const key = e => {
    const behind = ground(e)
    if (behind === null) return null
    const s = getComputedStyle(e)
    const text = [s.color, s.fontSize, s.fontWeight, s.fontStyle, s.fontFamily, s.textShadow, s.textDecoration,
                  s.border, s.outline, s.textIndent, s.webkitTextStroke, s.webkitTextFillColor]
    const off = e.closest(":disabled, [aria-disabled=true]") !== null || e.control?.disabled
    return [behind, ...text, off, ...(e.matches("a[href]") ? around(e) : [])].join()
  }
  const hasText = e => e.matches("input, select, textarea")
    || [...e.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
  const onScreen = ({right, bottom}) => right > 0 && bottom + scrollY > 0
  return [...document.querySelectorAll("body, body *")]
    .filter(e => hasText(e) && e.checkVisibility() && onScreen(e.getBoundingClientRect())).map(e => [e, key(e)])
}"""

# In a second turn, elements that are painted like an element without a verdict.
_JUDGE = f"""async ([judged, rules]) => {{
  const known = new Set(judged), keys = new Map(({_KEYS})()), wrong = []
  for (const turn of [1, 2]) {{
    const chosen = new Set()
    const fresh = [...keys].filter(([e, key]) => key === null ? turn === 1 : !known.has(key) && (
      turn === 2 || !chosen.has(key) && chosen.add(key))).map(([e]) => e)
    if (!fresh.length) break
    const options = {{runOnly: rules, resultTypes: ["violations", "passes"], elementRef: true, iframes: false}}
    const {{violations, passes}} = await axe.run({{include: fresh}}, options)
    wrong.push(...violations.map(({{id, nodes}}) => [id, nodes.map(node => node.html)]))
    for (const {{id, nodes}} of [...violations, ...passes])
      if (id === rules[0]) nodes.forEach(({{element}}) => known.add(keys.get(element) ?? ""))
  }}
  return [wrong, [...known]]
}}"""


class Contrast:
    """The verdicts on the pages of a test."""

    def __init__(self) -> None:
        self._judged: list[str] = []

    def faults(self, page: "Page") -> list[tuple[str, list[str]]]:
        """Return the faults that axe-core, loaded in the page, finds with colours not judged before."""
        wrong, self._judged = page.evaluate(_JUDGE, [self._judged, list(COLOURS)])
        return [(rule, elements[:3]) for rule, elements in wrong]
