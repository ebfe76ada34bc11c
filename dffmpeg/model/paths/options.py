"""What FFmpeg's command lines look like, as far as paths are concerned: ffmpeg(1), ffprobe(1), cmdutils.c."""

from __future__ import annotations

FLAGS = frozenset(
    b"""
    accurate_seek an auto_conversion_filters benchmark benchmark_all bitexact copy_unknown copyinkf copyts
    debug_ts deinterlace dn dump find_stream_info fix_sub_duration hex hide_banner ignore_unknown intra n
    print_graphs psnr qphist re recast_media report shortest sn start_at_zero stats stdin vn vstats xerror y
    byte_binary_prefix count_frames count_packets prefix pretty private sexagesimal show_chapters show_data
    show_error show_format show_frames show_library_versions show_packets show_pixel_formats
    show_private_data show_program_version show_programs show_stream_groups show_streams show_versions unit
    L version buildconf formats muxers demuxers devices codecs decoders encoders bsfs protocols filters
    pix_fmts layouts sample_fmts dispositions colors hwaccels
    """.split()
)
"""Options that take no value; also with `no` in front. Every other one takes the argument behind it."""

GRAPHS = frozenset((b"vf", b"af", b"filter", b"filter_complex", b"lavfi"))
"""Their value is a filter graph."""

TEXTS = frozenset(
    b"""
    metadata program headers user_agent user-agent http_user_agent referer cookies hls_base_url baseurl
    segment_list_entry_prefix hls_enc_key_url hls_enc_key hls_enc_iv utc_timing_url service_name
    service_provider stream_id streamid rtmp_app rtmp_playpath rtmp_tcurl ice_name ice_description
    ice_url content_type method http_persistent key iv decryption_key
    cenc_decryption_key encryption_key passphrase password username
    show_entries select_streams read_intervals force_key_frames expr map map_metadata map_channel disposition
    adaptation_sets var_stream_map init_hw_device hwaccel_device filter_hw_device vaapi_device qsv_device
    f c codec vcodec acodec scodec pix_fmt ss t to r s
    """.split()
)
"""Their value is never a path, even if it looks like one: a changed text changes the output."""

PAIRS = frozenset((b"x264opts", b"params", b"opts", b"options"))
"""Their value is `key=value:key=value`; also those whose name ends in one of these behind `-` or `_`."""

READS = frozenset(
    b"""
    i filter_script filter_complex_script attach fpre vpre apre spre pre hls_key_info_file ca_file cert_file
    key_file
    """.split()
)
"""Options whose value is a file that is read; other options' values may be written."""

OUTPUTS = frozenset((b"hls_segment_filename",))
"""Options whose value names files that are as much the output as those that stand by themselves."""

NO_FILES = frozenset(
    (
        b"null",
        b"alsa",
        b"pulse",
        b"oss",
        b"sdl",
        b"sdl2",
        b"xv",
        b"opengl",
        b"caca",
        b"fbdev",
        b"audiotoolbox",
    )
)
"""Output formats whose output's name is no file."""

FILTER_TEXTS = frozenset(
    (
        (b"drawtext", b"text"),
        (b"drawtext", 1),
        (b"metadata", b"key"),
        (b"metadata", b"value"),
        (b"metadata", 1),
        (b"metadata", 2),
        (b"ametadata", b"key"),
        (b"ametadata", b"value"),
        (b"ametadata", 1),
        (b"ametadata", 2),
        (b"sendcmd", b"commands"),
        (b"sendcmd", b"c"),
        (b"sendcmd", 0),
        (b"asendcmd", b"commands"),
        (b"asendcmd", b"c"),
        (b"asendcmd", 0),
        (b"qrencode", b"text"),
        (b"flite", b"text"),
    )
)
"""Options of filters, by name or position, that are text and no path."""

FILTER_WRITES = frozenset((b"stats_file", b"log_path", b"result", b"destination"))
FILTER_WRITES_OF = frozenset(
    (
        (b"psnr", b"f"),
        (b"psnr", 0),
        (b"ssim", b"f"),
        (b"ssim", 0),
        (b"vidstabdetect", 0),
        (b"metadata", b"file"),
        (b"ametadata", b"file"),
        (b"signature", b"filename"),
    )
)
"""Options of filters that name a file to write."""

FILE_FILTERS = frozenset(
    (b"subtitles", b"ass", b"movie", b"amovie", b"lut1d", b"lut3d", b"arnndn", b"removelogo")
)
FILE_FILTERS_OPTIONS = frozenset((0, b"filename", b"file", b"f", b"model", b"m"))
"""Filters, and options of them, that name a file to read and nothing else."""


def name_of(argument: bytes) -> bytes:
    """An option's name, without its dash and its stream specifier."""
    return argument[1:].partition(b":")[0]


def is_flag(name: bytes) -> bool:
    """Whether the option takes no value."""
    return name in FLAGS or (name.startswith(b"no") and name[2:] in FLAGS)


def is_pairs(name: bytes) -> bool:
    """Whether the option's value is `key=value:key=value`."""
    return name in PAIRS or name.replace(b"-", b"_").rpartition(b"_")[2] in PAIRS
