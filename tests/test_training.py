"""Training: losses against the oracle, Adam by hand and by the book, what train prints."""
import contextlib
import copy
import io
import itertools
import math
import re
import unittest
from unittest import mock

import microgpt
from tests.helpers import difference, flat, parameters, small_model, to_oracle
from tests.oracle import Scalar, TextbookAdam


def prepared(documents, **values):
    """Settings, vocabulary, generator and a new model, as the program makes them."""
    settings = microgpt.Settings(**values)
    vocabulary = microgpt.Vocabulary(documents)
    rng = microgpt.Xoshiro(settings.seed)
    return microgpt.init_model(settings, len(vocabulary.tokens), rng), vocabulary, rng, settings


def trained(documents, start=None, **values):
    """train, watched: what it printed, and for each step its tokens, loss and model before it."""
    model, vocabulary, rng, settings = start or prepared(documents, **values)
    steps = []
    original = microgpt.loss_and_gradient

    def watched(watched_model, tokens):
        before = copy.deepcopy(parameters(watched_model))
        loss, gradient = original(watched_model, tokens)
        steps.append((tokens, loss, before))
        return loss, gradient

    with contextlib.redirect_stdout(io.StringIO()) as output:
        with mock.patch.object(microgpt, "loss_and_gradient", watched):
            microgpt.train(model, documents, vocabulary, rng, settings)
    return output.getvalue().splitlines(), steps, model


def textbook_adam(scalars, settings):
    """The oracle's Adam with these settings."""
    return TextbookAdam(scalars, settings.lr, settings.beta1, settings.beta2, settings.steps)


TINY = {"n_embd": 2, "n_head": 1, "block_size": 4}


class AgainstTheOracle(unittest.TestCase):
    def compare(self, documents, **values):
        """The loss of every step, and the parameters after the last."""
        model, vocabulary, _, settings = start = prepared(documents, **values)
        oracle = to_oracle(model)
        adam = textbook_adam(oracle.parameters(), settings)
        expected = []
        for step in range(settings.steps):
            document = documents[step % len(documents)]
            ids = [vocabulary.tokens.index(character) for character in document]
            loss = oracle.loss(([0] + ids + [1])[: settings.block_size + 1])
            loss.backward()
            expected.append(loss.data)
            adam.update(step)
        _, steps, _ = trained(documents, start)
        losses = [loss for _, loss, _ in steps]
        self.assertEqual(len(losses), settings.steps)
        self.assertLess(max(abs(a - b) for a, b in zip(losses, expected)), 1e-9)
        trained_oracle = to_oracle(model)
        pairs = zip(trained_oracle.parameters(), oracle.parameters())
        self.assertLess(max(abs(a.data - b.data) for a, b in pairs), 1e-6)

    def test_thirty_steps_of_the_default_model(self):
        self.compare(microgpt.NAMES, steps=30)

    def test_other_sizes_and_rates(self):
        self.compare(
            ["ada", "bo", "abcba", "d"], n_embd=6, n_head=3, n_layer=2, block_size=4,
            steps=10, lr=0.02, beta1=0.8, beta2=0.99, seed=2**40 + 7,
        )


def one_parameter(value):
    """A model or gradient of this one number."""
    return microgpt.Model(1, wte=[[value]], wpe=[], layers=[])


class AdamByHand(unittest.TestCase):
    """One parameter, whose every update is worked out in the test."""

    @staticmethod
    def run_updates(gradients, **values):
        """The values of the parameter, from 1.0 on, under these gradients."""
        model, w = one_parameter(1.0), [1.0]
        adam = microgpt.Adam(model, microgpt.Settings(**values))
        for step, g in enumerate(gradients):
            adam.update(model, one_parameter(g), step)
            w.append(model.wte[0][0])
        return w

    def test_three_updates(self):
        """As the paper has it: means of weights 0.1 and 0.05, corrected for their start at 0."""
        w = self.run_updates([3.0, -1.0, 0.5], lr=0.01, beta1=0.9, beta2=0.95, steps=10)
        w1 = 1.0 - 0.01 * 3 / (3 + 1e-8)  # at first, the means are the gradient and its square
        self.assertAlmostEqual(w[1], w1, places=14)
        mean = 0.9 * 0.3 + 0.1 * -1.0  # 0.3 = 0.1 · 3
        square = 0.95 * 0.45 + 0.05 * 1.0  # 0.45 = 0.05 · 9
        root = math.sqrt(square / (1 - 0.95 * 0.95))
        w2 = w1 - 0.009 * (mean / (1 - 0.9 * 0.9)) / (root + 1e-8)
        self.assertAlmostEqual(w[2], w2, places=14)
        mean = 0.9 * mean + 0.1 * 0.5
        square = 0.95 * square + 0.05 * 0.25
        root = math.sqrt(square / (1 - 0.95**3))
        w3 = w2 - 0.008 * (mean / (1 - 0.9**3)) / (root + 1e-8)
        self.assertAlmostEqual(w[3], w3, places=14)

    def test_epsilon_stands_outside_the_root(self):
        """A gradient of 1e-8 is as large as the epsilon: half a step."""
        w = self.run_updates([1e-8], lr=0.5, steps=1)
        self.assertAlmostEqual(w[1], 1.0 - 0.25, places=14)

    def test_no_gradient_no_step(self):
        self.assertEqual(self.run_updates([0.0, 0.0], steps=5), [1.0, 1.0, 1.0])

    def test_a_steady_gradient_moves_by_lr_whatever_its_size(self):
        """lr falls from 0.3 to 0.2 to 0.1."""
        for g in (1e-3, 1.0, 1e5):
            with self.subTest(g=g):
                w = self.run_updates([g] * 3, lr=0.3, steps=3)
                self.assertLess(difference(w, [1.0, 0.7, 0.5, 0.4]), 1e-4)

    def test_leaves_the_gradient_alone(self):
        model, gradient = small_model(), small_model(seed=2)
        before = copy.deepcopy(parameters(gradient))
        microgpt.Adam(model, microgpt.Settings()).update(model, gradient, 0)
        self.assertEqual(parameters(gradient), before)


class AdamByTheBook(unittest.TestCase):
    def test_every_parameter_under_random_gradients(self):
        for beta1, beta2 in (0.9, 0.95), (0.99, 0.5), (0.0, 0.0):
            with self.subTest(beta1=beta1, beta2=beta2):
                settings = microgpt.Settings(lr=0.05, beta1=beta1, beta2=beta2, steps=12)
                model = small_model(n_layer=2)
                scalars = [Scalar(w) for w in flat(parameters(model))]
                ours, theirs = microgpt.Adam(model, settings), textbook_adam(scalars, settings)
                for step in range(12):
                    gradient = small_model(n_layer=2, seed=step + 2)
                    for scalar, g in zip(scalars, flat(parameters(gradient))):
                        scalar.grad = g
                    ours.update(model, gradient, step)
                    theirs.update(step)
                expected = [scalar.data for scalar in scalars]
                self.assertLess(difference(flat(parameters(model)), expected), 1e-12)


class LearningRate(unittest.TestCase):
    """lr · (1 - step / steps). With both betas 0, an update moves each number by just that."""

    @staticmethod
    def moved(step):
        model = one_parameter(1.0)
        settings = microgpt.Settings(lr=0.5, beta1=0.0, beta2=0.0, steps=10)
        microgpt.Adam(model, settings).update(model, one_parameter(4.0), step)
        return 1.0 - model.wte[0][0]

    def test_first_step(self):
        self.assertAlmostEqual(self.moved(0), 0.5, places=8)

    def test_middle_step(self):
        self.assertAlmostEqual(self.moved(5), 0.25, places=8)

    def test_last_step(self):
        self.assertAlmostEqual(self.moved(9), 0.05, places=8)

    def test_past_the_last_step_nothing_moves(self):
        for step in (10, 11, 1000):
            with self.subTest(step=step):
                self.assertEqual(self.moved(step), 0.0)

    def test_in_training(self):
        """The largest move of any number, step by step: 0.1, 0.075, 0.05, 0.025 of lr 0.1."""
        _, steps, model = trained(["ab"], steps=4, lr=0.1, beta1=0.0, beta2=0.0, **TINY)
        states = [flat(before) for _, _, before in steps] + [flat(parameters(model))]
        moves = [max(abs(a - b) for a, b in zip(*two)) for two in zip(states, states[1:])]
        self.assertLess(difference(moves, [0.1, 0.075, 0.05, 0.025]), 1e-4)


class Learning(unittest.TestCase):
    """Four names of four letters, each as likely as the others: ln 4 to learn which, and no more.

    Nobody can guess the first letter better than 1 in 4; all that follows can be known for sure.
    So the loss of a name, the mean over its five targets, can't fall below ln 4 / 5 for all four.
    """

    NAMES = ["anna", "bert", "cleo", "dora"]
    FLOOR = math.log(4) / 5

    @classmethod
    def setUpClass(cls):
        cls.start = prepared(cls.NAMES, n_embd=8, n_head=2, steps=400, lr=0.02)
        trained(cls.NAMES, cls.start)

    def losses(self):
        model, vocabulary, _, settings = self.start
        sequences = [vocabulary.sequence(name, settings.block_size) for name in self.NAMES]
        return [microgpt.loss_and_gradient(model, tokens)[0] for tokens in sequences]

    def test_down_to_the_floor(self):
        self.assertLess(sum(self.losses()) / 4, self.FLOOR * 1.02)

    def test_not_below_the_floor(self):
        """Below it, probabilities would not add up to 1, or a position would see its answer."""
        self.assertGreaterEqual(sum(self.losses()) / 4, self.FLOOR)

    def test_samples_are_the_names(self):
        """Of 50, all; and each of the four is missed by a chance of 4 · 0.75**50 = 2e-6."""
        model, vocabulary, _, _ = self.start
        rng = microgpt.Xoshiro(5)
        samples = {vocabulary.decode(microgpt.generate(model, rng)) for _ in range(50)}
        self.assertLessEqual(set(self.NAMES), samples)


class Order(unittest.TestCase):
    def test_documents_in_file_order_again_and_again(self):
        _, steps, _ = trained(["ab", "c", "ba"], steps=8, **TINY)
        once = [[0, 2, 3, 1], [0, 4, 1], [0, 3, 2, 1]]
        self.assertEqual([tokens for tokens, _, _ in steps], once + once + once[:2])

    def test_long_names_are_cut_to_the_block(self):
        _, steps, _ = trained(["abcde"], steps=1, **TINY)
        self.assertEqual(steps[0][0], [0, 2, 3, 4, 5])

    def test_sampling_does_not_disturb_training(self):
        """Samples take numbers from the generator, and training takes none."""
        with mock.patch.object(microgpt, "generate", return_value=[]):
            _, alone, _ = trained(["ab", "c"], steps=4, **TINY)
        _, steps, _ = trained(["ab", "c"], steps=4, **TINY)
        self.assertEqual(steps, alone)


class OtherSettings(unittest.TestCase):
    """The sizes are the model's own, also if the settings of the training have others."""

    @classmethod
    def setUpClass(cls):
        model, vocabulary, rng, _ = prepared(["abcde"], n_embd=6, n_head=3, n_layer=2, block_size=3)
        settings = microgpt.Settings(n_embd=8, n_head=2, n_layer=1, block_size=5, steps=2)
        cls.lines, cls.steps, _ = trained(["abcde"], (model, vocabulary, rng, settings))

    def test_in_the_first_line(self):
        """Seven tokens: 7 · 6 + 3 · 6 embeddings, 2 layers of 12 · 6 · 6."""
        sizes = "vocab=7  params=924  layers=2  embd=6  heads=3"
        self.assertEqual(self.lines[0], f"microgpt  {sizes}")

    def test_in_the_cut_of_the_names(self):
        self.assertEqual([tokens for tokens, _, _ in self.steps], [[0, 2, 3, 4]] * 2)

    def test_the_number_of_steps_is_that_of_the_settings(self):
        self.assertEqual(self.lines[1], "Training 2 steps on 1 names")


class NotFinite(unittest.TestCase):
    def test_a_loss_that_is_no_number_ends_the_training(self):
        with self.assertRaisesRegex(FloatingPointError, "at step 1; .*lr"):
            trained(["emma"], steps=3, lr=1e200)

    def test_an_infinite_loss_ends_the_training(self):
        with mock.patch.object(microgpt, "loss_and_gradient", return_value=(math.inf, None)):
            with self.assertRaisesRegex(FloatingPointError, "at step 0; .*lr"):
                trained(["emma"], steps=3, **TINY)

    def test_a_large_loss_does_not(self):
        """A learning rate of 30 breaks the model, but its losses are still numbers."""
        _, steps, _ = trained(["ab", "c"], steps=5, lr=30.0, **TINY)
        losses = [loss for _, loss, _ in steps]
        self.assertGreater(max(losses), 10.0)
        self.assertTrue(all(map(math.isfinite, losses)))


class Printed(unittest.TestCase):
    STEP = re.compile(
        r"step +(\d+)  loss=(\d+\.\d{4})  t=\d+\.\d\ds  \| "
        r"sample 0: .*  sample 1: .*  sample 2: .*  sample 3: .*  sample 4: .*"
    )

    def test_first_lines_and_step_0_of_the_reference(self):
        """The reference's own lines. One step or 5,000, the first is the same."""
        lines, _, _ = trained(microgpt.NAMES, steps=1)
        self.assertEqual(lines[0], "microgpt  vocab=27  params=3632  layers=1  embd=16  heads=4")
        self.assertEqual(lines[1], "Training 1 steps on 92 names")
        self.assertEqual(lines[2], "")
        self.assertEqual(
            re.sub(r"t=\d+\.\d\ds", "t=...", lines[3]),
            "step     0  loss=3.2943  t=...  | sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv"
            "  sample 2: vydcdhlm  sample 3: kyagrgna  sample 4: jshozhxr",
        )
        self.assertRegex(lines[4], r"^Done in \d+\.\d{3}s$")
        self.assertEqual(len(lines), 5)

    def printed_steps(self, steps):
        """The numbers of the steps that got a line, after a look at each line."""
        lines, watched, _ = trained(["a"], steps=steps, n_embd=1, n_head=1, block_size=1)
        self.assertEqual(len(watched), steps)
        matches = [self.STEP.fullmatch(line) for line in lines[3:-1]]
        self.assertNotIn(None, matches)
        for match in matches:
            self.assertEqual(match[2], f"{watched[int(match[1])][1]:.4f}")
        return [int(match[1]) for match in matches]

    def test_every_500th_step_and_the_last(self):
        self.assertEqual(self.printed_steps(1002), [0, 500, 1000, 1001])

    def test_the_last_step_only_once(self):
        self.assertEqual(self.printed_steps(501), [0, 500])

    def test_numbers_stand_in_a_column_of_five(self):
        lines, _, _ = trained(["a"], steps=12, n_embd=1, n_head=1, block_size=1)
        self.assertEqual([line[:12] for line in lines[3:5]], ["step     0  ", "step    11  "])

    def test_seconds_since_the_start(self):
        """A clock that says 1000 at first and 1012.5 from then on."""
        clock = itertools.chain([1000.0], itertools.repeat(1012.5))
        with mock.patch.object(microgpt, "perf_counter", side_effect=clock):
            lines, _, _ = trained(["a"], steps=1, **TINY)
        self.assertIn("  t=12.50s  | ", lines[3])
        self.assertEqual(lines[4], "Done in 12.500s")

    def test_sampled_after_the_update(self):
        """The first update has already made 'a' likelier for a learning rate this large."""
        lines, _, _ = trained(["aaaa"] * 2, steps=1, lr=5.0, **TINY)
        self.assertNotEqual(lines[3].split("| ")[1], self.untrained_samples())

    @staticmethod
    def untrained_samples():
        model, vocabulary, rng, _ = prepared(["aaaa"], **TINY)
        samples = [vocabulary.decode(microgpt.generate(model, rng)) for _ in range(5)]
        return "  ".join(f"sample {i}: {sample}" for i, sample in enumerate(samples))
