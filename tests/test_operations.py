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
SIZES = (1, 1), (1, 4), (4, 1), (3, 5), (16, 4)


def with_zeros(values):
    """Every third number zero, as where hidden units sleep."""
    return [0.0 if i % 3 == 1 else value for i, value in enumerate(values)]


class OperationTest(unittest.TestCase):
    def judge(self, inputs, dy, program, judge, gradients, h=1e-5):
        """Forward and backward of one operation, on nested lists of numbers.

        program and judge map the inputs to y, with floats and with Scalars. The loss is Σ dy · y.
        gradients are what the program says is the gradient of each input.
        """
        nodes = [lifted(x) for x in inputs]
        y = judge(*nodes)
        self.assertLess(difference(program(*inputs), nested(lambda s: s.data, y)), EXACT)
        loss = oracle.Scalar(0.0)
        for dy_i, y_i in zip(flat(dy), flat(y)):
            loss = loss + y_i * dy_i
        loss.backward()

        def nudged_loss():
            return math.fsum(a * b for a, b in zip(flat(dy), flat(program(*inputs))))

        self.assertEqual(len(gradients), len(inputs))
        for i, (gradient, x, node) in enumerate(zip(gradients, inputs, nodes)):
            with self.subTest(input=i):
                slopes = nested(lambda s: s.grad, node)
                self.assertLess(difference(gradient, slopes), EXACT)
                x = inputs[i] = nested(float, x)
                nudged = central_differences(nudged_loss, x, h)
                self.assertLess(difference(gradient, nudged), NUDGED)


class Linear(OperationTest):
    def test_by_hand(self):
        y = microgpt.linear([[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]], [10.0, 1.0])
        self.assertEqual(y, [12.0, 34.0, 44.0])

    def test_zero_vector(self):
        self.assertEqual(microgpt.linear([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0]), [0.0, 0.0])

    def test_backward(self):
        for m, n in SIZES:
            with self.subTest(m=m, n=n):
                w, x, dy = numbers(1, m, n), numbers(2, n), with_zeros(numbers(3, m))
                dw = microgpt.zeros_like(w)
                dx = microgpt.linear_backward(dy, w, x, dw)
                self.judge([w, x], dy, microgpt.linear, oracle.linear, [dw, dx])

    def test_backward_adds_to_what_dw_holds(self):
        dw = [[100.0, 200.0], [300.0, 400.0]]
        microgpt.linear_backward([10.0, 0.0], [[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], dw)
        self.assertEqual(dw, [[150.0, 260.0], [300.0, 400.0]])

    def test_backward_of_zero(self):
        dw = [[0.0, 0.0]]
        self.assertEqual(microgpt.linear_backward([0.0], [[1.0, 2.0]], [5.0, 6.0], dw), [0.0] * 2)
        self.assertEqual(dw, [[0.0, 0.0]])


class LinearSequence(OperationTest):
    def test_by_hand(self):
        dxs, dw = microgpt.linear_backward_sequence(
            [[1.0, 0.0], [10.0, -1.0]], [[2.0, 3.0], [7.0, 8.0]], [[4.0, 5.0], [6.0, 7.0]]
        )
        self.assertEqual(dxs, [[2.0, 3.0], [20.0 - 7.0, 30.0 - 8.0]])
        self.assertEqual(dw, [[4.0 + 60.0, 5.0 + 70.0], [-6.0, -7.0]])

    def test_backward(self):
        for length, m, n in (1, 1, 1), (1, 3, 2), (5, 1, 1), (2, 3, 4), (8, 4, 3):
            with self.subTest(length=length, m=m, n=n):
                w, xs = numbers(1, m, n), numbers(2, length, n)
                dys = [with_zeros(dy) for dy in numbers(3, length, m)]
                dxs, dw = microgpt.linear_backward_sequence(dys, w, xs)
                self.judge(
                    [w, xs], dys,
                    lambda w, xs: [microgpt.linear(w, x) for x in xs],
                    lambda w, xs: [oracle.linear(w, x) for x in xs],
                    [dw, dxs],
                )

    def test_leaves_its_inputs_alone(self):
        dys, w, xs = [[1.0], [2.0]], [[3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]
        microgpt.linear_backward_sequence(dys, w, xs)
        self.assertEqual((dys, w, xs), ([[1.0], [2.0]], [[3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]))


class WeightedSum(OperationTest):
    def test_by_hand(self):
        rows = [[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]]
        self.assertEqual(microgpt.weighted_sum([10.0, 0.0, 1.0], rows), [15.0, 14.0])

    def test_negative_weight(self):
        self.assertEqual(microgpt.weighted_sum([-2.0], [[1.0, 2.0]]), [-2.0, -4.0])

    def test_weights_all_zero(self):
        self.assertEqual(microgpt.weighted_sum([0.0, 0.0], [[1.0], [2.0]]), [0.0])

    def test_backward(self):
        for m, n in SIZES:
            with self.subTest(m=m, n=n):
                weights, rows, dy = with_zeros(numbers(1, m)), numbers(2, m, n), numbers(3, n)
                drows = microgpt.zeros_like(rows)
                dweights = microgpt.weighted_sum_backward(dy, weights, rows, drows)
                self.judge(
                    [weights, rows], dy,
                    microgpt.weighted_sum,
                    lambda weights, rows: oracle.linear(turned(rows), weights),
                    [dweights, drows],
                )

    def test_backward_adds_to_what_drows_holds(self):
        drows = [[100.0], [200.0]]
        microgpt.weighted_sum_backward([5.0], [2.0, 0.0], [[1.0], [1.0]], drows)
        self.assertEqual(drows, [[110.0], [200.0]])


class Helpers(unittest.TestCase):
    def test_add(self):
        self.assertEqual(microgpt.add([1.0, 2.0], [10.0, -2.0]), [11.0, 0.0])

    def test_transpose(self):
        self.assertEqual(microgpt.transpose([[1, 2, 3], [4, 5, 6]]), [[1, 4], [2, 5], [3, 6]])

    def test_transpose_twice_changes_nothing(self):
        matrix = numbers(1, 3, 7)
        self.assertEqual(microgpt.transpose(microgpt.transpose(matrix)), matrix)

    def test_zeros_like(self):
        self.assertEqual(microgpt.zeros_like([[1.0, 2.0], [3.0, 4.0]]), [[0.0, 0.0], [0.0, 0.0]])

    def test_zeros_like_gives_each_row_its_own_list(self):
        first, second = microgpt.zeros_like([[1.0], [2.0]])
        self.assertIsNot(first, second)

    def test_add_outer(self):
        rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
        microgpt.add_outer(rows, [10.0, 0.0, -1.0], [1.0, 2.0])
        self.assertEqual(rows, [[11.0, 22.0], [3.0, 4.0], [4.0, 4.0]])

    def test_split(self):
        self.assertEqual(microgpt.split([1, 2, 3, 4, 5, 6], 3), [[1, 2], [3, 4], [5, 6]])

    def test_split_in_one(self):
        self.assertEqual(microgpt.split([1, 2], 1), [[1, 2]])

    def test_join(self):
        self.assertEqual(microgpt.join([[1, 2], [3, 4], [5, 6]]), [1, 2, 3, 4, 5, 6])


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
                loss, probs = microgpt.cross_entropy([0.0, math.log(3), math.log(4)], target)
                self.assertAlmostEqual(loss, -math.log(p), places=14)
                self.assertLess(difference(probs, [1 / 8, 3 / 8, 4 / 8]), EXACT)

    def test_zero_vector_costs_ln_of_its_length(self):
        loss, _ = microgpt.cross_entropy([0.0] * 27, 3)
        self.assertAlmostEqual(loss, math.log(27), places=14)

    def test_one_token_costs_nothing(self):
        self.assertEqual(microgpt.cross_entropy([3.0], 0), (0.0, [1.0]))

    def test_stays_finite_where_the_probability_is_zero(self):
        """e^-2000 is no float, but its logarithm is."""
        self.assertEqual(microgpt.cross_entropy([2000.0, 0.0], 1), (2000.0, [1.0, 0.0]))

    def test_costs_nothing_where_the_target_is_sure(self):
        self.assertEqual(microgpt.cross_entropy([2000.0, 0.0], 0), (0.0, [1.0, 0.0]))

    def test_backward(self):
        for n in (1, 2, 5, 27):
            for target in {0, n // 2, n - 1}:
                for dloss in (1.0, -0.125):
                    with self.subTest(n=n, target=target, dloss=dloss):
                        x = numbers(1, n)
                        _, probs = microgpt.cross_entropy(x, target)
                        dx = microgpt.cross_entropy_backward(dloss, probs, target)
                        self.judge(
                            [x], [dloss],
                            lambda x: [microgpt.cross_entropy(x, target)[0]],
                            lambda x: [-oracle.softmax(x)[target].log()],
                            [dx],
                        )

    def test_backward_leaves_the_probabilities_alone(self):
        probs = [0.25, 0.75]
        microgpt.cross_entropy_backward(1.0, probs, 0)
        self.assertEqual(probs, [0.25, 0.75])


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
        values = [microgpt.squared_relu(x) for x in (-3.0, -0.5, 0.0, 0.5, 3.0)]
        self.assertEqual(values, [0.0, 0.0, 0.0, 0.25, 9.0])

    def test_backward(self):
        for x in (-3.0, -0.01, 0.01, 0.7, 3.0):
            with self.subTest(x=x):
                dx = microgpt.squared_relu_backward(-1.5, x)
                self.judge(
                    [[x]], [-1.5],
                    lambda x: [microgpt.squared_relu(x[0])],
                    lambda x: [x[0].relu() ** 2],
                    [[dx]],
                )

    def test_backward_at_zero(self):
        self.assertEqual(microgpt.squared_relu_backward(5.0, 0.0), 0.0)


class Attend(OperationTest):
    @staticmethod
    def judge_attend(q, keys, values):
        """softmax(q · k / √D) weights the values, on Scalars."""
        scores = [score * (1 / math.sqrt(len(q))) for score in oracle.linear(keys, q)]
        return oracle.linear(turned(values), oracle.softmax(scores))

    def test_by_hand(self):
        """q · k = 2 ln 3 and 0, by √4 they are ln 3 and 0: weights 3/4 and 1/4."""
        q, keys = [1.0, 0.0, 0.0, 0.0], [[2 * math.log(3), 5.0, 5.0, 5.0], [0.0, 9.0, 9.0, 9.0]]
        out, weights = microgpt.attend(q, keys, [[4.0, 0.0, 1.0, 0.0], [0.0, 4.0, 1.0, 8.0]])
        self.assertLess(difference(weights, [0.75, 0.25]), EXACT)
        self.assertLess(difference(out, [3.0, 1.0, 1.0, 2.0]), EXACT)

    def test_zero_query_takes_the_mean(self):
        out, weights = microgpt.attend([0.0], [[1.0], [-9.0]], [[10.0], [20.0]])
        self.assertEqual((out, weights), ([15.0], [0.5, 0.5]))

    def test_first_position_sees_only_itself(self):
        out, weights = microgpt.attend([5.0, 1.0], [[3.0, 2.0]], [[7.0, -1.0]])
        self.assertEqual((out, weights), ([7.0, -1.0], [1.0]))

    def test_backward(self):
        for seen, size in (2, 1), (1, 2), (3, 2), (8, 4), (5, 16):
            with self.subTest(seen=seen, size=size):
                q, keys, values = numbers(1, size), numbers(2, seen, size), numbers(3, seen, size)
                dout = numbers(4, size)
                _, weights = microgpt.attend(q, keys, values)
                dkeys, dvalues = microgpt.zeros_like(keys), microgpt.zeros_like(values)
                dq = microgpt.attend_backward(dout, q, keys, values, weights, dkeys, dvalues)
                if seen == 1:
                    self.assertEqual((dq, dkeys), ([0.0] * size, [[0.0] * size]))
                self.judge(
                    [q, keys, values], dout,
                    lambda q, keys, values: microgpt.attend(q, keys, values)[0],
                    self.judge_attend,
                    [dq, dkeys, dvalues],
                )

    def later_positions(self, start):
        """dkeys and dvalues after position 1 of 3 has handed its share, from this start."""
        q, keys, values, dout = numbers(1, 2), numbers(2, 3, 2), numbers(3, 3, 2), numbers(4, 2)
        _, weights = microgpt.attend(q, keys[:2], values[:2])
        dkeys, dvalues = [[start] * 2 for _ in keys], [[start] * 2 for _ in values]
        microgpt.attend_backward(dout, q, keys, values, weights, dkeys, dvalues)
        return dkeys, dvalues

    def test_backward_hands_nothing_to_later_positions(self):
        dkeys, dvalues = self.later_positions(0.0)
        self.assertEqual((dkeys[2], dvalues[2]), ([0.0, 0.0], [0.0, 0.0]))

    def test_backward_adds_to_what_dkeys_and_dvalues_hold(self):
        fresh, onto = self.later_positions(0.0), self.later_positions(64.0)
        self.assertLess(difference(onto, nested(lambda g: g + 64.0, list(fresh))), EXACT)


class AttentionBlock(OperationTest):
    SIZES = (1, 2, 1), (1, 4, 2), (2, 1, 1), (3, 4, 1), (4, 4, 4), (6, 6, 2), (8, 4, 2)

    @staticmethod
    def run_block(n_head, xs, *ws):
        cache = microgpt.Cache([[] for _ in range(n_head)], [[] for _ in range(n_head)])
        ys, traces = zip(*(microgpt.attention(x, *ws, cache) for x in xs))
        return list(ys), list(traces), cache

    @staticmethod
    def judge_block(n_head, xs, wq, wk, wv, wo):
        layer = {"wq": wq, "wk": wk, "wv": wv, "wo": wo}
        judge = oracle.Oracle(n_head, [], [], [])
        updates = judge.attention(layer, [oracle.rmsnorm(x) for x in xs])
        return [[a + b for a, b in zip(x, update)] for x, update in zip(xs, updates)]

    def test_backward(self):
        for length, n_embd, n_head in self.SIZES:
            with self.subTest(length=length, n_embd=n_embd, n_head=n_head):
                xs = numbers(1, length, n_embd)
                ws = [numbers(seed, n_embd, n_embd) for seed in (2, 3, 4, 5)]
                dys = numbers(6, length, n_embd)
                _, traces, cache = self.run_block(n_head, xs, *ws)
                gradients = microgpt.attention_backward(dys, *ws, cache, traces)
                self.judge(
                    [xs, *ws], dys,
                    lambda *inputs: self.run_block(n_head, *inputs)[0],
                    lambda *inputs: self.judge_block(n_head, *inputs),
                    gradients,
                )

    def test_wo_of_zeros_passes_x_through(self):
        xs = numbers(1, 3, 4)
        ws = [numbers(seed, 4, 4) for seed in (2, 3, 4)] + [[[0.0] * 4] * 4]
        self.assertEqual(self.run_block(2, xs, *ws)[0], xs)

    def test_zero_vector_passes_through(self):
        ws = [numbers(seed, 4, 4) for seed in (2, 3, 4, 5)]
        self.assertEqual(self.run_block(2, [[0.0] * 4], *ws)[0], [[0.0] * 4])

    def test_leaves_the_cache_as_it_was_on_the_way_back(self):
        xs, ws = numbers(1, 3, 4), [numbers(seed, 4, 4) for seed in (2, 3, 4, 5)]
        _, traces, cache = self.run_block(2, xs, *ws)
        keys, values = nested(float, cache.keys), nested(float, cache.values)
        microgpt.attention_backward(numbers(6, 3, 4), *ws, cache, traces)
        self.assertEqual((cache.keys, cache.values), (keys, values))


class FeedForwardBlock(OperationTest):
    """The program stores fc2 with a row for each hidden unit, and so does this test."""

    @staticmethod
    def run_block(xs, fc1, fc2):
        ys, traces = zip(*(microgpt.feed_forward(x, fc1, fc2) for x in xs))
        return list(ys), list(traces)

    @staticmethod
    def judge_block(xs, fc1, fc2):
        ys = []
        for x in xs:
            hidden = [match.relu() ** 2 for match in oracle.linear(fc1, oracle.rmsnorm(x))]
            ys.append([a + b for a, b in zip(x, oracle.linear(turned(fc2), hidden))])
        return ys

    def test_by_hand(self):
        """rmsnorm(1, 1) is r (1, 1): matches r, 2r and -r, hidden r², 4r² and asleep."""
        fc1, fc2 = [[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]], [[1.0, 0.0], [10.0, 1.0], [7.0, 7.0]]
        y, _ = microgpt.feed_forward([1.0, 1.0], fc1, fc2)
        square = 1 / 1.00001
        self.assertLess(difference(y, [1 + 41 * square, 1 + 4 * square]), EXACT)

    def test_backward(self):
        for length, n_embd in (1, 1), (1, 2), (3, 4), (8, 2), (2, 8):
            with self.subTest(length=length, n_embd=n_embd):
                xs, dys = numbers(1, length, n_embd), numbers(4, length, n_embd)
                fc1, fc2 = numbers(2, 4 * n_embd, n_embd), numbers(3, 4 * n_embd, n_embd)
                _, traces = self.run_block(xs, fc1, fc2)
                gradients = microgpt.feed_forward_backward(dys, fc1, fc2, traces)
                self.judge(
                    [xs, fc1, fc2], dys,
                    lambda *inputs: self.run_block(*inputs)[0],
                    self.judge_block,
                    gradients,
                )

    def asleep(self):
        """A position at which no unit's pattern fits: all matches are below zero."""
        x, fc1, fc2 = [1.0, 2.0], [[-1.0, -1.0]] * 8, numbers(3, 8, 2)
        y, trace = microgpt.feed_forward(x, fc1, fc2)
        return x, fc1, fc2, y, trace

    def test_all_units_asleep_pass_x_through(self):
        x, _, _, y, _ = self.asleep()
        self.assertEqual(y, x)

    def test_all_units_asleep_pass_only_dy_back(self):
        _, fc1, fc2, _, trace = self.asleep()
        gradients = microgpt.feed_forward_backward([[3.0, -4.0]], fc1, fc2, [trace])
        zeros = [[0.0, 0.0] for _ in range(8)]
        self.assertEqual(gradients, ([[3.0, -4.0]], zeros, zeros))

    def test_zero_vector(self):
        """Every match is 0, which is not above 0: all units sleep."""
        fc1, fc2 = numbers(2, 8, 2), numbers(3, 8, 2)
        y, trace = microgpt.feed_forward([0.0, 0.0], fc1, fc2)
        gradients = microgpt.feed_forward_backward([[3.0, -4.0]], fc1, fc2, [trace])
        zeros = [[0.0, 0.0] for _ in range(8)]
        self.assertEqual((y, gradients), ([0.0, 0.0], ([[3.0, -4.0]], zeros, zeros)))


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
        self.assertEqual(program_with(None).dot([1.0, 2.0, 3.0], [4.0, -5.0, 6.0]), 12.0)

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
            losses.append(program.forward_sequence(model, [0, 2, 3, 4, 1])[0])
        self.assertLess(difference(losses[1:], [losses[0]] * 2), EXACT)
