"""A line between the browser and the server that can be held: a stream of events is then let through one event at a time,
so that its end cannot come before somebody asks for it, however fast the server is and however slow the browser."""
import asyncio, threading


class Gate:
    """Listens on a port of its own and hands on what comes to host:port. While `slow` is set, what the server sends
    goes on event by event with `slow` seconds between; a byte is never lost or changed."""

    def __init__(self, host, port):
        self.host, self.target, self.slow = host, port, 0
        self.loop, ready = asyncio.new_event_loop(), threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        async def open():
            server = await asyncio.start_server(self._client, self.host, 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(open())
        self.loop.run_forever()

    async def _client(self, reader, writer):
        try:
            back, forth = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.close()
            return
        ways = [asyncio.ensure_future(self._asked(reader, forth)), asyncio.ensure_future(self._told(back, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)  # the browser left, or the server has no more to say
        for w in ways:
            w.cancel()
        for end in (forth, writer):
            end.close()

    async def _asked(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _told(self, reader, writer):
        while data := await reader.read(65536):
            while data:
                n = data.find(b"\n\n") + 2 if self.slow else len(data)
                part, data = data[:n if n > 1 else len(data)], data[n if n > 1 else len(data):]
                writer.write(part)
                await writer.drain()
                if self.slow:
                    await asyncio.sleep(self.slow)
