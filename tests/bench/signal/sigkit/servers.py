# SPDX-License-Identifier: Apache-2.0
"""The signaling servers that are measured: how each is started on the same address and ports."""

import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(HERE, "peers")


def node_modules(install=False):
    """The folder that holds the packages of peers/package.json; nothing when they are nowhere and not to be installed into the
    cache, or cannot be."""
    with open(os.path.join(PEERS, "package.json"), encoding="utf-8") as file:
        wanted = json.load(file)["dependencies"]
    cache = os.path.join(os.environ.get("TS_NPM_CACHE") or os.path.expanduser("~/.cache/turnstone-tests/npm"), "signal")
    places = [p for p in (os.environ.get("NODE_MODULES", ""), os.path.join(cache, "node_modules")) if p]
    for modules in places:
        if all(os.path.isdir(os.path.join(modules, name)) for name in wanted):
            return os.path.abspath(modules)
    if not install or not shutil.which("npm"):
        return None
    os.makedirs(cache, exist_ok=True)
    try:
        subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", cache,
                        *(f"{name}@{version}" for name, version in wanted.items())], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=180, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return os.path.join(cache, "node_modules")


class Peer:
    name = label = ""

    def __init__(self, context):
        self.context = context

    def missing(self):
        """Why it cannot take part; nothing when it can."""
        return None

    def can(self, work):
        """Why it cannot do this work; nothing when it can."""
        return None

    def command(self, at, work):
        raise NotImplementedError

    def environment(self):
        return {}

    def version(self):
        return None

    def port(self, work):
        ports = self.context.ports
        return ports.tls if work.tls else ports.http


class Turnstone(Peer):
    name, label = "turnstone", "Turnstone"

    def missing(self):
        return None if self.context.turnstone else "TURNSTONE does not name the turnstone binary"

    def command(self, at, work):
        ports, context = self.context.ports, self.context
        return [context.turnstone, "serve", "--bind", at.server, "--port", str(ports.server), "--http-port", str(ports.http),
                "--tls-port", str(ports.tls), "--dtls-port", "0", "--tls-cert", context.cert, "--tls-key", context.key,
                "--threads", "1", "--realm", "bench", "--user", "bench:bench-password", "--relay-address", at.server,
                "--relay-ports", f"{ports.relay[0]}-{ports.relay[1]}", "--log-level", "warn"]

    def can(self, work):
        """Why it cannot do this work; nothing when it can."""
        if not work.nodes:
            return None
        if not shutil.which("redis-server"):
            return "no redis-server (package redis-server)"
        return None if self.context.knows("signaling.backplane") else "this turnstone has no signaling.backplane"

    def environment(self):
        # The limits are for the internet; the others have none.
        values = {"LISTEN_MAX_STREAMS": "0", "LISTEN_MAX_STREAMS_PER_ADDRESS": "0", "LISTEN_MAX_HALF_OPEN_PER_ADDRESS": "0",
                  "SIGNALING_OPEN": "true", "SIGNALING_MESSAGES_PER_SECOND": "1000000", "SIGNALING_MESSAGE_BURST": "10000000",
                  "SIGNALING_SOCKETIO_MAX_POLLING_SESSIONS": "0", "SIGNALING_PEERJS_MAX_MEMBERS": "0"}
        if self.context.knows("signaling.bytes_per_second"):
            values |= {"SIGNALING_BYTES_PER_SECOND": "1GiB", "SIGNALING_JOINS_PER_SECOND": "1000000"}
        if self.context.redis_port:
            values |= {"SIGNALING_BACKPLANE": "redis", "SIGNALING_REDIS_URL": f"redis://127.0.0.1:{self.context.redis_port}"}
            if self.context.knows("signaling.redis.cluster_secret"):
                values["SIGNALING_REDIS_CLUSTER_SECRET"] = "the-secret-of-all-nodes"
        if self.context.tickets:
            values["LISTEN_TLS_TICKET_KEYS_FILE"] = self.context.tickets
        return {f"TURNSTONE_{name}": value for name, value in values.items()}

    def version(self):
        done = subprocess.run([self.context.turnstone, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False).stdout.strip().splitlines()
        return done[0].removeprefix("turnstone ") if done else None


class Node(Peer):
    """A server of npm: peers/NAME.mjs."""

    package = ""

    def missing(self):
        if not shutil.which("node"):
            return "no node"
        return None if self.context.modules() else f"npm has not installed {self.package}"

    def command(self, at, work):
        files = [self.context.cert, self.context.key] if work.tls else []
        return ["node", os.path.join(PEERS, f"{self.name}.mjs"), at.server, str(self.port(work)), *files]

    def environment(self):
        return {"NODE_MODULES": self.context.modules(), "NODE_ENV": "production"}

    def version(self):
        with open(os.path.join(self.context.modules(), self.package, "package.json"), encoding="utf-8") as file:
            return json.load(file)["version"]


class SocketIo(Node):
    name, label, package = "socketio", "socket.io", "socket.io"


class Ws(Node):
    name, label, package = "ws", "ws", "ws"


class PeerServer(Node):
    name, label, package = "peerjs", "PeerServer", "peer"


SERVERS = (Turnstone, SocketIo, Ws, PeerServer)
