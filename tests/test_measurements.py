"""The programs behind the README's figures measure what they say."""
import math
import tempfile
import unittest
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import microgpt
from tests import ablations, benchmark, learning


class Ablations(unittest.TestCase):
    """Thirty steps are enough to see that a variant trains differently, not how well."""

    @classmethod
    def setUpClass(cls):
        brief = partial(microgpt.Settings, n_embd=4, n_head=2, steps=30)
        with mock.patch.object(microgpt, "Settings", brief):
            with mock.patch.object(learning, "SAMPLES", 2):
                cls.losses = {name: ablations.measure(name, 1)[0] for name in ablations.VARIANTS}

    def test_every_variant_trains_to_another_loss(self):
        self.assertEqual(len(set(self.losses.values())), 7)

    def test_what_was_replaced_is_put_back(self):
        self.assertEqual(microgpt.attend.__module__, "microgpt")
        self.assertIs(microgpt.cross_entropy_backward, ablations.cross_entropy_backward)

    def test_a_position_that_sees_only_itself_has_its_own_value(self):
        out, weights = ablations.attend_to_itself([1.0], [[5.0], [6.0]], [[7.0], [8.0]])
        self.assertEqual((out, weights), ([8.0], [0.0, 1.0]))

    def test_a_summed_loss_has_the_gradient_of_one_prediction_whatever_their_number(self):
        self.assertEqual(ablations.summed_loss_backward(0.25, [0.25, 0.75], 1), [0.25, -0.25])


class Learning(unittest.TestCase):
    def test_the_floor_is_the_choice_of_a_name_shared_among_its_tokens(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "names.txt")
            path.write_text("a\nbb\n", encoding="utf-8")
            learner = learning.Learner(microgpt.Settings(data=str(path), n_embd=4))
        self.assertAlmostEqual(learning.floor(learner), math.log(2) / 2.5)  # 2 and 3 tokens


class Benchmark(unittest.TestCase):
    def test_both_programs_take_the_same_step(self):
        settings = microgpt.Settings(n_embd=4, n_head=2, block_size=3, steps=10)
        ours = benchmark.Ours(settings)
        ours.step(0)
        theirs = benchmark.Theirs(ours, settings)
        theirs.adam.m = [m for w in ours.adam.means for row in w for m in row]
        theirs.adam.v = [v for w in ours.adam.squares for row in w for v in row]
        # The oracle keeps fc2, the last matrix, the other way around: so do its running means.
        for means, whole in ((theirs.adam.m, ours.adam.means), (theirs.adam.v, ours.adam.squares)):
            means[-64:] = [x for column in zip(*whole[-1]) for x in column]
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
