"""How well the model learns its list: mean loss, samples, and where its heads look.

    python -m tests.figures.learning                            the seeds 1 to 15: a minute on PyPy,
                                                                3 minutes on CPython
    python -m tests.figures.learning --steps 20000 --seeds 4    what more steps buy: as long
    python -m tests.figures.learning --seeds 1 --save           learning.svg, the run with --seed 42
                                                                on CPython 3.13: half a minute

The mean loss is the mean over names of each name's loss. The best table that sees a context gives
each token the share that it has of the weight there (Gibbs), where a prediction in a name with L
of them weighs 1 / L. A table that sees everything before has the least mean loss of any model.
"""
from collections import Counter
from dataclasses import replace
from math import log, nan
from statistics import mean

import microgpt
from tests.figures.common import (
    Learner, Picture, axes, cells, in_parallel, new_parser, parse, predictions, print_table, python,
    run, save, spread)

TABLES = {
    "one letter and the place": lambda seen: (seen[-1], len(seen)),
    "two letters and the place": lambda seen: (seen[-2:], len(seen)),
    "everything: the floor": lambda seen: seen,
}
COLUMNS = 6  # of samples, in the picture


def best_table(sequences, context):
    """The least mean loss of a table that sees the context of the tokens before a prediction."""
    weights, totals = Counter(), Counter()
    for seen, target, weight in predictions(sequences):
        weights[context(seen), target] += weight
        totals[context(seen)] += weight
    return sum(-w * log(w / totals[seen]) for (seen, _), w in weights.items()) / len(sequences)


def attention(learner):
    """From position 4 on, the mean of the largest weight of a row; and how often it is at the
    favourite of this head and this row, where it is most often."""
    largest, places = [], {}
    for ids in learner.sequences:
        _, trace = microgpt.forward(learner.model, ids[:-1], microgpt.new_cache(learner.model))
        for n, layer in enumerate(trace.layers):
            for h, weights in enumerate(layer.attention.weights):
                for t, row in enumerate(weights[3:], start=3):
                    largest.append(max(row))
                    places.setdefault((n, h, t), Counter())[row.index(max(row))] += 1
    if not largest:
        return nan, nan
    return mean(largest), sum(max(c.values()) for c in places.values()) / len(largest)


def measure(settings, names, every, count):
    """Train with one seed: mean losses by steps done, samples, and what `attention` says."""
    learner = Learner(settings, names)
    losses = {done: learner.mean_loss(learner.sequences)
              for done in learner.train(learner.sequences, every)}
    return losses, learner.samples(count), attention(learner)


def story(settings, names):
    """What the picture shows of one run: mean losses, and the samples that microgpt.py prints."""
    learner = Learner(settings, names)
    losses, samples = [], []
    for done in learner.train(learner.sequences):
        if done % 50 == 0 or done == settings.steps:
            losses.append([done, round(learner.mean_loss(learner.sequences), 4)])
        if done % 500 == 1 or done == settings.steps:
            samples.append([done - 1, learner.samples(5)])
    return {"python": python(), "seed": settings.seed, "names": len(names),
            "floor": round(best_table(learner.sequences, TABLES["everything: the floor"]), 4),
            "blind": round(log(len(learner.vocabulary.tokens)), 4),
            "losses": losses, "samples": samples}


def picture(data):
    """The mean loss of one run as it falls, below samples from the same moments."""
    losses = data["losses"]
    steps, last = losses[-1]
    drawing = Picture(
        640, 520, f"From noise to names in {steps:,} steps",
        f"The mean loss of microgpt over {data['names']} names falls from {losses[0][1]:.2f} to "
        f"{last:.2f}, and samples turn from noise into names.")
    drawing.text(20, 64, "What it writes on the way. Blue: in its list. Grey: not", "soft")
    at = axes(drawing, 72, 206, 514, 238, steps, 0, 3.5, unit=1)
    for i in range(COLUMNS):
        step, samples = data["samples"][i * (len(data["samples"]) - 1) // (COLUMNS - 1)]
        x, y = at(*min(losses, key=lambda pair: abs(pair[0] - step)))
        drawing.area([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], "blue")
        drawing.path([(x, 178), (x, y)], "soft dotted thin")
        for row, (name, taught) in enumerate(samples[-4:]):
            kind = "blue bold" if taught else "soft"
            drawing.text(x, 98 + 23 * row, name, f"{kind} mono small", "middle")
    for loss, words, kind, dy in (
        (data["blind"], f"blind guessing: {data['blind']:.2f}", "orange", -10),
        (data["floor"], f"the least possible for this list: {data['floor']:.2f}", "green", 26),
    ):
        drawing.path([at(0, loss), at(steps, loss)], f"{kind} dashed")
        drawing.text(586, at(0, loss)[1] + dy, words, f"{kind} halo paper-edge", "end")
    drawing.path([at(*pair) for pair in losses], "blue thick")
    return str(drawing)


def main(arguments):
    """Train with every seed, and print the tables."""
    parser = new_parser("learning", __doc__, save=True, seeds=15, every=500, samples=1000)
    own, settings, names = parse(parser, arguments)
    print(f"{python()}, seeds 1 to {own.seeds}, {settings.steps:,} steps, {len(names):,} names")
    sequences = Learner(settings, names).sequences
    print_table(["the best table of", "mean loss"], [
        (what, f"{best_table(sequences, context):.3f}") for what, context in TABLES.items()])

    jobs = [(replace(settings, seed=seed), names, own.every, own.samples)
            for seed in range(1, own.seeds + 1)]
    losses, samples, looks = zip(*in_parallel(measure, jobs, len(jobs) * settings.steps))
    print_table(["after step", "mean loss", "range"], [
        (f"{done:,}", *cells(spread([by_step[done] for by_step in losses]), ".3f"))
        for done in losses[0]])
    known = [mean(in_list for _, in_list in of_seed) for of_seed in samples]
    largest, guessed = zip(*looks)
    print_table(["at the end", "mean", "range"], [
        (f"of {own.samples:,} samples, names of the list", *cells(spread(known), ".0%")),
        ("from position 4 on, a head's weight at one position", *cells(spread(largest), ".0%")),
        ("which one, guessed from head and row alone", *cells(spread(guessed), ".0%"))])
    new = dict.fromkeys(text for text, in_list in samples[0] if text and not in_list)
    print(f"\nnew in samples of seed 1: {', '.join(list(new)[:20])}")

    if own.save:
        [data] = in_parallel(story, [(settings, names)], settings.steps)
        save("learning", picture(data), data)


if __name__ == "__main__":
    run(main)
