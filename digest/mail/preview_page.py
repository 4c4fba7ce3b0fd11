"""An HTML page that shows a message as phones and desktops do, in light and dark, with its lint report."""

import re
from html import escape

from digest.lint import LintReport, ParsedMessage, lint

_FRAMES = (("Phone, light", 390, False), ("Phone, dark", 390, True), ("Small phone, light", 320, False))
_DESKTOP = (("Desktop, light", 720, False), ("Desktop, dark", 720, True))
_DARK_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 24px; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 24px; }
h2 { margin: 24px 0 8px; font-size: 16px; }
.row { display: flex; gap: 24px; overflow-x: auto; }
figure { margin: 0; }
figcaption { padding: 0 0 4px; }
iframe { height: 800px; border: 1px solid #767676; }
pre { padding: 16px; border: 1px solid #767676; overflow-x: auto; }
"""


def preview_page(message: bytes) -> str:
    """Render the page. Its frames show copies of the message with the dark-mode query already decided."""
    parsed, report = ParsedMessage(message), lint(message)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(parsed.subject)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(parsed.subject)}</h1>
<p>From {escape(parsed.field("From"))}, {len(message):,} bytes, {len(parsed.html_on_the_wire):,} of them HTML.</p>
{_rules(report)}
<h2>Rendering</h2>
<div class="row">{"".join(_frame(parsed.html, *frame) for frame in _FRAMES)}</div>
<div class="row">{"".join(_frame(parsed.html, *frame) for frame in _DESKTOP)}</div>
<h2>Text part</h2>
<pre>{escape(parsed.text)}</pre>
<h2>Headers</h2>
<pre>{escape(parsed.head.decode("ascii", "backslashreplace"))}</pre>
</body></html>
"""


def _rules(report: LintReport) -> str:
    broken = "".join(
        f"<li><b>{escape(rule.id)}</b>: {escape('; '.join(problems))}. {escape(rule.remedy)}</li>"
        for rule, problems in report.problems.items()
    )
    summary = f"<p>It follows {report.passed} of the {report.of} rules for a {report.kind} message.</p>"
    return f"{summary}<ul>{broken}</ul>" if broken else summary


def _frame(html: str, name: str, width: int, dark: bool) -> str:
    answered = _DARK_QUERY.sub("all" if dark else "not all", html)
    scheme = "dark" if dark else "light"
    return (
        f'<figure><figcaption>{name}, {width} px</figcaption><iframe title="{name}" sandbox="allow-popups" '
        f'style="width:{width}px;color-scheme:{scheme}" srcdoc="{escape(answered)}"></iframe></figure>'
    )
