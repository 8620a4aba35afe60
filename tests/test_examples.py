"""Every >>> example in microgpt.py holds: one test for each docstring that has some."""
import doctest

import microgpt


def load_tests(loader, tests, pattern):
    """What unittest calls to find the tests of a module."""
    tests.addTests(doctest.DocTestSuite(microgpt))
    return tests
