"""One suite for every downlink, against real servers, through a proxy that a test can break."""
