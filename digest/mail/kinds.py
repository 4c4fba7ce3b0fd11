"""Label, preheader and sender of each kind of message. Its templates are in templates/email/<kind>."""

from dataclasses import dataclass

from digest.language import Message, _
from digest.ledger.kinds import Kind


@dataclass(frozen=True, slots=True)
class MessageKind:
    label: Message  # in the demo's inbox
    preheader: Message | None = None  # None for issues, where it names papers
    is_listed: bool = False  # from the bulk sender, with List-Id; the others answer one person


KINDS = {
    Kind.DIGEST: MessageKind(_("daily issue"), is_listed=True),
    Kind.WEEKLY: MessageKind(_("weekly issue"), is_listed=True),
    Kind.CATCH_UP: MessageKind(_("issue after a pause"), is_listed=True),
    Kind.CONFIRMATION: MessageKind(
        _("confirmation"), _("One click starts your daily papers. If it was not you, do nothing.")
    ),
    Kind.ALREADY: MessageKind(
        _("subscribed already"), _("Nothing to do. Here is the way to your topics, your hour and a pause.")
    ),
    Kind.LINK: MessageKind(_("personal link"), _("Topics, hour, number of papers, a pause: all behind one link.")),
    Kind.GOODBYE: MessageKind(
        _("goodbye"), _("No further issue will come. If that was a mistake, one press undoes it.")
    ),
}
