"""Pages as judged by axe-core, each structure once, since a run of all rules takes half a second of CPU time."""

from typing import TYPE_CHECKING

from tests.support.chromium import violations
from tests.support.contrast import Contrast

if TYPE_CHECKING:
    from playwright.sync_api import Page

# All that the outcome of axe depends on: elements, attributes, classes, style sheets, which elements are visible, which
# have words. Of words and addresses it counts whether there are any, of languages whether they exist, of elements alike
# in a row the first.
_STRUCTURE = """() => {
  const languages = ["en", "zh-CN", "zh", "ar", "ja"]
  const words = new Set(["aria-label", "alt", "title", "placeholder", "content", "value", "href", "src", "action",
                         "d", "points", "datetime", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy"])
  const says = ({name, value, ownerElement: e}) => {
    if (name.startsWith("data-") || name === "aria-current" && ["true", "page"].includes(value)) return ""
    if (name === "lang" || name === "hreflang") return languages.includes(value) ? "" : ` lang=${value}`
    if (name === "value" && e.type === "hidden") return " value"
    return words.has(name) && !value.startsWith("#") ? ` ${name}${value.trim() ? "" : "="}` : ` ${name}=${value}`
  }
  const structure = e => {
    if (e.localName === "datalist") return "<datalist>"  // a script fills it
    const own = [...e.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
    const inside = [...e.children].map(structure).filter((text, at, all) => text !== all[at - 1])
    const seen = e.checkVisibility({visibilityProperty: true})
    return `<${e.localName}${[...e.attributes].map(says).sort().join("")}${seen ? "" : " -"}${own ? "." : ""}`
      + `${inside.join("")}>`
  }
  return [...document.styleSheets].map(sheet => sheet.href).join() + structure(document.documentElement)
}"""


class Accessibility:
    """The verdicts on the pages of some tests."""

    def __init__(self) -> None:
        self._contrast = Contrast()
        self._judged: set[str] = set()

    @staticmethod
    def structure(page: "Page") -> str:
        """Return what two pages that are built alike have in common."""
        return str(page.evaluate(_STRUCTURE))

    def faults(self, page: "Page", substitute: "Page | None" = None) -> list[tuple[str, list[str]]]:
        """Return the faults of the page: of its structure, and of its colours in both schemes.

        Without scripts axe cannot run, so `substitute`, a page of the same site, then takes over the content.
        """
        structure = self.structure(page)
        if structure in self._judged:
            return []
        if substitute:
            substitute.set_content(page.content())
            substitute.wait_for_selector("main")  # a busy browser may still show the empty page before it
        found = violations(substitute or page, self._contrast)
        if not found:
            self._judged.add(structure)
        return found
