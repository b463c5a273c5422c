"""What was found on films, as one HTML page that needs nothing else and prints well.

The page holds pictures, numbers, and what the model is and is not for. Of the film's file it tells the name
that the caller gave, format, size and view; nothing of the patient is known here.
"""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from pneumoscope.report.entry import Entry, film_entry
from pneumoscope.report.page import page, page_parts, table
from pneumoscope.report.wording import PURPOSE, base_name, interval, percent, sentence
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.film import Failure, Film, Record
from pneumoscope.runtime.rule import OWN_THRESHOLD, Rule, point_rule

__all__ = ["film_section", "model_section", "render_film_page", "render_index_page", "render_job_page"]

_STYLE = """
.finding{font-size:1.3rem;margin:.5rem 0}.finding b{margin-right:1rem}.caution{color:#8a4b00;font-weight:600}
.bar{position:relative;height:.6rem;background:#ddd;max-width:28rem;margin:.5rem 0}
.bar i{position:absolute;inset:0 auto 0 0;background:#1a1a1a}
.bar u{position:absolute;top:-.25rem;bottom:-.25rem;width:3px;background:#0072B2}
figure{margin:0 .5rem 1rem 0;max-width:31rem}figure img{width:100%;height:auto;display:block}
.pictures{display:flex;flex-wrap:wrap}.pictures figure{flex:1 1 0;min-width:17rem;max-width:44rem}
.told :is(th,td),.films :is(th,td),.worded :is(th,td):last-child{text-align:left}
.told td:first-child,.films td:nth-child(3){white-space:nowrap}.told td:last-child{overflow-wrap:anywhere}
.films td:first-child{overflow-wrap:anywhere;min-width:9rem}
@media screen and (max-width:700px){table{display:block;overflow-x:auto}}
@media print{@page{size:A4;margin:14mm}body{margin:0;font-size:10.5pt;max-width:none}
section,table,figure{break-inside:avoid}h2,h3{break-after:avoid}
.film+section,section+:is(.film,.model){break-before:page}
.pictures{flex-wrap:nowrap}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def render_film_page(result: Film | Failure | Entry, bundle: Bundle, rule: Rule | None = None) -> str:
    """The page of one film.

    Args:
        result: as scored, or why it was not, or what was kept of either.
        bundle: that scored it.
        rule: what decided the finding, where that was no operating point.
    """
    return page(
        _title("Film", bundle),
        [_head("Chest film", bundle), film_section(result, bundle, rule), model_section(bundle)],
        _STYLE,
    )


def render_job_page(records: Sequence[Record], sections: Sequence[str], bundle: Bundle) -> str:
    """One page of several films, all pictures in it.

    Args:
        records: of all films, in order.
        sections: of all films, in order, from `film_section`.
        bundle: that scored them.
    """
    rows = ((record["path"], *_cells(record)) for record in records)
    overview = table(("Film", "Finding", "Probability", "Remark"), rows)
    body = [
        _head(_counted(records), bundle),
        f'<div class="films">{overview}</div>',
        *sections,
        model_section(bundle),
    ]
    return page(_title("Films", bundle), body, _STYLE)


def render_index_page(
    records: Iterable[tuple[Record, str | None]], title: str, bundle: Bundle
) -> Iterable[str]:
    """The page that links to the pages of many films, in pieces.

    Args:
        records: of all films, in order, each with the name of its own page, or None where it has none.
        title: heading.
        bundle: that scored them.
    """

    def rows() -> Iterable[str]:
        yield _head(title, bundle)
        yield '<table class="films"><tr><th>Film</th><th>Finding</th><th>Probability</th><th>Remark</th></tr>'
        for record, target in records:
            name = escape(str(record["path"]))
            first = name if target is None else f'<a href="{escape(_url(target))}">{name}</a>'
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(record))
            yield f"<tr><td>{first}</td>{cells}</tr>"
        yield "</table>"
        yield model_section(bundle)

    return (part + "\n" for part in page_parts(_title("Films", bundle), rows(), _STYLE))


def film_section(result: Film | Failure | Entry, bundle: Bundle, rule: Rule | None = None) -> str:
    """One film's part of a page.

    Args:
        result: as scored, or why it was not, or what was kept of either.
        bundle: that scored it.
        rule: what decided the finding, where that was no operating point.
    """
    entry = result if isinstance(result, Entry) else film_entry(result)
    record, card = entry.record, bundle.card
    name = escape(base_name(str(record["path"])))
    probability = record["probability"]
    if not isinstance(probability, float):
        return (
            f'<section><h2>{name}</h2><p class="finding"><b>No score</b> {escape(str(record["status"]))}</p>'
            f"<p>{escape(sentence(str(record['reason'])))}</p></section>"
        )
    rule = rule or point_rule(card, str(record["operating_point"]))
    own = rule.name == OWN_THRESHOLD
    called = "Threshold set by hand" if own else f"Operating point <b>{escape(rule.name)}</b>"
    warnings = "".join(f"<li>{escape(sentence(each))}</li>" for each in entry.warnings)
    return (
        f'<section class="film"><h2>{name}</h2><p class="note">{escape(entry.description)}</p>'
        f'<p class="finding"><b>{escape(str(record["finding"]))}</b> probability of pneumonia '
        f"{percent(probability)}</p>{_bar(probability, rule.threshold)}"
        f"<p>{called}: {escape(card.labels[1])} from "
        f"{percent(rule.threshold)}. Measured on {escape(rule.split)}: sensitivity "
        f"{interval(rule.sensitivity)} and specificity {interval(rule.specificity)}.</p>"
        + (f'<div class="caution">Mind this:<ul>{warnings}</ul></div>' if warnings else "")
        + entry.pictures
        + "</section>"
    )


def _title(what: str, bundle: Bundle) -> str:
    return f"{what}: {bundle.identity}"


def _head(title: str, bundle: Bundle) -> str:
    return (
        f'<h1>{escape(title)}</h1><p class="note">Scored with {escape(bundle.identity)}.</p>'
        f'<p class="caution">{PURPOSE}</p>'
    )


def _counted(records: Sequence[Record]) -> str:
    scored = sum(record["status"] == "ok" for record in records)
    return f"{len(records)} chest films, {scored} scored"


def _cells(record: Record) -> tuple[str, str, str]:
    probability = record["probability"]
    said = percent(probability) if isinstance(probability, float) else ""
    return str(record["finding"] or record["status"]), said, sentence(str(record["reason"] or ""))


def _bar(probability: float, threshold: float) -> str:
    """Probability and threshold on a line from 0 to 100 %."""
    return (
        f'<div class="bar" role="img" aria-label="probability {percent(probability)}, threshold '
        f'{percent(threshold)}"><i style="width:{100 * probability:.2f}%"></i>'
        f'<u style="left:{100 * threshold:.2f}%"></u></div>'
    )


def model_section(bundle: Bundle) -> str:
    """What the model is and is not for, and the facts of its card."""
    card = bundle.card
    points = (
        (
            name,
            f"{point.threshold:.4f}",
            interval(point.sensitivity),
            interval(point.specificity),
            point.split,
        )
        for name, point in card.operating_points.items()
    )
    measured = [
        (each.split, f"{each.films:,}", f"{each.positives:,}", interval(each.metrics.get("auc")))
        for each in card.evaluations
    ]
    trained = [
        (source.get("name", "-"), source.get("films", "-"), source.get("licence", "-"))
        for source in card.training_data
    ]
    sources = table(("Source", "Films", "Licence"), trained)
    thresholds = table(("Operating point", "Threshold", "Sensitivity", "Specificity", "Measured on"), points)
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in card.limitations)
    facts = table(
        ("Bundle", bundle.identity),
        (
            ("Architecture", card.architecture),
            ("Created", card.created),
            ("Code revision", card.code_revision),
            ("SHA-256", bundle.sha256),
        ),
    )
    return (
        f'<section class="model"><h2>The model</h2><p>{escape(card.intended_use)}</p>'
        f"<h3>What it is not for</h3><p>{PURPOSE}</p><ul>{limits}</ul>"
        f"<h3>Who was in its training films</h3><p>{escape(card.intended_population)}</p>"
        f'<div class="worded">{sources}</div><h3>Operating points</h3>'
        f'<div class="worded">{thresholds}</div>'
        + (
            "<h3>Measured</h3>" + table(("Films of", "Films", "With pneumonia", "AUC"), measured)
            if measured
            else ""
        )
        + f'<p class="note">In brackets: 95 % intervals.</p><div class="told">{facts}</div></section>'
    )


def _url(name: str) -> str:
    """A file name as a relative link."""
    return quote(name, errors="surrogateescape")
