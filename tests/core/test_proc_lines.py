"""Whole lines through a fixed buffer: every way to cut a file into reads gives the same lines."""

import errno
from check import equal, raises
from proc_root import Pieces
from linkpulse.collect.linux import proc_lines
from linkpulse.collect.linux.proc_lines import ProcFile, ProcLines


class Fixed:
    """The ProcFile of a content."""

    def __init__(self, content, align=1):
        self.align = align
        self._content = content

    def rewind(self):
        self._content.seek(0)
        return self._content


def read(content, sizes, rows=8, align=1):
    """(all lines, how many were dropped)"""
    reader = ProcLines(rows)
    found = []
    assert reader.begin(Fixed(Pieces(content, sizes), align))
    while reader.fill():
        assert 0 <= reader.start <= reader.end <= len(reader.buf)
        assert reader.end == reader.start or reader.buf[reader.end - 1] == 10
        end = reader.line()
        while end >= 0:
            found.append(bytes(reader.buf[reader.start : end]))
            reader.start = end + 1
            end = reader.line()
        reader.start = reader.end
    return found, reader.dropped


def lengths(*sizes):
    """Lines of these lengths, each of its own letter."""
    return b"".join([bytes([65 + i % 26]) * n + b"\n" for i, n in enumerate(sizes)])


def test_every_way_to_cut():
    content = lengths(0, 1, 7, 30, 0, 0, 12, 399, 5, 149, 149)
    expected = content.split(b"\n")[:-1]
    for size in list(range(1, 60)) + [99, 149, 150, 151, 400, 401, 1200]:
        equal((size, read(content, (size,))), (size, (expected, 0)))
    for sizes in ((1, 150), (150, 1), (7, 3, 400), (400, 399, 1, 2)):
        equal((sizes, read(content, sizes)), (sizes, (expected, 0)))


def test_every_place_of_one_cut():
    content = lengths(3, 0, 9, 4)
    for first in range(1, len(content)):
        equal(read(content, (first, 1200)), (content.split(b"\n")[:-1], 0))


def test_the_last_line_may_have_no_newline():
    for last in (1, 5, 149, 399, 400):
        content = lengths(10, 20) + b"z" * last
        for size in (1, 7, 31, 32, 33, 150, 1200):
            found, dropped = read(content, (size,))
            equal((last, size, found, dropped), (last, size, content.split(b"\n"), 0))


def test_an_empty_file():
    equal(read(b"", (10,)), ([], 0))


def test_only_newlines():
    equal(read(b"\n" * 5, (2,)), ([b""] * 5, 0))


def test_a_line_that_is_too_long_is_dropped_and_counted():
    # Over what can be carried from one read to the next: 400 bytes. Its neighbours stay.
    for long in (401, 500, 1200, 1601, 5000):
        content = lengths(20, 30) + b"x" * long + b"\n" + lengths(7, 8)
        for size in (1, 7, 149, 150, 399, 400):
            found, dropped = read(content, (size,))
            if found[2:3] == [b"x" * long]:  # its last part came with its newline: nothing more to carry
                assert long <= 400 + size, (long, size)
                del found[2]
                dropped += 1
            equal((long, size, found, dropped), (long, size, (lengths(20, 30) + lengths(7, 8)).split(b"\n")[:-1], 1))


def test_long_lines_in_reads_of_full_size():
    # Whether a line of this length has to be carried depends on where it lies: it is whole, or dropped and counted.
    for long in (401, 800, 1199, 1200, 1201, 3000):
        for before in (0, 1, 399, 400, 401, 1000, 1199, 1200):
            content = b"a" * before + b"\n" + b"x" * long + b"\n" + lengths(7, 8)
            found, dropped = read(content, (1200,))
            equal(found[-2:], [b"A" * 7, b"B" * 8])
            equal(len(found) + dropped, 4)
            for line in found:
                assert line in (b"a" * before, b"x" * long, b"A" * 7, b"B" * 8)


def test_two_long_lines():
    content = b"x" * 900 + b"\n" + b"y" * 900 + b"\n" + lengths(3)
    equal(read(content, (100,)), ([b"AAA"], 2))
    equal(read(content + b"z" * 900, (100,)), ([b"AAA"], 3))
    equal(read(b"x" * 900, (100,)), ([], 1))


def test_a_small_buffer():
    content = lengths(149, 149, 149, 20, 149)
    for size in (1, 40, 150, 1000):
        equal(read(content, (size,), 1), (content.split(b"\n")[:-1], 0))


def test_reads_of_whole_rows_where_the_file_has_them():
    reader = ProcLines(8)
    for align, expected in ((1, 1200), (150, 1200), (128, 1152)):
        reader.begin(Fixed(Pieces(b"", (1,)), align))
        equal(len(reader._view), expected)


def test_a_file_that_fails_in_the_middle():
    reader = ProcLines()
    reader.begin(Fixed(Pieces(lengths(5, 5), (100,), errno.EIO)))
    assert reader.fill()
    raises(OSError, reader.fill)
    equal(read(lengths(2), (100,)), ([b"AA"], 0))


def test_another_file_after_one_that_was_not_read_to_its_end():
    reader = ProcLines()
    reader.begin(Fixed(Pieces(b"x" * 3000, (700,))))
    reader.fill()
    reader.fill()
    reader.begin(Fixed(Pieces(lengths(4), (2,))))
    found = []
    while reader.fill():
        if reader.line() >= 0:
            found.append(bytes(reader.buf[reader.start : reader.line()]))
    equal(found, [b"AAAA"])


def opening(results):
    calls = []

    def opened(path, mode, buffering):
        calls.append(path)
        result = results[min(len(calls), len(results)) - 1]
        if isinstance(result, OSError):
            raise result
        return result

    proc_lines.open = opened
    return calls


class Seeks:
    def __init__(self, error=None):
        self.error = error
        self.closed = False
        self.seeks = 0

    def seek(self, at):
        self.seeks += 1
        if self.error:
            raise self.error

    def close(self):
        self.closed = True


def test_a_file_is_opened_once():
    content = Seeks()
    calls = opening([content])
    file = ProcFile("/a")
    for _ in range(3):
        assert file.rewind() is content
    equal((calls, content.seeks, file.error), (["/a"], 2, None))
    file.close()
    assert content.closed
    file.close()


def test_a_file_that_is_not_there_is_tried_again():
    content = Seeks()
    calls = opening([OSError(errno.ENOENT, ""), OSError(errno.EACCES, ""), content])
    file = ProcFile("/a")
    assert not file.absent()
    assert file.rewind() is None and file.absent()
    assert file.rewind() is None and not file.absent()  # there, but not for us
    assert file.rewind() is content and file.error is None and not file.absent()
    equal(len(calls), 3)


def test_a_file_that_goes_away():
    gone = Seeks(OSError(errno.EIO, ""))
    content = Seeks()
    opening([gone, content])
    file = ProcFile("/a")
    assert file.rewind() is gone
    assert file.rewind() is None and gone.closed and file.error.errno == errno.EIO
    assert file.rewind() is content


def test_errors_with_the_other_sign():
    opening([OSError(-errno.ENOENT, "")])
    file = ProcFile("/a")
    file.rewind()
    assert file.absent()
