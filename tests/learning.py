"""How well the model learns: its mean loss over the names as training goes on, and its samples.

    python -m tests.learning                            the seeds 1 to 15, 5,000 steps each,
                                                        and --seed for the samples shown
    python -m tests.learning --steps 20000 --seeds 4    what more steps buy

Takes every flag of microgpt.py, and --help shows a few more. Uses every processor.

The floor. A name's loss is the mean over its L predictions. That is -ln q / L, where q, the product
of the probabilities of its tokens, is the chance that the model gives to the whole name. The table
shows the mean over the n names of the list: Σ -ln q / L, divided by n. The q of different names
add up to at most 1, also where names begin alike: each ends with EOS or fills the block, so none
is the beginning of another. A model free to choose its probabilities can have any such q. It is
best when no bit of chance would do more for another name: when the slope, -1 / (n L q), is the same
for all. So q is in proportion to 1 / L. For the 92 names that makes 0.807, the least for any model.
Equal chances, 1 / n each, make the mean of ln n / L: 0.810.

A name that stands in the list c times counts c times: its q are in proportion to c / L and c. Names
that are the same once they are cut to the block are one name.
"""
import argparse
import platform
import signal
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import replace
from math import log, nan
from multiprocessing import active_children

import microgpt


LARGEST = "the position with the largest"
PLACES = ["`<BOS>`", "the first letter", "the position before", "the position itself", LARGEST]


class Learner:
    """A model in training."""

    def __init__(self, settings, vocabulary):
        self.settings = settings
        self.vocabulary = vocabulary
        self.rng = microgpt.Xoshiro(settings.seed)
        self.model = microgpt.init_model(settings, len(vocabulary.tokens), self.rng)
        self.adam = microgpt.Adam(self.model, settings)

    def train(self, sequences, every):
        """Train on the sequences, one a step. Yield the steps done at 0, every, 2 every, …, all."""
        for step in range(self.settings.steps):
            if step % every == 0:
                yield step
            _, dmodel = microgpt.loss_and_gradient(self.model, sequences[step % len(sequences)])
            self.adam.update(self.model, dmodel, step)
        yield self.settings.steps

    def mean_loss(self, sequences):
        """The mean over sequences of each one's loss."""
        losses = []
        for ids in sequences:
            logits, _ = microgpt.forward(self.model, ids[:-1], microgpt.new_cache(self.model))
            losses.append(microgpt.cross_entropy(logits, ids[1:])[0])
        return statistics.mean(losses)

    def attention(self, sequences):
        """A head's mean weights by place, and its mean largest weight, from position 4 on.

        Means over layers, heads and the positions that can choose among four or more.
        """
        shares = {place: [] for place in PLACES}
        for ids in sequences:
            inputs = ids[:-1]
            _, (traces, _) = microgpt.forward(self.model, inputs, microgpt.new_cache(self.model))
            for _, attention_trace, _, _ in traces:
                *_, weights, _ = attention_trace  # [H, T, T]
                for head in weights:
                    for t in range(3, len(inputs)):
                        row = head[t]
                        for place, weight in zip(PLACES, (row[0], row[1], row[t - 1], row[t])):
                            shares[place].append(weight)
                        shares[LARGEST].append(max(row))
        return {place: statistics.mean(values or [nan]) for place, values in shares.items()}

    def samples(self, count):
        """Samples, as text."""
        return [
            self.vocabulary.decode(microgpt.generate(self.model, self.rng)) for _ in range(count)
        ]


def sequences_of(names, vocabulary, settings):
    """Each name as ids."""
    return [vocabulary.sequence(name, settings.block_size) for name in names]


def known_by_heart(sequences, weight):
    """The mean loss of a model that knows the sequences and nothing else.

    It gives each a chance in proportion to weight(how often it is in the list, its predictions).
    """
    counts = Counter(map(tuple, sequences))
    weights = {ids: weight(count, len(ids) - 1) for ids, count in counts.items()}
    total = sum(weights.values())
    return statistics.mean(
        -log(weights[tuple(ids)] / total) / (len(ids) - 1) for ids in sequences
    )


def floor(sequences):
    """The least mean loss that any model can have."""
    return known_by_heart(sequences, lambda count, length: count / length)


def equal_chances(sequences):
    """The mean loss of a model that draws the names as they stand in the list."""
    return known_by_heart(sequences, lambda count, length: count)


def share_taught(samples, names, settings):
    """The share of samples that are names of the list, as far as they fit into the block."""
    taught = {name[: settings.block_size] for name in names}
    return statistics.mean(sample in taught for sample in samples)


# What the measuring programs share: their flags, and runs in parallel.


def count(text):
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


FLAGS = {
    "seeds": "train with the seeds 1 to SEEDS",
    "every": "steps from row to row",
    "samples": "samples of each trained model",
}


def new_parser(description, **numbers):
    """A parser of flags, with these of FLAGS in it; their values are the defaults."""
    parser = argparse.ArgumentParser(
        description=description.partition("\n")[0],
        epilog="Takes every flag of microgpt.py, too.",
        allow_abbrev=False,
    )
    for flag, default in numbers.items():
        words = f"{FLAGS[flag]} (default: {default})"
        parser.add_argument(f"--{flag}", type=count, default=default, help=words)
    return parser


def parse(parser, arguments):
    """Command-line arguments -> the flags of the parser, and those of microgpt.py as Settings."""
    own, others = parser.parse_known_args(arguments)
    try:
        return own, microgpt.parse(others)
    except ValueError as error:
        parser.error(str(error))


def read_names(parser, data):
    """The names in a file, or the parser's error."""
    try:
        return microgpt.read_documents(data)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def ignore_ctrl_c():
    """Leave Ctrl-C to the process that started this one. Return what it did before."""
    return signal.signal(signal.SIGINT, signal.SIG_IGN)


def in_parallel(function, jobs):
    """[function(*job) for job in jobs] on all processors, with progress on standard error."""
    start = time.perf_counter()
    with ProcessPoolExecutor(initializer=ignore_ctrl_c) as pool:
        try:
            handler = ignore_ctrl_c()  # as the processes that start now may be stopped at once
            futures = [pool.submit(function, *job) for job in jobs]
            signal.signal(signal.SIGINT, handler)
            while True:  # once a second, as Windows notices no Ctrl-C while it waits
                finished = sum(future.done() for future in futures)
                text = progress(finished, len(jobs), time.perf_counter() - start)
                print(f"\r{text:50}", end="", file=sys.stderr, flush=True)
                done, waiting = wait(futures, timeout=1, return_when=FIRST_EXCEPTION)
                results = {future: future.result() for future in done}
                if not waiting:
                    return [results[future] for future in futures]
        except BaseException:
            for child in active_children():
                child.terminate()
            raise
        finally:
            print(f"\r{'':50}\r", end="", file=sys.stderr, flush=True)


def progress(done, jobs, seconds):
    """How many jobs are done, and how long the others may take if they take as long."""
    text = f"{done} of {jobs} runs done"
    if done:
        text += f", about {seconds / done * (jobs - done) / 60:.0f} min left"
    return text


def run(main):
    """main(), where Ctrl-C ends it with one line."""
    sys.stdout.reconfigure(errors="replace")  # not everything can show β and √
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        print("microgpt: stopped", file=sys.stderr)
        sys.exit(130)


def python():
    """The interpreter and its version. PyPy has one of its own beside that of the language."""
    language = platform.python_version()
    if not hasattr(sys, "pypy_version_info"):
        return f"{platform.python_implementation()} {language}"
    return "PyPy {}.{}.{} (Python {})".format(*sys.pypy_version_info[:3], language)


def spread(values, form):
    """The mean, and the least to the most, as cells of a table."""
    low, high = format(min(values), form), format(max(values), form)
    return f"{statistics.mean(values):{form}} | {low} to {high}"


def measure(settings, names, every, samples):
    """Train with one seed: the mean loss by steps done; of the trained model samples, attention."""
    vocabulary = microgpt.Vocabulary(names)
    sequences = sequences_of(names, vocabulary, settings)
    learner = Learner(settings, vocabulary)
    losses = {step: learner.mean_loss(sequences) for step in learner.train(sequences, every)}
    return losses, learner.samples(samples), learner.attention(sequences)


def main(arguments):
    """Train with every seed, and print the tables."""
    parser = new_parser(__doc__, seeds=15, every=500, samples=1000)
    own, settings = parse(parser, arguments)
    names = read_names(parser, settings.data)
    sequences = sequences_of(names, microgpt.Vocabulary(names), settings)
    seeds = [*range(1, own.seeds + 1), settings.seed]
    jobs = [(replace(settings, seed=seed), names, own.every, own.samples) for seed in seeds]
    *runs, (losses, samples, _) = in_parallel(measure, jobs)

    print(f"{python()}, seeds 1 to {own.seeds}, lr {settings.lr:g}")
    print(f"least mean loss of any model {floor(sequences):.3f}, "
          f"with equal chances {equal_chances(sequences):.3f}\n")
    print("| after step | mean loss | its range |")
    print("| --- | --- | --- |")
    for step in losses:
        print(f"| {step:,} | {spread([run_losses[step] for run_losses, *_ in runs], '.3f')} |")
    print(f"\n| of {own.samples:,} samples | mean | its range |")
    print("| --- | --- | --- |")
    taught = [share_taught(run_samples, names, settings) for _, run_samples, _ in runs]
    bos = [statistics.mean("<BOS>" in sample for sample in texts) for _, texts, _ in runs]
    print(f"| are names it was taught | {spread(taught, '.0%')} |")
    print(f"| have `<BOS>` in them | {spread(bos, '.1%')} |")
    print("\n| of a head's weight, from position 4 on | mean | its range |")
    print("| --- | --- | --- |")
    for place in PLACES:
        print(f"| {place} | {spread([attention[place] for *_, attention in runs], '.0%')} |")

    print(f"\nseed {settings.seed}: mean loss {losses[settings.steps]:.3f}")
    for kind, wanted in (("taught", True), ("new", False)):
        found = [s for s in samples if bool(share_taught([s], names, settings)) == wanted]
        different = list(dict.fromkeys(found))
        shown = ", ".join(sample or "(empty)" for sample in different[:12])
        print(f"{kind}: {len(found)}, {len(different)} different ones: {shown}")


if __name__ == "__main__":
    run(main)
