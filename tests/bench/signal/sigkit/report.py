# SPDX-License-Identifier: Apache-2.0
"""Results as text for a terminal and as the generated part of docs/benchmarks-signaling.md."""

import os
import textwrap

from kit import plot
from kit.report import BEGIN, END, gates_table, number, table, with_spread

from .works import UNITS, WORKS

GATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "gates.json")
FIGURES = {"message": "us", "client": "resident_kb", "storm": "seconds"}
TALKS = tuple(w.id for w in WORKS if w.unit == "message" and not w.half_of and not w.nodes)
PLOTS = {
    "benchmarks-signaling-cpu.svg": (TALKS, "us", "Processor time of the server per relayed message of 200 bytes",
                                     "µs per message, medians; lines: least to most. Shorter is better.", None),
    "benchmarks-signaling-memory.svg": (tuple(w.id for w in WORKS if w.unit == "client"), "resident_kb",
                                        "Memory of an idle connection",
                                        "kB of the process, medians; lines: least to most. Shorter is better.", None),
}


def all_plots(results):
    return plot.all_plots(results, PLOTS)


def works_of(results, unit):
    return [(work, about) for work, about in results.document["works"].items() if about["unit"] == unit]


def others_of(results, work):
    """The servers beside ours that were given the same work."""
    return [s for s in results.servers() if s != "turnstone" and results.spread(work, s, "count")]


def ratio(results, work, server, figure):
    value = results.ratio((work, "turnstone", figure), (work, server, figure))
    return "" if value is None else f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})"


def show(results, say):
    document = results.document
    for work, about in document["works"].items():
        figure = FIGURES[about["unit"]]
        say(f"{about['title']} ({UNITS[about['unit']]})")
        for server in results.servers():
            value = results.spread(work, server, figure)
            if value is None:
                continue
            more = ""
            if about["unit"] == "message":
                p99, rate = results.spread(work, server, "p99"), results.spread(work, server, "per_second")
                more = f"  {number(rate[0])}/s, busy {results.spread(work, server, 'busy')[0]:.2f}, p99 {number(p99[0])} µs"
            against = ratio(results, work, server, figure) if server != "turnstone" else ""
            say(f"  {document['servers'][server]['label']:12} {number(value[0]):>8}  ({number(value[1])} to {number(value[2])})"
                + more + (f"  Turnstone / it {against}" if against else ""))
    say(f"{len(document['samples'])} samples, {sum(1 for s in document['samples'] if s['problem'])} with problems")


def talk_table(results):
    rows = []
    for work, about in works_of(results, "message"):
        for server in results.servers():
            us = results.spread(work, server, "us")
            if us is None:
                continue
            per_second, p50, p99 = (results.spread(work, server, f) for f in ("per_second", "p50", "p99"))
            rows.append([about["title"], results.document["servers"][server]["label"], with_spread(us), f"{1e6 / us[0]:,.0f}",
                         number(per_second[0]), with_spread(p50), with_spread(p99),
                         ratio(results, work, server, "us") if server != "turnstone" else ""])
    return table(["work", "server", "µs CPU per message", "messages per CPU second", "messages a second", "median, µs", "99 %, µs",
                  "Turnstone / it"], rows)


def memory_table(results):
    rows = []
    for work, about in works_of(results, "client"):
        for server in results.servers():
            values = [results.spread(work, server, f) for f in ("resident_kb", "slab_kb", "descriptors", "count")]
            if values[0]:
                rows.append([about["title"], results.document["servers"][server]["label"], *(with_spread(v) for v in values[:3]),
                             f"{values[3][0]:,.0f}"])
    return table(["work", "server", "kB resident", "kB of kernel slab", "descriptors", "connections"], rows)


def storm_table(results):
    rows = []
    for work, about in works_of(results, "storm"):
        for server in results.servers():
            values = [results.spread(work, server, f) for f in ("seconds", "per_second", "tls_missed", "sessions_missed")]
            if values[0]:
                rows.append([about["title"], results.document["servers"][server]["label"], *(with_spread(v) for v in values)])
    return table(["work", "server", "s until all are back", "clients a second", "TLS sessions not resumed",
                  "sessions of signaling not resumed"], rows)


def conditions(document):
    about, how = document["machine"], document["conditions"]
    versions = ", ".join(f"{v['label']} {v['version']}" for v in document["servers"].values() if v["version"])
    virtual = ", virtual" if about["virtual"] else ""
    words = [f"Measured on {document['date'][:10]}: {about['cpu']}, {about['cores']} cores{virtual}, Linux {about['kernel']}.",
             f"{versions}. {how['repetitions']} repetitions of {how['seconds']:g} s."]
    if how["note"]:
        words.append(how["note"])
    return [*textwrap.wrap(" ".join(words), 128, break_on_hyphens=False), ""]


def markdown(results):
    out = [BEGIN, "", *conditions(results.document)]
    for name, (_, title) in all_plots(results).items():
        out += [f"![{title}, by server and work]({name})", ""]
    out += ["### Messages", "", "Medians (least to most); the ratio is the median of the repetitions' ratios. Less is better.", "",
            *talk_table(results), "### Memory", "", *memory_table(results), "### Coming back", "", *storm_table(results),
            "### Bounds", "", *gates_table(results, GATES)]
    if results.document["skipped"]:
        out += ["Not measured: " + "; ".join(f"{s['what']} ({s['reason']})" for s in results.document["skipped"]) + ".", ""]
    return "\n".join([*out, END])
