"""The demo: a cluster of one coordinator and two workers encodes a clip, and the result is proved."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dffmpeg.command_line import Parser, run
from dffmpeg.errors import DffmpegError
from dffmpeg.shim.main import NO_AGENT
from dffmpeg.standalone import bound
from dffmpeg.standalone.media import Contents, look_inside, positions
from dffmpeg.standalone.programs import find_ffmpeg

SECONDS = 10
"""Length of the clip."""

STOP_PATIENCE = 30.0


class DemoFailed(DffmpegError):
    """A step of the demo did not do what it should."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The demo. Returns the exit status: 0 only if the encoded file is right."""
    parser = Parser(prog="demo", description="Encode a clip on a small cluster of this machine's own.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running until Ctrl-C")
    keep: bool = parser.parse_args(arguments).keep
    # So that the cluster is stopped and the folder removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return run("demo", lambda: _demo(keep=keep))


def _demo(*, keep: bool) -> int:
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        raise DemoFailed("there is no ffmpeg here; install one, or: pip install -r requirements-ffmpeg.lock")
    with tempfile.TemporaryDirectory(prefix="dffmpeg-demo-") as name:
        folder = Path(name)
        media = folder / "media"
        media.mkdir()
        print("1. A coordinator and two workers start ...", flush=True)
        with _cluster(folder / "cluster", media) as cluster:
            dashboard = json.loads((cluster / "cluster.json").read_text())["dashboard"]
            print(f"   ready; dashboard: {dashboard}")
            _encode(ffmpeg, cluster / "bin" / "ffmpeg", media)
            if keep:
                _keep(cluster, media, dashboard)
    return 0


def _encode(ffmpeg: str, stand_in: Path, media: Path) -> None:
    print(f"2. A clip of {SECONDS} s with sound is made ...", flush=True)
    _make_clip(ffmpeg, media / "clip.mkv")
    print("3. One of the workers encodes it to H.264 and AAC ...", flush=True)
    _run_stand_in(stand_in, media)
    contents = look_inside(media / "clip.mp4", ffmpeg)
    check(contents)
    size = (media / "clip.mp4").stat().st_size
    print(f"4. Right: {contents.codecs['video']} and {contents.codecs['audio']}, ", end="")
    print(f"{contents.duration:.2f} s, {size / 1024:.0f} KiB.", flush=True)


def check(contents: Contents) -> None:
    """Raises DemoFailed unless it is what was asked for."""
    wanted = {"video": "h264", "audio": "aac"}
    if contents.codecs != wanted:
        raise DemoFailed(f"the encoded file holds {contents.codecs}, expected {wanted}")
    if abs(contents.duration - SECONDS) > 0.25:
        raise DemoFailed(f"the encoded file lasts {contents.duration:.2f} s, expected {SECONDS} s")


def _make_clip(ffmpeg: str, file: Path) -> None:
    picture = f"testsrc2=size=854x480:rate=25:duration={SECONDS}"
    sound = f"sine=frequency=440:sample_rate=48000:duration={SECONDS}"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    command = [ffmpeg, "-v", "error", "-nostdin", *inputs, "-c:v", "mpeg4", "-q:v", "3", "-c:a", "flac"]
    if subprocess.run([*command, str(file)], check=False).returncode != 0:
        raise DemoFailed("the clip could not be made")


def _run_stand_in(stand_in: Path, media: Path) -> None:
    output = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "clip.mp4"]
    command = [str(stand_in), "-hide_banner", "-nostdin", "-y", "-i", "clip.mkv", *output]
    # In the mapped folder, with relative names: as a person would.
    # An agent would stay behind.
    environment = {**os.environ, NO_AGENT: "1"}
    with subprocess.Popen(command, cwd=media, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        said: list[bytes] = []
        _show(positions(_chunks(process.stderr, said)))
    if process.returncode != 0:
        last = b"".join(said).decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise DemoFailed(f"the stand-in ended with status {process.returncode}: {last[0]}")


def _chunks(stream: IO[bytes], said: list[bytes]) -> Iterator[bytes]:
    while chunk := os.read(stream.fileno(), 65_536):
        # Only the end of it is ever shown.
        said[:-4] = []
        said.append(chunk)
        yield chunk


def _show(reached: Iterator[float]) -> None:
    terminal = sys.stdout.isatty()
    shown = -1
    for position in reached:
        percent = min(100, int(100 * position / SECONDS))
        if percent >= shown + (1 if terminal else 25):
            shown = percent
            print(f"   {percent:3} %", end="\r" if terminal else "\n", flush=True)
    if terminal and shown >= 0:
        print()


@contextmanager
def _cluster(folder: Path, media: Path) -> Iterator[Path]:
    """A running `dffmpeg standalone`; yields its folder."""
    command = [sys.executable, "-m", "dffmpeg", "standalone", "--data", str(folder), "--workers", "2"]
    command += ["--path", f"Demo={media}"]
    process = subprocess.Popen(
        [sys.executable, "-IS", bound.__file__, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Ctrl-C is for the demo, which then stops the cluster.
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise DemoFailed("the cluster did not start")
        # The few lines that follow are not needed here, and fit into the pipe.
        yield folder
    finally:
        process.terminate()
        try:
            process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _keep(cluster: Path, media: Path, dashboard: str) -> None:
    print("\nThe cluster stays until Ctrl-C. Try:")
    print(f"  cd {media}")
    print(f"  {cluster}/bin/ffmpeg -y -i clip.mkv -c:v libx264 again.mp4")
    print(f"  {cluster}/bin/ffprobe clip.mp4")
    print(f"  {sys.executable} -m dffmpeg.admin tree --client-config {cluster}/admin.toml")
    print(f"  the dashboard: {dashboard}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("\nStopping.")


if __name__ == "__main__":
    sys.exit(main())
