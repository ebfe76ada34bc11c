"""`dffmpeg_proxy`: stands in for ffmpeg and ffprobe.

Called as `ffmpeg` (by a symlink), it runs ffmpeg; by its own name, the program that its first
argument names.
"""

from dffmpeg.shim.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
