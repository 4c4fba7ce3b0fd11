"""Addresses in requests."""

from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.subscriber import recipient_key
from digest.web.api.access import Caller
from digest.web.api.problems import invalid_fields


def valid_address(caller: Caller, text: str) -> str:
    """The address in the field `address` of a body as it is stored. Raises ApiProblem 422."""
    try:
        return normalise(text, caller.site.settings.own_domains)
    except BadAddress as problem:
        raise invalid_fields([("/address", str(problem))]) from None


def key_of(caller: Caller, text: str) -> str:
    """The recipient key of an address to look for; "" if it is not valid, so that nothing is found."""
    try:
        return recipient_key(normalise(text, caller.site.settings.own_domains), caller.site.secret)
    except BadAddress:
        return ""
