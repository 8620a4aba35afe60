"""Memory or knowledge: the mean loss on names that were taught, and on names that were not.

    python -m tests.figures.generalisation --seeds 12
    python -m tests.figures.generalisation --seeds 12 --block-size 12 --data names.txt --data FILE

The first takes a minute on PyPy, and 3 minutes on CPython. The second is for a long list in FILE,
such as makemore's 32,033 names, and takes 8 and 20 minutes. With --save it is generalisation.svg.

One different name of eight is kept back, with all its copies. A model is taught the others, one a
step, shuffled by the seed. "Taught" is the mean loss on all names taught so far (at step 0, on the
first ones), "unseen" that on all names kept back. A model that learns what names are like gets
better at both. One that learns its list by heart gets better at that list, and sooner or later
worse at all other names: that is overfitting.

The rivals are tables that count what came after the last n tokens, in the names that the model was
taught. Where a table has seen little, it leans on shorter contexts, down to 1 / V: with K = 20,

    p_n(token) = (count_n(token) + K p_(n-1)(token)) / (count_n(any) + K)
"""
from collections import Counter
from dataclasses import replace
from math import log
from statistics import mean

import microgpt
from tests.figures.common import (
    Learner, Picture, Plot, count, in_parallel, new_parser, parse, print_table, python, read_names,
    run, save, saved)

K = 20


def split(names, kept_back, rng):
    """Names to teach and names kept back, shuffled; kept_back is how many different ones."""
    different = sorted(dict.fromkeys(names), key=lambda _: rng.draw())
    chosen = set(different[:kept_back])
    shuffled = sorted(names, key=lambda _: rng.draw())
    return [n for n in shuffled if n not in chosen], [n for n in shuffled if n in chosen]


def count_tables(taught, unseen, vocab_size, letters):
    """For n = 1 to letters: the mean loss on unseen sequences of a table of n letters of context,
    and its entries, the counts that are not 0 in it and in the shorter ones that it leans on."""
    counts, totals = Counter(), Counter()
    for ids in map(tuple, taught):
        for t, target in enumerate(ids[1:], start=1):
            for n in range(min(letters, t) + 1):
                counts[ids[t - n : t], target] += 1
                totals[ids[t - n : t]] += 1
    tables = []
    for longest in range(1, letters + 1):
        losses = []
        for ids in map(tuple, unseen):
            loss = 0.0
            for t, target in enumerate(ids[1:], start=1):
                p = 1 / vocab_size
                for n in range(min(longest, t) + 1):
                    context = ids[t - n : t]
                    p = (counts[context, target] + K * p) / (totals[context] + K)
                loss -= log(p)
            losses.append(loss / (len(ids) - 1))
        tables.append((mean(losses), sum(len(context) <= longest for context, _ in counts)))
    return tables


def measure(settings, names, kept_back, every, letters):
    """Train with one seed: by steps done, the mean losses on names taught and unseen; that on the
    last fifth of those taught, that on unseen names of tables, how many names are taught."""
    learner = Learner(settings, names)  # of all, as a letter may be in names kept back only
    rest, unseen = map(learner.sequences, split(names, kept_back, learner.rng))
    taught = rest[: settings.steps]
    losses = {done: (learner.mean_loss(taught[: done or every]), learner.mean_loss(unseen))
              for done in learner.train(taught) if done % every == 0 or done == settings.steps}
    tables = count_tables(taught, unseen, len(learner.vocabulary.tokens), letters)
    last = learner.mean_loss(taught[-len(taught) // 5 :])
    return losses, last, tables, len(taught), microgpt.count_parameters(learner.model)


def summary(names, kept_back, runs):
    """What is printed and drawn of one list."""
    by_step, last, tables, taught, parameters = zip(*runs)
    rows = []
    for done in by_step[0]:
        both = zip(*(losses[done] for losses in by_step))
        rows.append([done, *([round(f(losses), 4) for f in (mean, min, max)] for losses in both)])
    return {"names": len(names), "taught": taught[0], "kept_back": kept_back,
            "parameters": parameters[0], "rows": rows, "last_fifth": round(mean(last), 4),
            "tables": [[round(f(column), 4) for f in (mean, min, max)] + [round(mean(entries))]
                       for column, entries in (zip(*of_n) for of_n in zip(*tables))]}


def print_list(part):
    """The tables of one list."""
    print(f"\n{part['names']:,} names: {part['taught']:,} taught, {part['kept_back']:,} different "
          f"ones kept back, {part['parameters']:,} parameters\n")
    print_table(["after step", "taught", "range", "unseen", "range"], [
        (f"{done:,}", *(cell for m, low, high in both
                        for cell in (f"{m:.3f}", f"{low:.3f} to {high:.3f}")))
        for done, *both in part["rows"]])
    print(f"\nthe last fifth of the taught names, at the end: {part['last_fifth']:.3f}\n")
    print_table(["table of counts", "unseen", "range", "entries"], [
        (f"letters of context: {n}", f"{m:.3f}", f"{low:.3f} to {high:.3f}", f"{entries:,}")
        for n, (m, low, high, entries) in enumerate(part["tables"], start=1)])


def picture(data):
    """For each list, the mean losses as curves, with their ranges, and its rivals as lines."""
    lists = data["lists"]
    drawing = Picture(640, 118 + 352 * len(lists), "Does it know more than its list?",
                      "The mean loss on names taught and unseen: " + "; ".join(
                          f"of {part['names']:,} names, {part['rows'][-1][1][0]:.2f} and "
                          f"{part['rows'][-1][2][0]:.2f}" for part in lists))
    seeds = f"Means of {data['seeds']} seeds, and their range."
    drawing.text(20, 66, f"{seeds} Dotted lines: tables that", "soft")
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
    plot = Plot(drawing, 72, top + 42, 420, 236, steps, low, high, unit)
    blind = rows[0][1][0]
    labels = [(blind, "untrained", "soft")]
    plot.level(blind, "soft dashed")
    for n, (loss, *_) in enumerate(part["tables"][:3], start=1):
        if loss < labels[-1][0] - (high - low) / 50:  # else the lines would be one
            plot.level(loss, "green dotted")
            labels.append((loss, f"{n} letter{'s'[: n - 1]}", "green"))
    for column, words, kind in ((1, "taught", "blue"), (2, "unseen", "orange")):
        edges = [(row[0], row[column][1]) for row in rows]
        edges += [(row[0], row[column][2]) for row in reversed(rows)]
        drawing.area([plot.at(*edge) for edge in edges], f"{kind} band")
        plot.curve([(row[0], row[column][0]) for row in rows], f"{kind} thick")
        labels.append((rows[-1][column][0], words, f"{kind} bold"))
    y = plot.top + plot.height + 21
    for loss, words, kind in sorted(labels):
        x, end = plot.at(steps, loss)
        y = min(y - 21, end)
        drawing.path([(x + 4, end), (x + 16, y)], f"{kind} thin")
        drawing.text(x + 20, y + 6, f"{words} {loss:.2f}", f"{kind} small")


def main(arguments):
    """Train on every list with every seed, and print tables."""
    parser = new_parser("generalisation", __doc__, picture=True,
                        seeds=(4, "train with the seeds 1 to this"),
                        every=(500, "steps from row to row"),
                        letters=(4, "the longest context of a table"))
    parser.add_argument("--data", action="append", metavar="FILE",
                        help="a list of names, once or more often (default: the 92 names)")
    parser.add_argument("--kept-back", type=count, metavar="N", help="how many (default: 1 in 8)")
    own, settings = parse(parser, arguments)
    if own.redraw:
        return save("generalisation", picture(saved("generalisation")))
    lists, jobs = [], []
    for data in own.data or [None]:
        names = read_names(parser, data)
        different = len(set(names))
        kept_back = own.kept_back or -(-different // 8)  # rounded up
        if kept_back >= different:
            parser.error(f"to keep back {kept_back} of {different} names leaves none to teach")
        lists.append((names, kept_back))
        jobs += [(replace(settings, seed=seed), names, kept_back, own.every, own.letters)
                 for seed in range(1, own.seeds + 1)]
    runs = in_parallel(measure, jobs, len(jobs) * settings.steps)

    print(f"{python()}, seeds 1 to {own.seeds}")
    parts = []
    for i, (names, kept_back) in enumerate(lists):
        parts.append(summary(names, kept_back, runs[i * own.seeds : (i + 1) * own.seeds]))
        print_list(parts[-1])
    if own.save:
        data = {"python": python(), "seeds": own.seeds, "lists": parts}
        save("generalisation", picture(data), data)


if __name__ == "__main__":
    run(main)
