"""The programs behind the README's figures measure what they say."""
import io
import signal
import subprocess
import sys
import unittest
from contextlib import redirect_stderr, redirect_stdout
from math import inf, isnan, log
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import microgpt
from tests import ablations, benchmark, generalisation, learning
from tests.helpers import central_differences, difference, nested, small_model, turned

ROOT = Path(__file__).parents[1]
SMALLEST = ["--n-embd", "4", "--n-head", "2", "--seeds", "2"]


def output(program, *flags):
    """What a program prints for the smallest model."""
    stdout = io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(io.StringIO()):
        program.main([*SMALLEST, *flags])
    return stdout.getvalue()


def refusal(program, *flags):
    """What a program writes on standard error before it exits with status 2."""
    stderr = io.StringIO()
    with redirect_stderr(stderr):
        try:
            program.main(flags)
        except SystemExit as end:
            return stderr.getvalue() if end.code == 2 else f"status {end.code}"
    return "no error"


def learner(names, **settings):
    """A small model that is to learn these names, and their sequences."""
    settings = microgpt.Settings(**{"n_embd": 4, "n_head": 2, "steps": 30, **settings})
    vocabulary = microgpt.Vocabulary(names)
    sequences = learning.sequences_of(names, vocabulary, settings)
    return learning.Learner(settings, vocabulary), sequences


class FloorTest(unittest.TestCase):
    """"a" is 2 predictions, "bbb" is 4."""

    def floors(self, *names, block_size=8):
        _, sequences = learner(names, block_size=block_size)
        return learning.floor(sequences), learning.equal_chances(sequences)

    def test_the_least_loss_gives_short_names_more_chance(self):
        # 1/2 to 1/4 is 2/3 to 1/3
        floor, _ = self.floors("a", "bbb")
        self.assertAlmostEqual(floor, (-log(2 / 3) / 2 - log(1 / 3) / 4) / 2)

    def test_equal_chances(self):
        _, equal = self.floors("a", "bbb")
        self.assertAlmostEqual(equal, (log(2) / 2 + log(2) / 4) / 2)

    def test_a_name_that_stands_in_the_list_twice_counts_twice(self):
        # 1/2 to 2/4 is even, and 1 to 2 is not
        floor, equal = self.floors("a", "bbb", "bbb")
        self.assertAlmostEqual(floor, (log(2) / 2 + 2 * log(2) / 4) / 3)
        self.assertAlmostEqual(equal, (log(3) / 2 + 2 * -log(2 / 3) / 4) / 3)

    def test_names_that_the_block_makes_the_same_are_one(self):
        self.assertEqual(self.floors("abc", "abd", block_size=2), (0, 0))

    def test_names_that_begin_alike_are_two(self):
        floor, _ = self.floors("aab", "aac")
        self.assertAlmostEqual(floor, log(2) / 4)

    def test_no_chances_near_the_best_are_better(self):
        def mean_loss(q):
            return (-log(q) / 2 - log(1 - q) / 4) / 2

        floor, _ = self.floors("a", "bbb")
        self.assertLess(floor, min(mean_loss(2 / 3 - 0.01), mean_loss(2 / 3 + 0.01)))


class LearningTest(unittest.TestCase):
    def test_training_stops_at_every_so_many_steps_and_at_the_end(self):
        one, sequences = learner(["a", "bbb"], steps=5)
        self.assertEqual(list(one.train(sequences, every=2)), [0, 2, 4, 5])

    def test_training_is_the_program_s(self):
        one, sequences = learner(["ann", "bob"])
        self.assertEqual(list(one.train(sequences, every=30)), [0, 30])
        rng = microgpt.Xoshiro(one.settings.seed)
        model = microgpt.init_model(one.settings, len(one.vocabulary.tokens), rng)
        with redirect_stdout(io.StringIO()):
            microgpt.train(model, ["ann", "bob"], one.vocabulary, rng, one.settings)
        self.assertEqual(one.model, model)

    def test_each_name_weighs_the_same_in_the_mean_loss(self):
        one, sequences = learner(["a", "bbb"])
        losses = [microgpt.loss_and_gradient(one.model, ids)[0] for ids in sequences]
        self.assertAlmostEqual(one.mean_loss(sequences), sum(losses) / 2)

    def test_attention_without_queries_is_equal(self):
        """Positions 4 of both names see 4, and position 5 of the second sees 5."""
        one, sequences = learner(["abc", "abcd"])
        one.model.layers[0].wq = [[0.0] * 4] * 4
        mean = (1 / 4 + 1 / 4 + 1 / 5) / 3
        for place, weight in one.attention(sequences).items():
            with self.subTest(place=place):
                self.assertAlmostEqual(weight, mean)

    def test_attention_tells_the_places_apart(self):
        weights = [[[1.0, 0.0, 0.0, 0.0]] * 3 + [[0.1, 0.2, 0.3, 0.4]]]
        trace = [(None, (None, weights, None), None, None)]
        one, sequences = learner(["abc"])
        with mock.patch.object(microgpt, "forward", return_value=(None, (trace, None))):
            places = list(one.attention(sequences).values())
        self.assertEqual(places, [0.1, 0.2, 0.3, 0.4, 0.4])

    def test_names_too_short_to_choose_say_nothing_of_attention(self):
        one, sequences = learner(["ab"])
        self.assertTrue(all(map(isnan, one.attention(sequences).values())))

    def test_a_sample_is_taught_if_it_is_a_name_cut_to_the_block(self):
        share = learning.share_taught(["abc", "abcd", "ab", "b"], ["abcd", "b"],
                                      microgpt.Settings(block_size=3))
        self.assertEqual(share, 1 / 2)

    def test_results_come_in_the_order_of_the_jobs(self):
        with redirect_stderr(io.StringIO()):
            self.assertEqual(learning.in_parallel(pow, [(2, n) for n in range(6)]),
                             [1, 2, 4, 8, 16, 32])

    def test_an_error_of_a_job_comes_through(self):
        with redirect_stderr(io.StringIO()), self.assertRaises(ZeroDivisionError):
            learning.in_parallel(divmod, [(1, 1), (1, 0)])

    def test_what_is_left_takes_as_long_as_what_is_done(self):
        self.assertEqual(learning.progress(0, 8, 5.0), "0 of 8 runs done")
        self.assertEqual(learning.progress(2, 8, 120.0), "2 of 8 runs done, about 6 min left")

    def test_the_spread_is_mean_and_range(self):
        self.assertEqual(learning.spread([1.0, 3.0, 8.0], ".1f"), "4.0 | 1.0 to 8.0")

    def test_it_prints_a_row_for_every_so_many_steps(self):
        printed = output(learning, "--steps", "4", "--every", "2", "--samples", "3")
        rows = [line.split("|")[1].strip() for line in printed.splitlines() if line[:1] == "|"]
        self.assertEqual(rows[:5], ["after step", "---", "0", "2", "4"])

    def test_ctrl_c_ends_it_with_one_line_and_status_130(self):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.learning", "--steps", str(10**9)],
            cwd=ROOT, stderr=subprocess.PIPE,
        )
        with process:
            process.stderr.read(len("\r0 of 16 runs done"))
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(errors.decode().strip(), "microgpt: stopped")

    def test_an_error_in_the_flags_is_told_with_status_2(self):
        for flag, value, words in (
            ("--seeds", "0", "--seeds"), ("--n-embd", "3", "n_embd"), ("--data", "no.txt", "no.txt")
        ):
            with self.subTest(flag):
                self.assertIn(words, refusal(learning, flag, value))


class AblationsTest(unittest.TestCase):
    def test_every_variant_trains_to_another_loss(self):
        names = ["isabella", "ann"]
        settings = microgpt.Settings(n_embd=4, n_head=1, steps=30)
        losses = {ablations.measure(v, settings, names, 1)[0] for v in ablations.VARIANTS}
        self.assertEqual(len(losses), 10)

    def test_every_variant_s_gradient_is_that_of_its_loss(self):
        model, tokens = small_model(vocab_size=4, n_embd=4, n_head=1, block_size=3), [0, 3, 2, 1]

        def loss():
            logits, _ = microgpt.forward(model, tokens[:-1], microgpt.new_cache(model))
            return microgpt.cross_entropy(logits, tokens[1:])[0]

        for name, (functions, _) in ablations.VARIANTS.items():
            with self.subTest(name), ablations.replaced(functions):
                _, dmodel = microgpt.loss_and_gradient(model, tokens)
                slopes = central_differences(loss, microgpt.matrices(model))
                if "summed" in name:  # of three predictions, three times the mean
                    slopes = nested(lambda slope: 3 * slope, slopes)
                self.assertLess(difference(microgpt.matrices(dmodel), slopes), 1e-7)

    def test_what_was_replaced_is_put_back(self):
        with ablations.replaced({"attend": ablations.attend_unscaled}):
            self.assertIs(microgpt.attend, ablations.attend_unscaled)
        self.assertEqual(microgpt.attend.__module__, "microgpt")

    def test_a_position_that_sees_only_itself_has_its_own_value(self):
        seen = ablations.attend_to_itself([[1.0]], [[5.0], [6.0]], [[7.0], [8.0]])
        self.assertEqual(seen, ([[8.0]], [[0.0, 1.0]]))

    def test_scores_that_are_not_divided(self):
        # Four numbers a vector: attend would divide log 3 by 2.
        q, keys = [[log(3), 0.0, 0.0, 0.0]], [[0.0] * 4, [1.0, 0.0, 0.0, 0.0]]
        _, weights = ablations.attend_unscaled(q, keys, keys)
        self.assertLess(difference(weights, [[1 / 4, 3 / 4]]), 1e-12)

    def test_adam_s_settings_are_changed(self):
        for name, setting, value in (
            ("a constant learning rate", "steps", 10**15),
            ("a learning rate of 0.005", "lr", 0.005),
            ("a learning rate of 0.02", "lr", 0.02),
            ("β2 = 0.999", "beta2", 0.999),
        ):
            one, sequences = learner(["ann"])
            ablations.VARIANTS[name][1](one, sequences)
            self.assertEqual(getattr(one.adam.settings, setting), value)

    def test_the_last_position_is_left_out_of_a_full_sequence_only(self):
        one, sequences = learner(["a", "bbb"], block_size=3)
        self.assertEqual(ablations.without_last_position(one, sequences), [[0, 2, 1], [0, 3, 3]])

    def test_projections_that_do_not_start_at_zero(self):
        one, sequences = learner(["a"])
        ablations.with_full_projections(one, sequences)
        layer = one.model.layers[0]
        self.assertTrue(all(all(map(all, w)) for w in (layer.wo, layer.fc2)))

    def test_differences_are_taken_pair_by_pair(self):
        # 1 and 3: mean 2, standard deviation √2, of the mean √2 / √2
        mean, error = ablations.compared([11.0, 53.0], [10.0, 50.0])
        self.assertEqual((mean, round(error, 12)), (2.0, 1.0))

    def test_one_seed_says_nothing_of_the_error(self):
        self.assertEqual(ablations.compared([3.0], [1.0]), (2.0, inf))

    def test_what_is_beyond_two_standard_errors_is_bold(self):
        self.assertEqual(ablations.cell(-0.21, 0.1, ".2f"), "**-0.21 ± 0.10**")
        self.assertEqual(ablations.cell(0.19, 0.1, ".1f", factor=100), "+19.0 ± 10.0")

    def test_it_prints_a_row_for_every_variant(self):
        printed = output(ablations, "--steps", "2", "--samples", "1")
        rows = [line.split("|")[1].strip() for line in printed.splitlines() if line[:1] == "|"]
        self.assertEqual(rows[2:], list(ablations.VARIANTS))


class GeneralisationTest(unittest.TestCase):
    def test_no_name_is_on_both_sides_and_none_is_lost(self):
        names = ["ann", "bob", "eve", "ann", "zoe", "bob"]
        for held_out in (1, 2, 3):
            taught, kept_back = generalisation.split(names, held_out, microgpt.Xoshiro(1))
            self.assertEqual(len(set(kept_back)), held_out)
            self.assertFalse(set(taught) & set(kept_back))
            self.assertEqual(sorted(taught + kept_back), sorted(names))

    def test_a_sorted_list_is_shuffled(self):
        names = [f"{i:02}" for i in range(40)]
        for part in generalisation.split(names, 20, microgpt.Xoshiro(1)):
            self.assertNotEqual(part, sorted(part))

    def test_the_same_seed_splits_alike_and_another_does_not(self):
        splits = [
            generalisation.split(microgpt.NAMES, 12, learner(microgpt.NAMES, seed=seed)[0].rng)
            for seed in (1, 1, 2)
        ]
        self.assertEqual(splits[0], splits[1])
        self.assertNotEqual(splits[0], splits[2])

    def test_only_the_taught_names_are_trained_on(self):
        settings = microgpt.Settings(n_embd=4, n_head=2, steps=300)
        losses = generalisation.measure(settings, ["abab", "cdcd"], held_out=1, every=300)
        untrained = log(6)
        for loss in losses[0]:
            self.assertAlmostEqual(loss, untrained, delta=0.01)
        taught, held_out = losses[300]  # letters that are in the held-out name only do no harm
        self.assertLess(taught, 0.5 * untrained)
        self.assertGreater(held_out, untrained)

    def test_a_curve_by_hand(self):
        # A row is 0.125 high and a column is a step, so it falls by one row a column, then rises
        lines = generalisation.plot([("x", "one", {0: 0.5, 4: 0.0, 6: 0.25})], width=6)
        self.assertEqual(lines[1:-2], [
            "     |x",
            "     | x",
            "     |  x   x  x one",
            "     |   x x",
            "   0 |    x",
        ])

    def test_whole_losses_are_written_beside_their_rows(self):
        lines = generalisation.plot([("x", "", {0: 3.0, 6: 0.0})])[1:-2]  # 3 / 0.125 rows, and 0
        numbers = [line.partition("|")[0].strip() for line in lines]
        self.assertEqual(numbers, ["3", *[""] * 7, "2", *[""] * 7, "1", *[""] * 7, "0"])

    def test_rows_are_twice_as_high_if_they_would_be_more_than_that(self):
        lines = generalisation.plot([("x", "", {0: 3.01, 6: 0.0})])[1:-2]
        self.assertEqual(len(lines), 1 + 3 / 0.25)

    def test_curves_that_meet_take_turns(self):
        flat = {0: 0.0, 6: 0.0}
        lines = generalisation.plot([("-", "1", flat), ("o", "2", flat), ("x", "3", flat)], width=6)
        self.assertEqual(lines[1:-2], ["   0 |oxoxoxo  - 1, o 2, x 3"])

    def test_it_prints_a_table_for_each_list_and_all_curves(self):
        names = str(ROOT / "names.txt")
        printed = output(generalisation, "--data", names, "--data", names, "--steps", "2")
        self.assertEqual(printed.count("92 names, 12 different ones held out"), 2)
        for label in ("x held out of 92", "+ held out of 92", "- untrained"):
            self.assertIn(label, printed)

    def test_holding_out_every_name_is_an_error(self):
        self.assertIn("92 of 92", refusal(generalisation, "--held-out", "92"))


class BenchmarkTest(unittest.TestCase):
    def test_both_programs_take_the_same_step(self):
        settings = microgpt.Settings(n_embd=4, n_head=2, block_size=3, steps=10)
        ours = benchmark.Ours(settings)
        ours.step(0)
        theirs = benchmark.Theirs(ours, settings)
        # The oracle keeps fc2, the last matrix, the other way around, and its means are of
        # (1 - β) times the gradients, without Adam's n.
        for name, whole, beta in (
            ("m", ours.adam.totals, settings.beta1), ("v", ours.adam.squares, settings.beta2)
        ):
            rows = [row for w in [*whole[:-1], turned(whole[-1])] for row in w]
            setattr(theirs.adam, name, [(1 - beta) * total for row in rows for total in row])
        ours.step(1)
        theirs.step(1)
        for row, expected in zip(ours.model.wte, theirs.oracle.wte):
            for value, scalar in zip(row, expected):
                self.assertAlmostEqual(value, scalar.data, delta=1e-12)

    def test_the_whole_step_is_the_sum_of_its_parts(self):
        *parts, total = benchmark.Ours(microgpt.Settings(n_embd=4, n_head=2)).step(0)
        self.assertEqual(total, sum(parts))

    def test_multiply_adds_by_hand(self):
        # C = 2, V = 3, one layer, one sequence of two positions. Each position: wq, wk, wv, wo
        # 4 each, fc1 and fc2 16 each, logits 6: 54. Attention: 4 for one position seen, 8 for two.
        ours = SimpleNamespace(
            model=SimpleNamespace(wte=[[0.0, 0.0]] * 3), sequences=[[0, 2, 1]]
        )
        settings = SimpleNamespace(n_embd=2, n_layer=1)
        self.assertEqual(benchmark.multiply_adds(ours, settings), 3 * (54 + 54 + 4 + 8))


if __name__ == "__main__":
    unittest.main()
