# SPDX-License-Identifier: Apache-2.0
"""Runs works: each sample is a fresh server on one core and the load on another."""

import contextlib
import dataclasses
import json
import os
import resource
import socket
import subprocess
import tempfile
import time

from kit import machine, place

from . import servers, works

START_SECONDS, LOAD_SECONDS, SETTLE_SECONDS, PORT_SECONDS = 15, 180, 1.0, 5
# Of what signload prints.
FAULTS = ("corrupt", "wrong_source", "duplicate", "reordered", "lost", "refused_by_server", "dropped")
SPARE_DESCRIPTORS = 200
# The second node has the same ports on another address.
NODE = dataclasses.replace(place.LOOPBACK, server="127.0.0.2")


class Problem(Exception):
    """A sample that could not be taken; the text says why."""


@dataclasses.dataclass
class Context:
    """What the servers of a run are made from."""

    turnstone: str
    signload: str
    folder: str
    ports: place.Ports
    cert: str = ""
    key: str = ""
    # Keys of TLS tickets that outlive a restart, where the binary knows them.
    tickets: str = ""
    # Where nodes meet while a work needs it; 0: nowhere.
    redis_port: int = 0
    found_keys: list = dataclasses.field(default_factory=list)
    found_modules: list = dataclasses.field(default_factory=list)

    def modules(self):
        if not self.found_modules:
            self.found_modules.append(servers.node_modules())
        return self.found_modules[0]

    def make_certificate(self):
        self.cert, self.key = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", self.key, "-out", self.cert, "-days", "30", "-subj", "/CN=bench"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def knows(self, key):
        """Has this turnstone such a key of its configuration?"""
        if not self.turnstone:
            return False
        if not self.found_keys:
            self.found_keys.append(subprocess.run([self.turnstone, "config", "docs"], stdout=subprocess.PIPE, text=True,
                                                  check=False).stdout)
        return f"`{key}`" in self.found_keys[0]

    def make_tickets(self):
        if not self.knows("listen.tls_ticket_keys_file"):
            return
        self.tickets = os.path.join(self.folder, "tickets")
        with open(self.tickets, "w", encoding="ascii") as file:
            file.write(os.urandom(32).hex() + "\n")
        os.chmod(self.tickets, 0o600)


class Server:
    """A server's process while a sample is taken."""

    def __init__(self, peer, work, at=place.LOOPBACK):
        self.peer, self.work, self.at = peer, work, at
        self.second = None
        self.core = place.SERVER_CORE if work.cores == 1 else None
        cores = place.SERVER_CORE if work.cores == 1 else f"{place.SERVER_CORE},{place.SECOND_CORE}"
        self.command = ["taskset", "-c", cores, *peer.command(self.at, work)]

    def __enter__(self):
        started = time.monotonic()
        self.complaints = tempfile.TemporaryFile(dir=self.peer.context.folder)
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.complaints, cwd=self.peer.context.folder,
                                        env={**os.environ, **self.peer.environment()})
        try:
            self.wait_for_answer(started + START_SECONDS)
        except Problem:
            self.__exit__()
            raise
        self.start_ms = (time.monotonic() - started) * 1000
        return self

    def wait_for_answer(self, until):
        address = (self.at.server, self.peer.port(self.work))
        while True:
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
                return
            if self.process.poll() is not None or time.monotonic() > until:
                raise Problem(f"does not start: {' '.join(self.command)}: {self.last_words()}")
            time.sleep(0.002)

    def last_words(self):
        self.complaints.seek(0)
        return self.complaints.read()[-400:].decode(errors="replace").strip() or "it says nothing"

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.complaints.close()

    def load_command(self, work, timing):
        out = ["taskset", "-c", place.LOAD_CORE, self.peer.context.signload, *work.arguments, *timing, "--server",
               self.at.endpoint(self.peer.port(work)), "--client", self.at.load, "--spread", self.at.spread, "--server-pid",
               str(self.process.pid)]
        if work.tls:
            out.append("--tls")
        if self.core is not None:
            out += ["--server-core", self.core]
        if self.second:
            out += ["--second", self.second.at.endpoint(self.peer.port(work))]
        return out


@contextlib.contextmanager
def redis(context):
    """A Redis that writes nothing, on the server's core, where nodes of the context meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(["taskset", "-c", place.SERVER_CORE, "redis-server", "--bind", "127.0.0.1", "--port", str(port),
                                "--save", "", "--appendonly", "no"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=context.folder)
    context.redis_port = port
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise Problem("redis-server does not start")
            time.sleep(0.01)
        yield
    finally:
        context.redis_port = 0
        process.kill()
        process.wait()


def figures(result, busy_others):
    out = {"us": result["server_us_per_message"], "core_us": result["core_us_per_message"], "count": result["messages"],
           "per_second": result["messages_per_second"], "busy": result["server_busy"], "threads": result["thread_seconds"],
           "others": busy_others, "sent": result["sent"], "lost": result["lost"]}
    return {**out, **result["latency_us"]}


def what_is_wrong(result):
    found = [f"{result[name]:,} {name.replace('_', ' ')}" for name in FAULTS if result.get(name)]
    return "signload found faults: " + (", ".join(found) if found else "nothing arrived in the measured time")


def measure(server, work, timing):
    """One run of `signload talk`: its figures, and how much of a core others took meanwhile."""
    started, (busy, children) = time.monotonic(), machine.busy_seconds()
    try:
        done = subprocess.run(server.load_command(work, timing), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=LOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Problem(f"signload has not ended within {LOAD_SECONDS} s") from None
    seconds, (busy_after, children_after) = time.monotonic() - started, machine.busy_seconds()
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise Problem(done.stderr.strip() or f"signload: exit status {done.returncode}") from None
    if done.returncode != 0:
        raise Problem(what_is_wrong(result) + " " + done.stderr.strip()[:300])
    others = busy_after - busy - (children_after - children) - result["server_cpu_seconds"]
    return figures(result, round(max(0.0, others / seconds), 2))


class Crowd:
    """signload with clients that stay, as a conversation by lines."""

    def __init__(self, server, work, count):
        command = [*server.load_command(work, ()), "--clients", str(count)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.communicate()

    def expect(self, word):
        line = self.process.stdout.readline().split()
        if not line or line[0] != word:
            self.process.kill()
            raise Problem(self.process.stderr.read().strip() or f"signload: no \"{word}\"")
        return line

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def idle(server, work, count):
    """Memory and descriptors of an idle connection."""
    with Crowd(server, work, count) as crowd:
        crowd.expect("sockets")
        time.sleep(SETTLE_SECONDS)
        before = machine.memory_kb(server.process.pid)
        crowd.go_on()
        line = crowd.expect("allocated")
        time.sleep(SETTLE_SECONDS)
        after = machine.memory_kb(server.process.pid)
        crowd.go_on()
        if crowd.process.wait(LOAD_SECONDS) != 0:
            raise Problem("connections have ended by themselves: " + crowd.process.stderr.read().strip()[:300])
        resident, slab, descriptors = ((b - a) / count for a, b in zip(before, after))
        return {"resident_kb": resident, "slab_kb": slab, "descriptors": descriptors, "count": count,
                "per_second": count / max(float(line[1]), 1e-3)}


def storm(server, work, count, stack):
    """How long clients need to be back after their connections were cut, or the server was."""
    with Crowd(server, work, count) as crowd:
        crowd.expect("ready")
        if work.restart:
            server.__exit__()  # once more at the end, which does nothing
            server = stack.enter_context(Server(server.peer, work))
        crowd.go_on()
        line = crowd.process.stdout.readline()
        try:
            result = json.loads(line)
        except ValueError:
            raise Problem(crowd.process.stderr.read().strip() or "signload storm: no result") from None
        if result["there"] != count:
            raise Problem(f"{count - result['there']:,} of {count:,} clients have not come back")
        # Another process has the time after a restart; this one's is not known.
        busy = {} if work.restart else {"busy": result["server_cpu_seconds"] / result["seconds"]}
        return {"seconds": result["seconds"], "count": count, "per_second": count / result["seconds"], **busy,
                "sessions_missed": count - result["sessions_resumed"], "tls_missed": count - result["tls_resumed"]}


class Run:
    """Samples of all works and servers, the servers in turn within each work."""

    def __init__(self, chosen_peers, chosen_works, options, say):
        self.peers, self.works, self.options, self.say = chosen_peers, chosen_works, options, say
        self.samples, self.skipped = [], []
        self.few_descriptors = False
        self.unable = set()

    def find_unable(self):
        for work in self.works:
            for peer in self.peers:
                reason = peer.can(work) if peer.name in work.servers else None
                if reason:
                    self.unable.add((peer.name, work.id))
                    self.skip(f"{peer.name}, {work.id}", reason)

    def takes_part(self, peer, work, repetition):
        if peer.name not in work.servers or (peer.name, work.id) in self.unable:
            return False
        return work.unit == "message" or repetition < self.options.idle_repetitions

    def all(self):
        self.find_unable()
        for repetition in range(self.options.repetitions):
            for number, work in enumerate(self.works):
                order = [p for p in self.peers if self.takes_part(p, work, repetition)]
                # Nobody is always the first: each repetition and each work begins with another one.
                turn = (repetition + number) % max(1, len(order))
                for peer in order[turn:] + order[:turn]:
                    self.one(peer, work, repetition)
            self.say(f"repetition {repetition + 1} of {self.options.repetitions} is done")

    def skip(self, what, reason):
        self.skipped.append({"what": what, "reason": reason})
        self.say(f"SKIPPED {what}: {reason}")

    def count(self, work):
        """As many as there are descriptors for, in the server and in the load, when those are fewer."""
        wanted = works.SMOKE_CLIENTS if self.options.smoke else work.clients
        each = 2 if "polling" in work.arguments else 1
        allowed = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS) // each
        if wanted > allowed and not self.few_descriptors:
            self.few_descriptors = True
            self.skip(f"{wanted - allowed} of {wanted:,} clients", "the limit of descriptors (ulimit -Hn) is too low")
        return min(wanted, allowed) // 2 * 2

    def rate(self, peer, work, repetition):
        """Half of what the closed loop has brought, to whole hundreds."""
        for sample in reversed(self.samples):
            if (sample["work"], sample["server"], sample["repetition"]) == (work.half_of, peer.name, repetition):
                if sample["problem"] is None:
                    return max(100, sample["figures"]["per_second"] // 200 * 100)
        raise Problem(f"needs a figure of {work.half_of}")

    def take(self, peer, work, repetition, sample):
        with contextlib.ExitStack() as stack:
            if work.nodes:
                stack.enter_context(redis(peer.context))
            server = stack.enter_context(Server(peer, work))
            if work.nodes:
                server.second = stack.enter_context(Server(peer, work, NODE))
            sample["start_ms"] = round(server.start_ms, 2)
            if work.unit == "client":
                return idle(server, work, self.count(work))
            if work.unit == "storm":
                return storm(server, work, self.count(work), stack)
            timing = ["--seconds", str(self.options.seconds), "--warmup", str(self.options.warmup)]
            rate = self.rate(peer, work, repetition) if work.half_of else 0
            found = measure(server, work, timing + (["--rate", str(rate)] if rate else []))
            if server.process.poll() is not None:
                raise Problem("the server has ended by itself")
            return {**found, "rate": rate} if rate else found

    def one(self, peer, work, repetition):
        sample = {"work": work.id, "server": peer.name, "repetition": repetition, "problem": None, "figures": {}}
        try:
            sample["figures"] = self.take(peer, work, repetition, sample)
        except (Problem, OSError, subprocess.CalledProcessError) as problem:
            sample["problem"] = str(problem)
            self.say(f"PROBLEM {peer.name}: {work.id}: {problem}")
        self.samples.append(sample)
