#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed corpora of the stun fuzz targets next to itself: the standards' vectors and messages by hand."""
import hashlib
import hmac
import pathlib
import re
import struct
import zlib

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parents[1] / "vectors" / "rfc_vectors.hpp"
ID = bytes(range(12))


def vectors():
    text = VECTORS.read_text()
    for name, body in re.findall(r"uint8_t k(\w+)\[\] = \{(.*?)\};", text, re.S):
        yield name.lower(), bytes(int(x, 16) for x in re.findall(r"0x[0-9a-f]{2}", body))


def attribute(kind, value=b"", pad=b"\0"):
    return struct.pack("!HH", kind, len(value)) + value + pad * (-len(value) % 4)


def message(kind, *attributes, mac=None, mac256=None, fingerprint=False):
    body = b"".join(attributes)

    def head(more):
        return struct.pack("!HHI", kind, len(body) + more, 0x2112A442) + ID + body

    if mac:
        body += attribute(8, hmac.new(mac, head(24), hashlib.sha1).digest())
    if mac256:
        body += attribute(0x1C, hmac.new(mac256, head(36), hashlib.sha256).digest())
    if fingerprint:
        body += attribute(0x8028, struct.pack("!I", zlib.crc32(head(8)) ^ 0x5354554E))
    return head(0)


def channel(number, data, pad=False):
    out = struct.pack("!HH", number, len(data)) + data
    return out + b"\0" * (-len(out) % 4) if pad else out


def write(target, seeds):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)


def record(content, epoch, fragment):
    return struct.pack("!B2sHHIH", content, b"\xfe\xfd", epoch, 0, 7, len(fragment)) + fragment


def handshake(kind, body, sequence=0, total=None):
    total = len(body) if total is None else total
    return bytes([kind]) + total.to_bytes(3, "big") + struct.pack("!H", sequence) + bytes(3) + len(body).to_bytes(3, "big") + body


def client_hello(cookie=b""):
    return (b"\xfe\xfd" + bytes(range(32)) + b"\0" + bytes([len(cookie)]) + cookie + b"\0\4\xc0\x2b\xc0\x2f\1\0" +
            b"\0\x0e\0\x10\0\x0a\0\x08\4http\3abc")


def main():
    key = b"key"
    login = [attribute(6, b"user"), attribute(0x14, b"example.org"), attribute(0x15, b"0123456789abcdef")]
    peer4 = attribute(0x12, bytes.fromhex("0001 2c84 e112 a643"))
    peer6 = attribute(0x12, bytes.fromhex("0002 2c84") + bytes(16))
    messages = dict(vectors())
    messages.update({
        "binding": message(0x0001),
        "binding_fingerprint": message(0x0001, attribute(0x8022, b"client"), fingerprint=True),
        "binding_classic": bytes.fromhex("0001 0008") + bytes(16) + attribute(3, bytes(4)),
        "allocate": message(0x0003, attribute(0x19, b"\x11\0\0\0"), attribute(0x1A), attribute(0x0D, b"\0\0\2\x58"),
                            attribute(0x17, b"\2\0\0\0"), *login, mac=key, fingerprint=True),
        "allocate_sha256": message(0x0003, attribute(0x19, b"\x11\0\0\0"), attribute(0x1D, b"\0\2\0\0"),
                                   attribute(0x8002, b"\0\1\0\0\0\2\0\0"), *login, mac=key, mac256=key,
                                   fingerprint=True),
        "create_permission": message(0x0008, peer4, peer6, *login, mac=key),
        "channel_bind": message(0x0009, attribute(0x0C, b"\x40\0\0\0"), peer4, *login, mac=key),
        "send": message(0x0016, peer4, attribute(0x13, b"hello")),
        "error": message(0x0113, attribute(9, b"\0\0\4\x01Unauthenticated"), attribute(0x0A, b"\x7f\1\x7f\2\x7f\3")),
        "after_integrity": message(0x0001, attribute(8, bytes(20)), attribute(6, b"late"), attribute(0x1C, bytes(16)),
                                   attribute(0x8028, bytes(4)), attribute(6, b"later")),
        "after_fingerprint": message(0x0001, attribute(0x8028, bytes(4)), attribute(8, bytes(20))),
        "truncated_sha256": message(0x0001, attribute(0x1C, bytes(16))),
        "overrun": message(0x0001, b"\x00\x06\x00\x09" + bytes(8)),
    })
    write("stun_message", messages)

    whole = [messages["binding"], channel(0x4000, b"abc", True), messages["send"], channel(0x4FFF, b"", True),
             messages["allocate"], channel(0x4001, bytes(40), True)]
    write("stun_framer", {
        "bytewise": b"\1\0\0\1" + b"".join(whole),
        "chunks": b"\2\0\0\7" + b"".join(whole) * 3,
        "cut": b"\3\0\0\7" + b"".join(whole)[:-2],
        "channels": b"\5\0\0\7" + b"".join(channel(0x4000 + n, bytes(n), True) for n in range(12)),
        "refused": b"\7\0\0\7" + messages["binding"] + b"GET / HTTP/1.1\r\n\r\n",
        "bad_length": b"\t\0\0\7" + messages["binding"] + b"\0\1\0\5",
    })
    write("stun_channel_data", {
        "empty": channel(0x4000, b""), "three": channel(0x4001, b"abc"), "padded": channel(0x4001, b"abc", True),
        "highest": channel(0x4FFF, bytes(64)), "reserved": channel(0x5000, b"abcd"), "low": channel(0x3FFF, b"abcd"),
        "short": channel(0x4000, b"abcdef")[:-1], "header": b"\x40\0\0", "dtls": b"\x16\xfe\xfd" + bytes(10),
        "stun": messages["binding"], "message": messages["send"],
    })
    hello = client_hello()
    exchange = record(22, 0, handshake(16, bytes(66)))
    flight = exchange + record(20, 0, b"\1") + record(22, 1, bytes(40))
    write("stun_dtls", {
        "hello": record(22, 0, handshake(1, hello)), "cookie": record(22, 0, handshake(1, client_hello(bytes(16)), 1)),
        "fragment": record(22, 0, handshake(1, hello[:60], total=len(hello))), "flight": flight,
        "data": record(23, 1, bytes(40)) * 2, "epochs": flight + record(22, 2, bytes(9)), "cut": flight[:-3],
        "alert": record(21, 0, b"\2\x28"), "long": record(22, 0, handshake(1, b"\1", total=100_000)),
    })
    start = lambda flags, room: b"\x00\x03" + bytes([flags]) + (b"" if flags & 0x80 else struct.pack("!H", room)) + ID
    calls = (b"\0\x00\x06\x04user" b"\1\0\0\2\x58" b"\2\x40\0" b"\3\0\x0d\x96\xc0\0\2\1" +
             b"\4\1\x0d\x96" + bytes(range(16)) + b"\5\0\x65\0" b"\5\0\x65\4oops" b"\6\3\x7f\1\x7f\2\x7f\3")
    write("stun_builder", {
        "all": start(7, 1000) + calls, "small": start(7, 100) + calls, "no_mac": start(4, 1000) + calls,
        "header": start(0, 20), "less": start(0, 19), "largest": start(0x80, 0) + b"\7\x7f\xfc\1",
        "too_large": start(0x87, 0) + b"\7\x7f\xfe\1", "phrase": start(0, 100) + b"\5\1\x8f\0",
    })


if __name__ == "__main__":
    main()
