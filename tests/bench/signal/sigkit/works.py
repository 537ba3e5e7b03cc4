# SPDX-License-Identifier: Apache-2.0
"""What signaling servers are given to do."""

import dataclasses

UNITS = {"message": "µs CPU per message", "client": "kB per connection", "storm": "s until all are back"}


@dataclasses.dataclass(frozen=True)
class Work:
    id: str
    title: str
    arguments: tuple
    # Servers that speak it, by name.
    servers: tuple
    unit: str = "message"
    tls: bool = False
    clients: int = 0
    quick: bool = False
    # An open loop at half of what this work's closed loop has brought on the same server in the same repetition.
    half_of: str = ""
    # The server ends and another one begins while the clients are away.
    restart: bool = False
    # Each pair has a client on one node and one on another; they meet over a Redis.
    nodes: bool = False
    cores: int = 1


def talk(id_, title, dialect, servers, *more, clients=200, **rest):
    return Work(id_, title, ("talk", "--dialect", dialect, "--clients", str(clients), *more), servers, clients=clients, **rest)


def idle(dialect, title, servers, tls=False, clients=10_000, quick=False):
    return Work(f"idle-{dialect}" + ("-tls" if tls else ""), f"an idle connection, {title}" + (", TLS" if tls else ""),
                ("idle", "--dialect", dialect), servers, "client", tls, clients, quick)


def storm(id_, title, restart):
    return Work(id_, title, ("storm", "--dialect", "native", "--at-once", "1000"), ("turnstone", "ws"), "storm", True, 10_000,
                restart=restart, cores=2)


NATIVE, SOCKETIO, PEERJS = ("turnstone", "ws"), ("turnstone", "socketio"), ("turnstone", "peerjs")
WINDOW, DEEP = ("--window", "200"), ("--window", "400")

WORKS = (
    talk("native", "native wire, 200 in flight", "native", NATIVE, *WINDOW, quick=True),
    talk("native-deep", "native wire, 20 clients with 20 in flight each", "native", NATIVE, *DEEP, clients=20, quick=True),
    talk("native-tls", "native wire over TLS, 200 in flight", "native", NATIVE, *WINDOW, tls=True),
    talk("native-half", "native wire at half load", "native", NATIVE, half_of="native", quick=True),
    talk("socketio", "Socket.IO over WebSocket, 200 in flight", "socketio", SOCKETIO, *WINDOW, quick=True),
    talk("socketio-deep", "Socket.IO over WebSocket, 20 clients with 20 in flight each", "socketio", SOCKETIO, *DEEP, clients=20,
         quick=True),
    talk("socketio-tls", "Socket.IO over WebSocket and TLS, 200 in flight", "socketio", SOCKETIO, *WINDOW, tls=True),
    talk("socketio-half", "Socket.IO over WebSocket at half load", "socketio", SOCKETIO, half_of="socketio", quick=True),
    talk("polling", "Socket.IO by long polling, 100 in flight", "polling", SOCKETIO, "--window", "100"),
    talk("peerjs", "PeerJS, 200 in flight", "peerjs", PEERJS, *WINDOW),
    talk("native-nodes", "native wire between two nodes over Redis, 2,000/s", "native", ("turnstone",), "--rate", "2000",
         nodes=True),
    idle("native", "native protocol", NATIVE, quick=True),
    idle("native", "native protocol", NATIVE, tls=True, quick=True),
    idle("socketio", "Socket.IO over WebSocket", SOCKETIO, quick=True),
    idle("socketio", "Socket.IO over WebSocket", SOCKETIO, tls=True, quick=True),
    idle("polling", "Socket.IO by long polling", SOCKETIO, clients=4_000),
    idle("peerjs", "PeerJS", PEERJS, clients=4_000),
    storm("storm", "10,000 clients over TLS whose connections were cut", False),
    storm("storm-restart", "10,000 clients over TLS after a restart", True),
)
# Clients of a smoke in place of a crowd.
SMOKE_CLIENTS = 60
