# SPDX-License-Identifier: Apache-2.0
"""STUN and TURN bytes by hand, written from the RFCs and sharing nothing with the server."""

import hashlib
import hmac
import os
import socket
import struct
import zlib

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, DATA, PERMISSION, CHANNEL, CONNECT = 1, 3, 4, 6, 7, 8, 9, 10
USERNAME, INTEGRITY, ERROR, UNKNOWN, CHANNEL_NUMBER, LIFETIME, PEER, PAYLOAD = 6, 8, 9, 10, 12, 13, 18, 19
REALM, NONCE, RELAYED, FAMILY, TRANSPORT, INTEGRITY256 = 20, 21, 22, 23, 25, 28
PASSWORD_ALGORITHM, USERHASH, MAPPED, PASSWORD_ALGORITHMS, FINGERPRINT = 29, 30, 32, 0x8002, 0x8028
UDP, TCP = (TRANSPORT, bytes([17, 0, 0, 0])), (TRANSPORT, bytes([6, 0, 0, 0]))


def padded(value):
    return value + bytes(-len(value) % 4)


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + padded(value)


def xor_address(host, port, transaction):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    mask = struct.pack("!I", COOKIE) + transaction
    raw = bytes(a ^ b for a, b in zip(socket.inet_pton(family, host), mask))
    return struct.pack("!BBH", 0, 2 if ":" in host else 1, port ^ (COOKIE >> 16)) + raw


def read_xor_address(value, transaction):
    mask = struct.pack("!I", COOKIE) + transaction
    raw = bytes(a ^ b for a, b in zip(value[4:], mask))
    family = socket.AF_INET6 if value[1] == 2 else socket.AF_INET
    return socket.inet_ntop(family, raw), struct.unpack("!H", value[2:4])[0] ^ (COOKIE >> 16)


class Message:
    """A received message: kind (method and class bits), transaction and the attributes in order."""

    def __init__(self, data):
        kind, length, cookie = struct.unpack("!HHI", data[:8])
        self.data, self.transaction, self.cookie = data, data[8:20], cookie
        self.method = (kind & 0xF) | ((kind >> 1) & 0x70)
        self.cls = ((kind >> 4) & 1) | ((kind >> 7) & 2)
        self.attributes = []
        at = 20
        while at < 20 + length:
            code, size = struct.unpack("!HH", data[at:at + 4])
            self.attributes.append((code, data[at + 4:at + 4 + size]))
            at += 4 + size + -size % 4

    def get(self, code):
        return next((value for kind, value in self.attributes if kind == code), None)

    @property
    def success(self):
        return self.cls == 2

    @property
    def error(self):
        value = self.get(ERROR)
        return (value[2] & 7) * 100 + value[3] if value and self.cls == 3 else 0

    def fingerprint_right(self):
        value = self.get(FINGERPRINT)
        want = zlib.crc32(self.data[:-8]) ^ 0x5354554E
        return value is not None and struct.unpack("!I", value)[0] == want

    def integrity_right(self, key, kind=INTEGRITY):
        at = 20
        for code, value in self.attributes:
            if code == kind:
                head = self.data[:2] + struct.pack("!H", at - 20 + 4 + len(value)) + self.data[4:at]
                algorithm = hashlib.sha1 if kind == INTEGRITY else hashlib.sha256
                return hmac.compare_digest(hmac.new(key, head, algorithm).digest()[:len(value)], value)
            at += 4 + len(padded(value))
        return False


def build(method, attributes=(), cls=0, transaction=None, key=None, key256=None, fingerprint=False):
    transaction = transaction or os.urandom(12)
    kind = (method & 0xF) | ((method & 0x70) << 1) | ((cls & 1) << 4) | ((cls & 2) << 7)
    body = b"".join(attribute(k, v) for k, v in attributes)

    def head(more):
        return struct.pack("!HHI", kind, len(body) + more, COOKIE) + transaction

    if key is not None:
        body += attribute(INTEGRITY, hmac.new(key, head(24) + body, hashlib.sha1).digest())
    if key256 is not None:
        body += attribute(INTEGRITY256, hmac.new(key256, head(36) + body, hashlib.sha256).digest())
    if fingerprint:
        body += attribute(FINGERPRINT, struct.pack("!I", zlib.crc32(head(8) + body) ^ 0x5354554E))
    return head(0) + body


class Client:
    """A raw TURN client over UDP with long-term credentials."""

    def __init__(self, host, port, user, password):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1.0)
        self.socket.connect((host, port))
        self.user, self.password = user, password
        self.realm = self.nonce = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    @property
    def key(self):
        return hashlib.md5(f"{self.user}:{self.realm.decode()}:{self.password}".encode()).digest()

    def ask(self, data, tries=2):
        """The answer to a request, or None."""
        for _ in range(tries):
            self.socket.send(data)
            try:
                while True:
                    got = self.socket.recv(4096)
                    if got[0] < 4 and got[8:20] == data[8:20]:
                        return Message(got)
            except (socket.timeout, ConnectionRefusedError):
                continue
        return None

    def challenge(self, transport=UDP):
        answer = self.ask(build(ALLOCATE, [transport]))
        if answer is not None and answer.error == 401:
            self.realm, self.nonce = answer.get(REALM), answer.get(NONCE)
        return answer

    def signed(self, method, attributes=(), nonce=None, key=None, transaction=None):
        credentials = [(USERNAME, self.user.encode()), (REALM, self.realm), (NONCE, nonce or self.nonce)]
        return build(method, list(attributes) + credentials, transaction=transaction, key=key or self.key)

    def request(self, method, attributes=(), **options):
        return self.ask(self.signed(method, attributes, **options))

    def peer(self, method, host, port, attributes=()):
        """A request with XOR-PEER-ADDRESS."""
        transaction = os.urandom(12)
        where = (PEER, xor_address(host, port, transaction))
        return self.ask(self.signed(method, list(attributes) + [where], transaction=transaction))


class StreamClient(Client):
    """The same over TCP, for requests alone."""

    def __init__(self, host, port, user, password):  # pylint: disable=super-init-not-called
        self.socket = socket.create_connection((host, port), 5)
        self.user, self.password = user, password
        self.realm = self.nonce = None

    def _read(self, size):
        out = b""
        while len(out) < size:
            part = self.socket.recv(size - len(out))
            if not part:
                raise ConnectionError("the server has ended the connection")
            out += part
        return out

    def ask(self, data, tries=1):
        self.socket.sendall(data)
        try:
            while True:
                head = self._read(20)
                got = head + self._read(struct.unpack("!H", head[2:4])[0])
                if got[8:20] == data[8:20]:
                    return Message(got)
        except OSError:
            return None
