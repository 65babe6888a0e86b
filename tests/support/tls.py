"""What every HTTP client makes for itself if it is not given one, in 30 ms each time, also where it never speaks TLS."""

import ssl

TLS = ssl.create_default_context()
