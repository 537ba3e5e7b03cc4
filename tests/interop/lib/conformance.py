# SPDX-License-Identifier: Apache-2.0
"""Points of RFC 8489 and RFC 8656 on raw sockets."""

import hashlib
import os
import socket
import struct

import harness
import stunwire as w


def run(report, server, user, password):
    def client():
        return w.Client("127.0.0.1", server.port, user, password)

    binding(report, server)
    challenge(report, client)
    allocation(report, client)
    peers(report, client)
    channels(report, client)
    permissions(report, client)
    sha256(report, client)
    stream(report, server)


def error_of(answer):
    return "no answer" if answer is None else f"class {answer.cls}, error {answer.error}"


def binding(report, server):
    for host in ("127.0.0.1", "::1"):
        with w.Client(host, server.port, "", "") as c:
            answer = c.ask(w.build(w.BINDING, fingerprint=True))
            mapped = answer and answer.get(w.MAPPED)
            where = mapped and w.read_xor_address(mapped, answer.transaction)
            report.check(f"Binding {host}: XOR-MAPPED-ADDRESS", where == c.socket.getsockname()[:2], repr(where))
            if answer is not None and answer.get(w.FINGERPRINT) is not None:
                report.check(f"Binding {host}: FINGERPRINT is right", answer.fingerprint_right())
    with w.Client("127.0.0.1", server.port, "", "") as c:
        answer = c.ask(w.build(w.BINDING, [(0x7F01, b"what")]))
        listed = answer.get(w.UNKNOWN) if answer else None
        report.check("unknown comprehension-required attribute: 420 and its type",
                     answer is not None and answer.error == 420 and listed is not None and b"\x7f\x01" in listed[:2],
                     error_of(answer))
        answer = c.ask(w.build(w.BINDING, [(0xFF01, b"what")]))
        report.check("unknown optional attribute: ignored", answer is not None and answer.success, error_of(answer))
        wrong = bytearray(w.build(w.BINDING, fingerprint=True))
        wrong[-1] ^= 1
        report.check("a wrong FINGERPRINT gets no answer", c.ask(bytes(wrong), 1) is None)
        c.socket.send(w.build(w.BINDING, cls=1))
        report.check("a Binding indication gets no answer", c.ask(w.build(w.BINDING, cls=1), 1) is None)
        for junk in (b"", b"\0", b"\0\1\0", b"\0\1\xff\xff" + b"\0" * 16, os.urandom(100), b"\x40\0\0\4", b"\xff" * 1400):
            c.socket.send(junk)
        report.check("after rubbish the server answers", c.ask(w.build(w.BINDING)) is not None)


def challenge(report, client):
    with client() as c:
        answer = c.challenge()
        if not report.check("Allocate without credentials: 401 with REALM and NONCE",
                            answer is not None and answer.error == 401 and c.realm and c.nonce, error_of(answer)):
            return
        report.check("the challenge is not larger than twice the request", len(answer.data) <= 2 * 28 + 128, str(len(answer.data)))
        answer = c.request(w.ALLOCATE, [w.UDP], nonce=b"f" * len(c.nonce))
        fresh = answer.get(w.NONCE) if answer else None
        report.check("a foreign nonce: 438 with a new one", answer is not None and answer.error == 438 and fresh,
                     error_of(answer))
        answer = c.request(w.ALLOCATE, [w.UDP], key=b"x" * 16)
        report.check("a wrong key: 401 or 441", answer is not None and answer.error in (401, 441), error_of(answer))
        bad = w.build(w.ALLOCATE, [w.UDP, (w.USERNAME, b"alice"), (w.NONCE, c.nonce)], key=c.key)
        answer = c.ask(bad)
        report.check("MESSAGE-INTEGRITY without REALM: 400", answer is not None and answer.error == 400, error_of(answer))
        answer = c.request(w.ALLOCATE)
        report.check("no REQUESTED-TRANSPORT: 400", answer is not None and answer.error == 400, error_of(answer))
        answer = c.request(w.ALLOCATE, [(w.TRANSPORT, bytes([99, 0, 0, 0]))])
        report.check("an unknown transport: 442", answer is not None and answer.error == 442, error_of(answer),
                     departs=True)
        answer = c.request(w.ALLOCATE, [w.UDP, (w.FAMILY, bytes([9, 0, 0, 0]))])
        report.check("an unknown address family: 440", answer is not None and answer.error == 440, error_of(answer))
        answer = c.request(w.REFRESH, [(w.LIFETIME, struct.pack("!I", 600))])
        report.check("Refresh without an allocation: 437", answer is not None and answer.error == 437, error_of(answer))


def allocation(report, client):
    with client() as c:
        c.challenge()
        request = c.signed(w.ALLOCATE, [w.UDP])
        first = c.ask(request)
        if not report.check("Allocate", first is not None and first.success, error_of(first)):
            return
        report.check("MESSAGE-INTEGRITY of the answer", first.integrity_right(c.key))
        report.check("XOR-RELAYED-ADDRESS, XOR-MAPPED-ADDRESS and LIFETIME are there",
                     None not in (first.get(w.RELAYED), first.get(w.MAPPED), first.get(w.LIFETIME)))
        mapped = w.read_xor_address(first.get(w.MAPPED), first.transaction)
        report.check("XOR-MAPPED-ADDRESS is the client", mapped == c.socket.getsockname(), repr(mapped))
        again = c.ask(request)
        report.check("the same request again: the same answer",
                     again is not None and again.success and again.get(w.RELAYED) == first.get(w.RELAYED), error_of(again))
        answer = c.request(w.ALLOCATE, [w.UDP])
        report.check("a second Allocate: 437", answer is not None and answer.error == 437, error_of(answer))
        answer = c.request(w.REFRESH, [(w.LIFETIME, struct.pack("!I", 900))])
        report.check("Refresh: success with LIFETIME", answer is not None and answer.success and answer.get(w.LIFETIME),
                     error_of(answer))
        answer = c.request(w.REFRESH, [(w.LIFETIME, bytes(4))])
        report.check("Refresh with 0: the end", answer is not None and answer.success, error_of(answer))
        answer = c.request(w.REFRESH, [(w.LIFETIME, struct.pack("!I", 600))])
        report.check("Refresh after the end: 437", answer is not None and answer.error == 437, error_of(answer),
                     departs=True)


def allocated(client):
    c = client()
    c.challenge()
    answer = c.request(w.ALLOCATE, [w.UDP])
    return c, w.read_xor_address(answer.get(w.RELAYED), answer.transaction)


def peers(report, client):
    c, _ = allocated(client)
    with c:
        for host in ("169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.0.1", "192.168.1.1", "172.16.0.1",
                     "100.64.0.1"):
            answer = c.peer(w.PERMISSION, host, 80)
            report.check(f"CreatePermission for {host}: 403", answer is not None and answer.error == 403, error_of(answer),
                         departs=True)
        answer = c.peer(w.PERMISSION, "2001:db8::1", 80)
        report.check("an IPv6 peer of an IPv4 allocation: 443", answer is not None and answer.error == 443, error_of(answer))
        answer = c.request(w.PERMISSION)
        report.check("CreatePermission without a peer: 400", answer is not None and answer.error == 400, error_of(answer))
        c.request(w.REFRESH, [(w.LIFETIME, bytes(4))])


def channels(report, client):
    def bind(c, channel, host, port):
        return c.peer(w.CHANNEL, host, port, [(w.CHANNEL_NUMBER, struct.pack("!HH", channel, 0))])

    c, relayed = allocated(client)
    with c, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(1.0)
        there = peer.getsockname()
        for channel in (0x3FFF, 0x5000, 0x7FFF, 0):
            answer = bind(c, channel, "127.0.0.1", 9)
            report.check(f"channel {channel:#06x}: 400", answer is not None and answer.error == 400, error_of(answer),
                         departs=True)
        answer = bind(c, 0x4ABC, *there)
        report.check("channel 0x4abc", answer is not None and answer.success, error_of(answer))
        answer = bind(c, 0x4ABC, there[0], there[1] ^ 1)
        report.check("the same channel for another peer: 400", answer is not None and answer.error == 400, error_of(answer))
        answer = bind(c, 0x4ABD, *there)
        report.check("another channel for the same peer: 400", answer is not None and answer.error == 400, error_of(answer))
        answer = bind(c, 0x4ABC, *there)
        report.check("the same binding again: a refresh", answer is not None and answer.success, error_of(answer))
        c.socket.send(b"\x4a\xbc\x00\x05hello" + b"pad")
        report.check("ChannelData with padding", receive(peer) == (b"hello", relayed))
        peer.sendto(b"hi!", relayed)
        report.check("to the client as ChannelData", (receive(c.socket)[0] or b"")[:7] == b"\x4a\xbc\x00\x03hi!")
        c.socket.send(b"\x4a\xbc\x00\x00")
        report.check("empty ChannelData", receive(peer) == (b"", relayed))
        c.socket.send(b"\x4a\xbc\x00\x09short")
        report.check("ChannelData with a length past its end is dropped", receive(peer, 0.4)[0] is None)
        c.request(w.REFRESH, [(w.LIFETIME, bytes(4))])
        c.socket.send(b"\x4a\xbc\x00\x05hello")
        report.check("after the end nothing is relayed", receive(peer, 0.4)[0] is None, departs=True)


def receive(sock, seconds=1.0):
    sock.settimeout(seconds)
    try:
        return sock.recvfrom(4096)
    except (socket.timeout, ConnectionRefusedError):
        return None, None
    finally:
        sock.settimeout(1.0)


def permissions(report, client):
    c, relayed = allocated(client)
    with c, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        peer.bind(("127.0.0.1", 0))
        stranger.bind(("127.0.0.2", 0))

        def send(text):
            transaction = os.urandom(12)
            where = w.xor_address(*peer.getsockname(), transaction)
            c.socket.send(w.build(w.SEND, [(w.PEER, where), (w.PAYLOAD, text)], cls=1, transaction=transaction))

        send(b"early")
        report.check("Send without a permission is dropped", receive(peer, 0.4)[0] is None)
        peer.sendto(b"early", relayed)
        report.check("a peer without a permission is not heard", receive(c.socket, 0.4)[0] is None)
        answer = c.peer(w.PERMISSION, *peer.getsockname())
        report.check("CreatePermission", answer is not None and answer.success, error_of(answer))
        send(b"now")
        report.check("Send arrives", receive(peer) == (b"now", relayed))
        peer.sendto(b"back", relayed)
        data = receive(c.socket)[0]
        message = w.Message(data) if data and data[0] < 4 else None
        good = message is not None and message.method == w.DATA and message.cls == 1 and message.get(w.PAYLOAD) == b"back"
        report.check("Data indication arrives", good, repr(data))
        report.check("Data indication names the peer",
                     good and w.read_xor_address(message.get(w.PEER), message.transaction) == peer.getsockname())
        stranger.sendto(b"spam", relayed)
        report.check("another address is not heard", receive(c.socket, 0.4)[0] is None)
        c.request(w.REFRESH, [(w.LIFETIME, bytes(4))])


def sha256(report, client):
    """RFC 8489 §9.2: MESSAGE-INTEGRITY-SHA256, when the server offers it."""
    with client() as c:
        answer = c.challenge()
        offer = answer.get(w.PASSWORD_ALGORITHMS) if answer else None
        if offer is None:
            report.skip("MESSAGE-INTEGRITY-SHA256", "no PASSWORD-ALGORITHMS in the challenge")
            return
        key = hashlib.sha256(f"{c.user}:{c.realm.decode()}:{c.password}".encode()).digest()
        common = [w.UDP, (w.REALM, c.realm), (w.NONCE, c.nonce), (w.PASSWORD_ALGORITHMS, offer),
                  (w.PASSWORD_ALGORITHM, bytes([0, 2, 0, 0]))]
        userhash = hashlib.sha256(f"{c.user}:{c.realm.decode()}".encode()).digest()
        answer = c.ask(w.build(w.ALLOCATE, common + [(w.USERHASH, userhash)], key256=key))
        good = answer is not None and answer.success and answer.integrity_right(key, w.INTEGRITY256)
        report.check("Allocate with USERHASH and MESSAGE-INTEGRITY-SHA256", good, error_of(answer))
        stripped = [a for a in common if a[0] != w.PASSWORD_ALGORITHMS] + [(w.USERNAME, c.user.encode())]
        answer = c.ask(w.build(w.ALLOCATE, stripped, key256=key))
        report.check("PASSWORD-ALGORITHM without PASSWORD-ALGORITHMS: 400", answer is not None and answer.error == 400,
                     error_of(answer))


def stream(report, server):
    def read_message(sock):
        data = b""
        while len(data) < 20 or len(data) < 20 + struct.unpack("!H", data[2:4])[0]:
            got = sock.recv(4096)
            if not got:
                return None
            data += got
        return w.Message(data)

    with socket.create_connection(("127.0.0.1", server.port), 3) as tcp:
        request = w.build(w.BINDING)
        for i in range(len(request)):
            tcp.send(request[i:i + 1])
        answer = read_message(tcp)
        report.check("TCP: a message byte by byte", answer is not None and answer.transaction == request[8:20])
        two = w.build(w.BINDING), w.build(w.BINDING)
        tcp.send(b"".join(two))
        got, want = b"", 2 * len(answer.data)
        while len(got) < want:
            more = tcp.recv(4096)
            if not more:
                break
            got += more
        half = len(got) // 2
        ids = (got[8:20], got[half + 8:half + 20])
        report.check("TCP: two messages at once", ids == (two[0][8:20], two[1][8:20]))
    with socket.create_connection(("127.0.0.1", server.port), 3) as tcp:
        tcp.settimeout(4)
        tcp.send(b"\xf0" * 64)
        try:
            closed = tcp.recv(100) == b""
        except ConnectionResetError:
            closed = True
        except socket.timeout:
            closed = False
        if harness.CONTROL:
            report.skip("TCP: rubbish closes the connection", "the control server keeps it")
        else:
            report.check("TCP: rubbish closes the connection", closed)
