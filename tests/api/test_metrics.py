"""The text is Prometheus's format, and its sums are right."""

import re

from pneumoscope.api.metrics import Metrics
from pneumoscope.api.pool import ScoringPool
from pneumoscope.api.settings import Settings

LINE = re.compile(
    r'^([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? ([0-9.e+-]+)$'
)


def samples(metrics: Metrics, model: str = "tiny 1") -> dict[str, float]:
    pool = ScoringPool(Settings())
    text = metrics.expose(pool, model)
    pool.close()
    assert text.endswith("\n")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ .+", line)
            continue
        name, labels, value = LINE.match(line).groups()
        assert name + (labels or "") not in found
        found[name + (labels or "")] = float(value)
    return found


def test_empty() -> None:
    found = samples(Metrics())
    assert found['pneumoscope_films_total{status="ok"}'] == 0
    assert found["pneumoscope_requests_unfinished"] == 0


def test_counts_and_histogram() -> None:
    metrics = Metrics()
    for seconds in (0.005, 0.01, 0.02, 70.0):
        metrics.count_request("/v1/predict", "POST", 200, seconds)
    metrics.count_request("other", "GET", 404, 0.5)
    metrics.count_film("ok")
    found = samples(metrics)
    assert found['pneumoscope_requests_total{route="/v1/predict",method="POST",status="200"}'] == 4
    bucket = 'pneumoscope_request_seconds_bucket{{route="/v1/predict",le="{}"}}'
    assert [found[bucket.format(bound)] for bound in ("0.01", "0.025", "60.0", "+Inf")] == [2, 3, 3, 4]
    assert found['pneumoscope_request_seconds_sum{route="/v1/predict"}'] == 70.035
    assert found['pneumoscope_request_seconds_count{route="/v1/predict"}'] == 4
    assert found['pneumoscope_films_total{status="ok"}'] == 1


def test_labels_are_quoted() -> None:
    assert any('a\\"b\\\\c' in name for name in samples(Metrics(), 'a"b\\c'))
