"""How well the model learns its list: mean loss, samples, and where its heads look.

    python -m tests.figures.learning                            the seeds 1 to 15: a minute on PyPy,
                                                                3 minutes on CPython
    python -m tests.figures.learning --steps 20000 --seeds 4    what more steps buy: as long
    python -m tests.figures.learning --seeds 1 --save           learning.svg, the run with --seed 42
                                                                on CPython 3.13: half a minute

The mean loss is the mean over n names of each name's loss. So a prediction in a name that has L of
them weighs 1 / (n L). A table sees some of the tokens before a prediction, and has chances q for
the next token. Among predictions that look the same to it, -Σ weight · ln q is least if each q is
in proportion to the weight of its token (Gibbs). A table that sees everything has the least mean
loss of any model: 0.807 for the 92 names.
"""
from collections import Counter
from dataclasses import replace
from math import log, nan
from statistics import mean

import microgpt
from tests.figures.common import (
    Learner, Picture, Plot, in_parallel, new_parser, parse, print_table, python, read_names, run,
    save, saved, share_taught, spread)

TABLES = {
    "the frequencies of tokens": lambda ids, t: None,
    "the place": lambda ids, t: t,
    "one letter": lambda ids, t: ids[t],
    "one letter and the place": lambda ids, t: (ids[t], t),
    "two letters and the place": lambda ids, t: (ids[max(0, t - 1) : t + 1], t),
    "everything: the floor": lambda ids, t: ids[: t + 1],
}
PLACES = ["`<BOS>`", "the first letter", "the position before", "the position itself",
          "the position with the most"]
COLUMNS = 6  # of samples, in the picture


def best_table(sequences, context):
    """The least mean loss of a table that sees context(ids, t), and its entries."""
    weights, totals = Counter(), Counter()
    for ids in map(tuple, sequences):
        for t, target in enumerate(ids[1:]):
            weights[context(ids, t), target] += 1 / (len(ids) - 1)
            totals[context(ids, t)] += 1 / (len(ids) - 1)
    losses = [-w * log(w / totals[seen]) for (seen, _), w in weights.items()]
    return sum(losses) / len(sequences), len(weights)


def attention(learner, sequences):
    """Where heads look from position 4 on: the mean weight at PLACES, and how often the position
    with the most weight is the most common one of that head and that row (see `favourites`)."""
    shares, favourites = [], {}
    for ids in sequences:
        _, trace = microgpt.forward(learner.model, ids[:-1], microgpt.new_cache(learner.model))
        for n, layer in enumerate(trace.layers):
            for h, weights in enumerate(layer.attention.weights):
                for t, row in enumerate(weights[3:], start=3):
                    shares.append([row[0], row[1], row[t - 1], row[t], max(row)])
                    favourites.setdefault((n, h, t), Counter())[row.index(max(row))] += 1
    if not shares:
        return [nan] * len(PLACES), nan
    guessed = sum(max(counter.values()) for counter in favourites.values())
    return [mean(column) for column in zip(*shares)], guessed / len(shares)


def measure(settings, names, every, samples):
    """Train with one seed: mean loss by steps done; samples and attention of the trained model."""
    learner = Learner(settings, names)
    sequences = learner.sequences(names)
    losses = {done: learner.mean_loss(sequences) for done in learner.train(sequences)
              if done % every == 0 or done == settings.steps}
    return losses, learner.samples(samples), attention(learner, sequences)


def story(settings, names):
    """What the picture shows of one run: mean losses, and the samples that microgpt.py prints."""
    learner = Learner(settings, names)
    sequences = learner.sequences(names)
    taught = {name[: settings.block_size] for name in names}
    losses, samples = [], []
    for done in learner.train(sequences):
        if done % 50 == 0 or done == settings.steps:
            losses.append([done, round(learner.mean_loss(sequences), 4)])
        if done % 500 == 1 or done == settings.steps:
            samples.append([done - 1, [[name, name in taught] for name in learner.samples(5)]])
    return {"python": python(), "seed": settings.seed, "names": len(names),
            "floor": round(best_table(sequences, TABLES["everything: the floor"])[0], 4),
            "blind": round(log(len(learner.vocabulary.tokens)), 4),
            "losses": losses, "samples": samples}


def picture(data):
    """The mean loss of one run as it falls, below samples from the same moments."""
    losses = data["losses"]
    steps, last = losses[-1]
    drawing = Picture(640, 520, f"From noise to names in {steps:,} steps", f"The mean loss of "
                      f"microgpt over {data['names']} names falls from {losses[0][1]:.2f} to "
                      f"{last:.2f}, and samples turn from noise into names.")
    drawing.text(20, 64, "What it writes on the way. Blue: names from its list", "soft")
    plot = Plot(drawing, 72, 206, 514, 238, steps, 0, 3.5, unit=1)
    for i in range(COLUMNS):
        step, samples = data["samples"][i * (len(data["samples"]) - 1) // (COLUMNS - 1)]
        x, y = plot.at(*min(losses, key=lambda pair: abs(pair[0] - step)))
        drawing.area([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], "blue")
        drawing.path([(x, 178), (x, y)], "soft dotted thin")
        for row, (name, taught) in enumerate(samples[-4:]):
            kind = "blue bold" if taught else "soft"
            drawing.text(x, 98 + 23 * row, name, f"{kind} mono small", "middle")
    for loss, words, kind, dy in (
        (data["blind"], f"blind guessing: {data['blind']:.2f}", "orange", -10),
        (data["floor"], f"the least possible: {data['floor']:.2f}", "green", 26),
    ):
        plot.level(loss, f"{kind} dashed")
        drawing.text(586, plot.at(0, loss)[1] + dy, words, f"{kind} halo paper-edge", "end")
    plot.curve(losses, "blue thick")
    return str(drawing)


def main(arguments):
    """Train with every seed, and print the tables."""
    parser = new_parser("learning", __doc__, picture=True,
                        seeds=(15, "train with the seeds 1 to this"),
                        every=(500, "steps from row to row"),
                        samples=(1000, "samples of each trained model"))
    own, settings = parse(parser, arguments)
    if own.redraw:
        return save("learning", picture(saved("learning")))
    names = read_names(parser, settings.data)
    sequences = Learner(settings, names).sequences(names)
    print(f"{python()}, seeds 1 to {own.seeds}, {settings.steps:,} steps, {len(names):,} names\n")
    best = {what: best_table(sequences, context) for what, context in TABLES.items()}
    print_table(["the best table of", "mean loss", "entries"], [
        (what, f"{loss:.3f}", f"{entries:,}") for what, (loss, entries) in best.items()])

    seeds = range(1, own.seeds + 1)
    jobs = [(replace(settings, seed=seed), names, own.every, own.samples) for seed in seeds]
    losses, samples, looks = zip(*in_parallel(measure, jobs, own.seeds * settings.steps))
    print()
    print_table(["after step", "mean loss", "range"], [
        (f"{done:,}", *spread([by_step[done] for by_step in losses], ".3f")) for done in losses[0]])
    print()
    bos = [mean("<BOS>" in sample for sample in texts) for texts in samples]
    taught = [share_taught(texts, names, settings.block_size) for texts in samples]
    print_table([f"of {own.samples:,} samples", "mean", "range"], [
        ("are names of the list", *spread(taught, ".0%")),
        ("have `<BOS>` in them", *spread(bos, ".1%"))])
    print()
    print_table(["of a head's weight, from position 4 on", "mean", "range"], [
        (place, *spread(shares, ".0%"))
        for place, shares in zip(PLACES, zip(*(shares for shares, _ in looks)))])
    print("\nA head's favourite position, guessed from head and row alone: right in {} of cases "
          "({})".format(*spread([guessed for _, guessed in looks], ".0%")))
    block = settings.block_size
    new = dict.fromkeys(s for s in samples[0] if not share_taught([s], names, block))
    print(f"new in samples of seed 1: {', '.join(list(new)[:20])}")

    if own.save:
        [data] = in_parallel(story, [(settings, names)], settings.steps)
        save("learning", picture(data), data)


if __name__ == "__main__":
    run(main)
