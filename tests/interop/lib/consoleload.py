# SPDX-License-Identifier: Apache-2.0
"""Clients for the console to look at: some that relay to an echo, and strangers that fail to log in while a file is there."""

import os
import socket
import struct
import threading

import stunwire

CHANNEL = 0x4000
PACE = 0.005


class Load:
    """Three allocations of each user; those of the last user send four times as much. A context manager."""

    def __init__(self, port, users, storm_file=""):
        self.port, self.users, self.storm_file = port, users, storm_file
        self.stopped, self.clients, self.failure = threading.Event(), [], ""
        self.echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.bind(("127.0.0.1", 0))
        self.echo.settimeout(0.2)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._echo, self._relay, self._storm)]

    def __enter__(self):
        try:
            for user, password in self.users:
                for _ in range(3):
                    self.clients.append(self._client(user, password))
        except (OSError, RuntimeError) as error:
            self.failure = str(error)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stopped.set()
        for thread in self.threads:
            thread.join(timeout=3)
        for client in self.clients:
            client.socket.close()
        self.echo.close()

    def started(self):
        return len(self.clients) == 3 * len(self.users)

    def problem(self):
        return self.failure

    def _client(self, user, password):
        client = stunwire.Client("127.0.0.1", self.port, user, password)
        client.challenge()
        answer = client.request(stunwire.ALLOCATE, [stunwire.UDP])
        if answer is None or not answer.success:
            raise RuntimeError(f"Allocate: {answer.error if answer else 'no answer'}")
        number = (stunwire.CHANNEL_NUMBER, struct.pack("!HH", CHANNEL, 0))
        answer = client.peer(stunwire.CHANNEL, *self.echo.getsockname(), [number])
        if answer is None or not answer.success:
            raise RuntimeError(f"ChannelBind: {answer.error if answer else 'no answer'}")
        client.socket.setblocking(False)
        return client

    def _echo(self):
        while not self.stopped.is_set():
            try:
                data, sender = self.echo.recvfrom(2048)
                self.echo.sendto(data, sender)
            except OSError:
                continue

    def _relay(self):
        frame = struct.pack("!HH", CHANNEL, 1000) + bytes(1000)
        while not self.stopped.wait(PACE):
            for client in self.clients:
                loud = client.user == self.users[-1][0]
                try:
                    for _ in range(4 if loud else 1):
                        client.socket.send(frame)
                    while client.socket.recv(2048):
                        pass
                except OSError:
                    continue

    def _storm(self):
        while not self.stopped.wait(0.05):
            if not os.path.exists(self.storm_file):
                continue
            with stunwire.Client("127.0.0.1", self.port, self.users[0][0], "a wrong password") as stranger:
                if stranger.challenge() is not None and stranger.nonce:
                    stranger.request(stunwire.ALLOCATE, [stunwire.UDP])
