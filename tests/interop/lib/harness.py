# SPDX-License-Identifier: Apache-2.0
"""Starts the server under test and keeps the score. Standard library only.

TURNSTONE names the binary. TS_INTEROP_CONTROL=coturn starts Debian's turnserver with the same settings instead: a
control that tells a wrong test from a wrong server. Signaling and HTTP are skipped then.
"""

import base64
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIP = 77
# Below the range that the kernel takes free ports from: a listener must not stand among the relay's ports.
RELAY_PORTS = (20000, 31999)
CONTROL = os.environ.get("TS_INTEROP_CONTROL") == "coturn"


def skip(reason):
    """Ends the run as skipped; the reason is the last line."""
    print(f"SKIPPED: {reason}")
    sys.exit(SKIP)


def need(*programs):
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        skip(f"not installed: {', '.join(missing)}")


class Report:
    """Prints each check and counts them."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.started = time.monotonic()

    def check(self, name, good, detail="", departs=False):
        """`departs`: the control server is known to differ here."""
        if departs and CONTROL and not good:
            self.skip(name, "the control server differs")
            return False
        if good:
            self.passed += 1
        else:
            self.failed += 1
        print(f"{'ok  ' if good else 'FAIL'} {name}" + (f": {detail}" if detail and not good else ""), flush=True)
        return good

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skip {name}: {reason}", flush=True)

    def note(self, text):
        print(f"     {text}", flush=True)

    def finish(self):
        seconds = time.monotonic() - self.started
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped in {seconds:.0f} s")
        return 1 if self.failed or not self.passed else 0


def free_port(host="127.0.0.1"):
    """A port that neither TCP nor UDP uses on the host (and on ::1)."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((host, 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind((host, port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def get(url, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=3) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def rest_credentials(secret, user="guest", ttl=600):
    """The ephemeral user name and password of draft-uberti-behave-turn-rest."""
    name = f"{int(time.time()) + ttl}:{user}"
    mac = hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()
    return name, base64.b64encode(mac).decode()


def make_certificates(folder, names=("localhost",), addresses=("127.0.0.1", "::1"), days=20):
    """A CA and a server certificate under it: ca.pem, cert.pem, key.pem."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    san = ",".join([f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses])
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=Interop test CA", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
            "-keyout", "key.pem", "-out", "server.csr")
    with open(os.path.join(folder, "extensions"), "w", encoding="utf-8") as f:
        f.write(f"subjectAltName={san}\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
            "-extfile", "extensions", "-out", "cert.pem")


class Server:
    """The server under test, a child process. A context manager."""

    def __init__(self, folder, *, user=None, secret=None, binds=("127.0.0.1", "::1"), relays=("127.0.0.1", "::1"),
                 allow=("127.0.0.0/8", "::1/128"), token=None, dev=False, threads=1, prefix=(), extra=()):
        self.folder = folder
        self.binary = os.environ.get("TURNSTONE", "")
        self.port, self.tls_port, self.http_port = free_port(), free_port(), free_port()
        self.user, self.secret, self.token = user, secret, token
        self.log_path = os.path.join(folder, "server.log")
        self.address = binds[0]
        self.prefix = list(prefix)
        self.command = self.prefix + (
            self._coturn(binds, relays) if CONTROL else self._turnstone(binds, relays, allow, dev, threads, extra))
        self.process = None

    def _turnstone(self, binds, relays, allow, dev, threads, extra):
        if not self.binary or not os.access(self.binary, os.X_OK):
            skip("TURNSTONE does not name the turnstone binary")
        command = [self.binary, "serve", "--port", str(self.port), "--tls-port", str(self.tls_port),
                   "--dtls-port", str(self.tls_port), "--http-port", str(self.http_port), "--threads", str(threads),
                   "--realm", "interop.example",
                   "--relay-ports", "{}-{}".format(*RELAY_PORTS),
                   "--tls-cert", os.path.join(self.folder, "cert.pem"), "--tls-key", os.path.join(self.folder, "key.pem"),
                   "--log-level", os.environ.get("TS_INTEROP_LOG", "info")]
        for name, values in (("--bind", binds), ("--relay-address", relays), ("--allow-peer", allow)):
            for value in values:
                command += [name, value]
        if dev:
            command.append("--dev")
        if self.user:
            command += ["--user", self.user]
        if self.secret:
            command += ["--secret", self.secret]
        if self.token:
            command += ["--signaling-token", self.token]
        return command + list(extra)

    def _coturn(self, binds, relays):
        command = ["turnserver", "-n", "--no-cli", "--log-file", "stdout", "--allow-loopback-peers",
                   "--min-port", str(RELAY_PORTS[0]), "--max-port", str(RELAY_PORTS[1]), "-r",
                   "interop.example", "-p", str(self.port), "--tls-listening-port", str(self.tls_port),
                   "--cert", os.path.join(self.folder, "cert.pem"), "--pkey", os.path.join(self.folder, "key.pem"),
                   "--pidfile", os.path.join(self.folder, "turnserver.pid"), "--lt-cred-mech"]
        for address in binds:
            command += ["-L", address]
        for address in relays:
            command += ["-E", address]
        if self.user:
            command += ["--user", self.user]
        if self.secret:
            command += ["--use-auth-secret", "--static-auth-secret", self.secret]
        return command

    def __enter__(self):
        log = open(self.log_path, "wb")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)
        log.close()
        deadline = time.monotonic() + 10
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                print(self.log_tail(30))
                print(f"FAIL the server does not start: {' '.join(self.command)}")
                sys.exit(1)
            time.sleep(0.05)
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            # At SIGTERM ours waits for allocations; a test does not.
            self.process.send_signal(signal.SIGTERM if CONTROL else signal.SIGINT)
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def _answers(self):
        try:
            if CONTROL:
                socket.create_connection((self.address, self.port), 0.5).close()
                return True
            return self.http("/readyz")[0] == 200
        except OSError:
            return False

    def http(self, path, headers=None):
        """Status and text of a GET on the plain HTTP port."""
        url = f"http://{self.address}:{self.http_port}{path}"
        if self.prefix:  # the server is in a network namespace: ask from in there
            done = subprocess.run(self.prefix + [sys.executable, __file__, url], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True, check=False)
            status, _, text = done.stdout.partition("\n")
            return int(status or 0), text
        return get(url, headers)

    def metrics(self):
        """Every sample of /metrics: 'name{labels}' → value."""
        samples = {}
        for line in self.http("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def log_tail(self, lines=15):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""


def work_folder(name):
    return tempfile.mkdtemp(prefix=f"ts-{name}-")


if __name__ == "__main__":
    code, body = get(sys.argv[1])
    print(code, body, sep="\n")
