# SPDX-License-Identifier: Apache-2.0
"""Runs works: each sample is a fresh server on one core and the load on the other."""

import contextlib
import dataclasses
import json
import os
import resource
import socket
import subprocess
import tempfile
import time

from . import machine, peers, place, works

START_SECONDS, LOAD_SECONDS, PORTS_SECONDS, IDLE_SETTLE_SECONDS = 15, 90, 5, 0.3
# Of what turnload prints.
FAULTS = ("corrupt", "wrong_channel", "wrong_source", "duplicate", "reordered", "wrong", "failed")
# Descriptors of a server that are not relay sockets.
SPARE_DESCRIPTORS = 200
PROBE = bytes.fromhex("000100002112a442") + b"bench-start!"


class Problem(Exception):
    """A sample that could not be taken; the text says why."""


@dataclasses.dataclass
class Context:
    """What the servers of a run are made from."""

    turnstone: str
    turnload: str
    folder: str
    ports: place.Ports
    cert: str = ""
    key: str = ""
    both: str = ""

    def make_certificate(self):
        self.cert, self.key, self.both = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem", "both.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", self.key, "-out", self.cert, "-days", "30", "-subj", "/CN=bench"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(self.both, "w", encoding="ascii") as both:
            for path in (self.cert, self.key):
                with open(path, encoding="ascii") as part:
                    both.write(part.read())


class Server:
    """A server's process while a sample is taken."""

    def __init__(self, peer, at, threads):
        self.peer, self.at = peer, at
        cores = place.SERVER_CORE if threads == 1 else f"{place.SERVER_CORE},{place.SECOND_CORE}"
        self.core = place.SERVER_CORE if threads == 1 else None
        self.command = ["taskset", "-c", cores, *peer.command(at, threads)]

    def __enter__(self):
        started = time.monotonic()
        self.foreign_ports = place.udp_ports_in_use()
        self.complaints = tempfile.TemporaryFile(dir=self.peer.context.folder)
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.complaints, cwd=self.peer.context.folder,
                                        env={**os.environ, **self.peer.environment()})
        try:
            if self.peer.bare:
                if self.process.stdout.readline().strip() != b"ready":
                    raise Problem("the forwarder does not start")
            else:
                self.wait_for_answer(started + START_SECONDS)
        except Problem:
            self.__exit__()
            raise
        self.start_ms = (time.monotonic() - started) * 1000
        return self

    def wait_for_answer(self, until):
        family = socket.AF_INET6 if ":" in self.at.server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.002)
            while True:
                with contextlib.suppress(OSError):
                    probe.sendto(PROBE, (self.at.server, self.peer.context.ports.server))
                    if probe.recv(500)[8:20] == PROBE[8:20]:
                        return
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Problem(f"does not start: {' '.join(self.command)}: {self.last_words()}")

    def last_words(self):
        self.complaints.seek(0)
        return self.complaints.read()[-400:].decode(errors="replace").strip() or "it says nothing"

    def __exit__(self, *unused):
        # Nobody is to be spared: what a server does at its end is not measured, and the next one wants the ports.
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.complaints.close()
        self.wait_for_ports(time.monotonic() + PORTS_SECONDS)
        self.peer.clean_up()

    def wait_for_ports(self, until):
        """The kernel closes the sockets of a process with io_uring some time after its end."""
        ports = self.peer.context.ports
        wanted = {ports.server, ports.tls, ports.bare_peer, *range(ports.relay[0], ports.relay[1] + 1)}
        while time.monotonic() < until and wanted & place.udp_ports_in_use() - self.foreign_ports:
            time.sleep(0.005)

    def load_command(self, work, timing):
        prefix = [*self.at.load_prefix, "taskset", "-c", place.LOAD_CORE, self.peer.context.turnload]
        ports = self.peer.context.ports
        port = ports.tls if work.transport == "tls" else ports.server
        out = [*prefix, *work.arguments, *timing, "--server", self.at.endpoint(port), "--client", self.at.load, "--peer",
               self.at.load, "--user", peers.USER, "--password", peers.PASSWORD, "--server-pid", str(self.process.pid),
               "--transport", work.transport]
        if self.core is not None:
            out += ["--server-core", self.core]
        if self.at.spread:
            out += ["--spread", self.at.spread]
        if self.peer.may_reorder:
            out += ["--may-reorder"]
        if self.peer.bare:
            out += ["--bare", "--peer-port", str(ports.bare_peer), "--relayed", self.at.endpoint(ports.relay[0])]
        return out


def figures(unit, result, busy_others):
    """Of what turnload printed, under the same names for all units."""
    out = {"us": result[f"server_us_per_{unit}"], "core_us": result[f"core_us_per_{unit}"], "count": result[f"{unit}s"],
           "per_second": result[f"{unit}s_per_second"], "busy": result["server_busy"], "threads": result["thread_seconds"],
           "others": busy_others}
    for name in ("sent", "lost", "reordered", "refused", "failed", "late", "resent"):
        if name in result:
            out[name] = result[name]
    out.update(result["latency_us"])
    if "churn" in result:
        out["churn"] = {"cycles": result["churn"]["cycles"], "failed": result["churn"]["failed"],
                        "late": result["churn"]["late"], **result["churn"]["latency_us"]}
    return out


def what_is_wrong(result):
    """Why turnload is not content with what it printed."""
    faults = {**result, **{f"churn {name}": value for name, value in result.get("churn", {}).items()}}
    found = [f"{faults[name]:,} {name.replace('_', ' ')}" for name in (*FAULTS, "churn failed") if faults.get(name)]
    return "turnload found faults: " + (", ".join(found) if found else "nothing arrived in the measured time")


def measure(server, work, timing):
    """One run of turnload: its figures, and how much of a core others took meanwhile."""
    started, (busy, children) = time.monotonic(), machine.busy_seconds()
    try:
        done = subprocess.run(server.load_command(work, timing), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=LOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Problem(f"turnload has not ended within {LOAD_SECONDS} s") from None
    seconds, (busy_after, children_after) = time.monotonic() - started, machine.busy_seconds()
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise Problem(done.stderr.strip() or f"turnload: exit status {done.returncode}") from None
    if done.returncode != 0:
        raise Problem(what_is_wrong(result))
    # The server's time outside of the measured part counts as others', too: an upper bound.
    others = busy_after - busy - (children_after - children) - result["server_cpu_seconds"]
    return figures(work.unit, result, round(max(0.0, others / seconds), 2))


def idle(server, work, count):
    """Memory and descriptors of an idle allocation. The clients' sockets exist before the first look."""
    command = [*server.load_command(work, ()), "--allocations", str(count)]
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def expect(word):
        line = load.stdout.readline().split()
        if not line or line[0] != word:
            load.kill()
            raise Problem(load.stderr.read().strip() or f"turnload idle: no \"{word}\"")
        time.sleep(IDLE_SETTLE_SECONDS)
        return line, machine.memory_kb(server.process.pid)

    try:
        _, before = expect("sockets")
        load.stdin.write("\n")
        load.stdin.flush()
        line, after = expect("allocated")
        resident, slab, descriptors = ((b - a) / count for a, b in zip(before, after))
        return {"resident_kb": resident, "slab_kb": slab, "descriptors": descriptors, "count": count,
                "per_second": count / max(float(line[1]), 1e-3)}
    finally:
        load.kill()
        load.communicate()


class Run:
    """Samples of all works and servers, the servers in turn within each work."""

    def __init__(self, chosen_peers, chosen_works, options, say):
        self.peers, self.works, self.options, self.say = chosen_peers, chosen_works, options, say
        self.samples, self.skipped = [], []
        self.few_descriptors = False

    def can(self, peer, work):
        if peer.name in work.servers:
            return True
        if not peer.everywhere:
            return False
        if peer.chosen_variant and "turnstone" in work.servers:
            return True
        if peer.bare:
            return work.bare and not work.servers
        return not work.servers and work.transport in peer.transports

    def takes_part(self, peer, work, repetition):
        """Main servers in each repetition, the others in every second one; memory twice."""
        if not self.can(peer, work):
            return False
        if work.unit == "allocation" and repetition >= self.options.idle_repetitions:
            return False
        return peer.main or repetition % 2 == 0

    def all(self):
        with contextlib.ExitStack() as stack:
            places = {"loopback": place.LOOPBACK, "loopback6": place.LOOPBACK6}
            if any(work.place == "veth" for work in self.works):
                self.add_veth(stack, places)
            for repetition in range(self.options.repetitions):
                for number, work in enumerate(self.works):
                    order = [p for p in self.peers if self.takes_part(p, work, repetition)]
                    # Nobody is always the first: each repetition and each work begins with another one.
                    turn = (repetition + number) % max(1, len(order))
                    for peer in order[turn:] + order[:turn]:
                        if work.place in places:
                            self.one(peer, work, places[work.place], repetition)
                self.say(f"repetition {repetition + 1} of {self.options.repetitions} is done")

    def add_veth(self, stack, places):
        if not self.options.own_namespace:
            self.skip("veth", "no namespace of our own")
            return
        try:
            places["veth"] = stack.enter_context(place.veth())
        except (OSError, subprocess.CalledProcessError) as problem:
            self.skip("veth", f"{problem} {getattr(problem, 'stderr', '') or ''}".strip())

    def skip(self, what, reason):
        self.skipped.append({"what": what, "reason": reason})
        self.say(f"SKIPPED {what}: {reason}")

    def idle_count(self, work):
        """As many as there are descriptors for, in the server and in the load, when those are fewer."""
        wanted = works.SMOKE_IDLE[work.id] if self.options.smoke else work.allocations
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
        if wanted > allowed and not self.few_descriptors:
            self.few_descriptors = True
            self.skip(f"{wanted - allowed} of {wanted:,} idle allocations", "the limit of descriptors (ulimit -Hn) is too low")
        return min(wanted, allowed)

    def one(self, peer, work, at, repetition):
        sample = {"work": work.id, "server": peer.name, "repetition": repetition, "problem": None, "figures": {}}
        try:
            with Server(peer, at, work.threads) as server:
                sample["start_ms"] = round(server.start_ms, 2)
                if work.unit == "allocation":
                    sample["figures"] = idle(server, work, self.idle_count(work))
                else:
                    timing = ("--seconds", str(self.options.seconds), "--warmup", str(self.options.warmup))
                    sample["figures"] = measure(server, work, timing)
                if server.process.poll() is not None:
                    raise Problem("the server has ended by itself")
        except (Problem, OSError, subprocess.CalledProcessError) as problem:
            sample["problem"] = str(problem)
            self.say(f"PROBLEM {peer.name}: {work.id}: {problem}")
        self.samples.append(sample)
