"""A mail → one page that shows it as phones and desktops do, in light and dark, with what the lint says. Pure."""

import re
from html import escape

from digest.lint import LintReport, lint
from digest.lint.message import ParsedMessage

_FRAMES = (("Phone, light", 390, False), ("Phone, dark", 390, True), ("Small phone, light", 320, False))
_DESKTOP = (("Desktop, light", 720, False), ("Desktop, dark", 720, True))
_ASKS_FOR_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
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
    """An HTML page that needs nothing else. Only the question for the scheme is answered in each frame's copy."""
    mail, verdict = ParsedMessage(message), lint(message)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(mail.subject)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(mail.subject)}</h1>
<p>From {escape(mail.field("From"))}, {len(message):,} bytes, {len(mail.html_on_the_wire):,} of them HTML.</p>
{_judged(verdict)}
<h2>As it looks</h2>
<div class="row">{"".join(_frame(mail.html, *frame) for frame in _FRAMES)}</div>
<div class="row">{"".join(_frame(mail.html, *frame) for frame in _DESKTOP)}</div>
<h2>The text part</h2>
<pre>{escape(mail.text)}</pre>
<h2>The header</h2>
<pre>{escape(mail.head.decode("ascii", "backslashreplace"))}</pre>
</body></html>
"""


def _judged(verdict: LintReport) -> str:
    broken = "".join(
        f"<li><b>{escape(rule.id)}</b>: {escape('; '.join(problems))}. {escape(rule.remedy)}</li>"
        for rule, problems in verdict.problems.items()
    )
    said = f"<p>It keeps {verdict.passed} of the {verdict.of} rules for a {verdict.kind} mail.</p>"
    return f"{said}<ul>{broken}</ul>" if broken else said


def _frame(html: str, name: str, width: int, dark: bool) -> str:
    shown = _ASKS_FOR_DARK.sub("all" if dark else "not all", html)
    scheme = "dark" if dark else "light"
    return (
        f'<figure><figcaption>{name}, {width} px</figcaption><iframe title="{name}" sandbox="allow-popups" '
        f'style="width:{width}px;color-scheme:{scheme}" srcdoc="{escape(shown)}"></iframe></figure>'
    )
