import json

import pytest
from typer.testing import CliRunner

from training import __main__ as command

SMALL = ["--set", "epochs=3", "--set", "hidden=[16]", "--set", "device=cpu", "--n-bits", "8", "--threads", "1"]


@pytest.fixture
def files(corpus, tmp_path):
    path = tmp_path / "docs.jsonl"
    lines = (
        json.dumps({"id": i, "text": content.text}) for i, content in zip(corpus.ids, corpus.contents, strict=True)
    )
    path.write_text("\n".join(lines))
    return path, tmp_path / "space.safetensors", tmp_path / "figures.json"


def test_fit_writes_a_hash_function_that_evaluate_reads(files):
    corpus, out, figures = files
    fitted = CliRunner().invoke(
        command.app, ["fit", "--corpus", str(corpus), "--out", str(out), "--json", str(figures), *SMALL]
    )
    assert fitted.exit_code == 0, fitted.output
    learned = json.loads(figures.read_text())
    judged = CliRunner().invoke(
        command.app, ["evaluate", "--function", str(out), "--corpus", str(corpus), "--json", str(figures)]
    )
    assert judged.exit_code == 0, judged.output
    assert "recall@10" in judged.output
    report = json.loads(figures.read_text())
    assert report["recall"] == learned["report"]["recall"]
    assert learned["plan"]["n_bits"] == 8


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--n-bits", "12"], "n_bits must be a multiple of 8"),
        (["--set", "epochs"], "--set must be name=value"),
        (["--set", "speed=3"], '"speed" is no option'),
        (["--set", "noise=NaN"], "noise must be a number at least 0 and at most 100, got NaN"),
        (["--variant", "deep"], "variant must be one of"),
    ],
)
def test_a_bad_option_is_one_line(files, capsys, monkeypatch, arguments, reason):
    corpus, out, _ = files
    monkeypatch.setattr("sys.argv", ["training", "fit", "--corpus", str(corpus), "--out", str(out), *arguments])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 1
    written = " ".join(capsys.readouterr().err.split())
    assert reason in written
    assert "Traceback" not in written


def test_a_missing_option_is_named_without_a_traceback(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["training", "fit"])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    written = " ".join(capsys.readouterr().err.split())
    assert "--corpus" in written
    assert "Traceback" not in written


def test_brackets_in_the_names_of_files_are_shown_and_are_no_markup(files):
    corpus, out, _ = files
    odd = out.parent / "[" / "INST]\x1b[31m"
    odd.parent.mkdir()
    arguments = ["fit", "--corpus", str(corpus), "--out", str(odd), *SMALL]
    fitted = CliRunner().invoke(command.app, arguments, catch_exceptions=False)
    assert odd.exists()
    assert "[/INST]\\x1b[31m (" in fitted.output
    assert "\x1b[31m" not in fitted.output
