"""The programs in tests/figures: they run, draw what is committed, and make TRAINED again."""
import contextlib
import io
import json
import platform
import sys
import unittest
from math import log
from unittest import mock
from xml.etree import ElementTree

import microgpt
from tests.figures import ablations, benchmark, common, generalisation, learning, trained, writing
from tests.helpers import printed

TINY = ["--n-embd", "4", "--n-head", "2", "--steps", "3"]
TRAINED_IS_EXACT = (sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 13)
                    and sys.platform == "linux" and platform.machine() == "x86_64")


class ProgramTest(unittest.TestCase):
    def test_each_runs_and_says_how_long_it_takes(self):
        for program, flags, line in [
            (ablations, ["--seeds", "2", "--samples", "3"], "| as it is | 3."),
            (benchmark, ["--turns", "1", "--warm-up", "1"], "| 16 | 1 | 8 | 3,632 |"),
            (generalisation, ["--seeds", "1", "--every", "2"], "| 3 | 3."),
            (learning, ["--seeds", "2", "--samples", "3", "--every", "2"], "| 3 | 3."),
            (trained, [], "model = load(TEXT, Settings(n_embd=4, n_head=2, "),
            (writing, None, "<title>How it writes dyliel, "),
        ]:
            with self.subTest(program.__name__), contextlib.redirect_stderr(io.StringIO()), \
                    mock.patch.object(benchmark, "SIZES", [(16, 1, 8, 1)]):
                lines = printed(program.main, [] if flags is None else TINY + flags)
                self.assertTrue(any(found.startswith(line) for found in lines), lines)
                with contextlib.redirect_stdout(io.StringIO()) as help_text:
                    self.assertRaises(SystemExit, program.main, ["--help"])
                self.assertRegex(help_text.getvalue(), "second|minute")

    def test_the_committed_pictures_are_what_they_draw(self):
        def read(name):
            return common.FOLDER.joinpath(name).read_text(encoding="utf-8")

        for name, drawn in [
            ("generalisation", generalisation.picture(json.loads(read("generalisation.json")))),
            ("learning", learning.picture(json.loads(read("learning.json")))),
            ("writing", writing.picture()),
        ]:
            with self.subTest(name):
                text = read(f"{name}.svg")
                self.assertEqual(text, drawn)
                self.assertLess(len(text.encode()), 60_000)
                ElementTree.fromstring(text)


class NumbersTest(unittest.TestCase):
    def test_the_floor_gives_short_names_more_chance(self):
        """"a" is 2 predictions and "bbb" is 4, so 1/2 to 1/4 is 2/3 to 1/3."""
        loss = learning.best_table([[0, 2, 1], [0, 3, 3, 3, 1]], lambda seen: seen)
        self.assertAlmostEqual(loss, (-log(2 / 3) / 2 - log(1 / 3) / 4) / 2)

    def test_a_table_of_counts_leans_on_shorter_contexts(self):
        _, (loss, entries), *_ = generalisation.count_tables([[0, 2, 1]], [[0, 2, 1]], 3)
        shorter = (1 + 20 / 3) / (2 + 20)  # 2 and 1 were seen once each
        self.assertAlmostEqual(loss, -log((1 + 20 * shorter) / (1 + 20)))
        self.assertEqual(entries, 4)

    def test_a_difference_beyond_two_standard_errors_is_bold(self):
        self.assertEqual(ablations.cell([2.0, 3.3], [1.0, 2.0], ".2f"), "**+1.15 ± 0.15**")
        self.assertEqual(ablations.cell([1.0, 2.0], [1.0, 4.0], ".1f"), "-1.0 ± 1.0")

    def test_a_model_as_text(self):
        model = microgpt.Model(1, wte=[[0.0, -2.37]], wpe=[[1.0, 2.42]], layers=[])
        self.assertEqual(trained.to_text(model), "P#c~")
        model.wte[0] = [-3.0, 3.0]
        self.assertEqual(trained.to_text(model), "#~c~")


if TRAINED_IS_EXACT:  # elsewhere, sums and exp are rounded differently
    class TrainedTest(unittest.TestCase):
        def test_trained_is_what_the_default_run_makes(self):
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertIn(microgpt.TRAINED, "\n".join(printed(trained.main, [])))
