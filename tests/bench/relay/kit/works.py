# SPDX-License-Identifier: Apache-2.0
"""What the servers are given to do."""

import dataclasses

UNITS = {"packet": "µs CPU per packet", "answer": "µs CPU per answer", "cycle": "µs CPU per cycle",
         "allocation": "kB per allocation"}


@dataclasses.dataclass(frozen=True)
class Work:
    id: str
    title: str
    arguments: tuple
    unit: str = "packet"
    transport: str = "udp"
    place: str = "loopback"
    # Bare forwarders can do it.
    bare: bool = False
    # Servers besides Turnstone and coturn, or instead of them, by name; empty: all that can.
    servers: tuple = ()
    threads: int = 1
    quick: bool = False
    allocations: int = 1


def relay(id_, title, *arguments, allocations=1, **more):
    several = ("--allocations", str(allocations)) if allocations > 1 else ()
    return Work(id_, title, ("relay", *several, *arguments), allocations=allocations, **more)


MAIN = ("turnstone", "coturn")
ON_VETH = ("turnstone", "turnstone-tc", "turnstone-xdp", "bare-trains", "bare-tc")
DOWN = ("--mode", "to-client")
MANY = {"allocations": 100}

WORKS = (
    relay("one-up", "1 allocation, 1200 B, client to peer", bare=True, quick=True),
    relay("one-down", "1 allocation, 1200 B, peer to client", *DOWN, bare=True, quick=True),
    relay("small-up", "1 allocation, 200 B, client to peer", "--payload", "200", bare=True, quick=True),
    relay("six-up", "1 allocation, 1200 B, client to peer, IPv6", place="loopback6", servers=MAIN),
    relay("hundred-up", "100 allocations, 1200 B, client to peer", "--window", "200", bare=True, quick=True, **MANY),
    relay("hundred-down", "100 allocations, 1200 B, peer to client", "--window", "200", *DOWN, bare=True, quick=True, **MANY),
    relay("bursts-up", "100 allocations, bursts of 8, client to peer", "--window", "200", "--burst", "8", bare=True, quick=True,
          **MANY),
    relay("trains-up", "1 allocation, trains of 16, client to peer", "--train", "16", bare=True, quick=True),
    relay("trains-down", "1 allocation, trains of 16, peer to client", "--train", "16", *DOWN, bare=True),
    relay("thousand", "1,000 allocations at 50/s each, client to peer", "--rate", "50000", allocations=1000, servers=MAIN,
          quick=True),
    relay("ten", "10 allocations at 1,000/s each, client to peer", "--rate", "10000", allocations=10, bare=True, quick=True),
    relay("ten-churn", "10 allocations at 1,000/s each, beside 1,000 set-ups a second", "--rate", "10000", "--churn", "1000",
          allocations=10, servers=MAIN, quick=True),
    Work("binding", "Binding requests", ("binding", "--allocations", "64", "--window", "1024"), "answer", quick=True),
    Work("cycles", "allocations set up and released", ("cycles", "--window", "16"), "cycle", quick=True),
    relay("tcp-up", "10 clients over TCP, client to peer", allocations=10, transport="tcp", quick=True),
    relay("tcp-down", "10 clients over TCP, peer to client", *DOWN, allocations=10, transport="tcp"),
    relay("tls-up", "10 clients over TLS, client to peer", allocations=10, transport="tls", quick=True),
    relay("tls-down", "10 clients over TLS, peer to client", *DOWN, allocations=10, transport="tls"),
    relay("one-thread", "100 allocations, one thread", "--window", "200", servers=("turnstone",), quick=True, **MANY),
    relay("two-threads", "100 allocations, two threads on two cores", "--window", "200", servers=("turnstone",), threads=2,
          quick=True, **MANY),
    relay("veth-up", "1 allocation, 1200 B, client to peer, over a veth pair", place="veth",
          servers=ON_VETH, bare=True, quick=True),
    relay("veth-down", "1 allocation, 1200 B, peer to client, over a veth pair", *DOWN, place="veth",
          servers=ON_VETH, bare=True),
    relay("veth-hundred-up", "100 allocations, 1200 B, client to peer, over a veth pair", "--window", "200", place="veth",
          servers=ON_VETH[:2], **MANY),
    relay("veth-hundred-down", "100 allocations, 1200 B, peer to client, over a veth pair", "--window", "200", *DOWN, place="veth",
          servers=ON_VETH[:2], **MANY),
    Work("idle-5000", "an idle allocation, 5,000 of them", ("idle",), "allocation", allocations=5000, quick=True),
    Work("idle-20000", "an idle allocation, 20,000 of them", ("idle",), "allocation", allocations=20000, servers=MAIN),
)
# How many idle allocations a smoke makes instead.
SMOKE_IDLE = {"idle-5000": 100, "idle-20000": 400}
