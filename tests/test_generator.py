"""The random generator: its bits, its seeds, its bell curve and its draws by weight."""
import math
import unittest
from unittest import mock

from microgpt import Xoshiro

REFERENCE = [  # what Blackman and Vigna's xoshiro128plus.c draws from the state 1, 2, 3, 4
    5, 12295, 25178119, 27286542, 39879690,
    1140358681, 3276312097, 4110231701, 399823256, 2144435200,
]
TOP = 2**32 - 1  # the largest output


def drawing(*outputs):
    """A generator whose next outputs are these."""
    rng = Xoshiro(0)
    rng.draw = mock.Mock(side_effect=outputs)
    return rng


class DrawTest(unittest.TestCase):
    def test_outputs_of_the_reference(self):
        rng = Xoshiro(0)
        rng.state = [1, 2, 3, 4]
        self.assertEqual([rng.draw() for _ in range(10)], REFERENCE)

    def test_state_stays_four_words_of_32_bits(self):
        rng = Xoshiro(2**64 - 1)
        for _ in range(200):
            rng.draw()
            self.assertEqual([0 <= word <= TOP for word in rng.state], [True] * 4)

    def test_outputs_wrap_at_32_bits(self):
        rng = Xoshiro(0)
        rng.state = [TOP, 1, 1, 3]
        self.assertEqual(rng.draw(), 2)

    def test_seeds(self):
        """Worked out on paper: lo ^ DEADBEEF, hi ^ CAFEBABE, lo + 1, hi + 1, of 32 bits each."""
        for seed, state in [
            (0, [0xDEADBEEF, 0xCAFEBABE, 1, 1]),
            (42, [0xDEADBEC5, 0xCAFEBABE, 43, 1]),
            (2**64 - 1, [0x21524110, 0x35014541, 0, 0]),
            (0x0123456789ABCDEF, [0x57067300, 0xCBDDFFD9, 0x89ABCDF0, 0x01234568]),
        ]:
            with self.subTest(seed=seed):
                self.assertEqual(Xoshiro(seed).state, state)


class NormalTest(unittest.TestCase):
    RADIUS = math.sqrt(2 * math.log(4294967297 / 1000))  # of the output 999

    def test_by_hand(self):
        for label, outputs, expected in [
            ("no turn", (999, 0), self.RADIUS),
            ("a third of a turn, whose cosine is -1/2", (999, 1431655765), -self.RADIUS / 2),
            ("a whole turn", (999, TOP), self.RADIUS),
            ("the smallest output has a logarithm", (0, 0), math.sqrt(2 * math.log(2**32 + 1))),
        ]:
            with self.subTest(label):
                self.assertAlmostEqual(drawing(*outputs).normal(1.0), expected, places=12)

    def test_the_largest_output_is_short_of_one(self):
        """-2 ln(2**32 / (2**32 + 1)) = 2 ln(1 + 2**-32): small, not zero, and not negative."""
        expected = math.sqrt(2 * math.log1p(2.0**-32))
        self.assertAlmostEqual(drawing(TOP, 0).normal(1.0) / expected, 1.0, places=6)

    def test_sigma_scales(self):
        self.assertAlmostEqual(drawing(999, 0).normal(0.02), 0.02 * self.RADIUS, places=14)

    def test_sigma_zero_gives_zero_and_still_takes_two_outputs(self):
        rng = drawing(77, 99)
        self.assertEqual((rng.normal(0.0), rng.draw.call_count), (0.0, 2))

    def test_is_a_bell_curve(self):
        """As many of n draws beyond 1, 2 and 3 sigma, on each side, as the bell curve has there.

        A count of events of probability p has variance n p (1 - p). 5 standard deviations.
        """
        rng, n = Xoshiro(3), 20000
        draws = [rng.normal(0.02) for _ in range(n)]
        for sigmas in (1, 2, 3):
            p = math.erfc(sigmas / math.sqrt(2)) / 2
            for side in (1, -1):
                count = sum(side * draw > sigmas * 0.02 for draw in draws)
                with self.subTest(sigmas=sigmas, side=side):
                    self.assertLess(abs(count - n * p), 5 * math.sqrt(n * p * (1 - p)))


class ChoiceTest(unittest.TestCase):
    def test_takes_one_output(self):
        rng = drawing(77, 99)
        rng.choice([1.0, 2.0])
        self.assertEqual(rng.draw.call_count, 1)

    def test_is_where_the_dart_falls(self):
        third, half = 1431655765, 2**31  # just a third of TOP; the first output beyond its half
        for label, weights, outputs, expected in [
            ("the smallest output takes the first", [0.1, 0.2, 0.7], [0], [0]),
            ("... also if its weight is 0, as 0 is left", [0.0, 0.5, 0.5], [0], [0]),
            ("the largest output takes the last", [0.25, 0.25, 0.5], [TOP], [2]),
            ("a dart on the border falls to the left", [1.0, 2.0], [third, third + 1], [0, 1]),
            ("weight zero in the middle", [1.0, 0.0, 0.0, 1.0], [1, half - 1, half], [0, 0, 3]),
            ("a sum of 400", [100.0] * 4, [i * 2**29 for i in (1, 3, 5, 7)], [0, 1, 2, 3]),
            ("a single weight", [0.3], [0, half, TOP], [0, 0, 0]),
            ("a remainder, as rounding can leave, goes to the last", [0.5, 0.5], [2**33], [1]),
        ]:
            with self.subTest(label):
                self.assertEqual([drawing(o).choice(weights) for o in outputs], expected)
