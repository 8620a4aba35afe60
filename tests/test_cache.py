"""One position at a time with a cache, against recomputing the whole sequence; and sampling."""
import unittest
from unittest import mock

import microgpt
from tests.helpers import difference, nested, small_model, to_oracle

EOS = 1


def logits_of(model, tokens):
    """The program's logits at every position, and the traces and cache of the way."""
    cache = microgpt.new_cache(model)
    logits, traces = zip(*(microgpt.forward(model, token, cache) for token in tokens))
    return list(logits), list(traces), cache


class OnePositionAtATime(unittest.TestCase):
    def compare(self, model, tokens):
        expected = nested(lambda node: node.data, to_oracle(model).logits(tokens))
        self.assertLess(difference(logits_of(model, tokens)[0], expected), 1e-12)

    def test_equals_recomputing_every_position(self):
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

    def test_a_later_token_changes_nothing_earlier(self):
        model = small_model(n_layer=2)
        first, _, _ = logits_of(model, [0, 2, 3, 4, 5])
        for changed in range(1, 5):
            with self.subTest(changed=changed):
                tokens = [0, 2, 3, 4, 5]
                tokens[changed] = 1
                second, _, _ = logits_of(model, tokens)
                self.assertEqual(second[:changed], first[:changed])
                self.assertNotEqual(second[changed], first[changed])

    def test_an_earlier_token_changes_everything_later(self):
        model = small_model(n_layer=2)
        first, _, _ = logits_of(model, [0, 2, 3, 4, 5])
        second, _, _ = logits_of(model, [1, 2, 3, 4, 5])
        self.assertEqual([a == b for a, b in zip(first, second)], [False] * 5)

    def test_the_same_token_differs_by_its_position(self):
        first, second, *_ = logits_of(small_model(), [2, 2, 2])[0]
        self.assertGreater(difference(first, second), 1e-3)

    def test_a_fresh_cache_gives_the_same_again(self):
        model = small_model(n_layer=2)
        self.assertEqual(logits_of(model, [0, 2, 3])[0], logits_of(model, [0, 2, 3])[0])


class TheCache(unittest.TestCase):
    def setUp(self):
        self.model = small_model(n_layer=3, n_head=4)

    def test_starts_empty_with_lists_of_its_own(self):
        cache = microgpt.new_cache(self.model)
        lists = [x for layer in cache for x in layer.keys + layer.values]
        self.assertEqual(lists, [[]] * (3 * 2 * 4))
        self.assertEqual(len({id(x) for x in lists}), 3 * 2 * 4)

    def test_grows_by_one_position_a_token(self):
        cache = microgpt.new_cache(self.model)
        for position in range(5):
            microgpt.forward(self.model, 2, cache)
            for layer in cache:
                lengths = [len(x) for x in layer.keys + layer.values]
                self.assertEqual(lengths, [position + 1] * 8)

    def test_holds_vectors_of_one_head(self):
        _, _, cache = logits_of(self.model, [0, 2])
        lengths = [len(k) for layer in cache for x in layer.keys + layer.values for k in x]
        self.assertEqual(lengths, [2] * (3 * 8 * 2))

    def test_earlier_entries_stay(self):
        _, _, short = logits_of(self.model, [0, 2])
        _, _, long = logits_of(self.model, [0, 2, 4])
        for a, b in zip(short, long):
            self.assertEqual(a.keys, [x[:2] for x in b.keys])
            self.assertEqual(a.values, [x[:2] for x in b.values])

    def test_full_block_raises(self):
        _, _, cache = logits_of(self.model, [0, 2, 3, 4, 5])
        with self.assertRaises(IndexError):
            microgpt.forward(self.model, 2, cache)

    def test_unknown_id_raises(self):
        with self.assertRaises(IndexError):
            microgpt.forward(self.model, 6, microgpt.new_cache(self.model))

    def test_a_refused_token_leaves_the_cache_alone(self):
        logits, _, cache = logits_of(self.model, [0])
        with self.assertRaises(IndexError):
            microgpt.forward(self.model, 6, cache)
        microgpt.forward(self.model, 2, cache)
        self.assertEqual(cache, logits_of(self.model, [0, 2])[2])


class AttentionWeights(unittest.TestCase):
    def setUp(self):
        _, self.traces, _ = logits_of(small_model(n_layer=2), [0, 2, 3, 3, 1])

    def each(self):
        """Position and weights of every head."""
        for t, trace in enumerate(self.traces):
            for layer in trace.attention:
                self.assertEqual(len(layer.weights), 2)
                for weights in layer.weights:
                    yield t, weights

    def test_one_for_each_position_so_far(self):
        for t, weights in self.each():
            self.assertEqual(len(weights), t + 1)

    def test_add_up_to_one(self):
        for _, weights in self.each():
            self.assertAlmostEqual(sum(weights), 1.0, places=14)

    def test_none_is_negative(self):
        for _, weights in self.each():
            self.assertGreater(min(weights), 0.0)


class ForwardSequence(unittest.TestCase):
    def test_loss_is_the_mean_over_the_inputs(self):
        model, tokens = small_model(), [0, 2, 3, 1]
        loss, _, _, _ = microgpt.forward_sequence(model, tokens)
        self.assertAlmostEqual(loss, to_oracle(model).loss(tokens).data, places=12)

    def test_probabilities_are_those_of_the_logits(self):
        model = small_model()
        _, probs, _, _ = microgpt.forward_sequence(model, [0, 2, 3, 1])
        self.assertEqual(probs, [microgpt.softmax(x) for x in logits_of(model, [0, 2, 3])[0]])

    def test_one_trace_and_one_place_in_the_cache_for_each_input(self):
        _, _, traces, cache = microgpt.forward_sequence(small_model(), [0, 2, 3, 1])
        self.assertEqual((len(traces), len(cache[0].keys[0])), (3, 3))


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
        inputs = [call.args[1] for call in forward.call_args_list]
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
