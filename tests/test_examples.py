"""Every >>> example in microgpt.py runs, and every operation has one."""
import doctest
import unittest

import microgpt

OPERATIONS = [
    "add", "transpose", "linear", "weighted_sum", "add_outer", "linear_backward",
    "weighted_sum_backward", "linear_backward_sequence", "softmax", "softmax_backward",
    "cross_entropy", "cross_entropy_backward", "rmsnorm", "rmsnorm_backward", "squared_relu",
    "squared_relu_backward", "attend",
]


def load_tests(loader, tests, pattern):
    """Make a test of each docstring with examples."""
    tests.addTests(doctest.DocTestSuite(microgpt))
    return tests


class Examples(unittest.TestCase):
    def test_every_operation_has_one(self):
        found = doctest.DocTestFinder().find(microgpt)
        shown = {test.name for test in found if test.examples}
        self.assertEqual({f"microgpt.{name}" for name in OPERATIONS} - shown, set())

    def test_all_pass_when_run_as_one(self):
        """Counted, because a runner that finds nothing finds no failure either."""
        failed, attempted = doctest.testmod(microgpt, report=False)
        self.assertEqual(failed, 0)
        self.assertGreaterEqual(attempted, len(OPERATIONS))
