#!/usr/bin/env python3
"""What compare.sh keeps of its runs, and what it makes of them.

    compare_runs.py record PAIR ROUND PROGRAM    a run's JSON on stdin becomes a line on stdout
    compare_runs.py tell RUNS                    says the last line of the file in words
    compare_runs.py summary RUNS RESULT          prints the table of medians and writes them with every run to RESULT
"""
import datetime
import json
import os
import platform
import re
import statistics
import sys

FIGURES = ("images_per_s", "step_ms", "teacher_ms", "forward_ms", "loss_ms", "backward_ms", "optimizer_ms", "peak_rss_mb",
           "start_ms", "first_step_ms")
PROGRAMS = ("Retort", "PyTorch")


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def record(pair, number, program):
    run = json.load(sys.stdin)
    for bulky in ("nodes", "teacher_nodes"):
        run.pop(bulky, None)
    print(json.dumps({"pair": pair, "round": int(number), "program": program, "figures": run}))


def tell(path):
    run = read(path)[-1]
    print(f"round {run['round']}, {run['pair']}: {run['program']} {run['figures']['images_per_s']:.1f} images/s", flush=True)


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
    return found.group(1) if found else platform.processor()


def medians(runs, pair, program):
    """Of each figure that all of these runs have."""
    figures = [run["figures"] for run in runs if run["pair"] == pair and run["program"] == program]
    return {key: statistics.median(figure[key] for figure in figures)
            for key in FIGURES if all(key in figure for figure in figures)}


def table(pairs):
    heads = ["pair", "Retort images/s", "PyTorch images/s", "ratio", "Retort MB", "PyTorch MB"]
    both = [("images_per_s", ".1f"), ("peak_rss_mb", ".0f")]
    rows = [[pair["pair"], *(format(pair[program][key], form) for key, form in both[:1] for program in PROGRAMS),
             f"{pair['ratio']:.2f}", *(format(pair[program][key], form) for key, form in both[1:] for program in PROGRAMS)]
            for pair in pairs]
    for key, words in ("start_ms", "starts after ms"), ("first_step_ms", "first step ends after ms"):
        if all(key in pair[program] for pair in pairs for program in PROGRAMS):
            heads += [f"{program} {words}" for program in PROGRAMS]
            for row, pair in zip(rows, pairs):
                row += [format(pair[program][key], ".0f") for program in PROGRAMS]
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    for row in (heads, *rows):
        print("  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))))


def summary(path, result):
    runs = read(path)
    pairs = []
    for pair in dict.fromkeys(run["pair"] for run in runs):
        ours, theirs = (medians(runs, pair, program) for program in PROGRAMS)
        pairs.append({"pair": pair, "ratio": ours["images_per_s"] / theirs["images_per_s"], "Retort": ours,
                      "PyTorch": theirs})
    one = {program: next(run["figures"] for run in runs if run["program"] == program) for program in PROGRAMS}
    about = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "cpu": cpu_model(),
        "isa": one["Retort"]["isa"],
        "engine": one["Retort"]["engine"],
        "torch": one["PyTorch"]["torch"],
        "python": platform.python_version(),
        "threads": {program: one[program]["threads"] for program in PROGRAMS},
        "batch": {program: one[program]["batch"] for program in PROGRAMS},
        "rounds": max(run["round"] for run in runs),
    }
    with open(result, "w", encoding="utf-8") as file:
        json.dump(about | {"medians": pairs, "runs": runs}, file, indent=1)
        file.write("\n")
    print(f"{about['cpu']}, {about['isa']}, {about['engine']}, PyTorch {about['torch']}, "
          f"{about['threads']['Retort']} threads, medians of {about['rounds']} rounds")
    table(pairs)


if __name__ == "__main__":
    {"record": record, "tell": tell, "summary": summary}[sys.argv[1]](*sys.argv[2:])
