"""Memory or knowledge: the mean loss on names that were taught, and on names that were not.

    python -m tests.figures.generalisation --seeds 12
    python -m tests.figures.generalisation --seeds 12 --block-size 12 --data names.txt --data FILE

The first takes a minute on PyPy, and 3 minutes on CPython. The second is for a long list in FILE,
such as makemore's 32,033 names, and takes 5 and 10 minutes. With --save it is generalisation.svg.

One different name of eight is kept back, with all its copies. A model is taught the others, one a
step, shuffled by the seed. "Taught" is the mean loss on all names taught so far (at step 0, on the
first ones), "unseen" that on all names kept back.

The rivals are tables that count what came after the last n tokens of the taught names. They lean
on shorter contexts, down to 1 / V:

    p_n(token) = (count_n(token) + K p_(n-1)(token)) / (count_n(any) + K)
"""
from collections import Counter
from dataclasses import replace
from math import log
from statistics import mean

import microgpt
from tests.figures.common import (
    Learner, Picture, axes, cells, in_parallel, new_parser, parse, predictions, print_table, python,
    run, save, spread)

K, LETTERS = 20, 4


def split(names, rng):
    """Names to teach, and one different name of eight that is kept back, shuffled."""
    different = sorted(dict.fromkeys(names), key=lambda _: rng.draw())
    kept_back = set(different[: -(-len(different) // 8)])  # rounded up
    shuffled = sorted(names, key=lambda _: rng.draw())
    return [n for n in shuffled if n not in kept_back], [n for n in shuffled if n in kept_back]


def count_tables(taught, unseen, vocab_size):
    """For each number of letters of context, from 0 on: the mean loss of its table on unseen
    sequences, and its entries, the counts that are not 0 in it and in those that it leans on."""
    counts, totals = Counter(), Counter()
    for seen, target, _ in predictions(taught):
        for n in range(min(LETTERS, len(seen)) + 1):
            counts[seen[len(seen) - n :], target] += 1
            totals[seen[len(seen) - n :]] += 1
    losses = [0.0] * (LETTERS + 1)
    for seen, target, weight in predictions(unseen):
        p = 1 / vocab_size
        for n in range(LETTERS + 1):
            if n <= len(seen):  # else it is the shorter context
                context = seen[len(seen) - n :]
                p = (counts[context, target] + K * p) / (totals[context] + K)
            losses[n] -= weight * log(p) / len(unseen)
    return [(loss, sum(len(context) <= n for context, _ in counts))
            for n, loss in enumerate(losses)]


def measure(settings, names, every):
    """Train with one seed: by steps done, the mean losses on names taught and unseen; that on the
    last fifth of those taught; tables of 1 letter and more; how many names and parameters."""
    learner = Learner(settings, names)  # of all, as a letter may be in names kept back only
    sequences = dict(zip(names, learner.sequences))
    taught, unseen = ([sequences[name] for name in part] for part in split(names, learner.rng))
    taught = taught[: settings.steps]
    losses = {done: (learner.mean_loss(taught[: done or every]), learner.mean_loss(unseen))
              for done in learner.train(taught, every)}
    tables = count_tables(taught, unseen, len(learner.vocabulary.tokens))[1:]
    last = learner.mean_loss(taught[-len(taught) // 5 :])
    return losses, last, tables, len(taught), microgpt.count_parameters(learner.model)


def report(names, runs):
    """Print the tables of one list, and return what is in them."""
    by_step, last, tables, taught, parameters = zip(*runs)
    last_fifth = round(mean(last), 4)
    rows = [[done, *(spread([losses[done][i] for losses in by_step]) for i in (0, 1))]
            for done in by_step[0]]
    rivals = [(*spread(losses), round(mean(entries)))
              for losses, entries in (zip(*of_n) for of_n in zip(*tables))]
    print(f"\n{len(names):,} names: {taught[0]:,} taught, {parameters[0]:,} parameters")
    print_table(["after step", "taught", "range", "unseen", "range"], [
        (f"{done:,}", *cells(both[0], ".3f"), *cells(both[1], ".3f")) for done, *both in rows])
    print(f"\nthe last fifth of the taught names, at the end: {last_fifth:.3f}")
    print_table(["table of counts", "unseen", "range", "entries"], [
        (f"letters of context: {n}", *cells(losses, ".3f"), f"{entries:,}")
        for n, (*losses, entries) in enumerate(rivals, start=1)])
    return {"names": len(names), "taught": taught[0], "parameters": parameters[0], "rows": rows,
            "last_fifth": last_fifth, "tables": rivals}


def picture(data):
    """For each list, the mean losses as curves, with their ranges, and its rivals as lines."""
    lists = data["lists"]
    drawing = Picture(640, 118 + 352 * len(lists), "Does it know more than its list?",
                      "The mean loss on names taught and unseen: " + "; ".join(
                          f"of {part['names']:,} names, {part['rows'][-1][1][0]:.2f} and "
                          f"{part['rows'][-1][2][0]:.2f}" for part in lists))
    words = f"Means of {data['seeds']} seeds, and their range. Dotted lines: tables that"
    drawing.text(20, 66, words, "soft")
    drawing.text(20, 90, "count what follows each letter, each 2 letters, each 3", "soft")
    for i, part in enumerate(lists):
        draw_list(drawing, 112 + 352 * i, part)
    return str(drawing)


def draw_list(drawing, top, part):
    """One list: its curves, and at their ends what they are."""
    rows = part["rows"]
    steps = rows[-1][0]
    often = "once each" if steps <= part["taught"] else "again and again"
    drawing.text(20, top + 22, f"{part['taught']:,} of {part['names']:,} names taught, {often}",
                 "ink bold")
    least = min(low for _, *both in rows for _, low, _ in both)
    most = max(high for _, *both in rows for _, _, high in both)
    unit = 2 if most - least > 4 else 0.5
    low, high = least // unit * unit, -(-most // unit) * unit
    at = axes(drawing, 72, top + 42, 420, 236, steps, low, high, unit)
    blind = rows[0][1][0]
    labels = [(blind, "untrained", "soft")]
    drawing.path([at(0, blind), at(steps, blind)], "soft dashed")
    for n, (loss, *_) in enumerate(part["tables"][:3], start=1):
        if loss < labels[-1][0] - (high - low) / 50:  # else the lines would be one
            drawing.path([at(0, loss), at(steps, loss)], "green dotted")
            labels.append((loss, f"{n} letter{'s'[: n - 1]}", "green"))
    for column, words, kind in ((1, "taught", "blue"), (2, "unseen", "orange")):
        middle, least, most = ([at(row[0], row[column][i]) for row in rows] for i in range(3))
        drawing.area(least + most[::-1], f"{kind} band")
        drawing.path(middle, f"{kind} thick")
        labels.append((rows[-1][column][0], words, f"{kind} bold"))
    y = top + 299  # below the axes
    for loss, words, kind in sorted(labels):
        x, end = at(steps, loss)
        y = min(y - 21, end)
        drawing.path([(x + 4, end), (x + 16, y)], f"{kind} thin")
        drawing.text(x + 20, y + 6, f"{words} {loss:.2f}", f"{kind} small")


def main(arguments):
    """Train on every list with every seed, and print tables."""
    parser = new_parser("generalisation", __doc__, save=True, seeds=4, every=500)
    parser.add_argument("--data", action="append", default=[], metavar="FILE",
                        help="a list of names, once or more often (default: the 92 names)")
    own, settings, names = parse(parser, arguments)
    lists = [microgpt.from_flags(["--data", file])[1] for file in own.data] or [names]
    jobs = [(replace(settings, seed=seed), names, own.every)
            for names in lists for seed in range(1, own.seeds + 1)]
    runs = in_parallel(measure, jobs, len(jobs) * settings.steps)

    print(f"{python()}, seeds 1 to {own.seeds}")
    parts = [report(names, runs[i * own.seeds : (i + 1) * own.seeds])
             for i, names in enumerate(lists)]
    if own.save:
        data = {"python": python(), "seeds": own.seeds, "lists": parts}
        save("generalisation", picture(data), data)


if __name__ == "__main__":
    run(main)
