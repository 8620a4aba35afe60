"""How long a training step takes, against scalar automatic differentiation in the same run.

    python -m tests.benchmark

Machines are noisy and share their time, so both programs take turns on the same names and the
ratio of each turn is what counts. Times are medians.
"""
import platform
import statistics
import time

import microgpt
from tests.helpers import to_oracle
from tests.learning import python
from tests.oracle import TextbookAdam

TURNS = 9
STEPS_A_TURN = 4


class Ours:
    """A model of microgpt.py in training, with the time of each part of a step."""

    def __init__(self, settings):
        documents = microgpt.read_documents(settings.data)
        vocabulary = microgpt.Vocabulary(documents)
        rng = microgpt.Xoshiro(settings.seed)
        self.sequences = [vocabulary.sequence(d, settings.block_size) for d in documents]
        self.model = microgpt.init_model(settings, len(vocabulary.tokens), rng)
        self.adam = microgpt.Adam(self.model, settings)

    def step(self, step):
        """One training step: the milliseconds of forward, backward, Adam and in all.

        Forward goes up to the loss, and backward starts there.
        """
        tokens = self.sequences[step % len(self.sequences)]
        inputs, targets = tokens[:-1], tokens[1:]
        clock = [time.perf_counter()]
        logits, trace = microgpt.forward(self.model, inputs, microgpt.new_cache(self.model))
        _, probs = microgpt.cross_entropy(logits, targets)
        clock.append(time.perf_counter())
        dlogits = microgpt.cross_entropy_backward(probs, targets)
        dmodel = microgpt.backward(self.model, inputs, dlogits, trace)
        clock.append(time.perf_counter())
        self.adam.update(self.model, dmodel, step)
        clock.append(time.perf_counter())
        forward, backward, adam = (1000 * (b - a) for a, b in zip(clock, clock[1:]))
        return forward, backward, adam, forward + backward + adam


class Theirs:
    """The oracle, going on from where our model is."""

    def __init__(self, ours, settings):
        self.sequences = ours.sequences
        self.oracle = to_oracle(ours.model)
        self.adam = TextbookAdam(
            self.oracle.parameters(), settings.lr, settings.beta1, settings.beta2, settings.steps
        )

    def step(self, step):
        """One training step: its milliseconds."""
        start = time.perf_counter()
        self.oracle.loss(self.sequences[step % len(self.sequences)]).backward()
        self.adam.update(step)
        return 1000 * (time.perf_counter() - start)


def compare(settings, warm_up=1000):
    """Time both on the same steps, in turn, after `warm_up` steps of ours."""
    ours = Ours(settings)
    for step in range(warm_up):
        ours.step(step)
    theirs = Theirs(ours, settings)
    parts, oracle_times, ratios = [], [], []
    for turn in range(TURNS + 1):
        steps = range(warm_up + turn * STEPS_A_TURN, warm_up + (turn + 1) * STEPS_A_TURN)
        oracle_time = statistics.mean(map(theirs.step, steps))
        part = [statistics.mean(times) for times in zip(*map(ours.step, steps))]
        if turn:  # the first turn warms both up
            oracle_times.append(oracle_time)
            parts.append(part)
            ratios.append(oracle_time / part[-1])
    forward, backward, adam, total = map(statistics.median, zip(*parts))
    print(f"scalar automatic differentiation  {statistics.median(oracle_times):8.2f} ms a step")
    print(f"microgpt.py                       {total:8.2f} ms a step")
    print(f"    forward {forward:.2f}, backward {backward:.2f}, Adam {adam:.2f}")
    print(f"times faster: {statistics.median(ratios):.1f}  "
          f"({min(ratios):.1f} to {max(ratios):.1f} over {TURNS} turns)")


def multiply_adds(ours, settings):
    """Multiply-adds of a step, mean over the names, as if nothing were skipped.

    Forward, each position t takes C·(12 C·layers + V) in the matrices and 2 C (t + 1)·layers in
    attention. Backward takes twice as many: one for the input's gradient, one for the weight's.
    """
    width, layers = settings.n_embd, settings.n_layer
    position = width * (12 * width * layers + len(ours.model.wte))
    counts = []
    for tokens in ours.sequences:
        length = len(tokens) - 1
        attention = 2 * width * layers * length * (length + 1) / 2
        counts.append(3 * (length * position + attention))
    return statistics.mean(counts)


def growth():
    """How a step's cost grows with the model."""
    print(f"{'C':>3} {'layers':>6} {'block':>5} {'parameters':>10} {'ms a step':>9} "
          f"{'ns a multiply-add':>17}")
    for n_embd, n_layer, block_size, steps in (
        (16, 1, 8, 60), (32, 1, 8, 40), (64, 1, 8, 30), (64, 4, 16, 12)
    ):
        settings = microgpt.Settings(n_embd=n_embd, n_layer=n_layer, block_size=block_size)
        ours = Ours(settings)
        for step in range(steps):
            ours.step(step)
        total = statistics.mean(ours.step(steps + step)[-1] for step in range(steps))
        parameters = sum(len(row) for matrix in microgpt.matrices(ours.model) for row in matrix)
        print(f"{n_embd:3} {n_layer:6} {block_size:5} {parameters:10,} {total:9.2f} "
              f"{total * 1e6 / multiply_adds(ours, settings):17.1f}")


if __name__ == "__main__":
    print(python(), platform.machine())
    compare(microgpt.Settings())
    print()
    growth()
