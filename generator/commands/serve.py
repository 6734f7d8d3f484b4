"""`rankgen serve`: the page of a run that is too large to be a file."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import INTERRUPTED, say
from rankgen.generator.commands.show import RankingsRun
from rankgen.manifests.counted import counted
from rankgen.manifests.errors import EnvironmentProblem, reason_of
from rankgen.manifests.options import Option, Settings

if TYPE_CHECKING:
    from rankgen.students.pages.served_page import ServedPage


class ServeSettings(Settings):
    """Which run, and where."""

    run: RankingsRun
    host: Annotated[
        str,
        Option(
            "Name or address to listen at. Whoever reaches it can read the run: there is no "
            "password."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Field(ge=0, le=65535),
        Option("Port to listen at; 0 takes a free one, which is printed."),
    ] = 8000


def serve(settings: ServeSettings, printing: Printing) -> None:
    """Shows the run in a browser until it is interrupted; reads only."""
    from rankgen.students.pages.served_page import ServedPage
    from rankgen.students.pages.single_queries import open_single_queries

    page = ServedPage(open_single_queries(settings.run))
    try:
        asyncio.run(_serve(page, settings, printing))
    except KeyboardInterrupt:
        # The usual end: there is nothing to resume.
        raise typer.Exit(INTERRUPTED) from None


async def _serve(page: ServedPage, settings: ServeSettings, printing: Printing) -> None:
    from aiohttp import web

    from rankgen.students.pages.server import application

    runner = web.AppRunner(application(page, settings.host), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            raise EnvironmentProblem(
                f"nothing can listen at {settings.host}:{settings.port}: {reason_of(error)}",
                "choose another --port, or --port 0 for a free one",
            ) from None
        address = _address(settings.host, runner.addresses[0][1])
        text = f"{settings.run}: {counted(page.queries, 'query')} at {address} (Ctrl-C ends it)"
        values = {"run": str(settings.run), "queries": page.queries, "address": address}
        say(text, values, printing)
        sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
