# SPDX-License-Identifier: Apache-2.0
"""A client of the native protocol over Debian's python3-websocket."""

import itertools
import json
import queue
import threading


class Peer:
    def __init__(self, port, token, name, room, address="127.0.0.1", resume=None):
        import websocket  # pylint: disable=import-outside-toplevel

        self.heard = queue.Queue()
        self.numbers = itertools.count(1)
        self.name = name
        self.room = room
        self.closed = None
        self.socket = websocket.create_connection(f"ws://{address}:{port}/v1/ws", subprotocols=["signal.v1+json"],
                                                  timeout=10)
        self.socket.settimeout(None)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        hello = {"t": "hello", "v": 1, "token": token, "peer": name}
        if resume:
            hello["resume"] = resume
        self.welcome = self.ask(hello)
        self.joined = self.ask({"t": "join", "room": room}) if self.welcome["t"] == "welcome" else None

    def _read(self):
        import websocket  # pylint: disable=import-outside-toplevel

        try:
            while True:
                code, data = self.socket.recv_data()
                if code == websocket.ABNF.OPCODE_CLOSE:
                    self.closed = int.from_bytes(data[:2], "big")
                    break
                if code == websocket.ABNF.OPCODE_TEXT:
                    self.heard.put(json.loads(data))
        except (OSError, websocket.WebSocketException):
            pass
        self.heard.put({"t": "end"})

    def next(self, fits, timeout=5.0):
        """The next message that fits; others are thrown away. None: there is none in time."""
        import time  # pylint: disable=import-outside-toplevel

        end = time.monotonic() + timeout
        while True:
            try:
                message = self.heard.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                return None
            if fits(message):
                return message
            if message["t"] == "end":
                self.heard.put(message)
                return None

    def ask(self, request, timeout=5.0):
        number = str(next(self.numbers))
        self.say(dict(request, id=number))
        return self.next(lambda m: m.get("id") == number, timeout) or {"t": "nothing"}

    def say(self, request):
        self.socket.send(json.dumps(request))

    def send(self, to, data):
        return self.ask({"t": "send", "room": self.room, "to": to, "kind": "custom", "data": data})

    def hears(self, sender, data, timeout=5.0):
        return self.next(lambda m: m["t"] == "msg" and m["from"] == sender and m["data"] == data, timeout) is not None

    def mates(self):
        return sorted(p["peer"] for p in self.ask({"t": "list", "room": self.room}).get("peers", []))

    def close(self):
        self.socket.close()
