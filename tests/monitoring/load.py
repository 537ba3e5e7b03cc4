# SPDX-License-Identifier: Apache-2.0
"""A server's work for a while: allocations that relay, probes over every transport, and clients that do things wrong."""
import socket
import struct
import subprocess
import threading
import time

import stunwire

CHANNEL = 0x4000


class Echo(threading.Thread):
    """A peer that sends back what it gets."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(2048)
            self.socket.sendto(data, peer)


class Load(threading.Thread):
    """Ten clients that relay, until stop() is called."""

    def __init__(self, server, user, password):
        super().__init__(daemon=True)
        self.server, self.over, self.echo = server, threading.Event(), Echo()
        self.clients = [stunwire.Client("127.0.0.1", server.port, user, password) for _ in range(10)]
        self.allocated = 0
        for client in self.clients:
            client.challenge()
            if client.request(stunwire.ALLOCATE, [stunwire.UDP]).success:
                self.allocated += 1
            client.peer(stunwire.CHANNEL, "127.0.0.1", self.echo.port,
                        [(stunwire.CHANNEL_NUMBER, struct.pack("!HH", CHANNEL, 0))])
        self.wrong(user)
        self.start()

    def wrong(self, user):
        """A wrong password, and a peer that nobody may have."""
        with stunwire.Client("127.0.0.1", self.server.port, user, "guessed") as stranger:
            stranger.challenge()
            stranger.request(stunwire.ALLOCATE, [stunwire.UDP])
        self.clients[0].peer(stunwire.PERMISSION, "169.254.169.254", 80)

    def run(self):
        data = struct.pack("!HH", CHANNEL, 200) + bytes(200)
        while not self.over.wait(0.02):
            for client in self.clients:
                client.socket.send(data)

    def stop(self):
        self.over.set()
        self.join()


def probe(server, secret, token):
    """Everything that a client may ask, once; what `turnstone probe` says."""
    host = "127.0.0.1"
    urls = [f"stun:{host}:{server.port}", f"turn:{host}:{server.port}?transport=udp", f"turn:{host}:{server.port}?transport=tcp",
            f"turns:{host}:{server.tls_port}?transport=tcp", f"turns:{host}:{server.tls_port}?transport=udp",
            f"ws://{host}:{server.http_port}", f"http://{host}:{server.http_port}"]
    done = subprocess.run([server.binary, "probe", "--insecure", "--secret", secret, "--token", token, *urls],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode == 0, done.stdout


def until(condition, seconds, pause=0.25):
    """The first true answer of a function within so many seconds, or its last."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(pause)
