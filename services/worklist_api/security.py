"""Headers on every response: nothing from other hosts, no framing, no sniffing, no referrer to others."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)

CONTENT_SECURITY_POLICY = "; ".join((*_ALWAYS, "script-src 'self'"))

CONTENT_SECURITY_POLICY_OF_VIEWER = "; ".join((*_ALWAYS, "script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self'"))
"""For pages with the image viewer: its codecs for compressed pixel data are WebAssembly, compiled in workers of ours.

``wasm-unsafe-eval`` allows that and no evaluation of JavaScript; no inline script, no blob, no other host.
"""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without any, browsers hide the origin of our own forms, too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware that adds the headers; what shows patients is never kept in a shared cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
