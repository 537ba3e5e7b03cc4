# SPDX-License-Identifier: Apache-2.0
"""Network namespaces for the kernel's relay: a client and a peer on links of their own, the server between them.

    client 203.0.113.2, 2001:db8:1::2 -- c0 server p0 -- 198.51.100.2, 2001:db8:2::2 peer

The ends of the links are told not to leave checksums to a device (there is none): packets look as they do from a wire.
"""

import array
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

import harness
from natlab import run

CLIENT, PEER = ("203.0.113.2", "2001:db8:1::2"), ("198.51.100.2", "2001:db8:2::2")
SERVER, RELAY = ("203.0.113.1", "2001:db8:1::1"), ("198.51.100.1", "2001:db8:2::1")
NETWORKS = ("198.51.100.0/24", "2001:db8:2::/64")
SIOCETHTOOL, ETHTOOL_STXCSUM, ETHTOOL_SGRO = 0x8946, 0x17, 0x2C
CLONE_NEWNET = 0x40000000


class Lab:
    """A context manager; takes its namespaces away at the end, come what may."""

    def __init__(self):
        tag = f"tso{os.getpid()}"
        self.server, self.client, self.peer = f"{tag}-server", f"{tag}-client", f"{tag}-peer"
        self.made = []
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)

    def prefix(self, namespace):
        return ["ip", "netns", "exec", namespace]

    def __enter__(self):
        try:
            self._build()
        except (RuntimeError, OSError) as error:
            self.__exit__()
            harness.skip(f"no network namespaces here: {error}")
        return self

    def __exit__(self, *unused):
        for namespace in self.made:
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)
        self.made = []

    @contextlib.contextmanager
    def inside(self, namespace):
        """Sockets that are made meanwhile are in the namespace, and stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        there = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        if libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(there)
        try:
            yield
        finally:
            if libc.setns(self.home, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def checksums_by_device(self, namespace, on):
        """Whether datagrams leave the namespace with their checksums to be finished by a device."""
        self._set(namespace, ETHTOOL_STXCSUM, on)

    def gather(self, namespace, on):
        """Whether the namespace's end gathers what it receives (GRO); only then it takes what the other end sends by XDP."""
        self._set(namespace, ETHTOOL_SGRO, on)

    def _set(self, namespace, what, on):
        with self.inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            value = array.array("B", struct.pack("II", what, 1 if on else 0))
            request = struct.pack("16sP", b"eth0", value.buffer_info()[0]) + bytes(16)
            fcntl.ioctl(handle, SIOCETHTOOL, request)

    def _build(self):
        for name in (self.server, self.client, self.peer):
            run("ip", "netns", "add", name)
            self.made.append(name)
            # An address that is found to be unique a second later is a change of the routes.
            for which in ("all", "default"):
                run(*self.prefix(name), "sysctl", "-q", "-w", f"net.ipv6.conf.{which}.accept_dad=0")
            run("ip", "-n", name, "link", "set", "lo", "up")
        for far, near, ours, theirs in ((self.client, "c0", SERVER, CLIENT), (self.peer, "p0", RELAY, PEER)):
            run("ip", "-n", far, "link", "add", "eth0", "type", "veth", "peer", "name", near, "netns", self.server)
            for namespace, device, addresses in ((far, "eth0", theirs), (self.server, near, ours)):
                run("ip", "-n", namespace, "link", "set", device, "up")
                run("ip", "-n", namespace, "addr", "add", f"{addresses[0]}/24", "dev", device)
                run("ip", "-n", namespace, "addr", "add", f"{addresses[1]}/64", "dev", device, "nodad")
            self.checksums_by_device(far, False)
