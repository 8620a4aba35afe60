"""Every operation: forward by arithmetic, backward by the oracle and by central differences."""
import contextlib
import importlib.util
import math
import sys
import unittest

import microgpt
from tests import oracle
from tests.helpers import central_differences, difference, flat, lifted, nested, numbers, turned

EXACT = 1e-12  # what rounding alone may do
NUDGED = 1e-7  # a central difference with h = 1e-5 is off by about h², and by rounding / h
SIZES = (1, 1, 1), (1, 3, 2), (2, 1, 4), (5, 1, 1), (3, 4, 1), (8, 4, 3), (2, 16, 4)  # T, m, n


def with_zeros(rows):
    """Every third number zero, as where hidden units sleep."""
    return [[0.0 if i % 3 == 1 else number for i, number in enumerate(row)] for row in rows]


class OperationTest(unittest.TestCase):
    def judge(self, inputs, dy, program, judge, gradients, h=1e-5):
        """Forward and backward of one operation, on nested lists of numbers.

        program and judge map the inputs to y, with floats and with Scalars. The loss is Σ dy · y.
        gradients are what the program says is the gradient of each input.
        """
        nodes = [lifted(x) for x in inputs]
        y = judge(*nodes)
        self.assertLess(difference(program(*inputs), nested(lambda s: s.data, y)), EXACT)
        sum(y_i * dy_i for y_i, dy_i in zip(flat(y), flat(dy))).backward()

        def nudged_loss():
            return math.fsum(a * b for a, b in zip(flat(dy), flat(program(*inputs))))

        self.assertEqual(len(gradients), len(inputs))
        for i, (gradient, node) in enumerate(zip(gradients, nodes)):
            with self.subTest(input=i):
                slopes = nested(lambda s: s.grad, node)
                self.assertLess(difference(gradient, slopes), EXACT)
                nudged = central_differences(nudged_loss, inputs[i], h)
                self.assertLess(difference(gradient, nudged), NUDGED)


def judge_linear(x, w):
    return [oracle.linear(w, x_t) for x_t in x]


def judge_mix(weights, rows):
    return [oracle.linear(turned(rows), weights_t) for weights_t in weights]


class Linear(OperationTest):
    def test_by_hand(self):
        y = microgpt.linear([[10.0, 1.0], [0.0, 2.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]])
        self.assertEqual(y, [[12.0, 34.0, 44.0], [4.0, 8.0, -12.0]])

    def test_backward_by_hand(self):
        dx, dw = microgpt.linear_backward(
            [[1.0, 0.0], [10.0, -1.0]], [[4.0, 5.0], [6.0, 7.0]], [[2.0, 3.0], [7.0, 8.0]]
        )
        self.assertEqual(dx, [[2.0, 3.0], [20.0 - 7.0, 30.0 - 8.0]])
        self.assertEqual(dw, [[4.0 + 60.0, 5.0 + 70.0], [-6.0, -7.0]])

    def test_backward(self):
        for length, m, n in SIZES:
            with self.subTest(length=length, m=m, n=n):
                x, w, dy = numbers(1, length, n), numbers(2, m, n), numbers(3, length, m)
                gradients = microgpt.linear_backward(dy, x, w)
                self.judge([x, w], dy, microgpt.linear, judge_linear, gradients)

    def test_backward_is_mix(self):
        x, w, dy = numbers(1, 5, 3), numbers(2, 4, 3), numbers(3, 5, 4)
        mixed = microgpt.mix(dy, w), microgpt.mix(microgpt.transpose(dy), x)
        self.assertLess(difference(microgpt.linear_backward(dy, x, w), mixed), EXACT)

    def test_leaves_its_inputs_alone(self):
        inputs = numbers(1, 2, 1), numbers(2, 2, 3), numbers(3, 1, 3)
        microgpt.linear_backward(*inputs)
        microgpt.linear(*inputs[1:])
        self.assertEqual(inputs, (numbers(1, 2, 1), numbers(2, 2, 3), numbers(3, 1, 3)))


class Mix(OperationTest):
    def test_by_hand(self):
        rows = [[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]]
        y = microgpt.mix([[10.0, 0.0, 1.0], [0.0, -2.0, 0.0]], rows)
        self.assertEqual(y, [[15.0, 14.0], [-6.0, -8.0]])

    def test_weights_all_zero(self):
        self.assertEqual(microgpt.mix([[0.0, 0.0]], [[1.0, 3.0], [2.0, 4.0]]), [[0.0, 0.0]])

    def test_skips_a_row_of_weight_zero(self):
        """0 times infinity would be nan."""
        self.assertEqual(microgpt.mix([[0.0, 2.0]], [[math.inf], [3.0]]), [[6.0]])

    def test_hands_out_no_row_of_its_inputs(self):
        """Whoever changed y would change rows."""
        rows = [[1.0, 2.0]]
        self.assertIsNot(microgpt.mix([[1.0]], rows)[0], rows[0])

    def test_backward(self):
        for length, m, n in SIZES:
            with self.subTest(length=length, m=m, n=n):
                weights, rows, dy = numbers(1, length, m), numbers(2, m, n), numbers(3, length, n)
                gradients = microgpt.mix_backward(dy, weights, rows)
                self.judge([weights, rows], dy, microgpt.mix, judge_mix, gradients)

    def test_backward_is_linear(self):
        weights, rows, dy = numbers(1, 5, 4), numbers(2, 4, 3), numbers(3, 5, 3)
        turned_weights = microgpt.transpose(weights)
        expected = microgpt.linear(dy, rows), microgpt.linear(turned_weights, turned(dy))
        self.assertLess(difference(microgpt.mix_backward(dy, weights, rows), expected), EXACT)

    def test_backward_where_weights_are_zero(self):
        """They get 0. All others, and the rows, get what the oracle says."""
        weights, rows, dy = with_zeros(numbers(1, 5, 4)), numbers(2, 4, 3), numbers(3, 5, 3)
        dweights, drows = microgpt.mix_backward(dy, weights, rows)
        nodes = lifted([weights, rows])
        sum(y * dy_i for y, dy_i in zip(flat(judge_mix(*nodes)), flat(dy))).backward()
        slopes = nested(lambda s: s.grad, nodes)
        expected = [
            [slope if weight else 0.0 for slope, weight in zip(*pair)]
            for pair in zip(slopes[0], weights)
        ]
        self.assertLess(difference(dweights, expected), EXACT)
        self.assertEqual([row[1] for row in dweights], [0.0] * 5)
        self.assertLess(difference(drows, slopes[1]), EXACT)


class SmallParts(unittest.TestCase):
    def test_add(self):
        self.assertEqual(microgpt.add([1.0, 2.0], [10.0, -2.0]), [11.0, 0.0])

    def test_transpose(self):
        self.assertEqual(microgpt.transpose([[1, 2, 3], [4, 5, 6]]), [[1, 4], [2, 5], [3, 6]])

    def test_split_heads(self):
        x = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
        heads = [[[1, 2], [7, 8]], [[3, 4], [9, 10]], [[5, 6], [11, 12]]]
        self.assertEqual(microgpt.split_heads(x, 3), heads)

    def test_one_head_is_everything(self):
        self.assertEqual(microgpt.split_heads([[1, 2], [3, 4]], 1), [[[1, 2], [3, 4]]])

    def test_join_heads_undoes_split_heads(self):
        for n_head in (1, 2, 3, 6):
            with self.subTest(n_head=n_head):
                x = numbers(1, 4, 6)
                self.assertEqual(microgpt.join_heads(microgpt.split_heads(x, n_head)), x)


class Softmax(OperationTest):
    def test_by_hand(self):
        """e^0, e^ln 3 and e^ln 4 are 1, 3 and 4."""
        y = microgpt.softmax([0.0, math.log(3), math.log(4)])
        self.assertLess(difference(y, [1 / 8, 3 / 8, 4 / 8]), EXACT)

    def test_zero_vector_gives_equal_shares(self):
        self.assertEqual(microgpt.softmax([0.0] * 4), [0.25] * 4)

    def test_one_number(self):
        self.assertEqual(microgpt.softmax([-7.0]), [1.0])

    def test_huge_inputs(self):
        self.assertEqual(microgpt.softmax([1e308, 1e308, -1e308]), [0.5, 0.5, 0.0])

    def test_hugely_negative_inputs(self):
        self.assertEqual(microgpt.softmax([-1e308, -1e308]), [0.5, 0.5])

    def test_a_shift_changes_nothing(self):
        """Quarters, so that adding 1024 is exact."""
        x = [0.25, -1.5, 3.0]
        self.assertEqual(microgpt.softmax([xi + 1024 for xi in x]), microgpt.softmax(x))

    def test_backward(self):
        for n in (1, 2, 5, 27):
            with self.subTest(n=n):
                x, dy = numbers(1, n), numbers(2, n)
                dx = microgpt.softmax_backward(dy, microgpt.softmax(x))
                if n == 1:
                    self.assertEqual(dx, [0.0])  # the only share is 1, whatever x is
                self.judge([x], dy, microgpt.softmax, oracle.softmax, [dx])

    def test_backward_by_hand(self):
        """Mean of dy is 8 · 1/4 + 4 · 3/4 = 5."""
        dx = microgpt.softmax_backward([8.0, 4.0], [0.25, 0.75])
        self.assertEqual(dx, [0.25 * (8 - 5), 0.75 * (4 - 5)])


class CrossEntropy(OperationTest):
    def test_by_hand(self):
        for target, p in enumerate((1 / 8, 3 / 8, 4 / 8)):
            with self.subTest(target=target):
                logits = [[0.0, math.log(3), math.log(4)]]
                loss, probs = microgpt.cross_entropy(logits, [target])
                self.assertAlmostEqual(loss, -math.log(p), places=14)
                self.assertLess(difference(probs, [[1 / 8, 3 / 8, 4 / 8]]), EXACT)

    def test_is_the_mean_over_the_positions(self):
        """p is 1/4 at the first position and 1/2 at the others: ln 4, ln 2 and ln 2."""
        loss, _ = microgpt.cross_entropy([[0.0, math.log(3)], [5.0, 5.0], [0.0, 0.0]], [0, 1, 0])
        self.assertAlmostEqual(loss, 4 / 3 * math.log(2), places=14)

    def test_equal_logits_cost_ln_of_their_number(self):
        loss, _ = microgpt.cross_entropy([[0.0] * 27], [3])
        self.assertAlmostEqual(loss, math.log(27), places=14)

    def test_one_token_costs_nothing(self):
        self.assertEqual(microgpt.cross_entropy([[3.0]], [0]), (0.0, [[1.0]]))

    def test_stays_finite_where_the_probability_is_zero(self):
        """The smallest float is 2^-1074, so no loss is above 1074 ln 2."""
        loss, probs = microgpt.cross_entropy([[2000.0, 0.0]], [1])
        self.assertEqual(probs, [[1.0, 0.0]])
        self.assertAlmostEqual(loss, 1074 * math.log(2), places=9)

    def test_costs_nothing_where_the_target_is_sure(self):
        self.assertEqual(microgpt.cross_entropy([[2000.0, 0.0]], [0]), (0.0, [[1.0, 0.0]]))

    @staticmethod
    def judge_loss(logits, targets):
        losses = [-oracle.softmax(row)[target].log() for row, target in zip(logits, targets)]
        return [sum(losses) * (1 / len(losses))]

    def test_backward(self):
        for targets, n in ([0], 1), ([0], 2), ([4], 5), ([1, 1], 3), ([26, 0, 13, 0, 5], 27):
            with self.subTest(targets=targets, n=n):
                logits = numbers(1, len(targets), n)
                _, probs = microgpt.cross_entropy(logits, targets)
                self.judge(
                    [logits], [1.0],
                    lambda logits: [microgpt.cross_entropy(logits, targets)[0]],
                    lambda logits: self.judge_loss(logits, targets),
                    [microgpt.cross_entropy_backward(probs, targets)],
                )

    def test_backward_leaves_the_probabilities_alone(self):
        probs = [[0.25, 0.75]]
        microgpt.cross_entropy_backward(probs, [0])
        self.assertEqual(probs, [[0.25, 0.75]])


class Rmsnorm(OperationTest):
    def test_by_hand(self):
        """The mean square of (3, 4) is 12.5, and of course the 1e-5 counts."""
        root = math.sqrt(12.50001)
        self.assertLess(difference(microgpt.rmsnorm([3.0, 4.0]), [3 / root, 4 / root]), EXACT)

    def test_where_the_1e_5_is_all_that_matters(self):
        """The mean square 1e-20 is nothing next to 1e-5: y = x / √1e-5."""
        y = microgpt.rmsnorm([1e-10, -1e-10])
        self.assertAlmostEqual(y[0] / (1e-10 / math.sqrt(1e-5)), 1.0, places=12)

    def test_where_both_count_the_same(self):
        """The mean square of x = √1e-5 is 1e-5 too: y = 1 / √2."""
        y = microgpt.rmsnorm([math.sqrt(1e-5)] * 3)
        self.assertLess(difference(y, [math.sqrt(0.5)] * 3), EXACT)

    def test_zero_vector(self):
        self.assertEqual(microgpt.rmsnorm([0.0, 0.0]), [0.0, 0.0])

    def test_backward(self):
        for n in (1, 2, 5, 16):
            with self.subTest(n=n):
                x, dy = numbers(1, n), numbers(2, n)
                if n == 1:
                    x = [0.003]  # larger, and the one number is almost ±1 whatever it was
                dx = microgpt.rmsnorm_backward(dy, x)
                self.judge([x], dy, microgpt.rmsnorm, oracle.rmsnorm, [dx], h=1e-7)

    def test_backward_where_the_1e_5_matters(self):
        x, dy = [xi * 0.01 for xi in numbers(1, 4)], numbers(2, 4)
        dx = microgpt.rmsnorm_backward(dy, x)
        nodes = lifted(x)
        sum(y * dy_i for y, dy_i in zip(oracle.rmsnorm(nodes), dy)).backward()
        self.assertLess(difference(dx, [node.grad for node in nodes]), EXACT)

    def test_backward_of_the_zero_vector(self):
        """Only the direct slope 1 / √1e-5 is left."""
        dx = microgpt.rmsnorm_backward([2.0, -1.0], [0.0, 0.0])
        self.assertLess(difference(dx, [2 / math.sqrt(1e-5), -1 / math.sqrt(1e-5)]), EXACT)


class SquaredRelu(OperationTest):
    def test_by_hand(self):
        y = microgpt.squared_relu([-3.0, -0.5, 0.0, 0.5, 3.0])
        self.assertEqual(y, [0.0, 0.0, 0.0, 0.25, 9.0])

    def test_of_nan_is_nan(self):
        """So that what is broken is noticed."""
        self.assertTrue(math.isnan(microgpt.squared_relu([math.nan])[0]))

    def test_backward(self):
        x, dy = [-3.0, -0.01, 0.01, 0.7, 3.0], [-1.5, 2.0, 0.5, -1.0, 3.0]
        dx = microgpt.squared_relu_backward(dy, x)
        self.judge([x], dy, microgpt.squared_relu, lambda x: [n.relu() ** 2 for n in x], [dx])

    def test_backward_at_zero(self):
        self.assertEqual(microgpt.squared_relu_backward([5.0], [0.0]), [0.0])


class Attend(OperationTest):
    @staticmethod
    def judge_attend(q, keys, values):
        """softmax(q · k / √D) weights the values, up to the position that asks, on Scalars."""
        out = []
        for seen, q_t in enumerate(q, start=len(keys) - len(q) + 1):
            scale = 1 / math.sqrt(len(q_t))
            scores = [scale * score for score in oracle.linear(keys[:seen], q_t)]
            out.append(oracle.linear(turned(values[:seen]), oracle.softmax(scores)))
        return out

    def test_by_hand(self):
        """q · k = 2 ln 3 and 0, by √4 they are ln 3 and 0: weights 3/4 and 1/4."""
        q, keys = [[1.0, 0.0, 0.0, 0.0]], [[2 * math.log(3), 5.0, 5.0, 5.0], [0.0, 9.0, 9.0, 9.0]]
        out, weights = microgpt.attend(q, keys, [[4.0, 0.0, 1.0, 0.0], [0.0, 4.0, 1.0, 8.0]])
        self.assertLess(difference(weights, [[0.75, 0.25]]), EXACT)
        self.assertLess(difference(out, [[3.0, 1.0, 1.0, 2.0]]), EXACT)

    def test_zero_queries_take_the_mean_of_the_positions_so_far(self):
        out, weights = microgpt.attend([[0.0]] * 2, [[1.0], [-9.0]], [[10.0], [20.0]])
        self.assertEqual((out, weights), ([[10.0], [15.0]], [[1.0, 0.0], [0.5, 0.5]]))

    def test_the_last_positions_ask(self):
        """Two queries at positions 2 and 3 of four: weights 1/3 each, then 1/4 each."""
        _, weights = microgpt.attend([[0.0]] * 2, numbers(1, 4, 1), numbers(2, 4, 1))
        self.assertLess(difference(weights, [[1 / 3] * 3 + [0.0], [1 / 4] * 4]), EXACT)

    def test_forward_with_positions_from_the_cache(self):
        q, keys, values = numbers(1, 2, 3), numbers(2, 5, 3), numbers(3, 5, 3)
        expected = nested(lambda s: s.data, self.judge_attend(*lifted([q, keys, values])))
        self.assertLess(difference(microgpt.attend(q, keys, values)[0], expected), EXACT)

    def test_weights_of_later_positions_are_exactly_zero(self):
        _, weights = microgpt.attend(numbers(1, 5, 2), numbers(2, 5, 2), numbers(3, 5, 2))
        zero = [[weight == 0 for weight in row] for row in weights]
        self.assertEqual(zero, [[s > t for s in range(5)] for t in range(5)])

    def test_backward(self):
        for length, size in (1, 2), (2, 1), (3, 2), (8, 4), (5, 16):
            with self.subTest(length=length, size=size):
                inputs = [numbers(seed, length, size) for seed in (1, 2, 3)]
                dout = numbers(4, length, size)
                _, weights = microgpt.attend(*inputs)
                self.judge(
                    inputs, dout,
                    lambda q, keys, values: microgpt.attend(q, keys, values)[0],
                    self.judge_attend,
                    microgpt.attend_backward(dout, *inputs, weights),
                )

    def test_backward_where_a_position_sees_only_itself(self):
        """Its weight is 1, whatever the score."""
        q, keys, values, dout = (numbers(seed, 1, 3) for seed in (1, 2, 3, 4))
        gradients = microgpt.attend_backward(dout, q, keys, values, [[1.0]])
        self.assertEqual(gradients, ([[0.0] * 3], [[0.0] * 3], dout))

    def test_backward_hands_exactly_nothing_to_later_positions(self):
        q, keys, values = (numbers(seed, 3, 2) for seed in (1, 2, 3))
        _, weights = microgpt.attend(q, keys, values)
        dout = [[0.0, 0.0], [1.0, -2.0], [0.0, 0.0]]  # only position 1 acts on the loss
        for gradient in microgpt.attend_backward(dout, q, keys, values, weights):
            self.assertEqual(gradient[2], [0.0, 0.0])


class AttentionBlock(OperationTest):
    SIZES = (1, 2, 1), (1, 4, 2), (2, 1, 1), (3, 4, 1), (4, 4, 4), (6, 6, 2), (8, 4, 2)

    @staticmethod
    def run_block(n_head, x, *ws):
        layer, cache = microgpt.Layer(*ws, fc1=None, fc2=None), ([], [])
        return microgpt.attention(x, layer, n_head, cache), layer, cache

    @staticmethod
    def judge_block(n_head, x, wq, wk, wv, wo):
        layer = {"wq": wq, "wk": wk, "wv": wv, "wo": wo}
        return oracle.Oracle(n_head, [], [], []).attention(layer, x)

    def test_backward(self):
        for length, n_embd, n_head in self.SIZES:
            with self.subTest(length=length, n_embd=n_embd, n_head=n_head):
                x = numbers(1, length, n_embd)
                ws = [numbers(seed, n_embd, n_embd) for seed in (2, 3, 4, 5)]
                dy = numbers(6, length, n_embd)
                (_, trace), layer, _ = self.run_block(n_head, x, *ws)
                self.judge(
                    [x, *ws], dy,
                    lambda *inputs: self.run_block(n_head, *inputs)[0][0],
                    lambda *inputs: self.judge_block(n_head, *inputs),
                    microgpt.attention_backward(dy, layer, trace),
                )

    def test_leaves_layer_trace_and_cache_alone_on_the_way_back(self):
        x, ws = numbers(1, 3, 4), [numbers(seed, 4, 4) for seed in (2, 3, 4, 5)]
        (_, trace), layer, cache = self.run_block(2, x, *ws)
        before = nested(float, [trace, cache])
        microgpt.attention_backward(numbers(6, 3, 4), layer, trace)
        self.assertEqual(nested(float, [trace, cache]), before)
        self.assertEqual([layer.wq, layer.wk, layer.wv, layer.wo], ws)


class FeedForwardBlock(OperationTest):
    """The program stores fc2 with a row for each hidden unit, and so does this test."""

    @staticmethod
    def run_block(x, fc1, fc2):
        layer = microgpt.Layer(wq=None, wk=None, wv=None, wo=None, fc1=fc1, fc2=fc2)
        return microgpt.feed_forward(x, layer), layer

    @staticmethod
    def judge_block(x, fc1, fc2):
        y = []
        for x_t in x:
            hidden = [match.relu() ** 2 for match in oracle.linear(fc1, x_t)]
            y.append(oracle.linear(turned(fc2), hidden))
        return y

    def backward(self, dy, x, fc1, fc2):
        (_, trace), layer = self.run_block(x, fc1, fc2)
        return microgpt.feed_forward_backward(dy, layer, trace)

    def test_by_hand(self):
        """Matches of (1, 1): 1, 2 and -1, hidden 1, 4 and asleep."""
        fc1, fc2 = [[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]], [[1.0, 0.0], [10.0, 1.0], [7.0, 7.0]]
        (y, _), _ = self.run_block([[1.0, 1.0]], fc1, fc2)
        self.assertEqual(y, [[41.0, 4.0]])

    def test_backward(self):
        for length, n_embd in (1, 1), (1, 2), (3, 4), (8, 2), (2, 8):
            with self.subTest(length=length, n_embd=n_embd):
                x, dy = numbers(1, length, n_embd), numbers(4, length, n_embd)
                fc1, fc2 = numbers(2, 4 * n_embd, n_embd), numbers(3, 4 * n_embd, n_embd)
                self.judge(
                    [x, fc1, fc2], dy,
                    lambda *inputs: self.run_block(*inputs)[0][0],
                    self.judge_block,
                    self.backward(dy, x, fc1, fc2),
                )

    def asleep(self, x, fc1):
        """At a position where no unit's match is above 0, y and all gradients are 0."""
        fc2 = numbers(3, 8, 2)
        (y, _), _ = self.run_block(x, fc1, fc2)
        zeros = [[0.0, 0.0] for _ in range(8)]
        self.assertEqual(y, [[0.0, 0.0]])
        self.assertEqual(self.backward([[3.0, -4.0]], x, fc1, fc2), ([[0.0, 0.0]], zeros, zeros))

    def test_all_units_asleep_give_nothing(self):
        self.asleep([[1.0, 2.0]], [[-1.0, -1.0]] * 8)

    def test_zero_vector_leaves_all_units_asleep(self):
        self.asleep([[0.0, 0.0]], numbers(2, 8, 2))


@contextlib.contextmanager
def sumprod(function):
    """math.sumprod replaced by this function, or taken away for None, and put back at the end."""
    original = getattr(math, "sumprod", None)
    try:
        if function:
            math.sumprod = function
        elif original:
            del math.sumprod
        yield
    finally:
        if original:
            math.sumprod = original
        elif function:
            del math.sumprod


def program_with(function):
    """A second microgpt, loaded where math.sumprod is this function or missing."""
    spec = importlib.util.spec_from_file_location("microgpt_again", microgpt.__file__)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        with sumprod(function):
            spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


class Dot(unittest.TestCase):
    """dot is math.sumprod where there is one: both ways must do on every Python."""

    @staticmethod
    def stand_in(a, b):
        return math.fsum(a_i * b_i for a_i, b_i in zip(a, b))

    def test_is_sumprod_where_there_is_one(self):
        self.assertIs(program_with(self.stand_in).dot, self.stand_in)

    def test_is_a_function_of_its_own_where_there_is_none(self):
        self.assertEqual(program_with(None).dot.__module__, "microgpt_again")

    def test_math_is_as_before(self):
        before = getattr(math, "sumprod", None)
        program_with(self.stand_in)
        program_with(None)
        self.assertIs(getattr(math, "sumprod", None), before)

    def test_own_dot_by_hand(self):
        self.assertEqual(program_with(None).dot([1.0, 2.0, 3.0], (4.0, -5.0, 6.0)), 12.0)

    def test_different_lengths_are_refused_either_way(self):
        for program in (microgpt, program_with(None)):
            for x in ([1.0], [1.0, 2.0, 3.0]):
                with self.subTest(dot=program.dot, x=x):
                    with self.assertRaises(ValueError):
                        program.linear([x], [[1.0, 2.0]])

    def test_all_dots_agree(self):
        a, b = numbers(1, 100), numbers(2, 100)
        for dot in (microgpt.dot, program_with(None).dot):
            with self.subTest(dot=dot):
                self.assertAlmostEqual(dot(a, b), self.stand_in(a, b), places=13)

    def test_the_same_loss_either_way(self):
        losses = []
        for program in (microgpt, program_with(None), program_with(self.stand_in)):
            settings = program.Settings(n_embd=4, n_head=2)
            model = program.init_model(settings, 5, program.Xoshiro(1))
            losses.append(program.loss_and_gradient(model, [0, 2, 3, 4, 1])[0])
        self.assertLess(difference(losses[1:], [losses[0]] * 2), EXACT)
