"""Where a configuration is found, and the one line that names what is wrong with it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from dffmpeg.configuration import candidates, load, locate, parse
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError

KEY = "A" * 43 + "="
CONNECTION = f'coordinator_url = "http://127.0.0.1:8000"\nclient_id = "someone"\nhmac_key = "{KEY}"\n'


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it: an empty working directory, home and prefix."""
    for name in ("work", "home", "prefix"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("DFFMPEG_WORKER_CONFIG", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    return tmp_path


def test_candidates_stand_in_the_documented_order(places: Path) -> None:
    assert candidates("worker") == [
        places / "work/dffmpeg-worker.toml",
        places / "home/.config/dffmpeg/worker.toml",
        Path("/etc/dffmpeg/worker.toml"),
        places / "prefix/dffmpeg-worker.toml",
    ]


def test_xdg_config_home_replaces_dot_config(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(places / "xdg"))
    assert candidates("client")[1] == places / "xdg/dffmpeg/client.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert candidates("client")[1] == places / "home/.config/dffmpeg/client.toml"


def test_each_place_wins_over_those_behind_it(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [
        places / "prefix/dffmpeg-worker.toml",
        places / "home/.config/dffmpeg/worker.toml",
        places / "work/dffmpeg-worker.toml",
        places / "environment.toml",
        places / "named.toml",
    ]
    for file in written[:3]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        assert locate("worker", None) == file
    written[3].touch()
    monkeypatch.setenv("DFFMPEG_WORKER_CONFIG", str(written[3]))
    assert locate("worker", None) == written[3]
    written[4].touch()
    assert locate("worker", Path("../named.toml")) == written[4]


def test_an_empty_variable_names_nothing(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFFMPEG_WORKER_CONFIG", "")
    file = places / "work/dffmpeg-worker.toml"
    file.touch()
    assert locate("worker", None) == file


def test_a_named_file_that_is_missing_says_so(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "work/dffmpeg-worker.toml").touch()
    with pytest.raises(ConfigurationError, match=r"^/nowhere\.toml: no such file$"):
        locate("worker", Path("/nowhere.toml"))
    monkeypatch.setenv("DFFMPEG_WORKER_CONFIG", "/nowhere.toml")
    with pytest.raises(ConfigurationError, match=r"no such file \(named by DFFMPEG_WORKER_CONFIG\)"):
        locate("worker", None)


def test_none_found_lists_where_was_looked(places: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        locate("worker", None)
    for place in ("--config", "DFFMPEG_WORKER_CONFIG", *map(str, candidates("worker"))):
        assert place in str(caught.value)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load(CoordinatorConfig, "coordinator", tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o600, 0o400])
def test_a_file_with_a_key_that_others_may_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int
) -> None:
    file = tmp_path / "client.toml"
    file.write_text(CONNECTION)
    file.chmod(mode)
    assert load(ClientConfig, "client", file).client_id == "someone"
    warned = capsys.readouterr().err
    assert (f"warning: {file} holds a key" in warned) == bool(mode & 0o077)
    assert warned.count("\n") <= 1


def test_a_coordinators_file_without_keys_may_be_read_by_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text("port = 9000")
    file.chmod(0o644)
    assert load(CoordinatorConfig, "coordinator", file).port == 9000
    assert capsys.readouterr().err == ""
    file.write_text(f'[database.repositories.auth]\nencryption_keys = ["{KEY}"]')
    config = load(CoordinatorConfig, "coordinator", file)
    assert "holds a key" in capsys.readouterr().err
    assert KEY not in repr(config)


def test_a_cluster_s_secret_is_one_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text(f'[cluster]\nsecret = "{KEY}"\n')
    file.chmod(0o644)
    config = load(CoordinatorConfig, "coordinator", file)
    assert "holds a key" in capsys.readouterr().err
    assert KEY not in repr(config)


def test_relative_file_names_count_from_the_file(tmp_path: Path) -> None:
    text = b'[database.repositories.auth]\nencryption_keys_file = "keys"'
    config = parse(CoordinatorConfig, text, tmp_path / "coordinator.toml")
    assert config.database.engine_defaults["sqlite"]["path"] == str(tmp_path / "dffmpeg.db")
    assert config.database.repositories["auth"].encryption_keys_file == str(tmp_path / "keys")
    text = b'[database.engine_defaults.sqlite]\npath = "/var/lib/d.db"'
    config = parse(CoordinatorConfig, text, tmp_path / "coordinator.toml")
    assert config.database.engine_defaults["sqlite"]["path"] == "/var/lib/d.db"


def test_programs_with_a_slash_count_from_the_file_and_names_stay(tmp_path: Path) -> None:
    text = CONNECTION + '[binaries]\nffmpeg = "bin/ffmpeg"\nffprobe = "ffprobe"\nx264 = "/opt/x264"'
    config = parse(WorkerConfig, text.encode(), tmp_path / "worker.toml")
    assert config.binaries == {
        "ffmpeg": str(tmp_path / "bin/ffmpeg"),
        "ffprobe": "ffprobe",
        "x264": "/opt/x264",
    }


def test_directories_lose_their_trailing_slash() -> None:
    text = CONNECTION + '[paths]\nMovies = "//mnt/./media//"'
    assert parse(ClientConfig, text.encode(), Path("/c.toml")).paths == {"Movies": "/mnt/media"}


def test_a_byte_order_mark_and_other_line_ends_are_read() -> None:
    text = b"\xef\xbb\xbf" + CONNECTION.replace("\n", "\r\n").encode()
    assert parse(ClientConfig, text, Path("/c.toml")).client_id == "someone"


WRONG_WORKER = [
    ('slots = "four"', "slots: expected an integer from 1 to 10000, got a string"),
    ("slots = 0", "slots: expected an integer from 1 to 10000, got 0"),
    ("slots = true", "slots: expected an integer from 1 to 10000, got true or false"),
    ("slots = 2024-01-01", "slots: expected an integer from 1 to 10000, got a date or time"),
    ("slot = 4", 'slot: unknown key, did you mean "slots"?'),
    ("entirely_different = 1", "entirely_different: unknown key; there are coordinator_url, "),
    ('"a\\nb" = 1', "'a\\nb': unknown key"),
    ('log_level = "LOUD"', 'log_level: expected one of "DEBUG", "ERROR", "INFO", "WARNING", got \'LOUD\''),
    ("[cancel]\ninterupt = 1", 'cancel.interupt: unknown key, did you mean "interrupt"?'),
    ("[cancel]\ninterrupt = nan", "cancel.interrupt: expected a number above 0"),
    ("[cancel]\ninterrupt = -1", "cancel.interrupt: expected a number above 0 and at most 31536000, got -1"),
    ("cancel = 3", "cancel: expected a table, got an integer"),
    ("paths = []", "paths: expected a table, got an array"),
    ("[paths]\nMovies = 1", "paths.Movies: expected a string or a table, got an integer"),
    ("transports = [1]", "transports[0]: expected a string, got an integer"),
    ('[paths]\nMovies = "media"', "paths.Movies: expected an absolute directory, got 'media'"),
    ('[paths]\nMovies = "/"', "paths.Movies: expected a directory below '/', not '/' itself"),
    ('[paths]\nMovies = "//"', "paths.Movies: expected a directory below '/'"),
    ('[paths]\nMovies = "/a/../.."', "paths.Movies: expected a directory without '..'"),
    ('[paths]\nMovies = "/a\\u0000"', "paths.Movies: expected an absolute directory"),
    ('[paths]\nmy-films = "/a"', "paths.my-films: expected a name of letters, digits and _"),
    ('[paths]\n1st = "/a"', "paths.1st: expected a name of letters, digits and _"),
    ('[paths]\n"x\\n" = "/a"', "paths.'x\\n': expected a name of letters"),
    ('[mounts.my-nas]\npath = "/a"', "mounts.my-nas: expected a name of letters, digits and _"),
    ("[mounts.NAS]\nrecover = true", "mounts.NAS.path: missing, expected a string"),
    ('[mounts.NAS]\npath = "nas"', "mounts.NAS.path: expected an absolute directory, got 'nas'"),
    ('[mounts.NAS]\npath = "/a"\nread = "/a/b"', "mounts.NAS.read: expected a file's path below the mount"),
    ('[mounts.NAS]\npath = "/a"\nread = "../b"', "mounts.NAS.read: expected a file's path below the mount"),
    ('[mounts.NAS]\npath = "/a"\nunit = "--now.mount"', "mounts.NAS.unit: expected a unit such as"),
    (
        '[mounts.NAS]\npath = "/a"\ntimeout = 61',
        "mounts.NAS.timeout: expected a number above 0 and at most 60",
    ),
    ('[mounts.NAS]\npath = "/a"\nafter = ["VPN"]', "mounts.NAS: there is no mount VPN to come after"),
    ('[mounts.A]\npath = "/a"\n[mounts.B]\npath = "/a/"', "mounts.B: A has the same path"),
    (
        '[mounts.A]\npath = "/a"\nafter = ["B"]\n[mounts.B]\npath = "/b"\nafter = ["A"]',
        "mounts.A: mounts need each other in a circle: A needs B needs A",
    ),
    ("[output]\nwindow = 65536", "output.chunk: expected at most output.window"),
    ('[binaries]\nffmpeg = ""', "binaries.ffmpeg: expected a program's name or path"),
    ("slots =", "not valid TOML: "),
    ("slots = 1\nslots = 2", "not valid TOML: "),
]


@pytest.mark.parametrize(("text", "expected"), WRONG_WORKER)
def test_what_is_wrong_is_one_line_with_file_and_key(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(WorkerConfig, (CONNECTION + text).encode(), Path("/etc/dffmpeg/worker.toml"))
    assert str(caught.value).startswith(f"/etc/dffmpeg/worker.toml: {expected}")
    assert "\n" not in str(caught.value)


WRONG_CONNECTION = [
    ("coordinator_url", '""', "expected a URL such as"),
    ("coordinator_url", '"127.0.0.1:8000"', "expected a URL such as"),
    ("coordinator_url", '"ftp://host"', "expected a URL such as"),
    ("coordinator_url", '"http://"', "expected a URL such as"),
    ("coordinator_url", '"http://host:99999"', "expected a URL such as"),
    ("coordinator_url", '"http://[::1"', "expected a URL such as"),
    ("coordinator_url", '"http://ho st"', "expected a URL such as"),
    ("coordinator_url", '"http://host/?a=b"', "expected a URL without query"),
    ("coordinator_url", '"http://me:hidden@host"', "expected a URL without user name"),
    ("client_id", '""', "expected letters, digits"),
    ("client_id", '"a b"', "expected letters, digits"),
    ("client_id", '"a\\n"', "expected letters, digits"),
    ("hmac_key", '"hidden"', "expected base64 (standard alphabet) of 32 bytes"),
    ("hmac_key", '"' + "hidden/+" * 4 + '"', "expected 32 bytes in base64, got 24"),
    ("hmac_key", '"' + "_-" * 21 + '_="', "expected base64 (standard alphabet) of 32 bytes"),
    ("hmac_key", "1", "expected a string, got an integer"),
]


@pytest.mark.parametrize(("key", "value", "expected"), WRONG_CONNECTION)
def test_what_is_wrong_with_the_connection(key: str, value: str, expected: str) -> None:
    text = re.sub(rf"^{key} = .*$", lambda _: f"{key} = {value}", CONNECTION, flags=re.MULTILINE)
    with pytest.raises(ConfigurationError) as caught:
        parse(ClientConfig, text.encode(), Path("/c.toml"))
    assert str(caught.value).startswith(f"/c.toml: {key}: {expected}")
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


WRONG_CLIENT = [
    (
        'environment = ["A=B"]',
        "environment[0]: expected a variable's name, or its beginning and a *",
    ),
    ('environment = ["LC_*", ""]', "environment[1]: expected a variable's name"),
    (
        '[fallback.binaries]\nffmpeg = "bin/ffmpeg"',
        "fallback.binaries.ffmpeg: expected a program's abs",
    ),
    ("[job]\nlease = 0.1", "job.lease: expected a number of at least 1.0, got 0.1"),
    (
        "[job]\nretry_exit_codes = [3, 0]",
        "job.retry_exit_codes[1]: expected a number from 1 to 255, got 0",
    ),
    ('[job]\nrequire = ["gpu"]', "job.require[0]: 'gpu': expected KIND=NAME, where KIND is one of encoder,"),
    ('[job]\nretry_stderr = ["(lost"]', "job.retry_stderr[0]: expected a regular expression: "),
    ('[job]\nhooks = ["https://a/b#c"]', "job.hooks[0]: expected a URL without a fragment (#…), got"),
    ('[job]\nlabels = ["a b"]', "job.labels[0]: expected letters, digits"),
    ('[job]\npriority = "very high"', "job.priority: expected a "),
    (f"[job]\nhooks = {['https://a/b'] * 9}", "job.hooks: expected a list of at most 8 values"),
    (
        f'[job]\nretry_stderr = ["{"x" * 201}"]',
        "job.retry_stderr[0]: expected a string of at most 200",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG_CLIENT)
def test_what_is_wrong_with_the_clients_file(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(ClientConfig, (CONNECTION + text).encode(), Path("/c.toml"))
    assert str(caught.value).startswith(f"/c.toml: {expected}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["coordinator_url", "client_id", "hmac_key"])
def test_a_missing_key_is_named(key: str) -> None:
    text = re.sub(rf"^{key} = .*$", "", CONNECTION, flags=re.MULTILINE)
    with pytest.raises(ConfigurationError, match=f"^/c.toml: {key}: missing, expected a string$"):
        parse(ClientConfig, text.encode(), Path("/c.toml"))


WRONG_COORDINATOR = [
    ("port = 65536", "port: expected an integer from 0 to 65535, got 65536"),
    ('host = ""', "host: expected an address"),
    ("default_pending_timeout = 0", "default_pending_timeout: expected a number above 0"),
    ('allowed_dashboard_ips = ["home"]', "allowed_dashboard_ips[0]: expected a network"),
    (
        'allowed_dashboard_ips = ["::1", "10.0.0.1/8"]',
        "allowed_dashboard_ips[1]: expected a network such as 192.168.0.0/24, got '10.0.0.1/8', did you",
    ),
    ('[security]\ntrusted_proxies = ["*"]', "security.trusted_proxies[0]: expected a network"),
    ('allowed_binaries = ["a/b"]', "allowed_binaries[0]: expected letters"),
    ("[retries]\nbackoff_minimum = 60", "retries.backoff_minimum: expected at most"),
    ("[database.repositories.users]", "database.repositories.users: unknown repository; there are auth"),
    ("[database.repositories.job]", 'database.repositories.job: unknown repository, did you mean "jobs"?'),
    (
        '[database.repositories.auth]\nencryption_keys = ["hidden"]',
        "database.repositories.auth.encryption_keys[0]: expected a Fernet key",
    ),
    ('[database.repositories.jobs]\nencryption_keys_file = "x"', "database.repositories.jobs: encryption"),
    ("[database.engine_defaults.sqlite]\npath = 1", "database.engine_defaults.sqlite.path: expected a str"),
    ('[database.engine_defaults.sqlite]\npath = ""', "database.engine_defaults.sqlite.path: expected a file"),
    (
        'host = "999.1.1.1"',
        "host: expected an address to listen on, such as 127.0.0.1 or ::, got '999",
    ),
    ('host = "my host"', "host: expected an address to listen on"),
    ("allowed_binaries = []", "allowed_binaries: expected at least one name"),
    ("[limits]\nbody = 0", "limits.body: expected an integer from 65536 to"),
    ('[hooks]\nallowed = ["https://a/#b"]', "hooks.allowed[0]: expected a URL without a fragment (#…), got"),
    ('[scheduling.requesters."a b"]\nrunning = 1', "scheduling.requesters.a b: expected letters, digits"),
    ('[scheduling.labels."a/b"]\nqueued = 1', "scheduling.labels.a/b: expected letters, digits"),
    (
        '[scheduling.reserved_resources.high]\n"n v" = 1',
        "scheduling.reserved_resources.high.n v: expected",
    ),
    ('[scheduling.resources]\nnvenc = [""]', "scheduling.resources.nvenc: expected patterns such as *_nvenc"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG_COORDINATOR)
def test_what_is_wrong_with_the_coordinators_file(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(CoordinatorConfig, text.encode(), Path("/c.toml"))
    assert str(caught.value).startswith(f"/c.toml: {expected}")
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.touch(mode=0o000)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        load(ClientConfig, "client", file)


def test_bytes_that_are_not_text_say_so() -> None:
    with pytest.raises(ConfigurationError, match=r"^/c\.toml: not UTF-8 at byte 4$"):
        parse(CoordinatorConfig, b"# ab\xff", Path("/c.toml"))


def test_deep_nesting_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"^/c\.toml: "):
        parse(CoordinatorConfig, b"host = " + b"[" * 5000, Path("/c.toml"))


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^/dev/zero: too large"):
        load(CoordinatorConfig, "coordinator", Path("/dev/zero"))


@pytest.mark.parametrize("kind", [WorkerConfig, ClientConfig])
def test_no_transport_at_all_is_refused(kind: type[WorkerConfig] | type[ClientConfig]) -> None:
    with pytest.raises(ConfigurationError, match=r"transports: expected at least one name"):
        parse(kind, f"{CONNECTION}transports = []".encode(), Path("/x.toml"))


def test_a_coordinator_without_transports_is_refused() -> None:
    text = b"[transports]\nenabled_transports = []"
    with pytest.raises(ConfigurationError, match=r"transports\.enabled_transports: expected at least one"):
        parse(CoordinatorConfig, text, Path("/x.toml"))


def test_a_working_directory_that_was_removed_is_no_place(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = places / "home/.config/dffmpeg"
    user.mkdir(parents=True)
    (user / "worker.toml").write_text(CONNECTION)
    gone = places / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert locate("worker", None) == user / "worker.toml"
    finally:
        os.chdir(places)
