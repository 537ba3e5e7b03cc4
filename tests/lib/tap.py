#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the TAP output of `node --test` into result lines: one for each test that holds no other tests.

tap.py TIER FILE prints "tier<TAB>outcome<TAB>test<TAB>reason".
"""
import re
import sys

POINT = re.compile(r"^(\s*)(not ok|ok) \d+ - (.*?)(?: # (SKIP|TODO)\b\s*(.*))?$")


def points(lines):
    """Yields (outcome, name, reason) of the leaves; a parent is printed after its children, one indentation less."""
    deepest = 0
    for line in lines:
        match = POINT.match(line)
        if not match:
            continue
        depth = len(match.group(1))
        parent, deepest = depth < deepest, depth
        name, failed = match.group(3), match.group(2) == "not ok"
        if match.group(4):
            yield "skip", name, match.group(5) or match.group(4).lower()
        elif failed and (not parent or depth == 0):
            yield "fail", name, ""
        elif not failed and not parent:
            yield "pass", name, ""


def main():
    tier, path = sys.argv[1:3]
    with open(path, encoding="utf-8", errors="replace") as file:
        for outcome, name, reason in points(file):
            print(tier, outcome, name.split("/tests/web/")[-1], reason, sep="\t")


if __name__ == "__main__":
    main()
