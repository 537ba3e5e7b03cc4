# SPDX-License-Identifier: Apache-2.0
"""Grafana's dashboards, looked at as far as is possible without Grafana."""
import json
import os
import re

VARIABLES = ("cluster", "namespace", "pod", "instance")


def load(folder):
    """{name: dashboard}"""
    out = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                out[name[:-len(".json")]] = json.load(file)
    return out


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard, interval):
    """[(panel's title, expression with its variables at "All", legend)]"""
    out = []
    for panel in panels(dashboard):
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", interval)
            for name in VARIABLES:
                expression = expression.replace(f"${name}", ".*")
            out.append((panel["title"], expression, target["legendFormat"]))
    return out


def metrics(dashboard):
    """The server's metrics that it asks for, as the catalogue names them."""
    names = {name for _, expression, _ in queries(dashboard, "1m") for name in re.findall(r"\b(?:turnstone|process)_\w+", expression)}
    return {re.sub(r"_bucket$", "", name) for name in names}


def overlap(a, b):
    a, b = a["gridPos"], b["gridPos"]
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def problems(dashboard):
    """What is wrong with a dashboard's form."""
    out = []
    every = dashboard["panels"]
    ids = [panel["id"] for panel in every]
    if len(set(ids)) != len(ids):
        out.append("two panels of one id")
    out += [f"{a['title']} lies upon {b['title']}" for i, a in enumerate(every) for b in every[:i] if overlap(a, b)]
    out += [f"{panel['title']} is too wide" for panel in every if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24]
    declared = [variable["name"] for variable in dashboard["templating"]["list"]]
    if declared != ["datasource", *VARIABLES]:
        out.append(f"variables {declared}")
    for panel in panels(dashboard):
        title = panel["title"]
        if not panel["description"].strip():
            out.append(f"{title}: no description")
        if not panel["fieldConfig"]["defaults"]["unit"]:
            out.append(f"{title}: no unit")
        for target in panel["targets"]:
            expression = target["expr"]
            if target["datasource"]["uid"] != "${datasource}" or panel["datasource"]["uid"] != "${datasource}":
                out.append(f"{title}: a data source of its own")
            unknown = set(re.findall(r"\$(\w+)", expression)) - {*VARIABLES, "__rate_interval"}
            if unknown:
                out.append(f"{title}: unknown variables {unknown}")
            for metric, matchers in re.findall(r"\b((?:turnstone|process)_\w+)(\{[^}]*\})?", expression):
                if metric not in ("turnstone_build_info",) and 'cluster=~"$cluster"' not in matchers:
                    out.append(f"{title}: {metric} of all clusters")
    if not re.fullmatch(r"turnstone-\w+", dashboard["uid"]) or "turnstone" not in dashboard["tags"]:
        out.append("uid or tags")
    return out
