#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pairs a browser with Python: enters a room, answers every call of /client/turnstone.js, and gives back what it gets, data
channels' messages as well as sound and picture. Debian: python3-aiortc, python3-websockets.

    ./echo.py wss://turn.example.org/v1/ws --room tea --token-file token
"""

import argparse
import asyncio
import json
import random
import secrets
import sys

import websockets
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.sdp import candidate_from_sdp

FINAL = (4001, 4003, 4009)  # unauthorized, forbidden, superseded: to come back would not help
MAX_EARLY = 128


def known(server):
    """Without the URLs with an IPv6 address, which aiortc raises at: `turn:[2001:db8::1]:3478`."""
    urls = [server["urls"]] if isinstance(server["urls"], str) else server["urls"]
    return dict(server, urls=[url for url in urls if "[" not in url])


class Call:
    """One link of a browser's client: it offers, we answer."""

    def __init__(self, signal, peer, room, servers):
        self.signal, self.peer, self.room = signal, peer, room
        self.id, self.remote_id = secrets.token_hex(8), None
        self.early, self.relay, self.echoed, self.asking = [], MediaRelay(), set(), None
        self.pc = RTCPeerConnection(RTCConfiguration([RTCIceServer(**server) for server in map(known, servers) if server["urls"]]))
        self.pc.on("datachannel", self._channel)
        self.pc.on("track", self._track)
        self.pc.on("connectionstatechange", lambda: print(f"{peer}: {self.pc.connectionState}", flush=True))

    def _channel(self, channel):
        channel.on("message", channel.send)

    def _track(self, track):
        if track.id not in self.echoed:
            self.echoed.add(track.id)
            self.pc.addTrack(self.relay.subscribe(track))
            if track.kind == "video":
                self.asking = asyncio.ensure_future(self._ask_for_key_frame(track))

    async def _ask_for_key_frame(self, track):
        """A browser's first frames may be here before aiortc takes them, and it does not ask for others by itself."""
        receiver = next(t.receiver for t in self.pc.getTransceivers() if t.receiver.track is track)
        for _ in range(10):
            await asyncio.sleep(0.5)
            if self.pc.connectionState == "closed":
                return
            for source in receiver.getSynchronizationSources():
                await receiver._send_rtcp_pli(source.source)

    async def offer(self, data):
        self.remote_id = data.get("link")
        await self.pc.setRemoteDescription(RTCSessionDescription(data["sdp"], "offer"))
        for candidate in self.early:
            await self.candidate(candidate)
        self.early = []
        await self.pc.setLocalDescription(await self.pc.createAnswer())  # it has all candidates: aiortc gathers first
        await self.signal.send(self.peer, self.room, "answer", {
            "type": "answer", "sdp": self.pc.localDescription.sdp, "n": data.get("n"), "link": self.id, "to": self.remote_id})

    async def candidate(self, data):
        if self.pc.remoteDescription is None:
            self.early = (self.early + [data])[-MAX_EARLY:]
            return
        if not data.get("candidate"):
            return
        candidate = candidate_from_sdp(data["candidate"].partition(":")[2])
        candidate.sdpMid, candidate.sdpMLineIndex = data.get("sdpMid"), data.get("sdpMLineIndex")
        await self.pc.addIceCandidate(candidate)


class Signal:
    """A session of the native protocol (docs/signaling.md) that goes on after a lost connection."""

    def __init__(self, url, token, name):
        self.url, self.token, self.name = url, token, name
        self.session, self.seq = None, 0
        self.socket, self.servers, self.room_servers, self.calls = None, [], {}, {}

    async def run(self, room):
        attempt = 0
        while True:
            try:
                async with websockets.connect(self.url, subprotocols=["signal.v1+json"]) as self.socket:
                    heartbeat = await self._enter(room)
                    attempt = 0
                    beats = asyncio.ensure_future(self._beat(heartbeat))
                    try:
                        async for text in self.socket:
                            await self._take(json.loads(text))
                    finally:
                        beats.cancel()
                code = self.socket.close_code
            except websockets.ConnectionClosed as closed:
                code = closed.code
            except (OSError, asyncio.TimeoutError, websockets.InvalidHandshake) as error:
                code = error
            if code in FINAL:
                raise SystemExit(f"the server closed: {code} {self.socket.close_reason}")
            attempt += 1
            await asyncio.sleep(min(30, 0.5 * 2 ** attempt) * random.uniform(0.5, 1))  # not all clients at once
            print(f"coming back after: {code}", flush=True)

    async def _enter(self, room):
        hello = {"t": "hello", "v": 1, "token": self.token, "peer": self.name}
        if self.session:
            hello["resume"] = dict(self.session, seq=self.seq)
        await self.say(hello)
        welcome = await self._answer("welcome")
        self.name, self.servers = welcome["peer"], welcome["ice"]["servers"]
        if not welcome.get("resumed"):
            self.session, self.seq, self.room_servers = {"sid": welcome["sid"], "key": welcome["key"]}, 0, {}
            await self.say({"t": "join", "room": room})
        print(f"here as {self.name}", flush=True)
        return welcome["heartbeat"]

    async def _answer(self, wanted):
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 15))
            if message["t"] == wanted:
                return message
            print(f"{message['t']}: {message.get('code', '')} {message.get('message', '')}", file=sys.stderr, flush=True)

    async def _beat(self, seconds):
        while True:
            await asyncio.sleep(seconds)
            await self.say({"t": "ack", "seq": self.seq})
            await self.say({"t": "ping"})

    async def say(self, message):
        await self.socket.send(json.dumps(message))

    async def send(self, peer, room, kind, data):
        await self.say({"t": "send", "room": room, "to": peer, "kind": kind, "data": data})

    async def _take(self, message):
        if message.get("seq"):
            if message["seq"] <= self.seq:
                return  # seen before the connection was lost
            self.seq = message["seq"]
        kind = message["t"]
        if kind == "ice" or (kind == "joined" and message.get("ice")):
            servers = message.get("servers") or message["ice"]["servers"]
            if "room" in message:
                self.room_servers[message["room"]] = servers
            else:
                self.servers = servers
        elif kind == "peer-left":
            await self._end(message["peer"], message["room"])
        elif kind == "msg" and isinstance(message["data"], dict):
            try:
                await self._signal(message["from"], message.get("room"), message["kind"], message["data"])
            except websockets.ConnectionClosed:
                raise
            except Exception as error:  # whatever aiortc makes of what a peer sends
                print(f"{message['from']}: {error!r}", file=sys.stderr, flush=True)
        elif kind == "error":
            print(f"error: {message['code']} {message['message']}", file=sys.stderr, flush=True)

    async def _signal(self, peer, room, kind, data):
        call = self.calls.get((peer, room))
        if data.get("to") and (call is None or data["to"] != call.id):
            if kind == "offer":  # for a link that is gone: the client then calls anew
                await self.send(peer, room, "custom", {"bye": True, "stale": True, "to": data.get("link")})
            return
        other = call is not None and call.remote_id is not None and call.remote_id != data.get("link")
        if kind == "custom" and data.get("bye") and not other:
            await self._end(peer, room)
        elif kind in ("offer", "candidate"):
            if call is None or other:
                await self._end(peer, room)
                own = self.room_servers.get(room)  # with a credential of its own, in place of the session's
                servers = [s for s in self.servers if not (own and s.get("username"))] + (own or [])
                call = self.calls[peer, room] = Call(self, peer, room, servers)
            await (call.offer(data) if kind == "offer" else call.candidate(data))

    async def _end(self, peer, room):
        call = self.calls.pop((peer, room), None)
        if call:
            await call.pc.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("url", help="of the signaling, e.g. wss://turn.example.org/v1/ws")
    arguments.add_argument("--room", required=True)
    arguments.add_argument("--name", default="echo")
    arguments.add_argument("--token-file", help="what the server lets in by")
    given = arguments.parse_args()
    token = None
    if given.token_file:
        with open(given.token_file, encoding="utf-8") as file:
            token = file.read().strip()
    try:
        asyncio.run(Signal(given.url, token, given.name).run(given.room))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
