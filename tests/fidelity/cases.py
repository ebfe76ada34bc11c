"""Command lines of our own, in the corpus's format: what it says little about, and what we broke once."""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]

BX = "-fflags +bitexact -flags +bitexact"
X264 = "-c:v libx264 -preset ultrafast -threads 1 -pix_fmt yuv420p"
ENDLESS = f"-hide_banner -y -re -f lavfi -i testsrc2=s=64x36:r=25:d=25 {X264} {BX}"
"""A recording that goes on until it is told to stop."""

PLAYABLE: Case = {"files": [["out/o.mp4", "playable"]], "exit_within": 6}


def _case(name: str, line: str | list[str], *tags: str, binary: str = "ffmpeg", **fields: Any) -> Case:
    words = [word for part in ([line] if isinstance(line, str) else line) for word in _words(part)]
    return {"id": name, "origin": "dffmpeg", "binary": binary, "argv": words, "tags": list(tags), **fields}


def _words(part: str) -> list[str]:
    # A part that begins with "=" is one word, spaces and all.
    return [part[1:]] if part.startswith("=") else part.split()


def _probe(name: str, line: str | list[str], *tags: str, **fields: Any) -> Case:
    return _case(name, line, "ffprobe", *tags, binary="ffprobe", **fields)


def _when(text: str, delay: float = 0.5, **action: Any) -> dict[str, Any]:
    return {"when": {"stderr": text}, "delay": delay, **action}


INTROSPECTION = [
    _case(f"intro-{name}", line, "introspection")
    for name, line in (
        ("encoders", "-encoders"),
        ("decoders", "-hide_banner -decoders"),
        ("filters", "-filters"),
        ("hwaccels", "-hide_banner -hwaccels"),
        ("help-filter", "-h filter=scale"),
        ("help-bsf", "-h bsf=h264_mp4toannexb"),
        ("help-full", "-h full"),
        ("none", []),
        ("unknown-option", "-nosuch 1 -i {media}/s.mkv -f null -"),
        ("no-output", "-hide_banner -i {media}/s.mkv"),
        ("unknown-encoder", "-hide_banner -i {media}/s.mkv -c:v nosuch -f null -"),
        ("unknown-decoder", "-hide_banner -c:v nosuch -i {media}/s.mkv -f null -"),
        ("unknown-filter", "-hide_banner -i {media}/s.mkv -vf nosuch=1 -f null -"),
        ("unknown-muxer", "-hide_banner -i {media}/s.mkv -f nosuch -"),
        ("unknown-demuxer", "-hide_banner -f nosuch -i {media}/s.mkv -f null -"),
        ("unknown-protocol", "-hide_banner -i nosuch://x -f null -"),
        ("unknown-hwaccel", "-hide_banner -hwaccel nosuch -i {media}/s.mkv -f null -"),
        ("broken-encoder", "-hide_banner -f lavfi -i testsrc2 -t 1 -c:v h264_nvenc -f null -"),
    )
]

PROBES = [
    _probe("probe-data", "-v error -show_packets -show_data -of compact {media}/s.mkv", "data"),
    _probe("probe-xml", "-v error -show_streams -show_format -of xml=x=1 {media}/tone.mp3", "xml"),
    _probe("probe-flat", ["-v error -show_entries format_tags -of flat", "={media}/sp/a=b.mkv"], "names"),
    _probe("probe-relative", "-v error -show_format s.mkv", "relative-path", cwd="{media}"),
    _probe("probe-missing", "-v error -show_format {media}/nope.mkv", "fail"),
    _probe("probe-dangling", "-hide_banner {media}/dangling.mkv", "fail", "symlink"),
    _probe("probe-loop", "-hide_banner {media}/loop.mkv", "fail", "symlink"),
    _probe("probe-directory", "-hide_banner {media}/lib", "fail"),
    _probe("probe-text", "-hide_banner {media}/text.mkv", "fail"),
    _probe("probe-lavfi", "-v error -f lavfi -show_frames movie={media}/bars.mkv,blackdetect", "filter"),
    _probe(
        "probe-pipe",
        "-v error -show_format -of json -",
        "pipe-in",
        stdin={"kind": "media", "path": "{media}/a.mkv"},
    ),
    _probe("probe-epipe", "-v error -show_frames {media}/long.mp4", "closed-stdout", stdout_io={"head": 100}),
]

FILTERS = [
    _case(
        "filter-odd-names",
        ["-v error -i {media}/a.mp4 -t 1 -an -vf", f"=subtitles={path}", f"{BX} -f framemd5 -"],
        "path-in-filter",
    )
    | {"id": f"filter-name-{number}"}
    for number, path in enumerate(
        (
            "{media}/sub.srt",
            "'{media}/sub.srt'",
            "f={media}/sub.srt:force_style='Fontsize=20,PrimaryColour=&H0000FF&'",
            "{media}/../fid-media/sub.srt",
            "filename='{media}/lib/AC_DC - [Bäck] '\\''\\'\\'''\\''n'\\''\\'\\'''\\'' Black (1980)/none.srt'",
            "{media}/nope.srt",
        )
    )
]
FILTERS += [
    _case(
        "filter-ass",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -vf ass={{media}}/sub.ass {BX} -f framemd5 -",
        "path-in-filter",
    ),
    _case(
        "filter-movie",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -filter_complex movie={{media}}/cover.png[l];[0:v][l]overlay {BX} "
        "-f framemd5 -",
        "path-in-filter",
    ),
    _case(
        "filter-lut",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -vf format=rgb24,lut3d={{media}}/inv.cube {BX} -f framemd5 -",
        "path-in-filter",
    ),
    _case(
        "filter-textfile",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -vf drawtext=textfile={{media}}/cover.txt {BX} -f framemd5 -",
        "path-in-filter",
    ),
    _case(
        "filter-text-like-a-path",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -vf drawtext=text={{media}}/cover.txt {BX} -f framemd5 -",
        "path-in-filter",
    ),
    _case(
        "filter-psnr-log",
        "-v error -i {media}/a.mp4 -i {media}/b.mp4 -an -t 1 -lavfi psnr=stats_file={out}/psnr.log -f null -",
        "path-in-filter",
        expect=["out/psnr.log"],
    ),
    _case(
        "filter-metadata-file",
        "-v error -i {media}/bars.mkv -vf blackdetect,metadata=print:file={out}/m.txt -f null -",
        "path-in-filter",
        expect=["out/m.txt"],
    ),
    _case(
        "filter-script",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -filter_script:v {{media}}/vfilter.txt {BX} -f framemd5 -",
        "path-in-file",
    ),
    _case(
        "filter-script-with-path",
        f"-v error -i {{media}}/a.mp4 -an -t 1 -filter_complex_script {{cwd}}/g.txt {BX} -f framemd5 -",
        "path-in-file",
        setup=[["write", "{cwd}/g.txt", "movie={media}/cover.png[l];[0:v][l]overlay"]],
    ),
]

OUTPUTS = [
    _case(
        "tee",
        f"-v error -i {{media}}/s.mkv -map 0 -c copy {BX} -f tee "
        "[f=matroska:fflags=+bitexact]{out}/a.mkv|[onfail=ignore:f=mp4:fflags=+bitexact]{out}/b.mp4",
        "tee",
        expect=["out/a.mkv", "out/b.mp4"],
    ),
    _case(
        "hls-names",
        f"-v info -nostats -i {{media}}/a.mp4 -c copy {BX} -f hls -hls_time 1 -hls_playlist_type vod "
        "-hls_segment_filename {out}/seg%03d.ts -hls_base_url {media}/ {out}/m.m3u8",
        "hls",
        expect=["out/m.m3u8", "out/seg000.ts"],
    ),
    _case(
        "segment-list",
        f"-v error -i {{media}}/a.mp4 -c copy {BX} -f segment -segment_time 1 -segment_list {{out}}/l.csv "
        "-segment_list_entry_prefix {media}/ {out}/s%d.ts",
        "segment-template",
        expect=["out/l.csv"],
    ),
    _case(
        "two-pass-log",
        f"-y -v info -nostats -i {{media}}/a.mp4 {X264} -b:v 100k -pass 1 -passlogfile {{out}}/p -an -f null -",
        "two-pass",
        expect=["out/p-0.log"],
    ),
    _case(
        "x264-stats",
        f"-y -v error -i {{media}}/a.mp4 {X264} -an -x264-params pass=1:stats={{out}}/x.log -f null -",
        "two-pass",
        expect=["out/x.log"],
    ),
    _case(
        "progress-file",
        f"-v error -i {{media}}/s.mkv -progress {{out}}/p.txt -c copy {BX} -f matroska {{out}}/o.mkv",
        "progress",
        files=[["out/p.txt", "progress"]],
        expect=["out/p.txt"],
    ),
    _case(
        "report-flag",
        "-v error -report -i {media}/s.mkv -c copy -f null -",
        "report",
        files=[["cwd/ffmpeg-*.log", "anyname"]],
        expect=["cwd/ffmpeg-[*].log"],
    ),
    _case(
        "vstats-file",
        f"-v error -i {{media}}/s.mkv -an {X264} -vstats_file {{out}}/v.txt -f null -",
        files=[["out/v.txt", "exists"]],
        expect=["out/v.txt"],
    ),
    _case("framehash", f"-v error -i {{media}}/a.mkv -map 0:v {BX} -f framehash {{out}}/h.txt", "hash"),
    _case("output-exists-n", "-hide_banner -n -i {media}/s.mkv -c copy {out}/o.mkv", "prompt")
    | {"setup": [["write", "{out}/o.mkv", "old"]]},
    _case("output-directory-missing", "-hide_banner -i {media}/s.mkv -c copy {out}/no/o.mkv", "fail"),
    _case("output-is-directory", "-hide_banner -y -i {media}/s.mkv -c copy -f matroska {out}", "fail"),
    _case(
        "output-relative",
        f"-v info -nostats -i {{media}}/s.mkv -c copy {BX} sub/o.mkv",
        "relative-path",
        setup=[["mkdir", "{cwd}/sub"]],
        expect=["cwd/sub/o.mkv"],
    ),
    _case(
        "output-through-link",
        f"-v error -y -i {{media}}/s.mkv -c copy {BX} {{out}}/l.mkv",
        "symlink",
        setup=[["symlink", "{out}/l.mkv", "real.mkv"]],
        expect=["out/real.mkv"],
    ),
    _case(
        "umask-zero",
        f"-v error -i {{media}}/s.mkv -c copy {BX} {{out}}/m.mkv",
        "umask",
        umask=0,
        check_mode=True,
    ),
    _case(
        "dump-attachment",
        "-v info -nostats -y -dump_attachment:t:0 {out}/font.ttf -i {media}/a.mkv -t 0 -f null -",
        "attachments",
        expect=["out/font.ttf"],
    ),
    _case(
        "attach",
        f"-v error -i {{media}}/s.mkv -c copy -attach {{media}}/cover.txt -metadata:s:t mimetype=text/plain {BX} "
        "{out}/o.mkv",
        "attachments",
        expect=["out/o.mkv"],
    ),
    _case(
        "concat-protocol",
        f"-v info -nostats -i concat:{{media}}/a.ts|{{media}}/b.ts -c copy {BX} {{out}}/c.ts",
        "concat",
    ),
    _case(
        "subfile",
        f"-v error -f mpegts -i subfile,,start,0,end,56400,,:{{media}}/a.ts -c copy {BX} -f framecrc -",
        "protocol",
    ),
    _case("cache-async", f"-v error -i async:cache:{{media}}/a.ts -c copy {BX} -f framecrc -", "protocol"),
    _case(
        "concat-list-relative",
        f"-v info -nostats -f concat -i list.txt -c copy {BX} {{out}}/c.mkv",
        "concat-list",
        setup=[
            ["copy", "{cwd}/a.mp4", "{media}/a.mp4"],
            ["write", "{cwd}/list.txt", "file 'a.mp4'\nfile 'a.mp4'\n"],
        ],
    ),
    _case("data-copy", "-v error -i {media}/a.mkv -map 0:2 -c copy -f data -", "pipe-out"),
]

ARGUMENTS = [
    _case("long-argument", ["-v error -i {media}/s.mkv -c copy -metadata", "=title=" + "x" * 100_000, f"{BX} -f ffmetadata -"], "long-args"),
    _case("many-arguments", ["-v error -i {media}/s.mkv -c copy", *["-metadata a=b"] * 4990, f"{BX} -f ffmetadata -"], "long-args"),
    _case("empty-argument", ["-v error -i", "=", "-f null -"], "empty-arg", "fail"),
    _case("empty-output", ["-v error -i {media}/s.mkv", "="], "empty-arg", "fail"),
    _case("dollar", ["-v error -i", "={media}/sp/$HOME `id` $(id) & | > < !.mkv", f"-c copy {BX} -f framecrc -"], "names"),
    _case("dollar-name", ["-hide_banner -i", "=$Shared/fid-media/s.mkv", "-f null -"], "names", "fail"),
    _case("dollar-text", ["-v error -i {media}/s.mkv -c copy -metadata", "=title=$Shared $$ ${x}", f"{BX} -f ffmetadata -"], "names"),
    _case("double-dash", f"-v error -y -i s.mkv -c copy {BX} -- -o.mkv", "names", setup=[["copy", "{cwd}/s.mkv", "{media}/s.mkv"]]),
]  # fmt: skip

STREAMS = [
    _case(
        "stderr-closed",
        f"-i {{media}}/s.mkv -c copy {BX} -f matroska {{out}}/o.mkv",
        "closed-stderr",
        stderr_io={"closed": 1},
        expect=["out/o.mkv"],
    ),
    _case(
        "stdout-closed", "-v error -i {media}/s.mkv -f rawvideo -", "closed-stdout", stdout_io={"closed": 1}
    ),
    _case(
        "stdout-full",
        "-v error -i {media}/s.mkv -frames:v 1 -f rawvideo -",
        "fail",
        stdout_io={"dev": "/dev/full"},
    ),
    _case(
        "stdout-file",
        f"-v error -i {{media}}/s.mkv -c copy {BX} -f mp4 -movflags frag_keyframe -",
        stdout_io={"file": "{out}/o.mp4"},
    ),
    _case(
        "stdout-file-seek",
        f"-v error -i {{media}}/s.mkv -c copy {BX} -f mp4 pipe:1",
        "fail",
        stdout_io={"file": "{out}/o.mp4"},
    ),
    _case("merged", "-i {media}/s.mkv -f null -", "merged-2>&1", stderr_io={"merge": 1}, stdout="norm"),
    _case(
        "stdin-large",
        "-v error -f rawvideo -s 640x480 -pix_fmt rgb24 -i - -f framemd5 -",
        "pipe-in",
        stdin={"kind": "pattern", "n": 9_216_000},
    ),
    _case(
        "stdin-not-read-to-its-end",
        "-v error -f rawvideo -s 64x48 -pix_fmt rgb24 -i - -frames:v 1 -f framemd5 -",
        "pipe-in",
        stdin={"kind": "pattern", "n": 20_000_000},
        stdin_epipe=True,
    ),
    _case("stdin-empty", "-v error -f rawvideo -s 64x48 -i - -f framemd5 -", "pipe-in", "fail"),
    _case(
        "nostdin-idle", "-v error -nostdin -i {media}/s.mkv -f null -", "stdin-idle", stdin={"kind": "idle"}
    ),
    _case(
        "fifo-input",
        f"-v error -f mpegts -i {{cwd}}/in.fifo -c copy {BX} -f framecrc -",
        "fifo",
        setup=[["fifo", "{cwd}/in.fifo", "{media}/a.ts"]],
    ),
    _case(
        "fd3-in",
        f"-v error -f mpegts -i pipe:3 -c copy {BX} -f framecrc -",
        "extra-fds",
        fds={"3": {"feed": "{media}/a.ts"}},
    ),
    _case(
        "fds-both-ways",
        f"-v error -f mpegts -i pipe:3 -map 0:v -c copy {BX} -f framecrc pipe:4 -map 0:a -c copy -f framecrc pipe:1",
        "extra-fds",
        fds={"3": {"feed": "{media}/a.ts"}, "4": {"capture": 1}},
    ),
]

INTERACTION = [
    _case("key-quit-line", f"{ENDLESS} {{out}}/o.mp4", "q-key", stdin={"kind": "idle"}, stderr=["command received"], actions=[_when("frame=", send="q\n")], **PLAYABLE),
    _case("key-help", "-hide_banner -f lavfi -i nullsrc=s=1x1:d=1000000 -f null -", "q-key", stdin={"kind": "idle"}, stderr=["key    function"], actions=[_when("Press", send="?"), _when("key    function", send="q")], exit_within=6),
    _case("key-pause", f"{ENDLESS} {{out}}/o.mp4", "q-key", stdin={"kind": "idle"}, stderr=["command received"], actions=[_when("frame=", send="c"), _when("Enter command", send="\n"), {"delay": 0.3, "send": "q"}], **PLAYABLE),
    _case("stdin-end-goes-on", f"-hide_banner -y -re -i {{media}}/s.mkv {X264} {BX} {{out}}/o.mkv", "stdin", stdin={"kind": "idle"}, actions=[_when("Output #0", 0.1, close_stdin=True)], expect=["out/o.mkv"], timed=True),
    _case("prompt-n", "-hide_banner -i {media}/s.mkv -c copy {out}/o.mkv", "prompt", stdin={"kind": "idle"}, setup=[["write", "{out}/o.mkv", "old"]], actions=[_when("Overwrite", 0, send="N\n")]),
    _case("prompt-eof", "-hide_banner -i {media}/s.mkv -c copy {out}/o.mkv", "prompt", stdin={"kind": "idle"}, setup=[["write", "{out}/o.mkv", "old"]], actions=[_when("Overwrite", 0, close_stdin=True)]),
    _case("signal-term", f"{ENDLESS} {{out}}/o.mp4", "signals", stderr=["signal 15"], actions=[_when("frame=", sig="TERM")], **PLAYABLE),
    _case("signal-hup", f"{ENDLESS} {{out}}/o.mp4", "signals", stderr=["frame="], actions=[_when("frame=", sig="HUP")], files=[["out/o.mp4", "ignore"]], exit_within=6),
    _case("signal-quit", f"{ENDLESS} {{out}}/o.mp4", "signals", stderr=["frame="], actions=[_when("frame=", sig="QUIT")], files=[["out/o.mp4", "ignore"]], exit_within=6),
    _case("signal-usr1", f"{ENDLESS} {{out}}/o.mp4", "signals", stderr=["frame="], actions=[_when("frame=", sig="USR1")], files=[["out/o.mp4", "ignore"]], exit_within=6),
    _case("signal-int-group", f"{ENDLESS} {{out}}/o.mp4", "signals", stderr=["signal 2"], actions=[_when("frame=", sig="INT", target="group")], **PLAYABLE),
    _case("signal-int-four", f"-hide_banner -y -i {{media}}/s.mkv -c copy {BX} -f matroska {{cwd}}/o.fifo", "signals", stderr=["Input #0"], setup=[["fifo", "{cwd}/o.fifo", "{media}/s.mkv"]], actions=[_when("Input #0", sig="INT", times=4, gap=0.2)], exit_within=6),
    _case("tty-stderr", "-hide_banner -i {media}/nope.mkv -f null -", "tty", pty="stderr", env={"TERM": "xterm-256color"}),
    _case("tty-prompt", "-hide_banner -i {media}/s.mkv -c copy {out}/o.mkv", "tty", pty="stdin+stdout+stderr", env={"TERM": "xterm"}, stdin={"kind": "pty"}, setup=[["write", "{out}/o.mkv", "old"]], stdout=["Overwrite", "Not overwriting"], actions=[{"when": {"stdout_re": "Overwrite"}, "delay": 0.3, "send": "N\n"}]),
    _case("colour", "-hide_banner -i {media}/nope.mkv -f null -", "env", env={"AV_LOG_FORCE_COLOR": "1", "TERM": "xterm-256color"}),
    _case("ffreport-colon", "-v error -i {media}/s.mkv -c copy -f null -", "report", env={"FFREPORT": "file={out}/a\\:b.log:level=16"}, files=[["out/a:b.log", "exists"]], expect=["out/a:b.log"]),
    _case("ffreport-default", "-v error -i {media}/s.mkv -c copy -f null -", "report", env={"FFREPORT": "level=16"}, files=[["cwd/ffmpeg-*.log", "anyname"]]),
]  # fmt: skip

CASES: list[Case] = [*INTROSPECTION, *PROBES, *FILTERS, *OUTPUTS, *ARGUMENTS, *STREAMS, *INTERACTION]
