"""The model: its operations and their backwards, the cache, and the gradient of every parameter."""
import copy
import importlib.util
import math
import sys
import types
import unittest
from unittest import mock

import microgpt
from microgpt import Layer, Settings, Xoshiro, forward, new_cache
from tests import oracle
from tests.helpers import (
    central_differences,
    difference,
    each,
    flat,
    numbers,
    parameters,
    prepared,
    slopes_of,
    small_model,
    to_oracle,
    values_of,
)

EXACT = 1e-12  # what rounding alone may do
NUDGED = 1e-7  # a central difference with h = 1e-5 is off by about h², and by rounding / h
LN2, LN3 = math.log(2), math.log(3)
UP_TO_ITSELF = [[s <= t for s in range(5)] for t in range(5)]


def attention(x, wq, wk, wv, wo, n_head):
    """The program's, from the matrices that it uses: y, and a function that goes back."""
    layer = Layer(wq, wk, wv, wo, fc1=None, fc2=None)
    y, trace = microgpt.attention(x, layer, n_head, ([], []))
    return y, lambda dy: microgpt.attention_backward(dy, layer, trace)


def feed_forward(x, fc1, fc2):
    """The program's, from the matrices that it uses: y, and a function that goes back."""
    layer = Layer(wq=None, wk=None, wv=None, wo=None, fc1=fc1, fc2=fc2)
    y, trace = microgpt.feed_forward(x, layer)
    return y, lambda dy: microgpt.feed_forward_backward(dy, layer, trace)


class ByHandTest(unittest.TestCase):
    """Numbers worked out on paper."""

    def compare(self, function, *cases):
        for *arguments, expected in cases:
            with self.subTest(arguments=arguments):
                self.assertLess(difference(function(*arguments), expected), EXACT)

    def test_linear(self):
        x, w = [[10.0, 1.0], [0.0, 2.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]]
        self.compare(microgpt.linear, (x, w, [[12.0, 34.0, 44.0], [4.0, 8.0, -12.0]]))

    def test_mix_leaves_out_rows_of_weight_zero(self):
        """0 times infinity would be nan."""
        weights = [[10.0, 0.0, 1.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]]
        rows = [[1.0, 2.0], [math.inf, math.nan], [5.0, -6.0]]
        self.compare(microgpt.mix, (weights, rows, [[15.0, 14.0], [-10.0, 12.0], [0.0, 0.0]]))

    def test_add(self):
        self.compare(microgpt.add, ([[1.0, 2.0], [3.0, 4.0]], [[10.0, -2.0], [0.0, 1.0]],
                                    [[11.0, 0.0], [3.0, 5.0]]))

    def test_softmax(self):
        self.compare(
            microgpt.softmax,
            ([[0.0, LN3, 2 * LN2], [5.0, 5.0, 5.0]], [[1 / 8, 3 / 8, 4 / 8], [1 / 3] * 3]),
            ([[-7.0]], [[1.0]]),
            ([[1e308, 1e308, -1e308]], [[0.5, 0.5, 0.0]]),
            ([[-1e308, -1e308]], [[0.5, 0.5]]),
        )

    def test_rmsnorm(self):
        """The mean square of (3, 4) is 12.5; that of √1e-5 counts as much as the 1e-5 does."""
        root, small = math.sqrt(12.50001), math.sqrt(1e-5)
        self.compare(
            microgpt.rmsnorm,
            ([[3.0, 4.0], [small, -small]], [[3 / root, 4 / root], [0.5**0.5, -(0.5**0.5)]]),
            ([[1e-10, -1e-10]], [[1e-10 / small, -1e-10 / small]]),
            ([[0.0, 0.0]], [[0.0, 0.0]]),
        )

    def test_squared_relu(self):
        self.compare(microgpt.squared_relu, ([[-3.0, -0.5, 0.0], [0.5, 3.0, 1.0]],
                                             [[0.0, 0.0, 0.0], [0.25, 9.0, 1.0]]))

    def test_squared_relu_hides_no_nan(self):
        self.assertTrue(math.isnan(microgpt.squared_relu([[math.nan]])[0][0]))

    def test_cross_entropy(self):
        """The mean of -ln p; where p rounds to 0, the smallest float is 2^-1074."""
        probs = [1 / 8, 3 / 8, 4 / 8]
        logits = [0.0, LN3, 2 * LN2]
        self.compare(
            microgpt.cross_entropy,
            *(([logits], [i], (-math.log(p), [probs])) for i, p in enumerate(probs)),
            ([[0.0, LN3], [5.0, 5.0], [0.0, 0.0]], [0, 1, 0],
             (4 / 3 * LN2, [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])),
            ([[2000.0, 0.0]], [0], (0.0, [[1.0, 0.0]])),
            ([[2000.0, 0.0]], [1], (1074 * LN2, [[1.0, 0.0]])),
        )

    def test_split_heads_and_join_heads(self):
        x = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
        heads = [[[1, 2], [7, 8]], [[3, 4], [9, 10]], [[5, 6], [11, 12]]]
        self.compare(microgpt.split_heads, (x, 3, heads), (x, 1, [x]))
        self.compare(microgpt.join_heads, (heads, x), ([x], x))

    def test_attend(self):
        """Scores 2 ln 3 and 0 by √4: weights 3/4 and 1/4. Queries of 0 take the mean of what a
        position sees; the last positions ask."""
        self.compare(
            microgpt.attend,
            ([[1.0, 0.0, 0.0, 0.0]],
             [[2 * LN3, 5.0, 5.0, 5.0], [0.0, 9.0, 9.0, 9.0]],
             [[4.0, 0.0, 1.0, 0.0], [0.0, 4.0, 1.0, 8.0]],
             ([[3.0, 1.0, 1.0, 2.0]], [[0.75, 0.25]])),
            ([[0.0]] * 2, [[1.0], [-9.0], [2.0]], [[10.0], [20.0], [60.0]],
             ([[15.0], [30.0]], [[0.5, 0.5, 0.0], [1 / 3] * 3])),
        )

    def test_feed_forward(self):
        """Matches of (1, 1) are 1, 2 and -1: hidden 1, 4 and asleep. (-1, -1) wakes the last."""
        fc1, fc2 = [[1.0, 0.0], [1.0, 1.0], [0.0, -1.0]], [[1.0, 0.0], [10.0, 1.0], [7.0, 7.0]]
        y, _ = feed_forward([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]], fc1, fc2)
        self.assertEqual(y, [[41.0, 4.0], [7.0, 7.0], [0.0, 0.0]])


def with_zeros(rows):
    """Every third number zero, as where hidden units sleep."""
    return [[0.0 if i % 3 == 1 else number for i, number in enumerate(row)] for row in rows]


def operations():
    """Every operation that has a backward, in several sizes.

    Its name; the program's and the oracle's forward, from inputs to y; the program's backward, from
    dy and the inputs to their slopes; the inputs; and how far central differences may nudge them.
    """
    for t, m, n in (1, 1, 1), (1, 3, 2), (2, 1, 4), (5, 1, 1), (3, 4, 1), (8, 4, 3), (2, 16, 4):
        yield ("linear", microgpt.linear, oracle.linear, microgpt.linear_backward,
               [numbers(1, t, n), numbers(2, m, n)], 1e-5)
        yield ("mix", microgpt.mix, oracle.mix, microgpt.mix_backward,
               [with_zeros(numbers(1, t, m)), numbers(2, m, n)], 1e-5)
    for t, n in (1, 1), (1, 2), (3, 5), (2, 27):
        yield ("softmax", microgpt.softmax, oracle.softmax,
               lambda dy, x: [microgpt.softmax_backward(dy, microgpt.softmax(x))],
               [numbers(1, t, n)], 1e-5)
        for scale in 0.003, 1.0:  # where the 1e-5 counts, and where not
            yield ("rmsnorm", microgpt.rmsnorm, oracle.rmsnorm,
                   lambda dy, x: [microgpt.rmsnorm_backward(dy, x)],
                   [each(lambda number: scale * number, numbers(3, t, n))], scale * 1e-5)
    yield ("squared_relu", microgpt.squared_relu, oracle.squared_relu,
           lambda dy, x: [microgpt.squared_relu_backward(dy, x)],
           [[[-3.0, -0.01, 0.01], [0.7, 3.0, -0.5]]], 1e-5)
    for t, d in (1, 2), (2, 1), (3, 2), (8, 4), (5, 16):
        yield ("attend", lambda *inputs: microgpt.attend(*inputs)[0], oracle.attend,
               lambda dy, *inputs: microgpt.attend_backward(
                   dy, *inputs, microgpt.attend(*inputs)[1]),
               [numbers(seed, t, d) for seed in (1, 2, 3)], 1e-5)
    for t, c, n_head in (1, 2, 1), (1, 4, 2), (2, 1, 1), (3, 4, 1), (4, 4, 4), (6, 6, 2):
        yield ("attention", lambda *inputs, h=n_head: attention(*inputs, h)[0],
               lambda *inputs, h=n_head: oracle.attention(*inputs, h),
               lambda dy, *inputs, h=n_head: attention(*inputs, h)[1](dy),
               [numbers(1, t, c)] + [numbers(seed, c, c) for seed in (2, 3, 4, 5)], 1e-5)
    for t, c in (1, 1), (1, 2), (3, 4), (8, 2):
        yield ("feed_forward", lambda *inputs: feed_forward(*inputs)[0], oracle.feed_forward,
               lambda dy, *inputs: feed_forward(*inputs)[1](dy),
               [numbers(1, t, c), numbers(2, 4 * c, c), numbers(3, 4 * c, c)], 1e-5)


class OperationsTest(unittest.TestCase):
    def test_forward_and_backward_against_the_oracle_and_nudges(self):
        """The loss is Σ dy · y, for random dy."""
        for name, program, judge, backward, inputs, h in operations():
            nodes = to_oracle(inputs)
            expected = judge(*nodes)
            dy = numbers(9, len(expected), len(expected[0]))
            oracle.total(map(oracle.product, expected, dy)).backward()

            def nudged_loss():
                return math.fsum(a * b for a, b in zip(flat(dy), flat(program(*inputs))))

            slopes = backward(dy, *inputs)
            for i, x in enumerate(inputs):
                with self.subTest(name, input=i, rows=len(x), columns=len(x[0])):
                    self.assertLess(difference(program(*inputs), values_of(expected)), EXACT)
                    self.assertLess(difference(slopes[i], slopes_of(nodes[i])), EXACT)
                    nudged = central_differences(nudged_loss, x, h)
                    self.assertLess(difference(slopes[i], nudged), NUDGED)

    def test_inputs_stay_as_they_are_and_no_result_has_a_row_of_them(self):
        """Whoever changed the result would change the input."""
        for name, program, _, backward, inputs, _ in operations():
            before = copy.deepcopy(inputs)
            y = program(*inputs)
            dy = [list(row) for row in y]
            slopes = backward(dy, *inputs)
            with self.subTest(name):
                self.assertEqual((inputs, dy), (before, y))
                rows = {id(row) for x in [dy, *inputs] for row in x}
                self.assertTrue(rows.isdisjoint(id(row) for x in [y, *slopes] for row in x))

    def test_cross_entropy_backward_against_the_oracle(self):
        for targets, n in ([0], 1), ([0], 2), ([4], 5), ([1, 1], 3), ([26, 0, 13, 0, 5], 27):
            with self.subTest(targets=targets, n=n):
                logits = numbers(1, len(targets), n)
                judge = to_oracle(logits)
                oracle.cross_entropy(judge, targets).backward()
                probs = microgpt.softmax(logits)
                dlogits = microgpt.cross_entropy_backward(probs, targets)
                self.assertLess(difference(dlogits, slopes_of(judge)), EXACT)
                self.assertEqual(probs, microgpt.softmax(logits), "and probs stay as they are")

    def test_lengths_that_do_not_fit_are_refused(self):
        """Rather than cut, which would hide the mistake."""
        short, long = [[1.0]], [[1.0, 2.0]]
        for function, *arguments in [
            (microgpt.linear, short, long),
            (microgpt.linear, long, short),
            (microgpt.mix, long, short),
            (microgpt.mix, short, long * 2),
            (microgpt.add, short, long),
            (microgpt.add, short, short * 2),
            (microgpt.cross_entropy, short, [0, 0]),
            (microgpt.cross_entropy_backward, short * 2, [0]),
            (microgpt.softmax_backward, short, long),
            (microgpt.softmax_backward, short, short * 2),
            (microgpt.rmsnorm_backward, short, long),
            (microgpt.rmsnorm_backward, short * 2, short),
            (microgpt.squared_relu_backward, short, long),
            (microgpt.squared_relu_backward, short * 2, short),
        ]:
            with self.subTest(function=function.__name__, arguments=arguments):
                with self.assertRaises(ValueError):
                    function(*arguments)


def program_with(sumprod):
    """A second microgpt, for which the module math has this sumprod, or none."""
    fake = types.ModuleType("math")
    vars(fake).update(vars(math), sumprod=sumprod)
    if sumprod is None:
        del fake.sumprod
    spec = importlib.util.spec_from_file_location("second_microgpt", microgpt.__file__)
    program = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"math": fake, spec.name: program}):
        spec.loader.exec_module(program)
    return program


class DotTest(unittest.TestCase):
    """dot is math.sumprod where there is one. Both ways are tried on every Python."""

    def test_is_sumprod_where_there_is_one(self):
        sumprod = mock.Mock()
        self.assertIs(program_with(sumprod).dot, sumprod)

    def test_of_its_own_elsewhere(self):
        dot = program_with(None).dot
        self.assertEqual(dot.__module__, "second_microgpt")
        self.assertEqual(dot([1.0, 2.0, 3.0], (4.0, -5.0, 6.0)), 12.0)
        for x in [1.0], [1.0, 2.0, 3.0]:
            with self.assertRaises(ValueError):
                dot(x, [1.0, 2.0])


class StartTest(unittest.TestCase):
    """The model that init_model makes."""

    def test_is_drawn_in_order_with_wo_and_fc2_at_zero(self):
        """Another generator with the same seed repeats the draws."""
        settings = Settings(n_embd=6, n_head=3, n_layer=2, block_size=4)
        rng, other = Xoshiro(8), Xoshiro(8)
        model = microgpt.init_model(settings, 5, rng)
        layer = [(6, 0.02), (6, 0.02), (6, 0.02), (6, 0.0), (24, 0.02), (24, 0.0)]
        expected = []
        for n_rows, sigma in [(5, 0.02), (4, 0.02)] + layer + layer:
            expected.append([[other.normal(sigma) for _ in range(6)] for _ in range(n_rows)])
        self.assertEqual(parameters(model), expected)
        self.assertEqual((rng.state, model.n_head), (other.state, 3))
        rows = [row for w in parameters(model) for row in w]
        self.assertEqual(len({id(row) for row in rows}), len(rows), "no row is shared")

    def test_matrices_are_listed_in_the_order_drawn(self):
        model = small_model(n_layer=2)
        self.assertEqual(list(map(id, microgpt.matrices(model))), list(map(id, parameters(model))))

    def test_says_what_it_is_in_one_line(self):
        """7 tokens: 7 · 6 + 3 · 6 in the embeddings, 12 · 6 · 6 in each of 2 layers."""
        model = small_model(vocab_size=7, n_embd=6, n_head=3, n_layer=2, block_size=3)
        line = "microgpt  vocab=7  params=924  layers=2  embd=6  heads=3"
        self.assertEqual((repr(model), microgpt.count_parameters(model)), (line, 924))
        self.assertLess(len(repr(model.layers[0])), 100)

    def test_slopes_that_wo_and_fc2_hold_back_are_exactly_zero_and_no_others(self):
        """wq, wk and wv act through wo only, and fc1 through fc2 only. In fc2, units may sleep."""
        settings = Settings(n_embd=8, n_head=2, n_layer=2)
        model = microgpt.init_model(settings, 7, Xoshiro(3))
        _, gradient = microgpt.loss_and_gradient(model, [0, 2, 4, 4, 5, 1])
        self.assertTrue(all(flat(gradient.wte)), "tokens that are nowhere were too likely")
        self.assertTrue(all(flat(gradient.wpe[:5])))
        self.assertEqual(gradient.wpe[5:], [[0.0] * 8] * 3)
        for layer in gradient.layers:
            self.assertFalse(any(flat([layer.wq, layer.wk, layer.wv, layer.fc1])))
            self.assertTrue(all(flat(layer.wo)))
            self.assertTrue(any(flat(layer.fc2)))


def in_parts(model, *parts):
    """The logits at every position, when forward gets its tokens in these parts; and the cache."""
    cache = new_cache(model)
    return [row for part in parts for row in forward(model, part, cache)[0]], cache


def splits(tokens):
    """All ways to cut tokens into parts: 16 for five tokens, from all at once to one by one."""
    if not tokens:
        return [[]]
    sizes = range(len(tokens), 0, -1)
    return [[tokens[:n], *rest] for n in sizes for rest in splits(tokens[n:])]


class ForwardTest(unittest.TestCase):
    def test_logits_against_the_oracle(self):
        for sizes in (
            {"n_layer": 1}, {"n_layer": 2}, {"n_layer": 3}, {"n_embd": 1, "n_head": 1},
            {"n_embd": 4, "n_head": 1}, {"n_embd": 4, "n_head": 4}, {"n_embd": 6, "n_head": 3},
        ):
            with self.subTest(**sizes):
                model, tokens = small_model(**sizes), [0, 2, 3, 5, 3]
                logits, _ = forward(model, tokens, new_cache(model))
                judge = oracle.logits(to_oracle(model), tokens)
                self.assertLess(difference(logits, values_of(judge)), EXACT)

    def test_at_once_in_parts_and_one_by_one_are_equal(self):
        """Equal, not nearly: each number is a sum of the same terms in the same order."""
        model = small_model(n_layer=3)
        at_once, *others = splits([0, 2, 3, 5, 3])
        for parts in others:
            with self.subTest(parts=parts):
                self.assertEqual(in_parts(model, *parts), in_parts(model, *at_once))

    def test_the_cache_holds_keys_then_values_of_every_position(self):
        model, tokens = small_model(n_layer=2), [4, 2, 2]
        _, cache = in_parts(model, tokens)
        x = oracle.rmsnorm(oracle.add([to_oracle(model.wte[i]) for i in tokens], model.wpe))
        layer = model.layers[0]
        expected = [values_of(oracle.linear(x, to_oracle(w))) for w in (layer.wk, layer.wv)]
        self.assertLess(difference(cache[0], expected), EXACT)

    def test_refuses_what_has_no_row_and_leaves_the_cache_alone(self):
        model = small_model(n_layer=2)  # 6 tokens, 5 positions
        for seen, tokens, words in [
            ([], [6], ""),
            ([[0, 2]], [3, 6], ""),
            ([[0, 2, 3, 4, 5]], [2], "6 .*5 positions"),
            ([], [0, 2, 3, 4, 5, 2], "6 .*5 positions"),
            ([[0, 2, 3]], [4, 5, 2], "6 .*5 positions"),
        ]:
            with self.subTest(seen=seen, tokens=tokens):
                _, cache = in_parts(model, *seen)
                before = copy.deepcopy(cache)
                with self.assertRaisesRegex(IndexError, words):
                    forward(model, tokens, cache)
                self.assertEqual(cache, before)

    def test_refuses_the_cache_of_another_model(self):
        with self.assertRaises(ValueError):
            forward(small_model(n_layer=2), [0], new_cache(small_model(n_layer=1)))

    def test_the_trace_has_the_weights_of_each_head_in_each_layer(self):
        model = small_model(n_layer=2)
        _, trace = forward(model, [0, 2, 3, 3, 1], new_cache(model))
        heads = [weights for layer in trace.layers for weights in layer.attention.weights]
        self.assertEqual(len(heads), 4)
        for weights in heads:
            self.assertEqual([[weight > 0 for weight in row] for row in weights], UP_TO_ITSELF)
            self.assertLess(difference(list(map(math.fsum, weights)), [1.0] * 5), EXACT)

    def test_leaves_the_model_alone_on_both_ways(self):
        model = small_model(n_layer=2)
        microgpt.loss_and_gradient(model, [0, 2, 2, 1])
        self.assertEqual(model, small_model(n_layer=2))


def models_and_tokens():
    """What the gradient is judged on. Random numbers everywhere, so that no path is closed."""
    settings, vocabulary, _, model = prepared(microgpt.NAMES)
    sequences = [microgpt.training_tokens(name, vocabulary, 8) for name in microgpt.NAMES]
    yield "the first model", copy.deepcopy(model), sequences[0]
    adam = microgpt.Adam(model, settings)
    for step, tokens in enumerate(sequences[:20]):
        adam.update(model, microgpt.loss_and_gradient(model, tokens)[1], step)
    yield "after twenty steps", model, sequences[20]
    for n_layer in 1, 2, 3:
        yield f"{n_layer} layers", small_model(n_layer=n_layer), [0, 2, 3, 5, 1]
    for c, h in (1, 1), (2, 1), (2, 2), (4, 4), (6, 3), (12, 4):
        yield f"{h} heads of {c}", small_model(n_embd=c, n_head=h), [0, 3, 2, 4, 1]
    for length in range(1, 7):
        yield f"length {length}", small_model(block_size=6), [0, 4, 2, 3, 5, 2, 1][: length + 1]
    yield "a block of one", small_model(block_size=1), [0, 2]
    for tokens in [0, 3, 3, 3, 3, 1], [2, 2, 2], [0, 2, 3, 2, 3, 2], [0, 0, 2, 0, 1]:
        yield f"repeated {tokens}", small_model(n_layer=2), tokens
    for scale in 0.003, 0.02, 1.5:  # from where rmsnorm's 1e-5 counts to late in training
        yield f"of size {scale}", small_model(n_layer=2, scale=scale), [0, 2, 3, 3, 1]


class GradientTest(unittest.TestCase):
    LIMIT = 1e-10  # largest difference over the largest slope

    def test_loss_and_every_slope_against_the_oracle(self):
        for label, model, tokens in models_and_tokens():
            with self.subTest(label):
                judge = to_oracle(model)
                expected = oracle.loss(judge, tokens).data
                loss, gradient = microgpt.loss_and_gradient(model, tokens)
                self.assertAlmostEqual(loss, expected, places=12)
                self.assertLess(difference(gradient, slopes_of(judge)), self.LIMIT)
                self.assertEqual(gradient.n_head, model.n_head)

    def test_backward_of_any_slopes_of_the_logits(self):
        """Those of the loss add up to 0 at each position. These don't."""
        model, tokens, dlogits = small_model(n_layer=2), [0, 4, 4, 2], numbers(9, 4, 6)
        _, trace = forward(model, tokens, new_cache(model))
        judge = to_oracle(model)
        oracle.total(map(oracle.product, oracle.logits(judge, tokens), dlogits)).backward()
        gradient = microgpt.backward(model, tokens, dlogits, trace)
        self.assertLess(difference(gradient, slopes_of(judge)), self.LIMIT)


class CheckGradientTest(unittest.TestCase):
    TOKENS = [0, 2, 4, 4, 1]

    def test_finds_nothing_where_all_is_right_and_puts_all_back(self):
        model = small_model(n_embd=4, n_layer=2)
        self.assertLess(microgpt.check_gradient(model, self.TOKENS), 1e-7)
        self.assertEqual(model, small_model(n_embd=4, n_layer=2))

    def test_finds_one_wrong_slope_in_any_matrix(self):
        model = small_model(n_embd=2, n_head=1)
        loss, gradient = microgpt.loss_and_gradient(model, self.TOKENS)
        for i, _ in enumerate(parameters(model)):
            for row, column, error in (0, 0, 0.25), (-1, -1, -0.25):
                wrong = copy.deepcopy(gradient)
                parameters(wrong)[i][row][column] += error
                with self.subTest(matrix=i, error=error):
                    with mock.patch.object(
                        microgpt, "loss_and_gradient", return_value=(loss, wrong)
                    ):
                        found = microgpt.check_gradient(model, self.TOKENS)
                    self.assertAlmostEqual(found, 0.25, places=6)

    def test_nudges_as_far_as_it_is_told(self):
        """The error of a central difference grows with the square of the nudge."""
        model = small_model(n_embd=2, n_head=1)
        errors = [microgpt.check_gradient(model, self.TOKENS, nudge) for nudge in (1e-3, 2e-3)]
        self.assertAlmostEqual(errors[1] / errors[0], 4.0, places=2)


class TwoParametersTest(unittest.TestCase):
    def test_by_hand(self):
        """y = 2 · 5, z = 12, loss 36; dz = 12, db = 12 · 2, dw = 12 + 12 · 5."""
        self.assertEqual(microgpt.two_parameters(2.0, 5.0), (36.0, 72.0, 24.0))
