"""Label, preheader and sender of each kind of message. Its templates are in templates/email/<kind>."""

from dataclasses import dataclass

from digest.language import Message, _
from digest.ledger.kinds import Kind


@dataclass(frozen=True, slots=True)
class MessageKind:
    label: Message  # in the demo's inbox
    preheader: Message | None = None  # None for issues, whose preheader names papers
    is_listed: bool = False  # from the bulk sender, with List-Id; others answer one person's request
    is_fresh: bool = False  # its link opens the subscriber's data as well, for a day


KINDS = {
    Kind.DIGEST: MessageKind(_("daily issue"), is_listed=True),
    Kind.WEEKLY: MessageKind(_("weekly issue"), is_listed=True),
    Kind.CATCH_UP: MessageKind(_("catch-up issue"), is_listed=True),
    Kind.NOTICE: MessageKind(_("notice"), is_listed=True),
    Kind.CONFIRMATION: MessageKind(
        _("confirmation"), _("Confirm to start getting your daily papers. If this wasn’t you, do nothing.")
    ),
    Kind.ALREADY: MessageKind(
        _("already subscribed"),
        _("There’s nothing to do. You can change your topics or delivery time, or pause, at any time."),
    ),
    Kind.LINK: MessageKind(
        _("personal link"), _("Topics, delivery time, number of papers, pausing: all in one place."), is_fresh=True
    ),
    Kind.GOODBYE: MessageKind(
        _("goodbye"), _("You won’t get any more issues. If that was a mistake, you can undo it."), is_fresh=True
    ),
    Kind.OLD_ADDRESS: MessageKind(
        _("change of address: old"), _("Your emails go to the new address once both addresses have confirmed.")
    ),
    Kind.NEW_ADDRESS: MessageKind(
        _("change of address: new"), _("Confirm to get a subscription’s emails here. If this wasn’t you, do nothing.")
    ),
    Kind.ADDRESS_TAKEN: MessageKind(
        _("change of address: taken"), _("This address is subscribed already, so another subscription can’t move here.")
    ),
    Kind.ADDRESS_CHANGED: MessageKind(
        _("change of address: done"), _("This is our last email to this address. Your settings and history are kept.")
    ),
}
