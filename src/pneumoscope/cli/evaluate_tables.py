"""What `pneumoscope evaluate` says on the terminal."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from pneumoscope.evaluation.baseline import Baseline
    from pneumoscope.evaluation.report import EvaluationReport
    from pneumoscope.evaluation.stress import StressResult
    from pneumoscope.runtime.card import Estimate

__all__ = ["say"]


def say(report: "EvaluationReport") -> None:
    """Tables on standard output, what failed on standard error."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(f"{report.model}, 95 % intervals in brackets", highlight=False)
    _say_groups(report, console)
    if report.comparison:
        _say_comparison(report, console)
    if report.baselines:
        _say_baselines(report.baselines, console)
    if report.stress:
        _say_stress(report.stress, console)
    for failure in report.scores.failures:
        print(f"{failure.path}: {failure.status}: {failure.reason}", file=sys.stderr)


def _say_groups(report: "EvaluationReport", console: "Console") -> None:
    from rich.table import Table

    scores = Table("films of", "films", "patients", "pneumonia", "AUC", "Brier", "calibration error")
    points = Table("films of", "operating point", "threshold", "sensitivity", "specificity", "accuracy", "F1")
    for group in report.groups:
        counts = (group.group, str(group.films), str(group.patients), str(group.positives))
        wanted = ("auc", "brier", "expected_calibration_error")
        scores.add_row(*counts, *(_cell(group.metrics.get(metric)) for metric in wanted))
        for name, point in group.operating_points.items():
            rates = ("sensitivity", "specificity", "accuracy", "f1")
            cells = (_cell(point.metrics.get(rate)) for rate in rates)
            points.add_row(group.group, name, f"{point.threshold:.4f}", *cells)
    console.print(scores)
    console.print(points)


def _say_comparison(report: "EvaluationReport", console: "Console") -> None:
    from rich.table import Table

    rivals = Table("films of", "films", f"AUC, minus {report.rival}", "p (DeLong)", "p (McNemar, balanced)")
    for pair in report.comparison:
        test = pair.auc
        p_value = f"{test.p_value:.3g}" if test else "-"
        difference = _difference(test.difference if test else None)
        rivals.add_row(pair.group, str(pair.films), difference, p_value, f"{pair.mcnemar['balanced']:.3g}")
    console.print(rivals)


def _say_baselines(baselines: "Sequence[Baseline]", console: "Console") -> None:
    from rich.table import Table

    seen = Table("films of", "seen, without the disease", "films", "AUC", "bundle", "bundle minus it")
    for row in baselines:
        figures = (_cell(row.auc), _cell(row.model), _difference(row.difference.difference))
        seen.add_row(row.group, row.title, str(row.films), *figures)
    console.print(seen)


def _say_stress(stress: "Sequence[StressResult]", console: "Console") -> None:
    from rich.table import Table

    changed = Table("films of", "changed", "films", "AUC", "difference", "claimed", "PNEUMONIA")
    for row in stress:
        found = (row.before.findings["balanced"].value, row.after.findings["balanced"].value)
        changed.add_row(
            row.group,
            row.title,
            str(row.films),
            _cell(row.after.auc),
            _difference(row.difference.difference if row.difference else None),
            f"{row.before.distance.value:.3f} to {row.after.distance.value:.3f}",
            f"{found[0]:.0%} to {found[1]:.0%}",
        )
    console.print(changed)


def _cell(estimate: "Estimate | None") -> str:
    return "-" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def _difference(estimate: "Estimate | None") -> str:
    """As `_cell`, but signed: a minus must not stand beside a dash."""
    if estimate is None:
        return "-"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
