"""What sets the kinds of message apart when one is composed. The templates of a kind are in templates/email/<kind>."""

from dataclasses import dataclass

from digest.language import Message, _
from digest.ledger.kinds import Kind


@dataclass(frozen=True, slots=True)
class MessageKind:
    """A row of the table below."""

    label: Message  # in the list of an inbox
    preheader: Message | None = None  # None for issues: each message has its own
    is_listed: bool = False  # sent by the bulk sender to the list; the others answer one person


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
