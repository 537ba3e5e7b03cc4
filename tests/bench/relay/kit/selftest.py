# SPDX-License-Identifier: Apache-2.0
"""Does the generator notice what a server does wrong? A forwarder that does it to one packet in 1,000 is the server."""

import json
import subprocess

from . import place

# Fault: which figure of turnload counts it.
FAULTS = {"corrupt": "corrupt", "channel": "wrong_channel", "drop": "lost", "duplicate": "reordered", "swap": "reordered"}


def run(context, fault, direction):
    turnload, ports, at = context.turnload, context.ports, place.LOOPBACK
    low = ports.relay[0]
    command = [turnload, "forward", "--engine", "batch", "--listen", at.endpoint(ports.server), "--to",
               at.ours(ports.bare_peer), "--relayed", at.endpoint(low)]
    forwarder = subprocess.Popen([*command, "--fault", fault], stdout=subprocess.PIPE, text=True)
    try:
        forwarder.stdout.readline()
        done = subprocess.run([turnload, "relay", "--server", at.endpoint(ports.server), "--bare", "--peer-port",
                               str(ports.bare_peer), "--relayed", at.endpoint(low), "--mode", direction, "--seconds",
                               "0.3", "--warmup", "0"], stdout=subprocess.PIPE, text=True, timeout=30, check=False)
        return done.returncode, json.loads(done.stdout)
    finally:
        forwarder.kill()
        forwarder.communicate()


def problems(context):
    """What it has not noticed."""
    for fault, figure in FAULTS.items():
        # Towards the peer there is no channel to be wrong; and a lost packet is no fault, but it is counted.
        status, result = run(context, fault, "to-client" if fault == "channel" else "to-peer")
        if result[figure] == 0 or (status == 0) != (fault == "drop"):
            yield f"turnload does not notice the fault \"{fault}\": exit status {status}, {result}"
