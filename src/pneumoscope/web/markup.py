"""The parts of the page as HTML. Whatever came with a film is escaped here."""

from collections.abc import Sequence
from html import escape

from pneumoscope.report.colour import OPACITY_AT_LIMIT, evidence_colours
from pneumoscope.report.display import CONTOUR_SHARE
from pneumoscope.report.wording import base_name, percent, sentence
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.rule import OWN_THRESHOLD, Bounds, Rule
from pneumoscope.web.scored import Results, Scored

__all__ = ["header", "legend", "rates", "state", "table", "verdict", "viewer", "welcome"]

_EMPTY = ""
_LEGEND_STEPS = 16
_NAUGHT = 0.05  # logit units that are written as 0


def header(bundle: Bundle) -> str:
    """Name, bundle, purpose, and the switch between light and dark."""
    return (
        '<div class="masthead"><div class="brand"><b>Pneumoscope</b>'
        f'<span class="bundle" title="The model in use">{escape(bundle.identity)}</span></div>'
        '<div class="purpose" role="note">Research use only <span>&middot; not a medical device</span></div>'
        '<button type="button" class="shade" aria-label="Switch between light and dark">'
        '<span aria-hidden="true">&#9681;</span></button></div>'
    )


def welcome(bundle: Bundle, public: bool) -> str:
    """What stands where the first result will be.

    Args:
        bundle: in use.
        public: whether films leave the machines of those who send them.
    """
    notice = (
        '<p class="public" role="note"><b>Films leave your machine here.</b> Send only films without names '
        "that you may pass on.</p>"
    )
    return (
        '<div class="welcome"><h2>How likely is pneumonia, and where is the evidence?</h2>'
        f"{notice if public else ''}"
        "<ol><li><b>Drop a frontal chest film</b>, or many: DICOM, PNG, JPEG, TIFF, BMP or WebP.</li>"
        "<li><b>Read the calibrated probability</b> and the verdict at a threshold of your choice, with the "
        "sensitivity and specificity it was measured to have.</li>"
        "<li><b>See the evidence</b> over the film, on one colour scale for all films.</li></ol>"
        "<p>Films are held in memory, never on a disk, and deleted as soon as they are scored; the results "
        "when you clear them or close the page. Of a DICOM header only modality, body part, view and age are "
        "used; no name and no date is shown or kept.</p>"
        f'<p class="quiet">{escape(bundle.card.intended_use)}</p></div>'
    )


def state(text: str, done: int = 0, total: int = 0) -> str:
    """What is going on, below the place where films are dropped.

    Args:
        text: a few words.
        done: films scored.
        total: films to score; none is shown as working while it is above `done`.
    """
    busy = ' data-busy="yes"' if done < total else ""
    bar = f'<progress max="{total}" value="{done}"></progress>' if done < total else ""
    return f'<span class="told"{busy}>{escape(text)}</span>{bar}'


def rates(rule: Rule, bundle: Bundle) -> str:
    """What a threshold gave, beside the controls that choose it."""
    return (
        f'<div class="rates"><p class="from">{escape(bundle.card.labels[1])} from '
        f"<b>{percent(rule.threshold)}</b></p>"
        f'<dl><div><dt>Sensitivity</dt><dd id="sensitivity">{_rate(rule.sensitivity)}</dd></div>'
        f'<div><dt>Specificity</dt><dd id="specificity">{_rate(rule.specificity)}</dd></div></dl>'
        f'<p class="quiet">{_measured(rule)}</p></div>'
    )


def _share(rate: Estimate | Bounds) -> str:
    if not isinstance(rate, Bounds):
        return f"{100 * rate.value:.1f} %"
    if rate.low <= 0:
        return f"at most {100 * rate.high:.1f} %"
    return (
        f"at least {100 * rate.low:.1f} %"
        if rate.high >= 1
        else f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"
    )


def _rate(rate: Estimate | Bounds) -> str:
    if isinstance(rate, Bounds):
        return f"{_share(rate)} <small>bounds, not measured here</small>"
    return f"{_share(rate)} <small>{100 * rate.low:.1f} to {100 * rate.high:.1f}</small>"


def _measured(rule: Rule) -> str:
    where = f"Measured on {escape(rule.split)}. Films of other places may differ."
    if not rule.between:
        return f"Below each: its 95 % interval. {where}"
    ends = " and ".join(escape(name) for name in rule.between)
    lies = f"between {ends}" if len(rule.between) > 1 else f"beyond {ends}"
    return f"This threshold lies {lies}; so do its rates on the same films. {where}"


def verdict(scored: Scored | None, rule: Rule, bundle: Bundle) -> str:
    """The result of one film at a glance.

    Args:
        scored: the film, or None where there is none.
        rule: what decides.
        bundle: that scored it.
    """
    if scored is None:
        return _EMPTY
    entry = scored.entry
    name = f'<p class="film-name">{escape(base_name(str(entry.record["path"])))}</p>'
    if scored.probability is None:
        status = str(entry.record["status"])
        said = "Not scored" if status == "rejected" else "Not readable"
        return (
            f'<section class="verdict refused" aria-label="Result">{name}<p class="finding">{said}</p>'
            f'<p class="why">{escape(sentence(str(entry.record["reason"])))}</p></section>'
        )
    decided = entry.under(rule, bundle.card.labels)
    finding = str(decided.record["finding"])
    positive = finding == bundle.card.labels[1]
    own = rule.name == OWN_THRESHOLD
    chosen = "your threshold" if own else f"the {escape(rule.name)} threshold"
    side = "At or above" if positive else "Below"
    warnings = "".join(f"<li>{escape(sentence(each))}</li>" for each in entry.warnings)
    return (
        f'<section class="verdict {"positive" if positive else "negative"}" aria-label="Result">{name}'
        f'<div class="glance"><p class="finding">{escape(finding)}</p>'
        f'<p class="probability"><b>{percent(scored.probability)}</b> calibrated probability of pneumonia'
        f"</p></div>{_gauge(scored.probability, rule.threshold)}"
        f'<p class="why">{side} {chosen} of {percent(rule.threshold)}, which had a sensitivity of '
        f"<b>{_share(rule.sensitivity)}</b> and a specificity of <b>{_share(rule.specificity)}</b> on "
        f"{escape(rule.split)}.</p>"
        + (f'<div class="warnings" role="note"><b>Mind this</b><ul>{warnings}</ul></div>' if warnings else "")
        + f'<p class="quiet">{escape(entry.description)} &middot; {escape(bundle.identity)} &middot; '
        "Research use only. Nothing but pneumonia is looked for.</p></section>"
    )


def _gauge(probability: float, threshold: float) -> str:
    """Probability and threshold on one line from 0 to 100 %."""
    return (
        f'<div class="gauge" role="img" aria-label="probability {percent(probability)}, threshold '
        f'{percent(threshold)}"><i style="width:{100 * probability:.2f}%"></i>'
        f'<u style="left:{100 * threshold:.2f}%"></u></div>'
        '<div class="ends" aria-hidden="true"><span>0</span><span>100 %</span></div>'
    )


def table(results: Results | None, rule: Rule, bundle: Bundle) -> str:
    """All films of one go, a row each; nothing where there is only one.

    Args:
        results: of one visitor.
        rule: what decides.
        bundle: that scored them.
    """
    if results is None or len(results.films) < 2:
        return _EMPTY
    heads = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" data-by="{key}">{text}</button></th>'
        for key, text in (
            ("number", "#"),
            ("film", "Film"),
            ("finding", "Finding"),
            ("probability", "Probability"),
            ("remark", "Remark"),
        )
    )
    rows = "".join(
        _row(number, scored, number == results.shown, rule, bundle)
        for number, scored in enumerate(results.films)
    )
    return (
        '<div class="films" tabindex="0" role="region" aria-label="All files"><table>'
        f"<caption>{_counted(results, rule, bundle)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _counted(results: Results, rule: Rule, bundle: Bundle) -> str:
    probabilities = [film.probability for film in results.films if film.probability is not None]
    positive = sum(probability >= rule.threshold for probability in probabilities)
    return (
        f"{len(results.films)} files, {len(probabilities)} scored, {positive} {escape(bundle.card.labels[1])}"
    )


def _row(number: int, scored: Scored, shown: bool, rule: Rule, bundle: Bundle) -> str:
    record = scored.entry.under(rule, bundle.card.labels).record
    name = escape(base_name(str(record["path"])))
    remark = record["reason"] or "; ".join(scored.entry.warnings)
    if scored.probability is None:
        kind, finding, share, key = "refused", escape(str(record["status"])), "", "-1"
    else:
        finding = escape(str(record["finding"]))
        kind = "positive" if record["finding"] == bundle.card.labels[1] else "negative"
        key = f"{scored.probability:.6f}"
        share = (
            f'<span class="share"><i style="width:{100 * scored.probability:.1f}%"></i></span>'
            f"{percent(scored.probability)}"
        )
    current = ' aria-current="true"' if shown else ""
    return (
        f'<tr class="{kind}" data-number="{number}"{current}><td>{number + 1}</td>'
        f'<td class="film"><button type="button">{name}</button></td>'
        f'<td><span class="chip">{finding}</span></td><td data-key="{key}">{share}</td>'
        f'<td class="remark">{escape(sentence(str(remark)))}</td></tr>'
    )


def viewer(scored: Scored | None, limit: float) -> str:
    """The film beside the film with its evidence.

    Args:
        scored: the film, or None where there is none.
        limit: logit units at which the colours saturate.
    """
    if scored is None or scored.views is None:
        return _EMPTY
    views = scored.views
    return (
        f'<div class="viewer" style="--w:{views.width};--h:{views.height}">'
        '<button type="button" class="enlarge">Full screen</button><figure><div class="film-picture">'
        f'<img class="film" alt="The film as read" src="{views.film}"></div>'
        "<figcaption>Film</figcaption></figure>"
        '<figure><div class="film-picture">'
        f'<img class="film" alt="The film below its evidence" src="{views.film}">'
        f'<img class="evidence" alt="Evidence for pneumonia in colour" src="{views.evidence}">'
        f'<img class="contour" alt="Line at {CONTOUR_SHARE * limit:.3g} logit units" src="{views.contour}">'
        "</div><figcaption>Film with the evidence for pneumonia</figcaption></figure>"
        f"{legend(limit, views.hottest)}</div>"
    )


def legend(limit: float, hottest: float) -> str:
    """The colours, from none to the bundle's limit, as they look over grey, and how far up a film reaches.

    Args:
        limit: logit units at which the colours saturate.
        hottest: evidence at the film's hottest point, logit units.
    """
    bar = f"background-image:linear-gradient(to right,{_stops(limit)})"
    line, at = CONTOUR_SHARE * limit, f"left:{100 * CONTOUR_SHARE:.0f}%"
    return (
        f'<div class="legend" role="img" aria-label="Colours from 0 to {limit:.3g} logit units">'
        f'<span>0</span><div class="colours" style="{bar}"><u style="{at}"></u>{_mark(hottest, limit)}</div>'
        f"<span>{limit:.3g}</span><p>Evidence in logit units, on one scale for every film; the line runs at "
        f"{line:.3g}. {_reached(hottest, line)} The colours show what moved the score, and are no outline of "
        "a lesion.</p></div>"
    )


def _mark(hottest: float, limit: float) -> str:
    """Where the film's hottest point lies on the bar."""
    share = min(max(hottest / limit, 0.0), 1.0)
    return f'<b class="hottest" style="left:{100 * share:.1f}%"></b>'


def _reached(hottest: float, line: float) -> str:
    """Why there is a line or none."""
    if hottest < _NAUGHT:
        return "No point of this film has evidence above 0."
    reached = f"The hottest point of this film has {hottest:.1f}"
    return f"{reached}." if hottest > line else f"{reached}: too little for a line."


def _stops(limit: float) -> str:
    import numpy as np

    shares: Sequence[float] = np.linspace(0.0, 1.0, _LEGEND_STEPS).tolist()
    colours = evidence_colours(np.asarray(shares, dtype=np.float32) * np.float32(limit), limit)
    return ",".join(
        f"rgba({red:.0f},{green:.0f},{blue:.0f},{OPACITY_AT_LIMIT * share:.3f}) {100 * share:.1f}%"
        for share, (red, green, blue) in zip(shares, colours.tolist(), strict=True)
    )
