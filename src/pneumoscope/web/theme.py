"""Colours and type of the page, from what every system has: no font is fetched from anybody."""

import gradio as gr

__all__ = ["page_theme"]

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def page_theme() -> gr.themes.Base:
    """A quiet theme in slate and blue, light and dark."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
        font=_SANS,
        font_mono=_MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="#0c1118",
        block_background_fill="white",
        block_background_fill_dark="#151b24",
        block_border_width="0px",
        block_shadow="none",
        button_large_padding="*spacing_md *spacing_lg",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_text_color="white",
        slider_color="*primary_600",
    )
