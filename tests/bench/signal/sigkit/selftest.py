# SPDX-License-Identifier: Apache-2.0
"""Does the generator notice what a server does wrong? The server of ws does it to one message in a hundred."""

import dataclasses
import json
import subprocess

from . import runner, servers, works

# Fault: which figure of signload counts it.
FAULTS = {"corrupt": "corrupt", "source": "wrong_source", "drop": "lost", "duplicate": "duplicate", "swap": "reordered"}


class Faulty(servers.Ws):
    fault = ""

    def environment(self):
        return {**super().environment(), "FAULT": self.fault}


def run(context, fault):
    peer = Faulty(context)
    peer.fault = fault
    work = next(w for w in works.WORKS if w.id == "native")
    with runner.Server(peer, dataclasses.replace(work, clients=20)) as server:
        command = [*server.load_command(work, ("--seconds", "0.3", "--warmup", "0")), "--clients", "20", "--rate", "2000"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, {"said": done.stderr.strip()[-300:]}


def problems(context):
    """What has not been noticed."""
    for fault, figure in FAULTS.items():
        status, result = run(context, fault)
        if status == 0 or not result.get(figure):
            yield f"signload does not notice the fault \"{fault}\": exit status {status}, {result}"
