# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: how each is started with the same user, realm, addresses and ports."""

import os
import shutil
import socket
import subprocess
import sys

from . import place

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
USER, PASSWORD, REALM = "bench", "bench-password", "bench"
GOCODE = "/usr/share/gocode"


class Peer:
    """One server with one configuration."""

    name = label = ""
    transports = ("udp", "tcp", "tls")
    ipv6 = True
    bare = False
    # A main peer takes part in each repetition, another in every second one.
    main = False
    # Takes part in works that do not name it, too.
    everywhere = True
    # Packets may overtake each other, as on the change from one path through it to another.
    may_reorder = False
    # Asked for by name, a variant of Turnstone does all that Turnstone does.
    chosen_variant = False

    def __init__(self, context):
        self.context = context

    def missing(self):
        """Why it cannot take part; nothing when it can."""
        return None

    def command(self, at, threads):
        raise NotImplementedError

    def environment(self):
        return {}

    def version(self):
        return None

    def clean_up(self):
        """After its process has been killed."""


class Turnstone(Peer):
    """Ours; variants set one key by a variable, and are missing where the binary does not know the key."""

    name, label, main = "turnstone", "Turnstone", True
    key, value = None, None

    def missing(self):
        binary = self.context.turnstone
        if not binary:
            return "TURNSTONE does not name the turnstone binary"
        if self.key:
            schema = subprocess.run([binary, "config", "docs"], stdout=subprocess.PIPE, text=True, check=False).stdout
            if f"`{self.key}`" not in schema:
                return f"this turnstone has no {self.key}"
        return None

    def command(self, at, threads):
        ports, context = self.context.ports, self.context
        return [context.turnstone, "serve", "--bind", at.server, "--port", str(ports.server), "--http-port", str(ports.http),
                "--tls-port", str(ports.tls), "--dtls-port", "0", "--tls-cert", context.cert, "--tls-key",
                context.key, "--threads", str(threads), "--realm", REALM, "--user", f"{USER}:{PASSWORD}",
                "--relay-address", at.server, "--relay-ports", f"{ports.relay[0]}-{ports.relay[1]}", "--allow-peer",
                at.peers, "--log-level", "warn"]

    def environment(self):
        # Limits per address but loopback's would bite on the veth pair, where a few addresses have all the clients.
        out = {"TURNSTONE_RELAY_MAX_CHALLENGES_PER_SECOND": "0", "TURNSTONE_RELAY_MAX_BINDINGS_PER_SECOND": "0"}
        if self.key:
            out["TURNSTONE_" + self.key.upper().replace(".", "_")] = self.value
        return out

    def version(self):
        done = subprocess.run([self.context.turnstone, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False).stdout.strip().splitlines()
        return done[0].removeprefix("turnstone ") if done else None


class TurnstoneEpoll(Turnstone):
    name, label, main, key, value = "turnstone-epoll", "Turnstone, epoll", False, "relay.engine", "epoll"


class TurnstoneRing(Turnstone):
    name, label, main, key, value = "turnstone-ring", "Turnstone, io_uring", False, "relay.engine", "io_uring"


class TurnstoneTc(Turnstone):
    everywhere, may_reorder = False, True
    name, label, main, key, value = "turnstone-tc", "Turnstone, in the kernel", False, "relay.offload", "tc"

    def clean_up(self):
        # A killed server leaves its filters; packets of the next one are not to pass them.
        place.remove_filters()


class TurnstoneXdp(TurnstoneTc):
    name, label, value = "turnstone-xdp", "Turnstone, in the driver", "xdp"
    load_prefix = ()

    def missing(self):
        reason = super().missing()
        if reason:
            return reason
        types = subprocess.run([self.context.turnstone, "config", "docs"], stdout=subprocess.PIPE, text=True, check=False).stdout
        return None if "tc\\|xdp" in types else "this turnstone has no XDP"

    def command(self, at, threads):
        # Only for this one: the others' figures are those of a veth as it comes.
        self.load_prefix = at.load_prefix
        place.run(*at.load_prefix, sys.executable, place.RECEIVING, "tsb1", "on")
        return super().command(at, threads)

    def clean_up(self):
        super().clean_up()
        place.run(*self.load_prefix, sys.executable, place.RECEIVING, "tsb1", "off")


class Coturn(Peer):
    name, label, main = "coturn", "coturn", True

    def missing(self):
        return None if shutil.which("turnserver") else "no turnserver (package coturn)"

    def command(self, at, threads):
        ports, context = self.context.ports, self.context
        return ["turnserver", "-n", "--no-cli", "--log-file", "/dev/null", "-m", str(threads), "--no-dtls", "--cert",
                context.cert, "--pkey", context.key, "--tls-listening-port", str(ports.tls),
                "--allow-loopback-peers", "--lt-cred-mech", "--user", f"{USER}:{PASSWORD}", "-r", REALM, "-L", at.server,
                "-E", at.server, "-p", str(ports.server), "--min-port", str(ports.relay[0]), "--max-port",
                str(ports.relay[1]), "--pidfile", os.path.join(context.folder, "turnserver.pid")]

    def version(self):
        done = subprocess.run(["turnserver", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=False).stdout.split()
        return done[-1] if done else None


class Pion(Peer):
    name, label = "pion", "pion v2"

    def missing(self):
        if not shutil.which("go"):
            return "no go (package golang-go)"
        if not os.path.isdir(os.path.join(GOCODE, "src/github.com/pion/turn/v2")):
            return "no pion (package golang-github-pion-turn.v2-dev)"
        binary = os.path.join(self.context.folder, "pion")
        if not os.path.exists(binary):
            build = subprocess.run(["go", "build", "-o", binary, "main.go"], cwd=os.path.join(HERE, "peers", "pion"),
                                   env={**os.environ, "GO111MODULE": "off", "GOPATH": GOCODE, "GOFLAGS": "",
                                        "GOCACHE": os.path.join(self.context.folder, "go-cache")},
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if build.returncode != 0:
                return f"pion's server is not to be built: {build.stdout.strip()[-300:]}"
        return None

    def command(self, at, threads):
        ports, context = self.context.ports, self.context
        return [os.path.join(context.folder, "pion"), "-address", at.server, "-port", str(ports.server), "-tls-port",
                str(ports.tls), "-cert", context.cert, "-key", context.key, "-realm", REALM, "-user", USER,
                "-password", PASSWORD, "-min-port", str(ports.relay[0]), "-max-port", str(ports.relay[1])]


class P1Stun(Peer):
    name, label = "p1-stun", "p1_stun"

    def missing(self):
        if not shutil.which("escript"):
            return "no escript (package erlang-base)"
        found = subprocess.run(["erl", "-noshell", "-eval", "halt(case code:which(stun) of non_existing -> 1; _ -> 0 end)."],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return None if found.returncode == 0 else "no p1_stun (package erlang-p1-stun)"

    def command(self, at, threads):
        ports, context = self.context.ports, self.context
        return ["escript", os.path.join(HERE, "peers", "p1_stun.escript"), at.server, str(ports.server), str(ports.tls),
                context.both, REALM, USER, PASSWORD, str(ports.relay[0]), str(ports.relay[1])]


class Bare(Peer):
    """turnload's own forwarders: what the kernel asks for the same packets."""

    bare, transports, engine = True, ("udp",), ""

    def command(self, at, threads):
        ports = self.context.ports
        return [self.context.turnload, "forward", "--engine", self.engine, "--listen", at.endpoint(ports.server), "--to",
                at.ours(ports.bare_peer), "--relayed", at.endpoint(ports.relay[0]), "--flows", "100"]


class BareOne(Bare):
    name, label, engine = "bare", "bare, recvfrom", "one"


class BareBatch(Bare):
    name, label, engine = "bare-batch", "bare, recvmmsg", "batch"


class BareTrains(Bare):
    name, label, engine = "bare-trains", "bare, GRO and GSO", "trains"


class BareRing(Bare):
    name, label, engine = "bare-ring", "bare, io_uring", "ring"

    def missing(self):
        probe = subprocess.Popen([self.context.turnload, "forward", "--engine", "ring", "--listen", "127.0.0.1:0", "--to",
                                  "127.0.0.1:9", "--relayed", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        ready = probe.stdout.readline().strip() == "ready"
        probe.kill()
        problem = probe.communicate()[1].strip()
        return None if ready else problem.removeprefix("turnload: ")


class BareTc(Bare):
    """In the kernel, at the ingress of the veth pair; its process only waits."""

    name, label, everywhere = "bare-tc", "bare, in the kernel", False

    def missing(self):
        absent = [tool for tool in ("clang", "tc") if not shutil.which(tool)]
        if absent or not os.path.exists("/usr/include/bpf/bpf_helpers.h"):
            return f"no {absent[0]}" if absent else "no bpf/bpf_helpers.h (package libbpf-dev)"
        return None

    def build(self, at):
        """The object file for the addresses of this place; they are constants in it."""
        path = os.path.join(self.context.folder, "forward_tc.o")
        if os.path.exists(path):
            return path
        ports = self.context.ports
        values = {"SERVER_PORT": ports.server, "RELAY_PORT": ports.relay[0], "PEER_PORT": ports.bare_peer,
                  "PEER_ADDRESS": int.from_bytes(socket.inet_aton(at.load), sys.byteorder)}
        subprocess.run(["clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu",
                        *(f"-D{name}={value}" for name, value in values.items()), "-c",
                        os.path.join(HERE, "peers", "forward_tc.bpf.c"), "-o", path], check=True)
        return path

    def command(self, at, threads):
        return ["sh", "-ec", f"tc qdisc replace dev {place.VETH} clsact; tc filter add dev {place.VETH} ingress bpf da obj "
                f"{self.build(at)} sec tc; echo ready; exec sleep 600"]

    def clean_up(self):
        place.remove_filters()


PEERS = (Turnstone, Coturn, Pion, P1Stun, BareOne, BareBatch, BareTrains, BareRing, BareTc)
VARIANTS = (TurnstoneEpoll, TurnstoneRing, TurnstoneTc, TurnstoneXdp)
