#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a ctest run into result lines.

cases.py TIER FOLDER: FOLDER holds ctest's JUnit file (ctest.junit) and the XML files of the GoogleTest binaries that it
ran. Prints "tier<TAB>outcome<TAB>test<TAB>reason": one line for each GoogleTest case, and one for each ctest test that is
no GoogleTest binary or that failed without a failed case (a crash, a time-out).
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def one_line(text):
    return " ".join((text or "").split())[:200]


def google_cases(path):
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return []
    cases = []
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        failure, skipped = case.find("failure"), case.find("skipped")
        if failure is not None:
            cases.append((name, "fail", one_line(failure.get("message"))))
        elif skipped is not None:
            cases.append((name, "skip", one_line(skipped.get("message")) or "no reason given"))
        elif case.get("status") == "run":
            cases.append((name, "pass", ""))
    return cases


def results(folder):
    binaries = {}
    for path in sorted(folder.glob("*.xml")):
        binaries.setdefault(re.sub(r"(_\d+)?\.xml$", "", path.name), []).extend(google_cases(path))
    for case in ElementTree.parse(folder / "ctest.junit").getroot().iter("testcase"):
        name = case.get("name")
        cases = binaries.get(f"test_{name}", [])
        for case_name, outcome, reason in cases:
            yield outcome, f"{name}: {case_name}", reason
        failure, skipped = case.find("failure"), case.find("skipped")
        if case.get("status") == "fail" or failure is not None:
            if not any(outcome == "fail" for _, outcome, _ in cases):
                reason = one_line(failure.get("message")) if failure is not None else ""
                yield "fail", name, reason or "failed outside of a test case"
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            output = case.findtext("system-out") or ""
            last = one_line(output.strip().splitlines()[-1]) if output.strip() else ""
            yield "skip", name, last or one_line(skipped.get("message") if skipped is not None else "") or "not run"
        elif not cases:
            yield "pass", name, ""


def main():
    tier, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for outcome, name, reason in results(folder):
        print(tier, outcome, name, reason, sep="\t")


if __name__ == "__main__":
    main()
