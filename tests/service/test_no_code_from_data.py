"""Nothing that comes by wire, file or pipe is ever run: no eval, no pickle of others, no shell."""

from __future__ import annotations

import ast
import io
import os
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from overscan.service.workers import messages

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("core", "service", "plugins")
PICKLES = {"service/workers/messages.py", "service/workers/worker.py"}
"""The one module that reads pickles, of the service's own workers, with a reader that builds our plain types only; and
the one that names its error."""
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "codeop"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call, by the dotted name that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(call: ast.Call) -> dict[str, str]:
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


def faults() -> Iterator[str]:
    """What would run, or build, what data says."""
    for name, tree in sources():
        for node in ast.walk(tree):
            found = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found = [node.module or ""]
            for module in found:
                if module.partition(".")[0] in MODULES and name not in PICKLES:
                    yield f"{name}:{node.lineno}: imports {module}"
        for called, call in calls(tree):
            where, said = f"{name}:{call.lineno}: {called}", keywords(call)
            if called in RUNS_CODE or called.startswith(("builtins.", "os.system", "os.popen", "pickle.Unpickler(")):
                yield where
            if called in ("np.load", "numpy.load") and said.get("allow_pickle", "False") != "False":
                yield where
            if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"):
                loader = said.get("Loader", ast.unparse(call.args[1]) if len(call.args) > 1 else "")
                if called != "yaml.load" or "Safe" not in loader:
                    yield where
            if called in ("torch.load", "torch.jit.load", "torch.hub.load"):
                yield where
            if "from_pretrained" in called and said.get("trust_remote_code", "False") != "False":
                yield where
            if said.get("shell", "False") != "False":
                yield f"{where} with a shell"


def test_nothing_runs_or_builds_what_data_says() -> None:
    assert sum(1 for folder in FOLDERS for _ in (ROOT / folder).rglob("*.py")) > 200
    assert list(faults()) == []


def test_the_test_sees_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = """
import pickle
from marshal import loads
eval("1")
np.load(path, allow_pickle=True)
yaml.load(text, Loader=yaml.Loader)
torch.load(path)
Model.from_pretrained(name, trust_remote_code=True)
subprocess.run(line, shell=True)
"""
    monkeypatch.setattr("test_no_code_from_data.sources", lambda: iter([("core/bad.py", ast.parse(bad))]))
    assert len(list(faults())) == 8


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch /tmp/overscan-was-here",))


@pytest.mark.parametrize(
    "payload",
    [
        Hostile(),
        os.system,
        Path("/tmp"),
        (1, [Hostile()]),
        messages.Request,  # a class rather than one of its objects is harmless, and is no report
    ],
)
def test_a_worker_that_was_taken_over_cannot_run_code_in_the_service(payload: object) -> None:
    body = pickle.dumps((1, payload))
    stream = io.BytesIO(struct.pack(">Q", len(body)) + body)
    try:
        number, message = messages.read_report(stream) or (0, None)
    except (pickle.UnpicklingError, TypeError, AttributeError):
        return
    assert number == 1
    assert isinstance(message, type)  # never something that was called
    assert not Path("/tmp/overscan-was-here").exists()


def test_raw_opcodes_reach_nothing_either() -> None:
    for opcodes in (
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"coverscan.core.errors\nfrom_record\n.",
        b"coverscan.service.workers.messages\npickle.loads\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93\x8c\x08builtins\x8c\x04eval\x93.",
        b"coverscan.core.jobs\nJob.__init__.__globals__\n.",
    ):
        stream = io.BytesIO(struct.pack(">Q", len(opcodes)) + opcodes)
        with pytest.raises((pickle.UnpicklingError, AttributeError, TypeError, ValueError, EOFError)):
            messages.read_report(stream)
