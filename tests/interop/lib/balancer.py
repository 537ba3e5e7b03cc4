# SPDX-License-Identifier: Apache-2.0
"""A balancer as plain as can be: each HTTP request, and each WebSocket, goes to the next server. It knows no sessions."""

import asyncio
import itertools
import threading

MOST = 1 << 16


class Balancer:
    """A context manager; runs on a thread of its own."""

    def __init__(self, ports):
        self._next = itertools.cycle(ports)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.port = None

    def __enter__(self):
        self._thread.start()
        if not self._ready.wait(5):
            raise RuntimeError("the balancer does not start")
        return self

    def __exit__(self, *unused):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MOST))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    async def _serve(self, reader, writer):
        """One request: the answer says that the connection ends with it, so that the next one goes elsewhere."""
        upstream = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head[:-4].split(b"\r\n")
            if not any(line.lower().startswith(b"upgrade:") for line in lines):
                lines = [line for line in lines if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
            source, upstream = await asyncio.open_connection("127.0.0.1", next(self._next))
            upstream.write(b"\r\n".join(lines) + b"\r\n\r\n")
            await asyncio.gather(self._pass(reader, upstream), self._pass(source, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.close()

    @staticmethod
    async def _pass(source, sink):
        """Bytes until there are no more; then both ends are closed."""
        try:
            while data := await source.read(MOST):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()
