#!/usr/bin/env python3
"""What train.sh keeps of its runs, and what it makes of them.

    train_runs.py record PAIR ROUND BENCH CSV RUNS    bench's JSON and the run's results.csv become a line of RUNS, told in words
    train_runs.py summary RUNS RESULT                 prints the table of medians and writes them with every run to RESULT
"""
import csv
import datetime
import json
import os
import platform
import statistics
import sys

from compare_runs import cpu_model, read


def record(pair, number, bench, results, runs):
    with open(bench, encoding="utf-8") as file:
        figures = json.load(file)
    with open(results, encoding="utf-8", newline="") as file:
        epochs = [float(row["images_per_s"]) for row in csv.DictReader(file)]
    run = {"pair": pair, "round": int(number), "bench_images_per_s": figures["mean_images_per_s"],
           "data_share": figures["shares"]["data"], "loader_images_per_s": figures["loader_images_per_s"],
           "epochs_images_per_s": epochs,
           "train_images_per_s": statistics.median(epochs[1:]),
           **{key: figures[key] for key in ("threads", "isa", "engine", "batch")}}
    run["ratio"] = run["train_images_per_s"] / run["bench_images_per_s"]
    with open(runs, "a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
    print(f"round {number}, {pair}: bench {run['bench_images_per_s']:.1f} images/s, train {run['train_images_per_s']:.1f}, "
          f"ratio {run['ratio']:.3f}", flush=True)


def summary(path, result):
    runs = read(path)
    figures = ("bench_images_per_s", "train_images_per_s", "ratio", "data_share", "loader_images_per_s")
    pairs = [{"pair": pair} | {key: statistics.median(run[key] for run in runs if run["pair"] == pair) for key in figures}
             for pair in dict.fromkeys(run["pair"] for run in runs)]
    about = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "cpu": cpu_model(),
        **{key: runs[0][key] for key in ("isa", "engine", "threads", "batch")},
        "rounds": max(run["round"] for run in runs),
    }
    with open(result, "w", encoding="utf-8") as file:
        json.dump(about | {"medians": pairs, "runs": runs}, file, indent=1)
        file.write("\n")
    print(f"{about['cpu']}, {about['isa']}, {about['threads']} threads, medians of {about['rounds']} rounds")
    print(f"{'pair':<22}{'bench images/s':>16}{'train images/s':>16}{'ratio':>8}{'data':>9}{'loader images/s':>17}")
    for row in pairs:
        print(f"{row['pair']:<22}{row['bench_images_per_s']:>16.1f}{row['train_images_per_s']:>16.1f}{row['ratio']:>8.3f}"
              f"{100 * row['data_share']:>7.2f} %{row['loader_images_per_s']:>17.0f}")


if __name__ == "__main__":
    {"record": record, "summary": summary}[sys.argv[1]](*sys.argv[2:])
