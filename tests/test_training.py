"""Training: Adam, the tokens of a step, every loss against the oracle, and what train prints."""
import contextlib
import copy
import io
import math
import unittest
from unittest import mock

import microgpt
from microgpt import Settings, Vocabulary
from tests import oracle
from tests.helpers import (
    STEP_0, difference, flat, prepared, printed, small_model, to_oracle, values_of,
)

TINY = {"n_embd": 2, "n_head": 1, "block_size": 4}


def trained(documents, start=None, **values):
    """train, watched: what it printed, the tokens and the loss of each step, and the model."""
    settings, vocabulary, rng, model = start or prepared(documents, **values)
    steps, original = [], microgpt.loss_and_gradient

    def watched(model, tokens):
        loss, gradient = original(model, tokens)
        steps.append((tokens, loss))
        return loss, gradient

    with mock.patch.object(microgpt, "loss_and_gradient", watched):
        return printed(microgpt.train, model, documents, vocabulary, rng, settings), steps, model


def one_parameter(value):
    """A model or gradient of this one number."""
    return microgpt.Model(1, wte=[[value]], wpe=[], layers=[])


def moved(gradients, first=0, **values):
    """The values of a parameter, from 1.0 on, under these gradients from this step on."""
    model, w = one_parameter(1.0), [1.0]
    adam = microgpt.Adam(model, Settings(**values))
    for step, g in enumerate(gradients, start=first):
        adam.update(model, one_parameter(g), step)
        w.append(model.wte[0][0])
    return w


class AdamTest(unittest.TestCase):
    def test_the_epsilon_stands_outside_the_root(self):
        """A gradient of 1e-8 is as large as the epsilon: half a step. Of 0: none."""
        self.assertAlmostEqual(moved([1e-8], lr=0.5, steps=1)[1], 1.0 - 0.25, places=14)
        self.assertEqual(moved([0.0, 0.0], steps=5), [1.0, 1.0, 1.0])

    def test_the_learning_rate_falls_in_a_straight_line_to_0_and_stays_there(self):
        """With both betas 0, an update moves each number by just that."""
        for step, lr in (0, 0.5), (5, 0.25), (9, 0.05), (10, 0.0), (11, 0.0), (1000, 0.0):
            with self.subTest(step=step):
                _, w = moved([4.0], first=step, lr=0.5, beta1=0.0, beta2=0.0, steps=10)
                self.assertAlmostEqual(1.0 - w, lr, places=8)

    def test_every_parameter_by_the_book(self):
        for beta1, beta2 in (0.9, 0.95), (0.99, 0.5), (0.0, 0.0):
            with self.subTest(beta1=beta1, beta2=beta2):
                model = small_model(n_embd=2)
                judge = flat(to_oracle(model))
                adam = microgpt.Adam(model, Settings(lr=0.05, beta1=beta1, beta2=beta2, steps=6))
                book = oracle.TextbookAdam(judge, 0.05, beta1, beta2, steps=6)
                for step in range(6):
                    gradient = small_model(n_embd=2, seed=step + 2)
                    for scalar, g in zip(judge, flat(gradient)):
                        scalar.grad = g
                    adam.update(model, gradient, step)
                    book.update(step)
                    self.assertEqual(gradient, small_model(n_embd=2, seed=step + 2))
                self.assertLess(difference(flat(model), values_of(judge)), 1e-12)


class AgainstTheOracleTest(unittest.TestCase):
    def test_losses_of_all_steps_and_the_trained_parameters(self):
        """Names in order, again and again, cut to the block; the defaults, then others."""
        others = {"n_embd": 6, "n_head": 3, "n_layer": 2, "block_size": 4}
        rates = {"lr": 0.02, "beta1": 0.8, "beta2": 0.99}
        for documents, book, values in [
            (microgpt.NAMES, (0.01, 0.9, 0.95, 8), {"steps": 8}),
            (["ada", "bo", "abcba", "d"], (0.02, 0.8, 0.99, 10), {"steps": 10, **others, **rates}),
        ]:
            with self.subTest(**values):
                start = settings, vocabulary, _, model = prepared(documents, **values)
                judge, losses = to_oracle(model), []
                adam = oracle.TextbookAdam(flat(judge), *book)
                for step in range(settings.steps):
                    document = documents[step % len(documents)]
                    ids = [0, *map(vocabulary.tokens.index, document), 1]
                    losses.append(oracle.loss(judge, ids[: settings.block_size + 1]).data)
                    adam.update(step)
                _, steps, _ = trained(documents, start)
                self.assertLess(difference([loss for _, loss in steps], losses), 1e-9)
                self.assertLess(difference(model, values_of(judge)), 1e-6)


class LearningTest(unittest.TestCase):
    """Four names of four letters, each as likely as the others: ln 4 to learn which, and no more.

    Nobody can guess the first letter better than 1 in 4; all that follows can be known for sure.
    So the loss of a name, the mean over its five targets, can't fall below ln 4 / 5 for all four.
    """

    NAMES = ["anna", "bert", "cleo", "dora"]

    def test_ends_at_the_floor_and_not_below_and_writes_the_names(self):
        """Below it, a position would see its answer. Of 50 samples, one of the four names is missed
        by a chance of 4 · 0.75**50 = 2e-6."""
        start = prepared(self.NAMES, n_embd=4, n_head=1, steps=300, lr=0.03)
        trained(self.NAMES, start)
        _, vocabulary, _, model = start
        sequences = [microgpt.training_tokens(name, vocabulary, 8) for name in self.NAMES]
        losses = [microgpt.loss_and_gradient(model, tokens)[0] for tokens in sequences]
        over = sum(losses) / 4 / (math.log(4) / 5) - 1
        self.assertTrue(0 <= over < 0.02, f"{over:.2%} above the floor")
        rng = microgpt.Xoshiro(5)
        samples = {microgpt.generate(model, vocabulary, rng) for _ in range(50)}
        self.assertLessEqual(set(self.NAMES), samples)


class StepsTest(unittest.TestCase):
    def test_tokens_have_both_marks_and_are_cut(self):
        """block_size inputs and one more, as targets are shifted by one."""
        vocabulary = Vocabulary(["abc"])
        for name, block_size, tokens in [
            ("cab", 5, [0, 4, 2, 3, 1]),
            ("cab", 4, [0, 4, 2, 3, 1]),
            ("cab", 3, [0, 4, 2, 3]),
            ("cab", 1, [0, 4]),
            ("a", 1, [0, 2]),
        ]:
            with self.subTest(name=name, block_size=block_size):
                self.assertEqual(microgpt.training_tokens(name, vocabulary, block_size), tokens)

    def test_writing_does_not_disturb_training(self):
        """Samples take numbers from the generator, and training takes none."""
        with mock.patch.object(microgpt, "generate", return_value=""):
            _, alone, _ = trained(["ab", "c"], steps=4, **TINY)
        self.assertEqual(trained(["ab", "c"], steps=4, **TINY)[1], alone)

    def test_a_loss_that_is_not_finite_ends_the_training(self):
        with self.assertRaisesRegex(FloatingPointError, "nan at step 1; .*lr"):
            trained(["emma"], steps=3, lr=1e200)
        with mock.patch.object(microgpt, "loss_and_gradient", return_value=(math.inf, None)):
            with self.assertRaisesRegex(FloatingPointError, "inf at step 0; .*lr"):
                trained(["emma"], steps=3, **TINY)


class PrintedTest(unittest.TestCase):
    SMALLEST = {"n_embd": 1, "n_head": 1, "block_size": 1}

    def test_all_lines_of_a_run_of_one_step(self):
        with mock.patch.object(microgpt, "perf_counter", side_effect=[1000.0, 1012.3456]):
            lines, _, _ = trained(microgpt.NAMES, steps=1)
        first = "microgpt  vocab=27  params=3632  layers=1  embd=16  heads=4"
        title = "Training 1 steps on 92 names"
        self.assertEqual(lines, [first, title, "", STEP_0, "Done in 12.346s"])

    def test_one_line_says_how_many_names_are_cut(self):
        """Those with more than 4 characters, and only if there are any."""
        for documents, cut in [
            (["abcd", "a"], []),
            (["abcda", "a", "abcdab"], ["2 of them .*4.* cut"]),
        ]:
            with self.subTest(documents=documents):
                lines, _, _ = trained(documents, steps=1, **TINY)
                self.assertEqual(len(lines[2:-2]), len(cut) + 1)
                for line, expected in zip(lines[2:], [*cut, "^$", "^step "]):
                    self.assertRegex(line, expected)

    def test_sizes_are_those_of_the_model_and_steps_those_of_the_settings(self):
        """The settings of the training may have other sizes."""
        _, vocabulary, rng, model = prepared(["abcde"], n_embd=6, n_head=3, block_size=3)
        settings = Settings(n_embd=8, n_head=2, n_layer=3, block_size=5, steps=2)
        lines, steps, _ = trained(["abcde"], (settings, vocabulary, rng, model))
        self.assertRegex(lines[0], "layers=1  embd=6  heads=3$")
        self.assertEqual(lines[1], "Training 2 steps on 1 names")
        self.assertEqual([tokens for tokens, _ in steps], [[0, 2, 3, 4]] * 2)

    def test_a_line_every_500_steps_and_one_for_the_last(self):
        """Its loss is the mean of the steps since the line before; numbers stand in a column."""
        for n_steps, expected in (1002, [0, 500, 1000, 1001]), (501, [0, 500]), (12, [0, 11]):
            with self.subTest(n_steps=n_steps):
                lines, steps, _ = trained(["a", "b"], steps=n_steps, **self.SMALLEST)
                losses = [loss for _, loss in steps]
                heads, start = [], 0
                for last in expected:
                    mean = math.fsum(losses[start : last + 1]) / (last + 1 - start)
                    heads.append(f"step {last:>5}  loss={mean:.4f}  |")
                    start = last + 1
                self.assertEqual([line[:26] for line in lines[3:-1]], heads)

    def test_samples_are_those_of_the_model_after_the_update(self):
        start = _, vocabulary, rng, _ = prepared(["abcd"], steps=1, lr=5.0, **TINY)
        other = copy.deepcopy(rng)
        lines, _, model = trained(["abcd"], start)
        samples = [microgpt.generate(model, vocabulary, other) for _ in range(5)]
        self.assertEqual(lines[3].split("  | ")[1], "  ".join(samples))
        self.assertEqual(rng.state, other.state)

    def test_each_line_appears_as_soon_as_it_is_computed(self):
        """Also where the output is a pipe, which keeps what is not flushed."""
        class Pipe(io.StringIO):
            def flush(self):
                flushed.append(self.getvalue().count("step "))

        flushed = []
        settings, vocabulary, rng, model = prepared(["a"], steps=501, **self.SMALLEST)
        with contextlib.redirect_stdout(Pipe()):
            microgpt.train(model, ["a"], vocabulary, rng, settings)
        self.assertLessEqual({1, 2}, set(flushed))
