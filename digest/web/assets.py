"""The style sheets, the icon and the one small script, served by ourselves: no page asks anybody else for anything."""

import hashlib
from mimetypes import guess_type

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from digest.resources import resource

_FILES = StaticFiles()  # it knows what a conditional request asks (RFC 9110 §13)


class Assets:
    """The files of templates/web/static, below /static; they are served from memory."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._files = {
            file.name: (file.read_bytes(), guess_type(file.name)[0])
            for file in (resource("templates") / "web" / "static").iterdir()
        }
        self._versions = {name: hashlib.sha256(content).hexdigest()[:12] for name, (content, _) in self._files.items()}

    def url(self, name: str) -> str:
        """The address of a file; it changes with the content, so that browsers may keep what they have."""
        return f"{self._root}/static/{name}?v={self._versions[name]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(f"{scope['root_path']}/")
        if name not in self._files:
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405)
        content, kind = self._files[name]
        is_font = name.endswith(".woff2")  # style sheets name it without a version; another font gets another name
        is_current = is_font or QueryParams(scope["query_string"]).get("v") == self._versions[name]
        keep = "max-age=31536000, immutable" if is_current else "max-age=300"
        answer = Response(content, media_type=kind)
        answer.headers.update({"ETag": f'"{self._versions[name]}"', "Cache-Control": f"public, {keep}"})
        if _FILES.is_not_modified(answer.headers, Headers(scope=scope)):
            answer = NotModifiedResponse(answer.headers)
        await answer(scope, receive, send)
