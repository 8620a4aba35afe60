"""Every >>> example in microgpt.py runs, and what teaches by example has one."""
import doctest
import unittest

import microgpt

TEACHING = [
    "Vocabulary", "two_parameters", "linear", "mix", "softmax", "squared_relu", "attend",
    "Xoshiro", "loss_and_gradient", "Adam", "train",
]


def load_tests(loader, tests, pattern):
    """Make a test of each docstring with examples."""
    tests.addTests(doctest.DocTestSuite(microgpt))
    return tests


class Examples(unittest.TestCase):
    def test_everything_that_teaches_by_example_has_one(self):
        found = {test.id() for test in doctest.DocTestSuite(microgpt)}
        self.assertEqual({f"microgpt.{name}" for name in TEACHING} - found, set())
