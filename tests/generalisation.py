"""Memory or knowledge: the mean loss on names that were taught and on names that were held out.

    python -m tests.generalisation
    python -m tests.generalisation --data names.txt --data FILE --block-size 12

Holds out one name of eight, trains on the others, and looks at both as training goes on. A model
that learns what names are like gets better at both. One that learns a list by heart gets better at
that list, and sooner or later worse at all other names: that is overfitting. At the end, both
losses are drawn as curves. With --data given more than once, each list has its own model and its
own two curves.

Each seed holds out other names and teaches the rest in another order, as a list may be sorted. A
name that the list has more than once is held out with all its copies. At most 1,000 names of each
kind are looked at, the taught ones from the start of the training. Takes every flag of
microgpt.py, and --help shows a few more. Uses every processor.
"""
from dataclasses import replace
from itertools import cycle
from statistics import mean

import microgpt
from tests.learning import (
    Learner,
    count,
    in_parallel,
    new_parser,
    parse,
    python,
    read_names,
    run,
    sequences_of,
    spread,
)

LOOKED_AT = 1000


def split(names, held_out, rng):
    """Taught and held-out names, both shuffled; held_out is how many different ones."""
    different = sorted(dict.fromkeys(names), key=lambda _: rng.draw())
    kept_back = set(different[:held_out])
    shuffled = sorted(names, key=lambda _: rng.draw())
    return [n for n in shuffled if n not in kept_back], [n for n in shuffled if n in kept_back]


def measure(settings, names, held_out, every):
    """Train with one seed: by steps done, the mean losses on taught and on held-out names."""
    vocabulary = microgpt.Vocabulary(names)  # of all, as a letter may be in held-out names only
    learner = Learner(settings, vocabulary)
    parts = split(names, held_out, learner.rng)
    sequences = [sequences_of(part, vocabulary, settings) for part in parts]
    return {
        step: [learner.mean_loss(part[:LOOKED_AT]) for part in sequences]
        for step in learner.train(sequences[0], every)
    }


def plot(curves, width=54):
    """Lines of text with curves of losses in them: each a mark, a label and {step: loss}.

    Where curves meet, the marks of the last two take turns.
    """
    steps = max(curves[0][-1])
    top, height = max(max(losses.values()) for *_, losses in curves), 0.125
    while top / height > 24:
        height *= 2
    rows = [[" "] * (width + 1) for _ in range(round(top / height) + 1)]
    labels = [[] for _ in rows]
    for mark, label, losses in curves:
        points = list(losses.items())
        for (a, loss_a), (b, loss_b) in zip(points, points[1:]):
            for column in range(round(width * a / steps), round(width * b / steps) + 1):
                loss = loss_a + (column * steps / width - a) / (b - a) * (loss_b - loss_a)
                row = min(max(round(loss / height), 0), len(rows) - 1)
                if rows[row][column] in " -" or column % 2:
                    rows[row][column] = mark
        labels[row].append(f"{mark} {label}")
    lines = []
    for i, (row, label) in enumerate(zip(rows, labels)):
        number = f"{i * height:.0f}" if i * height % 1 == 0 else ""
        lines.append(f"{number:>4} |{''.join(row)}  {', '.join(label)}".rstrip())
    below = ["     +" + "-" * (width + 1), f"      0{f'{steps:,} steps':>{width}}"]
    return ["mean loss", *lines[::-1], *below]


def main(arguments):
    """Train on every list with every seed, and print tables and curves."""
    parser = new_parser(__doc__, seeds=4, every=500)
    parser.add_argument("--data", action="append", help="a list of names (default: names.txt)")
    parser.add_argument("--held-out", type=count, help="how many names (default: 1 in 8)")
    own, settings = parse(parser, arguments)
    seeds = range(1, own.seeds + 1)
    lists, jobs = [], []
    for data in own.data or [""]:
        names = read_names(parser, data)
        different = len(set(names))
        held_out = own.held_out or -(-different // 8)  # rounded up
        if held_out >= different:
            parser.error(f"to hold out {held_out} of {different} names leaves none to teach")
        lists.append((names, held_out))
        jobs += [(replace(settings, seed=seed), names, held_out, own.every) for seed in seeds]
    runs = in_parallel(measure, jobs)

    print(f"{python()}, seeds 1 to {own.seeds}")
    curves = []
    for marks, (names, held_out) in zip(cycle(("ox", ".+")), lists):
        of_list, runs = runs[: own.seeds], runs[own.seeds :]
        print(f"\n{len(names):,} names, {held_out:,} different ones held out\n")
        print("| after step | taught | its range | held out | its range |")
        print("| --- | --- | --- | --- | --- |")
        means = {}
        for step in of_list[0]:
            both = list(zip(*(losses[step] for losses in of_list)))
            means[step] = list(map(mean, both))
            print(f"| {step:,} | {' | '.join(spread(losses, '.3f') for losses in both)} |")
        for i, kind in enumerate(("taught", "held out")):
            label = f"{kind} of {len(names):,}"
            curves.append((marks[i], label, {step: both[i] for step, both in means.items()}))
    untrained = curves[0][-1][0]
    print("", *plot([("-", "untrained", dict.fromkeys(means, untrained)), *curves]), sep="\n")


if __name__ == "__main__":
    run(main)
