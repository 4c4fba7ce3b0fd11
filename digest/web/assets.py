"""The style sheets, the icon and the one small script, served by ourselves: no page asks anybody else for anything."""

import hashlib
from os import PathLike, stat_result
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from digest.resources import resource


class Assets(StaticFiles):
    """The files of templates/web/static, below /static."""

    def __init__(self, root: str) -> None:
        folder = resource("templates") / "web" / "static"
        super().__init__(directory=folder)
        self._root = root
        self._versions = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in folder.iterdir()}

    def url(self, name: str) -> str:
        """The address of a file; it changes with the content, so that browsers may keep what they have."""
        return f"{self._root}/static/{name}?v={self._versions[name]}"

    def file_response(
        self, full_path: "str | PathLike[str]", stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        current = QueryParams(scope["query_string"]).get("v") == self._versions[Path(full_path).name]
        answer.headers["Cache-Control"] = f"public, {'max-age=31536000, immutable' if current else 'max-age=300'}"
        return answer
