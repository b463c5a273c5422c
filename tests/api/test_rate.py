from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.api.rate import RateLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_at_once_then_one_by_one() -> None:
    clock = Clock()
    limit = RateLimit(6, clock=clock)
    assert [limit.wait_seconds("a") for _ in range(6)] == [0.0] * 6
    assert limit.wait_seconds("a") == 10.0
    assert limit.wait_seconds("b") == 0.0
    clock.now = 10.0
    assert limit.wait_seconds("a") == 0.0
    assert limit.wait_seconds("a") > 0.0


def test_no_limit() -> None:
    limit = RateLimit(0)
    assert {limit.wait_seconds("a") for _ in range(1000)} == {0.0}


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 20))
def test_never_more_than_twice_the_rate_in_any_minute(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock=clock)
    allowed = []
    for pause in pauses:
        clock.now += pause
        wait = limit.wait_seconds("a")
        if not wait:
            allowed.append(clock.now)
    for begin in allowed:
        assert sum(begin <= at < begin + 60 for at in allowed) <= 2 * per_minute


def test_only_the_latest_addresses_are_remembered() -> None:
    limit = RateLimit(1, clock=Clock(), remembered=2)
    assert limit.wait_seconds("a") == 0.0
    for other in ("b", "c"):
        limit.wait_seconds(other)
    assert limit.wait_seconds("a") == 0.0
