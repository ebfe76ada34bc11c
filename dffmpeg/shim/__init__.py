"""What runs when a stand-in is called. Nothing but the smaller part of the standard library is imported here,
so that the first packet leaves a few milliseconds after the call; the client proper is loaded only when
no agent does its work."""
