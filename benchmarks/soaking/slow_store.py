"""The soak's S3 store: moto behind a proxy that is made slow, or cuts connections.

    python slow_store.py PORT FOLDER

FOLDER/store.json tells it: {"delay": seconds for every piece of an answer, "cut": share of the
connections that end at once}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from pathlib import Path

from moto.server import ThreadedMotoServer

PIECE = 2**16


class Proxy:
    """Passes bytes on between a client and the store.

    Args:
        port: The store's.
        told: The file that says how slow it is.
    """

    def __init__(self, port: int, told: Path) -> None:
        self._port = port
        self._told = told

    async def serve(self, asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        if random.random() < self._now()[1]:
            answering.close()
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(
            self._pass(asking, writer, slow=False), self._pass(reader, answering, slow=True)
        )

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, slow: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(PIECE):
                delay, cut = self._now()
                if slow and delay:
                    await asyncio.sleep(delay)
                if slow and random.random() < cut:
                    break
                target.write(piece)
                await target.drain()
        target.close()

    def _now(self) -> tuple[float, float]:
        told = json.loads(self._told.read_text())
        return told["delay"], told["cut"]


async def proxied(port: int, told: Path) -> None:
    """Starts the store and the proxy in front of it, and serves until it is killed."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    proxy = Proxy(store.get_host_and_port()[1], told)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(proxied(int(sys.argv[1]), Path(sys.argv[2]) / "store.json"))
