"""Reads what subscribers type to suggest a paper. Pure."""

from digest.language import Message, UserError, _
from digest.papers.paper import arxiv_id

_LONGEST = 300


# Why a suggestion was refused, as it is stored: in English, or in arXiv's own words.
UNKNOWN = _("arXiv has no paper with this number.")
ARXIV_SAYS = "arXiv says: "


class BadSuggestion(UserError):
    """The text does not name a paper that can be looked up."""


def suggested_id(text: str) -> str:
    """The arXiv identifier, without its version, of a number or an address. Raises BadSuggestion."""
    typed = text.strip()
    if not typed:
        raise BadSuggestion(_("Enter the paper’s arXiv number or address, like 2405.17247."))
    if len(typed) > _LONGEST:
        raise BadSuggestion(_("That’s too long to be a paper’s address."))
    paper_id = arxiv_id(typed)
    if paper_id is None:
        raise BadSuggestion(
            _(
                "We can’t find an arXiv paper in that. Enter a number such as 2405.17247, or the address"
                " of its page on arxiv.org, huggingface.co or alphaxiv.org."
            )
        )
    return paper_id


def refusal(stored: str) -> Message:
    """The message of a stored refusal, so that it can be shown in every language."""
    if stored.startswith(ARXIV_SAYS):
        return _("arXiv says: %(words)s", words=stored.removeprefix(ARXIV_SAYS))
    return UNKNOWN  # the wording may have changed since it was stored
