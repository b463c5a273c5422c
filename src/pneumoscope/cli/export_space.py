"""`pneumoscope export-space`: the folder of a Hugging Face Space with the web page."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.options import ModelOption

__all__ = ["export_space"]


def export_space(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the Space; an older one there is replaced.")
    ] = Path("space"),
    model: ModelOption = None,
) -> None:
    """Make the folder of a Hugging Face Space: the web page, what it needs, and a bundle.

    Nothing is sent anywhere. For research use only.
    """
    from pneumoscope.runtime.bundle import find_bundle, open_bundle
    from pneumoscope.web.space import write_space

    bundle = open_bundle(find_bundle(model))
    write_space(out, bundle)
    print(f"{out}: the page with {bundle.identity}")
    print(f"to put it online: hf upload OWNER/pneumoscope {out} . --repo-type space")
