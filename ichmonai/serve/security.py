"""Who may ask the server for what, and what browsers are told about its pages."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ichmonai.serve.options import ServeOptions

COOKIE = "ichmonai"
"""Name of the cookie of a reader who knows the token."""

_OPEN = ("/healthz", "/login", "/static/")
"""What needs no token."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Gate:
    """Refuses requests of other names and other sites, and of who does not know the token; an ASGI middleware.

    - `Host` must be a name by which the server is called: else a page of another site could reach it through a name
      that it makes lead here.
    - What changes something must come from the server's own pages, as browsers say it (`Sec-Fetch-Site`, `Origin`); a
      program sends neither, and browsers cannot be made to leave both out.
    - The token comes as `Authorization: Bearer`, or as the cookie that `/login` gives for it.

    Args:
        app: what is behind it.
        options: of the server.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], options: ServeOptions) -> None:
        self.app, self.options = app, options
        self.session = session_of(options.token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                if self.options.tls:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self.app)(scope, receive, send_safely)  # type: ignore[operator]

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if host_name(headers.get("host", "")) not in self.options.hosts:
            return _error(421, "The server is not called so; start it with --name NAME to reach it by that name.")
        if request.method not in _SAFE and is_foreign(headers):
            return _error(403, "A page of another site may not change anything here.")
        path = request.url.path
        if not self.options.token or path.startswith(_OPEN) or self._knows_token(request):
            return None
        if request.method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return _error(401, "Give the server's token as Authorization: Bearer TOKEN, or log in.")

    def _knows_token(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        if given.lower().startswith("bearer "):
            return same(given[7:].strip(), self.options.token)
        return same(request.cookies.get(COOKIE, ""), self.session)


def host_name(host: str) -> str:
    """The name in a `Host` header, without port and in lower case."""
    name, _, port = host.lower().rpartition(":")
    return name if port.isdecimal() and name else host.lower()


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a request comes from a page of another site."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def same(given: str, wanted: str) -> bool:
    """Compare two secrets; how long it takes tells nothing."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def session_of(token: str) -> str:
    """What the cookie of a reader holds: only this run of the server takes it, and the token cannot be read from it."""
    return hmac.new(_RUN, token.encode(), hashlib.sha256).hexdigest()


_RUN = secrets.token_bytes(32)


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"detail": sentence}, status)
