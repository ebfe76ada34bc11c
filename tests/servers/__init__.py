"""Real servers for tests: each in a file, on ports and in a folder of its own, gone when its block is left.

They come from the machine's packages and bind to the loopback address. Whatever serves there
on the standard ports is not touched.
"""
