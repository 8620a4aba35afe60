"""Settings, reading a file of names, and the vocabulary."""
import math
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import microgpt
from microgpt import NAMES, Settings, Vocabulary, read_documents

NAMES_FILE = Path(microgpt.__file__).with_name("names.txt")


class Defaults(unittest.TestCase):
    def test_are_those_of_the_reference(self):
        expected = {
            "n_embd": 16, "n_head": 4, "n_layer": 1, "block_size": 8, "steps": 5000,
            "lr": 0.01, "beta1": 0.9, "beta2": 0.95, "seed": 42, "data": "",
        }
        self.assertEqual(vars(Settings()), expected)


class BadSettings(unittest.TestCase):
    """Each raises ValueError, in words that hold the rule and the value."""

    def refuse(self, rule, name, *values):
        for value in values:
            with self.subTest(**{name: value}):
                with self.assertRaises(ValueError) as caught:
                    Settings(**{name: value})
                self.assertIn(rule, str(caught.exception))
                self.assertIn(f" {value}", str(caught.exception))

    def test_sizes_and_steps_below_1(self):
        for name in ("n_embd", "n_head", "n_layer", "block_size", "steps"):
            self.refuse("must be 1 or more", name, 0, -1, -4)

    def test_n_embd_not_a_multiple_of_n_head(self):
        self.refuse("is not a multiple of n_head", "n_embd", 15, 17, 2)
        self.refuse("is not a multiple of n_head", "n_head", 3, 5, 32)

    def test_lr(self):
        values = (0.0, -0.01, math.inf, -math.inf, math.nan)
        self.refuse("lr must be positive and finite", "lr", *values)

    def test_betas(self):
        for name in ("beta1", "beta2"):
            self.refuse("must be 0 or more and below 1", name, -0.1, 1.0, 1.5, math.inf, math.nan)

    def test_seed(self):
        self.refuse("seed must be from 0 to 2**64 - 1", "seed", -1, 2**64)


class GoodSettings(unittest.TestCase):
    def accept(self, **values):
        settings = Settings(**values)
        self.assertEqual({name: getattr(settings, name) for name in values}, values)

    def test_sizes_of_one(self):
        self.accept(n_embd=1, n_head=1, n_layer=1, block_size=1, steps=1)

    def test_betas_of_zero(self):
        self.accept(beta1=0.0, beta2=0.0)

    def test_betas_just_below_one(self):
        self.accept(beta1=1 - 2.0**-53, beta2=1 - 2.0**-53)

    def test_seed_zero(self):
        self.accept(seed=0)

    def test_largest_seed(self):
        self.accept(seed=2**64 - 1)

    def test_as_many_heads_as_numbers(self):
        self.accept(n_embd=6, n_head=6)

    def test_tiny_and_large_learning_rate(self):
        self.accept(lr=5e-324)
        self.accept(lr=1e308)


class ReadDocuments(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, content):
        path = self.folder / "list.txt"
        path.write_bytes(content)
        return path

    def read(self, content):
        return read_documents(self.write(content))

    def words(self, error, path):
        """What read_documents says when it raises this error."""
        with self.assertRaises(error) as caught:
            read_documents(path)
        return str(caught.exception)

    def test_plain(self):
        self.assertEqual(self.read(b"emma\nmae\n"), ["emma", "mae"])

    def test_path_as_text(self):
        self.assertEqual(read_documents(str(self.write(b"emma\n"))), ["emma"])

    def test_windows_line_ends(self):
        self.assertEqual(self.read(b"emma\r\nmae\r\n"), ["emma", "mae"])

    def test_byte_order_mark(self):
        self.assertEqual(self.read(b"\xef\xbb\xbfemma\nmae\n"), ["emma", "mae"])

    def test_two_byte_order_marks(self):
        self.assertEqual(self.read(b"\xef\xbb\xbf\xef\xbb\xbfemma\nmae\n"), ["emma", "mae"])

    def test_a_byte_order_mark_in_every_line(self):
        """As from joining files that have one each; spaces around it are around the name."""
        self.assertEqual(self.read("\ufeffemma\n\ufeff mae \ufeff\n".encode()), ["emma", "mae"])

    def test_a_byte_order_mark_inside_a_name(self):
        self.assertEqual(self.read("em\ufeffma\n".encode()), ["emma"])

    def test_old_mac_line_ends(self):
        self.assertEqual(self.read(b"emma\rmae\r"), ["emma", "mae"])

    def test_blank_lines(self):
        self.assertEqual(self.read(b"\n\nemma\n  \n\t\nmae\n\n"), ["emma", "mae"])

    def test_spaces_around(self):
        self.assertEqual(self.read(b"  emma\nmae\t \n"), ["emma", "mae"])

    def test_spaces_inside_stay(self):
        self.assertEqual(self.read(b"mary ann\n"), ["mary ann"])

    def test_no_line_end_at_the_end(self):
        self.assertEqual(self.read(b"emma\nmae"), ["emma", "mae"])

    def test_duplicates_stay_in_order(self):
        self.assertEqual(self.read(b"mae\nemma\nmae\n"), ["mae", "emma", "mae"])

    def test_other_letters(self):
        names = ["\u0437\u043e\u044f", "\u7f8e\u54b2", "zo\u00eb", "\U00010330"]
        self.assertEqual(self.read("\n".join(names).encode("utf-8")), names)

    def test_one_name_of_one_letter(self):
        self.assertEqual(self.read(b"a"), ["a"])

    def test_no_such_file(self):
        path = self.folder / "nowhere.txt"
        words = self.words(FileNotFoundError, path)
        self.assertIn(f"cannot read '{path}': ", words)
        self.assertIn("--data", words)

    def test_a_folder(self):
        """Windows calls it a lack of permission."""
        words = self.words((IsADirectoryError, PermissionError), self.folder)
        self.assertIn(f"cannot read '{self.folder}': ", words)

    def test_empty(self):
        path = self.write(b"")
        self.assertIn(f"'{path}' has no names", self.words(ValueError, path))

    def test_blank_lines_only(self):
        path = self.write(b"\n  \r\n\t\n")
        self.assertIn(f"'{path}' has no names", self.words(ValueError, path))

    def test_byte_order_marks_only(self):
        path = self.write(b"\xef\xbb\xbf\n\xef\xbb\xbf")
        self.assertIn(f"'{path}' has no names", self.words(ValueError, path))

    def test_utf16_without_its_mark(self):
        """All of it is UTF-8 too, with a NUL after or before each letter."""
        for encoding in ("utf-16-le", "utf-16-be"):
            path = self.write("emma\nmae\n".encode(encoding))
            self.assertIn(f"'{path}' has NUL characters", self.words(ValueError, path))

    def test_not_utf8(self):
        path = self.write(b"emma\nmae\nzo\xeb\nida\n")
        self.assertIn(f"'{path}', line 3: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_in_the_first_line(self):
        path = self.write(b"zo\xeb\nemma\n")
        self.assertIn(f"'{path}', line 1: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_after_a_blank_first_line(self):
        path = self.write(b"\nzo\xeb\n")
        self.assertIn(f"'{path}', line 2: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_at_the_very_start(self):
        path = self.write(b"\xff\nemma\n")
        self.assertIn(f"'{path}', line 1: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_after_old_mac_line_ends(self):
        path = self.write(b"emma\rmae\rzo\xeb\rida\r")
        self.assertIn(f"'{path}', line 3: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_first_in_its_line_after_old_mac_line_ends(self):
        path = self.write(b"emma\rmae\r\xeb\r")
        self.assertIn(f"'{path}', line 3: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_first_in_its_line_after_a_byte_order_mark(self):
        path = self.write(b"\xef\xbb\xbfemma\nmae\n\xeb\nida\n")
        self.assertIn(f"'{path}', line 3: not UTF-8", self.words(ValueError, path))

    def test_not_utf8_last_in_its_line_after_a_byte_order_mark(self):
        path = self.write(b"\xef\xbb\xbfemma\nmae\nzo\xeb\nida\n")
        self.assertIn(f"'{path}', line 3: not UTF-8", self.words(ValueError, path))


class DefaultData(unittest.TestCase):
    """What read_documents() reads, for a program file in another folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        program = mock.patch.object(microgpt, "FILE", str(self.folder / "microgpt.py"))
        program.start()
        self.addCleanup(program.stop)

    def test_names_txt_beside_the_program(self):
        (self.folder / "names.txt").write_bytes(b"zoe\n")
        self.assertEqual(read_documents(), ["zoe"])

    def test_without_it_the_names_in_the_program(self):
        self.assertEqual(read_documents(), NAMES)

    def test_a_bad_one_is_not_passed_over(self):
        (self.folder / "names.txt").write_bytes(b"zo\xeb\n")
        with self.assertRaisesRegex(ValueError, "line 1: not UTF-8"):
            read_documents()


class Tokens(unittest.TestCase):
    def setUp(self):
        self.vocabulary = Vocabulary(["mae", "emma", "Zo\u00eb"])

    def test_bos_and_eos_then_the_characters_sorted(self):
        expected = ["<BOS>", "<EOS>", "Z", "a", "e", "m", "o", "\u00eb"]
        self.assertEqual(self.vocabulary.tokens, expected)

    def test_ids_are_the_places_in_tokens(self):
        expected = {token: i for i, token in enumerate(self.vocabulary.tokens)}
        self.assertEqual(self.vocabulary.ids, expected)

    def test_bos_is_0(self):
        self.assertEqual(microgpt.BOS, 0)

    def test_eos_is_1(self):
        self.assertEqual(microgpt.EOS, 1)

    def test_decode_reverses_ids(self):
        for name in ("mae", "emma", "Zo\u00eb", ""):
            with self.subTest(name=name):
                ids = [self.vocabulary.ids[character] for character in name]
                self.assertEqual(self.vocabulary.decode(ids), name)

    def test_decode_shows_bos(self):
        self.assertEqual(self.vocabulary.decode([5, 0, 3]), "m<BOS>a")

    def test_unknown_character(self):
        with self.assertRaises(KeyError):
            self.vocabulary.sequence("emmy", 8)


class Sequence(unittest.TestCase):
    """At most block_size + 1 tokens: with emma as m = 4, a = 2, e = 3."""

    def cut(self, block_size):
        return Vocabulary(["emma"]).sequence("emma", block_size)

    def test_shorter_than_the_block(self):
        self.assertEqual(self.cut(8), [0, 3, 4, 4, 2, 1])

    def test_one_shorter_than_the_block(self):
        self.assertEqual(self.cut(5), [0, 3, 4, 4, 2, 1])

    def test_as_long_as_the_block(self):
        """EOS no longer fits, but the last letter is still a target."""
        self.assertEqual(self.cut(4), [0, 3, 4, 4, 2])

    def test_longer_than_the_block(self):
        self.assertEqual(self.cut(3), [0, 3, 4, 4])

    def test_a_block_of_one(self):
        self.assertEqual(self.cut(1), [0, 3])


class ShippedNames(unittest.TestCase):
    def setUp(self):
        self.names = NAMES_FILE.read_text(encoding="utf-8").split("\n")[:-1]

    def test_are_those_in_the_program(self):
        self.assertEqual(NAMES, self.names)

    def test_are_read_as_they_stand(self):
        self.assertEqual(read_documents(NAMES_FILE), self.names)

    def test_92(self):
        self.assertEqual(len(self.names), 92)

    def test_all_different(self):
        self.assertEqual(len(set(self.names)), 92)

    def test_emma_first(self):
        self.assertEqual(self.names[0], "emma")

    def test_at_most_eight_letters(self):
        self.assertEqual([name for name in self.names if not 1 <= len(name) <= 8], [])

    def test_25_lower_case_letters_without_q(self):
        self.assertEqual("".join(sorted(set("".join(self.names)))), "abcdefghijklmnoprstuvwxyz")

    def test_27_tokens(self):
        self.assertEqual(len(Vocabulary(self.names).tokens), 27)

    def test_3632_parameters(self):
        """27 · 16 and 8 · 16 embeddings, 4 · 16 · 16 for attention, 2 · 64 · 16 feed-forward."""
        model = microgpt.init_model(Settings(), 27, microgpt.Xoshiro(42))
        count = sum(len(row) for matrix in microgpt.matrices(model) for row in matrix)
        self.assertEqual(count, 432 + 128 + 1024 + 2048)
        self.assertEqual(count, 3632)
