"""The end of a run tells what really encrypted work took."""

import core_time


def test_what_tests_took_down_is_added_up_by_purpose() -> None:
    taken = [
        ("core-seconds: cells", 1.6),
        ("core-seconds: known answers", 300.0),
        ("core-seconds: cells", 2.0),
    ]
    assert list(core_time.lines([*taken, ("other", 7.0)])) == [
        "cells: 4 core-seconds",
        "known answers: 300 core-seconds",
        "really encrypted: 304 of 480 core-seconds",
    ]


def test_a_run_without_such_work_says_nothing() -> None:
    assert list(core_time.lines([("other", 7.0)])) == []
