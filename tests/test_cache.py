"""The whole sequence at once, in parts or one token after another: the same; and sampling."""
import math
import unittest
from unittest import mock

import microgpt
from tests import oracle
from tests.helpers import difference, flat, nested, small_model, to_oracle

EOS = 1


def in_parts(model, *parts):
    """The logits at every position, when forward gets its tokens in these parts; and the cache."""
    cache = microgpt.new_cache(model)
    logits = [microgpt.forward(model, part, cache)[0] for part in parts]
    return sum(logits, []), cache


def splits(tokens):
    """All ways to cut tokens into parts: 16 for five tokens, from all at once to one by one."""
    if not tokens:
        return [[]]
    sizes = range(len(tokens), 0, -1)
    return [[tokens[:n], *rest] for n in sizes for rest in splits(tokens[n:])]


class EverySplit(unittest.TestCase):
    """Not nearly the same but equal: each number is a sum of the same terms in the same order."""

    TOKENS = [0, 2, 3, 5, 3]

    @classmethod
    def setUpClass(cls):
        model = small_model(n_layer=3)
        cls.at_once = in_parts(model, cls.TOKENS)
        cls.others = [(parts, *in_parts(model, *parts)) for parts in splits(cls.TOKENS)[1:]]

    def test_there_are_15_others(self):
        self.assertEqual(len({str(parts) for parts, _, _ in self.others}), 15)
        self.assertEqual([sum(parts, []) for parts, _, _ in self.others], [self.TOKENS] * 15)

    def test_equal_logits(self):
        for parts, logits, _ in self.others:
            with self.subTest(parts=parts):
                self.assertEqual(logits, self.at_once[0])

    def test_equal_caches(self):
        for parts, _, cache in self.others:
            with self.subTest(parts=parts):
                self.assertEqual(cache, self.at_once[1])


class Logits(unittest.TestCase):
    def compare(self, model, tokens):
        """One token after another, against the oracle, which has no cache."""
        expected = nested(lambda node: node.data, to_oracle(model).logits(tokens))
        logits, _ = in_parts(model, *([token] for token in tokens))
        self.assertLess(difference(logits, expected), 1e-12)

    def test_equal_recomputing_every_position(self):
        for n_layer in (1, 2, 3):
            with self.subTest(n_layer=n_layer):
                self.compare(small_model(n_layer=n_layer, block_size=8), [0, 2, 3, 5, 4, 3, 2, 2])

    def test_for_other_sizes(self):
        for n_embd, n_head in (1, 1), (4, 1), (4, 4), (6, 3):
            with self.subTest(n_embd=n_embd, n_head=n_head):
                self.compare(small_model(n_embd=n_embd, n_head=n_head), [0, 5, 5, 2, 0])

    def test_for_the_shipped_size(self):
        settings = microgpt.Settings()
        model = microgpt.init_model(settings, 27, microgpt.Xoshiro(settings.seed))
        self.compare(model, [0, 6, 14, 14, 2])

    def test_layers_that_add_nothing_pass_the_embeddings_on(self):
        model = small_model(n_layer=2)
        for layer in model.layers:
            layer.wo, layer.fc2 = [[0.0] * 8] * 8, [[0.0] * 8] * 32
        x = [a + b for a, b in zip(model.wte[2], model.wpe[0])]
        logits, _ = in_parts(model, [2])
        self.assertLess(difference(logits, [oracle.linear(model.wte, x)]), 1e-12)

    def test_a_later_token_changes_nothing_earlier(self):
        model, tokens = small_model(n_layer=2), [0, 2, 3, 4, 5]
        first, _ = in_parts(model, tokens)
        for changed in range(1, 5):
            with self.subTest(changed=changed):
                second, _ = in_parts(model, tokens[:changed] + [1] + tokens[changed + 1 :])
                self.assertEqual(second[:changed], first[:changed])
                self.assertNotEqual(second[changed], first[changed])

    def test_an_earlier_token_changes_everything_later(self):
        model = small_model(n_layer=2)
        first, _ = in_parts(model, [0, 2, 3, 4, 5])
        second, _ = in_parts(model, [1, 2, 3, 4, 5])
        self.assertEqual([a == b for a, b in zip(first, second)], [False] * 5)

    def test_the_same_token_differs_by_its_position(self):
        (first, second), _ = in_parts(small_model(), [2, 2])
        self.assertGreater(difference(first, second), 1e-3)


class TheCache(unittest.TestCase):
    def setUp(self):
        self.model = small_model(n_layer=3, n_head=4)

    def test_starts_empty_with_lists_of_its_own(self):
        lists = [x for layer_cache in microgpt.new_cache(self.model) for x in layer_cache]
        self.assertEqual(lists, [[]] * 6)
        self.assertEqual(len({id(x) for x in lists}), 6)

    def test_holds_a_key_and_a_value_for_each_position_in_each_layer(self):
        _, cache = in_parts(self.model, [0, 2], [4])
        sizes = [[[len(row) for row in rows] for rows in layer_cache] for layer_cache in cache]
        self.assertEqual(sizes, [[[8] * 3] * 2] * 3)

    def test_holds_keys_before_values(self):
        """Those of the first layer, from the embeddings."""
        _, cache = in_parts(self.model, [4])
        x = [a + b for a, b in zip(self.model.wte[4], self.model.wpe[0])]
        normed = [x_i / math.sqrt(sum(x_j * x_j for x_j in x) / 8 + 1e-5) for x_i in x]
        layer = self.model.layers[0]
        expected = [[oracle.linear(w, normed)] for w in (layer.wk, layer.wv)]
        self.assertLess(difference(cache[0], expected), 1e-12)

    def test_earlier_entries_stay(self):
        _, short = in_parts(self.model, [0, 2])
        _, long = in_parts(self.model, [0, 2], [4])
        self.assertEqual([(keys[:2], values[:2]) for keys, values in long], short)


class Refused(unittest.TestCase):
    """IndexError, and the cache is as it was."""

    def refuse(self, seen, tokens):
        model = small_model(n_layer=2)  # 6 tokens, 5 positions
        _, cache = in_parts(model, *([token] for token in seen))
        before = nested(float, cache)
        with self.assertRaises(IndexError):
            microgpt.forward(model, tokens, cache)
        self.assertEqual(nested(float, cache), before)

    def test_an_unknown_id(self):
        self.refuse([], [6])

    def test_an_unknown_id_after_others(self):
        self.refuse([0, 2], [3, 6])

    def test_one_token_for_a_full_block(self):
        self.refuse([0, 2, 3, 4, 5], [2])

    def test_more_tokens_than_positions(self):
        self.refuse([], [0, 2, 3, 4, 5, 2])

    def test_more_tokens_than_positions_left(self):
        self.refuse([0, 2, 3], [4, 5, 2])


class AttentionWeights(unittest.TestCase):
    """[T, S] for each head, in the trace."""

    @classmethod
    def setUpClass(cls):
        model = small_model(n_layer=2)
        _, (traces, _) = microgpt.forward(model, [0, 2, 3, 3, 1], microgpt.new_cache(model))
        cls.heads = [weights for _, trace, _, _ in traces for weights in trace[-2]]

    def test_of_two_heads_in_two_layers(self):
        self.assertEqual(len(self.heads), 4)

    def test_of_later_positions_are_exactly_zero_and_of_no_others(self):
        mask = [[s > t for s in range(5)] for t in range(5)]
        for weights in self.heads:
            self.assertEqual([[weight == 0 for weight in row] for row in weights], mask)

    def test_add_up_to_one(self):
        for weights in self.heads:
            for row in weights:
                self.assertAlmostEqual(sum(row), 1.0, places=14)

    def test_are_never_negative(self):
        self.assertGreaterEqual(min(flat(self.heads)), 0.0)


class Generate(unittest.TestCase):
    def setUp(self):
        self.model = small_model(n_layer=2)
        self.rng = microgpt.Xoshiro(1)

    def sample(self, *choices):
        """A sample with these choices; the weights offered, and the tokens that went in."""
        rng = mock.Mock()
        rng.choice.side_effect = choices
        with mock.patch.object(microgpt, "forward", wraps=microgpt.forward) as forward:
            sample = microgpt.generate(self.model, rng)
        inputs = [token for call in forward.call_args_list for token in call.args[1]]
        return sample, [call.args[0] for call in rng.choice.call_args_list], inputs

    def test_stops_at_eos(self):
        self.assertEqual(self.sample(3, 4, EOS, 2)[0], [3, 4])

    def test_eos_at_once_gives_an_empty_sample(self):
        self.assertEqual(self.sample(EOS)[0], [])

    def test_bos_does_not_stop_it(self):
        self.assertEqual(self.sample(0, 2, EOS)[0], [0, 2])

    def test_stops_when_the_block_is_full(self):
        sample, _, inputs = self.sample(2, 3, 4, 5, 2, 3, 4)
        self.assertEqual((sample, inputs), ([2, 3, 4, 5, 2], [0, 2, 3, 4, 5]))

    def test_starts_from_bos_and_reads_what_it_said(self):
        self.assertEqual(self.sample(3, 4, EOS)[2], [0, 3, 4])

    def test_offers_the_probabilities_of_the_whole_sequence_so_far(self):
        _, offered, _ = self.sample(3, 4, EOS)
        logits = nested(lambda node: node.data, to_oracle(self.model).logits([0, 3, 4]))
        expected = [microgpt.softmax(x) for x in logits]
        self.assertLess(difference(offered, expected), 1e-12)

    def test_each_sample_has_a_cache_of_its_own(self):
        self.assertEqual(self.sample(3, 4, EOS), self.sample(3, 4, EOS))

    def test_never_longer_than_the_block_and_never_with_eos(self):
        """An untrained model stops at 1 in 6. Of 200, no length is missed but by (9/10)**200."""
        settings = microgpt.Settings(n_embd=8, n_head=2, block_size=5)
        model = microgpt.init_model(settings, 6, self.rng)
        samples = [microgpt.generate(model, self.rng) for _ in range(200)]
        self.assertEqual({len(sample) for sample in samples}, {0, 1, 2, 3, 4, 5})
        self.assertEqual({token for sample in samples for token in sample}, {0, 2, 3, 4, 5})

    def test_same_seed_same_samples(self):
        first, second = ([microgpt.generate(self.model, rng) for _ in range(5)]
                         for rng in (microgpt.Xoshiro(4), microgpt.Xoshiro(4)))
        self.assertEqual(first, second)

    def test_changes_no_parameter(self):
        microgpt.generate(self.model, self.rng)
        self.assertEqual(self.model, small_model(n_layer=2))
