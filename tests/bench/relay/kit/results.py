# SPDX-License-Identifier: Apache-2.0
"""A run's results as one JSON document, its schema, and statistics over its samples."""

import json
import os
import statistics

SCHEMA_VERSION = 1
SCHEMA_PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results.schema.json")


class Results:
    def __init__(self, document):
        self.document = document
        self.by_key = {}
        for sample in document["samples"]:
            if sample["problem"] is None:
                self.by_key.setdefault((sample["work"], sample["server"]), {})[sample["repetition"]] = sample

    def values(self, work, server, figure):
        """{repetition: value}; a figure is one of a sample's, "start_ms", or "churn.NAME"."""
        out = {}
        for repetition, sample in self.by_key.get((work, server), {}).items():
            where, name = sample["figures"], figure
            if figure == "start_ms":
                where = sample
            elif "." in figure:
                outer, name = figure.split(".")
                where = where.get(outer, {})
            if name in where:
                out[repetition] = where[name]
        return out

    def starts(self, server):
        return [s["start_ms"] for s in self.document["samples"] if s["server"] == server and s["problem"] is None]

    def spread(self, work, server, figure):
        """(median, least, most), or nothing."""
        return spread(list(self.values(work, server, figure).values()))

    def ratio(self, top, bottom, plus=0.0):
        """Of two (work, server, figure): of each repetition that has both, then (median, least, most) of these."""
        above, below = self.values(*top), self.values(*bottom)
        pairs = [above[r] / (below[r] + plus) for r in above if r in below and below[r] + plus > 0]
        return spread(pairs)

    def servers(self):
        return list(self.document["servers"])


def spread(values):
    return (statistics.median(values), min(values), max(values)) if values else None


def problems_of(value, schema, where="result"):
    """What of `value` is not as the JSON Schema says: the few words that ours uses."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
             "number": (int, float)}
    wanted = schema.get("type")
    if wanted is not None:
        names = wanted if isinstance(wanted, list) else [wanted]
        if not any(isinstance(value, types[n]) and not (isinstance(value, bool) and n in ("integer", "number")) for n in names):
            yield f"{where}: not {' or '.join(names)}"
            return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: no {name}"
        for name, item in value.items():
            inner = known.get(name, schema.get("additionalProperties", {}))
            if inner is False:
                yield f"{where}: {name} is not known"
            else:
                yield from problems_of(item, inner, f"{where}.{name}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems_of(item, schema.get("items", {}), f"{where}[{index}]")


def check(document, schema=SCHEMA_PATH):
    with open(schema, encoding="utf-8") as file:
        return list(problems_of(document, json.load(file)))


def write(document, path):
    """One sample a line, so that two runs can be compared by eye."""
    head = {name: value for name, value in document.items() if name != "samples"}
    text = json.dumps(head, indent=1, ensure_ascii=False)[:-2]
    lines = ",\n".join("  " + json.dumps(sample, ensure_ascii=False) for sample in document["samples"])
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{text},\n "samples": [\n{lines}\n ]\n}}\n')


def read(path):
    with open(path, encoding="utf-8") as file:
        return Results(json.load(file))
