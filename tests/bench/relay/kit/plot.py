# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG without a library: bars with the range of the repetitions, for light and dark pages."""

from xml.sax.saxutils import escape

# In the order of drawing: servers, and how they are coloured on a light and on a dark page.
COLOURS = {"turnstone": ("#0b6e8a", "#4fc3dc"), "coturn": ("#c2571a", "#f0985c"), "pion": ("#7a5aa8", "#b49ae0"),
           "p1-stun": ("#a33b62", "#e58aac"), "bare": ("#6b7280", "#9aa3b2"), "bare-batch": ("#848b98", "#828b9b"),
           "bare-trains": ("#a0a6b1", "#6b7484"), "bare-ring": ("#bcc1c9", "#555e6e"), "bare-tc": ("#d3d7dc", "#444c59"),
           "turnstone-tc": ("#2a9d5c", "#5fd694"), "turnstone-xdp": ("#1f7a8c", "#56c0d4"),
           # Of tests/bench/signaling.
           "socketio": ("#c2571a", "#f0985c"), "ws": ("#7a5aa8", "#b49ae0"), "peerjs": ("#a33b62", "#e58aac")}
CPU_WORKS = ("one-up", "one-down", "small-up", "hundred-up", "hundred-down", "bursts-up", "trains-up", "binding", "tcp-up",
             "tls-up")
# File: works, figure, title, what the bars are, and a lesser figure to be drawn into them.
PLOTS = {
    "benchmarks-cpu.svg": (CPU_WORKS, "us", "Processor time of the server per packet",
                           "µs per packet or answer, medians; lines: least to most. Shorter is better.", None),
    "benchmarks-latency.svg": (("ten", "ten-churn", "thousand"), "p99", "Latency through the server at a fixed pace",
                               "µs; solid: median, pale: 99th percentile, lines: its least to most. Shorter is better.",
                               "p50"),
    "benchmarks-veth.svg": (("veth-up", "veth-down"), "core_us", "Busy time of the server's core per packet, over a veth pair",
                            "µs with the kernel's own work, medians; lines: least to most. Shorter is better.", None),
}
WIDTH, LEFT, RIGHT, BAR, GAP = 860, 280, 90, 13, 14
# About the width of a letter, and the height of the legend's rows.
LETTER, LEGEND_ROW = 7.0, 18


def style(servers):
    light = "".join(f".{s}{{fill:{COLOURS[s][0]}}}" for s in servers)
    dark = "".join(f".{s}{{fill:{COLOURS[s][1]}}}" for s in servers)
    return ("<style>text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px;fill:#1f2328}"
            ".title{font-size:15px;font-weight:600}.note{fill:#59636e;font-size:11px}.grid{stroke:#d1d9e0;stroke-width:1}"
            ".range{stroke:#1f2328;stroke-width:1.2}.page{fill:#ffffff}" + light +
            "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.grid{stroke:#3d444d}"
            ".range{stroke:#e6edf3}.page{fill:#0d1117}" + dark + "}</style>")


def ticks(most):
    """Round steps from 0 on, about six."""
    step = 1.0
    while most / step > 7:
        step *= 2 if str(step)[0] in "15" else 2.5
    while most / step < 3:
        step /= 2
    out, at = [], 0.0
    while at <= most * 1.0001:
        out.append(at)
        at += step
    return out


class Canvas:
    """`labels` stand to the left of the bars: the page is as much wider as the longest one needs."""

    def __init__(self, title, note, height, labels):
        self.left = max([LEFT, *(26 + LETTER * len(label) for label in labels)])
        self.width = WIDTH + self.left - LEFT
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {height}" width="{self.width:g}" '
                      f'height="{height}" role="img" aria-label="{escape(title)}">']
        self.parts.append(f'<title>{escape(title)}</title>')
        self.height = height
        self.title, self.note = title, note

    def begin(self, servers):
        self.parts += [style(servers), f'<rect class="page" width="{self.width:g}" height="{self.height}" rx="6"/>']
        self.text(16, 26, self.title, "title")
        self.text(16, 44, self.note, "note")

    def text(self, x, y, words, kind="", anchor="start"):
        kind = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def bar(self, y, width, server, faint=False):
        opacity = ' opacity="0.45"' if faint else ""
        self.parts.append(f'<rect x="{self.left:g}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{BAR - 2}" rx="1.5" '
                          f'class="{server}"{opacity}/>')

    def legend(self, y, entries):
        x = 16.0
        for server, label in entries:
            if x + 16 + LETTER * len(label) > self.width - 16:
                x, y = 16.0, y + LEGEND_ROW
            self.parts.append(f'<rect x="{x:.1f}" y="{y - 9}" width="11" height="11" rx="1.5" class="{server}"/>')
            self.text(x + 16, y, label)
            x += 30 + LETTER * len(label)

    def end(self):
        return "\n".join([*self.parts, "</svg>", ""])


def groups(results, works, figure):
    """[(work, [(server, (median, least, most))])] of what was measured."""
    out = []
    for work in works:
        bars = [(s, v) for s in COLOURS if (v := results.spread(work, s, figure))]
        if bars:
            out.append((work, bars))
    return out


def bars(results, works, figure, title, note, second):
    """Horizontal bars with ranges, a group for each work; `second` is a lesser figure drawn into the bars."""
    grouped = groups(results, works, figure)
    if not grouped:
        return None
    servers = [s for s in COLOURS if any(s == server for _, group in grouped for server, _ in group)]
    # A bar that is three times as long as the next longest ones would leave nothing to see of them: it is cut.
    longest = sorted(v[0] for _, group in grouped for _, v in group)
    most = min(longest[-1], 2.0 * longest[max(0, int(len(longest) * 0.9) - 1)]) * 1.05
    scale = (WIDTH - LEFT - RIGHT) / most
    top = 92 + LEGEND_ROW * (len(servers) > 5)
    height = top + sum(len(group) * BAR + GAP for _, group in grouped) + 30
    labels = {work: short(results.document["works"][work]["title"]) for work, _ in grouped}
    canvas = Canvas(title, note, height, labels.values())
    canvas.begin(servers)
    canvas.legend(68, [(s, results.document["servers"][s]["label"]) for s in servers])
    for at in ticks(most):
        canvas.line(canvas.left + at * scale, top - 8, canvas.left + at * scale, height - 24, "grid")
        canvas.text(canvas.left + at * scale, height - 8, f"{at:,g}", "note", "middle")
    y = top
    for work, group in grouped:
        title_y = y + len(group) * BAR / 2 + 3
        canvas.text(canvas.left - 10, title_y, labels[work], anchor="end")
        for server, (median, least, high) in group:
            draw_bar(canvas, results, (work, server), y, (median, least, high), most, scale, second)
            y += BAR
        y += GAP
    return canvas.end()


def draw_bar(canvas, results, key, y, value, most, scale, second):
    median, least, high = value
    canvas.bar(y, min(median, most) * scale, key[1], faint=second is not None)
    if second is not None:
        inner = results.spread(*key, second)
        canvas.bar(y, min(inner[0], most) * scale, key[1])
    middle = y + BAR / 2 - 1
    if least < most:
        canvas.line(canvas.left + least * scale, middle, canvas.left + min(high, most) * scale, middle, "range")
    words = (f"{median:.2f}" if median < 20 else f"{median:,.0f}") + (" →" if median > most else "")
    canvas.text(canvas.left + min(max(median, high), most) * scale + 6, y + BAR - 3, words, "note")


def short(title):
    """Titles for the place that there is."""
    for long, brief in (("client to peer", "to peer"), ("peer to client", "to client"), ("allocations", "alloc."),
                        ("allocation", "alloc."), (" each, ", ", "), (", beside", " beside"), (" a second", "/s"),
                        (", over a veth pair", "")):
        title = title.replace(long, brief)
    return title


def all_plots(results, plots=None):
    """{file name: (SVG, what it shows)} of what there are figures for; `plots` in place of the relay's."""
    out = {}
    for name, (works, figure, title, note, second) in (plots or PLOTS).items():
        svg = bars(results, works, figure, title, note, second)
        if svg:
            out[name] = (svg, title)
    return out
