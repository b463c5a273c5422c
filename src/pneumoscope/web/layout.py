"""What stands where on the page, and what happens when it is used."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from pneumoscope.image.sample import sample_path
from pneumoscope.report.film_page import model_section
from pneumoscope.runtime.rule import OWN_THRESHOLD, Rule
from pneumoscope.web import markup
from pneumoscope.web.actions import Actions, Sent
from pneumoscope.web.scored import Results, Scored
from pneumoscope.web.settings import PageSettings

__all__ = ["Layout", "look"]

_LOOK = files("pneumoscope.web") / "look"
_MB = 2**20
_KEPT_SECONDS = 3600
_LOWEST, _HIGHEST = 1, 99  # of the slider, percent
_GONE = "Your films are no longer kept here. Send them again."

# These change what is shown and ask nobody.
_SET_OPACITY = "(share) => document.documentElement.style.setProperty('--evidence-opacity', share / 100)"
_SHOW = "(shown) => document.documentElement.style.setProperty('--{0}-display', shown ? 'block' : 'none')"


def look(name: str) -> str:
    """A style, script or template of the page."""
    return (_LOOK / name).read_text(encoding="utf-8")


class Layout:
    """Components and events, made inside a `gradio.Blocks`.

    Args:
        actions: what the events do.
        settings: limits, for the words.
        operating_point: chosen at first.
    """

    def __init__(self, actions: Actions, settings: PageSettings, operating_point: str) -> None:
        self._actions = actions
        self._bundle = actions.bundle
        self._welcome = markup.welcome(self._bundle, settings.public)
        rule = actions.rule(operating_point, 50)
        self.results = gr.State(None, time_to_live=_KEPT_SECONDS)
        _html(markup.header(self._bundle), js_on_load=look("header.js"), elem_id="header")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=1, min_width=300, elem_id="side"):
                self._make_entrance(settings)
                self._make_threshold(operating_point, rule)
            with gr.Column(scale=3, min_width=320, elem_id="stage"):
                self._make_stage()
        with gr.Accordion("About the model: what it is for, on whom it was trained and measured", open=False):
            _html(model_section(self._bundle), elem_id="model")
        self._bind()

    def _make_entrance(self, settings: PageSettings) -> None:
        self.drop = _html(
            "",
            html_template=look("drop.html"),
            js_on_load=look("drop.js"),
            megabytes=settings.film_bytes // _MB,
            films=settings.films,
            elem_id="drop",
        )
        sample = sample_path()
        self.sample = sample
        with gr.Row(elem_id="entrance"):
            self.use_sample = gr.Button(
                "Sample film", visible=sample is not None, min_width=90, size="md", elem_id="sample"
            )
            self.clear = gr.Button("Clear", min_width=90, size="md", elem_id="clear")

    def _make_threshold(self, operating_point: str, rule: Rule) -> None:
        with gr.Group(elem_id="threshold"):
            points = [str(name) for name in self._bundle.card.operating_points]
            self.point = gr.Radio(
                [*((name.capitalize(), name) for name in points), ("My own", OWN_THRESHOLD)],
                value=operating_point,
                label="Operating point",
                elem_id="point",
            )
            self.percent = gr.Slider(
                _LOWEST,
                _HIGHEST,
                _whole(rule.threshold),
                step=1,
                label="Threshold in percent",
                elem_id="percent",
            )
            self.rates = _html(markup.rates(rule, self._bundle), elem_id="rates")

    def _make_stage(self) -> None:
        self.welcome = _html(self._welcome, elem_id="welcome")
        self.table = _html("", js_on_load=look("films.js"), elem_id="films")
        self.verdict = _html("", elem_id="result")
        self.viewer = _html("", js_on_load=look("viewer.js"), elem_id="viewer")
        with gr.Row(visible=False, elem_id="layers") as self.layers:
            self.opacity = gr.Slider(
                0, 100, 100, step=5, label="Strength of the colours in percent", scale=3, elem_id="opacity"
            )
            self.coloured = gr.Checkbox(True, label="Evidence", scale=1, min_width=120, elem_id="coloured")
            self.lined = gr.Checkbox(True, label="Contour", scale=1, min_width=120, elem_id="lined")
        with gr.Row(visible=False, elem_id="take-away") as self.take_away:
            self.report = gr.Button("Save report", variant="primary", size="md", elem_id="report")
            self.csv = gr.Button("Save CSV", size="md", elem_id="csv")
        self.download = _html(None, js_on_load=look("download.js"), elem_id="download")

    def _bind(self) -> None:
        """Say what each component does; nothing of it can be called by name from outside."""
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        chosen = [self.point, self.percent]
        shown = [self.results, self.drop, self.welcome, self.verdict, self.viewer, self.table, self.layers,
                 self.take_away, *chosen]  # fmt: skip
        scoring: dict[str, Any] = {
            "inputs": chosen,
            "outputs": shown,
            "api_visibility": "private",
            "show_progress": "minimal",
            "show_progress_on": [self.drop],
            "concurrency_id": "score",
            "concurrency_limit": self._actions.workers,
        }
        sent = self.drop.films(self.on_films, **scoring)
        sampled = self.use_sample.click(self.on_sample, **scoring)
        self.clear.click(self.on_clear, outputs=shown, cancels=[sent, sampled], **private)
        judged = [self.point, self.percent, self.rates, self.verdict, self.table]
        asked = [self.results, *chosen]
        self.point.input(self.on_point, asked, judged, **private)
        self.percent.input(self.on_percent, asked, judged, trigger_mode="always_last", **private)
        self.table.pick(
            self.on_pick, asked, [self.results, self.verdict, self.viewer, self.layers], **private
        )
        for button, write in ((self.report, self.on_report), (self.csv, self.on_csv)):
            button.click(write, asked, self.download, **private).then(
                self.on_downloaded, None, self.download, **private
            )
        self.opacity.input(None, self.opacity, js=_SET_OPACITY, **private)
        self.coloured.input(None, self.coloured, js=_SHOW.format("evidence"), **private)
        self.lined.input(None, self.lined, js=_SHOW.format("contour"), **private)

    def on_films(self, event: gr.EventData, point: str, percent: float) -> Iterator[list[Any]]:
        """Films have been sent."""
        yield from self._score(_sent(getattr(event, "films", None)), self._actions.rule(point, percent))

    def on_sample(self, point: str, percent: float) -> Iterator[list[Any]]:
        """The sample is asked for."""
        yield from self._score([self.sample] if self.sample else [], self._actions.rule(point, percent))

    def _score(self, films: Sequence[Sent | Path], rule: Rule) -> Iterator[list[Any]]:
        skip: Any = gr.skip()
        total = len(films)
        hidden, fixed = gr.update(visible=False), gr.update(interactive=False)
        # A verdict on the film before is not left standing, and all films of one go are judged by one rule.
        yield [None, markup.state(_scoring(total), 0, total), "", "", "", "", hidden, hidden, fixed, fixed]
        for results in self._actions.score(films):
            done = len(results.films)
            first = done == 1
            yield [
                results,
                markup.state(_scoring(total, results), done, total),
                skip,
                markup.verdict(results.films[0], rule, self._bundle) if first else skip,
                self._viewer(results.films[0]) if first else skip,
                markup.table(results, rule, self._bundle),
                gr.update(visible=results.films[0].views is not None) if first else skip,
                gr.update(visible=True) if done == total else skip,
                *[gr.update(interactive=True) if done == total else skip] * 2,
            ]

    def on_clear(self) -> list[Any]:
        """Everything of the visitor is forgotten."""
        hidden = gr.update(visible=False)
        free = gr.update(interactive=True)
        return [None, "", self._welcome, "", "", "", hidden, hidden, free, free]

    def on_point(self, results: Results | None, point: str, percent: float) -> list[Any]:
        """Another operating point."""
        rule = self._actions.rule(point, percent)
        return [gr.skip(), _whole(rule.threshold), *self._judged(results, rule)]

    def on_percent(self, results: Results | None, _: str, percent: float) -> list[Any]:
        """Another threshold."""
        rule = self._actions.rule(OWN_THRESHOLD, percent)
        return [OWN_THRESHOLD, gr.skip(), *self._judged(results, rule)]

    def _judged(self, results: Results | None, rule: Rule) -> list[Any]:
        shown = results.films[results.shown] if results else None
        return [
            markup.rates(rule, self._bundle),
            markup.verdict(shown, rule, self._bundle),
            markup.table(results, rule, self._bundle),
        ]

    def on_pick(self, event: gr.EventData, results: Results | None, point: str, percent: float) -> list[Any]:
        """A row of the table."""
        number = getattr(event, "number", None)
        if results is None or not isinstance(number, int) or not 0 <= number < len(results.films):
            gr.Info(_GONE)
            return [gr.skip()] * 4
        film = results.films[number]
        rule = self._actions.rule(point, percent)
        return [
            Results(results.films, number),
            markup.verdict(film, rule, self._bundle),
            self._viewer(film),
            gr.update(visible=film.views is not None),
        ]

    def on_report(self, results: Results | None, point: str, percent: float) -> dict[str, str] | None:
        """The report is asked for."""
        if results is None:
            gr.Info(_GONE)
            return None
        text = self._actions.report(results, self._actions.rule(point, percent))
        return {"name": "pneumoscope-report.html", "type": "text/html", "text": text}

    def on_csv(self, results: Results | None, point: str, percent: float) -> dict[str, str] | None:
        """The records are asked for."""
        if results is None:
            gr.Info(_GONE)
            return None
        text = self._actions.csv(results, self._actions.rule(point, percent))
        return {"name": "pneumoscope.csv", "type": "text/csv", "text": text}

    def on_downloaded(self) -> None:
        """The text is with the browser and not kept here."""

    def _viewer(self, film: Scored) -> str:
        return markup.viewer(film, self._bundle.card.heatmap_limit)


def _html(value: str | None, *, elem_id: str, js_on_load: str | None = None, **options: Any) -> gr.HTML:
    """A part of the page that has its own style."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=js_on_load, apply_default_css=False, **options)


def _sent(films: object) -> list[Sent]:
    """What a browser claims to have sent, in the shape it must have."""
    claimed = films if isinstance(films, list) else []
    told = [
        (one.get("name"), one.get("ticket"), one.get("status")) for one in claimed if isinstance(one, dict)
    ]
    return [
        Sent(name, ticket if isinstance(ticket, str) else None, status if isinstance(status, int) else 0)
        for name, ticket, status in told
        if isinstance(name, str)
    ]


def _whole(threshold: float) -> int:
    """A threshold as the slider shows it: a bundle's own may lie closer to 0 or 1 than the slider goes."""
    return min(max(round(100 * threshold), _LOWEST), _HIGHEST)


def _scoring(total: int, results: Results | None = None) -> str:
    """How far the films of one go are."""
    films = results.films if results else ()
    if len(films) < total:
        return f"Scoring {len(films) + 1} of {total}" if total > 1 else "Scoring"
    if total == 1:
        return "Not scored" if films[0].views is None else "Scored"
    return f"{total} files are done"
