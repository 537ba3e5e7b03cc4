# SPDX-License-Identifier: Apache-2.0
"""Compares results with tests/bench/relay/gates.json."""

import json
import os

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "gates.json")


def load(path=PATH):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["gates"]


def measured(results, gate):
    """(median, least, most) of what the gate bounds, or nothing."""
    top = (gate["work"], gate.get("server", "turnstone"), gate["figure"])
    base = gate.get("base")
    if base is None:
        return results.spread(*top)
    bottom = (base.get("work", gate["work"]), base.get("server", top[1]), base.get("figure", gate["figure"]))
    return results.ratio(top, bottom, base.get("plus", 0.0))


def judge(results, gates):
    """Yields (verdict, gate, spread): "pass", "FAIL" or "none" for what was not measured. What is judged is the median, or
    with "worst" the largest value."""
    for gate in gates:
        value = measured(results, gate)
        if value is None:
            yield "none", gate, None
            continue
        judged = value[2] if gate.get("worst") else value[0]
        yield ("pass" if judged <= gate["most"] else "FAIL"), gate, value


def show(results, say, judged=True, path=PATH):
    """Prints a line for each gate; the number of those that failed. Without a judgement where figures say nothing."""
    failed = absent = 0
    for verdict, gate, value in judge(results, load(path)):
        failed += verdict == "FAIL"
        absent += verdict == "none"
        verdict = verdict if judged or value is None else "-"
        figures = "not measured".ljust(22) if value is None else f"{value[0]:6.2f} ({value[1]:.2f} to {value[2]:.2f})".ljust(22)
        say(f"{verdict:4}  {figures}  at most {gate['most']:<5g}  {gate['name']}")
    say(f"gates: {failed} failed, {absent} not measured" if judged else "gates: not judged")
    return failed
