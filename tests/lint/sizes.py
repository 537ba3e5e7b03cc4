#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files have at most 800 lines and functions at most 120; generated files are exempt."""
import re
import statistics

import tree

FILE_MAX = 800
FUNCTION_MAX = 120
CODE = tree.CPP + (".py", ".sh", ".js", ".mjs", ".ts", ".css", ".html", ".cmake")

# What precedes the "{" of something that contains declarations rather than statements.
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|concept)\b|extern\s*\"\"")
# ... of a function: parameters, then qualifiers, a return type, a constraint or constructor initialisers.
FUNCTION = re.compile(r"\)\s*(const|noexcept|override|final|mutable|volatile|&&?|requires\b.*|->.*|try|:[^:].*|\s)*$",
                      re.DOTALL)
CONTROL = re.compile(r"(^|[\s;}])(if|for|while|switch|catch)\b[^;{}]*$|(^|\s)(else|do|try)\s*$")


def functions(text):
    """Yields (name, first line, lines) of the outermost function bodies."""
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", tree.bare(text), flags=re.MULTILINE)
    stack, head_start, inside, paren = [], 0, None, 0
    for index, char in enumerate(code):
        if char == "(":
            paren += 1
        elif char == ")":
            paren -= 1
        elif char == ";" and paren <= 0:
            head_start = index + 1
        elif char == "{":
            head = code[head_start:index]
            kind = "block"
            if inside is None and paren <= 0:
                if SCOPE.search(head) and not FUNCTION.search(head):
                    kind = "scope"
                elif FUNCTION.search(head) and not CONTROL.search(head) and not re.search(r"[^=!<>]=\s*$", head):
                    kind = "function"
                    lead = len(head) - len(head.lstrip())
                    first = code.count("\n", 0, head_start + lead) + 1
                    names = re.findall(r"[\w:~]+(?=\s*\()", head)
                    inside = (len(stack), names[0] if names else "?", first)
            stack.append((kind, paren))
            if kind != "block":
                head_start, paren = index + 1, 0
        elif char == "}" and stack:
            kind, paren = stack.pop()
            if inside is not None and len(stack) == inside[0]:
                yield inside[1], inside[2], code.count("\n", 0, index) + 2 - inside[2]
                inside = None
            if inside is None and (kind != "block" or not stack):
                head_start = index + 1


def main():
    options = tree.arguments(__doc__)
    problems, file_lines, function_lines = [], [], []
    for path in tree.files(options.root):
        if path.suffix not in CODE:
            continue
        text = tree.text_of(options.root / path)
        if text is None or tree.is_generated(text):
            continue
        lines = text.count("\n")
        if lines > FILE_MAX:
            problems.append(f"{path}: {lines} lines (at most {FILE_MAX})")
        if path.suffix not in tree.CPP:
            continue
        if path.parts[0] in ("src", "include"):
            file_lines.append(lines)
        for name, first, length in functions(text):
            function_lines.append(length)
            if length > FUNCTION_MAX:
                problems.append(f"{path}:{first}: {name}() has {length} lines (at most {FUNCTION_MAX})")
    tree.finish("sizes", problems,
                f"{len(file_lines)} C++ files of src and include, median {int(statistics.median(file_lines or [0]))} "
                f"lines, longest {max(file_lines or [0])}; {len(function_lines)} functions, median "
                f"{int(statistics.median(function_lines or [0]))}, longest {max(function_lines or [0])}")


if __name__ == "__main__":
    main()
