"""Answers a browser on this machine: the page, and single queries as it asks for them.

Everything is read, nothing is written. Other pages in the same browser must not see a run: a name
that an attacker points to this machine is refused by its Host, and data is not given to a page of
another origin.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ipaddress
import re
import socket
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from rankgen.manifests.errors import RankgenError
from rankgen.manifests.notices import warn
from rankgen.students.pages.blocks import FOLDER, script
from rankgen.students.pages.served_page import ServedPage

# Reading a query takes a few milliseconds of the disk and of one processor.
_AT_ONCE = 4
_SAFE = ("GET", "HEAD")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9]{1,32}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "rankgen",
}


def application(page: ServedPage, host: str) -> web.Application:
    """Returns the application.

    Args:
        page: What it serves.
        host: The name or address that it listens at.
    """
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def whole(request: web.Request) -> web.Response:
        return _compressed(page.html, "text/html", request)

    async def block(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        async with at_once:
            text = await asyncio.to_thread(page.block, name)
        if text is None:
            raise web.HTTPNotFound(text="there is no such query\n")
        return _compressed(script(name, text), "text/javascript", request)

    made = web.Application(middlewares=[_guard(host, page.html)])
    made.router.add_get("/", whole)
    made.router.add_get(f"/{FOLDER}/{{name:{_NAME.pattern}}}.js", block)
    return made


def is_own_name(named: str, host: str) -> bool:
    """Tells whether a Host header names this machine rather than a name that leads here.

    Whoever owns a name can let it lead anywhere, and then reads what is there as that page's own.
    An address, `localhost` and this machine's names are in nobody else's hands.

    Args:
        named: The header, with a port or not, which a tunnel may have changed.
        host: The name or address that the server listens at.
    """
    try:
        name = urlsplit(f"//{named}").hostname
    except ValueError:
        return False
    if not name:
        return False
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name in {"localhost", host.lower(), socket.gethostname().lower()}


def _guard(host: str, html: bytes) -> Middleware:
    policy = _content_policy(html)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await _answer(request, handler, host)
        answer.headers.update(_HEADERS)
        answer.headers["Content-Security-Policy"] = policy
        return answer

    return guarded


async def _answer(request: web.Request, handler: Handler, host: str) -> web.StreamResponse:
    if not is_own_name(request.headers.get(hdrs.HOST, ""), host):
        return web.Response(status=421, text="this server does not answer to that name\n")
    if request.method not in _SAFE:
        allowed = {hdrs.ALLOW: ", ".join(_SAFE)}
        return web.Response(status=405, text="this server only reads\n", headers=allowed)
    is_foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    if is_foreign and request.path != "/":
        return web.Response(status=403, text="another site may not read this\n")
    try:
        return await handler(request)
    except web.HTTPException as refused:
        return web.Response(status=refused.status, text=refused.text)
    except (RankgenError, OSError) as problem:
        warn(f"{request.path} cannot be answered: {problem}")
        return web.Response(status=500, text=f"{problem}\n")


def _content_policy(html: bytes) -> str:
    """Returns what the page may do: run its own script, load its own data, and nothing else."""
    scripts = _INLINE_SCRIPT.findall(html.decode())
    digests = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _compressed(content: bytes, kind: str, request: web.Request) -> web.Response:
    answer = web.Response(body=content, content_type=kind, charset="utf-8")
    if request.path == "/":
        # Blocks are compressed already.
        answer.enable_compression()
    return answer
