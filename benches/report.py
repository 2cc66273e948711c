#!/usr/bin/env python3
"""Puts what `./bench` measured into docs/evidence/performance.md: each table between its marks, the day, the commit and the
machine, and a plot of how cost grows.

Usage: benches/report.py FOLDER      (one Markdown file for each group; Debian package: gnuplot-nox)
"""

import datetime
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "evidence", "performance.md")
PLOT = os.path.join(ROOT, "docs", "evidence", "performance-scale.svg")


def put(page, name, text):
    """In the place of what stands between the marks of that name."""
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.S)
    if not pattern.search(page):
        sys.exit(f"{PAGE} has no place for {name}")
    return pattern.sub(lambda found: found[1] + text.strip() + "\n" + found[2], page)


def machine():
    def said(*command):
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    with open("/proc/cpuinfo") as file:
        processor = re.search(r"^model name\s*: (.*)$", file.read(), re.M)[1]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return f"{today}, commit {said('git', 'rev-parse', '--short', 'HEAD')}, {processor}, {os.cpu_count()} cores"


def plot(text):
    """One panel for each table: its first column across, the others upwards, both in powers of ten."""
    panels = []
    for table in text.strip().split("\n\n"):
        head, _, *lines = ([cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines())
        panels.append((head, lines))
    script = f"""set terminal svg size 1000,760 background "white" font "sans-serif,13"
set output "{PLOT}"
set logscale xy
set grid
set key top left
set multiplot layout 2,2
"""
    for number, (head, lines) in enumerate(panels):
        script += f"$data{number} << END\n" + "".join(" ".join(line) + "\n" for line in lines) + "END\n"
        script += f'set xlabel "{head[0]}"\n'
        curves = (f'$data{number} using 1:{at + 2} with linespoints linewidth 2 title "{name}"' for at, name in enumerate(head[1:]))
        # Room for the key.
        script += "set offsets graph 0.05, graph 0.05, graph 0.5, graph 0.1\n"
        script += "plot " + ", ".join(curves) + "\n"
    subprocess.run(["gnuplot"], input=script + "unset multiplot\n", text=True, check=True)


def main():
    folder = sys.argv[1]
    with open(PAGE) as file:
        page = file.read()
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as file:
            text = file.read()
        group = name.removesuffix(".md")
        page = put(page, group, f"Measured {machine()}.\n\n{text}")
        if group == "scale":
            plot(text)
    with open(PAGE, "w") as file:
        file.write(page)


main()
