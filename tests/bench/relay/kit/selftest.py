# SPDX-License-Identifier: Apache-2.0
"""Does the generator notice what a server does wrong? A forwarder that does it to one packet in 1,000 is the server. And do
gates and the schema notice what is wrong with figures?"""

import json
import subprocess

from . import gates, place, results

# Fault: which figure of turnload counts it.
FAULTS = {"corrupt": "corrupt", "channel": "wrong_channel", "drop": "lost", "duplicate": "duplicate", "swap": "reordered"}


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


def made_up():
    """Results of two repetitions that differ by a factor of ten, as on a machine whose mood changes."""
    def sample(server, repetition, us, lost):
        return {"work": "w", "server": server, "repetition": repetition, "problem": None, "figures": {"us": us, "lost": lost}}
    return {"servers": {}, "works": {}, "samples": [
        sample("turnstone", 0, 1.0, 0), sample("coturn", 0, 2.0, 0),
        sample("turnstone", 1, 10.0, 1), sample("coturn", 1, 20.0, 0),
        {**sample("turnstone", 2, 99.0, 9), "problem": "not to be counted"}]}


def problems_of_figures():
    found = results.Results(made_up())
    base = {"work": "w", "figure": "us", "base": {"server": "coturn"}}
    worst = {"work": "w", "figure": "lost", "most": 0}
    for gate, expected in (({**base, "most": 0.5}, "pass"), ({**base, "most": 0.49}, "FAIL"),
                           ({**base, "base": {"server": "coturn", "plus": 8}, "most": 0.25}, "pass"),
                           ({**worst, "worst": True}, "FAIL"), ({**worst, "most": 0.5}, "pass"),
                           ({**base, "work": "other", "most": 1}, "none")):
        verdict = next(gates.judge(found, [gate]))[0]
        if verdict != expected:
            yield f"the gate {gate} is judged \"{verdict}\""
    if not any("no machine" in p for p in results.check(made_up())):
        yield "a document without a machine is as the schema says"


def problems(context):
    """What has not been noticed."""
    yield from problems_of_figures()
    for fault, figure in FAULTS.items():
        # Towards the peer there is no channel to be wrong; and a lost packet is no fault, but it is counted.
        status, result = run(context, fault, "to-client" if fault == "channel" else "to-peer")
        if result[figure] == 0 or (status == 0) != (fault == "drop"):
            yield f"turnload does not notice the fault \"{fault}\": exit status {status}, {result}"
