import json
import pickle
import subprocess

import pytest
import torch

from pneumoscope.errors import DataError
from pneumoscope.training import checkpoint
from pneumoscope.training.checkpoint import Journal


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_state_comes_back_and_is_replaced_whole(tmp_path, monkeypatch):
    assert checkpoint.load_state(tmp_path) is None
    checkpoint.save_state(tmp_path, {"step": 3, "tensor": torch.ones(2)})

    def killed(values, file):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save_state(tmp_path, {"step": 4})
    monkeypatch.undo()
    state = checkpoint.load_state(tmp_path)
    assert state["step"] == 3
    assert torch.equal(state["tensor"], torch.ones(2))


def test_a_state_file_cannot_run_code(tmp_path, capsys):
    torch.save({"format": 1, "evil": Evil()}, tmp_path / checkpoint.STATE)
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.load_state(tmp_path)
    assert "executed" not in capsys.readouterr().out


def test_a_state_of_another_format_is_refused(tmp_path):
    torch.save({"format": 0}, tmp_path / checkpoint.STATE)
    with pytest.raises(DataError, match="another version"):
        checkpoint.load_state(tmp_path)


def test_a_journal_forgets_what_came_after_the_checkpoint(tmp_path):
    path = tmp_path / "log.jsonl"
    journal = Journal(path, 0)
    journal.write({"step": 1})
    size = journal.size
    journal.write({"step": 2})
    again = Journal(path, size)
    again.write({"step": 3})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 3]


def test_the_code_revision_is_gits():
    folder = str(checkpoint.Path(checkpoint.__file__).parent)
    asked = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True)
    expected = asked.stdout.strip() if asked.returncode == 0 else "unknown"
    assert checkpoint.code_revision().removesuffix("-modified") == expected
