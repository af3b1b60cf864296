"""Settings by file, variable and flag: what wins, what is refused, and what is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from guarded import Authority, add_user

from overscan.service import __main__ as command
from overscan.service._errors import SettingsError
from overscan.service._settings import Settings
from overscan.service.operations import config as _config
from overscan.service.operations.config import Configuration, configure
from overscan.service.operations.config_show import documentation, refuse, show


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The machine's file and the user's, neither there yet."""
    files = (tmp_path / "etc" / "service.toml", tmp_path / "user" / "service.toml")
    for file in files:
        file.parent.mkdir()
    monkeypatch.setattr(_config, "usual_files", lambda: files)
    return files


def configured(
    variables: Mapping[str, str] | None = None, *, file: Path | None = None, private: bool = False, **flags: str
) -> Configuration:
    return configure(flags=flags, file=file, private=private, environment=variables or {})


def problems(variables: Mapping[str, str] | None = None, *, file: Path | None = None, **flags: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        configured(variables, file=file, **flags)
    return refused.value.problems


def test_flags_win_over_variables_over_the_users_file_over_the_machines(usual: tuple[Path, Path]) -> None:
    usual[0].write_text('workers = 1\nlog_level = "DEBUG"\ncache_bytes_max = 1\ndevices = "cpu"\n')
    usual[1].write_text("# mine\n\nworkers = 2\ncache_bytes_max = 2\nlog_level = 'WARNING'\n")
    found = configured({"OVERSCAN_WORKERS": "3", "OVERSCAN_CACHE_BYTES_MAX": "3"}, workers="4")
    assert (found.settings.workers, found.settings.cache_bytes_max) == (4, 3)
    assert (found.settings.log_level, found.settings.devices) == ("WARNING", "cpu")
    assert found.origins["workers"].kind == "flag"
    assert str(found.origins["cache_bytes_max"]) == "OVERSCAN_CACHE_BYTES_MAX"
    assert str(found.origins["log_level"]) == f"{usual[1]}:5"
    assert str(found.origins["devices"]) == f"{usual[0]}:4"
    assert "plan_seconds_max" not in found.origins
    assert found.files == usual


def test_a_named_file_replaces_both_usual_ones(usual: tuple[Path, Path], tmp_path: Path) -> None:
    usual[0].write_text("workers = 1\n")
    named, other = tmp_path / "named.toml", tmp_path / "other.toml"
    named.write_text('devices = "cpu"\n')
    other.write_text("workers = 7\n")
    assert configured(file=named).settings.workers is None
    assert configured({"OVERSCAN_CONFIG": str(other)}).settings.workers == 7
    assert configured({"OVERSCAN_CONFIG": str(other)}, file=named).settings.workers is None
    assert "cannot be read" in problems(file=tmp_path / "absent.toml")[0]


def test_a_private_service_reads_no_usual_file(usual: tuple[Path, Path]) -> None:
    usual[0].write_text('home = "/var/lib/overscan"\nlisten = "0.0.0.0:50551"\nnonsense = 1\n')
    found = configured({"OVERSCAN_WORKERS": "2"}, private=True)
    assert found.files == ()
    assert found.settings.listen == ""
    assert found.settings.workers == 2


def test_says_all_that_is_wrong_with_its_line(usual: tuple[Path, Path]) -> None:
    usual[0].write_text(
        '# the farm\nwrokers = 2\nplan_seconds_max = "soon"\nlog_level = "LOUD"\n\n[metrics]\nlisten = 3\n'
    )
    found = problems({"OVERSCAN_WORKERS": "0"}, drain_seconds_max="-1", hmoe="x")
    assert f"{usual[0]}:2: there is no setting 'wrokers'; did you mean 'workers'?" in found
    assert any(line.startswith(f"{usual[0]}:3: plan_seconds_max: ") for line in found)
    assert f"{usual[0]}:4: log_level: 'LOUD' is no log level; use DEBUG, INFO, WARNING, ERROR or CRITICAL" in found
    assert any(line.startswith(f"{usual[0]}:6: there is no setting 'metrics'") for line in found)
    assert any(line.startswith("OVERSCAN_WORKERS: workers: ") for line in found)
    assert any(line.startswith("command line: drain_seconds_max: ") for line in found)
    assert "command line: there is no setting 'hmoe'; did you mean 'home'?" in found
    assert len(found) == 7


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"workers = \n", "this is no TOML"),
        (b"workers = 1\nworkers = 2\n", "this is no TOML"),
        (b"# \xff\n", "not UTF-8"),
        (b"workers = true\n", "true and false mean nothing here"),
        (b"workers = [2]\n", "workers"),
        (b"#" * (1 << 21), "larger than"),
    ],
)
def test_refuses_files(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "service.toml"
    file.write_bytes(content)
    (problem,) = problems(file=file)
    assert problem.startswith(str(file))
    assert words in problem


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such mode")
def test_refuses_a_file_that_everybody_may_change(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("workers = 1\n")
    file.chmod(0o666)
    assert "everybody may change" in problems(file=file)[0]


def test_remarks_on_variables_that_look_mistyped() -> None:
    found = configured(
        {"OVERSCAN_WORKRES": "2", "OVERSCAN_ADDRESS": "x", "OVERSCAN_TOKEN": "x", "OVERSCAN_NUKE_CACHE": "x"}
    )
    assert found.remarks == ("OVERSCAN_WORKRES is no setting; did you mean OVERSCAN_WORKERS?",)


def test_lists_are_toml_in_files_and_json_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text(f'roots_read = ["{tmp_path}"]\n')
    assert configured(file=file).settings.roots_read == (tmp_path.resolve(),)
    assert configured({"OVERSCAN_ROOTS_READ": json.dumps([str(tmp_path)])}).settings.roots_read == (tmp_path.resolve(),)
    assert "no JSON" in problems({"OVERSCAN_ROOTS_READ": "[nonsense"})[0]
    (problem,) = problems({"OVERSCAN_ROOTS_READ": "/mnt/shows"})
    assert problem == 'OVERSCAN_ROOTS_READ: this is a list, to be written as JSON, e.g. ["/mnt/shows"]'


def test_a_secret_is_read_from_the_file_that_is_named_and_shown_to_nobody(tmp_path: Path) -> None:
    secret, file = tmp_path / "database", tmp_path / "service.toml"
    secret.write_text("postgresql://overscan:hunter2@db/overscan\n")
    file.write_text(f'database_url_file = "{secret}"\n')
    for found in (configured(file=file), configured({"OVERSCAN_DATABASE_URL_FILE": str(secret)})):
        assert "hunter2" in str(found.settings.database_url)
        shown = "\n".join(show(found))
        assert "hunter2" not in shown
        assert "overscan:(hidden)@db" in shown
    again = configured({"OVERSCAN_DATABASE_URL": "postgresql://other@db/x"}, file=file)
    assert "other@db" in str(again.settings.database_url), "a variable wins over a file, whichever way it is written"
    assert "cannot be read" in problems({"OVERSCAN_DATABASE_URL_FILE": str(tmp_path / "absent")})[0]
    assert "cannot be read" in problems(database_url_file="[absent]")[0]


def test_no_variable_gets_in_but_by_configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"USERS_FILE": "", "ROOTS_READ": "/mnt/shows", "WORKERS": "7", "home": "elsewhere"}.items():
        monkeypatch.setenv(f"OVERSCAN_{name}", value)
    found = configured()
    assert (found.settings.users_file, found.settings.roots_read, found.settings.workers) == (None, (), None)
    assert found.settings.home != tmp_path / "elsewhere"
    monkeypatch.delenv("OVERSCAN_ROOTS_READ")
    assert configure(flags={}, private=True).settings.users_file is None, "an empty name is no file"


def test_every_setting_is_explained() -> None:
    said = documentation()
    assert set(said) == set(Settings.model_fields)
    assert not [name for name, text in said.items() if len(text) < 20]


def test_shows_every_setting_with_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("workers = 3\n")
    lines = [json.loads(line) for line in show(configured({"OVERSCAN_DEVICES": "cpu"}, file=file))]
    settings = {line["name"]: line for line in lines if line["type"] == "setting"}
    assert set(settings) == set(Settings.model_fields)
    workers, devices = settings["workers"], settings["devices"]
    assert (workers["value"], workers["origin"], workers["where"], workers["line"]) == (3, "file", str(file), 1)
    assert (devices["value"], devices["origin"], devices["where"]) == ("cpu", "variable", "OVERSCAN_DEVICES")
    assert settings["plan_seconds_max"]["origin"] == "default"
    assert json.loads(next(iter(refuse(("no",)))))["code"] == "SETTINGS"


def test_shows_settings_without_a_service_and_touches_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ended = subprocess.run(
        [sys.executable, "-m", "overscan.service", "--home", str(home), "--private", "--show-config"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 0
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert next(line for line in lines if line.get("name") == "home")["value"] == str(home)
    assert not home.exists()


def test_tries_a_file_by_itself_whatever_the_variables_say(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('workers = "many"\n')
    ended = subprocess.run(
        [sys.executable, "-m", "overscan.service", "--check-config", str(file)],
        env={**os.environ, "OVERSCAN_WORKERS": "2", "OVERSCAN_LOG_LEVEL": "LOUD"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 78
    (problem,) = [json.loads(line) for line in ended.stdout.splitlines()]
    assert problem["message"].startswith(f"{file}:1: workers: ")


REFUSED: dict[str, tuple[str, str]] = {
    "a wide address without anything": (
        'listen = "0.0.0.0:0"',
        "without a certificate (tls_certificate), its private key (tls_key), users (`overscan users add`) and folders",
    ),
    "users without TLS": (
        'home = "{peopled}"\nlisten = "0.0.0.0:0"\nroots_write = ["{shots}"]',
        "without a certificate (tls_certificate) and its private key (tls_key)",
    ),
    "TLS and users without roots": (
        'home = "{peopled}"\nlisten = "[::]:0"\ntls_certificate = "{certificate}"\ntls_key = "{key}"',
        "without folders that jobs are confined to (roots_read, roots_write)",
    ),
    "TLS and roots without users": (
        'listen = "10.0.0.7:1"\nroots_read = ["{shots}"]\ntls_certificate = "{certificate}"\ntls_key = "{key}"',
        "without users (`overscan users add`)",
    ),
    "a home that jobs could read": ('home = "{shots}/home"\nroots_read = ["{shots}"]', "has the home"),
    "a home that jobs could write": ('home = "{shots}"\nroots_write = ["{shots}"]', "has the home"),
    "a file of users that others can read": ('home = "{open}"', "others can read or write it"),
    "a key that everybody can read": (
        'listen = "127.0.0.1:0"\ntls_certificate = "{certificate}"\ntls_key = "{bare.key}"',
        "everybody can read or write the private key",
    ),
    "a key of another certificate": ('tls_certificate = "{certificate}"\ntls_key = "{other_key}"', "cannot be used"),
    "a certificate that has ended": ('tls_certificate = "{ended}"\ntls_key = "{ended_key}"', "has ended on"),
    "a certificate that is not there": ('tls_certificate = "/no/such.pem"\ntls_key = "{key}"', "cannot be read"),
    "a certificate without its key": ('tls_certificate = "{certificate}"', "there is tls_certificate without tls_key"),
    "mutual TLS without TLS": ('tls_client_ca = "{ca}"', "there is tls_client_ca without tls_certificate"),
    "an address that is none": ('listen = "render7"', "'render7' is no address"),
    "a socket without an absolute path": ('listen = "unix:service.sock"', "is no address here"),
    "a socket with a long path": ('listen = "unix:/tmp/{long}"', "is too long"),
    "metrics for everybody": ('metrics_listen = "0.0.0.0:9464"', "metrics are not served on '0.0.0.0'"),
    "metrics at an address that is none": ('metrics_listen = "9464"', "'9464' is no address for metrics"),
    "a database that is none": ('database_url = "mysql://db/overscan"', "no address of a PostgreSQL database"),
    "a home that is a file": ('home = "{certificate}/home"', "cannot be used"),
    "several things": (
        'listen = "0.0.0.0:0"\nmetrics_listen = "0.0.0.0:9464"',
        "metrics are not served on '0.0.0.0'",
    ),
}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the files of settings in `REFUSED` name."""
    folder = tmp_path_factory.mktemp("named")
    for name in ("peopled", "open", "shots"):
        (folder / name).mkdir()
    for home in ("peopled", "open"):
        add_user(folder / home, "ana", "artist")
    (folder / "open" / "users.json").chmod(0o644)
    authority = Authority.make(folder)
    (certificate, key), (_, other_key), (ended, ended_key) = (
        authority.issue(name, hosts=["localhost"], days=days)
        for name, days in (("service", 10), ("other", 10), ("ended", -1))
    )
    bare_key = folder / "bare.key"
    bare_key.write_bytes(key.read_bytes())
    bare_key.chmod(0o644)
    paths = {name: folder / name for name in ("peopled", "open", "shots", "bare.key")}
    paths |= {"certificate": certificate, "key": key, "other_key": other_key, "ended": ended, "ended_key": ended_key}
    paths |= {"ca": authority.path, "long": Path("x" * 200)}
    return {name: str(path) for name, path in paths.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="modes, and Unix sockets")
@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_no_service_starts_with_is_found_before(
    what: str,
    named: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    text, word = REFUSED[what]
    home, file = tmp_path / "home", tmp_path / "service.toml"
    for name, value in named.items():
        text = text.replace(f"{{{name}}}", value)
    file.write_text(text if "home = " in text else f'home = "{home}"\n{text}')
    for variable in [name for name in os.environ if name.startswith("OVERSCAN_")]:
        monkeypatch.delenv(variable)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["overscan serve", *arguments])
        return command.main()

    assert run("--check-config", str(file)) == 78
    problems = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(word in problem["message"] for problem in problems)
    assert all(problem["next_step"] for problem in problems)
    assert not home.exists(), "it only looks"

    monkeypatch.setattr("overscan.service.operations.logs.set_up_logging", lambda **_: None)
    assert run("--config", str(file)) == 78
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == [f"{problem['message']} {problem['next_step']}" for problem in problems]
    if what == "several things":
        assert len(problems) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_a_file_with_all_that_a_wide_address_needs_is_good(
    named: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "service.toml"
    file.write_text(
        f'home = "{named["peopled"]}"\nlisten = "0.0.0.0:0"\nroots_write = ["{named["shots"]}"]\n'
        f'tls_certificate = "{named["certificate"]}"\ntls_key = "{named["key"]}"\ntls_client_ca = "{named["ca"]}"\n'
        'metrics_listen = "0.0.0.0:0"\nmetrics_public = true\n'
    )
    monkeypatch.setattr(sys, "argv", ["overscan serve", "--check-config", str(file)])
    assert command.main() == 0
    assert '"type": "error"' not in capsys.readouterr().out
