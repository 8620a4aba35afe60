"""Writing with a trained model: generate, the model that is in the file as text, look_inside."""
import math
import re
import unittest
from unittest import mock

import microgpt
from microgpt import NAMES, TRAINED, Xoshiro, generate, load, look_inside, training_tokens
from tests import oracle
from tests.helpers import (
    PROJECT, difference, flat, parameters, prepared, printed, small_model, to_oracle, values_of,
)

BOS, EOS = 0, 1
LETTERS = microgpt.Vocabulary(["abcd"])  # ids 2, 3, 4 and 5


def trained():
    """The vocabulary of the list, and the model of TRAINED."""
    settings, vocabulary, _, _ = prepared(NAMES)
    return vocabulary, load(TRAINED, settings, len(vocabulary.tokens))


class GenerateTest(unittest.TestCase):
    def setUp(self):
        self.model = small_model(n_layer=2)  # 5 positions

    def write(self, *choices, **how):
        """A name, where these ids are drawn; the weights offered, and the tokens that went in."""
        rng = mock.Mock()
        rng.choice.side_effect = choices
        with mock.patch.object(microgpt, "forward", wraps=microgpt.forward) as forward:
            name = generate(self.model, LETTERS, rng, **how)
        inputs = [token for call in forward.call_args_list for token in call.args[1]]
        return name, [call.args[0] for call in rng.choice.call_args_list], inputs

    def test_what_is_written_and_what_goes_in(self):
        for label, choices, how, name, inputs in [
            ("EOS ends it", [3, 4, EOS, 2], {}, "bc", [BOS, 3, 4]),
            ("EOS at once", [EOS], {}, "", [BOS]),
            ("BOS does not end it", [BOS, 2, EOS], {}, "<BOS>a", [BOS, BOS, 2]),
            ("a full block ends it", [2, 3, 4, 5, 2, 3], {}, "abcda", [BOS, 2, 3, 4, 5]),
            ("a start", [3, EOS], {"start": "da"}, "dab", [BOS, 5, 2, 3]),
            ("a start and a full block", [3, 4], {"start": "abcd"}, "abcdb", [BOS, 2, 3, 4, 5]),
            ("a start that fills the block", [], {"start": "dadad"}, "dadad", []),
        ]:
            with self.subTest(label):
                written, _, went_in = self.write(*choices, **how)
                self.assertEqual((written, went_in), (name, inputs))

    def test_offers_the_probabilities_after_all_letters_so_far(self):
        """At temperature t, all logits are divided by t."""
        for start, first, temperature in ("", 0, 1.0), ("da", 2, 1.0), ("", 0, 0.5), ("d", 1, 3.0):
            with self.subTest(start=start, temperature=temperature):
                choices = [5, 2, 3, 4, EOS][first:]
                how = {} if temperature == 1 else {"temperature": temperature}
                _, offered, _ = self.write(*choices, start=start, **how)
                logits = oracle.logits(to_oracle(self.model), [BOS, 5, 2, 3, 4])[first:]
                logits = [[logit * (1 / temperature) for logit in row] for row in logits]
                expected = values_of(oracle.softmax(logits))
                self.assertLess(difference(offered, expected), 1e-12)

    def test_refuses_with_words(self):
        for how, words in [
            ({"start": "abcdab"}, "5 .*6"),
            ({"start": "axbyx"}, "'x', 'y'$"),
            ({"temperature": 0}, "above 0.* 0"),
            ({"temperature": -0.5}, "above 0.* -0.5"),
            ({"temperature": math.nan}, "above 0.* nan"),
        ]:
            with self.subTest(**how):
                with self.assertRaisesRegex(ValueError, words):
                    self.write(2, 2, 2, 2, 2, **how)

    def test_same_seed_same_names_and_the_model_stays_as_it_is(self):
        first, second = ([generate(self.model, LETTERS, rng) for _ in range(5)]
                         for rng in (Xoshiro(4), Xoshiro(4)))
        self.assertEqual(first, second)
        self.assertEqual(self.model, small_model(n_layer=2))


class TrainedTest(unittest.TestCase):
    SMALL = microgpt.Settings(n_embd=1, n_head=1, block_size=2)  # with 2 tokens, 16 parameters

    def test_load_fills_the_matrices_in_order_row_by_row(self):
        """P is 0, 19 characters further is 1. Line ends and spaces don't count."""
        model = load("Pc\n =Q\n\n" + "P" * 11 + "c", self.SMALL, vocab_size=2)
        self.assertEqual(parameters(model)[:2], [[[0.0], [1.0]], [[-1.0], [1 / 19]]])
        self.assertEqual(flat(parameters(model)[2:]), [0.0] * 11 + [1.0])

    def test_load_refuses_a_text_of_another_length(self):
        for count in 15, 17:
            with self.assertRaisesRegex(ValueError, f"{count}.* 16"):
                load("P" * count, self.SMALL, vocab_size=2)

    def test_the_model_in_the_file_knows_the_list(self):
        vocabulary, model = trained()
        judge, losses = to_oracle(model), []
        for name in NAMES:
            *inputs, _ = tokens = training_tokens(name, vocabulary, 8)
            logits, _ = microgpt.forward(model, inputs, microgpt.new_cache(model))
            losses.append(microgpt.cross_entropy(logits, tokens[1:])[0])
        self.assertAlmostEqual(losses[0], oracle.loss(judge, [0, 6, 14, 14, 2, 1]).data, places=12)
        self.assertLess(sum(losses) / len(losses), 0.88)


class LookInsideTest(unittest.TestCase):
    def test_shows_what_is_expected_and_where_each_head_looks(self):
        """Three tokens a position, the likeliest first; for each head, a triangle of weights."""
        model, name = small_model(n_layer=2, scale=0.5), "dab"
        lines, tokens = printed(look_inside, model, LETTERS, name), [BOS, 5, 2, 3]
        expected = values_of(oracle.softmax(oracle.logits(to_oracle(model), tokens)))
        for t, probs in enumerate(expected):
            ranks = sorted(zip(probs, LETTERS.tokens), reverse=True)
            shown = [f"{token} {p:.0%}" for p, token in ranks[:3]]
            self.assertEqual(re.split("  +", lines[t]), ["<BOS>" + name[:t], *shown])
        _, trace = microgpt.forward(model, tokens, microgpt.new_cache(model))
        rest = [line.split() for line in lines[4:]]
        letters = ["<BOS>", *name]
        for n, layer in enumerate(trace.layers):
            for h, weights in enumerate(layer.attention.weights):
                table = [[], ["layer", f"{n},", "head", f"{h}"], letters]
                for t, letter in enumerate(letters):
                    table.append([letter, *(f"{weight:.2f}" for weight in weights[t][: t + 1])])
                self.assertEqual(rest[:7], table)
                del rest[:7]
        self.assertEqual(rest, [])

    def test_leaves_out_what_rounds_to_0_percent(self):
        """x is 1 and its layer adds nothing, so the logits are wte: logarithms of the chances."""
        model = small_model(n_embd=1, n_head=1, block_size=1)
        model.wte = [[math.log(p)] for p in (0.001, 0.004, 0.007, 1e-9, 0.988, 1e-9)]
        model.wpe = [[1.0 - model.wte[BOS][0]]]
        model.layers[0].wo, model.layers[0].fc2 = [[0.0]], [[0.0]] * 4
        line = printed(look_inside, model, LETTERS, "")[0]
        self.assertEqual(line.split(), ["<BOS>", "c", "99%", "a", "1%"])

    def test_takes_every_name_as_far_as_there_are_positions(self):
        vocabulary, model = trained()
        for name in [*NAMES, "", "penelopepenelope"]:
            with self.subTest(name=name):
                positions = min(8, len(name) + 1)
                lines = printed(look_inside, model, vocabulary, name)
                self.assertEqual(len(lines), positions + 4 * (3 + positions))

    def test_refuses_unknown_letters(self):
        with self.assertRaisesRegex(ValueError, "q"):
            look_inside(small_model(), LETTERS, "aqua")

    def test_prints_the_tables_in_the_text(self):
        """Five lines of section 2, and a head of section 4 with its line of letters."""
        vocabulary, model = trained()
        lines = {line.strip() for line in printed(look_inside, model, vocabulary, "emma")}
        text = (PROJECT / "microgpt.py").read_text(encoding="utf-8")
        tables = re.findall(r"^#     +((?:<BOS>\w*|\w) .*(?:%|\.\d\d)|<BOS>  .*\w)$", text, re.M)
        self.assertEqual(len(tables), 11)
        for line in tables:
            with self.subTest(line):
                self.assertIn(line, lines)
