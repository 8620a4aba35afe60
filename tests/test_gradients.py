"""The whole model: its first parameters, and the gradient of every one against the oracle."""
import unittest
from unittest import mock

import microgpt
from tests import oracle
from tests.helpers import (
    central_differences,
    difference,
    flat,
    gradient_of,
    lifted,
    nested,
    numbers,
    oracle_gradient,
    parameters,
    small_model,
    to_oracle,
)

LIMIT = 1e-10  # largest difference over the largest gradient


def full_size():
    """The program's own first model and its names as tokens."""
    settings, vocabulary = microgpt.Settings(), microgpt.Vocabulary(microgpt.NAMES)
    rng = microgpt.Xoshiro(settings.seed)
    model = microgpt.init_model(settings, len(vocabulary.tokens), rng)
    return model, [vocabulary.sequence(name, settings.block_size) for name in microgpt.NAMES]


class GradientTest(unittest.TestCase):
    def compare(self, model, tokens):
        """Loss and the gradient of every parameter."""
        loss, gradient = microgpt.loss_and_gradient(model, tokens)
        expected_loss, expected = oracle_gradient(model, tokens)
        self.assertAlmostEqual(loss, expected_loss, places=12)
        self.assertLessEqual(difference(parameters(gradient), parameters(expected)), LIMIT)


class FullSize(GradientTest):
    """All 3,632 parameters of the default model."""

    def test_at_initialisation(self):
        model, sequences = full_size()
        self.assertEqual(len(flat(parameters(model))), 3632)
        self.compare(model, sequences[0])

    def test_after_twenty_steps(self):
        model, sequences = full_size()
        adam = microgpt.Adam(model, microgpt.Settings())
        for step, tokens in enumerate(sequences[:20]):
            adam.update(model, microgpt.loss_and_gradient(model, tokens)[1], step)
        self.assertTrue(all(any(flat(w)) for w in parameters(model)), "wo and fc2 have grown")
        self.compare(model, sequences[20])


class FirstStep(unittest.TestCase):
    """wo and fc2 start at zero. What lies behind them can't act on the loss yet.

    The slope of the loss with respect to wq, wk and wv goes through wo, and that of fc1 through
    fc2: a product with zero, so it is exactly zero. wo and fc2 themselves do get gradients, from
    what arrives at them, and the embeddings have the straight way past every block.
    """

    @classmethod
    def setUpClass(cls):
        settings = microgpt.Settings(n_embd=8, n_head=2, n_layer=2)
        cls.model = microgpt.init_model(settings, 7, microgpt.Xoshiro(3))
        cls.tokens = [0, 2, 4, 4, 5, 1]  # five positions of eight; 3 and 6 are targets nowhere
        _, cls.gradient = microgpt.loss_and_gradient(cls.model, cls.tokens)

    def each(self, *names):
        """The gradients of these matrices in every layer: a label, and the flat numbers."""
        for i, layer in enumerate(self.gradient.layers):
            for name in names:
                yield f"layers[{i}].{name}", flat(getattr(layer, name))

    def test_behind_wo_exactly_zero(self):
        for label, gradient in self.each("wq", "wk", "wv"):
            with self.subTest(label):
                self.assertEqual(gradient, [0.0] * 64)

    def test_behind_fc2_exactly_zero(self):
        for label, gradient in self.each("fc1"):
            with self.subTest(label):
                self.assertEqual(gradient, [0.0] * 256)

    def test_wo_and_fc2_themselves_not_zero(self):
        for label, gradient in self.each("wo", "fc2"):
            with self.subTest(label):
                self.assertTrue(any(gradient))

    def test_every_number_of_wo_not_zero(self):
        for label, gradient in self.each("wo"):
            with self.subTest(label):
                self.assertTrue(all(gradient))

    def test_every_number_of_wte_not_zero(self):
        """Tokens that don't occur too: each is a wrong answer that was too likely."""
        self.assertTrue(all(flat(self.gradient.wte)))

    def test_positions_in_use_not_zero(self):
        self.assertTrue(all(flat(self.gradient.wpe[:5])))

    def test_positions_not_in_use_exactly_zero(self):
        self.assertEqual(self.gradient.wpe[5:], [[0.0] * 8] * 3)

    def test_the_oracle_finds_the_same_zeros(self):
        _, expected = oracle_gradient(self.model, self.tokens)
        for matrix, judge in zip(parameters(self.gradient), parameters(expected)):
            self.assertEqual([g == 0 for g in flat(matrix)], [g == 0 for g in flat(judge)])


class SmallModels(GradientTest):
    """Every number random, so that no path is closed."""

    def test_one_two_and_three_layers(self):
        for n_layer in (1, 2, 3):
            with self.subTest(n_layer=n_layer):
                self.compare(small_model(n_layer=n_layer), [0, 2, 3, 5, 1])

    def test_sizes(self):
        for n_embd, n_head in (1, 1), (2, 1), (2, 2), (4, 4), (6, 3), (8, 1), (12, 4):
            with self.subTest(n_embd=n_embd, n_head=n_head):
                self.compare(small_model(n_embd=n_embd, n_head=n_head), [0, 3, 2, 4, 1])

    def test_every_length_up_to_the_full_block(self):
        model = small_model(n_layer=2, block_size=6)
        for length in range(1, 7):
            with self.subTest(length=length):
                self.compare(model, [0, 4, 2, 3, 5, 2, 1][: length + 1])

    def test_a_block_of_one(self):
        self.compare(small_model(block_size=1), [0, 2])

    def test_repeated_tokens(self):
        for tokens in [0, 3, 3, 3, 3, 1], [2, 2, 2], [0, 2, 3, 2, 3, 2]:
            with self.subTest(tokens=tokens):
                self.compare(small_model(n_layer=2), tokens)

    def test_bos_inside(self):
        self.compare(small_model(), [0, 0, 2, 0, 1])

    def test_small_and_large_parameters(self):
        """As small as at the start, where rmsnorm's 1e-5 counts; as large as late in training."""
        for scale in (0.003, 0.02, 1.5):
            with self.subTest(scale=scale):
                model = small_model(n_layer=2)
                for matrix in parameters(model):
                    matrix[:] = [[scale * value for value in row] for row in matrix]
                self.compare(model, [0, 2, 3, 3, 1])

    def test_central_differences(self):
        """No model of how gradients flow: the loss itself, with each number nudged."""
        model, tokens = small_model(n_embd=4, n_head=2, n_layer=2, vocab_size=5), [0, 2, 4, 2, 1]
        _, gradient = microgpt.loss_and_gradient(model, tokens)
        for i, (w, dw) in enumerate(zip(parameters(model), parameters(gradient))):
            with self.subTest(matrix=i):
                slopes = central_differences(
                    lambda: microgpt.loss_and_gradient(model, tokens)[0], w
                )
                self.assertLess(difference(dw, slopes), 1e-6)

    def test_any_slopes_of_the_logits(self):
        """Those of the loss add up to 0 at each position. These don't."""
        model, tokens, dlogits = small_model(n_layer=2), [0, 4, 4, 2], numbers(9, 4, 6)
        _, trace = microgpt.forward(model, tokens, microgpt.new_cache(model))
        judge = to_oracle(model)
        loss = sum(y * dy for y, dy in zip(flat(judge.logits(tokens)), flat(dlogits)))
        expected = parameters(gradient_of(loss, judge))
        gradient = parameters(microgpt.backward(model, tokens, dlogits, trace))
        self.assertLessEqual(difference(gradient, expected), LIMIT)

    def test_a_step_downhill_lowers_the_loss_by_the_slope(self):
        """By calculus: moving by -h times the gradient lowers the loss by h |gradient|²."""
        model, tokens, h = small_model(n_layer=2), [0, 2, 3, 5, 1], 1e-7
        before, gradient = microgpt.loss_and_gradient(model, tokens)
        for w, dw in zip(parameters(model), parameters(gradient)):
            w[:] = [[a - h * g for a, g in zip(*rows)] for rows in zip(w, dw)]
        after, _ = microgpt.loss_and_gradient(model, tokens)
        slope = sum(g * g for g in flat(parameters(gradient)))
        self.assertAlmostEqual((before - after) / h / slope, 1.0, places=4)


class BothUsesOfWte(unittest.TestCase):
    """wte makes the first vectors and the logits: its gradient is the sum over both uses."""

    @classmethod
    def setUpClass(cls):
        cls.model, cls.tokens = small_model(), [0, 3, 3, 2, 1]
        _, cls.gradient = microgpt.loss_and_gradient(cls.model, cls.tokens)
        judge, exit_ = to_oracle(cls.model), lifted(cls.model.wte)
        original = oracle.linear

        def linear(w, x):
            """The oracle's, with a second copy of wte where the logits are made."""
            return original(exit_ if w is judge.wte else w, x)

        with mock.patch.object(oracle, "linear", linear):
            loss = judge.loss(cls.tokens)
        loss.backward()
        cls.uses = [nested(lambda p: p.grad, wte) for wte in (judge.wte, exit_)]

    def test_add_up(self):
        total = [[a + b for a, b in zip(*rows)] for rows in zip(*self.uses)]
        self.assertLessEqual(difference(self.gradient.wte, total), LIMIT)

    def test_are_both_needed(self):
        for use in self.uses:
            self.assertGreater(difference(self.gradient.wte, use), 0.01)


class Initialisation(unittest.TestCase):
    """Drawn in a fixed order from the one generator, whose draws another one repeats here."""

    @classmethod
    def setUpClass(cls):
        cls.settings = microgpt.Settings(n_embd=6, n_head=3, n_layer=2, block_size=4)
        cls.rng = microgpt.Xoshiro(8)
        cls.model = microgpt.init_model(cls.settings, 5, cls.rng)

    def test_order_size_and_sigma(self):
        rng = microgpt.Xoshiro(8)
        expected = []
        for n_rows, sigma in [(5, 0.02), (4, 0.02)] + 2 * [
            (6, 0.02), (6, 0.02), (6, 0.02), (6, 0.0), (24, 0.02), (24, 0.0),
        ]:
            expected.append([[rng.normal(sigma) for _ in range(6)] for _ in range(n_rows)])
        self.assertEqual(parameters(self.model), expected)
        self.assertEqual(self.rng.state, rng.state)

    def test_wo_and_fc2_are_zero(self):
        for layer in self.model.layers:
            self.assertEqual(flat([layer.wo, layer.fc2]), [0.0] * (36 + 144))

    def test_no_row_is_shared(self):
        rows = [row for matrix in parameters(self.model) for row in matrix]
        self.assertEqual(len({id(row) for row in rows}), len(rows))

    def test_heads(self):
        self.assertEqual(self.model.n_head, 3)

    def test_matrices_lists_every_one_in_the_order_drawn(self):
        listed = microgpt.matrices(self.model)
        self.assertEqual([id(w) for w in listed], [id(w) for w in parameters(self.model)])

    def test_gradient_has_the_shape_of_the_model(self):
        _, gradient = microgpt.loss_and_gradient(self.model, [0, 2, 3])
        self.assertEqual(gradient.n_head, 3)
        sizes = [[len(row) for row in matrix] for matrix in parameters(gradient)]
        self.assertEqual(sizes, [[len(row) for row in w] for w in parameters(self.model)])

    def test_a_gradient_leaves_the_model_alone(self):
        model = small_model()
        before = [[list(row) for row in matrix] for matrix in parameters(model)]
        microgpt.loss_and_gradient(model, [0, 2, 2, 1])
        self.assertEqual(parameters(model), before)

    def test_helpers_leave_no_matrix_at_zero(self):
        """A guard of these tests: random numbers everywhere, or some paths go untested."""
        self.assertTrue(all(all(flat(w)) for w in parameters(small_model(n_layer=3))))
        self.assertEqual(numbers(1, 2, 3), numbers(1, 2, 3))
