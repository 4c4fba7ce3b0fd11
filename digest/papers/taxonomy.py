"""arXiv's categories (arxiv.org/category_taxonomy), which subscribers may follow. Pure."""

import difflib

from digest.text import ascii_forms

# Archive → its subject classes; an archive without any is a category itself.
_CLASSES = {
    "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL RO SC"
    " SD SE SI SY",
    "econ": "EM GN TH",
    "eess": "AS IV SP SY",
    "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST",
    "q-bio": "BM CB GN MN NC OT PE QM SC TO",
    "q-fin": "CP EC GN MF PM PR RM ST TR",
    "stat": "AP CO ME ML OT TH",
    "astro-ph": "CO EP GA HE IM SR",
    "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
    "nlin": "AO CD CG PS SI",
    "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph"
    " geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
    "gr-qc": "", "hep-ex": "", "hep-lat": "", "hep-ph": "", "hep-th": "", "math-ph": "", "nucl-ex": "", "nucl-th": "",
    "quant-ph": "",
}  # fmt: skip
ARCHIVES = frozenset(_CLASSES)
# Old identifiers still name these.
CLOSED_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|dg-ga|funct-an|mtrl-th"
    "|patt-sol|plasm-ph|q-alg|solv-int|supr-con"
)
CATEGORIES = frozenset(f"{archive}.{name}" for archive, classes in _CLASSES.items() for name in classes.split())
_BY_FOLDED = {name.casefold(): name for name in ARCHIVES | CATEGORIES}


def parse_category(text: str) -> str | None:
    """The category or whole archive ("cs" or "cs.*") in `text`, as arXiv writes it, or None."""
    return _BY_FOLDED.get(folded_category(text))


def folded_category(text: str) -> str:
    """A category in lower case and ASCII, for comparison."""
    return ascii_forms(text).strip().casefold().removesuffix(".*")


def closest_category(text: str) -> str | None:
    """The category closest to a misspelt one."""
    near = difflib.get_close_matches(text.strip().casefold()[:40], _BY_FOLDED, n=1, cutoff=0.5)
    return _BY_FOLDED[near[0]] if near else None
