"""Finds templates, catalogues and migrations, in an installed wheel or in a checkout."""

from pathlib import Path

DISTRIBUTION = "digest-papers"  # in package indexes, where `digest` is another program
_PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """The folder "templates", "locale" or "alembic". Raises FileNotFoundError when the installation is incomplete."""
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the {name} folder is missing from this installation of digest; install it again")
