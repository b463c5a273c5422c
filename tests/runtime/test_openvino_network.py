"""A network by OpenVINO gives the exact numbers, in bfloat16 nearly those, and tells nobody."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from generated import chest_like
from pneumoscope import load
from pneumoscope.errors import BundleError, MissingExtraError
from pneumoscope.runtime.bundle import Bundle, open_bundle
from pneumoscope.runtime.openvino_network import OpenVinoNetwork
from pneumoscope.runtime.session import Network, open_session
from processor import has_bfloat16
from tiny_bundle import TINY_BIAS, TINY_SIZE, make_tiny_bundle, tiny_card, tiny_onnx

LOSS = {
    "arithmetic": "bf16",
    "made_from": "tiny 0.1.0",
    "made_from_sha256": "0" * 64,
    "split": "validation",
    "films": 2,
    "auc": {"east": 0.9},
    "auc_change": {"east": 0.0},
    "largest_logit_change": 0.1,
    "rms_logit_change": 0.05,
    "findings_changed": {"screening": 0, "balanced": 0, "rule-in": 0},
    "margin": 0.0,
    "largest_map_change": 0.2,
    "rms_map_change": 0.01,
    "same_hottest_cell": 1.0,
}


def lower(bundle: Bundle) -> Bundle:
    return replace(bundle, card=tiny_card(version="0.1.0+bf16", lower_precision=LOSS))


def open_lower(bundle: Bundle) -> Network | None:
    """The network in bfloat16, or None where this processor is refused, as it must be then."""
    if has_bfloat16():
        return open_session(lower(bundle))
    with pytest.raises(BundleError, match="does not have"):
        open_session(lower(bundle))
    return None


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_numbers_are_nearly_the_exact_ones(bundle: Bundle) -> None:
    session, exact = open_lower(bundle), open_session(bundle)
    if session is None:
        return
    assert isinstance(session, OpenVinoNetwork)
    films = np.random.default_rng(3).normal(size=(4, 1, 1, TINY_SIZE, TINY_SIZE)).astype(np.float32)
    changes = []
    for film in films:
        (logit,), (cam,) = session.run(["logit", "cam"], {"film": film})
        (exact_logit,), (exact_cam,) = exact.run(["logit", "cam"], {"film": film})
        size = float(np.abs(exact_cam).max())
        assert logit == pytest.approx(exact_logit, abs=0.01 * size)
        np.testing.assert_allclose(cam, exact_cam, atol=0.02 * size)
        assert cam.mean() + TINY_BIAS == pytest.approx(logit, abs=0.005 * size)
        changes.append(np.abs(cam - exact_cam).max())
    assert max(changes) > 1e-4, "it computed in single precision"


def test_single_precision_is_exact_on_any_processor(bundle: Bundle) -> None:
    card = tiny_card(version="0.1.0+fp32-openvino", lower_precision=LOSS | {"arithmetic": "fp32-openvino"})
    session, exact = open_session(replace(bundle, card=card)), open_session(bundle)
    assert isinstance(session, OpenVinoNetwork)
    for film in np.random.default_rng(3).normal(size=(4, 1, 1, TINY_SIZE, TINY_SIZE)).astype(np.float32):
        found, wanted = (each.run(["logit", "cam"], {"film": film}) for each in (session, exact))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_threads_that_share_it_get_their_own_films(bundle: Bundle) -> None:
    session = open_lower(bundle)
    if session is None:
        return
    films = np.random.default_rng(4).normal(size=(8, 1, 1, TINY_SIZE, TINY_SIZE)).astype(np.float32)
    alone = [session.run(["logit", "cam"], {"film": film}) for film in films]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda film: session.run(["logit", "cam"], {"film": film}), [*films] * 8))
    for number, (logit, cam) in enumerate(together):
        np.testing.assert_array_equal(logit, alone[number % 8][0])
        np.testing.assert_array_equal(cam, alone[number % 8][1])


def test_a_bundle_that_says_so_is_scored_in_it_and_its_records_say_so(tmp_path: Path) -> None:
    directory = make_tiny_bundle(tmp_path / "b", version="0.1.0+bf16", lower_precision=LOSS)
    film = chest_like(1, opacity=True)
    if open_lower(open_bundle(directory)) is None:
        return
    lowered, exact = load(directory), load(make_tiny_bundle(tmp_path / "exact"))
    assert open_bundle(directory).card.arithmetic == "bf16"
    assert lowered.predict(film).record()["model"] == "tiny 0.1.0+bf16"
    assert lowered.predict(film).logit != exact.predict(film).logit
    assert lowered.predict(film).logit == pytest.approx(exact.predict(film).logit, abs=0.5)


def test_a_processor_without_it_is_told_what_else_to_use(tmp_path: Path) -> None:
    directory = make_tiny_bundle(tmp_path / "b", version="0.1.0+bf16", lower_precision=LOSS)
    code = f"import pneumoscope; pneumoscope.load({str(directory)!r})"
    result = python(code, OV_CPU_MAX_ISA="AVX2")
    assert "BundleError" in result.stderr
    assert "this processor does not have (it needs AVX512_BF16 or AMX): use the bundle" in result.stderr


def test_without_openvino_it_is_said_what_to_install(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pneumoscope\[openvino\]'"):
        open_session(lower(bundle))


@pytest.mark.parametrize("content", [b"", b"not a network", tiny_onnx()[:-200]])
def test_what_is_no_network_is_refused(bundle: Bundle, content: bytes) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded: \w|does not have"):
        open_session(replace(lower(bundle), onnx=content))


def test_weights_outside_the_bundle_are_refused(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string(tiny_onnx())
    onnx.save_model(
        model,
        "model.onnx",
        save_as_external_data=True,
        location="weights",
        size_threshold=512,
        convert_attribute=False,
    )
    with pytest.raises(BundleError, match="names files for its weights"):
        open_session(replace(lower(bundle), onnx=Path("model.onnx").read_bytes()))


def test_other_inputs_are_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"has the inputs.*but a bundle has|does not have"):
        open_session(replace(lower(bundle), onnx=tiny_onnx(size=32)))


def test_openvino_tells_nobody(tmp_path: Path) -> None:
    """Its messenger leaves a folder `intel` at home as soon as it is imported."""
    directory = make_tiny_bundle(tmp_path / "b", version="0.1.0+bf16", lower_precision=LOSS)
    home = tmp_path / "home"
    home.mkdir()
    code = f"""
import sys
from pneumoscope.errors import BundleError
import pneumoscope
try:
    pneumoscope.load({str(directory)!r})
except BundleError:
    pass
assert "openvino" in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""
    quiet_by_itself = ("CI", "JENKINS_URL", "BUILD_ID")
    result = python(code, HOME=str(home), TMPDIR=str(home), **dict.fromkeys(quiet_by_itself, ""))
    assert result.returncode == 0, result.stderr
    assert list(home.rglob("*")) == []
