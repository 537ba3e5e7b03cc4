# SPDX-License-Identifier: Apache-2.0
"""Sees which addresses a TURN credential reaches: permissions, channels, Send indications, connections (RFC 6062).

Takes {label, port, username, credential, reached, shut} as JSON from stdin; prints "ok NAME" or "FAIL NAME: detail".
"""

import json
import os
import socket
import sys

import stunwire as w

FORBIDDEN = 403
SILENCE = 0.5


def check(name, good, detail=""):
    print(f"ok {name}" if good else f"FAIL {name}: {detail}", flush=True)


def allocate(client, transport):
    client.challenge(transport)
    return client.request(w.ALLOCATE, [transport])


def send(client, text, host, port):
    """A Send indication."""
    transaction = os.urandom(12)
    client.socket.send(w.build(w.SEND, [(w.PEER, w.xor_address(host, port, transaction)), (w.PAYLOAD, text)], cls=1,
                               transaction=transaction))


def hears(receiver, text, seconds):
    receiver.settimeout(seconds)
    try:
        return receiver.recv(100) == text
    except socket.timeout:
        return False


def results(answers):
    return [0 if a is not None and a.success else a.error if a is not None else "no answer" for a in answers]


def datagrams(label, client, host, wanted):
    """Permission, channel and data for a socket of that address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((host, 0))
        port = receiver.getsockname()[1]
        send(client, b"early", host, port)
        check(f"{label}: without a permission nothing comes to {host}", not hears(receiver, b"early", SILENCE))
        got = results([client.peer(w.PERMISSION, host, port),
                       client.peer(w.CHANNEL, host, port, [(w.CHANNEL_NUMBER, (0x4000 + port % 0x1000).to_bytes(2, "big") + bytes(2))])])
        check(f"{label}: permission and channel for {host}: {wanted or 'granted'}", got == [wanted, wanted], str(got))
        send(client, b"hello", host, port)
        heard = hears(receiver, b"hello", SILENCE if wanted else 5)
        check(f"{label}: {'no ' if wanted else ''}data comes to {host}", heard == (not wanted))


def connections(label, client, host, wanted):
    with socket.create_server((host, 0)) as listener:
        got = results([client.peer(w.CONNECT, *listener.getsockname())])
        check(f"{label}: a connection to {host}: {wanted or 'made'}", got == [wanted], str(got))
        listener.settimeout(SILENCE if wanted else 5)
        try:
            listener.accept()[0].close()
            came = True
        except socket.timeout:
            came = False
        check(f"{label}: {'nothing' if wanted else 'it'} comes to {host}", came == (not wanted))


def main():
    order = json.load(sys.stdin)
    label, who = order["label"], ("127.0.0.1", order["port"], order["username"], order["credential"])
    hosts = [(host, 0) for host in order["reached"]] + [(host, FORBIDDEN) for host in order["shut"]]
    for kind, transport, scene in ((w.Client, w.UDP, datagrams), (w.StreamClient, w.TCP, connections)):
        with kind(*who) as client:
            made = allocate(client, transport)
            check(f"{label}: an allocation", made is not None and made.success, str(results([made])))
            for host, wanted in hosts:
                scene(label, client, host, wanted)
            client.request(w.REFRESH, [(w.LIFETIME, bytes(4))])


if __name__ == "__main__":
    main()
