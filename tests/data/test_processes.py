"""One function over many things, in one process or in several."""

import os
import signal

import pytest

from pneumoscope.data.processes import processes
from pneumoscope.errors import DataError


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    with processes(workers) as each:
        assert list(each(abs, range(-40, 0))) == list(range(40, 0, -1))


def test_one_process_is_this_one_and_works_as_results_are_asked_for():
    seen = []
    with processes(1) as each:
        results = each(seen.append, [1, 2])
        next(results)
        assert seen == [1]


def test_a_process_that_dies_is_told_of():
    with pytest.raises(DataError, match="fewer workers"), processes(2) as each:
        list(each(_die, [signal.SIGKILL]))


def _die(number):
    os.kill(os.getpid(), number)


def test_an_error_of_the_function_is_the_callers():
    with pytest.raises(ZeroDivisionError), processes(2) as each:
        list(each(_invert, [1, 0]))


def _invert(number):
    return 1 / number
