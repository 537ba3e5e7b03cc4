# SPDX-License-Identifier: Apache-2.0
"""Results as text for a terminal and as the generated part of docs/benchmarks.md."""

import re
import textwrap

from . import gates, plot, results as results_module
from .works import UNITS

BEGIN, END = "<!-- figures: written by tests/bench/run --update-docs -->", "<!-- end of the figures -->"
PACED = ("thousand", "ten", "ten-churn")


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"


def with_spread(value):
    return "" if value is None else f"{number(value[0])} ({number(value[1])} to {number(value[2])})"


def figure_of(document, work):
    """(figure, unit) of a work's first number."""
    unit = document["works"][work]["unit"]
    if unit == "allocation":
        return "resident_kb", UNITS[unit]
    if work.startswith("veth"):
        return "core_us", "µs of the server's core per packet"
    return "us", UNITS[unit]


def show(results, say):
    document = results.document
    for work, about in document["works"].items():
        figure, unit = figure_of(document, work)
        say(f"{about['title']} ({unit})")
        for server in results.servers():
            value = results.spread(work, server, figure)
            if value is None:
                continue
            more = ""
            if figure != "resident_kb":
                p99, lost = results.spread(work, server, "p99"), results.values(work, server, "lost")
                busy = results.spread(work, server, "busy")
                more = f"  busy {busy[0]:.2f}, p99 {number(p99[0])} µs" + (f", lost {max(lost.values())}" if lost else "")
            ratio = results.ratio((work, server, figure), (work, "coturn", figure)) if server != "coturn" else None
            if ratio:
                more += f"  / coturn {ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})"
            say(f"  {document['servers'][server]['label']:24} {number(value[0]):>8}  ({number(value[1])} to {number(value[2])})"
                f"{more}")
    disturbed = sum(1 for s in document["samples"] if s["figures"].get("others", 0) > 0.4)
    say(f"{len(document['samples'])} samples, {sum(1 for s in document['samples'] if s['problem'])} with problems, {disturbed} "
        "with more than 0.4 cores taken by others, which are worth less")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def cpu_table(results, servers):
    document = results.document
    labels = [document["servers"][s]["label"] for s in servers]
    rows = []
    for work, about in document["works"].items():
        figure, unit = figure_of(document, work)
        cells = [with_spread(results.spread(work, s, figure)) for s in servers]
        if sum(1 for c in cells if c) < 2:
            continue
        ratio = results.ratio((work, "turnstone", figure), (work, "coturn", figure))
        rows.append([about["title"], unit, *cells, f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})" if ratio else ""])
    return table(["work", "", *labels, "Turnstone / coturn"], rows)


def others_table(results, servers):
    """Medians of everybody."""
    document = results.document
    rows = []
    for work, about in document["works"].items():
        figure, _ = figure_of(document, work)
        values = [results.spread(work, s, figure) for s in servers]
        if any(v and s not in ("turnstone", "coturn") for v, s in zip(values, servers)):
            rows.append([about["title"], *(number(v[0]) if v else "" for v in values)])
    return table(["work", *(document["servers"][s]["label"] for s in servers)], rows)


def latency_table(results, servers):
    rows = []
    for work, about in results.document["works"].items():
        if work not in PACED:
            continue
        for server in servers:
            quantiles = [results.spread(work, server, q) for q in ("p50", "p90", "p99", "p999")]
            if not quantiles[0]:
                continue
            lost, sent = (sum(results.values(work, server, f).values()) for f in ("lost", "sent"))
            rows.append([about["title"], results.document["servers"][server]["label"], *(with_spread(q) for q in quantiles),
                         f"{lost:,} of {sent:,}"])
    return table(["work", "server", "median, µs", "90 %", "99 %", "99.9 %", "lost"], rows)


def closed_loss(results):
    """One line about losses in closed loops."""
    bad = []
    for work in results.document["works"]:
        if work in PACED:
            continue
        for server in results.servers():
            lost = sum(results.values(work, server, "lost").values())
            if lost:
                label, title = results.document["servers"][server]["label"], results.document["works"][work]["title"]
                bad.append(f"{label}: {lost:,} in \"{title}\"")
    return "Lost in closed loops: " + ("; ".join(bad) if bad else "nothing, by anybody") + "."


def memory_table(results, servers):
    rows = []
    for work, about in results.document["works"].items():
        for server in servers if about["unit"] == "allocation" else ():
            values = [results.spread(work, server, f) for f in ("resident_kb", "slab_kb", "descriptors")]
            if values[0]:
                rows.append([about["title"], results.document["servers"][server]["label"], *(with_spread(v) for v in values)])
    return table(["work", "server", "kB resident", "kB of kernel slab", "descriptors"], rows)


def threads_table(results):
    """What a second thread costs, and whether both do their part."""
    rows = []
    for work in ("one-thread", "two-threads"):
        for server in results.servers():
            us = results.spread(work, server, "us")
            if not us:
                continue
            shares = [sorted((t / max(sum(used), 1e-9) for t in used), reverse=True)
                      for used in results.values(work, server, "threads").values()]
            busiest = ", ".join(f"{100 * sum(s[i] for s in shares if i < len(s)) / len(shares):.0f} %"
                                for i in range(min(2, max(map(len, shares)))))
            rows.append([results.document["works"][work]["title"], results.document["servers"][server]["label"],
                         with_spread(us), f"{1e6 / us[0]:,.0f}", busiest])
    return table(["work", "server", "µs CPU per packet", "packets per CPU second", "of the busiest threads, each"], rows)


def gates_table(results, path=gates.PATH):
    rows = [[gate["name"], f"{gate['most']:g}", "not measured" if value is None else
             f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})", {"pass": "kept", "FAIL": "**missed**", "none": ""}[verdict]]
            for verdict, gate, value in gates.judge(results, gates.load(path))]
    return table(["bound", "at most", "measured", ""], rows)


def conditions(document):
    about, how = document["machine"], document["conditions"]
    versions = ", ".join(f"{v['label']} {v['version']}" for v in document["servers"].values() if v["version"])
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    others = sorted(s["figures"]["others"] for s in document["samples"] if "others" in s["figures"])
    accounting = {True: "does not count", False: "counts", None: "may or may not count"}[about["irq_time_accounting"]]
    virtual = ", virtual" if about["virtual"] else ""
    words = [f"Measured on {document['date'][:10]}: {about['cpu']}, {about['cores']} cores{virtual}, "
             f"Linux {about['kernel']}, which {accounting} work in soft interrupts as that of the process that they interrupt.",
             f"{versions}; Debian packages: {packages}.",
             f"Turnstone and coturn: {how['repetitions']} repetitions of {how['seconds']:g} s, the others in every second one."]
    if others:
        words.append(f"In the median sample {others[len(others) // 2]:.2f} cores were taken by anything else, at most "
                     f"{others[-1]:.2f}.")
    if how["note"]:
        words.append(how["note"])
    return [*textwrap.wrap(" ".join(words), 128, break_on_hyphens=False), ""]


def markdown(results):
    servers = results.servers()
    main = [s for s in servers if s in ("turnstone", "coturn")]
    rest = [s for s in servers if not s.startswith("turnstone-")]
    variants = [s for s in servers if s.startswith("turnstone")]
    out = [BEGIN, "", *conditions(results.document)]
    for name, (_, title) in plot.all_plots(results).items():
        out += [f"![{title}, by server and work]({name})", ""]
    out += ["### Turnstone and coturn", "", "Medians (least to most); the ratio is the median of the repetitions' ratios. Less is "
            "better.", "", *cpu_table(results, main)]
    out += ["### Latency and loss at a fixed pace", "", "Open loop: latency counts from when a packet was due. Medians (least to "
            "most) of the repetitions' quantiles.", "",
            *latency_table(results, rest), closed_loss(results), ""]
    out += ["### Everybody", "", "Medians, in the same units.", "", *others_table(results, rest)]
    if len(variants) > 1:
        out += ["### Turnstone's engines", "", *others_table(results, variants)]
    out += ["### Memory", "", *memory_table(results, rest)]
    out += ["### Two threads", "", *threads_table(results)]
    starts = [[results.document["servers"][s]["label"], with_spread(results_module.spread(results.starts(s)))] for s in rest]
    out += ["### Start", "", "From the start of the process to its first answer, with `taskset`, ms.", "",
            *table(["server", "ms"], [row for row in starts if row[1]])]
    out += ["### Bounds", "", *gates_table(results)]
    if results.document["skipped"]:
        out += ["Not measured: " + "; ".join(f"{s['what']} ({s['reason']})" for s in results.document["skipped"]) + ".", ""]
    return "\n".join([*out, END])


def update(path, results, write=markdown):
    """Puts the figures between the markers of the document."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{path} has no markers for the figures")
    with open(path, "w", encoding="utf-8") as file:
        file.write(pattern.sub(lambda _: write(results), text))
