"""The random generator: its bits, its bell curve and its categorical draw."""
import math
import unittest
from unittest import mock

from microgpt import Xoshiro

REFERENCE = [
    5, 12295, 25178119, 27286542, 39879690,
    1140358681, 3276312097, 4110231701, 399823256, 2144435200,
]
TOP = 2**32 - 1  # the largest output
DRAWS = 20000


def drawing(*outputs):
    """A generator whose next outputs are these."""
    rng = Xoshiro(0)
    rng.draw = mock.Mock(side_effect=outputs)
    return rng


class Draw(unittest.TestCase):
    def test_reference_vector(self):
        rng = Xoshiro(0)
        rng.state = [1, 2, 3, 4]
        self.assertEqual([rng.draw() for _ in range(10)], REFERENCE)

    def test_outputs_fill_32_bits_and_no_more(self):
        """Of 2,000 outputs, the or has every bit, the and has none: a bit fails with 2**-2000."""
        rng, some, every = Xoshiro(3), 0, TOP
        for _ in range(2000):
            output = rng.draw()
            some, every = some | output, every & output
        self.assertEqual((some, every), (TOP, 0))

    def test_state_stays_four_words_of_32_bits(self):
        rng = Xoshiro(2**64 - 1)
        for _ in range(2000):
            rng.draw()
            self.assertEqual([0 <= word <= TOP for word in rng.state], [True] * 4)

    def test_mean_is_half(self):
        """Even draws from [0, 1) have variance 1/12. 5 standard errors."""
        rng = Xoshiro(7)
        mean = sum(rng.draw() / 2**32 for _ in range(DRAWS)) / DRAWS
        self.assertLess(abs(mean - 0.5), 5 * math.sqrt(1 / 12 / DRAWS))


class Seeding(unittest.TestCase):
    """The four words, worked out on paper: lo ^ DEADBEEF, hi ^ CAFEBABE, lo + 1, hi + 1."""

    def test_seed_0(self):
        self.assertEqual(Xoshiro(0).state, [0xDEADBEEF, 0xCAFEBABE, 1, 1])

    def test_seed_42(self):
        self.assertEqual(Xoshiro(42).state, [0xDEADBEC5, 0xCAFEBABE, 43, 1])

    def test_largest_seed_wraps_to_zero(self):
        self.assertEqual(Xoshiro(2**64 - 1).state, [0x21524110, 0x35014541, 0, 0])

    def test_low_and_high_word_have_their_own_places(self):
        state = Xoshiro(0x0123456789ABCDEF).state
        self.assertEqual(state, [0x57067300, 0xCBDDFFD9, 0x89ABCDF0, 0x01234568])

    def test_high_word_changes_the_numbers(self):
        low, high = Xoshiro(42), Xoshiro(42 + 2**32)
        self.assertNotEqual([low.draw() for _ in range(4)], [high.draw() for _ in range(4)])

    def test_first_output(self):
        """s0 + s3 modulo 2**32, for seed 0: DEADBEEF + 1."""
        self.assertEqual(Xoshiro(0).draw(), 0xDEADBEF0)


class Normal(unittest.TestCase):
    def test_by_hand_from_the_reference_vector(self):
        rng = Xoshiro(0)
        rng.state = [1, 2, 3, 4]  # so the two outputs are 5 and 12295
        radius = math.sqrt(-2 * math.log((5 + 1) / 4294967297))
        angle = 2 * math.pi * (12295 / 4294967295)
        self.assertAlmostEqual(rng.normal(1.0), radius * math.cos(angle), places=14)

    def test_the_same_on_paper(self):
        """The angle is almost 0, so the square is almost 2 ln(2**32 / 6) = 64 ln 2 - 2 ln 6."""
        value = drawing(5, 12295).normal(1.0)
        self.assertAlmostEqual(value**2, 64 * math.log(2) - 2 * math.log(6), places=7)
        self.assertGreater(value, 6.38)

    def test_a_third_of_a_turn(self):
        """1431655765 is (2**32 - 1) / 3, and the cosine of 120 degrees is -1/2."""
        radius = math.sqrt(2 * math.log(4294967297 / 1000))
        self.assertAlmostEqual(drawing(999, 1431655765).normal(1.0), -radius / 2, places=12)

    def test_a_whole_turn(self):
        radius = math.sqrt(2 * math.log(4294967297 / 1000))
        self.assertAlmostEqual(drawing(999, TOP).normal(1.0), radius, places=12)

    def test_sigma_scales(self):
        self.assertEqual(drawing(77, 99).normal(2.5), 2.5 * drawing(77, 99).normal(1.0))

    def test_sigma_zero_gives_zero(self):
        self.assertEqual(Xoshiro(5).normal(0.0), 0.0)

    def test_sigma_zero_still_takes_two_draws(self):
        rng, other = Xoshiro(5), Xoshiro(5)
        rng.normal(0.0)
        other.draw()
        other.draw()
        self.assertEqual(rng.state, other.state)

    def test_smallest_output_has_a_logarithm(self):
        expected = math.sqrt(2 * math.log(2**32 + 1))
        self.assertAlmostEqual(drawing(0, 0).normal(1.0), expected, places=12)

    def test_largest_output_is_short_of_one(self):
        """-2 ln(2**32 / (2**32 + 1)) = 2 ln(1 + 2**-32): small, not zero, and not negative."""
        expected = math.sqrt(2 * math.log1p(2.0**-32))
        self.assertAlmostEqual(drawing(TOP, 0).normal(1.0) / expected, 1.0, places=6)

    def test_mean(self):
        """The standard error of the mean of n is sigma / sqrt(n). 5 of them, for sigma 1."""
        rng = Xoshiro(1)
        mean = sum(rng.normal(1.0) for _ in range(DRAWS)) / DRAWS
        self.assertLess(abs(mean), 5 / math.sqrt(DRAWS))

    def test_variance(self):
        """The standard error of the mean square of n is sqrt(2 / n), for sigma 1. 5 of them."""
        rng = Xoshiro(2)
        variance = sum(rng.normal(1.0) ** 2 for _ in range(DRAWS)) / DRAWS
        self.assertLess(abs(variance - 1), 5 * math.sqrt(2 / DRAWS))

    def test_tails(self):
        """As many beyond 1, 2 and 3 sigma, on each side, as the bell curve has there.

        A count of events of probability p has variance n p (1 - p). 5 standard deviations.
        """
        rng = Xoshiro(3)
        draws = [rng.normal(0.02) for _ in range(DRAWS)]
        for sigmas in (1, 2, 3):
            p = math.erfc(sigmas / math.sqrt(2)) / 2
            for side in (1, -1):
                count = sum(side * draw > sigmas * 0.02 for draw in draws)
                with self.subTest(sigmas=sigmas, side=side):
                    self.assertLess(
                        abs(count - DRAWS * p), 5 * math.sqrt(DRAWS * p * (1 - p))
                    )


class Choice(unittest.TestCase):
    def test_takes_one_draw(self):
        rng, other = Xoshiro(5), Xoshiro(5)
        rng.choice([1.0, 2.0])
        other.draw()
        self.assertEqual(rng.state, other.state)

    def test_smallest_output_picks_the_first(self):
        self.assertEqual(drawing(0).choice([0.1, 0.2, 0.7]), 0)

    def test_smallest_output_picks_the_first_even_of_weight_zero(self):
        """The dart lies at 0 already: the first weight leaves it at or below 0."""
        self.assertEqual(drawing(0).choice([0.0, 0.5, 0.5]), 0)

    def test_largest_output_picks_the_last(self):
        self.assertEqual(drawing(TOP).choice([0.25, 0.25, 0.5]), 2)

    def test_a_dart_on_the_border_belongs_to_the_left(self):
        """A third of the sum 3, and the first weight is 1: exactly 0 is left."""
        self.assertEqual(drawing(1431655765).choice([1.0, 2.0]), 0)

    def test_a_dart_just_beyond_the_border_belongs_to_the_right(self):
        self.assertEqual(drawing(1431655766).choice([1.0, 2.0]), 1)

    def test_weight_zero_in_the_middle_is_passed_over(self):
        """2**31 is the first output beyond half of the weights."""
        outputs = (1, 2**31 - 1, 2**31, TOP)
        picks = [drawing(output).choice([1.0, 0.0, 0.0, 1.0]) for output in outputs]
        self.assertEqual(picks, [0, 0, 3, 3])

    def test_weights_need_not_add_up_to_one(self):
        """Quarters of 400, aimed at by eighths of the outputs."""
        picks = [drawing(i * 2**29).choice([100.0] * 4) for i in (1, 3, 5, 7)]
        self.assertEqual(picks, [0, 1, 2, 3])

    def test_a_single_weight(self):
        self.assertEqual([drawing(o).choice([0.3]) for o in (0, 2**31, TOP)], [0, 0, 0])

    def test_a_remainder_falls_to_the_last(self):
        """Rounding can leave some of the dart: here an output beyond the largest stands for it."""
        self.assertEqual(drawing(2**33).choice([0.2, 0.3, 0.5]), 2)

    def test_frequencies(self):
        """Chi-square, 4 degrees of freedom: above 30 with probability e^-15 (1 + 15) = 5e-6."""
        weights, counts, rng = [5.0, 1.0, 0.0, 8.0, 2.0, 4.0], [0] * 6, Xoshiro(11)
        for _ in range(DRAWS):
            counts[rng.choice(weights)] += 1
        expected = [DRAWS * weight / 20 for weight in weights]
        terms = [(c - e) ** 2 / e for c, e in zip(counts, expected) if e]
        self.assertEqual(counts[2], 0)
        self.assertLess(sum(terms), 30)
