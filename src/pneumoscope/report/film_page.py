"""What was found on films, as one HTML page that needs nothing else and prints well.

The page holds pictures, numbers, and what the model is and is not for. Of the film's file it tells the name
that the caller gave, format, size and view; nothing of the patient is known here.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from urllib.parse import quote

from PIL import Image

from pneumoscope.report.overlay import EVIDENCE_BOX, FILM_BOX
from pneumoscope.report.page import page, page_parts, table
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.film import Failure, Film, Record

__all__ = ["film_section", "render_film_page", "render_index_page", "render_job_page"]

_PURPOSE = (
    "Research use only; not a medical device. It must not be used to diagnose, treat or triage patients."
)
_JPEG_QUALITY = 90
_STYLE = """
.finding{font-size:1.3rem;margin:.5rem 0}.finding b{margin-right:1rem}.caution{color:#8a4b00;font-weight:600}
.bar{position:relative;height:.6rem;background:#ddd;max-width:28rem;margin:.5rem 0}
.bar i{position:absolute;inset:0 auto 0 0;background:#1a1a1a}
.bar u{position:absolute;top:-.25rem;bottom:-.25rem;width:3px;background:#0072B2}
figure{margin:0 .5rem 1rem 0;max-width:31rem}figure img{width:100%;height:auto;display:block}
.pictures{display:flex;flex-wrap:wrap}.pictures figure{flex:1 1 0;min-width:17rem;max-width:44rem}
td:last-child{overflow-wrap:anywhere}.told td{text-align:left}.told td:first-child{white-space:nowrap}
@media print{@page{size:A4;margin:14mm}body{margin:0;font-size:10.5pt;max-width:none}
section,table,figure{break-inside:avoid}section+section{break-before:page}
.pictures{flex-wrap:nowrap}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def render_film_page(result: Film | Failure, bundle: Bundle) -> str:
    """The page of one film.

    Args:
        result: as scored, or why it was not.
        bundle: that scored it.
    """
    return page(
        _title("Film", bundle),
        [_head("Chest film", bundle), film_section(result, bundle), _model(bundle)],
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
    body = [_head(_counted(records), bundle), overview, *sections, _model(bundle)]
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
        yield "<table><tr><th>Film</th><th>Finding</th><th>Probability</th><th>Remark</th></tr>"
        for record, target in records:
            name = escape(str(record["path"]))
            first = name if target is None else f'<a href="{escape(_url(target))}">{name}</a>'
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(record))
            yield f"<tr><td>{first}</td>{cells}</tr>"
        yield "</table>"
        yield _model(bundle)

    return (part + "\n" for part in page_parts(_title("Films", bundle), rows(), _STYLE))


def film_section(result: Film | Failure, bundle: Bundle) -> str:
    """One film's part of a page.

    Args:
        result: as scored, or why it was not.
        bundle: that scored it.
    """
    name = escape(_base_name(result.path))
    if isinstance(result, Failure):
        return (
            f'<section><h2>{name}</h2><p class="finding"><b>No score</b> {escape(result.status)}</p>'
            f"<p>{escape(_sentence(result.reason))}</p></section>"
        )
    card, radiograph = bundle.card, result.radiograph
    point = next(each for key, each in card.operating_points.items() if key == result.operating_point)
    view = f", view {escape(radiograph.view_position)}" if radiograph.view_position else ""
    warnings = "".join(f"<li>{escape(_sentence(each))}</li>" for each in result.warnings)
    return (
        f'<section><h2>{name}</h2><p class="note">{radiograph.format}, {radiograph.width} x '
        f"{radiograph.height} pixels{view}</p>"
        f'<p class="finding"><b>{escape(result.finding)}</b> probability of pneumonia '
        f"{_percent(result.probability)}</p>{_bar(result)}"
        f"<p>Operating point <b>{escape(result.operating_point)}</b>: {escape(card.labels[1])} from "
        f"{_percent(point.threshold)}. Measured on {escape(point.split)}: sensitivity "
        f"{_interval(point.sensitivity)} and specificity {_interval(point.specificity)}.</p>"
        + (f'<div class="caution">Mind this:<ul>{warnings}</ul></div>' if warnings else "")
        + _pictures(result)
        + "</section>"
    )


def _title(what: str, bundle: Bundle) -> str:
    return f"{what}: {bundle.identity}"


def _head(title: str, bundle: Bundle) -> str:
    return (
        f'<h1>{escape(title)}</h1><p class="note">Scored with {escape(bundle.identity)}.</p>'
        f'<p class="caution">{_PURPOSE}</p>'
    )


def _counted(records: Sequence[Record]) -> str:
    scored = sum(record["status"] == "ok" for record in records)
    return f"{len(records)} chest films, {scored} scored"


def _cells(record: Record) -> tuple[str, str, str]:
    probability = record["probability"]
    said = _percent(probability) if isinstance(probability, float) else ""
    return str(record["finding"] or record["status"]), said, _sentence(str(record["reason"] or ""))


def _bar(film: Film) -> str:
    """Probability and threshold on a line from 0 to 100 %."""
    return (
        f'<div class="bar" role="img" aria-label="probability {_percent(film.probability)}, threshold '
        f'{_percent(film.threshold)}"><i style="width:{100 * film.probability:.2f}%"></i>'
        f'<u style="left:{100 * film.threshold:.2f}%"></u></div>'
    )


def _pictures(film: Film) -> str:
    """Both panels of the overlay, each as a picture of its own."""
    overlay = film.overlay()
    left, top, _, bottom = EVIDENCE_BOX
    evidence = overlay.crop((left, top, overlay.width, bottom))  # the legend stands at its right
    captions = (
        (overlay.crop(FILM_BOX), "The film", "the film as read"),
        (
            evidence,
            f"Evidence for pneumonia, 0 to {film.heatmap_limit:.3g} logit units on every film; "
            "no outline of a lesion",
            "the film with the evidence in colour, and the scale of the colours",
        ),
    )
    figures = (
        # Widths in proportion to the pictures' make their heights equal, the legend's strip included.
        f'<figure style="flex-grow:{picture.width / picture.height:.3f}"><img alt="{alternative}" '
        f'width="{picture.width}" height="{picture.height}" '
        f'src="{_embedded(picture)}"><figcaption>{caption}</figcaption></figure>'
        for picture, caption, alternative in captions
    )
    return f'<div class="pictures">{"".join(figures)}</div>'


def _embedded(picture: Image.Image) -> str:
    file = BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _model(bundle: Bundle) -> str:
    """What the model is and is not for, and the facts of its card."""
    card = bundle.card
    points = (
        (
            name,
            f"{point.threshold:.4f}",
            _interval(point.sensitivity),
            _interval(point.specificity),
            point.split,
        )
        for name, point in card.operating_points.items()
    )
    measured = [
        (each.split, f"{each.films:,}", f"{each.positives:,}", _interval(each.metrics.get("auc")))
        for each in card.evaluations
    ]
    trained = [
        (source.get("name", "-"), source.get("films", "-"), source.get("licence", "-"))
        for source in card.training_data
    ]
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
        f"<section><h2>The model</h2><p>{escape(card.intended_use)}</p>"
        f"<h3>What it is not for</h3><p>{_PURPOSE}</p><ul>{limits}</ul>"
        f"<h3>Who was in its training films</h3><p>{escape(card.intended_population)}</p>"
        + table(("Source", "Films", "Licence"), trained)
        + "<h3>Operating points</h3>"
        + table(("Operating point", "Threshold", "Sensitivity", "Specificity", "Measured on"), points)
        + (
            "<h3>Measured</h3>" + table(("Films of", "Films", "With pneumonia", "AUC"), measured)
            if measured
            else ""
        )
        + f'<p class="note">In brackets: 95 % intervals.</p><div class="told">{facts}</div></section>'
    )


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _percent(probability: float) -> str:
    """A share in percent with one decimal; certainty, 0 or 100, is never claimed.

    >>> _percent(0.5), _percent(0.0001), _percent(0.9999)
    ('50.0 %', 'below 0.1 %', 'over 99.9 %')
    """
    if probability < 0.001:
        return "below 0.1 %"
    return "over 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"


def _sentence(text: str) -> str:
    """A text as a sentence.

    >>> _sentence("it is empty; send it again")
    'It is empty; send it again.'
    """
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith(".") else ".")


def _base_name(path: str) -> str:
    """The last part of a path, without characters that no text may hold."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1] or path
    return name.encode("utf-8", "replace").decode("utf-8")


def _url(name: str) -> str:
    """A file name as a relative link."""
    return quote(name, errors="surrogateescape")
