# SPDX-License-Identifier: Apache-2.0
"""Where servers and load meet: loopback of a network namespace of our own, or a veth pair between two of them."""

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import tempfile

MARK = "TURNSTONE_BENCH_NAMESPACE"
# Ports that the kernel gives to the load, in a namespace of our own; relayed ports are below.
EPHEMERAL_PORTS = (50001, 65000)


def choose_cores():
    """Cores for the server, the load and a second thread of the server, as strings: those that this process may use, and no
    hyperthreads of the first. With two cores the load's is the second thread's, too; with one there is none for either."""
    allowed = sorted(os.sched_getaffinity(0))
    siblings = {allowed[0]}
    with contextlib.suppress(OSError, ValueError):
        with open(f"/sys/devices/system/cpu/cpu{allowed[0]}/topology/thread_siblings_list", encoding="ascii") as file:
            for part in file.read().strip().split(","):
                first, _, last = part.partition("-")
                siblings.update(range(int(first), int(last or first) + 1))
    others = [c for c in allowed[1:] if c not in siblings] or allowed[1:]
    return [str(allowed[0]), *(str(others[min(i, len(others) - 1)]) if others else "" for i in range(2))]


SERVER_CORE, LOAD_CORE, SECOND_CORE = choose_cores()
CHECKSUMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checksums.py")
RECEIVING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "receiving.py")
# The server's end of the virtual cable.
VETH = "tsb0"


@dataclasses.dataclass(frozen=True)
class Place:
    name: str
    server: str
    load: str
    peers: str  # the network of peers that a server must allow
    spread: str  # IPv4: clients' addresses follow this one; empty: one address
    load_prefix: tuple = ()

    def endpoint(self, port):
        return f"[{self.server}]:{port}" if ":" in self.server else f"{self.server}:{port}"

    def ours(self, port):
        """The same on the load's side."""
        return f"[{self.load}]:{port}" if ":" in self.load else f"{self.load}:{port}"


@dataclasses.dataclass(frozen=True)
class Ports:
    """Of the servers; the defaults are for a namespace of our own, where nobody else has them."""

    server: int = 3478
    tls: int = 5349
    http: int = 8080
    bare_peer: int = 3999
    relay: tuple = (4000, 49999)


def free_ports():
    """For a machine that is shared: relayed ports are outside of the range that the kernel takes the load's from."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(4):
            tcp = stack.enter_context(socket.socket())
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())
            found.append(tcp.getsockname()[1])
    return Ports(*found, relay=(10000, 31999))


def udp_ports_in_use():
    """Of this network namespace."""
    found = set()
    for table in ("udp", "udp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{table}", encoding="ascii") as lines:
            next(lines)
            found.update(int(line.split()[1].rpartition(":")[2], 16) for line in lines)
    return found


LOOPBACK = Place("loopback", "127.0.0.1", "127.0.0.1", "127.0.0.0/8", "127.1.0.0")
LOOPBACK6 = Place("loopback6", "::1", "::1", "::1/128", "")


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def enter_namespace():
    """Starts this program again in a namespace of its own. Returns in there, or with a reason why there is none."""
    if os.environ.get(MARK):
        run("ip", "link", "set", "lo", "up")
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as ports:
            ports.write("%d %d" % EPHEMERAL_PORTS)
        return None
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "no unshare or no ip (packages util-linux, iproute2)"
    for options in (["--net", "--mount"], ["--user", "--map-root-user", "--net", "--mount"]):
        if subprocess.run(["unshare", *options, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.environ[MARK] = "1"
            os.execvp("unshare", ["unshare", *options, sys.executable, *sys.argv])
    return "network namespaces are not allowed here (not root?)"


def pin_receiving(prefix, device, core):
    """Packets that arrive at the device are worked on by this core, as by the interrupts of a card."""
    with tempfile.TemporaryDirectory(prefix="ts-bench-sys-") as folder:
        script = (f"mount -t sysfs sysfs {folder} && echo {1 << int(core):x} >{folder}/class/net/{device}/queues/rx-0/rps_cpus"
                  f"; status=$?; umount {folder}; exit $status")
        run(*prefix, "sh", "-c", script)


def remove_filters():
    """Whatever was attached to the server's end."""
    subprocess.run(["tc", "qdisc", "delete", "dev", VETH, "clsact"], stderr=subprocess.DEVNULL, check=False)


@contextlib.contextmanager
def veth():
    """A Place with a virtual cable: the server's end is here, the load's in another namespace that ends with this."""
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        here = os.stat("/proc/self/ns/net").st_ino
        while os.stat(f"/proc/{holder.pid}/ns/net").st_ino == here and holder.poll() is None:
            pass
        there = ("nsenter", "--net", "-t", str(holder.pid))
        run("ip", "link", "add", VETH, "type", "veth", "peer", "name", "tsb1", "netns", str(holder.pid))
        run("ip", "address", "add", "10.77.0.1/24", "dev", VETH)
        run("ip", "link", "set", VETH, "up")
        run(*there, "ip", "address", "add", "10.77.0.2/24", "dev", "tsb1")
        for device in ("lo", "tsb1"):
            run(*there, "ip", "link", "set", device, "up")
        # All of 10.78/16 is the load's: clients by the thousand without an address to configure for each.
        run(*there, "ip", "route", "add", "local", "10.78.0.0/16", "dev", "lo")
        run("ip", "route", "add", "10.78.0.0/16", "via", "10.77.0.2")
        run(*there, "sh", "-c", "echo %d %d >/proc/sys/net/ipv4/ip_local_port_range" % EPHEMERAL_PORTS)
        run(*there, sys.executable, CHECKSUMS, "tsb1")
        pin_receiving((), VETH, SERVER_CORE)
        pin_receiving(there, "tsb1", LOAD_CORE)
        yield Place("veth", "10.77.0.1", "10.77.0.2", "10.76.0.0/14", "10.78.0.0", there)
    finally:
        holder.stdin.close()
        holder.wait()
        subprocess.run(["ip", "link", "delete", VETH], stderr=subprocess.DEVNULL, check=False)
