"""The style sheet, the icon and the one small script, served by ourselves: no page asks anybody else for anything."""

import hashlib
import re
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Request, Response

from digest.resources import resource
from digest.web.caching import is_known

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    version: str


class Assets:
    """The files of templates/web/static, read once."""

    def __init__(self, root: str) -> None:
        self._root = root
        files = sorted((resource("templates") / "web" / "static").iterdir())
        self._files = {
            file.name: _asset(file.read_bytes(), _TYPES[file.suffix]) for file in files if file.suffix in _TYPES
        }

    def url(self, name: str) -> str:
        """The address of a file; it changes with the content, so that browsers may keep what they have."""
        return f"{self._root}/static/{name}?v={self._files[name].version}"

    def routes(self) -> APIRouter:
        """/static/{name}"""
        router = APIRouter()
        router.add_api_route("/static/{name}", self._serve, methods=["GET", "HEAD"])
        return router

    def _serve(self, request: Request, name: str) -> Response:
        asset = self._files.get(name)
        if asset is None:
            raise HTTPException(404)
        etag = f'"{asset.version}"'
        lifetime = "max-age=31536000, immutable" if request.query_params.get("v") == asset.version else "max-age=300"
        headers = {"ETag": etag, "Cache-Control": f"public, {lifetime}"}
        if is_known(request, etag):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _asset(content: bytes, media_type: str) -> _Asset:
    if media_type.startswith("text/css"):
        content = _lean(content)
    return _Asset(content, media_type, hashlib.sha256(content).hexdigest()[:12])


def _lean(styles: bytes) -> bytes:
    """The same style sheet without comments and the spaces that only people need; strings of ours hold none of them."""
    plain = re.sub(rb"/\*.*?\*/", b"", styles, flags=re.DOTALL)
    return re.sub(rb"(?<=[:;,{}])\s+|\s+(?=[{}])", b"", plain)
