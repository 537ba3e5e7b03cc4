# SPDX-License-Identifier: Apache-2.0
"""Network namespaces: a public segment with the server, and two clients behind a NAT each.

    client-a 10.1.0.2 -- 10.1.0.1 nat-a 203.0.113.11 --+-- 203.0.113.1 public (the server)
    client-b 10.2.0.2 -- 10.2.0.1 nat-b 203.0.113.12 --+
"""

import os
import subprocess

import harness

SERVER = "203.0.113.1"
# What `masquerade` does here is a port-restricted cone; `random` maps each destination to a new port.
MASQUERADE = {"cone": "masquerade", "symmetric": "masquerade random"}


def run(*command, text=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()}")


class Lab:
    """A context manager; takes its namespaces away at the end, come what may."""

    def __init__(self):
        tag = f"ts{os.getpid()}"
        self.public = f"{tag}-public"
        self.sides = {side: (f"{tag}-client-{side}", f"{tag}-nat-{side}") for side in "ab"}
        self.made = []

    def prefix(self, namespace):
        return ["ip", "netns", "exec", namespace]

    def clients(self):
        return [client for client, _ in self.sides.values()]

    def __enter__(self):
        try:
            self._build()
        except (RuntimeError, OSError) as error:
            self.__exit__()
            harness.skip(f"no network namespaces or no nft here: {error}")
        return self

    def __exit__(self, *unused):
        for namespace in self.made:
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)
        self.made = []

    def _namespace(self, name):
        run("ip", "netns", "add", name)
        self.made.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def _build(self):
        self._namespace(self.public)
        run("ip", "-n", self.public, "link", "add", "segment", "type", "bridge")
        run("ip", "-n", self.public, "addr", "add", f"{SERVER}/24", "dev", "segment")
        run("ip", "-n", self.public, "link", "set", "segment", "up")
        for number, (side, (client, nat)) in enumerate(self.sides.items(), 1):
            self._namespace(nat)
            self._namespace(client)
            run("ip", "-n", nat, "link", "add", "outside", "type", "veth", "peer", "name", f"to-{side}", "netns", self.public)
            run("ip", "-n", self.public, "link", "set", f"to-{side}", "master", "segment", "up")
            run("ip", "-n", nat, "addr", "add", f"203.0.113.{10 + number}/24", "dev", "outside")
            run("ip", "-n", nat, "link", "set", "outside", "up")
            run("ip", "-n", nat, "link", "add", "inside", "type", "veth", "peer", "name", "eth0", "netns", client)
            run("ip", "-n", nat, "addr", "add", f"10.{number}.0.1/24", "dev", "inside")
            run("ip", "-n", nat, "link", "set", "inside", "up")
            run("ip", "-n", client, "addr", "add", f"10.{number}.0.2/24", "dev", "eth0")
            run("ip", "-n", client, "link", "set", "eth0", "up")
            run("ip", "-n", client, "route", "add", "default", "via", f"10.{number}.0.1")
            run(*self.prefix(nat), "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        self.rules("cone")

    def rules(self, kind, drop_udp=""):
        """Sets both NATs; `drop_udp` names the sides whose NAT lets no UDP through."""
        for side, (_, nat) in self.sides.items():
            drop = "meta l4proto udp drop" if side in drop_udp else "accept"
            # Unsolicited packets are dropped before they leave a connection entry that would upset hole punching.
            run(*self.prefix(nat), "nft", "-f", "-", text=f"""
                flush ruleset
                table ip lab {{
                  chain post {{ type nat hook postrouting priority srcnat; oifname "outside" {MASQUERADE[kind]}; }}
                  chain in {{ type filter hook input priority filter; iifname "outside" ct state new drop; }}
                  chain through {{ type filter hook forward priority filter; policy accept; {drop}; }}
                }}
            """)
