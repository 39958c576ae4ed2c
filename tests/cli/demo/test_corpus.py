import json
import subprocess
import sys

from service.cli.demo import corpus


def test_a_package_gives_its_module_classes_functions_and_methods_by_public_name():
    found = {d.name: d for d in corpus._of_package("json")}
    assert found["json"].kind == "module"
    assert found["json.dumps"].kind == "function"
    assert found["json.JSONDecoder"].kind == "class"
    assert found["json.JSONDecoder.raw_decode"].kind == "method"
    assert found["json.dumps"].text.startswith("Serialize ``obj`` to a JSON formatted ``str``.")
    assert all(not part.startswith("_") for name in found for part in name.split("."))


def test_what_a_module_only_imported_is_not_its_own():
    assert "json.codecs" not in {d.name for d in corpus._of_package("json")}


def test_the_file_holds_each_name_and_each_text_once(tmp_path):
    script = "import sys; from pathlib import Path; from service.cli.demo import corpus\n"
    script += "corpus._packages = lambda: ['builtins', 'json', 'math', 'statistics']\n"
    script += "print(corpus.write(Path(sys.argv[1])))"
    file = tmp_path / "docs.jsonl"
    ended = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True)
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    assert int(ended.stdout) == len(documents) > 200
    assert len({d["id"] for d in documents}) == len({d["text"] for d in documents}) == len(documents)
    assert {"package", "module", "kind"} == set(documents[0]["metadata"])
    assert {d["metadata"]["package"] for d in documents} == {"builtins", "json", "math", "statistics"}
