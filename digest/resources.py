"""Where templates, catalogues and migrations are: inside an installed wheel, or beside the package in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """The folder "templates", "locale" or "alembic". Raises FileNotFoundError when the installation is incomplete."""
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the {name} folder is missing from this installation of digest; install it again")
