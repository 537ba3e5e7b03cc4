#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a STUN server for this machine's address: stun_probe.py HOST PORT [SECONDS].

Sends a Binding request (RFC 8489 §5) every half second until an answer with XOR-MAPPED-ADDRESS comes or SECONDS (10) are
over, and prints the address.
"""
import ipaddress
import os
import socket
import struct
import sys
import time

COOKIE = 0x2112A442
XOR_MAPPED_ADDRESS = 0x0020


def mapped_address(message, transaction):
    """The XOR-MAPPED-ADDRESS of a Binding success response to the transaction; None when it is something else."""
    if len(message) < 20 or struct.unpack("!HHI", message[:8])[::2] != (0x0101, COOKIE) or message[8:20] != transaction:
        return None
    at = 20
    while at + 4 <= len(message):
        kind, length = struct.unpack("!HH", message[at:at + 4])
        value = message[at + 4:at + 4 + length]
        if kind == XOR_MAPPED_ADDRESS and length in (8, 20):
            port = struct.unpack("!H", value[2:4])[0] ^ COOKIE >> 16
            mask = (struct.pack("!I", COOKIE) + transaction)[:length - 4]
            return ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask))), port
        at += 4 + (length + 3 & ~3)
    return None


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    until = time.monotonic() + (float(sys.argv[3]) if len(sys.argv) > 3 else 10)
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(address)
        probe.settimeout(0.5)
        while time.monotonic() < until:
            transaction = os.urandom(12)
            try:
                probe.send(struct.pack("!HHI", 0x0001, 0, COOKIE) + transaction)
                answer = mapped_address(probe.recv(2048), transaction)
            except OSError:
                time.sleep(0.2)
                continue
            if answer:
                print(f"{answer[0]} {answer[1]}")
                return 0
    print(f"no answer from {host} port {port}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
