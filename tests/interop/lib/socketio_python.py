# SPDX-License-Identifier: Apache-2.0
"""Debian's python3-socketio as clients of the simple signal server use it, on both transports."""

import queue
import time
import uuid


def run(report, url, token):
    import socketio  # pylint: disable=import-outside-toplevel

    for transports in (["polling"], ["websocket"], None):
        label = "python3-socketio, " + (transports[0] if transports else "upgrade")
        refused(report, socketio, label, url, transports)
        peers = [Peer(socketio) for _ in range(2)]
        try:
            talk(report, label, peers, url, token, transports)
        except Exception as error:  # pylint: disable=broad-except
            report.check(f"{label}: talk", False, repr(error))
        finally:
            for peer in peers:
                peer.client.disconnect()


def refused(report, socketio, label, url, transports):
    client = socketio.Client(reconnection=False)
    try:
        client.connect(url, auth={"token": "wrong"}, transports=transports, wait_timeout=5)
        client.disconnect()
        good = False
    except socketio.exceptions.ConnectionError:
        good = True
    report.check(f"{label}: a wrong token is refused", good)


class Peer:
    def __init__(self, socketio):
        self.heard = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        self.name = "py-" + uuid.uuid4().hex[:8]
        # One argument: whoever adds another breaks clients like this one.
        self.client.on("message", lambda message: self.heard.put(message))
        self.client.on("uniquenessError", lambda message: self.heard.put({"taken": message}))

    def next(self, fits):
        while True:
            message = self.heard.get(timeout=5)
            if isinstance(message, dict) and fits(message):
                return message


def talk(report, label, peers, url, token, transports):
    a, b = peers
    for peer in peers:
        peer.client.connect(url, auth={"token": token}, transports=transports, wait_timeout=5)
    a.client.emit("ready", (a.name, "camera"))
    a.next(lambda m: m.get("target") == a.name)
    b.client.emit("ready", b.name)
    entries = b.next(lambda m: m.get("target") == b.name)["payload"]["connections"]
    report.check(f"{label}: the newcomer sees who is there",
                 any(c["peerId"] == a.name and c.get("peerType") == "camera" for c in entries), str(entries))
    told = a.next(lambda m: m.get("from") == b.name)
    report.check(f"{label}: the others are told", told["payload"]["bePolite"] is True)
    a.client.emit("message", {"from": a.name, "message": "grüß ✓"})
    report.check(f"{label}: a message arrives", b.next(lambda m: "message" in m)["message"] == "grüß ✓")
    b.client.emit("messageOne", {"target": a.name, "bytes": b"\x00\x01\xff"})
    report.check(f"{label}: attachments arrive", a.next(lambda m: "bytes" in m)["bytes"] == b"\x00\x01\xff")
    acknowledged = b.client.call("messageOne", {"target": a.name, "n": 1}, timeout=5)
    report.check(f"{label}: acknowledged", acknowledged in (None, [], ()), repr(acknowledged))
    # The client drops its last packets if it is told to go while its sender is still busy with the one before.
    time.sleep(0.3)
    b.client.disconnect()
    left = a.next(lambda m: m.get("from") == b.name and m["payload"].get("action") == "close")
    report.check(f"{label}: leaving is told", left["target"] == "all")
